"""Whether what a model sees, or how right it is, has changed since it was promoted. Arrays in, findings out.

The reference is the held-out set of its promotion. Three looks share `LEVEL`, the chance that an unchanged world alarms:

confidence   population stability index of P(class), for each class but the first, in tenths of the reference:
             PSI = sum over bins of (new share - old share) log(new share / old share), half a task added to each bin.
             Without change PSI is about (1/n + 1/m) chi2 with bins - 1 degrees of freedom (Yurdakul & Naranjo 2020,
             https://econpapers.repec.org/article/rskjourn5/7725371.htm). It alarms above that quantile AND above 0.25, which the
             usual rule of thumb, quoted there, calls a significant change: a small shift in many tasks is no alarm.
accuracy     Fisher's exact test, one-sided: as many or more wrong verdicts on new gold, if nothing changed
calibration  z-test of two means with their own variances, one-sided: mean(confidence - right) has grown, so the model claims more
             than it keeps
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from oracle.verification import scores

LEVEL = 0.01
LARGE, MODERATE = 0.25, 0.1  # of a PSI
BINS = 10
FEWEST = 20  # tasks, new ones and new gold: fewer say nothing

Float = NDArray[np.float64]
Int32 = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Sign:
    """One look: `before` and `now` in its own unit, and the chance of such a change if nothing changed."""

    what: str
    before: float
    now: float
    chance: float
    alarms: bool
    why: str


def signs(before: Float, gold: Int32, now: Float, known: Float | None = None, truth: Int32 | None = None) -> list[Sign]:
    """`before` [G, C] with its `gold` [G]; `now` [n, C] on new tasks; of those with new gold `known` [m, C] and `truth` [m]."""
    columns = range(1, before.shape[1])
    level = LEVEL / (len(columns) + (2 if known is not None else 0))
    found = [_stability(f"P(class {c + 1})", before[:, c], now[:, c], level) for c in columns]
    if known is not None and truth is not None:
        old, new = scores.right(before, gold), scores.right(known, truth)
        found += [_accuracy(old, new, level), _calibration(before.max(1) - old, known.max(1) - new, level)]
    return found


def stability_index(before: Float, now: Float) -> tuple[float, int]:
    """(PSI, bins): tenths of `before`, fewer where its values repeat."""
    edges = np.unique(np.quantile(before, np.arange(1, BINS) / BINS))
    old, new = (np.bincount(np.searchsorted(edges, x, "left"), minlength=len(edges) + 1) + 0.5 for x in (before, now))
    filled = (old > 0.5) | (new > 0.5)
    old, new = old[filled] / old[filled].sum(), new[filled] / new[filled].sum()
    return float(((new - old) * np.log(new / old)).sum()), int(filled.sum())


def _stability(what: str, before: Float, now: Float, level: float) -> Sign:
    index, bins = stability_index(before, now)
    chance = float(stats.chi2.sf(index / (1 / len(before) + 1 / len(now)), max(1, bins - 1)))
    size = "a large change" if index > LARGE else "a moderate change" if index > MODERATE else "a small change"
    size = size if chance < level else "within chance"
    why = f"{what}: stability index {index:.3f}, {size} (chance {chance:.2g}); large is above {LARGE}"
    return Sign(what, 0.0, index, chance, index > LARGE and chance < level, why)


def _accuracy(old: Float, new: Float, level: float) -> Sign:
    table = np.array([[(part == 1).sum(), (part == 0).sum()] for part in (new, old)])
    chance = float(stats.fisher_exact(table, alternative="less").pvalue)
    why = f"accuracy: {old.mean():.4f} at promotion, {new.mean():.4f} on {len(new)} new labels (chance {chance:.2g})"
    return Sign("accuracy", float(old.mean()), float(new.mean()), chance, chance < level, why)


def _calibration(old: Float, new: Float, level: float) -> Sign:
    spread = np.sqrt(old.var(ddof=1) / len(old) + new.var(ddof=1) / len(new))
    chance = float(stats.norm.sf((new.mean() - old.mean()) / spread)) if spread else 1.0
    why = f"calibration: confidence less accuracy {old.mean():+.4f} at promotion, {new.mean():+.4f} now (chance {chance:.2g})"
    return Sign("calibration", float(old.mean()), float(new.mean()), chance, chance < level, why)
