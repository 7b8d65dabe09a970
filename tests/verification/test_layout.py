"""Answers sorted both ways, and sums over bags, beside naive references."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from oracle.verification.layout import Bags, layout

TASKS, WORKERS, CLASSES = 5, 4, 3
ANSWER = st.tuples(*(st.integers(0, size - 1) for size in (TASKS, WORKERS, CLASSES)))
ANSWERS = st.lists(ANSWER, max_size=40)


def laid(answers: list[tuple[int, ...]]) -> tuple[list[tuple[int, int]], list[list[int]], list[list[int]]]:
    columns = np.array(answers, np.int32).reshape(-1, 3).T
    found = layout(*map(np.ascontiguousarray, columns), TASKS, CLASSES)
    pairs = list(zip(found.pair_worker.tolist(), found.pair_label.tolist(), strict=True))
    bags = []
    for some in (found.by_task, found.by_pair):
        assert some.start.dtype == some.index.dtype == torch.int32
        start = some.start.tolist()
        bags.append([some.index[a:b].tolist() for a, b in pairwise(start)])
    assert (found.by_task.rows, found.by_pair.rows) == (len(pairs), TASKS)
    return pairs, bags[0], bags[1]


@given(ANSWERS)
def test_layout__any_answers__holds_each_where_it_belongs(answers: list[tuple[int, ...]]) -> None:
    pairs, by_task, by_pair = laid(answers)
    assert pairs == sorted({(w, c) for _, w, c in answers})
    assert by_task == [sorted(pairs.index((w, c)) for u, w, c in answers if u == t) for t in range(TASKS)]
    assert by_pair == [sorted(t for t, w, c in answers if (w, c) == pair) for pair in pairs]


@given(ANSWERS, st.randoms(use_true_random=False))
def test_layout__answers_in_another_order__is_the_same(answers: list[tuple[int, ...]], luck: object) -> None:
    other = list(answers)
    luck.shuffle(other)  # type: ignore[attr-defined]
    assert laid(other) == laid(answers)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@given(st.lists(st.lists(st.integers(0, 6), max_size=6), max_size=9), st.integers(1, 4))
def test_sums__any_bags__equal_the_naive(dtype: torch.dtype, bags: list[list[int]], classes: int) -> None:
    table = torch.from_numpy(np.random.default_rng(0).random((7, classes))).to(dtype)
    start = torch.tensor([0, *np.cumsum([len(bag) for bag in bags])], dtype=torch.int32)
    index = torch.tensor([row for bag in bags for row in bag], dtype=torch.int32)
    found = Bags(start, index, 7).sums(table)
    naive = [[sum(float(table[row, c]) for row in bag) for c in range(classes)] for bag in bags]
    assert found.dtype == dtype
    assert np.allclose(
        found.numpy(), np.reshape(naive, (len(bags), classes)), atol=1e-5 if dtype is torch.float32 else 1e-12
    )
