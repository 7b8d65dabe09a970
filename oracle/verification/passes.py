"""Passes over sorted answers, compiled (numba): what an iteration of EM costs, it costs here.

Answers lie by task: those of task t are `pair[start[t]:start[t + 1]]`, each the row of its (worker, label). Tables are C-contiguous
float32 or float64 [rows, W]. One thread, a fixed order: the same bits every time. The naive loops that these must equal stand in
tests/verification/test_passes.py. Compiled code is kept beside this file, or where NUMBA_CACHE_DIR says.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Table = NDArray[Any]
Ints = NDArray[Any]

LARGE = 9.0  # from here on the series is right to 1e-13


@njit(cache=True)
def sorted_by(key: Ints, order: Ints, groups: int) -> tuple[Ints, Ints]:
    """`order` [N], stably sorted by `key[order]`, and where each group begins and the last ends [groups + 1]."""
    start = np.zeros(groups + 1, np.int32)
    for k in key:
        start[k + 1] += 1
    for g in range(groups):
        start[g + 1] += start[g]
    place, found = start.copy(), np.empty(len(order), np.int32)
    for n in order:
        found[place[key[n]]] = n
        place[key[n]] += 1
    return found, start


@njit(cache=True)
def gathered(index: Ints, start: Ints, table: Table, sums: Table) -> Table:
    """sums[g] += table[index[n]] over the n of each group g."""
    width = table.shape[1]
    for g in range(len(start) - 1):
        for n in range(start[g], start[g + 1]):
            row = index[n]
            for c in range(width):
                sums[g, c] += table[row, c]
    return sums


@njit(cache=True)
def scattered(index: Ints, start: Ints, table: Table, sums: Table) -> Table:
    """sums[index[n]] += table[g] over the n of each group g."""
    width = table.shape[1]
    for g in range(len(start) - 1):
        for n in range(start[g], start[g + 1]):
            row = index[n]
            for c in range(width):
                sums[row, c] += table[g, c]
    return sums


@njit(cache=True)
def expected(  # noqa: C901, PLR0912 - one loop: to leave and come back would read the answers twice
    pair: Ints,
    start: Ints,
    rows: Table,
    prior: Table,
    classes: int,
    known: Ints,
    table: Table,
    seen: Table,
    evidence: Table,
) -> float:
    """One pass of EM: the posterior of every task by what its answers say, and at once what it adds to the counts of each.

    rows [R, 2 W]: the first half says what an answer of the pair adds to the score, the second gathers the posteriors of its
    tasks: side by side, so that both come with one look at memory. prior [W] is where scores begin; W is classes x kinds.
    known [T], or none: a class, or negative; other classes are ruled out. table [T, W]: the posteriors of the pass before,
    overwritten. seen [W], of float64, gathers the posteriors of the tasks that have answers. evidence [T], or none: log sum
    exp(score). Returns by how much the posteriors of classes moved, summed over all tasks.
    """
    tasks, width = table.shape
    kinds = width // classes
    score = np.empty(width, table.dtype)
    moved = 0.0
    for t in range(tasks):
        first, last = start[t], start[t + 1]
        for c in range(width):
            score[c] = prior[c]
        for n in range(first, last):
            row = pair[n]
            for c in range(width):
                score[c] += rows[row, c]
        if len(known) and known[t] >= 0:
            for c in range(width):
                if c // kinds != known[t]:
                    score[c] = -np.inf
        peak = score[0]
        for c in range(1, width):
            peak = max(peak, score[c])
        total = table[t, 0] * 0
        for c in range(width):
            score[c] = math.exp(score[c] - peak)
            total += score[c]
        if len(evidence):
            evidence[t] = peak + math.log(total)
        for c in range(classes):
            change = 0.0
            for k in range(c * kinds, (c + 1) * kinds):
                score[k] /= total
                change += score[k] - table[t, k]
                table[t, k] = score[k]
            moved += abs(change)
        if first < last:
            for c in range(width):
                seen[c] += score[c]
        for n in range(first, last):
            row = pair[n]
            for c in range(width):
                rows[row, width + c] += score[c]
    return moved


@njit(cache=True)
def psi(table: Table, found: Table) -> Table:
    """digamma of numbers above 0, flat [n]: psi(x) = psi(x + 1) - 1 / x until x is large, then the asymptotic series

    psi(y + 1/2) = log y + 1 / (24 y^2) - 7 / (960 y^4) + 31 / (8064 y^6) - 127 / (30720 y^8) + 511 / (67584 y^10) - ...
    """
    for i in range(len(table)):
        x = float(table[i])
        below, product = 0.0, 1.0  # sum of 1 / x as one fraction, below / product
        while x < LARGE:
            below, product = below * x + product, product * x
            x += 1
        y = x - 0.5
        square = 1 / (y * y)
        series = 1 / 24 - square * (7 / 960 - square * (31 / 8064 - square * (127 / 30720 - square * (511 / 67584))))
        found[i] = math.log(y) + square * series - below / product
    return found
