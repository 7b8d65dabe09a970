"""Exact b-matching against brute force, its certificate, its errors."""

import time
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.matching import programme as module
from oracle.matching.market import (
    DuplicateEdge,
    NegativeLimit,
    NotOptimal,
    Solution,
    UnknownIndex,
    ValueNotFinite,
)
from oracle.matching.solve import solve
from oracle.protocol.errors import BadInput


@st.composite
def markets(draw: st.DrawFn) -> tuple[list[int], list[int], list[Any], list[int], list[int]]:
    workers, tasks = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    pairs = st.tuples(st.integers(0, workers - 1), st.integers(0, tasks - 1))
    edges = draw(st.lists(pairs, unique=True, max_size=10))
    numbers = [
        st.integers(-5, 5),
        st.integers(-(10**6), 10**6),
        st.integers(0, 2**52),
        st.floats(-10, 10),
        st.floats(-1e-9, 1e-9),
    ]
    number = draw(st.sampled_from(numbers))
    values = draw(st.lists(number, min_size=len(edges), max_size=len(edges)))
    limits = [draw(st.lists(st.integers(0, 3), min_size=size, max_size=size)) for size in (workers, tasks)]
    return [w for w, _ in edges], [t for _, t in edges], values, *limits


def fits(chosen: Any, worker: Any, task: Any, capacity: Any, redundancy: Any) -> bool:
    taken = [(w, t) for keep, w, t in zip(chosen, worker, task, strict=True) if keep]
    return all([w for w, _ in taken].count(i) <= limit for i, limit in enumerate(capacity)) and all(
        [t for _, t in taken].count(j) <= limit for j, limit in enumerate(redundancy)
    )


def brute_force(worker: Any, task: Any, value: Any, capacity: Any, redundancy: Any) -> float:
    return max(
        sum(v for keep, v in zip(chosen, value, strict=True) if keep)
        for chosen in product((False, True), repeat=len(worker))
        if fits(chosen, worker, task, capacity, redundancy)
    )


@settings(deadline=None, max_examples=100)
@given(markets())
def test_solve__any_small_market__is_optimal(market: Any) -> None:
    worker, task, value, capacity, redundancy = market
    found = solve(worker, task, value, capacity, redundancy)
    assert fits(found.chosen, worker, task, capacity, redundancy)
    best = brute_force(worker, task, value, capacity, redundancy)
    largest = max(map(abs, value), default=0)
    if value and isinstance(value[0], int) and largest <= 10**6:
        assert found.value == best
    assert best - found.value <= 1e-8 * max(best, largest)
    assert found.value <= found.bound
    filled = [sum(keep and t == j for keep, t in zip(found.chosen, task, strict=True)) for j in range(len(redundancy))]
    assert found.assigned.tolist() == filled
    assert found.short.tolist() == [j for j, limit in enumerate(redundancy) if filled[j] < limit]


def market(tasks: int, workers: int, each: int, capacity: int, redundancy: int, seed: int = 0) -> tuple[Any, ...]:
    rng = np.random.default_rng(seed)
    worker = np.concatenate([rng.choice(workers, each, replace=False) for _ in range(tasks)])
    task = np.repeat(np.arange(tasks), each)
    value = rng.integers(1, 10**6, len(worker))
    return worker, task, value, np.full(workers, capacity), np.full(tasks, redundancy)


def test_solve__8000_edges_under_tight_limits__is_certified_within_seconds() -> None:
    arguments = market(800, 164, 10, 12, 3)
    start = time.process_time()
    found = solve(*arguments)
    assert time.process_time() - start < 5  # about 0.1 s on an idle core
    assert found.bound - found.value < 1  # integers: proved
    assert isinstance(found.value, int)
    assert len(found.short) > 0


def test_solve__the_same_market_twice__gives_the_same_edges() -> None:
    arguments = market(200, 40, 8, 9, 3)
    np.testing.assert_array_equal(solve(*arguments).chosen, solve(*arguments).chosen)


def test_solve__all_edges_fit__takes_them_without_the_solver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "linprog", lambda *_, **__: pytest.fail("the solver was called"))
    found = solve([0, 0, 1], [0, 1, 0], [1, 0, 2], [2, 1], [2, 1])
    assert found.chosen.all()
    assert found.value == found.bound == 3
    assert found.short.tolist() == []


def test_solve__negative_value__is_left_out() -> None:
    found = solve([0, 1], [0, 0], [-1, 2], [5, 5], [5])
    assert found.chosen.tolist() == [False, True]
    assert found.short.tolist() == [0]


def test_solve__greedy_would_fail__finds_the_optimum() -> None:
    found = solve([0, 0, 1], [0, 1, 0], [10, 9, 9], [1, 1], [1, 1])
    assert found.chosen.tolist() == [False, True, True]
    assert found.value == 18


def test_solve__nothing_at_all__is_worth_nothing() -> None:
    found = solve([], [], [], [], [])
    assert (found.value, found.bound, len(found.chosen)) == (0, 0, 0)
    assert solve([], [], [], [1], [2]).short.tolist() == [0]
    assert solve([0], [0], [0.0], [0], [1]).value == 0


@pytest.mark.parametrize(
    ("change", "error", "part"),
    [
        ({"worker": [0, 0], "task": [0, 0]}, DuplicateEdge, "edges 0 and 1: both pair worker 0 with task 0"),
        ({"capacity": [-1, 1]}, NegativeLimit, r"capacity\[0\] = -1"),
        ({"redundancy": [1, -2]}, NegativeLimit, r"redundancy\[1\] = -2"),
        ({"capacity": [1.5, 1]}, NegativeLimit, "capacity: .*integers"),
        ({"value": [1.0, float("nan")]}, ValueNotFinite, "edge 1: value nan"),
        ({"value": [float("inf"), 1.0]}, ValueNotFinite, "edge 0: value inf"),
        ({"value": [2**60, 1]}, ValueNotFinite, "edge 0"),
        ({"value": ["1", "2"]}, ValueNotFinite, "numbers"),
        ({"worker": [0, 2]}, UnknownIndex, "edge 1: worker 2 is none of 0..1"),
        ({"task": [-1, 0]}, UnknownIndex, "edge 0: task -1"),
        ({"task": [0.0, 1.0]}, UnknownIndex, "task must be"),
        ({"value": [1]}, BadInput, "2 workers, 2 tasks, 1 values"),
    ],
)
def test_solve__bad_market__is_named(change: dict[str, Any], error: type[BadInput], part: str) -> None:
    good: dict[str, Any] = {"worker": [0, 1], "task": [0, 1], "value": [1, 2], "capacity": [1, 1], "redundancy": [1, 1]}
    with pytest.raises(error, match=part) as caught:
        solve(**{**good, **change})
    assert isinstance(caught.value, BadInput)


def test_solve__solver_that_cheats__is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = market(20, 6, 4, 3, 2)
    honest = module.linprog

    def lazy(*given: Any, **options: Any) -> Any:
        result = honest(*given, **options)
        result.x = np.zeros_like(result.x)
        return result

    def split(*given: Any, **options: Any) -> Any:
        result = honest(*given, **options)
        result.x = np.full_like(result.x, 0.5)
        return result

    def greedy(*given: Any, **options: Any) -> Any:
        result = honest(*given, **options)
        result.x = np.ones_like(result.x)
        return result

    for cheat, part in ((lazy, "below its bound"), (split, "fractional"), (greedy, "broke a capacity")):
        monkeypatch.setattr(module, "linprog", cheat)
        with pytest.raises(NotOptimal, match=part):
            solve(*arguments)


def test_solution__frozen__cannot_be_changed() -> None:
    found = solve([0], [0], [1], [1], [1])
    assert isinstance(found, Solution)
    with pytest.raises(AttributeError):
        found.value = 2  # type: ignore[misc]
