"""Truth inference over arrays of answers: the vote, and Dawid-Skene with priors.

In: three int arrays [N] (task, worker, label) and the sizes T, K, C. Out: posteriors [T, C] and, for Dawid-Skene, the fitted
confusion, kept only for the labels that a worker gave. An iteration is one pass over the answers (oracle.verification.layout).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from oracle.compute import CPU, LOCAL, Compute
from oracle.protocol.errors import BadInput
from oracle.verification.apart import expecting
from oracle.verification.layout import (
    Float,
    Int32,
    Layout,
    Pass,
    Table,
    check_size,
    first,
    floats,
    indices,
    known_classes,
    lay_out,
    names,
    same_length,
)

CHECK = 5  # iterations between two looks at the log posterior


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
    trace: tuple[float, ...]  # log posterior after every CHECK-th iteration and the last, up to a constant; never falls
    iterations: int
    converged: bool


def vote(task: ArrayLike, label: ArrayLike, tasks: int, classes: int) -> Float:
    """Smoothed vote shares [T, C]: (n_c + 1/C) / (n + 1): one pseudo-answer a task, spread over the classes.

    The verdict is the argmax, ties to the lowest class; the confidence is the share. A task without answers gets 1/C.
    """
    task, label = indices("task", task, tasks), indices("label", label, classes)
    same_length(task, label)
    check_size(tasks, classes)
    counts = np.bincount(task.astype(np.int64) * classes + label, minlength=tasks * classes).reshape(tasks, classes)
    found: Float = shares(counts.astype(np.float64))
    return found


def shares(votes: Table) -> Table:
    """Smoothed vote shares of counts [T, C]."""
    return (votes + 1 / votes.shape[1]) / (votes.sum(1)[:, None] + 1)


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
    device: str = CPU,
    compute: Compute = LOCAL,
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
    `compute`: where passes are made, in parts; the bits are the same.

    Appl. Statist. 28(1), 20-28. https://doi.org/10.2307/2346806
    """
    if strength is not None and not strength > 0:
        raise BadInput(f"strength {strength}: must be above 0 pseudo-answers")
    layout = lay_out(task, worker, label, tasks, workers, classes, device=device)
    known = known_classes(gold, tasks, classes)
    start = hold(shares(layout.votes), known)
    return _em(layout, start, expecting(layout, known, compute), float(strength or classes), max_iterations, tolerance)


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


def _em(
    layout: Layout,
    start: Table,
    expected: Callable[..., Pass],
    strength: float,
    max_iterations: int,
    tolerance: float,
) -> Fit:
    now, table = first(layout, start), start
    pseudo = _pooled(layout, now.counts, strength)  # [C, C]
    mine, spread, log = layout.of_label(pseudo.T), pseudo.sum(1), names(pseudo).log  # [R, C], [C]
    trace: list[float] = []
    converged = False
    enough = CHECK * tolerance * max(1, len(layout.pair))
    iterations = 0
    while True:
        before = now
        totals = layout.by_worker(before.counts)  # [K, C]
        prior = (before.seen + 1) / (before.seen + 1).sum()  # [C]
        logs = log(before.counts + mine) - layout.of_worker(log(totals + spread))  # [R, C]
        iterations += 1
        looks = iterations % CHECK == 0 or iterations >= max_iterations
        now = expected(logs, log(prior), table if looks else table[:0], evidence=looks)  # the last pass looks
        if looks:
            trace.append(now.evidence + _log_prior(layout, prior, pseudo, logs, totals))
            converged = len(trace) > 1 and trace[-1] - trace[-2] < enough
            if converged or iterations >= max_iterations:
                break
    return Fit(
        posterior=floats(now.table),
        prior=floats(prior),
        pair_worker=floats(layout.worker_of).astype(np.int32),
        pair_label=floats(layout.label_of).astype(np.int32),
        pair_count=floats(before.counts),
        worker_count=floats(totals),
        pseudo=floats(pseudo),
        trace=tuple(trace),
        iterations=iterations,
        converged=converged,
    )


def _pooled(layout: Layout, counts: Table, strength: float) -> Table:
    """Pseudo-answers [C, C] (truth, label), `strength` a row, shaped like the crowd's confusion under `counts` [R, C]."""
    crowd = layout.by_label(counts).T  # [C, C] truth, label
    crowd = crowd + layout.put(1 / layout.classes + np.eye(layout.classes))
    return strength * crowd / crowd.sum(1)[:, None]


def hold(posterior: Table, known: Int32 | None) -> Table:
    """Known tasks get their class for certain."""
    if known is None:
        return posterior
    rows = np.flatnonzero(known >= 0)
    held = posterior + 0.0
    held[rows] = 0.0
    held[rows, known[rows]] = 1.0
    return held


def _log_prior(layout: Layout, prior: Table, pseudo: Table, logs: Table, totals: Table) -> float:
    """sum log p + sum a log theta over all workers, truths and labels, up to a constant.

    A label that the worker never gave has theta = a / (total + sum a), so only the pairs that occur need a correction.
    """
    log, double = names(pseudo).log, names(pseudo).float64
    spread = pseudo.sum(1)  # [C]
    denominator = log(totals + spread)  # [K, C]
    unseen = float(len(totals) * (pseudo * log(pseudo)).sum() - (spread * denominator).sum(dtype=double))
    mine = layout.of_label(pseudo.T)  # [R, C]
    seen = float((mine * (logs + layout.of_worker(denominator) - log(mine))).sum(dtype=double))
    return float(log(prior).sum()) + unseen + seen
