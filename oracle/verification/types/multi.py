"""Several labels of one thing: for each label a question of yes or no.

The engine answers them twice: all labels together, where a worker's care is best known, and each label by itself, where its own
share and its own mistakes are; the probability is the mean of the two. The value is every label above one half, the confidence
the product of the labels' own.

Krippendorff's alpha with the Jaccard distance, as for sets in Passonneau (2006), Measuring agreement on set-valued items
(LREC); the reduction to binary questions: Zhang & Zhou (2014), https://doi.org/10.1109/TKDE.2013.39.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from oracle.protocol.errors import BadInput
from oracle.verification.types import agreement
from oracle.verification.types.answer import AnswerType, Categorical, Consensus, Float, Given, Int32, Unreadable
from oracle.verification.types.documents import MOST_ITEMS, NAME, parsed, written

MOST_QUESTIONS = 1 << 26  # labels x answers
_SCHEMA = {"type": "array", "items": NAME, "uniqueItems": True, "maxItems": MOST_ITEMS}

Labels = tuple[str, ...]


def multi(classes: Sequence[str] | None = None) -> AnswerType:
    """Any of `classes`, or of whatever was answered; also none of them."""
    return AnswerType(
        name="multi",
        read=partial(read, classes=classes),
        write=written,
        aggregate=partial(aggregate, classes=classes),
        near=0.0,
        distance=lambda left, right: 1 - jaccard(left, right),
        agreement=lambda given: agreement.by_distance(given, lambda left, right: 1 - jaccard(left, right)),
        measure="Krippendorff's alpha, Jaccard distance",
        score=score,
    )


def read(text: str, classes: Sequence[str] | None = None) -> Labels:
    """A JSON list of labels, in any order. Raises Unreadable."""
    labels: list[str] = parsed(text, _SCHEMA, '["cat","dog"]')
    if classes is not None and (odd := sorted(set(labels) - set(classes))):
        raise Unreadable(
            f"{text[:40]!r}: {odd[0][:40]!r} is none of the classes ({', '.join(classes)[:200]}); correct it"
        )
    return tuple(sorted(labels, key=str.encode))


def aggregate(given: Given, engine: Categorical, classes: Sequence[str] | None = None) -> Consensus:
    """One more column, `probabilities`: of each label, as JSON. Quality: the mean probability of the worker's yes and no."""
    labels = list(classes or sorted({label for value in given.value for label in value}, key=str.encode))
    if len(labels) * len(given.value) > MOST_QUESTIONS:
        raise BadInput(
            f"{len(labels):,} different labels in {len(given.value):,} answers are too many; name the classes"
        )
    place = {label: i for i, label in enumerate(labels)}
    said = np.zeros((len(labels), len(given.value)), np.int32)  # [L, N]
    for n, value in enumerate(given.value):
        said[[place[label] for label in value], n] = 1
    chance = _yes(given, engine, said)  # [L, T]
    answered = np.bincount(given.task, minlength=given.tasks) > 0
    right = (
        np.where(said == 1, chance[:, given.task], 1 - chance[:, given.task]).mean(0)
        if labels
        else np.ones(said.shape[1])
    )
    many = np.bincount(given.worker, minlength=given.workers)
    rows = [dict(zip(labels, np.round(row, 6).tolist(), strict=True)) for row in chance.T]
    found = [tuple(sorted((labels[i] for i in np.flatnonzero(row > 0.5)), key=str.encode)) for row in chance.T]
    return Consensus(
        value=[value if seen else None for value, seen in zip(found, answered, strict=True)],
        confidence=np.where(answered, np.maximum(chance, 1 - chance).prod(0), 0.0),
        quality=np.bincount(given.worker, right, given.workers) / np.maximum(many, 1),
        columns={"probabilities": [written(row) for row in rows]},
    )


def jaccard(left: Sequence[Any], right: Sequence[Any]) -> float:
    """Common members as a share of all; two empty sets are alike."""
    either = {*left, *right}
    return len({*left} & {*right}) / len(either) if either else 1.0


def score(values: Sequence[Labels], known: Sequence[Labels]) -> dict[str, float]:
    """Share of exact sets, F1 over all labels of all tasks, and the mean Jaccard likeness."""
    pairs = list(zip(values, known, strict=True))
    both = sum(len({*v} & {*k}) for v, k in pairs)
    named = sum(len(v) + len(k) for v, k in pairs)
    return {
        "accuracy": float(np.mean([{*v} == {*k} for v, k in pairs])),
        "f1": 2 * both / named if named else 1.0,
        "jaccard": float(np.mean([jaccard(v, k) for v, k in pairs])),
    }


def _yes(given: Given, engine: Categorical, said: Int32) -> Float:
    """The probability that each label holds. [L, T]"""
    count = len(said)
    if not count:
        return np.zeros((0, given.tasks))
    shift = np.arange(count)[:, None] * given.tasks
    together = engine(
        (given.task + shift).ravel().astype(np.int32),
        np.tile(given.worker, count),
        said.ravel(),
        count * given.tasks,
        given.workers,
        2,
    )[:, 1].reshape(count, given.tasks)
    apart = [engine(given.task, given.worker, row, given.tasks, given.workers, 2)[:, 1] for row in said]
    return (together + np.stack(apart)) / 2
