"""Truth inference over arrays of answers: the vote, and Dawid-Skene with priors.

Answer n says that `worker[n]` gave `task[n]` the label `label[n]`. In: three int arrays [N] and the sizes T, K, C. Out:
posteriors [T, C] and, for Dawid-Skene, the fitted confusion. Every sum over answers is a bag sum (`embedding_bag`) over
answers sorted once, in float64: no loop over answers, the same code on CPU and CUDA, and the same bits on one machine
whatever the order of the answers. A worker's confusion is kept only for the labels that the worker gave: memory is
O(R C + K C + T C) for R (worker, label) pairs that occur, never K C C.
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

Int32 = NDArray[np.int32]
Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted Dawid-Skene model."""

    posterior: Float  # [T, C] P(truth of t is c | answers)
    prior: Float  # [C] class prior
    pair_worker: Int32  # [R] the (worker, label) pairs that occur, ascending
    pair_label: Int32  # [R]
    pair_count: Float  # [R, C] expected number of times that the worker gave the label to a task of truth c
    worker_count: Float  # [K, C] the same over all labels
    pseudo: Float  # [C, C] pseudo-answers added to each worker: row truth, column label
    trace: tuple[float, ...]  # log posterior after each iteration, up to a constant; never falls
    converged: bool

    @property
    def iterations(self) -> int:
        return len(self.trace)


def vote(task: ArrayLike, label: ArrayLike, tasks: int, classes: int) -> Float:
    """Smoothed vote shares [T, C]: (n_c + 1/C) / (n + 1): one pseudo-answer a task, spread over the classes.

    The verdict is the argmax, ties to the lowest class; the confidence is the share. A task without answers gets 1/C.
    """
    task, label = indices("task", task, tasks), indices("label", label, classes)
    same_length(task, label)
    check_size(tasks, classes)
    counts = np.bincount(task.astype(np.int64) * classes + label, minlength=tasks * classes).reshape(tasks, classes)
    shares: Float = (counts + 1 / classes) / (counts.sum(1, keepdims=True) + 1)
    return shares


def dawid_skene(
    task: ArrayLike,
    worker: ArrayLike,
    label: ArrayLike,
    tasks: int,
    workers: int,
    classes: int,
    *,
    gold: ArrayLike | None = None,
    strength: float | None = None,
    max_iterations: int = 100,
    tolerance: float = 1e-7,
    device: str = "cpu",
) -> Fit:
    """Dawid & Skene (1979) by EM, with Dirichlet priors (maximum a posteriori).

        E:  P(z_t = c) ~ p_c prod_n theta[i_n, c, l_n]                     over the answers n of task t
        M:  theta[i, c, l] ~ sum_n P(z_t = c) [i_n = i, l_n = l] + a[c, l],    p_c ~ sum_t P(z_t = c) + 1

    `a` has `strength` pseudo-answers in each row, shaped like the whole crowd: the confusion pooled over all workers
    under the vote, plus one answer spread evenly over a row and one on the diagonal. So a worker seen once is taken for
    an average one, and a class that nobody named keeps a diagonal. The default strength is C, Laplace's one
    pseudo-answer a cell. EM starts from the smoothed vote and stops when the log posterior gains less than `tolerance`
    an answer.

    `gold` [T]: known class, or negative for unknown; known tasks are held fixed. Tasks without answers get the prior.

    Appl. Statist. 28(1), 20-28. https://doi.org/10.2307/2346806
    """
    task, worker = indices("task", task, tasks), indices("worker", worker, workers)
    label = indices("label", label, classes)
    same_length(task, worker, label)
    check_size(tasks, classes)
    check_size(workers, classes)
    if strength is not None and not strength > 0:
        raise BadInput(f"strength {strength}: must be above 0 pseudo-answers")
    known = _known(gold, tasks, classes)
    layout = _layout(task, worker, label, tasks, workers, classes, torch.device(device))
    start = torch.from_numpy(vote(task, label, tasks, classes)).to(layout.device)  # [T, C]
    with torch.inference_mode(), one_thread():
        return _em(layout, _hold(start, known), known, float(strength or classes), max_iterations, tolerance)


def log_confusion(fit: Fit, worker: ArrayLike, label: ArrayLike) -> Float:
    """log P(worker answers label | truth c), [n, C], for any n pairs, seen or not."""
    _, classes = fit.worker_count.shape
    worker, label = indices("worker", worker, len(fit.worker_count)), indices("label", label, classes)
    same_length(worker, label)
    wanted = worker.astype(np.int64) * classes + label
    pairs = fit.pair_worker.astype(np.int64) * classes + fit.pair_label
    place = np.searchsorted(pairs, wanted)
    seen = np.append(pairs, -1)[place] == wanted  # [n]
    counts = np.where(seen[:, None], np.vstack((fit.pair_count, np.zeros((1, classes))))[place], 0.0)  # [n, C]
    spread = fit.pseudo.sum(1)  # [C]
    return np.asarray(np.log(counts + fit.pseudo.T[label]) - np.log(fit.worker_count[worker] + spread), np.float64)


def confusion(fit: Fit) -> Float:
    """All confusion matrices, dense [K, C, C]: worker, truth, label; rows sum to 1. For a huge crowd ask `log_confusion`."""
    workers, classes = fit.worker_count.shape
    check_size(workers, classes * classes)
    pairs = np.arange(workers * classes)
    logs = log_confusion(fit, pairs // classes, pairs % classes)  # [K C, C]: worker and label, truth
    return np.ascontiguousarray(np.exp(logs).reshape(workers, classes, classes).transpose(0, 2, 1))


# ---------------------------------------------------------------- expectation-maximisation


@dataclass(frozen=True, slots=True)
class _Layout:
    """Answers sorted both ways, once, with where each group begins."""

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
    answered: torch.Tensor  # float64 [T, 1]: 1 where the task has an answer
    device: torch.device


def _layout(
    task: Int32, worker: Int32, label: Int32, tasks: int, workers: int, classes: int, device: torch.device
) -> _Layout:
    key = worker.astype(np.int64) * classes + label
    pairs, pair = np.unique(key, return_inverse=True)  # [R], [N]
    worker_of, label_of = pairs // classes, pairs % classes
    by_task, by_pair = np.lexsort((pair, task)), np.lexsort((task, pair))
    by_label = np.argsort(label_of, kind="stable")

    def small(values: NDArray[Any]) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values, np.int32)).to(device)

    def starts(values: NDArray[Any], groups: int) -> torch.Tensor:
        return small(np.searchsorted(values, np.arange(groups)))

    return _Layout(
        task=small(task[by_pair]),
        task_start=starts(pair[by_pair], len(pairs)),
        pair=small(pair[by_task]),
        pair_start=starts(task[by_task], tasks),
        worker_pair=small(np.arange(len(pairs))),
        worker_start=starts(worker_of, workers),
        label_pair=small(by_label),
        label_start=starts(label_of[by_label], classes),
        worker_of=torch.from_numpy(worker_of).to(device),
        label_of=torch.from_numpy(label_of).to(device),
        answered=torch.from_numpy(np.bincount(task, minlength=tasks)[:, None].clip(max=1).astype(np.float64)).to(
            device
        ),
        device=device,
    )


def _em(
    layout: _Layout,
    posterior: torch.Tensor,
    known: Int32 | None,
    strength: float,
    max_iterations: int,
    tolerance: float,
) -> Fit:
    pseudo = _pooled(layout, posterior, strength)  # [C, C]
    trace: list[float] = []
    converged = False
    enough = tolerance * max(1, len(layout.task))
    while True:
        counts = _bags(layout.task, layout.task_start, posterior)  # [R, C]
        totals = _bags(layout.worker_pair, layout.worker_start, counts)  # [K, C]
        prior = (posterior * layout.answered).sum(0) + 1  # [C]
        prior = prior / prior.sum()
        logs = torch.log(counts + pseudo.T[layout.label_of])  # [R, C]
        logs = logs - torch.log(totals + pseudo.sum(1))[layout.worker_of]
        score = prior.log() + _bags(layout.pair, layout.pair_start, logs)  # [T, C]
        posterior = _hold(torch.softmax(score, 1), known)
        trace.append(_log_likelihood(score, known) + _log_prior(layout, prior, pseudo, logs, totals))
        if len(trace) > 1 and trace[-1] - trace[-2] < enough:
            converged = True
        if converged or len(trace) >= max_iterations:
            break
    return Fit(
        posterior=posterior.cpu().numpy(),
        prior=prior.cpu().numpy(),
        pair_worker=layout.worker_of.cpu().numpy().astype(np.int32),
        pair_label=layout.label_of.cpu().numpy().astype(np.int32),
        pair_count=counts.cpu().numpy(),
        worker_count=totals.cpu().numpy(),
        pseudo=pseudo.cpu().numpy(),
        trace=tuple(trace),
        converged=converged,
    )


@contextmanager
def one_thread() -> Iterator[None]:
    """Bag sums wait for memory, a second thread gains nothing; on a busy machine its spinning costs seconds."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _bags(index: torch.Tensor, start: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    """Sum of table[index] over each group: groups lie one after the other and begin at `start`. [groups, C]"""
    if not len(table) or not len(index):
        return table.new_zeros((len(start), table.shape[1]))
    return embedding_bag(index, table, start, mode="sum")


def _pooled(layout: _Layout, posterior: torch.Tensor, strength: float) -> torch.Tensor:
    """Pseudo-answers [C, C] (truth, label), `strength` a row, shaped like the crowd's confusion under `posterior`."""
    counts = _bags(layout.task, layout.task_start, posterior)  # [R, C]
    crowd = _bags(layout.label_pair, layout.label_start, counts).T  # [C, C] truth, label
    classes = len(crowd)
    crowd = crowd + 1 / classes + torch.eye(classes, dtype=crowd.dtype, device=crowd.device)
    return strength * crowd / crowd.sum(1, keepdim=True)


def _hold(posterior: torch.Tensor, known: Int32 | None) -> torch.Tensor:
    """Known tasks get their class for certain."""
    if known is None:
        return posterior
    rows = np.flatnonzero(known >= 0)
    held = posterior.clone()
    held[rows] = 0.0
    held[rows, known[rows]] = 1.0
    return held


def _log_likelihood(score: torch.Tensor, known: Int32 | None) -> float:
    evidence = torch.logsumexp(score, 1)  # [T]
    if known is not None:
        rows = np.flatnonzero(known >= 0)
        evidence[rows] = score[rows, known[rows]]
    return float(evidence.sum())


def _log_prior(
    layout: _Layout, prior: torch.Tensor, pseudo: torch.Tensor, logs: torch.Tensor, totals: torch.Tensor
) -> float:
    """sum log p + sum a log theta over all workers, truths and labels, up to a constant.

    A label that the worker never gave has theta = a / (total + sum a), so only the pairs that occur need a correction.
    """
    spread = pseudo.sum(1)  # [C]
    denominator = torch.log(totals + spread)  # [K, C]
    unseen = float(len(totals) * (pseudo * pseudo.log()).sum() - (spread * denominator).sum())
    mine = pseudo.T[layout.label_of]  # [R, C]
    seen = float((mine * (logs + denominator[layout.worker_of] - mine.log())).sum())
    return float(prior.log().sum()) + unseen + seen


# ---------------------------------------------------------------- checks


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


def _known(gold: ArrayLike | None, tasks: int, classes: int) -> Int32 | None:
    if gold is None:
        return None
    known = np.asarray(gold, np.int32)
    if known.shape != (tasks,):
        raise BadInput(f"gold: one entry a task needed ({tasks}), got shape {known.shape}")
    if (known >= classes).any():
        raise BadInput(f"gold: class {int(known.max())} is none of 0..{classes - 1}")
    return known if (known >= 0).any() else None
