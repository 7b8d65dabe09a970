"""Sealed answers: who can open them, and that nobody can answer with another's commitment (threat 3)."""

from random import Random

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.protocol import sealing
from oracle.protocol.hashing import keccak, tagged
from oracle.protocol.sealing import HASH, MAX_PAYLOAD, OVERHEAD, THRESHOLD, commitment, envelope_size, seal, unseal
from oracle.protocol.sharing import SHARE
from tests.support.epochs import fill

KEYS = [X25519PrivateKey.from_private_bytes(fill(f"seal key {i}")) for i in range(4)]
PUBLIC = [key.public_key().public_bytes_raw() for key in KEYS]
SALT, PAYLOAD = fill("salt"), b"\x02"
BOUND = commitment(1, 4, 7, PAYLOAD, SALT)
ENVELOPE = seal(PUBLIC, BOUND, PAYLOAD, SALT)
PART = (len(ENVELOPE) - 1) // 4


def opened(position: int, envelope: bytes = ENVELOPE, bound: bytes = BOUND) -> tuple[bytes, bytes] | None:
    return unseal(KEYS[position], position, 4, bound, envelope)


@pytest.mark.parametrize("position", range(4))
def test_unseal__each_member__opens_its_own_part(position: int) -> None:
    assert opened(position) == (PAYLOAD, SALT)


@pytest.mark.parametrize("members", [1, 4, 7, 31])
@pytest.mark.parametrize("payload", [b"", b"\x00", bytes(100)])
def test_seal__any_committee_and_payload__has_the_stated_size_and_opens(members: int, payload: bytes) -> None:
    keys = [X25519PrivateKey.from_private_bytes(fill(f"key {i}")) for i in range(members)]
    envelope = seal([key.public_key().public_bytes_raw() for key in keys], BOUND, payload, SALT)
    assert len(envelope) == envelope_size(members, len(payload))
    assert unseal(keys[-1], members - 1, members, BOUND, envelope) == (payload, SALT)


def test_seal__the_largest_payload__opens_and_one_byte_more_is_refused() -> None:
    envelope = seal(PUBLIC[:1], BOUND, bytes(MAX_PAYLOAD), SALT)
    assert unseal(KEYS[0], 0, 1, BOUND, envelope) == (bytes(MAX_PAYLOAD), SALT)
    with pytest.raises(ValueError, match="16385"):
        seal(PUBLIC[:1], BOUND, bytes(MAX_PAYLOAD + 1), SALT)


def test_seal__twice_the_same__looks_different() -> None:
    assert seal(PUBLIC, BOUND, PAYLOAD, SALT) != ENVELOPE


def test_unseal__another_members_key_or_place__gives_nothing() -> None:
    pairs = [(key, place) for key in range(4) for place in range(5) if key != place]
    assert [unseal(KEYS[key], place, 4, BOUND, ENVELOPE) for key, place in pairs] == [None] * 16


@pytest.mark.parametrize("members", [1, 2, 3, 5, 8])
def test_unseal__a_committee_of_another_size__gives_nothing(members: int) -> None:
    assert all(unseal(KEYS[p % 4], p, members, BOUND, ENVELOPE) is None for p in range(members))


@pytest.mark.parametrize(
    "envelope", [b"", b"\x01", ENVELOPE[:-1], ENVELOPE + b"\0", b"\x02" + ENVELOPE[1:], bytes(325)]
)
def test_unseal__not_an_envelope__gives_nothing(envelope: bytes) -> None:
    assert opened(0, envelope) is None
    assert unseal(KEYS[0], 0, 1, BOUND, envelope) is None


def test_unseal__a_byte_changed_at_every_position__spoils_exactly_its_part() -> None:
    for at in range(len(ENVELOPE)):
        torn = ENVELOPE[:at] + bytes([ENVELOPE[at] ^ 0x80]) + ENVELOPE[at + 1 :]
        hit = range(4) if at == 0 else [(at - 1) // PART]
        for position in range(4):
            found = opened(position, torn)
            # the top bit of an X25519 point is ignored by RFC 7748, but HPKE binds the bytes of the point
            assert found == (None if position in hit else (PAYLOAD, SALT)), (at, position)


@settings(max_examples=60)
@given(st.binary(max_size=400))
def test_unseal__garbage__gives_nothing(envelope: bytes) -> None:
    assert opened(1, envelope) is None
    assert opened(1, b"\x01" + envelope.ljust(4 * PART, b"\0")[: 4 * PART]) is None


def test_unseal__a_point_of_small_order__gives_nothing() -> None:
    for point in (bytes(32), b"\x01" + bytes(31)):
        assert opened(0, b"\x01" + (point + bytes(PART - 32)) * 4) is None


def test_unseal__the_envelope_under_another_commitment__gives_nothing() -> None:
    assert opened(0, bound=commitment(1, 4, 8, PAYLOAD, SALT)) is None


@pytest.mark.parametrize("other", [(2, 4, 7), (1, 5, 7), (1, 4, 8)])
def test_commitment__another_job_task_or_worker__differs(other: tuple[int, int, int]) -> None:
    assert commitment(*other, PAYLOAD, SALT) != BOUND
    assert commitment(1, 4, 7, b"\x01", SALT) != BOUND != commitment(1, 4, 7, PAYLOAD, fill("other salt"))


def steal(position: int = 0) -> bool:
    """Worker 8 copies worker 7's sealed answer whole; whether its opening then counts as worker 8's (threat 3)."""
    bound = sealing.commitment(1, 4, 7, PAYLOAD, SALT)
    copied = seal(PUBLIC, bound, PAYLOAD, SALT)
    found = unseal(KEYS[position], position, 4, bound, copied)
    assert found is not None  # the member can open it: only the commitment stands between
    return sealing.commitment(1, 4, 8, *found) == bound


def test_commitment__anothers_answer_copied__does_not_fit_the_copier() -> None:
    assert not steal()


def test_commitment__anothers_answer_copied_without_the_worker_bound__would_fit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unbound(job: int, task: int, _: int, payload: bytes, salt: bytes) -> bytes:
        return tagged("commitment", job, task, keccak(payload), salt)

    monkeypatch.setattr(sealing, "commitment", unbound)
    assert steal()


# ------------------------------------------------------------------------------------------------------- a split key


def split_for(members: int, payload: bytes = PAYLOAD) -> tuple[bytes, dict[int, bytes]]:
    """(envelope, each member's share)."""
    keys = [X25519PrivateKey.from_private_bytes(fill(f"key {i}")) for i in range(members)]
    envelope = seal([key.public_key().public_bytes_raw() for key in keys], BOUND, payload, SALT, THRESHOLD)
    found = {at: sealing.share(key, at, members, BOUND, envelope) for at, key in enumerate(keys)}
    return envelope, {at: share for at, share in found.items() if share}


@pytest.mark.parametrize(("members", "need"), [(1, 1), (4, 2), (7, 3), (13, 5), (31, 11)])
def test_joined__any_f_and_one_shares__open_and_fewer_do_not(members: int, need: int) -> None:
    envelope, shares = split_for(members)
    assert len(shares) == members
    assert len(envelope) == envelope_size(members, 1, THRESHOLD)
    draw = Random(members)
    for _ in range(20):
        some = draw.sample(sorted(shares), need)
        assert sealing.joined({at: shares[at] for at in some}, members, BOUND, envelope) == (PAYLOAD, SALT)
        fewer = {at: shares[at] for at in some[1:]}
        assert sealing.joined(fewer, members, BOUND, envelope) is None
        assert sealing.join(fewer | {some[0]: bytes(66)}) != sealing.join({at: shares[at] for at in some})


@pytest.mark.parametrize("payload", [b"", bytes(100), bytes(MAX_PAYLOAD)])
def test_seal__a_split_key_around_any_payload__has_the_stated_size_and_opens(payload: bytes) -> None:
    envelope, shares = split_for(4, payload)
    assert len(envelope) == envelope_size(4, len(payload), THRESHOLD)
    assert sealing.joined(shares, 4, BOUND, envelope) == (payload, SALT)


def test_share__another_member_place_size_or_commitment__gives_nothing() -> None:
    envelope = seal(PUBLIC, BOUND, PAYLOAD, SALT, THRESHOLD)
    other = commitment(1, 4, 8, PAYLOAD, SALT)
    assert all(
        sealing.share(KEYS[key], at, 4, BOUND, envelope) is None for key in range(4) for at in range(5) if key != at
    )
    assert [sealing.share(KEYS[0], 0, size, BOUND, envelope) for size in (1, 3, 5, 31)] == [None] * 4
    assert sealing.share(KEYS[0], 0, 4, other, envelope) is None
    assert unseal(KEYS[0], 0, 4, BOUND, envelope) is None
    assert sealing.share(KEYS[0], 0, 4, BOUND, ENVELOPE) is None


def test_is_share__a_false_one__is_told_from_the_right_one() -> None:
    envelope, shares = split_for(4)
    assert all(sealing.is_share(at, 4, BOUND, envelope, share) for at, share in shares.items())
    assert not any(sealing.is_share(at, 4, BOUND, envelope, shares[0]) for at in (-1, 1, 2, 3, 4))
    assert not sealing.is_share(0, 4, BOUND, envelope, shares[0][:-1] + bytes([shares[0][-1] ^ 1]))


def test_share__a_byte_changed_at_every_position__spoils_one_share_or_what_they_open() -> None:
    envelope = seal(PUBLIC, BOUND, PAYLOAD, SALT, THRESHOLD)
    part = OVERHEAD + SHARE
    for at in range(1, len(envelope)):
        torn = envelope[:at] + bytes([envelope[at] ^ 0x80]) + envelope[at + 1 :]
        found = {key: sealing.share(KEYS[key], key, 4, BOUND, torn) for key in range(4)}
        shares = {key: share for key, share in found.items() if share}
        hit = (at - 1) // HASH if at <= 4 * HASH else (at - 1 - 4 * HASH) // part
        assert set(shares) == set(range(4)) - {hit}, at
        assert (sealing.joined(shares, 4, BOUND, torn) == (PAYLOAD, SALT)) == (hit < 4), at


@settings(max_examples=60)
@given(st.binary(max_size=800))
def test_share__garbage__gives_nothing(envelope: bytes) -> None:
    for given_ in (envelope, b"\x02" + envelope, b"\x02" + envelope.ljust(700, b"\0")):
        assert sealing.share(KEYS[1], 1, 4, BOUND, given_) is None
        assert sealing.joined({0: bytes(66), 1: b"\xff" * 66}, 4, BOUND, given_) is None
