"""From opened answers to weights and priors of record: the model speaks, the integers decide.

listed answers of one job -> Judgement. Every member runs it by itself; only the labels must (nearly) agree between members.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import oracle
from oracle.protocol.epoch import Listed, Row
from oracle.protocol.leaves import Status
from oracle.protocol.terms import Terms

if TYPE_CHECKING:
    from oracle.matching.predict import Pairs
Pair = tuple[int, int]  # task, worker
SIZES = (
    "job",
    "tasks",
    "answers",
    "known_tasks",
    "weight_cap",
    "prior_cap",
    "method",
)  # what a card says of a sealed job


@dataclass(frozen=True, slots=True)
class Opinion:
    """Of one job while it is open: what is believed of the tasks that have answers, and of the workers who gave them.

    `pairs` has a task and a worker more, the last ones, for those of whom nothing is known.
    """

    row_of_task: dict[int, int]
    row_of_worker: dict[int, int]
    posterior: NDArray[np.float64]  # [T, C] the engine's, calibrated: it says when to stop
    pairs: "Pairs"  # what is foretold of answers: it says whom to ask


@dataclass(frozen=True, slots=True)
class Judgement:
    """Weights by (worker, label), priors and labels by task, and what the model card says of the job.

    Of free answers also, by task: `stands`, the candidate of each worker's that counts; `candidates`, their texts; and `reasons`,
    blocks that say why others are rejected.
    """

    rows: dict[tuple[int, int], Row]
    priors: dict[int, Row]
    labels: dict[int, int]
    card: dict[str, Any]
    stands: dict[int, dict[int, int]] = field(default_factory=dict)
    candidates: dict[int, tuple[str, ...]] = field(default_factory=dict)
    reasons: dict[Pair, bytes] = field(default_factory=dict)


def judge(
    job: int,
    terms: Terms,
    tasks: Mapping[int, Sequence[Listed]],
    before: Mapping[int, Sequence[Listed]] | None = None,
    gold: Mapping[int, int] | None = None,
    machines: Collection[int] = (),
) -> Judgement:
    """The engine over the counted answers, as integers (or the plain vote, where the terms fix it).

    `before`: of tasks that are decided: they say what the workers are worth, and are not judged again.
    `gold`: labels that the requester knows, by task: they are held while the crowd is judged.
    `machines`: workers that the requester says are models: they are heard as one.
    """
    from oracle.verification import judge as judging  # noqa: PLC0415 - loads for most of a second, and only judging needs it
    from oracle.verification.record import record  # noqa: PLC0415

    known = before if before and terms.weight_cap else {}
    order = [*sorted(tasks), *sorted(known.keys() - tasks.keys())]
    counted = [
        (t, a.worker, a.label)
        for t, task in enumerate(order)
        for a in (tasks[task] if task in tasks else known[task])
        if a.status is Status.COUNTED
    ]
    task, worker, label = (
        np.array(column, np.int32) for column in (zip(*counted, strict=True) if counted else ((),) * 3)
    )
    people, place = np.unique(worker, return_inverse=True)
    crowd = judging.crowd(task, place, label, len(order), max(len(people), 1), terms.classes)
    weight_cap, prior_cap = terms.weight_cap, terms.prior_cap
    card: dict[str, Any] = {"job": job, "tasks": len(tasks), "answers": len(counted)}
    card |= {"known_tasks": len(order) - len(tasks)} if known else {}
    card |= {"weight_cap": weight_cap, "prior_cap": prior_cap}
    if weight_cap:
        known_labels = [(gold or {}).get(t, -1) for t in order]
        told = sum(label >= 0 for label in known_labels)
        held = np.array(known_labels, np.int32) if told else None
        belief = judging.believe(crowd, gold=held, machines=_among(people, machines))
        card |= {"gold": told} if told else {}
        card |= {"machines": people[list(belief.machines.workers)].tolist()} if belief.machines else {}
        decision = judging.decide(belief, weight_cap=weight_cap, prior_cap=prior_cap)
        found = decision.record
        card |= {
            "method": "engine",
            "voices": list(belief.inference.voices),
            "iterations": belief.inference.iterations,
            "rings": [people[list(ring.workers)].tolist() for ring in belief.rings if ring.merges],
            "certified": int(decision.certified[: len(tasks)].sum()),
        }
    else:
        found = record(*crowd.arrays, None, weight_cap=weight_cap, prior_cap=prior_cap)
        card |= {"method": "vote"}
    pairs = zip(people[found.row_worker].tolist(), found.row_label.tolist(), strict=True)
    return Judgement(
        rows={pair: tuple(row) for pair, row in zip(pairs, found.row_weight.tolist(), strict=True)},
        priors={t: tuple(prior) for t, prior in zip(order, found.priors.tolist(), strict=True)},
        labels=dict(zip(order, found.labels.tolist(), strict=True)),
        card=card,
    )


def _among(people: NDArray[np.int32], some: Collection[int]) -> NDArray[np.int64]:
    """Where they stand."""
    return np.flatnonzero(np.isin(people, list(some)))


def believe(classes: int, counted: Sequence[tuple[int, int, int]], machines: Collection[int] = ()) -> Opinion:
    """Over (task, worker, label) triples."""
    from oracle.matching import predict  # noqa: PLC0415 - numba loads for a second
    from oracle.verification import judge as judging  # noqa: PLC0415 - as above

    task, worker, label = np.array(counted, np.int32).reshape(-1, 3).T
    tasks, t = np.unique(task, return_inverse=True)
    people, w = np.unique(worker, return_inverse=True)
    posterior = np.zeros((0, classes))
    if counted:
        crowd = judging.crowd(t, w, label, len(tasks), len(people), classes)
        found = judging.believe(crowd, machines=_among(people, machines)).posterior
        posterior = found / found.sum(1, keepdims=True)
    pairs = predict.fit(t, w, label, len(tasks) + 1, len(people) + 1, classes)
    rows_of = [{int(name): row for row, name in enumerate(names)} for names in (tasks, people)]
    return Opinion(rows_of[0], rows_of[1], posterior, pairs)


def model_card(judged: Iterable[Judgement], sealed: Collection[int] = ()) -> dict[str, Any]:
    """What a member publishes beside its verdicts: code, method and sizes; the seed is for models that draw.

    Of `sealed` jobs nothing that says how anybody answered.
    """
    cards = [{k: v for k, v in j.card.items() if j.card["job"] not in sealed or k in SIZES} for j in judged]
    return {"version": 0, "code": oracle.__version__, "seed": 0, "jobs": cards}
