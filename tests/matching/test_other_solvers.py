"""Square markets by `lap`, further constraints by HiGHS, components in processes: each against the plain optimum."""

import numpy as np
import pytest
from hypothesis import given, settings

from oracle.matching import dense
from oracle.matching.certify import certify
from oracle.matching.market import check
from oracle.matching.programme import Limit, optimum
from oracle.matching.solve import solve
from tests.matching.markets import Arrays, markets


def square(size: int, low: int = 0) -> Arrays:
    luck = np.random.default_rng(size)
    worker, task = (a.ravel() for a in np.meshgrid(np.arange(size), np.arange(size)))
    mixed = luck.permutation(size * size)
    value = luck.integers(low, 10**6, size * size)
    return worker[mixed], task[mixed], value, np.ones(size, np.int64), np.ones(size, np.int64)


@pytest.mark.parametrize("low", [0, -(10**6), -(10**8)])
def test_solve__dense_square__is_the_optimum_by_lap(low: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("lap")
    arrays = square(80, low)
    assert dense.square(check(*arrays))
    found, best = solve(*arrays), optimum(check(*arrays))
    assert found.value == best.value
    value, bound = certify(*arrays, np.flatnonzero(found.chosen), found.price)
    assert bound - value <= 1e-8 * bound
    monkeypatch.setattr(dense, "jonker_volgenant", lambda _: None)
    assert solve(*arrays).value == best.value


def test_square__anything_missing_or_wanted_twice__is_not() -> None:
    worker, task, value, capacity, redundancy = square(70)
    assert not dense.square(check(worker[1:], task[1:], value[1:], capacity, redundancy))
    assert not dense.square(check(worker, task, value, 2 * capacity, redundancy))
    assert not dense.square(check(worker, task, value, capacity, 2 * redundancy))


@settings(deadline=None, max_examples=30)
@given(markets(most=3))
def test_solve__conflict_and_budget__are_kept_at_the_best_value(arrays: Arrays) -> None:
    worker, task, value, capacity, redundancy = arrays
    count = len(value)
    cost = np.arange(1, count + 1, dtype=np.float64)
    extra = [Limit(np.arange(count), cost, 4.0), Limit(np.array([0, count - 1]), np.ones(2), 1.0)]
    found, best = solve(*arrays, extra=extra), 0
    for picks in range(1 << count):
        taken = np.array([picks >> e & 1 for e in range(count)], bool)
        kept = (
            (np.bincount(worker[taken], minlength=len(capacity)) <= capacity).all()
            and (np.bincount(task[taken], minlength=len(redundancy)) <= redundancy).all()
            and cost[taken].sum() <= 4
            and (count == 1 or not (taken[0] and taken[-1]))
        )
        best = max(best, int(value[taken].sum()) if kept else 0)
    if count > 1:  # with one edge the conflict names it twice
        assert found.value == best
        assert found.bound >= best - 1e-6 * abs(best)
        assert cost[found.chosen].sum() <= 4
