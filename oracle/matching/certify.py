"""The checker: trusts no solver. For prices p >= 0 no assignment is worth more, by weak duality, than
sum_j capacity_j p_j + sum_i the redundancy_i largest of max(0, w_ij - p_j)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.protocol.errors import Refused

Array = NDArray[Any]


def certify(
    worker: Array, task: Array, value: Array, capacity: Array, redundancy: Array, taken: Array, price: Array,
    claimed_value: float | None = None, claimed_bound: float | None = None,
) -> tuple[float, float]:  # fmt: skip
    """Value of the edges `taken` (their numbers) and the bound that `price` [K] proves; claims to within 1e-9. Raises Refused."""
    if (len(taken) and not 0 <= taken.min() <= taken.max() < len(value)) or len(np.unique(taken)) < len(taken):
        raise Refused("edge", "the assignment takes an edge twice, or one that does not exist")
    for name, end, limit in (("capacity", worker, capacity), ("redundancy", task, redundancy)):
        over = np.flatnonzero(np.bincount(end[taken], minlength=len(limit)) > limit)
        if len(over):
            raise Refused(name, f"{name} {limit[over[0]]} of number {over[0]} is exceeded")
    if price.shape != capacity.shape or not (np.isfinite(price) & (price >= 0)).all():
        raise Refused("price", "each worker needs a finite price of at least 0")
    net = value - price[worker]  # [E]
    least = np.full(len(redundancy), np.inf)
    np.minimum.at(least, task[taken], net[taken])  # where a task is full, its largest net values are no less
    least[np.bincount(task[taken], minlength=len(redundancy)) < redundancy] = 0
    at = np.flatnonzero((net > 0) & (net >= least[task]))
    at = at[np.lexsort((-net[at], task[at]))]
    rank = np.arange(len(at)) - np.searchsorted(task[at], task[at])
    bound = float(capacity @ price + net[at[rank < redundancy[task[at]]]].sum())
    worth = float(value[taken].sum())
    if claimed_value is not None and worth < claimed_value - 1e-9 * abs(claimed_value):
        raise Refused("value", f"the assignment is worth {worth}, not {claimed_value}")
    if claimed_bound is not None and bound > claimed_bound + 1e-9 * abs(claimed_bound):
        raise Refused("bound", f"the prices prove no less than {bound}, not {claimed_bound}")
    return worth, bound
