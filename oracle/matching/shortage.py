"""Why tasks stay short of workers: too few candidates, too few places for all together, or not worth it.

How many places can be filled at all is a maximum b-matching: augmenting paths in phases, after Hopcroft and Karp (1973,
https://doi.org/10.1137/0202019), from the assignment found. The tasks that a path from an unfilled place still reaches then
compete for workers who are all full: no assignment fills them all (Hall's condition fails there). A short task that is not among
them could be filled, at a loss of value elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oracle.matching import kernels
from oracle.matching.market import Market, Solution, check


@dataclass(frozen=True, slots=True)
class Short:
    task: int
    wanted: int
    assigned: int
    why: str


def explain(
    worker: object, task: object, value: object, capacity: object, redundancy: object, found: Solution
) -> list[Short]:
    """One for each task of `found.short`, in that order."""
    if not len(found.short):
        return []
    market = check(worker, task, value, capacity, redundancy)  # type: ignore[arg-type]
    return [_short(market, found, int(i), reach) for i, reach in zip(found.short, _reached(market, found), strict=True)]


def _short(market: Market, found: Solution, i: int, reach: int) -> Short:
    row = slice(market.start[i], market.start[i + 1])
    able = int(((market.value[row] >= 0) & (market.capacity[market.worker[row]] > 0)).sum())
    wanted = int(market.wanted[i])
    why = "it could be filled only at a loss of value elsewhere"
    if able < wanted:
        why = f"{able} qualified workers with capacity for {wanted} answers"
    elif reach:
        why = (
            "its candidates are all taken: together with other tasks it wants more answers than their workers can give"
        )
    return Short(i, wanted, int(found.assigned[i]), why)


def _reached(market: Market, found: Solution) -> NDArray[np.bool_]:
    held = found.chosen if market.order is None else found.chosen[market.order]
    reach = kernels.reachable(
        market.start, market.worker, market.value >= 0, market.capacity, market.redundancy, held.copy()
    )
    return np.asarray(reach[found.short])
