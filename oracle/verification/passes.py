"""Passes over sorted answers, compiled (numba): what an iteration of EM costs, it costs here.

Answers lie by task: those of task t are `pair[start[t]:start[t + 1]]`, each the row of its (worker, label). Tables are C-contiguous
float32 or float64 [rows, W]. One thread, a fixed order: the same bits every time. The naive loops that these must equal stand in
tests/verification/test_passes.py. Compiled code is kept beside this file, or where NUMBA_CACHE_DIR says.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from oracle.prefetch import send_for

Table = NDArray[Any]
Ints = NDArray[Any]

BLOCK = 64  # tasks whose scores stay in the fastest memory
SINGLE = 4  # bytes of a number
LINE = 16  # such numbers in a line of the cache
AHEAD = 64  # answers: as many rows are on their way from memory while one is added
WIDEST = 24  # columns; beyond, to know their number is worth little
LEAST = np.float32(-80)
ONE, HALF, LOG2E = np.float32(1), np.float32(0.5), np.float32(1.44269504088896341)
LOG2_HIGH, LOG2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
P1, P2, P3 = np.float32(1.6666665459e-1), np.float32(4.1665795894e-2), np.float32(8.3334519073e-3)
P4, P5 = np.float32(1.3981999507e-3), np.float32(1.9875691500e-4)
S2, S25, S3, S6 = np.float32(2), np.float32(2.5), np.float32(3), np.float32(6)
S1_24, S7_960, S31_8064 = np.float32(1 / 24), np.float32(7 / 960), np.float32(31 / 8064)
LARGE = 9.0  # from here on the series is right to 1e-13


@njit(cache=True, error_model="numpy")
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


@njit(cache=True, error_model="numpy")
def gathered(index: Ints, start: Ints, table: Table, sums: Table) -> Table:
    """sums[g] += table[index[n]] over the n of each group g."""
    width = table.shape[1]
    for g in range(len(start) - 1):
        for n in range(start[g], start[g + 1]):
            row = index[n]
            for c in range(width):
                sums[g, c] += table[row, c]
    return sums


@njit(cache=True, error_model="numpy")
def scattered(index: Ints, start: Ints, table: Table, sums: Table) -> Table:
    """sums[index[n]] += table[g] over the n of each group g."""
    width = table.shape[1]
    for g in range(len(start) - 1):
        for n in range(start[g], start[g + 1]):
            row = index[n]
            for c in range(width):
                sums[row, c] += table[g, c]
    return sums


@njit(cache=True, error_model="numpy")
def summed(start: Ints, table: Table) -> Table:
    """Sums [W], of float64, of the rows [T, W] of the groups that are not empty, in their order."""
    sums = np.zeros(table.shape[1])
    for g in range(len(start) - 1):
        if start[g] < start[g + 1]:
            for c in range(table.shape[1]):
                sums[c] += table[g, c]
    return sums


@njit(cache=True, error_model="numpy")
def beside(rows: Table) -> Table:
    """rows [R, W] in the first halves of the rows [R, 2 W] that a pass takes, zeros in the second."""
    height, width = rows.shape
    both = np.empty((height, 2 * width), rows.dtype)
    for r in range(height):
        for c in range(width):
            both[r, c] = rows[r, c]
            both[r, width + c] = 0
    return both


@njit(cache=True, error_model="numpy")
def gathered_of(both: Table) -> Table:
    """What a pass has gathered: the second halves [R, W] of rows [R, 2 W]."""
    height, width = both.shape[0], both.shape[1] // 2
    counts = np.empty((height, width), both.dtype)
    for r in range(height):
        for c in range(width):
            counts[r, c] = both[r, width + c]
    return counts


def _vector(context: Any, builder: Any, kind: Any, array: Any, at: Any, width: Any) -> Any:
    """The place of `width` numbers from array[at] on, counted flat, as one vector."""
    data = context.make_array(kind)(context, builder, array).data
    vector = ir.VectorType(context.get_data_type(kind.dtype), width.literal_value)
    return builder.bitcast(builder.gep(data, [at]), vector.as_pointer())


def _copied(_: Any, target: Any, at: Any, source: Any, begin: Any, width: Any) -> Any:
    """target[at + c] = source[begin + c] for c < width, as one vector; of C-contiguous arrays of one type, counted flat.

    A loop writes one number after the other, and whoever then reads them as a vector waits until all have arrived.
    """
    align = target.dtype.bitwidth // 8

    def emit(context: Any, builder: Any, _: Any, given: Any) -> Any:
        there = _vector(context, builder, target, given[0], given[1], width)
        here = _vector(context, builder, source, given[2], given[3], width)
        builder.store(builder.load(here, align=align), there, align=align)
        return context.get_dummy_value()

    return types.void(target, at, source, begin, width), emit


def _added(_: Any, target: Any, at: Any, source: Any, begin: Any, width: Any) -> Any:
    """target[at + c] += source[begin + c], likewise: a loop would be no vector, since its arrays might overlap. These must not."""
    align = target.dtype.bitwidth // 8

    def emit(context: Any, builder: Any, _: Any, given: Any) -> Any:
        there = _vector(context, builder, target, given[0], given[1], width)
        here = _vector(context, builder, source, given[2], given[3], width)
        total = builder.fadd(builder.load(there, align=align), builder.load(here, align=align))
        builder.store(total, there, align=align)
        return context.get_dummy_value()

    return types.void(target, at, source, begin, width), emit


def _scaled(_: Any, target: Any, at: Any, by: Any, width: Any) -> Any:
    """target[at + c] *= by, a number of the same type, likewise."""
    align = target.dtype.bitwidth // 8

    def emit(context: Any, builder: Any, _: Any, given: Any) -> Any:
        place = _vector(context, builder, target, given[0], given[1], width)
        many = ir.Constant(place.type.pointee, ir.Undefined)
        for c in range(width.literal_value):
            many = builder.insert_element(many, given[2], ir.Constant(ir.IntType(32), c))
        builder.store(builder.fmul(builder.load(place, align=align), many), place, align=align)
        return context.get_dummy_value()

    return types.void(target, at, by, width), emit


_copy: Any = intrinsic(prefer_literal=True)(_copied)
_add: Any = intrinsic(prefer_literal=True)(_added)
_scale: Any = intrinsic(prefer_literal=True)(_scaled)


def expected(
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
    overwritten; or [0, W] where they are not wanted, which spares memory a look at each. seen [W], of float64, gathers the
    posteriors of the tasks that have answers. evidence [T], or none: log sum exp(score). Returns by how much the posteriors
    of classes moved, summed over all tasks of the table.
    """
    width = len(prior)
    large = rows.itemsize == SINGLE and width <= WIDEST
    compiled = _pass(width, classes) if large else _pass(0, 0)
    totals = np.empty_like(evidence)  # of exp(score - its peak): their logarithms are quicker taken together
    moved = compiled(pair, start, rows, prior, classes, known, table, seen, evidence, totals)
    evidence += np.log(totals)
    return float(moved)


@cache
def _pass(fixed_width: int, fixed_classes: int) -> Callable[..., float]:  # noqa: C901
    """The pass for one shape of table, which the compiler then knows, or for any (0). Large crowds are worth its second."""

    @njit(cache=True, error_model="numpy")
    def compiled(  # noqa: C901, PLR0912 - one loop over blocks: to leave it and come back would cost a look at memory
        pair: Ints,
        start: Ints,
        rows: Table,
        prior: Table,
        of_classes: int,
        known: Ints,
        table: Table,
        seen: Table,
        peaks: Table,
        totals: Table,
    ) -> float:
        tasks, width = len(start) - 1, fixed_width or len(prior)
        classes = fixed_classes or of_classes
        kinds = width // classes
        score, power = np.empty(BLOCK * width, rows.dtype), np.empty(BLOCK * width, np.int32)
        moved, last = 0.0, len(pair) - 1
        for begin in range(0, tasks, BLOCK):
            end = min(begin + BLOCK, tasks)
            for t in range(begin, end):
                at = (t - begin) * width
                if fixed_width:
                    _copy(score, at, prior, 0, fixed_width)
                else:
                    for c in range(width):
                        score[at + c] = prior[c]
                for n in range(start[t], start[t + 1]):
                    if fixed_width:
                        for line in range(0, 2 * fixed_width, LINE):
                            send_for(rows, 2 * fixed_width * pair[min(n + AHEAD, last)] + line)
                        _add(score, at, rows, 2 * fixed_width * pair[n], fixed_width)
                    else:
                        for c in range(width):
                            score[at + c] += rows[pair[n], c]
                if len(known) and known[t] >= 0:
                    for c in range(width):
                        if c // kinds != known[t]:
                            score[at + c] = -np.inf
                peak = score[at]
                for c in range(1, width):
                    peak = max(peak, score[at + c])
                for c in range(width):
                    score[at + c] -= peak
                if len(peaks):
                    peaks[t] = peak
            _exponentials(score, power, (end - begin) * width)
            for t in range(begin, end):
                at = (t - begin) * width
                total = score[at]
                for c in range(1, width):
                    total += score[at + c]
                if len(totals):
                    totals[t] = total
                part = ONE / total
                if fixed_width:
                    _scale(score, at, part, fixed_width)
                else:
                    for c in range(width):
                        score[at + c] *= part
                for c in range(classes if len(table) else 0):
                    change = 0 * part
                    for k in range(c * kinds, (c + 1) * kinds):
                        change += score[at + k] - table[t, k]
                        table[t, k] = score[at + k]
                    moved += abs(change)
                for n in range(start[t], start[t + 1]):
                    if fixed_width:
                        _add(rows, 2 * fixed_width * pair[n] + fixed_width, score, at, fixed_width)
                    else:
                        for c in range(width):
                            rows[pair[n], width + c] += score[at + c]
                if start[t] < start[t + 1]:
                    for c in range(width):
                        seen[c] += score[at + c]
        return moved

    return compiled


@njit(cache=True, error_model="numpy")
def _exponentials(x: Table, power: Ints, size: int) -> None:
    """exp(x) of the first numbers, in place, for x <= 0.

    In single precision x = n log 2 + r, with the polynomial of Cephes (Moshier 1992) for exp(r), in a form that compilers
    vectorise. What is below exp(-80) is then 0: on numbers smaller than that the processor turns slow.
    """
    if x.itemsize != SINGLE:
        for i in range(size):
            x[i] = math.exp(x[i])
        return
    for i in range(size):
        y = max(x[i], LEAST)
        n = np.int32(y * LOG2E - HALF)
        r = y - np.float32(n) * LOG2_HIGH - np.float32(n) * LOG2_LOW
        power[i] = (n + np.int32(127)) << np.int32(23) if x[i] >= LEAST else np.int32(0)
        x[i] = (((((P5 * r + P4) * r + P3) * r + P2) * r + P1) * r + HALF) * r * r + r + ONE
    two = power.view(np.float32)
    for i in range(size):
        x[i] *= two[i]


def psi(x: Table) -> Table:
    """digamma of numbers above 0, flat [n]: psi(x) = psi(x + 1) - 1 / x until x is large, then the asymptotic series

    psi(y + 1/2) = log y + 1 / (24 y^2) - 7 / (960 y^4) + 31 / (8064 y^6) - 127 / (30720 y^8) + 511 / (67584 y^10) - ...
    """
    y, rest = np.empty_like(x), np.empty_like(x)
    (_split_single if x.itemsize == SINGLE else _split)(x, y, rest)
    return np.log(y) + rest


@njit(cache=True, error_model="numpy")
def _split(x: Table, y: Table, rest: Table) -> None:
    """psi(x) = log y + rest."""
    for i in range(len(x)):
        large, below, product = x[i], 0.0, 1.0  # below / product is the sum of 1 / x
        while large < LARGE:
            below, product, large = below * large + product, product * large, large + 1
        y[i] = large - 0.5
        square = 1 / (y[i] * y[i])
        series = 1 / 24 - square * (7 / 960 - square * (31 / 8064 - square * (127 / 30720 - square * (511 / 67584))))
        rest[i] = square * series - below / product


@njit(cache=True, error_model="numpy")
def _split_single(x: Table, y: Table, rest: Table) -> None:
    """The same with three steps for all, which is right to the last digits of single precision and vectorises."""
    for i in range(len(x)):
        v = x[i]
        y[i] = v + S25
        square = ONE / (y[i] * y[i])
        below = ((S3 * v + S6) * v + S2) / (v * (v + ONE) * (v + S2))  # 1 / v + 1 / (v + 1) + 1 / (v + 2)
        rest[i] = square * (S1_24 - square * (S7_960 - square * S31_8064)) - below
