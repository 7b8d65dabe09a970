"""A market under events: limits kept, proof valid, near a fresh solution."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.matching.certify import certify
from oracle.matching.live import Live
from oracle.matching.solve import solve
from oracle.protocol.errors import BadInput
from tests.matching.markets import Arrays, crowd, markets, optimum


def now(live: Live) -> tuple[Arrays, Any]:
    """The market as it stands, and the solution."""
    market, floor = live._market, live._floor
    return (market.worker, market.task, market.value, floor.capacity, market.redundancy), live.solution()


def certified(live: Live) -> float:
    """The gap, after everything that must hold was seen to hold."""
    arrays, found = now(live)
    chosen = found.chosen if live._market.order is None else found.chosen[live._market.order]
    certify(*arrays, np.flatnonzero(chosen), found.price, found.value, found.bound)
    floor = live._floor
    assert not floor.waiting.any()
    assert not ((floor.load < floor.capacity) & (floor.prices > 0)).any()
    assert found.value <= optimum(arrays) <= found.bound * (1 + 1e-12)
    return float(found.gap)


@settings(deadline=None, max_examples=40)
@given(markets(value=10**6), st.lists(st.tuples(st.integers(0, 3), st.integers(0, 99)), max_size=12))
def test_live__any_events__stay_certified_to_epsilon_a_place(arrays: Arrays, events: list[tuple[int, int]]) -> None:
    live = Live(*arrays, gap=0.001)
    for kind, n in events:
        worker = n % len(arrays[3])
        if kind < 2:
            (live.leave if kind else live.arrive)(worker)
            continue
        held = [(i, j) for i in range(len(arrays[4])) for j in live.holders(i)]
        if held:
            (live.answered if kind == 2 else live.timed_out)(*held[n % len(held)])
    certified(live)
    places = int(live._floor.load.sum())
    _, found = now(live)
    slack = (live._epsilon + 1) / live._floor.scale  # a pair of value 0 counts as 1 in the rows
    assert found.bound - found.value <= slack * places + 1e-6 * found.bound


def test_live__long_life__stays_near_a_fresh_solution() -> None:
    live, luck = Live(*crowd(300, 240, 20, 5, 3), gap=0.001, away=range(20)), np.random.default_rng(0)
    certified(live)
    for worker in range(20):
        live.arrive(worker)
        live.leave(100 + worker)
        task = int(luck.integers(300))
        for event in (live.timed_out, live.answered):
            if live.holders(task):
                event(task, live.holders(task)[0])
    assert certified(live) < 0.01
    arrays, found = now(live)
    fresh = solve(*arrays, gap=0.0001)
    assert found.value >= 0.995 * fresh.value
    assert live.gap() == pytest.approx(found.gap, abs=1e-6)


def test_live__worker_comes_back__takes_what_is_best() -> None:
    live = Live([0, 1], [0, 0], [9, 5], [1, 1], [1], away=[0])
    assert live.holders(0) == [1]
    live.arrive(0)
    assert live.holders(0) == [0]
    live.leave(0)
    assert live.holders(0) == [1]


def test_live__answer_and_time_out__free_the_worker_and_end_the_pair() -> None:
    live = Live([0, 1, 0], [0, 0, 1], [9, 5, 3], [1, 1], [1, 1])
    assert (live.holders(0), live.holders(1)) == ([0], [])
    live.timed_out(0, 0)
    assert (live.holders(0), live.holders(1)) == ([1], [0])
    live.answered(0, 1)
    assert live.holders(0) == []
    with pytest.raises(BadInput, match="not assigned"):
        live.answered(0, 1)


@pytest.mark.parametrize("worker", [-1, 2])
def test_live__worker_that_is_none__is_refused(worker: int) -> None:
    live = Live([0, 1], [0, 0], [9, 5], [1, 1], [1])
    for event in (live.arrive, live.leave):
        with pytest.raises(BadInput, match="none of"):
            event(worker)


def test_live__churn__is_certified() -> None:
    live = Live(*crowd(300, 240, 20, 5, 3), gap=0.001, away=range(10))
    live.churn(range(50, 60), range(10))
    assert certified(live) < 0.002
