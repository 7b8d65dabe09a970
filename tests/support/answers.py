"""Crowds of made answers of any type: the truth is known, and so is how good each worker is."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.verification.infer import dawid_skene
from oracle.verification.types.answer import AnswerType, Consensus, Given

Luck = np.random.Generator


def engine(
    task: NDArray[Any], worker: NDArray[Any], label: NDArray[Any], tasks: int, workers: int, classes: int
) -> NDArray[np.float64]:
    return dawid_skene(task, worker, label, tasks, workers, classes).posterior


def crowd(
    truths: Sequence[Any], skill: Sequence[float], answer: Callable[[Any, float, Luck], Any], each: int, seed: int = 1
) -> Given:
    """`each` workers answer each task; `answer` makes one's answer of truth and skill."""
    luck = np.random.default_rng(seed)
    task, worker, value = [], [], []
    for t, truth in enumerate(truths):
        for w in luck.choice(len(skill), each, replace=False).tolist():
            task.append(t)
            worker.append(w)
            value.append(answer(truth, skill[w], luck))
    return Given(np.array(task, np.int32), np.array(worker, np.int32), value, len(truths), len(skill))


def aggregated(kind: AnswerType, given: Given) -> Consensus:
    """The consensus, after what every consensus must fulfil."""
    found = kind.aggregate(given, engine)
    assert len(found.value) == len(found.confidence) == given.tasks
    assert len(found.quality) == given.workers
    assert all(len(column) == given.tasks for column in found.columns.values())
    assert np.isfinite(found.confidence).all() and (found.confidence >= 0).all() and (found.confidence <= 1).all()
    assert np.isfinite(found.quality).all()
    for value in found.value:
        assert value is None or kind.read(kind.write(value)) == value
    return found


def random_answers(given: Given, seed: int = 2) -> list[Any]:
    """One of each task's answers."""
    luck = np.random.default_rng(seed)
    return [given.value[luck.choice(group)] for group in given.by_task()]


def shuffled(given: Given, seed: int = 3) -> Given:
    """The same answers in another order."""
    order = np.random.default_rng(seed).permutation(len(given.value))
    return Given(given.task[order], given.worker[order], [given.value[n] for n in order], given.tasks, given.workers)
