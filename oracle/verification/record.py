"""From posteriors to the decision of record: small integers that anyone can add up again (docs/protocol.md).

    score[t, c] = prior[t, c] + sum over the answers (i, l) of t of weight[(i, l), c]      verdict = argmax, ties to the lowest c

Weights are nats x 2^16. The rows are a multinomial logistic regression of the engine's posteriors on the answers: begun at
log P(i answers l | truth c) under those posteriors, each cut by the design effect of its tasks, and fitted so that

    sum_t KL(P_t || softmax(score_t)) + |W - W_0|^2 / 2

is least. Then each row is centred over c, bent so that it never counts against its own label, and clipped to the weight cap;
the prior of a task is what the posterior says beyond its rows, clipped to the prior cap. Invariants of every `Record`:
|weight| <= weight cap, |prior| <= prior cap, weight[l] >= weight[c]. The clear twin, a task at a time, is oracle.protocol.scoring.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oracle.protocol.errors import BadInput
from oracle.verification.engine import crowd_shape, design_effect
from oracle.verification.layout import Float, Int32, Layout, Table, checked, expect, lay_out

ONE = 1 << 16  # one nat
WEIGHT_CAP = 6 * ONE
PRIOR_CAP = ONE
MOST_CAP = (1 << 31) - 1
LEAST = 1e-6  # posteriors below it are not told apart
STEPS = 30  # of L-BFGS

Int64 = NDArray[np.int64]


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
    workers: int,
    classes: int,
    posterior: ArrayLike | None,
    *,
    part: ArrayLike | None = None,
    weight_cap: int = WEIGHT_CAP,
    prior_cap: int = PRIOR_CAP,
    fitted: bool = True,
) -> Record:
    """Decide all tasks by integers that say what `posterior` [T, C] says. `weight_cap` 0 is the plain vote and needs none.

    part [K]: the share of a voice that each worker is (below 1 in a ring); the fit begins there. `fitted` False: rows as
    they begin, and the class prior for every task.
    """
    _cap("weight cap", weight_cap)
    _cap("prior cap", prior_cap)
    task, worker, label = checked(task, worker, label, tasks, workers, classes)
    layout = lay_out(task, worker, label, tasks, workers, classes)
    row_worker, row_label = layout.worker_of, layout.label_of
    row = np.searchsorted(
        row_worker.astype(np.int64) * classes + row_label, worker.astype(np.int64) * classes + label
    ).astype(np.int32)
    if weight_cap == 0:
        weight, priors = plain_rows(row_label, classes), np.zeros((tasks, classes), np.int32)
    elif posterior is None:
        raise BadInput("weights need posteriors to speak for; a job without a model has weight cap 0")
    else:
        wanted = _shaped("posterior", posterior, (tasks, classes))
        whole = np.ones(workers) if part is None else _shaped("part", part, (workers,))
        rows = _rows(layout, wanted.astype(layout.dtype), whole.astype(layout.dtype), fitted)
        weight = weight_rows(rows, row_label, weight_cap)
        if fitted:
            priors = _beyond(wanted, score(task, row, weight, np.zeros((tasks, classes), np.int32)), prior_cap)
        else:
            priors = np.tile(quantise(_class_prior(layout, wanted), prior_cap), (tasks, 1))
    scores = score(task, row, weight, priors)
    labels = decide(scores)
    return Record(
        row_worker=row_worker,
        row_label=row_label,
        row_weight=weight,
        row=row,
        priors=priors,
        scores=scores,
        labels=labels,
        confidence=np.take_along_axis(proba(scores), labels[:, None].astype(np.intp), 1)[:, 0],
    )


def _rows(layout: Layout, posterior: Table, part: Table, fitted: bool) -> Float:
    """Log-likelihood rows [R, C] in nats, as they begin or as they fit the posterior best."""
    counts = layout.by_pair(posterior)  # [R, C]
    pseudo = layout.classes * crowd_shape(layout, counts)  # [C, C]
    rows = np.log(counts + layout.of_label(pseudo.T))
    rows = rows - layout.of_worker(np.log(layout.by_worker(counts) + pseudo.sum(1)))
    rows = rows - rows.mean(1, keepdims=True)
    given = layout.votes.sum(1, keepdims=True)  # [T, 1]
    answers = layout.by_pair(np.ones_like(given))  # [R, 1]
    rows = rows * layout.by_pair(1 / design_effect(given)) / answers * part[layout.worker_of, None]
    if not fitted or not len(rows):
        return np.asarray(rows, np.float64)
    return _fitted(layout, rows, posterior, counts)


def _fitted(layout: Layout, begin: Table, posterior: Table, counts: Table) -> Float:
    """The rows that best say what the posterior says. sum_t P_t . score_t is linear in them: counts [R, C] . rows."""
    from scipy.optimize import minimize  # noqa: PLC0415 - loads for most of a second

    prior = _class_prior(layout, posterior).astype(layout.dtype)
    by_prior = float(posterior.sum(0, dtype=np.float64) @ prior)

    def loss(flat: Float) -> tuple[float, Float]:
        now = flat.reshape(begin.shape)
        said = expect(layout, now.astype(layout.dtype), prior, posterior[:0], evidence=True)
        apart = now - begin
        miss = said.evidence - by_prior - float((counts * now).sum()) + float((apart * apart).sum()) / 2
        return miss, (said.counts - counts + apart).astype(np.float64).ravel()

    flat: Float = np.asarray(begin, np.float64).ravel()
    found = minimize(loss, flat, jac=True, method="L-BFGS-B", options={"maxiter": STEPS})
    fit: Float = np.asarray(found.x, np.float64).reshape(begin.shape)
    return fit


def _class_prior(layout: Layout, posterior: Table) -> Float:
    """Centred log of the mean posterior, cut by the mean design effect as the answers are. [C]"""
    logs = np.log(posterior.mean(0, dtype=np.float64).clip(LEAST))
    found: Float = (logs - logs.mean()) / design_effect(layout.votes.sum(1)).mean()
    return found


def _beyond(wanted: Float, rows: Int64, prior_cap: int) -> Int32:
    """What the posteriors [T, C] say beyond the summed rows [T, C], centred and clipped. [T, C]"""
    beyond = np.log(np.maximum(wanted, LEAST)) - rows / ONE
    return quantise(beyond - beyond.mean(1, keepdims=True), prior_cap)


def _shaped(name: str, values: ArrayLike, shape: tuple[int, ...]) -> Float:
    found = np.asarray(values, np.float64)
    if found.shape != shape or not np.isfinite(found).all():
        raise BadInput(f"{name}: finite numbers of shape {shape} needed, got shape {found.shape}")
    return found


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
