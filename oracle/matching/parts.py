"""Markets that fall apart: connected components share no worker and no task, so they are solved apart, in processes."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from oracle.matching.market import Solution, check, solution
from oracle.matching.solve import solve


def solve_apart(
    worker: ArrayLike,
    task: ArrayLike,
    value: ArrayLike,
    capacity: ArrayLike,
    redundancy: ArrayLike,
    *,
    gap: float = 0.0,
    processes: int = 2,
) -> Solution:
    """As `solve`, each component to one of `processes` so that their edges are even; a market in one piece is solved here."""
    market = check(worker, task, value, capacity, redundancy)
    workers, tasks = len(market.capacity), len(market.redundancy)
    ends = (market.worker, market.task + np.int32(workers))
    graph: Any = csr_matrix((np.ones(len(ends[0]), np.bool_), ends), shape=(workers + tasks, workers + tasks))
    label = connected_components(graph, directed=False)[1][:workers][market.worker]  # [E]
    share = _even(np.bincount(label), processes)[label]
    parts = [edges for edges in (np.flatnonzero(share == one) for one in range(processes)) if len(edges)]
    if len(parts) < 2:
        return solve(worker, task, value, capacity, redundancy, gap=gap)
    cuts = [
        (market.worker[part], market.task[part], market.value[part], market.most, market.wanted, gap) for part in parts
    ]
    with ProcessPoolExecutor(len(parts), multiprocessing.get_context("spawn")) as pool:
        found = list(pool.map(_part, cuts))
    taken = np.sort(np.concatenate([part[edges] for part, (edges, _) in zip(parts, found, strict=True)]))
    return solution(market, taken, np.sum([price for _, price in found], axis=0))


def _part(cut: tuple[Any, ...]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The edges taken, and the prices, of the part's own workers only."""
    *arrays, gap = cut
    found = solve(*arrays, gap=gap)
    price = np.zeros(len(found.price))
    mine = np.unique(arrays[0])
    price[mine] = found.price[mine]
    return np.flatnonzero(found.chosen), price


def _even(edges: NDArray[np.int64], bins: int) -> NDArray[np.int64]:
    """A bin for each component, the largest first into the emptiest."""
    filled, where = np.zeros(bins, np.int64), np.zeros(len(edges), np.int64)
    for one in np.argsort(-edges):
        where[one] = int(filled.argmin())
        filled[where[one]] += edges[one]
    return where
