"""Krippendorff's alpha: 1 - observed disagreement / disagreement expected by chance.

    alpha = 1 - D_o / D_e,   D_o = 1/n sum_u 1/(n_u - 1) sum_{i != j in u} d(i, j)^2,   D_e = 1/(n (n - 1)) sum_{i != j} d(i, j)^2

over the n answers of the units u with at least two. 1 is full agreement, 0 is chance, below 0 is worse than chance. None where
nothing can be compared, or where all answers are the same (D_e = 0: then alpha is not defined).

Hayes & Krippendorff (2007), Answering the call for a standard reliability measure for coding data.
https://doi.org/10.1080/19312450709336664; values of any kind with a distance of their own: Braylan, Alonso & Lease (2022),
https://doi.org/10.1145/3485447.3512242.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from oracle.verification.types.answer import Float, Given, Int32

PAIRS = 20_000  # pairs of answers drawn to estimate the disagreement by chance


def nominal(unit: ArrayLike, value: ArrayLike) -> float | None:
    """d = 1 for different values. `unit` [N] and `value` [N] are integers."""
    place, kind, size = _pairable(unit, np.unique(np.asarray(value), return_inverse=True)[1])
    if not len(place):
        return None
    n, classes = len(place), int(kind.max()) + 1
    cells, count = np.unique(place.astype(np.int64) * classes + kind, return_counts=True)
    size = size[cells // classes]  # [cells] answers of the cell's unit
    observed = (count * (size - count) / (size - 1)).sum() / n
    expected = (n * n - (np.bincount(kind) ** 2).sum()) / (n * (n - 1))
    return _alpha(observed, expected)


def interval(unit: ArrayLike, value: ArrayLike) -> float | None:
    """d = difference of the values."""
    place, number, size = _pairable(unit, np.asarray(value, np.float64))
    if not len(place):
        return None
    n = len(place)
    number = number - number.mean()
    totals, squares = np.bincount(place, number), np.bincount(place, number**2)  # [U]
    inside = 2 * (size * squares - totals**2)  # [U] sum of squared differences, both orders
    observed = (inside[size > 1] / (size[size > 1] - 1)).sum() / n
    expected = 2 * (n * (number**2).sum() - number.sum() ** 2) / (n * (n - 1))
    return _alpha(observed, expected)


def ordinal(unit: ArrayLike, value: ArrayLike) -> float | None:
    """d(c, k) = answers between c and k, both counted half: the interval alpha of the middle ranks."""
    place, kind, _ = _pairable(unit, np.unique(np.asarray(value), return_inverse=True)[1])
    if not len(place):
        return None
    counts = np.bincount(kind)
    ranks = np.cumsum(counts) - counts / 2
    return interval(place, ranks[kind])


def by_distance(given: Given, distance: Callable[[Any, Any], float], seed: int = 0) -> float | None:
    """Any values with a distance in 0..1, taken as it is (not squared). D_e from at most `PAIRS` drawn pairs."""
    groups = [group for group in given.by_task() if len(group) > 1]
    numbers = np.concatenate(groups) if groups else np.zeros(0, np.intp)
    if not len(numbers):
        return None
    observed = 0.0
    for group in groups:
        values = [given.value[n] for n in group]
        total = sum(distance(a, b) for i, a in enumerate(values) for b in values[:i])
        observed += 2 * total / (len(values) - 1)
    luck = np.random.default_rng(seed)
    left, right = luck.integers(0, len(numbers), PAIRS), luck.integers(0, len(numbers) - 1, PAIRS)
    right = right + (right >= left)  # another answer than the left one
    pairs = zip(numbers[left], numbers[right], strict=True)
    expected = float(np.mean([distance(given.value[a], given.value[b]) for a, b in pairs]))
    return _alpha(observed / len(numbers), expected)


def _pairable(unit: ArrayLike, value: Any) -> tuple[Int32, Any, Float]:
    """The answers of units with at least two, units numbered anew, and the size of each unit."""
    _, number, counts = np.unique(np.asarray(unit), return_inverse=True, return_counts=True)
    keep = counts[number] > 1
    _, number = np.unique(number[keep], return_inverse=True)
    return number.astype(np.int32), value[keep], np.bincount(number).astype(np.float64)


def _alpha(observed: float, expected: float) -> float | None:
    return float(1 - observed / expected) if expected > 0 else None
