"""From values to classes, so that the integer decision of record can decide any type of answer.

A task's candidates are clusters of its answers: the consensus first, then the answers from the best worker down; who is no
further than `near` from a candidate stands for it, else is one of its own. They are numbered in the order of their canonical
texts, so that a number says nothing of its rank. Numbers have the bins of their scale instead, the same in each task.

The decision (docs/protocol.md) adds integer rows: of worker i for candidate l, log r_i at l and log (1 - r_i) / (C - 1)
elsewhere, r_i the share of the worker's answers that stand for the consensus; for bins the normal density of the worker's
spread. The prior speaks for the candidate of the consensus: its log-odds, or what it lacks to lead, within the cap; so record
and consensus part where the crowd outvotes the model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from oracle.verification.record import (
    ONE,
    PRIOR_CAP,
    WEIGHT_CAP,
    decide,
    plain_rows,
    proba,
    quantise,
    score,
    weight_rows,
)
from oracle.verification.types.answer import AnswerType, Consensus, Float, Given, Int32, Ints

MOST = 64  # candidates of a task
NEVER = -(1 << 40)  # the score of a candidate that a task does not have
MILLION = 1_000_000
FEW = 5.0  # answers that the crowd's share is worth beside a worker's own


@dataclass(frozen=True, slots=True)
class Candidates:
    """C classes; a task may use fewer, and its first are named."""

    value: list[list[Any]]  # [T] the candidates of each task
    label: Int32  # [N] which of its task's each answer stands for
    best: Int32  # [T] which the consensus is; 0 for a task without answers
    rows: Callable[[Ints, Ints, int], Float]  # log-likelihood [R, C] of (worker [R], label [R], C)

    @property
    def classes(self) -> int:
        """As few as will do."""
        return max(2, *(len(some) for some in self.value))


def clusters(given: Given, found: Consensus, kind: AnswerType, most: int = MOST) -> Candidates:
    """Up to `most` candidates of each task by the distance between its answers."""
    value: list[list[Any]] = []
    label = np.zeros(len(given.value), np.int32)
    best = np.zeros(given.tasks, np.int32)
    for task, group in enumerate(given.by_task()):
        leaders = [found.value[task]] if len(group) else []
        place = {}
        for n in sorted(group.tolist(), key=lambda n: (-found.quality[given.worker[n]], kind.write(given.value[n]))):
            place[n] = _join(given.value[n], leaders, kind, most)
        order = sorted(range(len(leaders)), key=lambda i: kind.write(leaders[i]).encode())
        rank = {old: new for new, old in enumerate(order)}
        value.append([leaders[i] for i in order])
        best[task] = rank.get(0, 0)
        for n, i in place.items():
            label[n] = rank[i]
    right = _share_right(given, label == best[given.task])
    return Candidates(value, label, best, lambda worker, label, c: _one_coin_rows(right[worker], label, c))


def bins(given: Given, found: Consensus, count: int, scale: tuple[float, float] | None = None) -> Candidates:
    """The middles of `count` equal parts of the `scale`, or of what the answers span, as candidates of every task; in place of that

    of its part the consensus itself, to a millionth of the scale.
    """
    y = np.asarray(given.value, np.float64)
    low, high = scale or (float(y.min()), float(y.max()))
    edges = np.linspace(low, high, count + 1)
    middles = (edges[1:] + edges[:-1]) / 2

    def place(values: Float) -> Int32:
        return np.searchsorted(edges[1:-1], values, side="right").astype(np.int32)

    def rows(worker: Ints, label: Ints, _: int) -> Float:
        off = (middles[label][:, None] - middles[None, :]) * found.quality[worker][:, None]
        return np.asarray(-(off**2) / 2, np.float64)

    best = place(np.array([y.min() if value is None else value for value in found.value], np.float64))
    value = [middles.tolist() for _ in found.value]
    step = (high - low) / MILLION or 1.0
    for some, at, seen in zip(value, best.tolist(), found.value, strict=True):
        if seen is not None:
            inside = float(np.clip(seen, edges[at], edges[at + 1]))
            some[at] = float(f"{low + round((inside - low) / step) * step:.12g}")
    return Candidates(value, place(y), best, rows)


@dataclass(frozen=True, slots=True)
class OfRecord:
    """The integer decision of every task, and all that it rests on."""

    label: Int32  # [T] the candidate
    confidence: Float  # [T] softmax of the scores at it
    parted: int  # tasks with answers whose candidate is not that of the consensus
    row_worker: Int32  # [R] the (worker, label) pairs that occur, ascending
    row_label: Int32  # [R]
    row_weight: Int32  # [R, C]
    priors: Int32  # [T, C]


def of_record(
    given: Given,
    found: Consensus,
    options: Candidates,
    weight_cap: int = WEIGHT_CAP,
    prior_cap: int = PRIOR_CAP,
    classes: int = 0,
) -> OfRecord:
    """Integer weights within the caps, one row for each worker and label, and priors; then the sum and its argmax.

    A weight cap of 0 is the plain vote. `classes`: where they are more than the candidates of any task.
    """
    classes = classes or options.classes
    pairs, row = np.unique(given.worker.astype(np.int64) * classes + options.label, return_inverse=True)
    worker, label = (pairs // classes).astype(np.int32), (pairs % classes).astype(np.int32)
    weight = (
        weight_rows(options.rows(worker, label, classes), label, weight_cap)
        if weight_cap
        else plain_rows(label, classes)
    )
    missing = np.arange(classes) >= np.array([max(len(some), 1) for some in options.value])[:, None]  # [T, C]
    every, none = np.arange(given.tasks), np.zeros((given.tasks, classes))
    bare = score(given.task, row, weight, quantise(none, 0))
    rival = np.where(missing | (np.arange(classes) == options.best[:, None]), NEVER, bare).max(1)
    need = (rival - bare[every, options.best] + 1) / ONE  # nats until the consensus leads
    none[every, options.best] = np.maximum(logit(np.clip(found.confidence, 0.5, 0.999)), need)
    priors = quantise(none, prior_cap)
    scores = score(given.task, row, weight, priors)
    scores[missing] = NEVER
    decided = decide(scores)
    answered = np.bincount(given.task, minlength=given.tasks) > 0
    chance = proba(scores)[every, decided]
    parted = int(((decided != options.best) & answered).sum())
    return OfRecord(decided, np.where(answered, chance, 0.0), parted, worker, label, weight, priors)


def _join(value: Any, leaders: list[Any], kind: AnswerType, most: int) -> int:
    """The nearest leader's place, which the value itself becomes where all are far and there is room."""
    far = [kind.distance(value, leader) for leader in leaders]
    nearest = int(np.argmin(far))
    if far[nearest] <= kind.near or len(leaders) >= most:
        return nearest
    leaders.append(value)
    return len(leaders) - 1


def _share_right(given: Given, right: NDArray[np.bool_]) -> Float:
    many = np.bincount(given.worker, minlength=given.workers)
    crowd = (right.sum() + 1) / (len(right) + 2)
    shares = (np.bincount(given.worker, right, given.workers) + FEW * crowd) / (many + FEW)
    return np.asarray(np.clip(shares, 0.02, 0.98), np.float64)


def _one_coin_rows(right: Float, label: Ints, classes: int) -> Float:
    rows = np.tile(np.log((1 - right) / (classes - 1))[:, None], (1, classes))
    rows[np.arange(len(label)), label] = np.log(right)
    return rows
