"""Markets in parts: bit for bit what the undivided solver says, by whoever solves them."""

import numpy as np
import pytest

from oracle.matching import auction, parts
from oracle.matching.certify import certify
from oracle.matching.market import Solution, check
from oracle.matching.parts import cut, solve_apart
from oracle.matching.solve import solve
from tests.matching.markets import crowd, islands
from tests.support.elsewhere import Elsewhere

GAPS = (1e-5, 1e-3, 1e-2, 0.1)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "EACH", 100)


def same(one: Solution, other: Solution) -> bool:
    bits = all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("chosen", "price", "short"))
    return bits and (one.value, one.bound) == (other.value, other.bound)


@pytest.mark.parametrize("seed", range(24))
def test_solve_apart__with_a_gap__is_the_undivided_auction(seed: int) -> None:
    arrays = islands(2 + seed % 4, capacity=1 + seed % 7, redundancy=1 + seed % 3, seed=seed)
    if seed % 2:
        arrays = (*arrays[:2], arrays[2] / 7, *arrays[3:])
    gap = GAPS[seed % 4]
    assert same(solve_apart(*arrays, gap=gap, compute=Elsewhere(2)), solve(*arrays, gap=gap))


def test_islands__in_parts__go_every_way_of_the_auction() -> None:
    steps = set()
    for seed in range(24):
        compute = Elsewhere(2)
        arrays = islands(2 + seed % 4, capacity=1 + seed % 7, redundancy=1 + seed % 3, seed=seed)
        solve_apart(*arrays, gap=GAPS[seed % 4], compute=compute)
        steps |= set(compute.asked)
    assert steps == {"_top", "_begun", "_scaled", "_again", "_relaxed"}


def test_solve_apart__bids_of_all_parts_together_are_a_war__is_fought_undivided(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(auction, "WAR", 1)  # 480 bids, which no part makes by itself
    worker, task, value, capacity, redundancy = islands(4, capacity=1, redundancy=3)
    capacity[30:] = 40  # three islands have places for all, the first has far too few
    arrays, compute = (worker, task, value, capacity, redundancy), Elsewhere(2)
    assert same(solve_apart(*arrays, gap=1e-5, compute=compute), solve(*arrays, gap=1e-5))
    assert compute.asked == ["_top", "_begun"]


def test_solve_apart__without_a_gap__is_an_optimum_and_the_same_by_anyone() -> None:
    arrays = islands(4, capacity=5, redundancy=3)
    here, there = solve_apart(*arrays), solve_apart(*arrays, compute=Elsewhere(3))
    assert same(here, there)
    assert here.value == solve(*arrays).value
    assert here.bound - here.value < 1
    certify(*arrays, np.flatnonzero(here.chosen), here.price, here.value, here.bound)


def test_solve_apart__one_component__is_solved_here() -> None:
    arrays, compute = crowd(40, 30, 8, 5, 3), Elsewhere(2)
    for gap in (0.0, 0.01):
        assert same(solve_apart(*arrays, gap=gap, compute=compute), solve(*arrays, gap=gap))
    assert compute.asked == []


def test_cut__every_edge_once__and_nobody_in_two_parts() -> None:
    market = check(*islands(5, capacity=3, redundancy=2))
    found = cut(market)
    assert len(found) == 5
    assert np.array_equal(np.sort(np.concatenate([part.edges for part in found])), np.arange(len(market.worker)))
    people = np.concatenate([part.workers for part in found])
    assert len(np.unique(people)) == len(people)
    for part in found:
        assert np.array_equal(part.workers[part.market.worker], market.worker[part.edges])
        assert np.array_equal(part.market.value, market.value[part.edges])
