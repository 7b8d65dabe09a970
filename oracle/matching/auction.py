"""The auction: an assignment within a certified gap of the optimum, in time nearly linear in the edges.

Bids rise by at least epsilon; the loop itself is in kernels.py. A price war, where tasks outbid each other in steps of epsilon for
too few workers, is cut short: everything is auctioned with a large epsilon, then again with smaller ones, each time from prices
a little below those found (epsilon scaling). The last epsilon follows from the gap asked for. Where workers then keep both a price
and a free place, so that the proof falls short, a reverse auction puts them right.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from oracle.matching import kernels, reverse
from oracle.matching.market import Float, Int32, Int64, Market, Solution, reachable, solution

TOP = 1 << 30  # the largest value in a row
WIDEST = TOP >> 2  # epsilon, at most: a bid, a value and an epsilon, is below every price of NOBODY
COARSE = 8  # auctions end about so much nearer to the optimum than epsilon promises; where not, epsilon is halved
CALM = 10  # the same where nobody wars
WAR = 4  # bids a place at the last epsilon before it is called one
SPARE = 1.1  # places of workers for each wanted; with fewer a war is sure
STEP = 4  # by which epsilon falls
BELOW = 2  # prices of the last auction start so many epsilon lower: nearly every worker is full again
_NO_LOG: Int32 = np.empty(0, np.int32)


@dataclass(slots=True)
class Floor:
    """The state of an auction; every array is changed by the kernels, which say what stands in it."""

    rows: Int64  # [E]
    theta: Int32  # [T]
    sizes: Int64  # [T] of the rows' fronts
    slot: Int64  # [K + 1]
    capacity: Int64  # [K]
    load: Int64  # [K]
    prices: Int32  # [K]
    bids: Int64  # [places of all workers]
    holder: Int32
    missing: Int32  # [T]
    queue: Int32  # [T]
    waiting: NDArray[np.bool_]  # [T]
    scratch: tuple[Int64, Int64, Int64]
    cost: Int32  # [places of all workers], or empty: every place costs nothing
    scale: float  # of a value in a row to the value


def auction(market: Market, gap: float, threads: int = 1) -> Solution:
    """Certified to lose at most `gap` of the bound, from 1e-7 to below 1."""
    within = reachable(market)
    return beyond(market, auctioned(within, open_floor(within, threads), gap)[0])


def beyond(market: Market, found: Solution) -> Solution:
    """With prices above every value where a worker has no capacity."""
    above = np.maximum(found.price, market.value.max(initial=0))
    return replace(found, price=np.where(market.capacity > 0, found.price, above))


def auctioned(market: Market, floor: Floor, gap: float) -> tuple[Solution, int]:
    """The solution, and the epsilon to within which every task on the floor is content."""
    finest = least_step(gap, _mean(market, floor))
    epsilon = CALM * finest if _calm(market, floor, CALM * finest) else COARSE * finest
    if epsilon < CALM * finest:
        scaled(market, floor, epsilon)
    return refined(market, floor, gap, epsilon)


def least_step(gap: float, mean: float) -> int:
    """The epsilon that promises the gap where filled places are worth `mean`, both in a row's unit."""
    return min(max(1, int(gap * mean)), WIDEST // CALM)


def refined(market: Market, floor: Floor, gap: float, epsilon: int) -> tuple[Solution, int]:
    """As `auctioned`, from a floor where every task is content to within epsilon."""
    while True:
        found = solution(market, taken(market, floor), prices(floor))
        if found.gap <= gap or epsilon == 1:
            return found, epsilon
        if relax(market, floor, epsilon, (found.gap - gap) * found.bound):
            continue
        epsilon = max(1, epsilon // 2)
        again(market, floor, 2 * BELOW * epsilon, epsilon)


def prices(floor: Floor) -> Float:
    """In the unit of the values; of a worker without capacity at least the largest value."""
    return np.asarray(np.maximum(floor.prices, 0) / floor.scale)


def open_floor(market: Market, threads: int = 1, largest: float = 0.0) -> Floor:
    """Rows packed, nobody assigned, every price 0; values up to `largest` could be told apart from each other."""
    f = bare_floor(market, largest)

    def pack(part: int) -> None:
        low, high = (int(np.searchsorted(market.start, len(f.rows) * p // threads)) for p in (part, part + 1))
        high = len(f.theta) if part == threads - 1 else high
        kernels.pack(market.start, market.worker, market.value, f.scale, f.sizes, f.rows, f.theta, low, high)

    if threads == 1:
        pack(0)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(pack, range(threads)))
    return f


def bare_floor(market: Market, largest: float = 0.0) -> Floor:
    """The same, before anything stands in `rows` and `theta`."""
    tasks, workers = len(market.redundancy), len(market.capacity)
    largest = max(largest, float(market.value.max(initial=0)))
    slot = np.zeros(workers + 1, np.int64)
    np.cumsum(market.capacity, out=slot[1:])
    most = int(market.redundancy.max(initial=0)) * 2 + kernels.FRONT + 2
    return Floor(
        np.empty(len(market.worker), np.int64),
        np.empty(tasks, np.int32),
        np.minimum(np.maximum(kernels.FRONT, 2 * market.redundancy + 2), np.diff(market.start)),
        slot,
        market.capacity.copy(),
        np.zeros(workers, np.int64),
        np.where(market.capacity > 0, 0, kernels.NOBODY).astype(np.int32),
        np.empty(slot[-1], np.int64),
        np.empty(slot[-1], np.int32),
        market.redundancy.astype(np.int32),
        np.empty(tasks, np.int32),
        np.zeros(tasks, np.bool_),
        (np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most, np.int64)),
        np.empty(0, np.int32),
        2.0 ** np.floor(np.log2((TOP - 2) / (largest or 1.0))),
    )


def _mean(market: Market, floor: Floor) -> float:
    """Of the values of each task's best places: what a filled place is worth at most."""
    return float(kernels.top(market.start, floor.rows, market.redundancy)) / max(1, int(market.redundancy.sum()))


def _calm(market: Market, floor: Floor, epsilon: int) -> bool:
    """Auction from nothing; False if a price war is sure, or was seen."""
    supply, demand = int(market.capacity.sum()), int(market.redundancy.sum())
    everyone(floor)
    return supply > SPARE * demand and bid(market, floor, len(floor.queue), epsilon, WAR * demand)[0] == 0


def scaled(market: Market, floor: Floor, last: int) -> None:
    """Auction from nothing, epsilon falling from the top to `last`."""
    steps = [last]
    while steps[-1] * STEP <= WIDEST:
        steps.append(steps[-1] * STEP)
    less = TOP
    for epsilon in reversed(steps):
        again(market, floor, less, epsilon)
        less = epsilon * (BELOW if epsilon == STEP * last else 1)


def again(market: Market, floor: Floor, less: int, epsilon: int) -> None:
    """Everything anew, from prices lower by `less`."""
    kernels.restart(
        floor.slot,
        floor.load,
        floor.prices,
        floor.rows,
        floor.bids,
        floor.theta,
        floor.missing,
        market.redundancy,
        less,
    )
    everyone(floor)
    bid(market, floor, len(floor.queue), epsilon, kernels.INFINITE)


def relax(market: Market, floor: Floor, epsilon: int, excess: float) -> bool:
    """Lower the prices of workers who kept one and have a free place, if these cost the proof half of `excess`; else False."""
    idle = np.where(floor.prices > 0, floor.capacity - floor.load, 0)
    if 2 * float(idle @ prices(floor)) < excess:
        return False
    relaxed(market, floor, epsilon)
    return True


def relaxed(market: Market, floor: Floor, epsilon: int) -> None:
    """The reverse auction of all workers who kept a price and have a free place."""
    idle = np.flatnonzero((floor.prices > 0) & (floor.capacity > floor.load)).astype(np.int32)
    lower(market, floor, columns(market, floor), least(market, floor), idle, epsilon)


def columns(market: Market, floor: Floor) -> tuple[Int64, Int64]:
    """Where each worker's edges begin and end [K + 1], and the edges [E], as value << 32 | task."""
    of = np.empty(len(floor.rows), np.int64)  # numpy's own: it asks for large pages
    return reverse.columns(market.start, floor.rows, len(floor.load), of), of


def least(market: Market, floor: Floor) -> Int32:
    """The smallest net value that each task holds."""
    return np.asarray(reverse.least(market.start, floor.rows, floor.sizes, floor.prices))


def lower(market: Market, floor: Floor, columns: tuple[Int64, Int64], held: Int32, free: Int32, epsilon: int) -> None:
    """The reverse auction of the workers `free`, each once, over each worker's edges by `columns`; `held` is kept as by `least`."""
    f, queue, queued = floor, np.empty(len(floor.load), np.int32), np.zeros(len(floor.load), np.bool_)
    queue[: len(free)] = free
    queued[free] = True
    reverse.lower(
        market.start,
        f.rows,
        f.theta,
        f.sizes,
        market.redundancy,
        f.slot,
        f.capacity,
        f.load,
        f.prices,
        f.bids,
        f.holder,
        f.missing,
        *columns,
        held,
        queue,
        queued,
        len(free),
        epsilon,
    )


def everyone(floor: Floor) -> None:
    floor.queue[:] = np.arange(len(floor.queue), dtype=np.int32)
    floor.waiting[:] = True


def bid(market: Market, floor: Floor, count: int, epsilon: int, most: int, log: Int32 | None = None) -> tuple[int, int]:
    """The tasks in the queue that still wait, and the bids made, whose workers `log` tells."""
    f = floor
    still, made = kernels.auction(
        market.start,
        f.rows,
        f.theta,
        f.sizes,
        f.slot,
        f.capacity,
        f.load,
        f.prices,
        f.bids,
        f.holder,
        f.missing,
        f.queue,
        f.waiting,
        count,
        epsilon,
        most,
        f.cost,
        _NO_LOG if log is None else log,
        *f.scratch,
    )
    return int(still), int(made)


def taken(market: Market, floor: Floor) -> Int64:
    """The market's edges that are held."""
    edges = np.empty(int(floor.load.sum()), np.int64)
    kernels.chosen(market.start, market.worker, floor.sizes, floor.rows, edges)
    return edges
