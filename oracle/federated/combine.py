"""The sums of groups -> the next model. What a group says is bounded, and a median of groups passes over the worst.

Secure aggregation and robustness pull apart: whoever sees no single update can judge none. So updates are summed in groups, and
groups are judged: a sum longer than its members may make it is refused, and the coordinate-wise median of the groups' means
(Yin et al. 2018, https://arxiv.org/abs/1803.01498) holds as long as fewer than half of the groups have a liar. A liar
spoils its whole group, so that
k liars need 2 k + 1 groups: the smaller the groups, the more liars are borne, and the fewer members stand behind a sum.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from oracle.federated import masks
from oracle.federated.plan import MEDIAN, Plan
from oracle.federated.rounds import Total
from oracle.protocol.errors import Refused

Float32 = NDArray[np.float32]


def combine(plan: Plan, last: Float32, before: Float32, totals: Sequence[Total]) -> tuple[Float32, list[str]]:
    """The model after a round, and for each group why it was left out, or "". Raises Refused("no-group") where all were.

    after = before + momentum (before - last) + change            `last`: with what the round before began

    mean      change = sum of all updates / sum of all weights
    median    change = median over groups of (sum of the group's updates / sum of its weights), number by number
    """
    why = [total.why or _fault(plan, total) for total in totals]
    kept = [
        masks.restore(total.words)
        for total, fault in zip(totals, why, strict=True)
        if not fault and total.words is not None
    ]
    if not kept:
        raise Refused("no-group", f"no group's sum can be used: {why[0]}")
    if plan.rule == MEDIAN:
        change = np.median([found[:-1] / found[-1] for found in kept], axis=0)
    else:
        whole = np.sum(kept, axis=0)
        change = whole[:-1] / whole[-1]
    return moved(plan, last, before, change), why


def moved(plan: Plan, last: Float32, before: Float32, change: NDArray[np.float64]) -> Float32:
    """before + momentum (before - last) + change"""
    return (before + plan.momentum * (before - last) + change).astype(np.float32)


def _fault(plan: Plan, total: Total) -> str:
    """Why this sum cannot be one of members who kept to the plan; "" if it can."""
    assert total.words is not None  # noqa: S101 - a total without has its reason
    found = masks.restore(total.words)
    slack = (len(total.came) * (plan.numbers + 1)) / masks.SCALE  # of rounding
    if not 0 < found[-1] <= len(total.came) + slack:
        return f"the weights of its {len(total.came)} members add up to {found[-1]:.6g}"
    length, most = float(np.linalg.norm(found[:-1])), plan.bound * found[-1]
    return "" if length <= most + slack else f"its sum is {length:.6g} long; its members may make it {most:.6g}"
