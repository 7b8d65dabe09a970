"""Answers sorted by task and by (worker, label), once; then every sum over a task's or a pair's answers is one sparse product.

A sum over bags is A @ table, A a CSR matrix of ones whose rows are the bags: in float64 on one core about 6 ns an answer, where
`embedding_bag`, which has no fast kernel for float64, takes 70 to 140. The order inside a bag depends only on what the answers say,
not on the order in which they came: so do the bits of every sum.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

Int32 = NDArray[np.int32]

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # torch says once in a process that its CSR tensors are young
    torch.sparse_csr_tensor(
        torch.zeros(2, dtype=torch.int32), torch.zeros(0, dtype=torch.int32), torch.zeros(0), (1, 1)
    )


@dataclass(frozen=True, slots=True)
class Bags:
    """G bags over the rows of a table: bag g holds the rows `index[start[g]:start[g + 1]]`."""

    start: torch.Tensor  # int32 [G + 1]
    index: torch.Tensor  # int32 [N]
    rows: int  # of the table

    def sums(self, table: torch.Tensor) -> torch.Tensor:
        """[G, C]: the sum of each bag's rows of `table` [rows, C]; 0 for an empty bag."""
        if not len(self.index):
            return table.new_zeros((len(self.start) - 1, table.shape[1]))
        ones = torch.ones((), dtype=table.dtype, device=table.device).expand(len(self.index))
        size = (len(self.start) - 1, self.rows)
        return torch.sparse_csr_tensor(self.start, self.index, ones, size=size, check_invariants=False) @ table


@dataclass(frozen=True, slots=True)
class Layout:
    """N answers by T tasks and by the R (worker, label) pairs that occur."""

    pair_worker: torch.Tensor  # int32 [R] ascending, labels within
    pair_label: torch.Tensor  # int32 [R]
    by_task: Bags  # T bags of pairs
    by_pair: Bags  # R bags of tasks


def layout(
    task: Int32, worker: Int32, label: Int32, tasks: int, classes: int, device: str | torch.device = "cpu"
) -> Layout:
    """Sorts answers [N] three times, stably: by pair, so by task (and pair within), so by pair (and task within).

    The indices must lie in their ranges and worker x classes in int32; the caller has checked.
    """
    said = torch.from_numpy(worker * np.int32(classes) + label).to(device)  # [N] the pair as one number
    said, order = torch.sort(said, stable=True)
    fresh = torch.ones_like(said, dtype=torch.bool)  # [N] the first answer of a pair
    torch.ne(said[1:], said[:-1], out=fresh[1:])
    pairs = said[fresh]  # [R]
    pair = torch.cumsum(fresh, 0, dtype=torch.int32) - 1  # [N]
    by_task, order = torch.sort(torch.from_numpy(task).to(device)[order], stable=True)  # [N]
    pair = pair[order]
    by_pair, order = torch.sort(pair, stable=True)  # [N]
    return Layout(
        pair_worker=torch.div(pairs, classes, rounding_mode="floor"),
        pair_label=pairs % classes,
        by_task=Bags(_starts(by_task, tasks), pair, len(pairs)),
        by_pair=Bags(_starts(by_pair, len(pairs)), by_task[order], tasks),
    )


def _starts(groups: torch.Tensor, size: int) -> torch.Tensor:
    """Where each group begins among the sorted `groups` [N], and where the last one ends: int32 [size + 1]."""
    return torch.searchsorted(groups, torch.arange(size + 1, dtype=groups.dtype, device=groups.device), out_int32=True)
