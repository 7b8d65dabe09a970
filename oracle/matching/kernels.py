"""The auction's inner loops, compiled: tasks bid for workers until nobody gains more than epsilon by another choice.

Bertsekas' auction (https://doi.org/10.1007/BF02186476) for a b-matching: task i wants `redundancy[i]` different workers, worker j
takes `capacity[j]` tasks. The price of a worker is the lowest bid that it holds, 0 while a place is free. A task that misses r
places bids for the r best of the workers it does not hold, each up to the net value of the next best, plus epsilon. At the end

    held (i, j), not held (i, l):   w_ij - p_j >= max(0, w_il - p_l) - epsilon;   p_j = 0 where j has a free place,

so that the prices prove the assignment to within epsilon a place. All is integer. A row of a task is packed:

    rows[y] = value << 32 | worker << 2 | GONE | HELD

with the edges worth bidding for in the row's front. `theta[i]` bounds the net value of all behind the front: it stays true while
prices rise, so that a bid reads one or two lines of memory. Everything here changes its arguments.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from oracle.prefetch import send_for

HELD, GONE = 1, 2  # marks of an edge: the task holds the worker; the pair may not be (again)
WORKER = (1 << 30) - 1
PLACE = (1 << 32) - 1
FRONT = 12  # edges of a row that are looked at first; two for each place and two more where that is more
SOON = 2  # tasks that bid before one whose row is sent for
LINE = 8  # numbers of a row in a line of the cache
INFINITE = 1 << 62
NOBODY = (1 << 31) - 1  # the price of a worker without capacity, above every bid

Int64 = NDArray[np.int64]
Int32 = NDArray[np.int32]


def compiled(function: Any) -> Any:
    """Machine code, kept on disk; runs beside other threads."""
    return njit(nogil=True, cache=True)(function)


@compiled
def pack(
    start: Int64,
    worker: Int32,
    value: Any,
    scale: float,
    sizes: Int64,
    rows: Int64,
    theta: Int32,
    low: int,
    high: int,
) -> None:
    """Rows of the tasks low..high-1: value * scale + 1, so that a pair of value 0 still fills a place; the best in front."""
    for i in range(low, high):
        begin, end = start[i], start[i + 1]
        size, filled, behind = sizes[i], 0, np.int64(0)
        for x in range(begin, end):
            key = np.int64(worker[x]) << 2 | GONE
            if value[x] >= 0:
                key = (np.int64(value[x] * scale) + 1) << 32 | np.int64(worker[x]) << 2
            if filled < size:
                y = begin + filled
                filled += 1
            elif key <= rows[begin + size - 1]:
                rows[x] = key
                behind = max(behind, key)
                continue
            else:
                y = begin + size - 1
                rows[x] = behind = rows[y]
            while y > begin and rows[y - 1] < key:
                rows[y] = rows[y - 1]
                y -= 1
            rows[y] = key
        theta[i] = behind >> 32


@compiled
def refill(rows: Int64, begin: int, size: int, end: int, prices: Int32, nets: Int64) -> int:
    """Bring what is worth most now into the front, leaving held edges where they are; returns the bound of what stays behind."""
    behind, low = np.int64(0), -1
    for x in range(size):
        key = rows[begin + x]
        nets[x] = INFINITE if key & HELD else -1 if key & GONE else (key >> 32) - prices[key >> 2 & WORKER]
        if low < 0 or nets[x] < nets[low]:
            low = x
    for y in range(begin + size, end):
        key = rows[y]
        if key & GONE:
            continue
        net = (key >> 32) - prices[key >> 2 & WORKER]
        if net <= nets[low]:
            behind = max(behind, net)
            continue
        behind = max(behind, nets[low])
        rows[y], rows[begin + low], nets[low] = rows[begin + low], key, net
        for x in range(size):
            if nets[x] < nets[low]:
                low = x
    return int(behind)


@compiled
def sink(bids: Int64, holder: Int32, base: int, at: int, size: int) -> None:
    """Restore a worker's heap of `size` bids, lowest first, after the bid at place `at` became higher."""
    bid, task = bids[base + at], holder[base + at]
    while 2 * at + 1 < size:
        child = 2 * at + 1
        if child + 1 < size and bids[base + child + 1] < bids[base + child]:
            child += 1
        if bids[base + child] >= bid:
            break
        bids[base + at], holder[base + at] = bids[base + child], holder[base + child]
        at = child
    bids[base + at], holder[base + at] = bid, task


@compiled
def add(bids: Int64, holder: Int32, load: Int64, base: int, j: int, bid: int, task: int) -> None:
    """Put a bid into worker j's heap."""
    at = load[j]
    load[j] += 1
    while at > 0 and bids[base + (at - 1) // 2] > bid:
        up = (at - 1) // 2
        bids[base + at], holder[base + at] = bids[base + up], holder[base + up]
        at = up
    bids[base + at], holder[base + at] = bid, task


@compiled
def best(rows: Int64, begin: int, end: int, prices: Int32, places: int, nets: Int64, where: Int64) -> None:
    """The `places` largest positive net values among edges not held, and where they stand; -1 where there is none."""
    for x in range(places):
        nets[x], where[x] = 0, -1
    for y in range(begin, end):
        key = rows[y]
        if key & (HELD | GONE):
            continue
        net, x = (key >> 32) - prices[key >> 2 & WORKER], places - 1
        if net > nets[x]:
            while x > 0 and nets[x - 1] < net:
                nets[x], where[x] = nets[x - 1], where[x - 1]
                x -= 1
            nets[x], where[x] = net, y


@compiled
def auction(
    start: Int64,
    rows: Int64,
    theta: Int32,
    sizes: Int64,
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
    epsilon: int,
    most: int,
    cost: Int32,
    log: Int32,
    nets: Int64,
    where: Int64,
    scratch: Int64,
) -> tuple[int, int]:
    """Let the first `count` tasks of the queue bid, and whom they displace, until all are content or `most` bids were made.

    Worker j's places are bids[slot[j]:slot[j] + load[j]], each bid << 32 | the edge's place in rows; `holder` tells their tasks.
    Its next place costs cost[slot[j] + load[j]], which must not fall along a worker's places; none given: nothing.
    Returns how many tasks still wait, and the bids made; of the first of them `log` tells the workers.
    """
    made, head, ring = 0, 0, len(queue)
    while count > 0 and made < most:
        i = queue[head]
        head = head + 1 if head + 1 < ring else 0
        count -= 1
        if count > SOON:
            soon = start[queue[head + SOON if head + SOON < ring else head + SOON - ring]]
            send_for(rows, soon)
            send_for(rows, soon + LINE)
        waiting[i] = False
        wanted, begin, end = missing[i], start[i], start[i + 1]
        if wanted <= 0 or begin == end:
            continue
        size = sizes[i]
        best(rows, begin, begin + size, prices, wanted + 1, nets, where)
        if nets[wanted - 1] < theta[i]:
            theta[i] = refill(rows, begin, size, end, prices, scratch)
            best(rows, begin, begin + size, prices, wanted + 1, nets, where)
        level = max(nets[wanted], np.int64(theta[i]))
        for x in range(wanted):
            y = where[x]
            if y < 0:
                break
            j = rows[y] >> 2 & WORKER
            bid = (rows[y] >> 32) - level + epsilon
            if bid <= prices[j]:
                break
            if made < len(log):
                log[made] = j
            made += 1
            missing[i] -= 1
            rows[y] |= HELD
            base, full = slot[j], capacity[j]
            if load[j] < full and (len(cost) == 0 or load[j] == 0 or cost[base + load[j]] <= bids[base] >> 32):
                add(bids, holder, load, base, j, bid << 32 | y, i)
            else:
                loser = holder[base]
                rows[bids[base] & PLACE] &= ~HELD
                missing[loser] += 1
                if not waiting[loser]:
                    waiting[loser] = True
                    queue[head + count if head + count < ring else head + count - ring] = loser
                    count += 1
                bids[base], holder[base] = bid << 32 | y, i
                sink(bids, holder, base, 0, load[j])
            if load[j] == full:
                prices[j] = bids[base] >> 32
            elif len(cost):
                prices[j] = min(bids[base] >> 32, np.int64(cost[base + load[j]]))
    return count, made


@compiled
def restart(
    slot: Int64,
    load: Int64,
    prices: Int32,
    rows: Int64,
    bids: Int64,
    theta: Int32,
    missing: Int32,
    redundancy: Int64,
    less: int,
) -> None:
    """Drop every assignment and lower every price by `less`, for a new auction under a smaller epsilon."""
    for j in range(len(load)):
        for x in range(slot[j], slot[j] + load[j]):
            rows[bids[x] & PLACE] &= ~HELD
        load[j] = 0
        if prices[j] < NOBODY:
            prices[j] = max(0, prices[j] - less)
    for i in range(len(missing)):
        missing[i] = redundancy[i]
        theta[i] += less


@compiled
def bound(start: Int64, worker: Int32, value: Any, redundancy: Int64, price: Any, capacity: Int64, nets: Any) -> float:
    """No assignment is worth more: sum_j capacity_j p_j + sum_i the redundancy_i largest of max(0, w_ij - p_j)."""
    total = 0.0
    for j in range(len(price)):
        total += capacity[j] * price[j]
    for i in range(len(start) - 1):
        places = min(redundancy[i], start[i + 1] - start[i])
        if places == 0:
            continue
        nets[:places], least = 0, 0.0
        for x in range(start[i], start[i + 1]):
            net = value[x] - price[worker[x]]
            if net > least and value[x] >= 0:
                at = places - 1
                while at > 0 and nets[at - 1] < net:
                    nets[at] = nets[at - 1]
                    at -= 1
                nets[at] = net
                least = nets[places - 1]
        for x in range(places):
            total += nets[x]
    return total


@compiled
def chosen(start: Int64, worker: Int32, sizes: Int64, rows: Int64, taken: NDArray[np.int64]) -> int:
    """The edges held, by task, into `taken`; returns how many."""
    count = 0
    for i in range(len(start) - 1):
        begin = start[i]
        first = count
        for y in range(begin, begin + sizes[i]):
            if rows[y] & HELD:
                taken[count] = rows[y] >> 2 & WORKER
                count += 1
        left, x = count - first, begin
        place = first
        while left > 0:
            for z in range(place, count):
                if taken[z] == worker[x]:
                    taken[z], taken[place] = taken[place], x
                    place += 1
                    left -= 1
                    break
            x += 1
    return count


@compiled
def group(task: Int32, start: Int64, order: Int32) -> None:
    """The edges by task, in their order: a counting sort. `start` holds the rows' beginnings."""
    at = start.copy()
    for e in range(len(task)):
        order[at[task[e]]] = e
        at[task[e]] += 1


@compiled
def repeated(start: Int64, worker: Int32, degree: Int64) -> int:
    """Counts each worker's edges; returns the first edge whose pair stood before in its row, or -1."""
    seen = np.full(len(degree), -1, np.int32)
    for i in range(len(start) - 1):
        for x in range(start[i], start[i + 1]):
            if seen[worker[x]] == i:
                return x
            seen[worker[x]] = i
            degree[worker[x]] += 1
    return -1


@compiled
def fits(start: Int64, worker: Int32, value: Any, capacity: Int64, redundancy: Int64) -> bool:
    """Whether all edges of value >= 0 can be taken."""
    load = np.zeros(len(capacity), np.int64)
    for i in range(len(redundancy)):
        filled = 0
        for x in range(start[i], start[i + 1]):
            if value[x] >= 0:
                filled += 1
                load[worker[x]] += 1
                if filled > redundancy[i] or load[worker[x]] > capacity[worker[x]]:
                    return False
    return True


@compiled
def top(start: Int64, rows: Int64, redundancy: Int64) -> int:
    """Sum of each task's largest values, as many as it wants, before any edge moved."""
    total = 0
    for i in range(len(redundancy)):
        for y in range(start[i], start[i] + redundancy[i]):
            total += rows[y] >> 32
    return total


@compiled
def reachable(start: Int64, worker: Int32, able: Any, capacity: Int64, redundancy: Int64, held: Any) -> Any:
    """Fill as many places as can be filled at all (changes `held`); the tasks that alternate paths from unfilled places reach.

    A phase: breadth first from all tasks with an unfilled place over edges not held to workers, over held ones back to tasks;
    then along disjoint shortest paths to workers with a free place. No such path: the maximum.
    """
    tasks, workers, edges = len(redundancy), len(capacity), len(worker)
    load, filled = np.zeros(workers, np.int64), np.zeros(tasks, np.int64)
    task = np.empty(edges, np.int32)
    column = np.zeros(workers + 1, np.int64)
    for i in range(tasks):
        for x in range(start[i], start[i + 1]):
            task[x] = i
            column[worker[x] + 1] += able[x]
            if held[x]:
                load[worker[x]] += 1
                filled[i] += 1
    for j in range(workers):
        column[j + 1] += column[j]
    at, into = column[:-1].copy(), np.empty(column[-1], np.int32)
    for x in range(edges):
        if able[x]:
            into[at[worker[x]]] = x
            at[worker[x]] += 1
    level, seen = np.empty(tasks, np.int32), np.empty(workers, np.int32)
    queue, row, back = np.empty(tasks, np.int32), np.empty(tasks, np.int64), np.empty(workers, np.int64)
    path, path_worker = np.empty(tasks + 1, np.int64), np.empty(tasks + 1, np.int64)
    while True:
        level[:], seen[:] = -1, -1
        head, tail, free = 0, 0, -1
        for i in range(tasks):
            if filled[i] < redundancy[i]:
                level[i] = 0
                queue[tail] = i
                tail += 1
        while head < tail:
            i = queue[head]
            head += 1
            if free >= 0 and level[i] >= free:
                break
            for x in range(start[i], start[i + 1]):
                j = worker[x]
                if held[x] or not able[x] or seen[j] >= 0 or capacity[j] == 0:
                    continue
                seen[j] = level[i]
                if load[j] < capacity[j]:
                    free = level[i]
                    continue
                for y in range(column[j], column[j + 1]):
                    if held[into[y]] and level[task[into[y]]] < 0:
                        level[task[into[y]]] = level[i] + 1
                        queue[tail] = task[into[y]]
                        tail += 1
        if free < 0:
            return level >= 0
        row[:] = start[:-1]
        back[:] = column[:-1]
        for root in range(tasks):
            while level[root] == 0 and filled[root] < redundancy[root]:
                depth, i, found = 0, root, False
                while depth >= 0 and not found:
                    if row[i] == start[i + 1]:  # a dead end: one edge back
                        level[i] = -1
                        depth -= 1
                        if depth >= 0:
                            i = task[path[depth]]
                        continue
                    x = row[i]
                    j = worker[x]
                    if held[x] or not able[x] or seen[j] != level[i]:
                        row[i] += 1
                        continue
                    path[depth] = x
                    if load[j] < capacity[j]:
                        found = True
                        continue
                    while back[j] < column[j + 1]:
                        y = into[back[j]]
                        if held[y] and level[task[y]] == level[i] + 1:
                            break
                        back[j] += 1
                    if back[j] == column[j + 1]:
                        row[i] += 1
                        continue
                    path_worker[depth] = into[back[j]]
                    i = task[into[back[j]]]
                    depth += 1
                if not found:
                    break
                for d in range(depth + 1):
                    held[path[d]] = True
                    if d < depth:
                        held[path_worker[d]] = False
                load[worker[path[depth]]] += 1
                filled[root] += 1
