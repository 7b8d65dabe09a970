"""From a fitted model to the decision of record: small integers that anyone can add up again (docs/protocol.md).

    score[t, c] = prior[t, c] + sum over the answers (i, l) of t of weight[(i, l), c]      verdict = argmax, ties to the lowest c

Weights are nats x 2^16. A row is log P(i answers l | truth c), centred over c, bent so that it never counts against its
own label, and clipped to the weight cap. Invariants of every `Record`: |weight| <= weight cap, |prior| <= prior cap,
weight[l] >= weight[c]. The clear twin, a task at a time, is oracle.protocol.scoring.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oracle.protocol.errors import BadInput
from oracle.verification.infer import Fit, log_confusion
from oracle.verification.layout import check_size, indices, same_length

ONE = 1 << 16  # one nat
WEIGHT_CAP = 6 * ONE
PRIOR_CAP = ONE
MOST_CAP = (1 << 31) - 1

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Record:
    """Everything that the decision of record rests on, and the decision."""

    row_worker: Int32  # [R] the (worker, label) pairs that occur, ascending
    row_label: Int32  # [R]
    row_weight: Int32  # [R, C]
    row: Int32  # [N] the weight row of each answer
    priors: Int32  # [T, C]
    scores: Int64  # [T, C]
    labels: Int32  # [T] the verdicts
    confidence: Float  # [T] softmax(score / 2^16) at the verdict


def record(
    task: ArrayLike,
    worker: ArrayLike,
    label: ArrayLike,
    tasks: int,
    classes: int,
    fit: Fit | None,
    *,
    weight_cap: int = WEIGHT_CAP,
    prior_cap: int = PRIOR_CAP,
) -> Record:
    """Decide all tasks by the weights that `fit` gives to these answers. `weight_cap` 0 is the plain vote and needs no fit."""
    _cap("weight cap", weight_cap)
    _cap("prior cap", prior_cap)
    workers = int(np.max(np.asarray(worker), initial=-1)) + 1 if fit is None else len(fit.worker_count)
    task, worker = indices("task", task, tasks), indices("worker", worker, workers)
    label = indices("label", label, classes)
    same_length(task, worker, label)
    check_size(tasks, classes)
    pairs, row = np.unique(worker.astype(np.int64) * classes + label, return_inverse=True)  # [R], [N]
    row_worker, row_label = (pairs // classes).astype(np.int32), (pairs % classes).astype(np.int32)
    if weight_cap == 0:
        weight = plain_rows(row_label, classes)
        priors = np.zeros((tasks, classes), np.int32)
    elif fit is None:
        raise BadInput("weights need a fitted model; a job without one has weight cap 0")
    else:
        weight = weight_rows(log_confusion(fit, row_worker, row_label), row_label, weight_cap)
        priors = np.tile(prior_row(fit.prior, prior_cap), (tasks, 1))
    scores = score(task, row, weight, priors)
    labels = decide(scores)
    return Record(
        row_worker=row_worker,
        row_label=row_label,
        row_weight=weight,
        row=row.astype(np.int32),
        priors=priors,
        scores=scores,
        labels=labels,
        confidence=np.take_along_axis(proba(scores), labels[:, None].astype(np.intp), 1)[:, 0],
    )


def weight_rows(logs: Float, label: Int32, weight_cap: int) -> Int32:
    """Rows of record [R, C] from log-likelihoods [R, C] of the given `label` [R].

    Centred over c; then the nearest row (least squares) whose own label is nowhere exceeded: the own entry and its
    highest rivals move to their common mean, which keeps the row centred. Then clipped and rounded: both keep the order.
    """
    rows = logs - logs.mean(1, keepdims=True)  # [R, C]
    at = label[:, None].astype(np.intp)  # [R, 1]
    own = np.take_along_axis(rows, at, 1)  # [R, 1]
    others = rows.copy()
    np.put_along_axis(others, at, -np.inf, 1)
    highest = -np.sort(-others, 1)  # [R, C] descending
    means = (own + np.cumsum(highest, 1)) / np.arange(2, rows.shape[1] + 2)  # [R, C] own with its j highest rivals
    level = np.maximum(own, means.max(1, keepdims=True))  # [R, 1]
    rows = np.minimum(rows, level)
    np.put_along_axis(rows, at, level, 1)
    return quantise(rows, weight_cap)


def plain_rows(label: Int32, classes: int) -> Int32:
    """The plain vote: 2^16 at the own label, 0 elsewhere. [R, C]"""
    rows: Int32 = (np.arange(classes) == label[:, None]).astype(np.int32) * np.int32(ONE)
    return rows


def prior_row(prior: Float, prior_cap: int) -> Int32:
    """Log class prior, centred, clipped, in fixed point. [C]"""
    logs = np.log(prior)
    return quantise(logs - logs.mean(), prior_cap)


def quantise(nats: Float, cap: int) -> Int32:
    """Nats to int32 at 2^16, half to even, clipped to the cap."""
    fixed: Int32 = np.clip(np.rint(nats * ONE), -cap, cap).astype(np.int32)
    return fixed


def score(task: Int32, row: NDArray[np.integer[Any]], weight: Int32, priors: Int32) -> Int64:
    """Scores [T, C]: all in integers, so the order of the answers does not matter."""
    scores = priors.T.astype(np.int64, order="C")  # [C, T]
    for c in range(len(scores)):
        np.add.at(scores[c], task, weight[row, c].astype(np.int64))
    return np.ascontiguousarray(scores.T)


def decide(scores: Int64) -> Int32:
    """The lowest class of the highest score. [T]"""
    labels: Int32 = np.argmax(scores, 1).astype(np.int32)
    return labels


def proba(scores: Int64) -> Float:
    """softmax(score / 2^16), [T, C]: the probabilities of record."""
    nats = (scores - scores.max(1, keepdims=True)) / ONE
    shares = np.exp(nats)
    return np.asarray(shares / shares.sum(1, keepdims=True), np.float64)


def _cap(name: str, value: int) -> None:
    if not 0 <= value <= MOST_CAP:
        raise BadInput(f"{name} {value}: must lie in 0..{MOST_CAP} (2^16 is one nat)")
