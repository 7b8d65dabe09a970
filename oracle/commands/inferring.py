"""`crowdproof infer`: the truth behind a file of crowd labels, as a file of verdicts."""

from pathlib import Path
from typing import Any

import numpy as np

from oracle import labels as lb
from oracle.protocol.errors import BadInput
from oracle.verification.infer import Fit, dawid_skene, vote
from oracle.verification.record import proba as proba_of_record
from oracle.verification.record import record

METHODS = ("auto", "vote", "dawid-skene")


def infer(labels: Path, out: Path, gold: Path | None, method: str, proba: bool, of_record: bool) -> dict[str, Any]:
    """Verdicts of a label file into `out`; `gold` holds known labels fixed. Raises BadInput naming the place."""
    if method not in METHODS:
        raise BadInput(f"--method {method}: it is one of {', '.join(METHODS)}")
    if gold is not None and method == "vote":
        raise BadInput("--gold with --method vote: a vote learns nothing from known labels; use dawid-skene")
    answers, notes = lb.read_answers(labels)
    answers, known, more = _with_gold(answers, gold)
    fit = None if method == "vote" else _fitted(answers, known)
    posterior = _posterior(answers, fit, of_record)
    found = posterior.argmax(1).astype(np.int32)
    confidence = posterior.max(1)
    lb.write_verdicts(out, answers.tasks, answers.classes, found, confidence, posterior if proba else None)
    return {
        "tasks": len(answers.tasks),
        "workers": len(answers.workers),
        "answers": len(answers.label),
        "classes": list(answers.classes),
        "method": "vote" if fit is None else "dawid-skene",
        "of_record": of_record,
        "mean_confidence": float(confidence.mean()),
        "out": str(out),
        "notes": [*notes, *more],
    }


def text(d: dict[str, Any]) -> str:
    return (
        f"  {d['answers']:,} answers by {d['workers']:,} workers on {d['tasks']:,} tasks, {len(d['classes'])} classes: "
        f"{d['method']}, mean confidence {d['mean_confidence']:.3f} -> {d['out']}"
    )


def _with_gold(answers: lb.Answers, gold: Path | None) -> tuple[lb.Answers, np.ndarray | None, list[str]]:
    if gold is None:
        return answers, None, []
    truth, notes = lb.read_truth(gold)
    answers = lb.add_classes(answers, truth.labels.values())
    known, unmatched = lb.align_truth(answers, truth, str(gold))
    return answers, known, [*notes, *unmatched]


def _sizes(answers: lb.Answers) -> tuple[int, int, int]:
    return len(answers.tasks), len(answers.workers), len(answers.classes)


def _fitted(answers: lb.Answers, known: np.ndarray | None) -> Fit:
    return dawid_skene(answers.task, answers.worker, answers.label, *_sizes(answers), gold=known)


def _posterior(answers: lb.Answers, fit: Fit | None, of_record: bool) -> lb.Float:
    """[T, C], of the model or of record."""
    tasks, _, classes = _sizes(answers)
    if of_record:
        caps = {} if fit else {"weight_cap": 0}
        decided = record(answers.task, answers.worker, answers.label, tasks, classes, fit, **caps)
        return proba_of_record(decided.scores)
    return vote(answers.task, answers.label, tasks, classes) if fit is None else fit.posterior
