"""Inference in parts: bit for bit that of one process, by as many workers as there are."""

from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from oracle.bench.truth_speed import CLASSES, made
from oracle.verification import judge
from oracle.verification.engine import History, infer
from oracle.verification.infer import dawid_skene
from oracle.verification.layout import SINGLE_FROM
from tests.support.elsewhere import Elsewhere


def arrays(answers: int) -> tuple[Any, ...]:
    """A made crowd, of which one task and one worker say nothing."""
    crowd = made(answers)
    return crowd.task, crowd.worker, crowd.label, len(crowd.tasks) + 1, len(crowd.workers) + 1, CLASSES


def gold(tasks: int) -> np.ndarray:
    known = np.full(tasks, -1)
    known[::17] = np.arange(len(known[::17])) % CLASSES
    return known


def same(one: Any, other: Any) -> bool:
    return all(np.array_equal(getattr(one, f.name), getattr(other, f.name)) for f in fields(one) if f.name != "state")


@pytest.mark.parametrize("workers", [2, 3, 7])
@pytest.mark.parametrize("answers", [30, 5_000, SINGLE_FROM])
@pytest.mark.parametrize("told", [False, True])
def test_dawid_skene__in_parts__is_that_of_one_process(answers: int, workers: int, told: bool) -> None:
    given, compute = arrays(answers), Elsewhere(workers)
    known = gold(given[3]) if told else None
    assert same(dawid_skene(*given, gold=known, compute=compute), dawid_skene(*given, gold=known))
    assert set(compute.asked) == {"_posteriors", "_counts"}


@pytest.mark.parametrize("answers", [5_000, SINGLE_FROM])
def test_infer__voices_elsewhere__are_those_of_one_process(answers: int) -> None:
    given, compute = arrays(answers), Elsewhere(2)
    history = History(np.array([0, 3], np.int32), np.array([1, 2], np.int32), np.ones((2, CLASSES)))
    more: Any = {"gold": gold(given[3]), "history": history, "start": infer(*given).state}
    here, there = infer(*given, **more), infer(*given, **more, compute=compute)
    assert same(here, there)
    assert np.array_equal(here.state.tables, there.state.tables)
    assert here.state.strengths == there.state.strengths
    assert compute.asked == ["_settle"]


def test_believe__elsewhere__is_the_same_judgement() -> None:
    crowd, compute = judge.crowd(*arrays(5_000)), Elsewhere(2)
    here, there = (judge.believe(crowd, gold=gold(crowd.tasks), **by) for by in ({}, {"compute": compute}))
    assert np.array_equal(here.posterior, there.posterior)
    assert here.tau == there.tau != 1
    assert compute.asked == ["_settle"] * 3  # the judgement, and two that calibrate it
