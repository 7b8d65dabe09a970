"""The exact optimum by HiGHS: a linear programme, totally unimodular; with further constraints an integer programme."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import csr_matrix

from oracle.matching.market import Float, Int64, Market, NotOptimal, Solution, solution

FEASIBILITY = 1e-10  # of the solver, relative to the largest value: the finest that HiGHS takes
GAP = 1e-8  # allowed between value and bound, relative to the larger of the bound and the largest value


@dataclass(frozen=True, slots=True)
class Limit:
    """sum of weight * taken over these edges <= most: a budget (weight: money), a conflict (two edges, weight 1, most 1)."""

    edges: Int64
    weight: Float
    most: float


def optimum(market: Market) -> Solution:
    """Values that differ by less than 1e-8 of the largest may count as equal. Raises NotOptimal where HiGHS does not deliver."""
    useful, weight, scale, matrix, limits = _programme(market)
    precise: Any = {"primal_feasibility_tolerance": FEASIBILITY, "dual_feasibility_tolerance": FEASIBILITY}
    result: Any = linprog(-weight / scale, A_ub=matrix, b_ub=limits, bounds=(0, 1), method="highs-ds", options=precise)
    if result.status != 0:
        raise NotOptimal(f"the solver stopped: {result.message}")
    taken = result.x > 0.5
    if np.abs(result.x - taken).max() > 1e-6:
        raise NotOptimal("the solver returned a fractional vertex")
    price = np.maximum(0.0, -result.ineqlin.marginals[: len(market.capacity)]) * scale
    found = solution(market, useful[taken], price)
    if found.bound - found.value > GAP * max(found.bound, scale):
        raise NotOptimal(f"the solver's value {found.value} stays below its bound {found.bound}")
    return found


def constrained(market: Market, extra: Sequence[Limit]) -> Solution:
    """The optimum under `extra` too, whose edges are numbered as given. Its bound is HiGHS' own: prices alone do not prove it.

    Raises NotOptimal where HiGHS does not deliver.
    """
    useful, weight, scale, matrix, limits = _programme(market)
    if not len(useful):
        return solution(market, useful, np.zeros(len(market.capacity)))
    place = np.full(len(market.value), -1)
    place[useful if market.order is None else market.order[useful]] = np.arange(len(useful))
    rows, columns, weights = [], [], []
    for row, one in enumerate(extra):
        at = place[one.edges]
        rows.append(np.full(int((at >= 0).sum()), row))
        columns.append(at[at >= 0])
        weights.append(np.asarray(one.weight, np.float64)[at >= 0])
    parts = tuple(np.concatenate(part) for part in (weights, rows, columns))
    more: Any = csr_matrix((parts[0], (parts[1], parts[2])), shape=(len(extra), len(useful)))
    result: Any = milp(
        -weight / scale,
        constraints=[
            LinearConstraint(matrix, ub=limits),
            LinearConstraint(more, ub=np.array([one.most for one in extra])),
        ],
        integrality=np.ones(len(useful), np.int64),
        bounds=Bounds(0, 1),
        options={"mip_rel_gap": GAP},
    )
    if result.status != 0:
        raise NotOptimal(f"the solver stopped: {result.message}")
    taken = result.x > 0.5
    if (more @ taken > np.array([one.most for one in extra]) + 1e-6).any():
        raise NotOptimal("the solver broke a further limit")
    found = solution(market, useful[taken], np.zeros(len(market.capacity)))
    return replace(found, bound=max(float(found.value), -float(result.mip_dual_bound) * scale))


def _programme(market: Market) -> tuple[Int64, Float, float, Any, Float]:
    """The edges worth taking, their values, the largest of these, and the limits of workers and tasks: matrix and right side."""
    limits = np.concatenate((market.capacity, market.redundancy)).astype(np.float64)
    useful = np.flatnonzero(market.value >= 0)
    weight = market.value[useful].astype(np.float64)
    ends = np.concatenate((market.worker[useful], market.task[useful] + np.int32(len(market.capacity))))
    columns = np.tile(np.arange(len(useful), dtype=np.int32), 2)
    matrix: Any = csr_matrix((np.ones(len(ends)), (ends, columns)), shape=(len(limits), len(useful)))
    return useful, weight, float(weight.max(initial=0.0)) or 1.0, matrix, limits
