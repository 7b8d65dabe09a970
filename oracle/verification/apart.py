"""A pass of Dawid-Skene in parts: posteriors by tasks, then counts by pairs of worker and label; as many parts as workers.

Each task's posterior, and each pair's count, is computed whole within one part, over its answers in the order of the undivided pass
(oracle.verification.layout.expect): so no cut can be told from the result, and the bits are those of one machine. What travels in a
pass: the rows [R, C] to the parts, the posteriors [T, C] back and out again, the counts [R, C] back; the answers themselves once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from oracle.compute import CPU, Compute
from oracle.verification import passes
from oracle.verification.layout import Int32, Layout, Pass, Table, expect, seen

Ends = tuple[int, int]


def expecting(layout: Layout, known: Int32 | None, compute: Compute) -> Callable[..., Pass]:
    """`expect` on this layout (rows [R, C], prior [C], the table before, evidence=): here, or in parts where there are workers.

    In parts a pass does not say by how much it moved.
    """
    if compute.workers == 1 or layout.device != CPU:
        return partial(expect, layout, known=known)
    by_task = [compute.keep(_tasks(layout, known, *ends)) for ends in _cuts(layout.task_start, compute.workers)]
    number = np.arange(len(layout.pair), dtype=np.int32)
    order, start = passes.sorted_by(layout.pair, number, len(layout.worker_of))
    task = np.repeat(np.arange(layout.tasks, dtype=np.int32), np.diff(layout.task_start))[order]
    by_pair = [compute.keep(_group(task, start, *ends)) for ends in _cuts(start, compute.workers)]

    def parted(rows: Table, prior: Table, _: Table, *, evidence: bool = False) -> Pass:
        given = compute.keep(rows), prior, layout.classes, evidence
        found = compute.map(_posteriors, [(part,) for part in by_task], *given)
        table = np.concatenate([posterior for posterior, _ in found])
        counts = np.concatenate(compute.map(_counts, [(part,) for part in by_pair], compute.keep(table)))
        logs = np.concatenate([log for _, log in found])
        return Pass(table, counts, seen(layout, table), np.nan, float(logs.sum()))

    return parted


def _cuts(start: Int32, parts: int) -> list[Ends]:
    """Groups cut so that their answers are even: where each part begins and ends."""
    wanted = np.arange(1, parts) * (int(start[-1]) / parts)
    at = [0, *np.searchsorted(start[:-1], wanted).tolist(), len(start) - 1]
    return list(pairwise(at))


def _group(index: Int32, start: Int32, low: int, high: int) -> tuple[Int32, Int32]:
    """The groups low..high-1: their entries, and where each begins."""
    begin, end = int(start[low]), int(start[high])
    return index[begin:end], start[low : high + 1] - np.int32(begin)


def _tasks(layout: Layout, known: Int32 | None, low: int, high: int) -> tuple[Int32, Int32, Int32]:
    told = np.empty(0, np.int32) if known is None else known[low:high]
    return *_group(layout.pair, layout.task_start, low, high), told


def _posteriors(rows: Table, prior: Table, classes: int, evidence: bool, part: Any) -> tuple[Table, Table]:
    """The posteriors of a part's tasks [t, C], and log sum exp(score) of each [t], or none."""
    pair, start, known = part
    table, logs = np.zeros((len(start) - 1, classes), rows.dtype), np.empty(len(start) - 1 if evidence else 0)
    passes.expected(pair, start, passes.beside(rows), prior, classes, known, table, np.zeros(classes), logs)
    return table, logs


def _counts(table: Table, part: Any) -> Table:
    """Sums of posteriors over the answers of a part's pairs: [r, C]."""
    task, start = part
    return passes.gathered(task, start, table, np.zeros((len(start) - 1, table.shape[1]), table.dtype))
