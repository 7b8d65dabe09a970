"""The auction against OR-tools, against a naive auction, and what it promises."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from oracle.matching import auction as module
from oracle.matching.certify import certify
from oracle.matching.solve import solve
from oracle.protocol.errors import BadInput
from tests.matching.markets import Arrays, crowd, markets, optimum


def naive(arrays: Arrays, epsilon: int) -> tuple[int, list[int]]:
    """The auction as one would say it: no fronts, no heaps, one bid at a time. Its value and prices."""
    worker, task, value, capacity, redundancy = (a.tolist() for a in arrays)
    held: dict[int, dict[int, int]] = {j: {} for j in range(len(capacity))}  # worker -> task -> bid
    edges = {
        i: [(v, j) for v, j, t in zip(value, worker, task, strict=True) if t == i and v >= 0]
        for i in range(len(redundancy))
    }

    def price(j: int) -> int:
        if capacity[j] == 0:
            return 10**9
        return min(held[j].values()) if len(held[j]) == capacity[j] else 0

    while True:
        for i, wanted in enumerate(redundancy):
            if sum(i in tasks for tasks in held.values()) == wanted:
                continue
            nets = sorted(((v + 1 - price(j), v, j) for v, j in edges[i] if i not in held[j]), reverse=True)
            if not nets or nets[0][0] <= 0:
                continue
            missing = wanted - sum(i in tasks for tasks in held.values())
            level = nets[missing][0] if len(nets) > missing else 0
            _, v, j = nets[0]
            if len(held[j]) == capacity[j]:
                del held[j][min(held[j], key=lambda t: held[j][t])]
            held[j][i] = v + 1 - max(0, level) + epsilon
            break
        else:
            pairs = {(j, i) for j, tasks in held.items() for i in tasks}
            worth = sum(v for v, j, i in zip(value, worker, task, strict=True) if (j, i) in pairs)
            return worth, [price(j) for j in range(len(capacity))]


@settings(deadline=None, max_examples=60)
@given(markets())
def test_solve__any_small_market_with_a_gap__keeps_its_promise(arrays: Arrays) -> None:
    best = optimum(arrays)
    for gap in (0.3, 0.01, 1e-6):
        found = solve(*arrays, gap=gap)
        value, bound = certify(*arrays, np.flatnonzero(found.chosen), found.price, found.value, found.bound)
        assert value == found.value <= best <= bound * (1 + 1e-12)
        assert found.gap <= gap
    assert best - found.value < 1  # the last, finer than one in the sum of the values


@settings(deadline=None, max_examples=40)
@given(markets(most=5))
def test_solve__naive_auction_beside__both_are_within_epsilon_of_the_same_optimum(arrays: Arrays) -> None:
    found, (worth, _) = solve(*arrays, gap=1e-6), naive(arrays, 1)
    places = int(np.minimum(arrays[4], np.bincount(arrays[1], minlength=len(arrays[4]))).sum())
    assert found.value - 2 * places <= worth <= found.value


@pytest.mark.parametrize("gap", [0.1, 0.3, 0.99])
@pytest.mark.parametrize("values", [[1000] * 5, [1000, 999, 998, 997, 996], [1000, 1, 1, 1, 1]])
def test_solve__wide_gap_and_a_price_war__ends_within_it(values: list[int], gap: float) -> None:
    tasks = len(values)
    arrays = (
        np.zeros(tasks, np.int32),
        np.arange(tasks, dtype=np.int32),
        np.array(values),
        np.array([1]),
        np.ones(tasks, np.int64),
    )
    found = solve(*arrays, gap=gap)
    certify(*arrays, np.flatnonzero(found.chosen), found.price, found.value, found.bound)
    assert found.value == 1000
    assert found.gap <= gap


def test_solve__worth_nothing_but_where_nobody_is_wanted__has_no_gap() -> None:
    found = solve(np.array([0, 0]), np.array([0, 1]), np.array([0, 7]), np.array([1]), np.array([1, 0]), gap=0.3)
    assert (found.value, found.bound, found.gap) == (0, 0, 0.0)


@pytest.mark.parametrize(
    ("workers", "kind"), [(160, "loose"), (120, "tight"), (80, "over-subscribed"), (20, "starved")]
)
def test_solve__crowd__is_certified_and_near_the_optimum(workers: int, kind: str) -> None:
    arrays = crowd(200, workers, 20, 5, 3)
    best = optimum(arrays)
    for gap in (0.01, 0.001, 0.0001):
        found = solve(*arrays, gap=gap)
        certify(*arrays, np.flatnonzero(found.chosen), found.price, found.value, found.bound)
        assert found.gap <= gap
        assert best - found.value <= gap * best
        assert found.value <= best <= found.bound


def test_solve__threads__give_the_same_assignment() -> None:
    arrays = crowd(300, 240, 20, 5, 3)
    one, two = solve(*arrays, gap=0.001), solve(*arrays, gap=0.001, threads=2)
    np.testing.assert_array_equal(one.chosen, two.chosen)


def test_solve__price_war__is_fought_with_a_large_epsilon_first(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[int] = []
    honest = module.kernels.auction
    monkeypatch.setattr(module.kernels, "auction", lambda *given: used.append(given[14]) or honest(*given))
    solve(*crowd(200, 120, 20, 5, 3), gap=0.001)
    assert used[0] > 10 * used[-1]
    used.clear()
    solve(*crowd(200, 400, 20, 5, 3), gap=0.001)
    assert len(used) == 1


def test_solve__redundancy_beyond_the_front__holds_as_many() -> None:
    arrays = crowd(40, 60, 50, 35, 30)
    found = solve(*arrays, gap=0.001)
    certify(*arrays, np.flatnonzero(found.chosen), found.price, found.value, found.bound)
    assert found.assigned.max() == 30
    assert optimum(arrays) - found.value <= 0.001 * found.bound


def test_solve__capacity_that_nobody_can_use_up__has_no_price() -> None:
    worker, task, value, capacity, redundancy = crowd(30, 20, 10, 2, 3)
    capacity[0] = 10**6
    assert solve(worker, task, value, capacity, redundancy, gap=0.001).price[0] == 0


def test_solve__places_worth_nothing__are_filled_all_the_same() -> None:
    found = solve([0, 1, 0, 1], [0, 0, 1, 1], [0, 0, 0, 0], [1, 1], [1, 1], gap=0.1)
    assert found.assigned.tolist() == [1, 1]
    assert found.value == found.bound == 0


def test_solve__float_values__are_certified_as_given() -> None:
    worker, task, value, capacity, redundancy = crowd(200, 120, 20, 5, 3)
    for scale in (1e-9, 1.0, 1e7):
        arrays = (worker, task, value / 1e6 * scale, capacity, redundancy)
        found = solve(*arrays, gap=0.001)
        certify(*arrays, np.flatnonzero(found.chosen), found.price, found.value, found.bound)
        assert 0 < found.gap <= 0.001


@pytest.mark.parametrize("gap", [-0.1, 1.0, float("nan")])
def test_solve__gap_that_is_none__is_refused(gap: float) -> None:
    with pytest.raises(BadInput, match="gap"):
        solve([0], [0], [1], [1], [1], gap=gap)


def test_solve__every_order_of_the_edges__is_worth_the_same() -> None:
    arrays: Any = (
        np.array([0, 1, 0, 1]),
        np.array([0, 0, 1, 1]),
        np.array([9, 5, 8, 1]),
        np.array([1, 1]),
        np.array([1, 1]),
    )
    for order in itertools.permutations(range(4)):
        mixed = [column[list(order)] for column in arrays[:3]]
        found = solve(*mixed, *arrays[3:], gap=0.001)
        assert found.value == 13
        assert sorted(zip(mixed[0][found.chosen], mixed[1][found.chosen], strict=True)) == [(0, 1), (1, 0)]
