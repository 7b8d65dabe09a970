"""Mixing gold in: how much of it everybody gets, that all of a kind are as likely, and what happens where there is too little."""

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from oracle.matching.mixing import COLD, MOST_SHARE, mixed

MOST = 10
Ints = NDArray[np.int64]


def candidates(people: int, each: int, share: float) -> tuple[Ints, NDArray[np.bool_]]:
    """worker, gold: every worker has the same many, the first of them gold."""
    worker = np.repeat(np.arange(people, dtype=np.int64), each)
    return worker, np.tile(np.arange(each) < round(share * each), people)


def shares(cold: int, warm: int, share: float, rounds: int = 400) -> tuple[float, float, float]:
    """Share of gold that strangers get, that others get, and that all get."""
    worker, gold = candidates(cold + warm, 40, share)
    answered = np.where(worker < cold, COLD - 1, COLD)
    draw = Random(3)
    kept = np.array([mixed(worker, gold, answered, MOST, draw) for _ in range(rounds)])
    of = [
        (kept & gold & who).sum() / max((kept & who).sum(), 1) for who in (worker < cold, worker >= cold, worker >= 0)
    ]
    return of[0], of[1], of[2]


@pytest.mark.parametrize(("cold", "warm"), [(8, 0), (0, 8), (4, 4)])
def test_mixed__any_mix_of_strangers_and_others__holds_the_share_of_the_open_tasks(cold: int, warm: int) -> None:
    assert shares(cold, warm, 0.1)[2] == pytest.approx(0.1, abs=0.01)


def test_mixed__strangers__get_twice_the_gold_of_others() -> None:
    cold, warm, _ = shares(4, 4, 0.1)
    assert cold / warm == pytest.approx(2, rel=0.2)


def test_mixed__many_known__at_most_half_of_a_worker_s_tasks_are_gold() -> None:
    worker, gold = candidates(2, 40, 0.5)
    answered = np.where(worker == 0, 0, COLD)
    draw = Random(1)
    counts = [(mixed(worker, gold, answered, MOST, draw) & gold & (worker == 0)).sum() for _ in range(100)]
    assert max(counts) <= MOST_SHARE * MOST + 1
    assert np.mean(counts) == pytest.approx(MOST_SHARE * MOST, abs=0.5)


def test_mixed__each_of_a_kind__is_as_likely_as_the_next() -> None:
    worker, gold = candidates(1, 20, 0.3)
    draw = Random(5)
    kept = np.mean([mixed(worker, gold, np.zeros(20, np.int64), MOST, draw) for _ in range(4_000)], axis=0)
    assert kept[gold] == pytest.approx(0.5, abs=0.04)
    assert kept[~gold] == pytest.approx(0.5, abs=0.04)


def test_mixed__worker_with_few_tasks_left__gets_all_of_them() -> None:
    worker, gold = np.array([7, 7, 7, 2]), np.array([True, True, True, False])
    assert mixed(worker, gold, np.zeros(4, np.int64), MOST, Random(1)).all()


def test_mixed__no_candidates__gives_none() -> None:
    nothing = np.zeros(0, np.int64)
    assert len(mixed(nothing, nothing.astype(bool), nothing, MOST, Random(1))) == 0


@given(st.data())
def test_mixed__whatever_is_asked__fills_every_worker_up_to_the_most(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 60))
    worker = np.array(data.draw(st.lists(st.integers(0, 4), min_size=size, max_size=size)), np.int64)
    gold = np.array(data.draw(st.lists(st.booleans(), min_size=size, max_size=size)))
    most = data.draw(st.integers(1, 12))
    kept = mixed(worker, gold, worker * COLD, most, Random(data.draw(st.integers(0, 99))))
    for one in np.unique(worker):
        assert kept[worker == one].sum() == min(most, (worker == one).sum())
