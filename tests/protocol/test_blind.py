"""Blind signatures: they are the signer's own BLS signatures, and no hostile point is signed."""

import sys
from importlib import import_module
from typing import Any

import pytest

from oracle.protocol import blind
from oracle.protocol.errors import BadInput

bls = blind._bls()  # loads py_ecc, and leaves the limit of recursion to the other tests
curve: Any = import_module("py_ecc.optimized_bls12_381")
KEY, ABOUT, MESSAGE = b"k" * 32, b"job 1, band 2", b"a wallet"


def of(point: Any) -> bytes:
    return bytes(bls.write(point))


def test_unblind__what_the_signer_signed_blind__is_its_own_signature_of_the_message() -> None:
    secret = blind.secret_of(KEY, ABOUT)
    blinded, factor = blind.blind(MESSAGE)
    signature = blind.unblind(blind.sign(secret, blinded), factor)
    assert signature == bytes(bls.scheme.Sign(secret, MESSAGE))
    public = blind.public_of(secret)
    assert blind.verify(public, MESSAGE, signature)
    assert not blind.verify(public, b"another", signature)
    assert not blind.verify(blind.public_of(blind.secret_of(KEY, b"job 2")), MESSAGE, signature)
    assert not blind.verify(public, MESSAGE, blinded)
    assert not blind.verify(public, MESSAGE, signature[:-1])
    assert not blind.verify(public[:-1], MESSAGE, signature)
    assert not blind.verify(bytes(48), MESSAGE, signature)


def test_blind__the_same_message_twice__gives_points_that_share_nothing() -> None:
    (one, _), (two, _) = blind.blind(MESSAGE), blind.blind(MESSAGE)
    assert one != two


def outside() -> bytes:
    """A point of the curve whose order is not the group's: most are."""
    x = curve.FQ2([1, 0])
    while True:
        square = x * x * x + curve.b2
        root = square ** ((curve.field_modulus**2 + 7) // 16)
        for factor in (curve.FQ2([1, 0]), curve.FQ2([0, 1])):
            for y in (root * factor, root * factor * curve.FQ2([1, 1])):
                if y * y == square:
                    point = (x, y, curve.FQ2.one())
                    assert curve.is_on_curve(point, curve.b2)
                    return of(point)
        x += curve.FQ2([1, 0])


def test_sign__a_point_outside_the_group__is_refused() -> None:
    with pytest.raises(BadInput, match="outside the group"):
        blind.sign(blind.secret_of(KEY, ABOUT), outside())


def test_sign__a_good_point_beside_one_of_small_order__is_refused() -> None:
    good = bls.read(blind.blind(MESSAGE)[0])
    bad = bls.read(outside())
    with pytest.raises(BadInput, match="outside the group"):
        blind.sign(blind.secret_of(KEY, ABOUT), of(curve.add(good, bad)))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(bytes(96), id="zeros"),
        pytest.param(b"\xc0" + bytes(95), id="infinity"),
        pytest.param(b"\xff" * 96, id="ones"),
        pytest.param(b"\x80" + bytes(95), id="x = 0"),
        pytest.param(blind.blind(MESSAGE)[0] + b"\0", id="a byte too many"),
        pytest.param(blind.blind(MESSAGE)[0][:-1], id="a byte too few"),
    ],
)
def test_sign__what_is_no_point__is_refused(data: bytes) -> None:
    with pytest.raises(BadInput):
        blind.sign(blind.secret_of(KEY, ABOUT), data)


def test_unblind__a_negated_point__is_no_signature() -> None:
    secret = blind.secret_of(KEY, ABOUT)
    blinded, factor = blind.blind(MESSAGE)
    turned = of(curve.neg(bls.read(blind.sign(secret, blinded))))
    assert not blind.verify(blind.public_of(secret), MESSAGE, blind.unblind(turned, factor))


def test_load__py_ecc__leaves_the_limit_of_recursion(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = sys.getrecursionlimit()
    for name in [name for name in sys.modules if name.split(".")[0] == "py_ecc"]:
        monkeypatch.delitem(sys.modules, name)
    blind._bls.cache_clear()
    blind._bls()
    assert sys.getrecursionlimit() == limit
    blind._bls.cache_clear()  # the others go on with what was loaded first
