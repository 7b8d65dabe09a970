"""Fair assignments: proof with costs, and each rule does what it says."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.matching import fairness as module
from oracle.matching.fairness import Rules, envy, exposure_ratio, fair, gini, owed, parity, spread
from oracle.matching.market import check
from oracle.matching.solve import solve
from oracle.protocol.errors import BadInput
from tests.matching.markets import Arrays, crowd, markets


def best_by_hand(arrays: Arrays, rules: Rules) -> float:
    """The largest value less costs, over all assignments."""
    worker, task, value, capacity, redundancy = arrays
    market = check(*arrays)
    cost, first = module.costs(market, rules), np.cumsum(market.capacity) - market.capacity
    best = 0.0
    for picks in product((False, True), repeat=len(worker)):
        taken = np.flatnonzero(picks)
        load = np.bincount(worker[taken], minlength=len(capacity))
        full = (load > capacity).any() or (np.bincount(task[taken], minlength=len(redundancy)) > redundancy).any()
        if full or (value[taken] < 0).any():
            continue
        paid = sum(cost[first[j] : first[j] + n].sum() for j, n in enumerate(load))
        best = max(best, float(value[taken].sum() - paid))
    return best


@settings(deadline=None, max_examples=40)
@given(markets(most=3, value=10**6), st.integers(0, 2), st.sampled_from([0.0, 1e4, 3e5]), st.integers(0, 99))
def test_fair__any_rules__are_the_best_under_their_costs(
    arrays: Arrays, floor: int, load_cost: float, seed: int
) -> None:
    bonus = np.random.default_rng(seed).normal(0, 1e5, len(arrays[3]))
    rules = Rules(floor, load_cost, bonus)
    found, best = fair(*arrays, rules, gap=1e-5), best_by_hand(arrays, rules)
    assert (np.bincount(arrays[0][found.chosen], minlength=len(arrays[3])) <= arrays[3]).all()
    assert (np.bincount(arrays[1][found.chosen], minlength=len(arrays[4])) <= arrays[4]).all()
    assert found.load.tolist() == np.bincount(arrays[0][found.chosen], minlength=len(arrays[3])).tolist()
    assert found.value == arrays[2][found.chosen].sum()
    assert found.objective <= best * (1 + 1e-9) + 1e-3
    assert best <= found.bound * (1 + 1e-9) + 1e-3
    assert best - found.objective <= 2e-3 * max(best, 1.0)


def test_fair__no_rules__is_the_plain_assignment() -> None:
    arrays = crowd(300, 240, 20, 5, 3)
    found = fair(*arrays, Rules())
    assert found.value == pytest.approx(solve(*arrays, gap=0.0001).value, rel=0.001)
    assert 0 <= found.gap <= 0.002


def test_fair__floor__leaves_nobody_without_work() -> None:
    arrays = crowd(300, 240, 20, 5, 3)
    plain, found = fair(*arrays, Rules()), fair(*arrays, Rules(floor=1))
    assert (plain.load == 0).sum() > 10
    assert (found.load == 0).sum() == 0
    assert 0.9 * plain.value < found.value < plain.value
    assert (fair(*arrays, Rules(floor=2)).load < 2).sum() == 0


def test_spread__gini__is_reached_at_the_least_cost() -> None:
    arrays = crowd(300, 240, 20, 5, 3)
    found, rules = spread(*arrays, 0.11)
    assert gini(found.load) <= 0.11
    cheaper = fair(*arrays, Rules(floor=1, load_cost=0.8 * rules.load_cost))
    assert gini(cheaper.load) > 0.11
    assert found.value < cheaper.value


def test_parity__planted_bias__is_undone() -> None:
    worker, task, value, capacity, redundancy = crowd(600, 480, 20, 5, 3)
    group = np.random.default_rng(0).integers(0, 3, 480)
    biased = np.where(group[worker] == 1, 0.9 * value, np.where(group[worker] == 2, 0.95 * value, value))
    before = solve(worker, task, biased, capacity, redundancy, gap=0.001)
    load = np.bincount(worker[before.chosen], minlength=480)
    found, rules = parity(worker, task, biased, capacity, redundancy, group)
    assert exposure_ratio(load, capacity, group == 1) < 0.9
    for one in range(3):
        assert abs(exposure_ratio(found.load, capacity, group == one) - 1) < 0.05
    assert rules.bonus is not None
    assert found.value > 0.97 * before.value
    assert value[found.chosen].sum() > value[before.chosen].sum()


def test_owed__who_earned_less__is_owed_more() -> None:
    bonus = owed([0, 2, 4], 0.1, 1000.0)
    assert bonus.tolist() == [100.0, 0.0, -100.0]
    assert owed([0, 0], 0.1, 1000.0).tolist() == [0.0, 0.0]


def test_gini__known_amounts__are_known() -> None:
    assert gini([1, 1, 1, 1]) == 0
    assert gini([0, 0, 0, 1]) == pytest.approx(0.75)
    assert gini([]) == gini([0, 0]) == 0


def test_envy__better_and_idle__is_justified() -> None:
    worker, task, value = np.array([0, 1, 1]), np.array([0, 0, 1]), np.array([9, 5, 5])
    chosen = np.array([False, True, True])
    assert envy(worker, task, value, np.array([2, 2]), chosen) == 0.5  # worker 0 would do task 0 better and has nothing
    assert envy(worker, task, value, np.array([0, 2]), chosen) == 0
    assert envy(worker, task, np.array([4, 5, 5]), np.array([2, 2]), chosen) == 0


@pytest.mark.parametrize(
    "rules",
    [Rules(floor=-1), Rules(load_cost=-1.0), Rules(load_cost=float("nan")), Rules(bonus=np.array([np.nan, 0.0]))],
)
def test_fair__rules_that_are_none__are_refused(rules: Any) -> None:
    with pytest.raises(BadInput):
        fair([0, 1], [0, 0], [1, 2], [1, 1], [1], rules)
