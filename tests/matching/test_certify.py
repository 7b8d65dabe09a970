"""The checker: right about what holds, and every planted fault is refused."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from oracle.bench.match import checker
from oracle.matching import certify as module
from oracle.matching.certify import certify
from oracle.protocol.errors import Refused
from tests.matching.markets import Arrays, markets, optimum


@settings(deadline=None, max_examples=100)
@given(markets())
def test_certify__any_prices__bound_every_assignment(arrays: Arrays) -> None:
    luck = np.random.default_rng(0)
    for _ in range(5):
        price = luck.integers(0, 1000, len(arrays[3])) * luck.integers(0, 2, len(arrays[3]))
        value, bound = certify(*arrays, np.zeros(0, np.int64), price.astype(np.float64))
        assert value == 0
        assert bound >= optimum(arrays)


def test_certify__small_market__is_the_sum_by_hand() -> None:
    arrays = [np.array(a) for a in ([0, 1, 0, 1], [0, 0, 1, 1], [9, 5, 8, 1], [1, 1], [1, 1])]
    # prices 4 and 0: 1 * 4 + max(9 - 4, 5) + max(8 - 4, 1)
    assert certify(*arrays, np.array([1, 2]), np.array([4.0, 0.0])) == (13.0, 13.0)


def test_certify__mutations__are_refused_every_one() -> None:
    """`bench match` makes a thousand."""
    assert checker(300) == {"mutations": 300, "refused": 300}


@pytest.mark.parametrize(
    ("taken", "price", "code"),
    [
        ([0, 0], [4.0, 0.0], "edge"),
        ([7], [4.0, 0.0], "edge"),
        ([-1], [4.0, 0.0], "edge"),
        ([0, 2], [4.0, 0.0], "capacity"),
        ([0, 1], [4.0, 0.0], "redundancy"),
        ([1, 2], [4.0, -1.0], "price"),
        ([1, 2], [4.0, float("nan")], "price"),
        ([1, 2], [4.0], "price"),
        ([1], [4.0, 0.0], "value"),
        ([1, 2], [9.0, 0.0], "bound"),
    ],
)
def test_certify__fault__is_named(taken: list[int], price: list[float], code: str) -> None:
    arrays = [np.array(a) for a in ([0, 1, 0, 1], [0, 0, 1, 1], [9, 5, 8, 1], [1, 1], [1, 1])]
    with pytest.raises(Refused) as caught:
        certify(*arrays, np.array(taken), np.array(price), 13.0, 13.0)
    assert caught.value.code == code


def test_certify__its_file__is_short_enough_to_read() -> None:
    assert len(Path(module.__file__).read_text().splitlines()) <= 40
