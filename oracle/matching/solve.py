"""Capacitated b-matching: who answers which task, so that the sum of the values is largest, and a proof of how large it can be.

Edges (worker, task, value), a capacity for each worker, a redundancy for each task -> the chosen edges, each at most once. An empty
place is worth 0, so an edge of negative value is never taken. Every solver returns prices p of the workers with its assignment:
    D = sum_j capacity_j p_j + sum_i the redundancy_i largest of max(0, w_ij - p_j)
bounds the value of every assignment, and certify.py checks it without knowing how the prices came about.

`solve` picks the solver: further constraints -> HiGHS; everything fits -> take it; square and dense -> `lap`; a gap is allowed ->
the auction; else HiGHS.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oracle.compute import CPU
from oracle.matching import dense, kernels, programme
from oracle.matching.auction import auction
from oracle.matching.market import Solution, check, solution
from oracle.matching.programme import Limit
from oracle.protocol.errors import BadInput

FINEST = 1e-7  # the smallest gap that the auction is asked for


def solve(
    worker: ArrayLike,
    task: ArrayLike,
    value: ArrayLike,
    capacity: ArrayLike,
    redundancy: ArrayLike,
    *,
    gap: float = 0.0,
    threads: int = 1,
    extra: Sequence[Limit] = (),
    device: str = CPU,
) -> Solution:
    """Maximise the value. Edge e pairs `worker[e]` with `task[e]`; limits: `capacity` [K] edges a worker, `redundancy` [T] a task.

    With `gap` 0 the optimum, to within 1e-8 of it (integers: proved if bound - value < 1); else certified to lose at most
    `gap` of the bound. Under `extra` limits (budgets, conflicts) always the optimum. `device`: one of torch's, where the auction
    begins ("cuda"; "cpu:0" is torch on the CPU). Raises BadInput, NotOptimal.
    """
    if not 0 <= gap < 1:
        raise BadInput(f"gap {gap}: a share of the value from 0 to below 1 is needed")
    market = check(worker, task, value, capacity, redundancy)
    if extra:
        return programme.constrained(market, extra)
    if kernels.fits(market.start, market.worker, market.value, market.capacity, market.redundancy):
        return solution(market, np.flatnonzero(market.value >= 0), np.zeros(len(market.capacity)))
    found = dense.jonker_volgenant(market) if dense.square(market) else None
    if found:
        return found
    if not gap:
        return programme.optimum(market)
    if device != CPU:
        from oracle.matching import bulk  # noqa: PLC0415 - torch loads for seconds

        return bulk.auction(market, max(gap, FINEST), device)
    return auction(market, max(gap, FINEST), threads)


def warm_up(value: NDArray[Any]) -> None:
    """Compile, or load what was compiled before, for values of this type: so that a clock sees the solving alone."""
    for task in ([0, 0, 1, 1], [1, 0, 0, 1]):
        market = check([0, 1, 0, 1] if task[0] == 0 else [0, 0, 1, 1], task, np.ones(4, value.dtype), [1, 0], [1, 1])
        auction(market, FINEST)
