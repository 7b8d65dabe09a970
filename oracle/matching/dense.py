"""Square assignment where everybody could do everything, one answer each: Jonker and Volgenant's algorithm, by `lap`.

https://doi.org/10.1007/BF02278710. It returns no prices; they are the longest paths of the exchange graph,
p_j >= p_m(i) + w_ij - w_i,m(i), from p = 0: without a positive cycle, which an optimum does not have, they settle, and prove it.
"""

from __future__ import annotations

import numpy as np

from oracle.matching.market import Market, NotOptimal, Solution, solution

SMALLEST = 64  # below, any solver will do


def square(market: Market) -> bool:
    """Whether everybody could do everything, one answer each, and `lap` is worth its call."""
    size = len(market.redundancy)
    if size < SMALLEST or len(market.capacity) != size or len(market.worker) != size * size:
        return False
    return bool((market.most == 1).all()) and bool((market.wanted == 1).all())


def jonker_volgenant(market: Market) -> Solution | None:
    """The optimum of a square market; None if `lap` is not installed."""
    try:
        from lap import lapjv  # noqa: PLC0415 - optional
    except ImportError:
        return None
    size = len(market.redundancy)
    value, edge = np.zeros((size, size)), np.zeros((size, size), np.int64)
    value[market.task, market.worker] = np.maximum(market.value, 0)  # no pair: as good as an empty place
    edge[market.task, market.worker] = np.arange(size * size)
    _, column, _ = lapjv(value.max() - value)
    gain, price = value - value[np.arange(size), column][:, None], np.zeros(size)
    for _ in range(size + 1):
        higher = np.maximum(price, (gain + price[column][:, None]).max(0))
        if (higher <= price + 1e-12 * value.max()).all():
            break
        price = higher
    taken = edge[np.arange(size), column]
    found = solution(market, np.sort(taken[market.value[taken] >= 0]), price)
    if found.bound - found.value > 1e-8 * found.bound:
        raise NotOptimal(f"the value {found.value} stays below its bound {found.bound}")
    return found
