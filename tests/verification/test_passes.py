"""Every compiled pass beside the same thing said plainly, an answer at a time."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import digamma, logsumexp

from oracle.bench.truth_speed import made
from oracle.verification import passes
from oracle.verification.layout import first, lay_out

TASKS, PAIRS, CLASSES = passes.BLOCK + 6, 5, 3  # tasks: a block and a part of one


def answers(seed: int) -> tuple[NDArray[np.int32], NDArray[np.int32], list[list[int]]]:
    """Pairs by task, where each task begins, and the same as lists; some tasks have none."""
    rng = np.random.default_rng(seed)
    lists = [rng.integers(0, PAIRS, rng.integers(0, 5)).tolist() for _ in range(TASKS)]
    start = np.cumsum([0, *map(len, lists)])
    return np.array([pair for pairs in lists for pair in pairs], np.int32), start.astype(np.int32), lists


def naive_pass(
    lists: list[list[int]], rows: Any, prior: Any, known: list[int], before: Any, kinds: int
) -> tuple[Any, Any, Any, float, Any]:
    table, counts, seen = np.zeros_like(before), np.zeros_like(rows), np.zeros(rows.shape[1])
    evidence, moved = np.zeros(len(lists)), 0.0
    for t, pairs in enumerate(lists):
        score = prior + sum((rows[pair] for pair in pairs), np.zeros_like(prior))
        for c in range(len(score)):
            if known[t] not in (-1, c // kinds):
                score[c] = -math.inf
        evidence[t] = logsumexp(score)
        table[t] = np.exp(score - evidence[t])
        for pair in pairs:
            counts[pair] += table[t]
        seen += table[t] * bool(pairs)
        moved += np.abs((table[t] - before[t]).reshape(-1, kinds).sum(1)).sum()
    return table, counts, seen, moved, evidence


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.sampled_from([1, 2]), st.booleans(), st.sampled_from([np.float32, np.float64]))
def test_expected__any_crowd__equals_the_naive_pass(seed: int, kinds: int, told: bool, dtype: type) -> None:
    rng = np.random.default_rng(seed)
    pair, start, lists = answers(seed)
    width = CLASSES * kinds
    rows, prior = rng.normal(0, 2, (PAIRS, width)).astype(dtype), rng.normal(0, 1, width).astype(dtype)
    before = rng.dirichlet(np.ones(width), TASKS).astype(dtype)
    known = rng.integers(-1, CLASSES, TASKS).astype(np.int32) if told else np.full(TASKS, -1, np.int32)
    table, counts, seen, moved, evidence = naive_pass(lists, rows, prior, known.tolist(), before, kinds)
    both = np.concatenate((rows, np.zeros_like(rows)), 1)
    found, gathered, logs = before.copy(), np.zeros(width), np.zeros(TASKS)
    change = passes.expected(pair, start, both, prior, CLASSES, known, found, gathered, logs)
    close = {"rtol": 1e-5, "atol": 1e-5} if dtype is np.float32 else {"atol": 1e-12}  # sums of single precision
    np.testing.assert_allclose(found, table, **close)
    np.testing.assert_allclose(both[:, width:], counts, **close)
    np.testing.assert_allclose(gathered, seen, **close)
    np.testing.assert_allclose(logs, evidence, **close)
    assert change == pytest.approx(moved, rel=1e-6 if dtype is np.float32 else 1e-12)
    again, sums = np.concatenate((rows, np.zeros_like(rows)), 1), np.zeros(width)
    passes.expected(pair, start, again, prior, CLASSES, known, found[:0], sums, np.empty(0))
    np.testing.assert_array_equal(again, both)  # the table is not wanted: all else is the same to the bit
    np.testing.assert_array_equal(sums, gathered)


@pytest.mark.parametrize("seed", range(5))
def test_gathered_and_scattered__any_crowd__are_the_sums_of_rows(seed: int) -> None:
    pair, start, lists = answers(seed)
    rng = np.random.default_rng(seed)
    rows, table = rng.random((PAIRS, 2)), rng.random((TASKS, 2))
    by_task, by_pair = np.zeros_like(table), np.zeros_like(rows)
    for t, pairs in enumerate(lists):
        for r in pairs:
            by_task[t] += rows[r]
            by_pair[r] += table[t]
    np.testing.assert_allclose(passes.gathered(pair, start, rows, np.zeros_like(table)), by_task)
    np.testing.assert_allclose(passes.scattered(pair, start, table, np.zeros_like(rows)), by_pair)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 4), max_size=20))
def test_sorted_by__any_keys__is_a_stable_sort(keys: list[int]) -> None:
    key, order = np.array(keys, np.int32), np.arange(len(keys), dtype=np.int32)[::-1].copy()
    found, start = passes.sorted_by(key, order, 5)
    assert found.tolist() == sorted(order.tolist(), key=lambda n: keys[n])
    assert start.tolist() == [sum(k < g for k in keys) for g in range(6)]


@pytest.mark.parametrize(("dtype", "close"), [(np.float32, 1e-6), (np.float64, 1e-12)])
def test_psi__numbers_above_zero__is_digamma(dtype: type, close: float) -> None:
    x = np.concatenate((np.logspace(-6, 9, 4000), np.linspace(0.5, 12, 4000))).astype(dtype)
    exact = digamma(x.astype(np.float64))
    assert (np.abs(passes.psi(x) - exact) <= close * (1 + np.abs(exact))).all()


def test_first__large_table__adds_in_the_order_of_the_tasks() -> None:
    """Not in an order that a library's threads choose, whose number differs among machines."""
    crowd = made(1 << 20)
    tasks, classes = len(crowd.tasks) + 1, len(crowd.classes)  # the last task has no answer
    layout = lay_out(crowd.task, crowd.worker, crowd.label, tasks, len(crowd.workers), classes)
    table = np.random.default_rng(0).random((tasks, classes), np.float32)
    wanted = np.cumsum(table[:-1].astype(np.float64), 0)[-1]
    assert np.array_equal(first(layout, table).seen, wanted.astype(np.float32))
    assert np.array_equal(passes.summed(layout.task_start, table), wanted)
