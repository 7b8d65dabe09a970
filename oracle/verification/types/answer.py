"""What every type of answer is made of: how one is read, how many become one, how far two are apart.

text of an answer -> value (`read`) -> `Given`, all answers of a job -> `Consensus`, one value a task with its confidence.
A type is a value, built from its parameters by `oracle.verification.types.catalogue`; nothing here knows any type.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Int32 = NDArray[np.int32]
Float = NDArray[np.float64]
Ints = NDArray[np.integer[Any]]

# posterior [T, C] of (task [N], worker [N], label [N], tasks, workers, classes): the categorical engine
Categorical = Callable[[Ints, Ints, Ints, int, int, int], Float]


class Unreadable(ValueError):
    """Why a text is no answer of its type, and what it must be; whoever reads the file knows the place."""


@dataclass(frozen=True, slots=True)
class Given:
    """N answers: the n-th says that worker[n] answered task[n] with value[n]. A worker answers a task at most once."""

    task: Int32  # [N] in 0..T-1
    worker: Int32  # [N] in 0..K-1
    value: list[Any]  # [N] as the type's `read` gives them
    tasks: int
    workers: int

    def by_task(self) -> list[NDArray[np.intp]]:
        """The numbers of each task's answers, ascending."""
        order = np.argsort(self.task, kind="stable")
        return np.split(order, np.searchsorted(self.task[order], np.arange(1, self.tasks)))


@dataclass(frozen=True, slots=True)
class Consensus:
    """What the answers together say."""

    value: list[Any]  # [T] None for a task without answers
    confidence: Float  # [T] the model's probability that the value stands; 0 for a task without answers
    quality: Float  # [K] the model's word on each worker, higher is better; what it counts says the type
    columns: dict[str, Sequence[Any] | Float] = field(default_factory=dict)  # more of the type's own, [T] each


@dataclass(frozen=True, slots=True)
class AnswerType:
    """One type with its parameters filled in."""

    name: str
    read: Callable[[str], Any]  # raises Unreadable
    write: Callable[[Any], str]  # the canonical text: read(write(value)) == value
    aggregate: Callable[[Given, Categorical], Consensus]
    near: float  # answers no further than this from one another stand for the same candidate
    distance: Callable[[Any, Any], float]  # in 0..1; 0 for values that mean the same
    agreement: Callable[[Given], float | None]  # None where it is not defined
    measure: str  # what `agreement` is
    score: Callable[[Sequence[Any], Sequence[Any]], dict[str, float]]  # values against known ones of the same tasks
