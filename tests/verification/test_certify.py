"""Certificates: against brute force over all sets of voices, suspected groups, odd input."""

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.protocol.errors import BadInput
from oracle.verification.certify import NONE, certify

TASKS, CLASSES = 3, 3


@st.composite
def judged(draw: st.DrawFn) -> tuple[Any, Any, Any, Any]:
    count = draw(st.integers(0, 10))
    whole = st.integers(-3, 3)
    task = draw(st.lists(st.integers(0, TASKS - 1), min_size=count, max_size=count))
    added = draw(st.lists(st.lists(whole, min_size=CLASSES, max_size=CLASSES), min_size=count, max_size=count))
    prior = draw(st.lists(st.lists(whole, min_size=CLASSES, max_size=CLASSES), min_size=TASKS, max_size=TASKS))
    worker = draw(st.lists(st.integers(0, 4), min_size=count, max_size=count))
    return (
        np.array(task, np.int64),
        np.array(worker, np.int64),
        np.array(added, float).reshape(count, CLASSES),
        np.array(prior, float),
    )


def naive(task: int, verdict: int, silent: set[int], given_: tuple[Any, Any, Any, Any]) -> bool:
    """Whether some other class reaches the verdict's score once these answers are silent."""
    tasks, _, added, prior = given_
    score = prior[task] + sum(
        (added[n] for n in range(len(tasks)) if tasks[n] == task and n not in silent), np.zeros(3)
    )
    return bool(np.delete(score, verdict).max() >= score[verdict])


@settings(deadline=None, max_examples=150)
@given(judged(), st.integers(0, 3))
def test_certify__any_small_job__agrees_with_trying_every_block(given_: tuple[Any, Any, Any, Any], block: int) -> None:
    task, worker, added, prior = given_
    groups = [[0, 1], [2]]
    found = certify(task, worker, added, prior, block=block, groups=groups)
    for t in range(TASKS):
        mine = np.flatnonzero(task == t).tolist()
        score = prior[t] + added[mine].sum(0)
        verdict = int(score.argmax())
        assert found.verdict[t] == verdict
        turning = [
            len(some)
            for size in range(1, len(mine) + 1)
            for some in combinations(mine, size)
            if naive(t, verdict, set(some), given_)
        ]
        drawn = naive(t, verdict, set(), given_)
        if not drawn:
            assert found.voices[t] == min(turning, default=0)
        turned = [
            g
            for g, members in enumerate(groups)
            if any(worker[n] in members for n in mine)
            and naive(t, verdict, {n for n in mine if worker[n] in members}, given_)
        ]
        assert found.group[t] == (turned[0] if turned else NONE)
        if not drawn:
            held = bool(mine) and not turned and not (turning and min(turning) <= block)
            assert found.certified[t] == held
        assert found.reason(t)


def test_certify__a_draw__is_not_certified() -> None:
    found = certify([0, 0], [0, 1], [[2.0, 0.0], [0.0, 2.0]], np.zeros((1, 2)), block=0)
    assert not found.certified[0]


def test_certify__reasons__say_what_the_verdict_hangs_on() -> None:
    added = np.array([[2.0, 0.0]] * 3)
    found = certify([0, 0, 1], [0, 1, 2], added, np.zeros((3, 2)), block=1, groups=[[2, 7]])
    assert found.certified.tolist() == [True, False, False]
    assert found.reason(0) == "the verdict stands without any 1 of its voices"
    assert found.reason(1) == "without a suspected group of 2 workers another class would win"
    assert found.reason(2) == "nobody spoke for it"
    alone = certify([0], [0], [[2.0, 0.0]], np.zeros((1, 2)))
    assert alone.reason(0) == "without 1 of its voices class 1 would win or draw level"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"added": [[1.0, 2.0]]}, "answers x classes needed"),
        ({"added": [[1.0, np.nan], [0.0, 0.0]]}, "finite"),
        ({"prior": [0.0, 0.0]}, "tasks x classes needed"),
        ({"task": [0, 9]}, r"task\[1\] = 9"),
        ({"block": -1}, "block"),
    ],
)
def test_certify__bad_input__says_what(change: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {"task": [0, 0], "worker": [0, 1], "added": np.zeros((2, 2)), "prior": np.zeros((1, 2))}
    with pytest.raises(BadInput, match=message):
        certify(**{**good, **change})
