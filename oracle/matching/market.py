"""What every solver is given and returns: checked arrays of a market, and an assignment with prices that prove its worth."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oracle.matching import kernels
from oracle.protocol.errors import BadInput, Fatal

EXACT = 1 << 53  # integers up to here are exact as float64
MOST_EDGES = (1 << 31) - 1
MOST_WORKERS = 1 << 29

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
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
    """A solver did not deliver what it promises."""


@dataclass(frozen=True, slots=True)
class Market:
    """E edges by task, K workers, T tasks; every pair once. `order` [E] leads to the edges as given, None if they were by task."""

    start: Int64  # [T + 1] task i's edges are start[i]..start[i + 1] - 1
    worker: Int32  # [E]
    value: NDArray[Any]  # [E] int64, int32 or float64
    capacity: Int64  # [K] at most one more than the worker's edges
    redundancy: Int64  # [T] at most the task's edges
    wanted: Int64  # [T] redundancy as given
    most: Int64  # [K] capacity as given
    order: Int32 | None

    @property
    def task(self) -> Int32:
        return np.repeat(np.arange(len(self.redundancy), dtype=np.int32), np.diff(self.start))


@dataclass(frozen=True, slots=True)
class Solution:
    chosen: NDArray[np.bool_]  # [E]
    value: float  # sum over the chosen edges; an int if all values are
    bound: float  # no assignment is worth more
    price: Float  # [K] of the workers: proves the bound
    assigned: Int32  # [T] places filled
    short: Int32  # the tasks with fewer than their redundancy, ascending

    @property
    def gap(self) -> float:
        """What the assignment may lack, relative to the bound."""
        return (self.bound - self.value) / self.bound if self.bound > 0 else 0.0


def reachable(market: Market) -> Market:
    """The same, where an edge without a place at one of its ends is worth less than nothing: it must not set the scale."""
    if market.capacity.all() and market.redundancy.all():
        return market
    places = (market.capacity[market.worker] > 0) & (market.redundancy[market.task] > 0)
    return replace(market, value=np.where(places, market.value, -1))


def solution(market: Market, taken: Int64, price: Float) -> Solution:
    """Of the market's edges `taken`, each once and within the limits. Raises NotOptimal if they are not."""
    value = market.value[taken]
    assigned = np.bincount(np.searchsorted(market.start, taken, "right") - 1, minlength=len(market.wanted))
    if (assigned > market.redundancy).any() or (
        np.bincount(market.worker[taken], minlength=len(market.capacity)) > market.capacity
    ).any():
        raise NotOptimal("the solver broke a capacity or a redundancy")
    total = int(value.sum(dtype=np.int64)) if value.dtype.kind == "i" else math.fsum(value)
    if total == 0 and not (reachable(market).value > 0).any():
        price = np.where(market.capacity > 0, 0.0, price)  # no price proves it
    most = int(market.redundancy.max(initial=0))
    bound = kernels.bound(
        market.start, market.worker, market.value, market.redundancy, price, market.capacity, np.empty(most)
    )
    chosen = np.zeros(len(market.worker), np.bool_)
    chosen[taken if market.order is None else market.order[taken]] = True
    return Solution(
        chosen,
        total,
        max(bound, total),
        price,
        assigned.astype(np.int32),
        np.flatnonzero(assigned < market.wanted).astype(np.int32),
    )


# ---------------------------------------------------------------- checks


def check(worker: ArrayLike, task: ArrayLike, value: ArrayLike, capacity: ArrayLike, redundancy: ArrayLike) -> Market:
    """The market of these edges. Raises BadInput that names the edge or the number."""
    capacities, wanted = _limits("capacity", capacity), _limits("redundancy", redundancy)
    workers, tasks = _ends("worker", worker, len(capacities)), _ends("task", task, len(wanted))
    values = _values(value)
    if not len(workers) == len(tasks) == len(values):
        raise BadInput(f"edges: {len(workers)} workers, {len(tasks)} tasks, {len(values)} values; one each is needed")
    if len(values) > MOST_EDGES or len(capacities) > MOST_WORKERS:
        raise BadInput(f"edges: at most {MOST_EDGES} and {MOST_WORKERS} workers can be matched at once")
    start = np.zeros(len(wanted) + 1, np.int64)
    np.cumsum(np.bincount(tasks, minlength=len(wanted)), out=start[1:])
    order = None
    if (tasks[1:] < tasks[:-1]).any():
        order = np.empty(len(tasks), np.int32)
        kernels.group(tasks, start, order)
        workers, values = workers[order], values[order]
    degree = np.zeros(len(capacities), np.int64)
    again = kernels.repeated(start, workers, degree)
    if again >= 0:
        _twice(start, workers, order, again)
    return Market(
        start,
        workers,
        values,
        np.minimum(capacities, degree + 1),
        np.minimum(wanted, np.diff(start)),
        wanted,
        capacities,
        order,
    )


def _twice(start: Int64, worker: Int32, order: Int32 | None, again: int) -> None:
    task = int(np.searchsorted(start, again, "right")) - 1
    first = int(start[task]) + int(np.flatnonzero(worker[start[task] : again] == worker[again])[0])
    edges = (first, again) if order is None else (int(order[first]), int(order[again]))
    raise DuplicateEdge(f"edges {edges[0]} and {edges[1]}: both pair worker {worker[again]} with task {task}")


def _ends(name: str, values: ArrayLike, size: int) -> Int32:
    found = np.asarray(values)
    if found.ndim != 1 or (found.size and found.dtype.kind not in "iu"):
        raise UnknownIndex(f"edges: {name} must be one dimension of integers, got {found.dtype} of shape {found.shape}")
    if found.size and not 0 <= found.min() <= found.max() < size:
        wrong = np.flatnonzero((found < 0) | (found >= size))[0]
        raise UnknownIndex(f"edge {wrong}: {name} {found[wrong]} is none of 0..{size - 1}")
    return found.astype(np.int32, copy=False)


def _limits(name: str, values: ArrayLike) -> Int64:
    found = np.asarray(values)
    if found.ndim != 1 or (found.size and found.dtype.kind not in "iu"):
        raise NegativeLimit(f"{name}: one dimension of integers needed, got {found.dtype} of shape {found.shape}")
    wrong = np.flatnonzero(found < 0)
    if wrong.size:
        raise NegativeLimit(f"{name}[{wrong[0]}] = {found[wrong[0]]}: must not be negative")
    clipped: Int64 = np.minimum(found, MOST_EDGES).astype(np.int64)
    return clipped


def _values(values: ArrayLike) -> NDArray[Any]:
    found = np.asarray(values)
    if found.size == 0:
        return np.zeros(0, np.int64)
    if found.ndim != 1 or found.dtype.kind not in "iuf":
        raise ValueNotFinite(f"value: one dimension of numbers needed, got {found.dtype} of shape {found.shape}")
    if not -EXACT <= found.min() <= found.max() <= EXACT:  # NaN compares false
        wrong = np.flatnonzero(~(np.abs(found.astype(np.float64)) <= EXACT))[0]
        raise ValueNotFinite(f"edge {wrong}: value {found[wrong]} is not a number within +-2^53")
    return (
        found
        if found.dtype in (np.int32, np.int64, np.float64)
        else found.astype("f8" if found.dtype.kind == "f" else "i8")
    )
