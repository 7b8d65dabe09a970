"""How good posteriors are, and what a difference between two methods is worth. Arrays in, numbers out.

G tasks have gold. A posterior is [G, C]; gold [G] is a class, or negative where the truth is none of the classes (then every
verdict misses it, with probability 0).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Int32 = NDArray[np.int32]

LEAST = 1e-6  # probabilities are clipped here before their logarithm is taken
BINS = 15
LEVEL = 0.05
FEW = 32  # distinct values, as of differences between hits


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float


def ranked(chance: Float, positive: NDArray[np.bool_]) -> tuple[float, int]:
    """(pairs of a positive and a negative in which the positive has the higher chance, a tie counting half; all pairs)."""
    good, bad = chance[positive], np.sort(chance[~positive])
    below = (np.searchsorted(bad, good, "left") + np.searchsorted(bad, good, "right")) / 2
    return float(below.sum()), len(good) * len(bad)


def auc(chance: Float, positive: NDArray[np.bool_]) -> float:
    """P(a positive scores above a negative), ties by half; NaN where one of them is missing."""
    above, pairs = ranked(chance, positive)
    return above / pairs if pairs else float("nan")


def right(posterior: Float, gold: Int32, *, split_ties: bool = False) -> Float:
    """[G] 1 where the argmax is the truth, ties to the lowest class; or, split evenly, the share that a fair draw would get."""
    if not split_ties:
        return np.asarray(posterior.argmax(1) == gold, np.float64)
    top = posterior == posterior.max(1, keepdims=True)  # [G, C]
    return np.asarray(_at(top.astype(np.float64), gold) / top.sum(1), np.float64)


def losses(posterior: Float, gold: Int32) -> Float:
    """[G] -log P(truth), natural, probabilities clipped at `LEAST`."""
    return np.asarray(-np.log(np.maximum(_at(posterior, gold), LEAST)), np.float64)


def calibration_error(confidence: Float, correct: Float) -> float:
    """ECE over 15 equal bins (low, high] of the top label's confidence: sum_b n_b/n |mean correct - mean confidence|.

    Guo et al., ICML 2017. https://doi.org/10.48550/arXiv.1706.04599
    """
    bin_of = np.clip(np.ceil(confidence * BINS).astype(np.intp) - 1, 0, BINS - 1)  # [G]
    gap = np.bincount(bin_of, correct - confidence, BINS)  # n_b (mean correct - mean confidence)
    return float(np.abs(gap).sum() / len(confidence))


def bootstrap(differences: Sequence[Float], draws: int = 2_000, seed: int = 0) -> Interval:
    """Mean over the sets of each set's mean difference, tasks drawn anew within their set: 95 % percentile interval."""
    luck = np.random.default_rng(seed)
    means = np.zeros(draws)
    for difference in differences:
        means += _drawn_means(difference, draws, luck)
    low, high = np.quantile(means / len(differences), [0.025, 0.975])
    return Interval(float(np.mean([d.mean() for d in differences])), float(low), float(high))


def _drawn_means(values: Float, draws: int, luck: np.random.Generator) -> Float:
    """[draws] means of as many values, drawn with replacement; by their counts where few values differ, which is the same."""
    size = len(values)
    distinct, counts = np.unique(values, return_counts=True)
    if len(distinct) <= FEW:
        return np.asarray(luck.multinomial(size, counts / size, draws) @ distinct / size, np.float64)
    means = np.empty(draws)
    for begin in range(0, draws, 100):
        drawn = luck.integers(0, size, (min(100, draws - begin), size), dtype=np.int32)
        means[begin : begin + len(drawn)] = values[drawn].mean(1)
    return means


def sign_flip(difference: Float, draws: int = 100_000, seed: int = 0) -> float:
    """Two-sided p of a paired difference [G] under random signs; McNemar's test where all differences are 0 or 1 in size.

    Ties of a vote give fractions, for which McNemar's binomial has no place. p is (1 + draws as extreme) / (1 + draws).
    """
    sizes, counts = np.unique(np.abs(difference[difference != 0]), return_counts=True)
    luck = np.random.default_rng(seed)
    sums = np.zeros(draws)
    for size, count in zip(sizes, counts, strict=True):
        sums += size * (2 * luck.binomial(count, 0.5, draws) - count)
    extreme = np.abs(sums) >= abs(difference.sum()) - 1e-9
    return float((1 + extreme.sum()) / (1 + draws))


def holm(ps: Mapping[str, float]) -> dict[str, float]:
    """Holm's step-down adjustment: the family-wise error stays below the level at which an adjusted p is judged.

    Scand. J. Statist. 6(2), 65-70 (1979). https://www.jstor.org/stable/4615733
    """
    adjusted: dict[str, float] = {}
    highest = 0.0
    for rank, name in enumerate(sorted(ps, key=lambda name: (ps[name], name))):
        highest = max(highest, min(1.0, (len(ps) - rank) * ps[name]))
        adjusted[name] = highest
    return {name: adjusted[name] for name in ps}


def without_one(values: Sequence[float]) -> tuple[float, float]:
    """The lowest and the highest mean when any one value is left out; of one value, that value."""
    if len(values) < 2:
        return (values[0], values[0])
    total = sum(values)
    means = [(total - value) / (len(values) - 1) for value in values]
    return min(means), max(means)


def _at(values: Float, gold: NDArray[np.integer[Any]]) -> Float:
    """values[g, gold[g]], 0 where the gold is no class."""
    picked = np.take_along_axis(values, np.maximum(gold, 0)[:, None].astype(np.intp), 1)[:, 0]
    return np.where(gold >= 0, picked, 0.0)
