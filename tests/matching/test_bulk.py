"""The auction's bulk on a device: what it promises, on torch's own CPU and on a GPU where there is one."""

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from oracle.matching import auction as one_by_one
from oracle.matching import bulk, kernels
from oracle.matching.certify import certify
from oracle.matching.market import check
from oracle.matching.solve import solve
from tests.matching.markets import Arrays, crowd, islands, markets, optimum
from tests.support.devices import DEVICES

GAP = 1e-3


@pytest.fixture(autouse=True)
def to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """All bids are made on the device."""
    monkeypatch.setattr(bulk, "FEW", 0)


@settings(deadline=None, max_examples=60)
@given(markets(), st.sampled_from([0.3, 0.01, 1e-6]))
def test_auction__any_small_market__keeps_its_promise(arrays: Arrays, gap: float) -> None:
    for device in DEVICES:
        found = bulk.auction(check(*arrays), gap, device)
        value, bound = certify(*arrays, np.flatnonzero(found.chosen), found.price, found.value, found.bound)
        assert value == found.value <= optimum(arrays) <= bound * (1 + 1e-12)
        assert found.gap <= gap


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("few", [0, 20])
@pytest.mark.parametrize("arrays", [crowd(300, 300, 20, 4, 3), islands(6, 5, 2), crowd(60, 400, 100, 2, 12)])
def test_solve__device__within_the_gap_and_the_same_bits_again(
    arrays: Arrays, few: int, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "FEW", few)
    found, again = (solve(*arrays, gap=GAP, device=device) for _ in range(2))
    certify(*arrays, np.flatnonzero(found.chosen), found.price, found.value, found.bound)
    assert found.value <= optimum(arrays)
    assert found.gap <= GAP
    assert np.array_equal(found.chosen, again.chosen)
    assert np.array_equal(found.price, again.price)


@settings(deadline=None, max_examples=60)
@given(markets(), st.integers(1, 1 << 20), st.sampled_from([0, 1, 3]))
@example(crowd(40, 30, 25, 6, 2), 1 << 20, 3)
@example(crowd(40, 30, 25, 6, 2), 1 << 10, 0)
def test_leave__whenever_the_rounds_end__floor_is_one_that_the_loop_could_have_left(
    arrays: Arrays, epsilon: int, few: int
) -> None:
    market = one_by_one.reachable(check(*arrays))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(bulk, "FEW", few)
        floor = one_by_one.bare_floor(market)
        hall = bulk.Hall(market, floor, "cpu:0")
        hall.bid(epsilon, kernels.INFINITE)
        waiting = hall.leave(floor)
        packed = one_by_one.open_floor(market)
    held = _whole(market, floor, packed)
    assert waiting == floor.waiting.sum() <= few
    assert np.array_equal(floor.missing, market.redundancy - np.bincount(held[0], minlength=len(market.redundancy)))
    _content(market, floor, held, epsilon)


def _whole(market: Any, floor: Any, packed: Any) -> tuple[Any, Any]:
    """Rows, fronts and heaps are whole; the tasks and workers of the pairs held."""
    low = np.int64(kernels.HELD)
    held: list[tuple[int, int]] = []
    for i, (begin, end) in enumerate(zip(market.start[:-1], market.start[1:], strict=True)):
        assert sorted(floor.rows[begin:end] & ~low) == sorted(packed.rows[begin:end])
        behind = floor.rows[begin + floor.sizes[i] : end]
        assert not (behind & low).any()
        nets = [(row >> 32) - floor.prices[row >> 2 & kernels.WORKER] for row in behind if not row & kernels.GONE]
        assert floor.theta[i] == max([0, *nets])
        held += [(i, row >> 2 & kernels.WORKER) for row in floor.rows[begin:end] if row & low]
    for j, load in enumerate(floor.load):
        heap = floor.bids[floor.slot[j] : floor.slot[j] + load]
        assert all(heap[(x - 1) // 2] <= heap[x] for x in range(1, load))
        assert floor.prices[j] == (heap[0] >> 32 if load and load == floor.capacity[j] else packed.prices[j])
        places = [(i, j) for i in floor.holder[floor.slot[j] : floor.slot[j] + load]]
        assert [floor.rows[bid & kernels.PLACE] >> 2 & kernels.WORKER for bid in heap] == [j] * load
        assert sorted(places) == sorted(pair for pair in held if pair[1] == j)
    return tuple(np.array(held, np.int64).reshape(-1, 2).T)


def _content(market: Any, floor: Any, held: tuple[Any, Any], epsilon: int) -> None:
    """No task that does not wait gains more than epsilon by another choice."""
    pairs = set(zip(*(end.tolist() for end in held), strict=True))
    for i in np.flatnonzero(~floor.waiting):
        row = floor.rows[market.start[i] : market.start[i + 1]]
        row = row[row & kernels.GONE == 0]
        nets = {int(x >> 2 & kernels.WORKER): int(x >> 32) - int(floor.prices[x >> 2 & kernels.WORKER]) for x in row}
        mine = [net for j, net in nets.items() if (i, j) in pairs]
        best = max([0, *(net for j, net in nets.items() if (i, j) not in pairs)])
        assert all(net >= best - epsilon for net in mine)
        assert best == 0 or floor.missing[i] == 0


@pytest.mark.parametrize("device", DEVICES)
def test_bid__all_values_equal__is_over_in_few_rounds(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal workers are told apart by edge: else all tasks would bid for the same ones."""
    worker, task, value, capacity, redundancy = crowd(400, 300, 300, 5, 3)
    order = np.lexsort((worker, task))
    market, rounds = check(worker[order], task[order], np.full_like(value, 7), capacity, redundancy), []
    hall = bulk.Hall(market, one_by_one.bare_floor(market), device)
    take = hall._take
    monkeypatch.setattr(bulk.Hall, "_take", lambda self, new: rounds.append(len(new.edge)) or take(new))
    hall.bid(1, kernels.INFINITE)
    assert len(rounds) < 40
