"""Answers as sorted arrays, once, so that every sum over them is one pass.

Answer n says that `worker[n]` gave `task[n]` the label `label[n]`: three int arrays [N] and the sizes T, K, C in, `Layout` out.
A sum over answers is a bag sum (`embedding_bag`) of rows of a table: no loop over answers, the same code on CPU and CUDA, the
same bits on one machine whatever the order of the answers. What a model knows of a worker is kept only for the R pairs
(worker, label) that occur: memory is O(R C + K C + T C), never K C C.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch.nn.functional import embedding_bag

from oracle.protocol.errors import BadInput

MAX_DENSE = 1 << 28  # entries of one dense array: 2 GiB of float64
SINGLE_FROM = 1 << 16  # answers: from here on tables are float32, whose bag sums are twenty times as fast

Int32 = NDArray[np.int32]
Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Layout:
    """Answers sorted both ways, with where each group begins. T tasks, K workers, C classes, R pairs."""

    tasks: int
    workers: int
    classes: int
    task: torch.Tensor  # int32 [N] tasks, sorted by pair
    task_start: torch.Tensor  # int32 [R] first answer of each pair in `task`
    pair: torch.Tensor  # int32 [N] pairs, sorted by task
    pair_start: torch.Tensor  # int32 [T] first answer of each task in `pair`
    worker_pair: torch.Tensor  # int32 [R] all pairs, by worker
    worker_start: torch.Tensor  # int32 [K]
    label_pair: torch.Tensor  # int32 [R] all pairs, by label
    label_start: torch.Tensor  # int32 [C]
    worker_of: torch.Tensor  # int64 [R]
    label_of: torch.Tensor  # int64 [R]
    votes: torch.Tensor  # [T, C] answers by task and label
    answered: torch.Tensor  # [T] 1 where the task has an answer, else 0
    dtype: torch.dtype  # of every table
    device: torch.device

    def by_pair(self, table: torch.Tensor) -> torch.Tensor:
        """Sums of rows [T, W] over the answers of each pair: [R, W]."""
        return _bags(self.task, self.task_start, table)

    def by_task(self, table: torch.Tensor) -> torch.Tensor:
        """Sums of rows [R, W] over the answers of each task: [T, W]."""
        return _bags(self.pair, self.pair_start, table)

    def by_worker(self, table: torch.Tensor) -> torch.Tensor:
        """Sums of rows [R, W] over the pairs of each worker: [K, W]."""
        return _bags(self.worker_pair, self.worker_start, table)

    def by_label(self, table: torch.Tensor) -> torch.Tensor:
        """Sums of rows [R, W] over the pairs of each label: [C, W]."""
        return _bags(self.label_pair, self.label_start, table)

    def own(self, table: torch.Tensor) -> torch.Tensor:
        """The entry at each pair's own label, of rows [R, C]: [R, 1]."""
        return table.gather(1, self.label_of[:, None])


def lay_out(
    task: ArrayLike,
    worker: ArrayLike,
    label: ArrayLike,
    tasks: int,
    workers: int,
    classes: int,
    *,
    device: str | torch.device = "cpu",
) -> Layout:
    """Sort the answers. Raises BadInput for indices out of range, arrays that differ in length, or sizes that do not fit."""
    task, worker, label = checked(task, worker, label, tasks, workers, classes)
    pairs, pair = _numbered(worker.astype(np.int64) * classes + label, workers * classes)  # [R], [N]
    worker_of, label_of = pairs // classes, pairs % classes
    by_task = np.argsort(task.astype(np.int64) * max(len(pairs), 1) + pair, kind="stable")
    by_pair = np.argsort(pair.astype(np.int64) * max(tasks, 1) + task, kind="stable")
    by_label = np.argsort(label_of, kind="stable")
    dtype = torch.float64 if len(task) < SINGLE_FROM else torch.float32
    place = torch.device(device)

    def small(values: NDArray[Any]) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values, np.int32)).to(place)

    def starts(values: NDArray[Any], groups: int) -> torch.Tensor:
        counts = np.bincount(values, minlength=groups)
        return small(np.cumsum(counts) - counts)

    votes = np.bincount(task.astype(np.int64) * classes + label, minlength=tasks * classes).reshape(tasks, classes)
    answered = votes.sum(1).clip(max=1)
    return Layout(
        tasks=tasks,
        workers=workers,
        classes=classes,
        task=small(task[by_pair]),
        task_start=starts(pair, len(pairs)),
        pair=small(pair[by_task]),
        pair_start=starts(task, tasks),
        worker_pair=small(np.arange(len(pairs))),
        worker_start=starts(worker_of, workers),
        label_pair=small(by_label),
        label_start=starts(label_of, classes),
        worker_of=torch.from_numpy(worker_of).to(place),
        label_of=torch.from_numpy(label_of).to(place),
        votes=torch.from_numpy(votes).to(place, dtype),
        answered=torch.from_numpy(answered).to(place, dtype),
        dtype=dtype,
        device=place,
    )


def _numbered(keys: NDArray[np.int64], size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The keys that occur, ascending, and the place of each key among them; all lie below `size`."""
    if size > 4 * len(keys) + (1 << 20):
        values, place = np.unique(keys, return_inverse=True)
        return values, place
    present = np.zeros(size, bool)
    present[keys] = True
    return np.flatnonzero(present), (np.cumsum(present) - 1)[keys]


def _bags(index: torch.Tensor, start: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    """Sum of table[index] over each group: groups lie one after the other and begin at `start`. [groups, W]"""
    if not len(table) or not len(index):
        return table.new_zeros((len(start), table.shape[1]))
    return embedding_bag(index, table, start, mode="sum")


def normalised(scores: torch.Tensor) -> torch.Tensor:
    """softmax of the rows of [T, W]. By columns, which for narrow rows is several times as fast."""
    return torch.softmax(scores.t().contiguous(), 0).t().contiguous()


def evidence(scores: torch.Tensor) -> torch.Tensor:
    """logsumexp of the rows of [T, W]: [T]"""
    return torch.logsumexp(scores.t().contiguous(), 0)


def floats(table: torch.Tensor) -> Float:
    """The table as a numpy array of float64."""
    found: Float = table.cpu().double().numpy()
    return found


@contextmanager
def one_thread() -> Iterator[None]:
    """Bag sums wait for memory, a second thread gains nothing; on a busy machine its spinning costs seconds."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


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
