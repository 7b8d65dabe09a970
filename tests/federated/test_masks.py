"""Sums without summands: arithmetic, shares, and masks that cancel whoever drops out."""

import numpy as np
import pytest

from oracle.federated import masks
from oracle.protocol.errors import BadInput, Refused
from oracle.protocol.sharing import SHARE, join, split

ID = b"\7" * 32


def test_quantise__any_sign__comes_back() -> None:
    luck = np.random.default_rng(0)
    vectors = luck.normal(scale=100, size=(50, 9))
    total = np.sum([masks.quantise(one) for one in vectors], axis=0, dtype=np.uint64)
    assert np.abs(masks.restore(total) - vectors.sum(0)).max() <= 50 / masks.SCALE


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, masks.MOST, -1e30])
def test_quantise__no_finite_number__names_it(bad: float) -> None:
    with pytest.raises(BadInput, match="number 2 of the update"):
        masks.quantise(np.array([0.0, 1.0, bad]))


def test_join__any_quorum__is_the_secret_and_fewer_are_not() -> None:
    secret = bytes(range(32))
    shares = split(secret, 3, range(5))
    assert join({m: shares[m] for m in (0, 2, 4)}) == secret
    assert join({m: shares[m] for m in (4, 1, 3)}) == secret
    assert join({m: shares[m] for m in (0, 1)}) != secret


def test_find__false_shares__passes_over_them() -> None:
    secret = b"\x55" * 32
    shares = split(secret, 3, range(6))
    shares[0], shares[3] = bytes(SHARE), b"\x01" * SHARE
    assert masks.find(shares, 3, masks.commit(secret), masks.commit) == secret
    del shares[5], shares[4]
    assert masks.find(shares, 3, masks.commit(secret), masks.commit) is None


@pytest.mark.parametrize("lost", [(), (1,), (0, 3)])
def test_unmask__members_lost_after_sharing__is_the_sum_of_the_others(lost: tuple[int, ...]) -> None:
    luck = np.random.default_rng(1)
    keys, own = [luck.bytes(32) for _ in range(5)], [luck.bytes(32) for _ in range(5)]
    known = {m: masks.public(keys[m]) for m in range(5)}
    words = [masks.quantise(luck.normal(size=7)) for _ in range(5)]
    came = {
        m: masks.mask(words[m], own[m], keys[m], m, {o: known[o] for o in known if o != m}, ID)
        for m in range(5)
        if m not in lost
    }
    total = masks.unmask(came, {m: own[m] for m in came}, {m: keys[m] for m in lost}, known, ID)
    assert (total == np.sum([words[m] for m in came], axis=0, dtype=np.uint64)).all()


def test_mask__nobody_else__refuses() -> None:
    with pytest.raises(Refused, match="nobody else"):
        masks.mask(np.zeros(3, np.uint64), b"a" * 32, b"b" * 32, 0, {}, ID)


def test_agreed__a_point_of_low_order__refuses() -> None:
    with pytest.raises(Refused, match="no point"):
        masks.agreed(b"k" * 32, bytes(32), b"mask")


def test_groups__any_seed__are_even_and_whole() -> None:
    found = masks.groups(range(23), 5, b"seed")
    assert sorted(m for group in found for m in group) == list(range(23))
    assert {len(group) for group in found} == {4, 5}
    assert found != masks.groups(range(23), 5, b"other")
