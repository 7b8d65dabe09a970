"""Sums over groups on a device: as long as they like, in bags."""

from itertools import pairwise

import numpy as np
import pytest

from oracle.verification.layout import BAG, lay_out, levels
from tests.support.devices import DEVICES


@pytest.mark.parametrize("sizes", [[], [0], [1, 0, 2], [BAG], [BAG + 1, 0, 3], [BAG**2 + 1, 5, BAG**3 + BAG]])
def test_levels__groups_of_any_size__each_row_once_in_bags(sizes: list[int]) -> None:
    start = np.cumsum([0, *sizes]).astype(np.int32)
    sums = np.random.default_rng(0).integers(0, 9, start[-1])
    wanted = [int(sums[low:high].sum()) for low, high in pairwise(start)]
    for level in levels(start):
        assert level.dtype == np.int32
        assert np.diff(level).max(initial=0) <= BAG
        sums = np.array([sums[low:high].sum() for low, high in pairwise(level)], np.int64)
    assert sums.tolist() == wanted


@pytest.mark.parametrize("device", DEVICES)
def test_by__device__the_sums_of_this_processor(device: str) -> None:
    """Workers and labels with thousands of answers, tasks with none."""
    luck = np.random.default_rng(1)
    task, worker, label = (luck.integers(0, most, 30_000) for most in (9_000, 6, 3))
    once = np.unique(np.stack([task, worker]), axis=1, return_index=True)[1]
    given = task[once], worker[once], label[once], 9_001, 6, 3
    here, there = lay_out(*given), lay_out(*given, device=device)
    for name, rows in (("by_pair", 9_001), ("by_task", 18), ("by_worker", 18), ("by_label", 18)):
        table = luck.normal(size=(rows, 2))
        wanted, found = getattr(here, name)(table), getattr(there, name)(there.put(table))
        np.testing.assert_allclose(found.cpu().numpy(), wanted, atol=1e-9)
