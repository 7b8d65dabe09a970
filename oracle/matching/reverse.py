"""The reverse auction's inner loops, compiled: workers with a free place and a price lower it to where somebody wants them.

A worker asks of its candidates  beta_i = w_ij - (net value of task i's worst held worker, 0 while i has an empty place)  and takes
those that gain more than epsilon, at the price at which the next best gains epsilon; whom they drop for it does the same.
Bertsekas, Castanon and Tsaknakis (1993), https://doi.org/10.1137/0803015. Arrays are those of kernels.py, and changed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oracle.matching.kernels import (
    GONE,
    HELD,
    INFINITE,
    NOBODY,
    PLACE,
    WORKER,
    Int32,
    Int64,
    add,
    compiled,
    refill,
    sink,
)


@compiled
def columns(start: Int64, rows: Int64, workers: int, of: Int64) -> Int64:
    """Each worker's edges as value << 32 | task, into of[column[j]:column[j + 1]]."""
    column = np.zeros(workers + 1, np.int64)
    for key in rows:
        column[(key >> 2 & WORKER) + 1] += 1
    for j in range(workers):
        column[j + 1] += column[j]
    at = column[:-1].copy()
    for i in range(len(start) - 1):
        for y in range(start[i], start[i + 1]):
            j = rows[y] >> 2 & WORKER
            of[at[j]] = rows[y] >> 32 << 32 | i
            at[j] += 1
    return column


@compiled
def release(slot: Int64, load: Int64, bids: Int64, holder: Int32, j: int, y: int) -> None:
    """Take the bid for edge y out of worker j's heap."""
    base, last = slot[j], slot[j] + load[j] - 1
    for x in range(base, last):
        if bids[x] & PLACE == y:
            bids[x], holder[x] = bids[last], holder[last]
            break
    load[j] -= 1
    for at in range(load[j] // 2 - 1, -1, -1):
        sink(bids, holder, base, at, load[j])


@compiled
def leave(
    rows: Int64,
    slot: Int64,
    capacity: Int64,
    load: Int64,
    prices: Int32,
    bids: Int64,
    holder: Int32,
    missing: Int32,
    queue: Int32,
    waiting: NDArray[np.bool_],
    count: int,
    j: int,
) -> int:
    """Worker j gives everything back; its tasks go into the queue, which then holds as many as returned."""
    for x in range(slot[j], slot[j] + load[j]):
        i = holder[x]
        rows[bids[x] & PLACE] &= ~HELD
        missing[i] += 1
        if not waiting[i]:
            waiting[i] = True
            queue[count] = i
            count += 1
    load[j] = capacity[j] = 0
    prices[j] = NOBODY
    return count


@compiled
def worst(rows: Int64, begin: int, size: int, prices: Int32) -> tuple[int, int]:
    """The smallest net value that a task holds, and its edge."""
    low, edge = np.int64(INFINITE), -1
    for y in range(begin, begin + size):
        if rows[y] & HELD:
            net = (rows[y] >> 32) - prices[rows[y] >> 2 & WORKER]
            if net < low:
                low, edge = net, y
    return int(low), edge


@compiled
def end(
    start: Int64,
    rows: Int64,
    sizes: Int64,
    prices: Int32,
    slot: Int64,
    load: Int64,
    bids: Int64,
    holder: Int32,
    column: Int64,
    of: Int64,
    least: Int32,
    i: int,
    j: int,
) -> None:
    """Worker j no longer holds task i, nor ever will."""
    for y in range(start[i], start[i + 1]):
        if rows[y] >> 2 & WORKER == j and rows[y] & HELD:
            release(slot, load, bids, holder, j, y)
            rows[y] = j << 2 | GONE
            for x in range(column[j], column[j + 1]):
                if of[x] & PLACE == i:
                    of[x] = i
    least[i] = min(worst(rows, start[i], sizes[i], prices)[0], np.int64(NOBODY))


@compiled
def least(start: Int64, rows: Int64, sizes: Int64, prices: Int32) -> Int32:
    """The smallest net value that each task holds."""
    found = np.empty(len(sizes), np.int32)
    for i in range(len(sizes)):
        found[i] = min(worst(rows, start[i], sizes[i], prices)[0], np.int64(NOBODY))
    return found


@compiled
def refresh(
    start: Int64,
    rows: Int64,
    sizes: Int64,
    prices: Int32,
    slot: Int64,
    load: Int64,
    holder: Int32,
    least: Int32,
    j: int,
) -> None:
    """The price or the tasks of worker j changed: so did what those tasks hold."""
    for x in range(slot[j], slot[j] + load[j]):
        i = holder[x]
        least[i] = min(worst(rows, start[i], sizes[i], prices)[0], np.int64(NOBODY))


@compiled
def refresh_all(
    start: Int64,
    rows: Int64,
    sizes: Int64,
    prices: Int32,
    slot: Int64,
    load: Int64,
    holder: Int32,
    least: Int32,
    log: Int32,
) -> None:
    """The same of every worker in `log`."""
    for j in log:
        refresh(start, rows, sizes, prices, slot, load, holder, least, j)


@compiled
def bring(rows: Int64, theta: Int32, prices: Int32, begin: int, size: int, i: int, j: int) -> int:
    """The place of edge (i, j), after it was brought into the row's front in exchange for the least of those not held there."""
    place = begin
    while rows[place] >> 2 & WORKER != j:
        place += 1
    if place < begin + size:
        return place
    low, at = INFINITE, -1
    for y in range(begin, begin + size):
        if not rows[y] & HELD:
            net = -1 if rows[y] & GONE else int((rows[y] >> 32) - prices[rows[y] >> 2 & WORKER])
            if net < low:
                low, at = net, y
    rows[at], rows[place] = rows[place], rows[at]
    theta[i] = max(theta[i], low)
    return at


@compiled
def lower(
    start: Int64,
    rows: Int64,
    theta: Int32,
    sizes: Int64,
    redundancy: Int64,
    slot: Int64,
    capacity: Int64,
    load: Int64,
    prices: Int32,
    bids: Int64,
    holder: Int32,
    missing: Int32,
    column: Int64,
    of: Int64,
    least: Int32,
    queue: Int32,
    queued: NDArray[np.bool_],
    count: int,
    epsilon: int,
) -> None:
    """Each worker of the queue with a free place takes the tasks that gain most, and lowers its price until no other gains."""
    while count > 0:
        count -= 1
        j = queue[count]
        queued[j] = False
        free = capacity[j] - load[j]
        if free <= 0 or prices[j] == 0:
            continue
        gains, tasks, found = np.empty(free + 1, np.int64), np.empty(free + 1, np.int64), 0
        for x in range(column[j], column[j + 1]):
            i, value = of[x] & PLACE, of[x] >> 32
            if value == 0:
                continue
            gain = value if missing[i] > 0 else value - least[i]
            if gain <= (0 if missing[i] > 0 else epsilon) or (found > free and gain <= gains[free]):
                continue
            held = redundancy[i] == 0
            for z in range(slot[j], slot[j] + load[j]):
                held = held or holder[z] == i
            if not held:
                at = min(found, free)
                while at > 0 and gains[at - 1] < gain:
                    gains[at], tasks[at] = gains[at - 1], tasks[at - 1]
                    at -= 1
                gains[at], tasks[at] = gain, i
                found = min(found + 1, free + 1)
        price = max(0, gains[free] - epsilon) if found > free else 0
        prices[j] = price
        for x in range(column[j], column[j + 1]):
            i = of[x] & PLACE
            theta[i] = max(np.int64(theta[i]), (of[x] >> 32) - price)
        for x in range(min(found, free)):
            i = tasks[x]
            begin = start[i]
            size = sizes[i]
            if missing[i] > 0:
                missing[i] -= 1
            else:
                _, y = worst(rows, begin, size, prices)
                dropped = rows[y] >> 2 & WORKER
                rows[y] &= ~HELD
                release(slot, load, bids, holder, dropped, y)
                if not queued[dropped]:
                    queued[dropped] = True
                    queue[count] = dropped
                    count += 1
            y = bring(rows, theta, prices, begin, size, i, j)
            rows[y] |= HELD
            add(bids, holder, load, slot[j], j, price << 32 | y, i)
        refresh(start, rows, sizes, prices, slot, load, holder, least, j)


@compiled
def proof(
    start: Int64,
    rows: Int64,
    theta: Int32,
    sizes: Int64,
    redundancy: Int64,
    capacity: Int64,
    prices: Int32,
    nets: Int64,
    scratch: Int64,
) -> tuple[int, int]:
    """Value and bound in the rows' own units: the largest net values are in front, or the row is searched."""
    value, bound = 0, 0
    for j in range(len(capacity)):
        if capacity[j] > 0:
            bound += capacity[j] * prices[j]
    for i in range(len(redundancy)):
        begin, stop, places = start[i], start[i + 1], redundancy[i]
        if places == 0 or begin == stop:
            continue
        size = sizes[i]
        for attempt in range(2):
            for x in range(places):
                nets[x] = 0
            for y in range(begin, begin + size):
                key = rows[y]
                if key & GONE:
                    continue
                net, x = (key >> 32) - prices[key >> 2 & WORKER], places - 1
                if net > nets[x]:
                    while x > 0 and nets[x - 1] < net:
                        nets[x] = nets[x - 1]
                        x -= 1
                    nets[x] = net
            if attempt or nets[places - 1] >= theta[i]:
                break
            theta[i] = refill(rows, begin, size, stop, prices, scratch)
        for x in range(places):
            bound += nets[x]
        for y in range(begin, begin + size):
            if rows[y] & HELD:
                value += rows[y] >> 32
    return value, bound
