"""Answers as sorted arrays, once, so that a pass of EM reads each of them once.

Answer n says that `worker[n]` gave `task[n]` the label `label[n]`: three int arrays [N] and the sizes T, K, C in, `Layout` out.
What a model knows of a worker is kept only for the R pairs (worker, label) that occur: memory is O(R C + K C + T C), never K C C.
Tables are numpy arrays on the CPU, where the sums are compiled (oracle.verification.passes), and torch tensors on any other device,
where they are bag sums; what is written over tables here and in the models serves both. The same arguments give the same bits on
one machine and device, whatever the order of the answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oracle.compute import CPU
from oracle.protocol.errors import BadInput
from oracle.verification import passes

MAX_DENSE = 1 << 28  # entries of one dense array: 2 GiB of float64
SINGLE_FROM = 1 << 16  # answers: from here on tables are float32, which is half of the memory that a pass waits for
BAG = 64  # rows that a device sums one after the other; longer sums are sums of such

Int32 = NDArray[np.int32]
Float = NDArray[np.float64]
Table = Any  # a numpy array or a torch tensor


@dataclass(frozen=True, slots=True)
class Layout:
    """Answers by task, pairs by worker, with where groups begin and the last ends. T tasks, K workers, C classes, R pairs.

    On a device each `_start` is a tuple of such, as `levels` makes them.
    """

    tasks: int
    workers: int
    classes: int
    pair: Table  # int32 [N] of each answer, by task
    task_start: Table  # int32 [T + 1]
    task: Table  # int32 [N] of each answer, by pair; none on the CPU
    pair_start: Table  # int32 [R + 1]; none on the CPU
    pairs: Table  # int32 [R] all pairs, by worker
    worker_start: Table  # int32 [K + 1]
    label_pair: Table  # int32 [R] all pairs, by label
    label_start: Table  # int32 [C + 1]
    worker_of: Table  # int32 [R], ascending
    label_of: Table  # int32 [R]
    votes: Table  # [T, C] answers by task and label
    answered: Table  # [T] 1 where the task has an answer, else 0
    dtype: np.dtype[Any]  # of every table
    device: str

    def by_pair(self, table: Table) -> Table:
        """Sums of rows [T, W] over the answers of each pair: [R, W]."""
        if self.device != CPU:
            return _sums(self.task, self.pair_start, table)
        found = np.zeros((len(self.worker_of), table.shape[1]), table.dtype)
        return passes.scattered(self.pair, self.task_start, np.ascontiguousarray(table), found)

    def by_task(self, table: Table) -> Table:
        """Sums of rows [R, W] over the answers of each task: [T, W]."""
        return _sums(self.pair, self.task_start, table)

    def by_worker(self, table: Table) -> Table:
        """Sums of rows [R, W] over the pairs of each worker: [K, W]."""
        return _sums(self.pairs, self.worker_start, table)

    def by_label(self, table: Table) -> Table:
        """Sums of rows [R, W] over the pairs of each label: [C, W]."""
        return _sums(self.label_pair, self.label_start, table)

    def of_worker(self, table: Table) -> Table:
        """Of rows [K, W] each pair's worker's: [R, W]."""
        return _taken(table, self.worker_of)

    def of_label(self, table: Table) -> Table:
        """Of rows [C, W] each pair's label's: [R, W]."""
        return _taken(table, self.label_of)

    def own(self, table: Table) -> Table:
        """The entry at each pair's own label, of rows [R, C]: [R, 1]."""
        return table[self.pairs, self.label_of][:, None]

    def is_own(self) -> Table:
        """Whether each column is the pair's own label, [R, C]."""
        return self.label_of[:, None] == self.put(np.arange(self.classes), np.int32)

    def put(self, values: ArrayLike, dtype: Any = None) -> Table:
        """An array on the device, of the tables' type or another."""
        found = np.ascontiguousarray(values, self.dtype if dtype is None else dtype)
        return found if self.device == CPU else of(found, self.device)


@dataclass(frozen=True, slots=True)
class Pass:
    """What one pass of EM says of W = classes x kinds columns."""

    table: Table  # [T, W] posteriors
    counts: Table  # [R, W] their sums over the answers of each pair
    seen: Table  # [W] and over the tasks that have answers
    moved: float  # mean change of a task's posterior of classes, summed over classes
    evidence: float  # sum over tasks of log sum exp(score); 0 unless asked for


def first(layout: Layout, table: Table) -> Pass:
    """The sums of posteriors that are given."""
    return Pass(table, layout.by_pair(table), seen(layout, table), np.inf, 0.0)


def seen(layout: Layout, table: Table) -> Table:
    """Sums [W] of rows [T, W] over the tasks that have answers; on the CPU in their order, as `passes.expected` adds them.

    A product of matrices would depend on how many threads it may use.
    """
    if layout.device != CPU:
        return layout.answered @ table
    return passes.summed(layout.task_start, np.ascontiguousarray(table)).astype(layout.dtype)


def expect(
    layout: Layout, rows: Table, prior: Table, before: Table, known: Int32 | None = None, *, evidence: bool = False
) -> Pass:
    """softmax of prior [W] + sums of rows [R, W] over a task's answers; the kinds of other classes than the known are ruled out.

    On the CPU `before` [T, W], the posteriors of the last pass, is overwritten. It may be [0, W]: then the pass does not say by
    how much it moved, and on the CPU keeps no posteriors.
    """
    if layout.device != CPU:
        return _expect(layout, rows, prior, before, known, evidence)
    both, sums = passes.beside(rows), np.zeros(rows.shape[1])
    told = np.empty(0, np.int32) if known is None else known
    logs = np.empty(layout.tasks if evidence else 0)
    start = layout.task_start
    moved = passes.expected(layout.pair, start, both, prior, layout.classes, told, before, sums, logs)
    return Pass(
        before, passes.gathered_of(both), sums.astype(layout.dtype), moved / max(1, layout.tasks), float(logs.sum())
    )


def _expect(layout: Layout, rows: Table, prior: Table, before: Table, known: Int32 | None, evidence: bool) -> Pass:
    scores = prior + layout.by_task(rows)
    if known is not None:
        told = layout.put(known, np.int64)[:, None]
        classes = layout.put(np.arange(layout.classes).repeat(scores.shape[1] // layout.classes), np.int64)
        scores = scores.masked_fill((told >= 0) & (classes != told), -np.inf)
    table = scores.softmax(1)
    change = of_classes(table[: len(before)] - before, layout.classes)
    logs = float(scores.logsumexp(1).double().sum()) if evidence else 0.0
    return Pass(table, layout.by_pair(table), seen(layout, table), float(change.abs().sum(1).mean()), logs)


def of_classes(table: Table, classes: int) -> Table:
    """Sums over the kinds of each class, [T, C], of [T, C kinds]."""
    kinds = table.shape[1] // classes
    return table if kinds == 1 else table.reshape(len(table), classes, kinds).sum(2)


def lay_out(
    task: ArrayLike,
    worker: ArrayLike,
    label: ArrayLike,
    tasks: int,
    workers: int,
    classes: int,
    *,
    device: str = CPU,
) -> Layout:
    """Sort the answers. Raises BadInput for indices out of range, arrays that differ in length, or sizes that do not fit.

    `device` is "cpu" or one of torch's names: "cuda", "cuda:1", or "cpu:0", torch on the CPU.
    """
    task, worker, label = checked(task, worker, label, tasks, workers, classes)
    pairs, pair = _numbered(worker.astype(np.int64) * classes + label, workers * classes)  # [R], [N]
    worker_of, label_of = pairs // classes, (pairs % classes).astype(np.int32)
    number = np.arange(len(task), dtype=np.int32)
    order, pair_start = passes.sorted_by(pair, passes.sorted_by(task, number, tasks)[0], len(pairs))
    by_task, task_start = passes.sorted_by(task, order, tasks)
    every = np.arange(len(pairs), dtype=np.int32)
    label_pair, label_start = passes.sorted_by(label_of, every, classes)
    votes = np.bincount(task.astype(np.int64) * classes + label, minlength=tasks * classes).reshape(tasks, classes)
    dtype = np.dtype(np.float64 if len(task) < SINGLE_FROM else np.float32)
    off = device != CPU

    def put(values: NDArray[Any], dtype: Any = np.int32) -> Table:
        found = np.ascontiguousarray(values, dtype)
        return of(found, device) if off else found

    def starts(values: Int32) -> Table:
        return tuple(put(level) for level in levels(values)) if off else put(values)

    return Layout(
        tasks=tasks,
        workers=workers,
        classes=classes,
        pair=put(pair[by_task]),
        task_start=starts(task_start),
        task=put(task[order] if off else order[:0]),
        pair_start=starts(pair_start) if off else order[:0],
        pairs=put(every),
        worker_start=starts(np.searchsorted(worker_of, np.arange(workers + 1)).astype(np.int32)),
        label_pair=put(label_pair),
        label_start=starts(label_start),
        worker_of=put(worker_of),
        label_of=put(label_of),
        votes=put(votes, dtype),
        answered=put(task_start[1:] > task_start[:-1], dtype),
        dtype=dtype,
        device=device,
    )


def _numbered(keys: NDArray[np.int64], size: int) -> tuple[NDArray[np.int64], Int32]:
    """The keys that occur, ascending, and the place of each key among them; all lie below `size`."""
    if size > 4 * len(keys) + (1 << 20):
        values, place = np.unique(keys, return_inverse=True)
        return values, place.astype(np.int32)
    present = np.zeros(size, bool)
    present[keys] = True
    return np.flatnonzero(present), (np.cumsum(present, dtype=np.int32) - 1)[keys]


def levels(start: Int32) -> list[Int32]:
    """Groups that lie from `start` to the next, as parts of at most BAG rows, parts of these parts' sums, and so on.

    The order of a sum is fixed by its group's length. A device gives each bag to one thread: of few long ones it would be idle.
    """
    found, size = [], np.diff(start)
    while size.max(initial=0) > BAG:
        parts = -(-size // BAG)
        last = np.cumsum(parts, dtype=np.int32)
        within = np.arange(parts.sum(), dtype=np.int32) - np.repeat(last - parts, parts)
        found.append(np.append(np.repeat(start[:-1], parts) + BAG * within, start[-1]).astype(np.int32))
        start, size = np.append(np.int32(0), last), parts
    return [*found, start]


def _sums(index: Table, start: Table, table: Table) -> Table:
    """Sum of table[index] over each group: groups lie one after the other, from `start` to the next. [groups, W]"""
    if isinstance(table, np.ndarray):
        found = np.zeros((len(start) - 1, table.shape[1]), table.dtype)
        return passes.gathered(index, start, np.ascontiguousarray(table), found)
    if not len(table) or not len(index):
        return table.new_zeros((len(start[-1]) - 1, table.shape[1]))
    import torch  # noqa: PLC0415 - loads for seconds

    bag = torch.nn.functional.embedding_bag
    rows, *parts = start
    table = bag(index, table, rows, mode="sum", include_last_offset=True)
    for level in parts:
        every = torch.arange(len(table), dtype=level.dtype, device=level.device)
        table = bag(every, table, level, mode="sum", include_last_offset=True)
    return table


def _taken(table: Table, index: Table) -> Table:
    """table[index]; numpy takes rows ten times as fast as it indexes them."""
    return table.take(index, 0) if isinstance(table, np.ndarray) else table[index]


# ---------------------------------------------------------------- what numpy and torch both know, by one name


def of(values: NDArray[Any], device: str) -> Table:
    """The array as a tensor on a device."""
    import torch  # noqa: PLC0415 - loads for seconds, and only devices need it

    return torch.from_numpy(values).to(device)


def names(table: Table) -> Any:
    """numpy or torch: where exp, log, clip, where, stack and concatenate of this table are found."""
    if isinstance(table, np.ndarray):
        return np
    import torch  # noqa: PLC0415

    return torch


def digamma(table: Table) -> Table:
    """psi of numbers above 0."""
    if isinstance(table, np.ndarray):
        return passes.psi(np.ascontiguousarray(table).reshape(-1)).reshape(table.shape)
    return table.double().digamma().to(table.dtype)


def normalised(scores: Table) -> Table:
    """softmax of the rows of [T, W]."""
    if not isinstance(scores, np.ndarray):
        return scores.softmax(1)
    shares = np.exp(scores - _peak(scores))
    return shares / shares.sum(1, keepdims=True)


def _peak(scores: Table) -> Table:
    """The highest of each row of [T, W]: [T, 1]; by columns, for numpy is slow along a short axis."""
    peak = scores[:, 0].copy()
    for c in range(1, scores.shape[1]):
        np.maximum(peak, scores[:, c], out=peak)
    return peak[:, None]


def floats(table: Table) -> Float:
    """The table as a numpy array of float64."""
    found: Float = np.asarray(table if isinstance(table, np.ndarray) else table.cpu().numpy(), np.float64)
    return found


# ---------------------------------------------------------------- checks


def checked(
    task: ArrayLike, worker: ArrayLike, label: ArrayLike, tasks: int, workers: int, classes: int
) -> tuple[Int32, Int32, Int32]:
    """The three arrays as int32 [N]. Raises BadInput naming the array, the place and the range."""
    found = indices("task", task, tasks), indices("worker", worker, workers), indices("label", label, classes)
    same_length(*found)
    check_size(tasks, classes)
    check_size(workers, classes)
    return found


def indices(name: str, values: ArrayLike, size: int) -> Int32:
    found = np.asarray(values)
    if found.ndim != 1 or (found.size and not np.issubdtype(found.dtype, np.integer)):
        raise BadInput(f"{name}: one dimension of integers needed, got {found.dtype} of shape {found.shape}")
    if found.size and not (found.min() >= 0 and found.max() < size):
        wrong = int(np.flatnonzero((found < 0) | (found >= size))[0])
        raise BadInput(f"{name}[{wrong}] = {found[wrong]}: must lie in 0..{size - 1}")
    return found.astype(np.int32)


def same_length(*arrays: Int32) -> None:
    if len({len(array) for array in arrays}) > 1:
        raise BadInput(f"the arrays of answers differ in length: {', '.join(str(len(array)) for array in arrays)}")


def check_size(rows: int, columns: int) -> None:
    if columns < 1:
        raise BadInput("at least one class is needed")
    if rows * columns > MAX_DENSE:
        raise BadInput(f"{rows:,} x {columns:,} numbers do not fit: too many classes; are these labels free text?")


def known_classes(gold: ArrayLike | None, tasks: int, classes: int) -> Int32 | None:
    """Gold [T] as class indices, negative where unknown; None if nothing is known."""
    if gold is None:
        return None
    known = np.asarray(gold, np.int32)
    if known.shape != (tasks,):
        raise BadInput(f"gold: one entry a task needed ({tasks}), got shape {known.shape}")
    if (known >= classes).any():
        raise BadInput(f"gold: class {int(known.max())} is none of 0..{classes - 1}")
    return known if (known >= 0).any() else None
