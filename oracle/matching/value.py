"""What one more answer is worth: to be bought where it buys most, and not where the verdict is sure already.

In: what is believed of the tasks (`posterior` [T, C]: P(truth of t is c | answers)) and of the workers (`confusion` [K, C, C]:
P(worker i says l | truth c), each row sums to 1; `prior_confusion` for a worker of whom nothing is known). Out: a value for each
pair, in nats or in expected accuracy, by money and time if wanted; which tasks need no more answers. Pure; numpy only; E pairs
cost O(E C^2). A pair's value is never negative, and 0 where the posterior is certain or the worker only guesses.

    value       information or accuracy of asking worker[e] about task[e], divided by what it costs -> [E]
    is_sure     the tasks whose verdict is sure enough to stop -> [T]
    stop_level  the confidence to stop at, checked on tasks of which the truth is known
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oracle.protocol.errors import BadInput

Float = NDArray[np.float64]
Measure = Literal["information", "accuracy"]

LEVEL = 0.95  # a verdict this sure needs no more answers, where nothing is known to check it by
TINY = 1e-300
SUMS = 1e-6  # rows of probabilities sum to 1 within this


class NotAProbability(BadInput):
    """A row of probabilities has a negative or missing entry, or does not sum to 1."""


class PriceNotPositive(BadInput):
    """A pair costs nothing, less than nothing, or no number."""


def value(
    posterior: ArrayLike,
    confusion: ArrayLike,
    worker: ArrayLike,
    task: ArrayLike,
    *,
    price: ArrayLike = 1.0,
    minutes: ArrayLike = 0.0,
    minute_price: float = 0.0,
    measure: Measure = "information",
) -> Float:
    """Value [E] of asking worker[e] about task[e], by unit of cost: measure / (price + minute_price x minutes).

    posterior [T, C]; confusion [K, C, C]; worker, task [E] indices; price (money) and minutes (time): a number or [E].
    `minute_price` is what a minute of waiting is worth in money. Raises BadInput naming the place.
    """
    beliefs, rows = _probabilities("posterior", posterior, 2), _probabilities("confusion", confusion, 3)
    classes = beliefs.shape[1]
    if rows.shape[1:] != (classes, classes):
        raise BadInput(
            f"confusion: rows of {classes} x {classes} are needed for {classes} classes, got {rows.shape[1:]}"
        )
    who, what = places("worker", worker, len(rows)), places("task", task, len(beliefs))
    if len(who) != len(what):
        raise BadInput(f"pairs: {len(who)} workers and {len(what)} tasks; one each is needed")
    if measure not in _MEASURES:
        raise BadInput(f"measure {measure}: it is one of {', '.join(_MEASURES)}")
    worth = _MEASURES[measure](beliefs[what], rows[who])
    return worth / _cost(price, minutes, minute_price, len(who))


def information(posterior: Float, confusion: Float) -> Float:
    """I(truth; label) in nats [E], of posterior [E, C] and confusion [E, C, C]: H(label) - sum_c p_c H(label | c).

    Lindley (1956), Ann. Math. Statist. 27(4), https://doi.org/10.1214/aoms/1177728069
    """
    label = np.einsum("ec,ecl->el", posterior, confusion)
    found: Float = np.maximum(_entropy(label) - (posterior * _entropy(confusion)).sum(1), 0.0)
    return found


def accuracy(posterior: Float, confusion: Float) -> Float:
    """How much likelier the verdict is right after the answer than before [E]: sum_l max_c p_c theta_cl - max_c p_c.

    The expected-accuracy gain of QASCA, Zheng et al. (2015), https://doi.org/10.1145/2723372.2749430
    """
    after = (posterior[:, :, None] * confusion).max(1).sum(1)
    found: Float = np.maximum(after - posterior.max(1), 0.0)
    return found


_MEASURES = {"information": information, "accuracy": accuracy}


def prior_confusion(classes: int, right: float = 0.7) -> Float:
    """[C, C] what is believed of a worker before the first answer: right with this chance, else any other class alike."""
    if classes < 1 or not 0 <= right <= 1:
        raise BadInput(f"{classes} classes, right with {right}: at least one class and a chance in 0..1 are needed")
    if classes == 1:
        return np.ones((1, 1))
    wrong = (1 - right) / (classes - 1)
    return np.full((classes, classes), wrong) + (right - wrong) * np.eye(classes)


# ---------------------------------------------------------------- when to stop


def is_sure(posterior: ArrayLike, answers: ArrayLike, *, least: int = 2, level: float = LEVEL) -> NDArray[np.bool_]:
    """[T] whether a task needs no more answers: its verdict has confidence `level`, and at least `least` people gave it.

    posterior [T, C] should be calibrated (the engine's is tempered); answers [T] how many a task has. One answer alone is
    never sure by default: whoever gives it would decide alone.
    """
    beliefs = _probabilities("posterior", posterior, 2)
    count = np.asarray(answers)
    if count.shape != beliefs.shape[:1]:
        raise BadInput(f"answers: one count a task needed ({len(beliefs)}), got shape {count.shape}")
    if not level > 0:
        raise BadInput(f"level {level}: a confidence above 0 is needed; above 1 nothing is ever sure")
    found: NDArray[np.bool_] = (count >= least) & (beliefs.max(1) >= level)
    return found


def stop_level(confidence: ArrayLike, right: ArrayLike, *, wanted: float = LEVEL) -> float:
    """The lowest confidence such that verdicts at least as sure are right as often as `wanted`; above 1 if none is shown to be.

    confidence [n] of tasks whose truth is known (gold questions, not used to infer them) and right [n] whether the verdict was.
    Shown: (right + 1) / (n + 2), Laplace's estimate, reaches `wanted` among all that sure or surer.
    """
    sure, good = np.asarray(confidence, np.float64), np.asarray(right, np.bool_)
    if sure.ndim != 1 or sure.shape != good.shape or not np.isfinite(sure).all():
        raise BadInput(
            f"confidence and right: one finite number and one truth a task needed, got {sure.shape}, {good.shape}"
        )
    order = np.argsort(-sure, kind="stable")
    level = sure[order]
    shown = (np.cumsum(good[order]) + 1) / (np.arange(len(level)) + 3) >= wanted
    whole = np.append(level[1:] != level[:-1], True) if len(level) else np.zeros(0, bool)  # all of one level, or none
    found = np.flatnonzero(shown & whole)
    return float(level[found[-1]]) if found.size else float(np.nextafter(1.0, 2.0))


# ---------------------------------------------------------------- checks


def _entropy(chances: Float) -> Float:
    """Over the last axis, in nats."""
    found: Float = -(chances * np.log(np.maximum(chances, TINY))).sum(-1)
    return found


def _probabilities(name: str, values: ArrayLike, dimensions: int) -> Float:
    found = np.asarray(values, np.float64)
    if found.ndim != dimensions or found.shape[-1] < 1:
        raise NotAProbability(
            f"{name}: {dimensions} dimensions with at least one class needed, got shape {found.shape}"
        )
    wrong = np.argwhere(~((found.min(-1) >= 0) & (np.abs(found.sum(-1) - 1) <= SUMS)))
    if len(wrong):
        place = tuple(wrong[0].tolist())
        raise NotAProbability(f"{name}[{', '.join(map(str, place))}] = {found[place]}: must be >= 0 and sum to 1")
    return found


def columns(
    task: ArrayLike, worker: ArrayLike, label: ArrayLike, tasks: int, workers: int, classes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The three arrays of answers [N]. Raises BadInput naming the array, the place and the range."""
    found = places("task", task, tasks), places("worker", worker, workers), places("label", label, classes)
    if len({len(column) for column in found}) > 1:
        raise BadInput(f"the arrays of answers differ in length: {', '.join(str(len(column)) for column in found)}")
    return found


def places(name: str, values: ArrayLike, size: int) -> NDArray[np.int64]:
    found = np.asarray(values)
    if found.ndim != 1 or (found.size and not np.issubdtype(found.dtype, np.integer)):
        raise BadInput(f"{name}: one dimension of integers needed, got {found.dtype} of shape {found.shape}")
    wrong = np.flatnonzero((found < 0) | (found >= size))
    if wrong.size:
        raise BadInput(f"{name}[{wrong[0]}] = {found[wrong[0]]}: is none of 0..{size - 1}")
    return found.astype(np.int64)


def _cost(price: ArrayLike, minutes: ArrayLike, minute_price: float, pairs: int) -> Float:
    money, time = (np.broadcast_to(np.asarray(one, np.float64), (pairs,)) for one in (price, minutes))
    cost = money + minute_price * time
    wrong = np.flatnonzero(~((cost > 0) & np.isfinite(cost)))
    if wrong.size:
        raise PriceNotPositive(f"pair {wrong[0]}: costs {cost[wrong[0]]}; a price above 0 is needed")
    return cost
