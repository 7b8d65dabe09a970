"""The auction: an assignment within a certified gap of the optimum, in time nearly linear in the edges.

Bids rise by at least epsilon; the loop itself is in kernels.py. A price war, where tasks outbid each other in steps of epsilon for
too few workers, is cut short: everything is auctioned with a large epsilon, then again with smaller ones, each time from prices
a little below those found (epsilon scaling). The last epsilon follows from the gap asked for.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oracle.matching import kernels
from oracle.matching.market import Int32, Int64, Market, Solution, solution

TOP = 1 << 30  # the largest value in a row
COARSE = 8  # auctions end about so much nearer to the optimum than epsilon promises; where not, epsilon is halved
WAR = 4  # bids a place at the last epsilon before it is called one
STEP = 4  # by which epsilon falls
BELOW = 2  # prices of the next auction lie so many of the last epsilon lower: nearly every worker is full again


@dataclass(slots=True)
class Floor:
    """The state of an auction; every array is changed by the kernels, which say what stands in it."""

    rows: Int64  # [E]
    theta: Int32  # [T]
    slot: Int64  # [K + 1]
    load: Int64  # [K]
    prices: Int32  # [K]
    bids: Int64  # [places of all workers]
    holder: Int32
    missing: Int32  # [T]
    stack: Int32  # [T]
    waiting: NDArray[np.bool_]  # [T]
    scratch: tuple[Int64, Int64, Int64]
    scale: float  # of a value in a row to the value


def auction(market: Market, gap: float, threads: int = 1) -> Solution:
    """Certified to lose at most `gap` of the bound, from 1e-7 to below 1."""
    floor = open_floor(market, threads)
    places = np.minimum(market.redundancy, np.diff(market.start))
    finest = max(1, int(gap * _mean(market, floor, places)))
    epsilon = COARSE * finest
    _settle(market, floor, epsilon)
    while True:
        found = solution(market, _taken(market, floor), floor.prices / floor.scale * (market.capacity > 0))
        if found.gap <= gap or epsilon == 1:
            return found
        epsilon = max(1, epsilon // 2)
        _again(market, floor, BELOW * 2 * epsilon, epsilon)


def open_floor(market: Market, threads: int = 1) -> Floor:
    """Rows packed, nobody assigned, every price 0."""
    tasks, workers = len(market.redundancy), len(market.capacity)
    largest = float(market.value.max(initial=0))
    scale = 2.0 ** np.floor(np.log2((TOP - 2) / largest)) if largest > 0 else 1.0
    rows, theta = np.empty(len(market.worker), np.int64), np.empty(tasks, np.int32)

    def pack(part: int) -> None:
        low, high = (int(np.searchsorted(market.start, len(rows) * p // threads)) for p in (part, part + 1))
        high = tasks if part == threads - 1 else high
        kernels.pack(market.start, market.worker, market.value, scale, market.redundancy, rows, theta, low, high)

    if threads == 1:
        pack(0)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(pack, range(threads)))
    slot = np.zeros(workers + 1, np.int64)
    np.cumsum(market.capacity, out=slot[1:])
    most = int(market.redundancy.max(initial=0)) * 2 + kernels.FRONT + 2
    return Floor(
        rows,
        theta,
        slot,
        np.zeros(workers, np.int64),
        np.where(market.capacity > 0, 0, TOP).astype(np.int32),
        np.empty(slot[-1], np.int64),
        np.empty(slot[-1], np.int32),
        market.redundancy.astype(np.int32),
        np.empty(tasks, np.int32),
        np.zeros(tasks, np.bool_),
        (np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most, np.int64)),
        scale,
    )


def _mean(market: Market, floor: Floor, places: Int64) -> float:
    """Of the values of each task's best places: what a filled place is worth at most."""
    total = kernels.top(market.start, floor.rows, places)
    return float(total / max(1, int(places.sum())))


def _settle(market: Market, floor: Floor, last: int) -> None:
    """Auction from nothing; in a price war once more from the top, epsilon falling to `last`."""
    _everyone(floor)
    if _bid(market, floor, len(floor.stack), last, WAR * int(market.redundancy.sum())) == 0:
        return
    steps = [last]
    while steps[-1] * STEP <= TOP // 4:
        steps.append(steps[-1] * STEP)
    less = TOP
    for epsilon in reversed(steps):
        _again(market, floor, less, epsilon)
        less = epsilon * (BELOW if epsilon == STEP * last else 1)


def _again(market: Market, floor: Floor, less: int, epsilon: int) -> None:
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
    _everyone(floor)
    _bid(market, floor, len(floor.stack), epsilon, kernels.INFINITE)


def _everyone(floor: Floor) -> None:
    floor.stack[:] = np.arange(len(floor.stack), dtype=np.int32)[::-1]
    floor.waiting[:] = True


def _bid(market: Market, floor: Floor, count: int, epsilon: int, most: int) -> int:
    f = floor
    still, _ = kernels.auction(
        market.start,
        f.rows,
        f.theta,
        market.redundancy,
        f.slot,
        f.load,
        f.prices,
        f.bids,
        f.holder,
        f.missing,
        f.stack,
        f.waiting,
        count,
        epsilon,
        most,
        *f.scratch,
    )
    return int(still)


def _taken(market: Market, floor: Floor) -> Int64:
    taken = np.empty(int(floor.load.sum()), np.int64)
    kernels.chosen(market.start, market.worker, market.redundancy, floor.rows, taken)
    return taken
