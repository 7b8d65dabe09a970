"""The exact optimum as a linear programme, whose matrix is totally unimodular, by the dual simplex of HiGHS."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_matrix

from oracle.matching.market import Market, NotOptimal, Solution, solution

FEASIBILITY = 1e-10  # of the solver, relative to the largest value: the finest that HiGHS takes
GAP = 1e-8  # allowed between value and bound, relative to the larger of the bound and the largest value


def optimum(market: Market) -> Solution:
    """Values that differ by less than 1e-8 of the largest may count as equal. Raises NotOptimal where HiGHS does not deliver."""
    limits = np.concatenate((market.capacity, market.redundancy)).astype(np.float64)
    useful = np.flatnonzero(market.value >= 0)
    weight = market.value[useful].astype(np.float64)
    scale = float(weight.max(initial=0.0)) or 1.0
    ends = np.concatenate((market.worker[useful], market.task[useful] + np.int32(len(market.capacity))))
    columns = np.tile(np.arange(len(useful), dtype=np.int32), 2)
    matrix: Any = csr_matrix((np.ones(len(ends)), (ends, columns)), shape=(len(limits), len(useful)))
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
