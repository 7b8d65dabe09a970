"""How good a model is on a held-out set, by groups too, and whether another is better. Arrays in, numbers out; seeded.

G tasks, C classes: `chance` [G, C], `gold` [G] a class. Intervals are of 95 %, from tasks drawn anew (Efron 1979,
https://doi.org/10.1214/aos/1176344552): percentiles. Not so for ECE, which noise makes larger, on a resample twice: as the squares
add up, its interval is pivotal in squares, and the ECE of a small sample may lie above it.

    gain = mean over folds of the mean of  log P_candidate(gold) - log P_current(gold)     on the same tasks

The bootstrap of a gain draws tasks within their folds, so that what differs between the models of two folds is no evidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oracle.verification import scores
from oracle.verification.scores import Interval

DRAWS = 1_000
ENDS = (0.025, 0.975)
FEW = 20  # tasks of a group: the accuracy of fewer counts for no gap

Float = NDArray[np.float64]
Int32 = NDArray[np.int32]
Drawn = NDArray[np.int64]  # [DRAWS, G] tasks


@dataclass(frozen=True, slots=True)
class Measures:
    accuracy: Interval
    log_loss: Interval  # nats
    auc: Interval | None  # of the second class; None but for two classes that both occur
    ece: Interval


@dataclass(frozen=True, slots=True)
class Group:
    name: str
    tasks: int
    accuracy: float
    log_loss: float


def measures(chance: Float, gold: Int32, seed: int = 0) -> Measures:
    right = scores.right(chance, gold)
    drawn = np.random.default_rng(seed).integers(0, len(gold), (DRAWS, len(gold)))
    two = chance.shape[1] == 2 and 0 < int(gold.sum()) < len(gold)
    return Measures(
        scores.bootstrap([right], seed=seed),
        scores.bootstrap([scores.losses(chance, gold)], seed=seed),
        _auc(chance[:, 1], gold == 1, drawn) if two else None,
        _calibration_error(chance.max(1), right, drawn),
    )


def by_group(chance: Float, gold: Int32, group: Sequence[str]) -> tuple[Group, ...]:
    names, found = np.array(group), []
    for name in sorted(set(group) - {""}):
        rows = names == name
        each = (scores.right(chance[rows], gold[rows]), scores.losses(chance[rows], gold[rows]))
        found.append(Group(name, int(rows.sum()), *(float(values.mean()) for values in each)))
    return tuple(found)


def gap(groups: Sequence[Group]) -> float | None:
    """The largest difference of accuracy between two groups of at least `FEW` tasks; None where there are no two."""
    known = [one.accuracy for one in groups if one.tasks >= FEW]
    return max(known) - min(known) if len(known) > 1 else None


def gain(current: Float, candidate: Float, gold: Int32, fold: Sequence[str], seed: int = 0) -> Interval:
    """Nats of a task by which the candidate is better."""
    better = scores.losses(current, gold) - scores.losses(candidate, gold)
    folds = np.array(fold)
    return scores.bootstrap([better[folds == name] for name in sorted(set(fold))], seed=seed)


def _auc(chance: Float, positive: NDArray[np.bool_], drawn: Drawn) -> Interval:
    low, high = np.nanquantile([scores.auc(chance[rows], positive[rows]) for rows in drawn], ENDS)
    return Interval(scores.auc(chance, positive), float(low), float(high))


def _calibration_error(confidence: Float, right: Float, drawn: Drawn) -> Interval:
    found = scores.calibration_error(confidence, right)
    ends = np.quantile([scores.calibration_error(confidence[rows], right[rows]) for rows in drawn], ENDS)
    return Interval(found, *(float(max(0.0, 2 * found**2 - end**2) ** 0.5) for end in reversed(ends)))
