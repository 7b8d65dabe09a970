"""Signatures: what is accepted is what OpenZeppelin's ECDSA accepts, and there is one for a message and a key."""

from contextlib import suppress

import pytest
from coincurve import PrivateKey
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from oracle.protocol.keys import HALF_ORDER, BadSignature, address_of, recover, require_signer, sign
from tests.support.epochs import fill, person

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
KEY, DIGEST = person("worker"), fill("digest")
GOOD = sign(KEY, DIGEST)
R, S, PARITY = int.from_bytes(GOOD[:32], "big"), int.from_bytes(GOOD[32:64], "big"), GOOD[64]


def packed(r: int, s: int, v: int) -> bytes:
    return r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([v])


@given(st.integers(1, ORDER - 1), st.binary(min_size=32, max_size=32))
def test_sign__any_key_and_digest__is_eth_accounts_signature_and_recovers(secret: int, digest: bytes) -> None:
    key = PrivateKey(secret.to_bytes(32, "big"))
    theirs = Account.unsafe_sign_hash(digest, key.secret)
    assert sign(key, digest) == bytes(theirs.signature)
    assert recover(digest, sign(key, digest)) == address_of(key)
    assert "0x" + address_of(key).hex() == Account.from_key(key.secret).address.lower()


def test_half_order__the_constant__is_half_the_order_of_the_curve() -> None:
    assert HALF_ORDER == ORDER // 2


def test_recover__malleated_to_the_upper_half__is_refused() -> None:
    twin = packed(R, ORDER - S, 27 + 28 - PARITY)
    assert recover(DIGEST, GOOD) == address_of(KEY)
    with pytest.raises(BadSignature, match="upper half"):
        recover(DIGEST, twin)


def test_recover__malleated_without_the_rule__would_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oracle.protocol.keys.HALF_ORDER", ORDER)
    assert recover(DIGEST, packed(R, ORDER - S, 27 + 28 - PARITY)) == address_of(KEY)


@pytest.mark.parametrize("v", [0, 1, 2, 26, 29, 30, 35, 36, 255])
def test_recover__v_in_another_notation__is_refused(v: int) -> None:
    with pytest.raises(BadSignature, match="27 or 28"):
        recover(DIGEST, GOOD[:64] + bytes([v]))


def test_recover__the_other_v__is_another_signer() -> None:
    other = packed(R, S, 27 + 28 - PARITY)
    with suppress(BadSignature):
        assert recover(DIGEST, other) != address_of(KEY)


@pytest.mark.parametrize(
    ("r", "s"),
    [(0, S), (R, 0), (0, 0), (ORDER, S), (2**256 - 1, S), (R, ORDER), (R, 2**256 - 1), (5, S)],
    ids=["r=0", "s=0", "both 0", "r=n", "r=max", "s=n", "s=max", "r off the curve"],
)
def test_recover__r_or_s_out_of_range__is_refused(r: int, s: int) -> None:
    with pytest.raises(BadSignature):
        recover(DIGEST, packed(r, s, 27))


@pytest.mark.parametrize("length", [0, 1, 63, 64, 66, 130])
def test_recover__another_length__is_refused(length: int) -> None:
    with pytest.raises(BadSignature):
        recover(DIGEST, (GOOD * 2)[:length])


@given(st.binary(max_size=80) | st.binary(min_size=64, max_size=64).map(lambda b: b + b"\x1b"))
def test_recover__garbage__is_refused_or_somebody_elses(signature: bytes) -> None:
    try:
        assert recover(DIGEST, signature) != address_of(KEY) or signature == GOOD
    except BadSignature as refusal:
        assert refusal.code == "bad-signature"


@given(st.integers(0, 64 * 8 - 1))
def test_recover__any_bit_of_r_or_s_flipped__is_not_the_signer(bit: int) -> None:
    flipped = (int.from_bytes(GOOD[:64], "big") ^ 1 << bit).to_bytes(64, "big") + GOOD[64:]
    with suppress(BadSignature):
        assert recover(DIGEST, flipped) != address_of(KEY)


def test_require_signer__somebody_elses_signature__names_what_and_both() -> None:
    require_signer(address_of(KEY), DIGEST, GOOD, "the answer")
    stranger = Account.from_key(person("stranger").secret).address
    with pytest.raises(BadSignature, match="the answer is signed by") as refusal:
        require_signer(address_of(KEY), DIGEST, sign(person("stranger"), DIGEST), "the answer")
    assert stranger in str(refusal.value)
