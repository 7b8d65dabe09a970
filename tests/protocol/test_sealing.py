"""Sealed answers: who can open them, and that nobody can answer with another's commitment (threat 3)."""

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.protocol import sealing
from oracle.protocol.hashing import keccak, tagged
from oracle.protocol.sealing import MAX_PAYLOAD, commitment, envelope_size, seal, unseal
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
