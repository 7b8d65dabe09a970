"""One of several classes, and one of several levels in order.

choice      the categorical engine's posterior, its argmax
ordinal     the mean of two posteriors: the engine's, which knows whom each worker takes for whom but not the order, and that of the
            number model over the ranks, which knows the order; the verdict is the median level, of least expected absolute error

Krippendorff's alpha, nominal and ordinal: Hayes & Krippendorff (2007), https://doi.org/10.1080/19312450709336664; the engine:
Dawid & Skene (1979), https://doi.org/10.2307/2346806.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from scipy.special import ndtr

from oracle.verification.types import agreement
from oracle.verification.types import number as numbers
from oracle.verification.types.answer import AnswerType, Categorical, Consensus, Float, Given, Int32, Unreadable
from oracle.verification.types.documents import written

_INTEGER = re.compile(r"[+-]?[0-9]{1,15}\Z", re.ASCII)


def choice(classes: Sequence[str] | None = None) -> AnswerType:
    """One of `classes`, or of whatever was answered."""
    return AnswerType(
        name="choice",
        read=partial(read, classes=classes),
        write=str,
        aggregate=partial(aggregate, classes=classes),
        near=0.0,
        distance=lambda left, right: float(left != right),
        agreement=lambda given: agreement.nominal(given.task, _ranks(given, classes)[0]),
        measure="Krippendorff's alpha, nominal",
        score=lambda values, known: {"accuracy": float(np.mean([v == k for v, k in zip(values, known, strict=True)]))},
    )


def ordinal(classes: Sequence[str] | None = None) -> AnswerType:
    """One of `classes`, lowest first; without them every level is a whole number."""
    return AnswerType(
        name="ordinal",
        read=partial(read, classes=classes) if classes else read_level,
        write=str,
        aggregate=partial(aggregate, classes=classes, in_order=True),
        near=0.0,
        distance=lambda left, right: float(left != right),
        agreement=lambda given: agreement.ordinal(given.task, _ranks(given, classes)[0]),
        measure="Krippendorff's alpha, ordinal",
        score=partial(score, classes=classes),
    )


def read(text: str, classes: Sequence[str] | None = None) -> str:
    """The class itself. Raises Unreadable for one that is none of `classes`."""
    if classes is not None and text not in classes:
        raise Unreadable(f"{text[:40]!r} is none of the classes ({', '.join(classes)[:200]}); correct it")
    return text


def read_level(text: str) -> str:
    """A whole number. Raises Unreadable."""
    text = text.strip()
    if not _INTEGER.match(text):
        raise Unreadable(
            f'{text[:40]!r} is no whole number; name the levels: {{"type": "ordinal", "classes": [lowest, ...]}}'
        )
    return str(int(text))


def aggregate(
    given: Given, engine: Categorical, classes: Sequence[str] | None = None, in_order: bool = False
) -> Consensus:
    """The most probable class or, `in_order`, the median level; the confidence is its probability.

    One more column, `probabilities`: of each class, as JSON. Quality: the mean probability of what the worker said.
    """
    rank, levels = _ranks(given, classes)
    posterior = engine(given.task, given.worker, rank, given.tasks, given.workers, len(levels))  # [T, C]
    if in_order:
        posterior = (posterior + _by_order(given, rank, len(levels))) / 2
    middle = (np.cumsum(posterior, 1) < 0.5 - 1e-12).sum(1).clip(max=len(levels) - 1)  # [T]
    best = middle if in_order else posterior.argmax(1)
    answered = np.bincount(given.task, minlength=given.tasks) > 0
    said = posterior[given.task, rank]  # [N]
    many = np.bincount(given.worker, minlength=given.workers)
    return Consensus(
        value=[levels[level] if seen else None for level, seen in zip(best.tolist(), answered, strict=True)],
        confidence=np.where(answered, posterior[np.arange(given.tasks), best], 0.0),
        quality=np.bincount(given.worker, said, given.workers) / np.maximum(many, 1),
        columns={
            "probabilities": [written(dict(zip(levels, np.round(row, 6).tolist(), strict=True))) for row in posterior]
        },
    )


def score(values: Sequence[str], known: Sequence[str], classes: Sequence[str] | None = None) -> dict[str, float]:
    """Share of exact levels, and the mean distance in levels (in whole numbers where no levels are named)."""
    place = {level: i for i, level in enumerate(classes or ())}
    off = [place[v] - place[k] if place else int(v) - int(k) for v, k in zip(values, known, strict=True)]
    return {"accuracy": float(np.mean([not one for one in off])), "mae": float(np.mean(np.abs(off)))}


def _by_order(given: Given, rank: Int32, levels: int) -> Float:
    """Posterior [T, C] of the number model over the ranks: the mass of a normal about its value, within half a level.

    The normal is as wide as the value's error, not as the interval, which is made to stand alone: beside the engine so wide a
    voice says nothing.
    """
    found = numbers.estimate(replace(given, value=rank.tolist()), 0, levels - 1)
    answered = found.answers > 0
    centre = np.where(answered, found.value, levels / 2)[:, None]  # [T, 1]
    error = np.where(answered, found.error, 1e9)[:, None].clip(min=1e-6)
    edges = np.arange(levels + 1) - 0.5
    edges[0], edges[-1] = -np.inf, np.inf
    return np.diff(ndtr((edges - centre) / error), axis=1)


def _ranks(given: Given, classes: Sequence[str] | None) -> tuple[Int32, Sequence[str]]:
    """The place of each answer's class [N], and the classes: as named, or numerically, or by UTF-8 bytes."""
    levels = classes or _sorted(set(given.value))
    place = {level: i for i, level in enumerate(levels)}
    return np.array([place[value] for value in given.value], np.int32), levels


def _sorted(values: set[str]) -> list[str]:
    if all(_INTEGER.match(value) for value in values):
        return sorted(values, key=lambda value: (int(value), value.encode()))
    return sorted(values, key=str.encode)
