"""`crowdproof infer`: the truth behind a file of crowd labels, as a file of verdicts."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from oracle import labels as lb
from oracle.compute import CPU, LOCAL, Compute
from oracle.protocol.errors import BadInput

if TYPE_CHECKING:
    from oracle.verification.engine import History
    from oracle.verification.judge import Belief

METHODS = ("auto", "vote", "dawid-skene")
LEAST = 1e-6  # answers: fewer are not worth a row


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is asked of `infer` beside the answers."""

    gold: Path | None = None
    method: str = "auto"
    proba: bool = False
    of_record: bool = False
    prior_workers: Path | None = None
    workers_out: Path | None = None
    machines: Path | None = None
    explain: tuple[str, ...] = ()
    device: str = CPU


def infer(labels: Path, out: Path, wanted: Wishes, compute: Compute = LOCAL) -> dict[str, Any]:
    """Verdicts of a label file into `out`, the same by any `compute`; gold holds known labels fixed.

    Raises BadInput naming the place.
    """
    _check(wanted)
    answers, notes = lb.read_answers(labels)
    answers, known, more = _with_gold(answers, wanted.gold)
    unknown = sorted(set(wanted.explain) - set(answers.tasks))
    if unknown:
        raise BadInput(f"--explain {unknown[0]}: {labels} has no answer to that task")
    found = _METHODS[wanted.method](answers, known, wanted, compute)
    posterior = found.pop("posterior")
    verdict, confidence = posterior.argmax(1).astype(np.int32), posterior.max(1)
    lb.write_verdicts(out, answers.tasks, answers.classes, verdict, confidence, posterior if wanted.proba else None)
    return {
        "tasks": len(answers.tasks),
        "workers": len(answers.workers),
        "answers": len(answers.label),
        "classes": list(answers.classes),
        "of_record": wanted.of_record,
        "mean_confidence": float(confidence.mean()),
        **found,
        "out": str(out),
        "notes": [*notes, *more],
    }


def text(d: dict[str, Any]) -> str:
    head = (
        f"  {d['answers']:,} answers by {d['workers']:,} workers on {d['tasks']:,} tasks, {len(d['classes'])} classes: "
        f"{d['method']}, mean confidence {d['mean_confidence']:.3f} -> {d['out']}"
    )
    lines = [
        head,
        *(f"  {ring['kind']}: {ring['reason']}" for ring in d.get("rings", [])),
        *(line for why in d.get("explained", []) for line in _explained(why)),
    ]
    return "\n".join(lines)


def _explained(why: dict[str, Any]) -> list[str]:
    head = (
        f"  {why['task']}: {why['verdict']}, confidence {why['confidence']:.3f}, {'' if why['certified'] else 'not '}"
        f"certified: {why['reason']}"
    )
    prior = f"    {why['prior_moved']:+.2f} nats for it over {why['rival']} by the model's prior"
    answers = [f"    {one['moved']:+.2f} by {one['worker']}, who said {one['label']}" for one in why["answers"]]
    return [head, prior, *answers]


def _check(wanted: Wishes) -> None:
    if wanted.method not in METHODS:
        raise BadInput(f"--method {wanted.method}: it is one of {', '.join(METHODS)}")
    if wanted.gold is not None and wanted.method == "vote":
        raise BadInput("--gold with --method vote: a vote learns nothing from known labels; use auto or dawid-skene")
    for option, given in (
        ("--prior-workers", wanted.prior_workers),
        ("--workers-out", wanted.workers_out),
        ("--machines", wanted.machines),
        ("--explain", wanted.explain),
    ):
        if given and wanted.method != "auto":
            raise BadInput(f"{option} with --method {wanted.method}: only auto, the engine, has it")


# ---------------------------------------------------------------------- methods: arrays in, `posterior` and facts out


def _vote(answers: lb.Answers, _: lb.Int32 | None, wanted: Wishes, __: Compute) -> dict[str, Any]:
    from oracle.verification.infer import vote  # noqa: PLC0415 - loads for most of a second
    from oracle.verification.record import proba, record  # noqa: PLC0415

    if wanted.of_record:
        return {"method": "vote", "posterior": proba(record(*_arrays(answers), None, weight_cap=0).scores)}
    tasks, _workers, classes = _sizes(answers)
    return {"method": "vote", "posterior": vote(answers.task, answers.label, tasks, classes)}


def _dawid_skene(answers: lb.Answers, known: lb.Int32 | None, wanted: Wishes, compute: Compute) -> dict[str, Any]:
    from oracle.verification.infer import dawid_skene  # noqa: PLC0415 - loads for most of a second

    posterior = dawid_skene(*_arrays(answers), gold=known, device=wanted.device, compute=compute).posterior
    if wanted.of_record:
        from oracle.verification.record import proba, record  # noqa: PLC0415

        posterior = proba(record(*_arrays(answers), posterior).scores)
    return {"method": "dawid-skene", "posterior": posterior}


def _engine(answers: lb.Answers, known: lb.Int32 | None, wanted: Wishes, compute: Compute) -> dict[str, Any]:
    from oracle.verification import judge  # noqa: PLC0415 - loads for most of a second

    history = _history(wanted.prior_workers, answers) if wanted.prior_workers else None
    models = _machines(wanted.machines, answers) if wanted.machines else ()
    crowd = judge.crowd(*_arrays(answers))
    device = wanted.device
    belief = judge.believe(crowd, gold=known, history=history, machines=models, device=device, compute=compute)
    inference = belief.inference
    found: dict[str, Any] = {
        "method": "engine",
        "posterior": belief.posterior,
        "voices": dict(zip(inference.voices, inference.weights.tolist(), strict=True)),
        "iterations": inference.iterations,
        "settled": inference.settled,
        "temperature": belief.tau,
        "rings": [
            {"workers": [answers.workers[i] for i in one.workers], "kind": one.kind, "reason": one.reason}
            for one in belief.rings
        ],
    }
    if wanted.of_record or wanted.explain:
        found |= _decided(answers, belief, wanted)
    if wanted.workers_out:
        _write_workers(wanted.workers_out, answers, belief)
    return found


_METHODS = {"auto": _engine, "vote": _vote, "dawid-skene": _dawid_skene}


def _decided(answers: lb.Answers, belief: Belief, wanted: Wishes) -> dict[str, Any]:
    from oracle.verification import explain, judge  # noqa: PLC0415
    from oracle.verification.record import proba  # noqa: PLC0415

    decision, named = judge.decide(belief), answers.classes
    job = explain.why_job(belief, decision)
    number = {task: t for t, task in enumerate(answers.tasks)}
    found: dict[str, Any] = {
        "certified": int(decision.certified.sum()),
        "parts_from_engine": int((~decision.agrees).sum()),
        "job": {
            **{name: _finite(value) for name, value in asdict(job).items()},
            "hardest": [answers.tasks[t] for t in job.hardest],
            "confused": [
                {"truth": named[truth], "label": named[label], "share": share} for truth, label, share in job.confused
            ],
        },
        "explained": [_named(answers, explain.why_verdict(belief, decision, number[task])) for task in wanted.explain],
    }
    if wanted.of_record:
        found["posterior"] = proba(decision.record.scores)
    return found


def _finite(value: Any) -> Any:
    """nan, which JSON has no word for, as null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _named(answers: lb.Answers, why: Any) -> dict[str, Any]:
    """An explanation with ids and labels in place of numbers."""
    named = answers.classes
    return asdict(why) | {
        "task": answers.tasks[why.task],
        "verdict": named[why.verdict],
        "rival": named[why.rival],
        "scores": dict(zip(named, why.scores, strict=True)),
        "answers": [
            asdict(one) | {"worker": answers.workers[one.worker], "label": named[one.label]} for one in why.answers
        ],
    }


# ---------------------------------------------------------------------- files


def _with_gold(answers: lb.Answers, gold: Path | None) -> tuple[lb.Answers, lb.Int32 | None, list[str]]:
    if gold is None:
        return answers, None, []
    truth, notes = lb.read_truth(gold)
    answers = lb.add_classes(answers, truth.labels.values())
    known, unmatched = lb.align_truth(answers, truth, str(gold))
    return answers, known, [*notes, *unmatched]


def _sizes(answers: lb.Answers) -> tuple[int, int, int]:
    return len(answers.tasks), len(answers.workers), len(answers.classes)


def _arrays(answers: lb.Answers) -> tuple[lb.Int32, lb.Int32, lb.Int32, int, int, int]:
    return answers.task, answers.worker, answers.label, *_sizes(answers)


def _history(path: Path, answers: lb.Answers) -> History:
    """Earlier counts `worker,truth,label,count`; workers and classes that do not occur here are left out."""
    from oracle.verification.engine import History  # noqa: PLC0415

    workers = {worker: i for i, worker in enumerate(answers.workers)}
    classes = {label: c for c, label in enumerate(answers.classes)}
    table: dict[tuple[int, int], list[float]] = {}
    for _, worker, truth, label, count in lb.read_counts(path):
        if worker in workers and truth in classes and label in classes:
            row = table.setdefault((workers[worker], classes[label]), [0.0] * len(classes))
            row[classes[truth]] += count
    keys = sorted(table)
    return History(
        np.array([worker for worker, _ in keys], np.int32),
        np.array([label for _, label in keys], np.int32),
        np.array([table[key] for key in keys], np.float64).reshape(-1, len(classes)),
    )


def _machines(path: Path, answers: lb.Answers) -> list[int]:
    """The workers named in a file `worker`. Raises BadInput for one who has no answer."""
    number = {worker: i for i, worker in enumerate(answers.workers)}
    found = []
    for lines, (names,) in lb.batches(str(path), ("worker",)):
        for line, name in zip(lines, names, strict=True):
            if name not in number:
                raise lb.wrong(str(path), line, f"{name[:80]!r} has no answer among the labels", "worker")
            found.append(number[name])
    return found


def _write_workers(path: Path, answers: lb.Answers, belief: Belief) -> None:
    """What this run learned of each worker, as the next one's --prior-workers."""
    width = len(answers.classes)
    pairs, place = np.unique(answers.worker.astype(np.int64) * width + answers.label, return_inverse=True)
    counts = np.stack([np.bincount(place, belief.posterior[answers.task, c], len(pairs)) for c in range(width)], 1)
    rows = (
        (answers.workers[pair // width], answers.classes[c], answers.classes[pair % width], lb.number_text(n))
        for pair, row in zip(pairs.tolist(), counts.tolist(), strict=True)
        for c, n in enumerate(row)
        if n > LEAST
    )
    lb.write_rows(path, lb.COUNT_COLUMNS, rows)
