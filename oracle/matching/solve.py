"""Exact capacitated b-matching: who answers which task, so that the sum of the values is largest.

Edges (worker, task, value), a capacity for each worker, a redundancy for each task -> the chosen edges, each at most once. An empty
place is worth 0, so an edge of negative value is never taken. The solver's word is not taken either: with its dual prices
    D = sum_i capacity_i p_i + sum_j redundancy_j q_j + sum_edges max(0, value - p_i - q_j)
no assignment is worth more than D; value and bound must meet, or `solve` raises.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linprog
from scipy.sparse import csr_matrix

from oracle.protocol.errors import BadInput, Fatal

EXACT = 1 << 53  # integers up to here are exact as float64
FEASIBILITY = 1e-10  # of the solver, relative to the largest value: the finest that HiGHS takes
GAP = 1e-8  # allowed between value and bound, relative to the larger of the bound and the largest value

Int32 = NDArray[np.int32]
Float = NDArray[np.float64]


class DuplicateEdge(BadInput):
    """The same worker and task stand in two edges."""


class NegativeLimit(BadInput):
    """A capacity or a redundancy is below zero, or no integer."""


class ValueNotFinite(BadInput):
    """A value is NaN, infinite, or too large to be exact."""


class UnknownIndex(BadInput):
    """An edge names a worker or a task that does not exist."""


class NotOptimal(Fatal):
    """The solver did not deliver what it promises."""


@dataclass(frozen=True, slots=True)
class Solution:
    chosen: NDArray[np.bool_]  # [E]
    value: float  # sum over the chosen edges; an int if all values are
    bound: float  # no assignment is worth more
    assigned: Int32  # [T] places filled
    short: Int32  # the tasks with fewer than their redundancy, ascending
    prices: Float  # [K] of the workers' places: with them anyone bounds every assignment


def solve(worker: ArrayLike, task: ArrayLike, value: ArrayLike, capacity: ArrayLike, redundancy: ArrayLike) -> Solution:
    """Maximise the value. Edge e pairs `worker[e]` with `task[e]`; limits: `capacity` [K] edges a worker, `redundancy` [T] a task.

    If all edges fit, the ones of value >= 0 are an optimum and no solver is called. Otherwise the linear programme,
    whose matrix is totally unimodular, has an integral vertex that the dual simplex of HiGHS returns. With integer
    values, bound - value < 1 proves the optimum; values that differ by less than 1e-8 of the largest may count as equal.
    """
    limits = _limits("capacity", capacity), _limits("redundancy", redundancy)
    ends = _ends("worker", worker, len(limits[0])), _ends("task", task, len(limits[1]))
    values = _values(value)
    if not len(ends[0]) == len(ends[1]) == len(values):
        raise BadInput(f"edges: {len(ends[0])} workers, {len(ends[1])} tasks, {len(values)} values; one each is needed")
    _unique(ends[0], ends[1], len(limits[1]))
    useful = np.flatnonzero((values >= 0) & (limits[0][ends[0]] > 0) & (limits[1][ends[1]] > 0))
    workers, tasks = ends[0][useful], ends[1][useful]
    weights = values[useful].astype(np.float64)
    chosen = np.zeros(len(values), bool)
    if _within(workers, limits[0]) and _within(tasks, limits[1]):
        chosen[useful] = True
        bound, prices = math.fsum(weights), np.zeros(len(limits[0]))
    else:
        taken, bound, prices = _linear_programme(workers, tasks, weights, *limits)
        chosen[useful] = taken
    if not (_within(ends[0][chosen], limits[0]) and _within(ends[1][chosen], limits[1])):
        raise NotOptimal("the solver broke a capacity or a redundancy")
    total = _total(values[chosen])
    if bound - total > GAP * max(bound, weights.max(initial=0.0)):
        raise NotOptimal(f"the solver's value {total} stays below its bound {bound}")
    assigned = np.bincount(ends[1][chosen], minlength=len(limits[1])).astype(np.int32)
    return Solution(
        chosen, total, max(bound, total), assigned, np.flatnonzero(assigned < limits[1]).astype(np.int32), prices
    )


def _linear_programme(
    worker: Int32, task: Int32, weight: Float, capacity: NDArray[np.int64], redundancy: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], float, Float]:
    edges = len(weight)
    scale = float(weight.max()) or 1.0
    rows = np.concatenate((worker, task + np.int32(len(capacity))))
    columns = np.tile(np.arange(edges, dtype=np.int32), 2)
    matrix: Any = csr_matrix((np.ones(2 * edges), (rows, columns)), shape=(len(capacity) + len(redundancy), edges))
    limits = np.minimum(np.concatenate((capacity, redundancy)), edges).astype(np.float64)
    precise: Any = {"primal_feasibility_tolerance": FEASIBILITY, "dual_feasibility_tolerance": FEASIBILITY}
    result: Any = linprog(-weight / scale, A_ub=matrix, b_ub=limits, bounds=(0, 1), method="highs-ds", options=precise)
    if result.status != 0:
        raise NotOptimal(f"the solver stopped: {result.message}")
    taken = result.x > 0.5
    if np.abs(result.x - taken).max() > 1e-6:
        raise NotOptimal("the solver returned a fractional vertex")
    prices = np.maximum(0.0, -result.ineqlin.marginals) * scale  # [K + T]
    surplus = np.maximum(0.0, weight - prices[worker] - prices[len(capacity) + task])  # [E]
    return taken, math.fsum(limits * prices) + math.fsum(surplus), prices[: len(capacity)]


def _total(values: NDArray[Any]) -> float:
    return sum(values.tolist()) if np.issubdtype(values.dtype, np.integer) else math.fsum(values)


def _within(ends: Int32, limits: NDArray[np.int64]) -> bool:
    return bool((np.bincount(ends, minlength=len(limits)) <= limits).all())


# ---------------------------------------------------------------- checks


def _ends(name: str, values: ArrayLike, size: int) -> Int32:
    found = np.asarray(values)
    if found.ndim != 1 or (found.size and not np.issubdtype(found.dtype, np.integer)):
        raise UnknownIndex(f"edges: {name} must be one dimension of integers, got {found.dtype} of shape {found.shape}")
    wrong = np.flatnonzero((found < 0) | (found >= size))
    if wrong.size:
        raise UnknownIndex(f"edge {wrong[0]}: {name} {found[wrong[0]]} is none of 0..{size - 1}")
    return found.astype(np.int32)


def _limits(name: str, values: ArrayLike) -> NDArray[np.int64]:
    found = np.asarray(values)
    if found.ndim != 1 or (found.size and not np.issubdtype(found.dtype, np.integer)):
        raise NegativeLimit(f"{name}: one dimension of integers needed, got {found.dtype} of shape {found.shape}")
    wrong = np.flatnonzero(found < 0)
    if wrong.size:
        raise NegativeLimit(f"{name}[{wrong[0]}] = {found[wrong[0]]}: must not be negative")
    return found.astype(np.int64)


def _values(values: ArrayLike) -> NDArray[Any]:
    found = np.asarray(values)
    if found.size == 0:
        return np.zeros(0, np.int64)
    if found.ndim != 1 or found.dtype.kind not in "iuf":
        raise ValueNotFinite(f"value: one dimension of numbers needed, got {found.dtype} of shape {found.shape}")
    wrong = np.flatnonzero(~(np.abs(found.astype(np.float64)) <= EXACT))
    if wrong.size:
        raise ValueNotFinite(f"edge {wrong[0]}: value {found[wrong[0]]} is not a number within +-2^53")
    return found


def _unique(worker: Int32, task: Int32, tasks: int) -> None:
    key = worker.astype(np.int64) * tasks + task
    order = np.argsort(key, kind="stable")
    again = np.flatnonzero(key[order[1:]] == key[order[:-1]])
    if again.size:
        first, second = order[again[0]], order[again[0] + 1]
        raise DuplicateEdge(f"edges {first} and {second}: both pair worker {worker[first]} with task {task[first]}")
