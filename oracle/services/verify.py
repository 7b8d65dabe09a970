"""From opened answers to weights and priors of record: the model speaks, the integers decide.

listed answers of one job -> Judgement. Every member runs it by itself; only the labels must (nearly) agree between members.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import oracle
from oracle.protocol.epoch import Listed, Row
from oracle.protocol.leaves import Status
from oracle.protocol.terms import Terms


@dataclass(frozen=True, slots=True)
class Judgement:
    """Weights by (worker, label), priors and labels by task, and what the model card says of the job."""

    rows: dict[tuple[int, int], Row]
    priors: dict[int, Row]
    labels: dict[int, int]
    card: dict[str, Any]


def judge(job: int, terms: Terms, tasks: Mapping[int, Sequence[Listed]]) -> Judgement:
    """The engine over the counted answers, as integers (or the plain vote, where the terms fix it)."""
    from oracle.verification import judge as judging  # noqa: PLC0415 - loads for most of a second, and only judging needs it
    from oracle.verification.record import record  # noqa: PLC0415

    order = sorted(tasks)
    counted = [
        (t, a.worker, a.label) for t, task in enumerate(order) for a in tasks[task] if a.status is Status.COUNTED
    ]
    task, worker, label = (
        np.array(column, np.int32) for column in (zip(*counted, strict=True) if counted else ((),) * 3)
    )
    people, place = np.unique(worker, return_inverse=True)
    crowd = judging.crowd(task, place, label, len(order), max(len(people), 1), terms.classes)
    weight_cap, prior_cap = terms.weight_cap, terms.prior_cap
    card: dict[str, Any] = {"job": job, "tasks": len(order), "answers": len(counted)}
    card |= {"weight_cap": weight_cap, "prior_cap": prior_cap}
    if weight_cap:
        belief = judging.believe(crowd)
        decision = judging.decide(belief, weight_cap=weight_cap, prior_cap=prior_cap)
        found = decision.record
        card |= {
            "method": "engine",
            "voices": list(belief.inference.voices),
            "iterations": belief.inference.iterations,
            "rings": [people[list(ring.workers)].tolist() for ring in belief.rings if ring.merges],
            "certified": int(decision.certified.sum()),
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


def model_card(judged: Iterable[Judgement]) -> dict[str, Any]:
    """What a member publishes beside its verdicts: code, method and sizes; the seed is for models that draw."""
    return {"version": 0, "code": oracle.__version__, "seed": 0, "jobs": [j.card for j in judged]}
