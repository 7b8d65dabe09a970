"""What a verdict hangs on: how few voices, or which suspected group, could turn it by falling silent.

In: for each answer what it adds to each class, in nats (or weights of record): score[t] = prior[t] + sum_n added[n]; the
verdict is the argmax. Out: for each task the fewest voices without which another class would have won, the suspected
group without which it would, and whether neither lies within the bound: then the verdict is certified.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oracle.protocol.errors import BadInput
from oracle.verification.layout import indices, same_length

Int32 = NDArray[np.int32]
Float = NDArray[np.float64]

NONE = -1


@dataclass(frozen=True, slots=True)
class Certificate:
    """Of T verdicts."""

    certified: NDArray[np.bool_]  # [T]
    verdict: Int32  # [T]
    voices: Int32  # [T] the fewest voices whose silence turns the verdict; 0: no silence does
    rival: Int32  # [T] the class that would win without them; NONE where no silence does
    group: Int32  # [T] the first suspected group whose silence turns the verdict, or NONE
    block: Int32  # [T] so many voices it had to withstand
    sizes: tuple[int, ...]  # workers in each group

    def reason(self, task: int) -> str:
        """Why the task is certified, or why not, in words."""
        if self.group[task] != NONE:
            return f"without a suspected group of {self.sizes[self.group[task]]} workers another class would win"
        voices, block = int(self.voices[task]), int(self.block[task])
        if self.certified[task]:
            return f"the verdict stands without any {block} of its voices"
        if not voices:
            return "nobody spoke for it"
        return f"without {voices} of its voices class {self.rival[task]} would win or draw level"


def certify(
    task: ArrayLike,
    worker: ArrayLike,
    added: ArrayLike,
    prior: ArrayLike,
    *,
    block: ArrayLike = 1,
    groups: Sequence[Sequence[int]] = (),
) -> Certificate:
    """Certify the argmax of prior [T, C] + sums of added [N, C].

    `block`: how many voices, any, may fall silent without turning the verdict; a number, or one a task [T]. `groups`:
    workers suspected to act together; each is silenced as a whole. A task without answers is not certified: nobody spoke
    for it. A draw after the silence counts as turned.
    """
    start = np.asarray(prior, np.float64)
    if start.ndim != 2 or not start.shape[1]:
        raise BadInput(f"prior: tasks x classes needed, got shape {start.shape}")
    nats = np.asarray(added, np.float64)
    task, worker = indices("task", task, len(start)), indices("worker", worker, 1 << 31)
    same_length(task, worker)
    if nats.shape != (len(task), start.shape[1]):
        raise BadInput(f"added: answers x classes needed ({len(task)} x {start.shape[1]}), got shape {nats.shape}")
    if not (np.isfinite(nats).all() and np.isfinite(start).all()):
        raise BadInput("added and prior must be finite; clip what is impossible to a large number of nats")
    bound = np.broadcast_to(np.asarray(block, np.int32), len(start)).copy()
    if (bound < 0).any():
        raise BadInput(f"block {int(bound.min())}: a number of voices, 0 or more, needed")
    order = np.argsort(task, kind="stable")
    task, worker, nats = task[order], worker[order], nats[order]
    score = start + _sums(task, nats, len(start))  # [T, C]
    verdict = score.argmax(1).astype(np.int32)
    voices, rival = _fewest(task, nats, score, verdict)
    group = _turning(task, worker, nats, score, verdict, groups)
    spoken = np.bincount(task, minlength=len(start)) > 0
    clear = (score == score.max(1, keepdims=True)).sum(1) == 1  # no draw
    certified = spoken & clear & (group == NONE) & ((voices == 0) | (voices > bound))
    return Certificate(certified, verdict, voices, rival, group, bound, tuple(len(set(group)) for group in groups))


def _sums(task: Int32, nats: Float, tasks: int) -> Float:
    return np.stack([np.bincount(task, column, tasks) for column in nats.T], 1)


def _fewest(task: Int32, nats: Float, score: Float, verdict: Int32) -> tuple[Int32, Int32]:
    """For each task the fewest voices whose silence lets a rival reach the verdict's score, and that rival.

    Against one rival the best to silence are those who favour the verdict most, in turn.
    """
    tasks, classes = score.shape
    voices, rival = np.zeros(tasks, np.int32), np.full(tasks, NONE, np.int32)
    own = nats[np.arange(len(task)), verdict[task]]  # [N]
    lead = score[np.arange(tasks), verdict]  # [T]
    first = np.searchsorted(task, np.arange(tasks))
    for c in range(classes):
        favour = np.maximum(own - nats[:, c], 0.0)
        by_favour = np.lexsort((-favour, task))
        running = np.cumsum(favour[by_favour])
        before = np.concatenate(([0.0], running))[first]  # [T]
        gap = (lead - score[:, c]) * (1 - 1e-12)
        turned = running - before[task] >= gap[task]  # [N] with this voice and the stronger ones silent
        place = np.flatnonzero(turned & (verdict[task] != c))
        at, where = np.unique(task[place], return_index=True)
        count = (place[where] - first[at] + 1).astype(np.int32)
        better = (voices[at] == 0) | (count < voices[at])
        voices[at[better]], rival[at[better]] = count[better], c
    return voices, rival


def _turning(
    task: Int32, worker: Int32, nats: Float, score: Float, verdict: Int32, groups: Sequence[Sequence[int]]
) -> Int32:
    """For each task the first group without which another class would reach the verdict's score."""
    found = np.full(len(score), NONE, np.int32)
    for number, members in enumerate(groups):
        theirs = np.isin(worker, np.asarray(list(members), np.int64))
        left = score - _sums(task[theirs], nats[theirs], len(score))
        own = left[np.arange(len(left)), verdict].copy()
        left[np.arange(len(left)), verdict] = -np.inf
        turned = left.max(1, initial=-np.inf) >= own
        spoke = np.bincount(task[theirs], minlength=len(score)) > 0
        found[turned & spoke & (found == NONE)] = number
    return found
