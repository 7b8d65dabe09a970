"""Adaptive assignment replayed on recorded answers: how many a policy buys before the verdicts are as good as with all.

Recorded answers in, verdicts after more and more answers out. Policies see workers, tasks and the labels they asked for; no true
label ever. One aggregator serves them all (oracle.matching.adaptive), so that only what was asked differs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oracle.matching import adaptive
from oracle.matching.value import columns
from oracle.protocol.errors import BadInput

POLICIES = {
    "random": adaptive.RANDOM,
    "round_robin": adaptive.ROUND_ROBIN,
    "entropy": adaptive.ENTROPY,
    "qasca": adaptive.QASCA,
    "eig": adaptive.EIG,
    "ours": adaptive.OURS,
    "ours_asking": adaptive.OURS_ASKING,
    "ours_blind": adaptive.OURS_BLIND,
}
MODES = ("arrival", "pool")
GRAIN = 10  # looks for each answer a task
MOST_LOOKS = 200
Int = NDArray[np.int64]


class UnknownPolicy(BadInput):
    """No such policy or mode."""


@dataclass(frozen=True, slots=True)
class Replay:
    """P looks at S replays of one recording."""

    asked: Int  # [P] answers bought at each look, ascending
    verdicts: NDArray[np.int16]  # [S, P, T] class of each task
    let_go: Int  # [S] how often one came and was not asked


def recording(
    task: ArrayLike, worker: ArrayLike, label: ArrayLike, tasks: int, workers: int, classes: int
) -> adaptive.Recording:
    """Sorts the answers. Raises BadInput for indices out of range, arrays that differ in length, or a pair twice."""
    what, who, said = columns(task, worker, label, tasks, workers, classes)
    if classes < 2:
        raise BadInput("all answers have one label: there is nothing to decide between")
    if len(np.unique(what * workers + who)) < len(what):
        raise BadInput("a worker answered a task twice: give each pair once")
    return adaptive.Recording(what, who, said, *_sorted(what, tasks), *_sorted(who, workers))


def replay(
    of: adaptive.Recording,
    classes: int,
    policy: str,
    *,
    mode: str = "arrival",
    budget: int | None = None,
    seeds: int = 30,
    first: int = 0,
) -> Replay:
    """Replay `policy` with the seeds first, first + 1, ...; `budget` answers at most [all of them]."""
    if policy not in POLICIES:
        raise UnknownPolicy(f"policy {policy}: it is one of {', '.join(POLICIES)}")
    if mode not in MODES:
        raise UnknownPolicy(f"mode {mode}: it is one of {', '.join(MODES)}")
    if (budget is not None and budget < 1) or seeds < 1:
        raise BadInput(f"budget {budget}, {seeds} seeds: at least one answer and one seed are needed")
    marks = looks(len(of.task_start) - 1, min(len(of.task), budget or len(of.task)))
    return _played(of, classes, POLICIES[policy], mode == "pool", range(first, first + seeds), marks)


def all_answers(of: adaptive.Recording, classes: int) -> Replay:
    """One look, at all answers."""
    return _played(of, classes, adaptive.RANDOM, False, range(1), np.array([len(of.task)]))


def _played(of: adaptive.Recording, classes: int, policy: int, pool: bool, seeds: range, marks: Int) -> Replay:
    tasks, workers = len(of.task_start) - 1, len(of.worker_start) - 1
    verdicts = np.zeros((len(seeds), len(marks), tasks), np.int16)
    sizes = tasks, workers, classes
    gone = [adaptive.play(of, sizes, policy, pool, seed, marks, verdicts[place]) for place, seed in enumerate(seeds)]
    return Replay(marks, verdicts, np.array(gone))


def looks(tasks: int, answers: int) -> Int:
    """After how many answers the verdicts are looked at: every tenth of an answer a task, 200 times at most, and at the last."""
    step = max(1, tasks // GRAIN, -(-answers // MOST_LOOKS))
    return np.unique(np.append(np.arange(step, answers, step, dtype=np.int64), answers))


def _sorted(groups: Int, size: int) -> tuple[Int, Int]:
    return np.argsort(groups, kind="stable"), np.concatenate(([0], np.cumsum(np.bincount(groups, minlength=size))))
