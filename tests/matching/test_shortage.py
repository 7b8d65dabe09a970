"""Why a task is short of workers, against the most that can be filled at all."""

import numpy as np
import pytest
from hypothesis import given, settings

from oracle.matching.shortage import explain
from oracle.matching.solve import solve
from tests.matching.markets import Arrays, markets, optimum


@settings(deadline=None, max_examples=60)
@given(markets())
def test_explain__any_market__says_crowded_just_where_no_assignment_fills_the_task_too(arrays: Arrays) -> None:
    worker, task, value, capacity, redundancy = arrays
    found = solve(*arrays)
    ones = np.where(value >= 0, 1, -1)
    most = optimum((worker, task, ones, capacity, redundancy))
    for one in explain(*arrays, found):
        assert one.assigned < one.wanted
        fewer = redundancy.copy()
        fewer[one.task] -= (
            1  # does one place less there lower what can be filled? then some fullest assignment fills it
        )
        needed = optimum((worker, task, ones, capacity, fewer)) < most
        able = ((task == one.task) & (value >= 0) & (capacity[worker] > 0)).sum()
        if able < one.wanted:
            assert f"{able} qualified" in one.why
        elif needed:
            assert "loss of value" in one.why
        else:
            assert "all taken" in one.why


def test_explain__places_that_cost_value_elsewhere__are_told_apart() -> None:
    # worker 0 could do task 1, but is worth more on task 0, which worker 1 could do at almost nothing
    arrays = [np.array(a) for a in ([0, 0, 1], [0, 1, 0], [9, 5, 1], [1, 1], [1, 1])]
    (one,) = explain(*arrays, solve(*arrays))
    assert (one.task, one.wanted, one.assigned) == (1, 1, 0)
    assert "loss of value" in one.why


def test_explain__three_tasks_for_two_workers__are_crowded() -> None:
    arrays = [np.array(a) for a in ([0, 1, 0, 1, 0, 1], [0, 0, 1, 1, 2, 2], [9, 8, 7, 6, 5, 4], [1, 1], [1, 1, 1])]
    (one,) = explain(*arrays, solve(*arrays))
    assert "all taken" in one.why


@pytest.mark.parametrize("gap", [0.0, 0.001])
def test_explain__all_filled__is_empty(gap: float) -> None:
    arrays = [np.array(a) for a in ([0, 1], [0, 1], [9, 8], [1, 1], [1, 1])]
    assert explain(*arrays, solve(*arrays, gap=gap)) == []
