"""`crowdproof infer --type`: one value a task out of answers that are numbers, texts, ranks, spans, boxes or forms of them.

A label file whose labels hold values, and the words of the type -> verdicts `task,label,confidence` and the type's own columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from oracle import labels as lb
from oracle.protocol.errors import BadInput
from oracle.protocol.manifest import BINS
from oracle.verification.types.answer import AnswerType, Consensus, Given, Ints, Unreadable
from oracle.verification.types.catalogue import type_of


def infer(labels: Path, out: Path, gold: Path | None, words: str, of_record: bool) -> dict[str, Any]:
    """Verdicts of a label file into `out`; `gold` is only compared with them. Raises BadInput naming the place.

    `of_record`: the integer decision among the candidates of each task, and how many part from the consensus (`parted`).
    """
    kind = type_of(words, "--type")
    answers, notes = lb.read_answers(labels, empty=kind.name == "text")
    given = read_given(answers, kind, str(labels))
    known, more = _known(gold, kind)
    found = kind.aggregate(given, engine)
    parted = {}
    if of_record:
        found, parted["parted"] = _decided(given, found, kind)
    write(out, answers.tasks, found, kind)
    return {
        "type": kind.name,
        "tasks": given.tasks,
        "workers": given.workers,
        "answers": len(given.value),
        "agreement": kind.agreement(given),
        "measure": kind.measure,
        "of_record": of_record,
        **parted,
        "mean_confidence": float(found.confidence.mean()),
        **({"score": score(kind, answers.tasks, found.value, known)} if gold else {}),
        "out": str(out),
        "notes": [*notes, *more],
    }


def text(d: dict[str, Any]) -> str:
    alpha = "undefined" if d["agreement"] is None else f"{d['agreement']:.3f}"
    scores = "".join(f", {name} {value:.4f}" for name, value in d.get("score", {}).items())
    return (
        f"  {d['answers']:,} answers by {d['workers']:,} workers on {d['tasks']:,} tasks, {d['type']}: "
        f"agreement {alpha} ({d['measure']}), mean confidence {d['mean_confidence']:.3f}{scores} -> {d['out']}"
    )


def engine(task: Ints, worker: Ints, label: Ints, tasks: int, workers: int, classes: int) -> lb.Float:
    """The categorical engine that types are reduced to: posterior [T, C]."""
    from oracle.verification.engine import infer as believe  # noqa: PLC0415 - loads for most of a second, and not every type asks it

    return believe(task, worker, label, tasks, workers, classes).posterior


def read_given(answers: lb.Answers, kind: AnswerType, name: str) -> Given:
    """The answers as values of the type. Raises BadInput naming task and worker of the first that is none."""
    values = []
    for number, label in enumerate(answers.classes):
        try:
            values.append(kind.read(label))
        except Unreadable as reason:
            n = int(np.flatnonzero(answers.label == number)[0])
            task, worker = answers.tasks[answers.task[n]], answers.workers[answers.worker[n]]
            raise BadInput(f"{name}: task {task[:80]!r}, worker {worker[:80]!r}: the label {reason}") from None
    of = [values[number] for number in answers.label.tolist()]
    return Given(answers.task, answers.worker, of, len(answers.tasks), len(answers.workers))


def read_known(truth: lb.Truth, kind: AnswerType, name: str) -> dict[str, Any]:
    """Known values by task."""
    known = {}
    for task, label in truth.labels.items():
        try:
            known[task] = kind.read(label)
        except Unreadable as reason:
            raise BadInput(f"{name}: task {task[:80]!r}: the label {reason}") from None
    return known


def score(kind: AnswerType, tasks: Sequence[str], values: Sequence[Any], known: dict[str, Any]) -> dict[str, float]:
    """The type's metrics over the tasks whose value is known, and how many those are."""
    pairs = [(value, known[task]) for task, value in zip(tasks, values, strict=True) if task in known]
    if not pairs:
        return {"tasks": 0}
    found, truth = zip(*pairs, strict=True)
    return {"tasks": len(pairs), **kind.score(found, truth)}


def write(out: Path, tasks: Sequence[str], found: Consensus, kind: AnswerType) -> None:
    """`task,label,confidence` and the type's own columns, one row a task."""
    more = [[_cell(value) for value in column] for column in found.columns.values()]
    rows = (
        (task, kind.write(value), lb.number_text(confidence), *extra)
        for task, value, confidence, *extra in zip(tasks, found.value, found.confidence, *more, strict=True)
    )
    lb.write_rows(out, ("task", "label", "confidence", *found.columns), rows)


def _decided(given: Given, found: Consensus, kind: AnswerType) -> tuple[Consensus, int]:
    """The candidates of record, without the columns that speak of the consensus, and how many are another than the consensus."""
    from oracle.verification.types import candidates as cd  # noqa: PLC0415 - loads the engine

    by_bins = kind.name == "number"
    options = cd.bins(given, found, BINS) if by_bins else cd.clusters(given, found, kind)
    decided = cd.of_record(given, found, options)
    rows = zip(options.value, decided.label, options.best, found.value, strict=True)
    values = [seen if seen is None or label == best else some[label] for some, label, best, seen in rows]
    return replace(found, value=values, confidence=decided.confidence, columns={}), decided.parted


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else lb.number_text(value)


def _known(gold: Path | None, kind: AnswerType) -> tuple[dict[str, Any], list[str]]:
    if gold is None:
        return {}, []
    truth, notes = lb.read_truth(gold)
    return read_known(truth, kind, str(gold)), notes
