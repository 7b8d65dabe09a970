"""Markets that fall apart: connected components share no worker and no task, so they are solved apart, by any Compute.

Components are gathered, in their order, into parts of about EACH edges: the cut does not depend on who solves them. The auction is
the undivided one, bid for bid: within a component nothing that another does is seen, but for the scale of the values, the first
epsilon, and when to go on with a smaller one; these are decided here, over all parts. What cannot be told from parts, whether
bids of all together amount to a price war, is left to the undivided auction, here.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from oracle.compute import CPU, LOCAL, Compute
from oracle.matching import auction, dense, kernels
from oracle.matching.auction import Floor
from oracle.matching.market import Int32, Int64, Market, Solution, check, reachable, solution
from oracle.matching.solve import FINEST, solve

EACH = 50_000  # edges of a part, about


@dataclass(frozen=True, slots=True)
class Part:
    """Some components of a market as one of their own, and where its edges, workers and tasks stand there, ascending."""

    edges: Int64
    workers: Int32
    market: Market


def solve_apart(
    worker: ArrayLike,
    task: ArrayLike,
    value: ArrayLike,
    capacity: ArrayLike,
    redundancy: ArrayLike,
    *,
    gap: float = 0.0,
    threads: int = 1,
    compute: Compute = LOCAL,
    device: str = CPU,
) -> Solution:
    """As `solve`; the same bits by any `compute`. With a `gap` they are those of `solve`; at 0 it may take another optimum."""
    market = check(worker, task, value, capacity, redundancy)
    whole = (gap and compute.workers == 1) or device != CPU or dense.square(market)
    whole = whole or kernels.fits(market.start, market.worker, market.value, market.capacity, market.redundancy)
    parts = [] if whole else cut(reachable(market) if gap else market)
    found = None
    if len(parts) > 1:
        found = _auction(market, parts, max(gap, FINEST), compute) if gap else _optimum(market, parts, compute)
    return found or solve(worker, task, value, capacity, redundancy, gap=gap, threads=threads, device=device)


def cut(market: Market) -> list[Part]:
    """The parts of a market, about EACH edges in each, or one component."""
    workers, tasks = len(market.capacity), len(market.redundancy)
    ends = (market.worker, market.task + np.int32(workers))
    graph: Any = csr_matrix((np.ones(len(ends[0]), np.bool_), ends), shape=(workers + tasks, workers + tasks))
    component = connected_components(graph, directed=False)[1][:workers][market.worker]  # [E]
    size = np.bincount(component)
    where = ((np.cumsum(size) - size) // EACH)[component]  # [E]
    edges, rows = np.argsort(where, kind="stable"), market.task
    at = [0, *(np.flatnonzero(np.diff(where[edges])) + 1).tolist(), len(edges)]
    return [_part(market, rows, edges[low:high]) for low, high in pairwise(at)]


def _part(market: Market, rows: Int32, edges: Int64) -> Part:
    workers, worker = np.unique(market.worker[edges], return_inverse=True)
    tasks, task = np.unique(rows[edges], return_inverse=True)
    own = Market(
        np.searchsorted(task, np.arange(len(tasks) + 1)),
        worker.astype(np.int32),
        market.value[edges],
        market.capacity[workers],
        market.redundancy[tasks],
        market.wanted[tasks],
        market.most[workers],
        None,
    )
    return Part(edges, workers, own)


# ---------------------------------------------------------------- the optimum


def _optimum(market: Market, parts: Sequence[Part], compute: Compute) -> Solution:
    found = compute.map(_solved, [(part.market,) for part in parts])
    taken = np.sort(np.concatenate([part.edges[edges] for part, (edges, _) in zip(parts, found, strict=True)]))
    price = np.zeros(len(market.capacity))
    for part, (_, own) in zip(parts, found, strict=True):
        price[part.workers] = own
    return solution(market, taken, price)


def _solved(market: Market) -> tuple[Int64, NDArray[np.float64]]:
    """The edges that a part takes, and its prices."""
    found = solve(market.worker, market.task, market.value, market.most, market.wanted)
    return np.flatnonzero(found.chosen), found.price


# ---------------------------------------------------------------- the auction


def _auction(market: Market, parts: Sequence[Part], gap: float, compute: Compute) -> Solution | None:
    """As oracle.matching.auction, every step by parts; None if all parts' bids together may be a price war."""
    within = reachable(market)
    largest = float(within.value.max(initial=0))
    kept = [compute.keep(part.market) for part in parts]
    supply, demand = int(market.capacity.sum()), int(market.redundancy.sum())
    mean = float(sum(compute.map(_top, [(part,) for part in kept], largest))) / max(1, demand)
    finest = min(max(1, int(gap * mean)), auction.WIDEST // auction.CALM)
    if supply > auction.SPARE * demand:
        epsilon, war = auction.CALM * finest, auction.WAR * demand
        begun = compute.map(_begun, [(part,) for part in kept], largest, epsilon, war)
        if sum(made for _, made in begun) >= war:
            return None
        floors = [floor for floor, _ in begun]
    else:
        epsilon = auction.COARSE * finest
        floors = compute.map(_scaled, [(part,) for part in kept], largest, epsilon)
    while True:
        price, idle = _prices(within, parts, floors)
        taken = [part.edges[auction.taken(part.market, floor)] for part, floor in zip(parts, floors, strict=True)]
        found = solution(within, np.sort(np.concatenate(taken)), price)
        if found.gap <= gap or epsilon == 1:
            above = np.maximum(found.price, market.value.max(initial=0))
            return replace(found, price=np.where(market.capacity > 0, found.price, above))
        given = list(zip(kept, floors, strict=True))
        if 2 * float(idle @ price) >= (found.gap - gap) * found.bound:
            floors = compute.map(_relaxed, given, epsilon)
            continue
        epsilon = max(1, epsilon // 2)
        floors = compute.map(_again, given, 2 * auction.BELOW * epsilon, epsilon)


def _prices(market: Market, parts: Sequence[Part], floors: Sequence[Floor]) -> tuple[NDArray[np.float64], Int64]:
    """Of all workers, those without edges too: prices in the unit of the values, and free places of who kept a price."""
    price, idle = np.where(market.capacity > 0, 0, kernels.NOBODY).astype(np.int32), np.zeros_like(market.capacity)
    for part, floor in zip(parts, floors, strict=True):
        price[part.workers] = floor.prices
        idle[part.workers] = floor.capacity - floor.load
    return np.asarray(np.maximum(price, 0) / floors[0].scale), np.where(price > 0, idle, 0)


# ---------------------------------------------------------------- steps of one part


def _top(largest: float, market: Market) -> int:
    return int(kernels.top(market.start, auction.open_floor(market, 1, largest).rows, market.redundancy))


def _begun(largest: float, epsilon: int, most: int, market: Market) -> tuple[Floor, int]:
    floor = auction.open_floor(market, 1, largest)
    auction.everyone(floor)
    return floor, auction.bid(market, floor, len(floor.queue), epsilon, most)[1]


def _scaled(largest: float, epsilon: int, market: Market) -> Floor:
    floor = auction.open_floor(market, 1, largest)
    auction.scaled(market, floor, epsilon)
    return floor


def _again(less: int, epsilon: int, market: Market, before: Floor) -> Floor:
    floor = deepcopy(before)
    auction.again(market, floor, less, epsilon)
    return floor


def _relaxed(epsilon: int, market: Market, before: Floor) -> Floor:
    floor = deepcopy(before)
    auction.relaxed(market, floor, epsilon)
    return floor
