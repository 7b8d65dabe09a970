"""Machine annotators: models that label tasks beside people. Each errs in its own way, and all err together.

What machines share that is not the truth (texts they learned from, each other) would count as many times as there are machines. So
they are one voice: a first judgement among themselves, where each has its own confusion, gives what they say together; beside the
people that voice is one worker, whose confusion is the factor that they share.

    machines' answers -> the engine over them alone -> its label of each task -> one answer of one worker

The people are heard as ever. What is known of the truth (gold) teaches what the voice is worth, never what it says: one that was
told would seem to know. Fusing people and models: https://arxiv.org/abs/2402.16795.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from oracle.verification.engine import infer
from oracle.verification.layout import Int32, indices


@dataclass(frozen=True, slots=True)
class Machines:
    """Workers that speak as one. `labels` [T]: what they say together; of no meaning where none of them answered."""

    workers: tuple[int, ...]  # ascending
    labels: Int32


def together(
    task: Int32, worker: Int32, label: Int32, tasks: int, workers: int, classes: int, machines: ArrayLike
) -> Machines | None:
    """What these workers say as one; None where fewer than two answered. Raises BadInput for a number that is no worker's."""
    named = np.unique(indices("machines", machines, workers))
    named = named[np.isin(named, worker)]
    if len(named) < 2:
        return None
    of = np.isin(worker, named)
    found = infer(task[of], worker[of], label[of], tasks, workers, classes)
    return Machines(tuple(named.tolist()), found.posterior.argmax(1).astype(np.int32))
