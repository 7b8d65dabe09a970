"""Who bound an assignment: what is remembered is what was verified."""

import pytest

from oracle.protocol.hashing import keccak
from oracle.protocol.keys import address_of, sign
from oracle.services import binders
from oracle.services.binders import Binders
from tests.support.epochs import person

MEMBER, OTHER = person("member 0"), person("nobody")
DIGEST = keccak(b"an offer")


@pytest.fixture
def known() -> Binders:
    return Binders([address_of(MEMBER), address_of(person("member 1"))])


def test_bound__signed_by_a_member__is_true_again_and_again(known: Binders) -> None:
    assert known.bound(DIGEST, sign(MEMBER, DIGEST))
    assert known.bound(DIGEST, sign(MEMBER, DIGEST))


@pytest.mark.parametrize("signature", [sign(OTHER, DIGEST), bytes(65), b"", sign(MEMBER, DIGEST)[:64] + b"\x1d"])
def test_bound__no_signature_of_a_member__is_false_and_not_remembered(known: Binders, signature: bytes) -> None:
    assert not known.bound(DIGEST, signature)
    assert not known.bound(DIGEST, signature)


def test_bound__a_remembered_signature_with_any_byte_changed__is_false(known: Binders) -> None:
    signature = sign(MEMBER, DIGEST)
    known.remember(DIGEST, signature)
    for at in range(65):
        assert not known.bound(DIGEST, signature[:at] + bytes([signature[at] ^ 1]) + signature[at + 1 :])
    for at in range(32):
        assert not known.bound(DIGEST[:at] + bytes([DIGEST[at] ^ 1]) + DIGEST[at + 1 :], signature)


def test_remember__more_than_are_kept__forgets_the_oldest(known: Binders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binders, "KEPT", 3)
    digests = [keccak(bytes([i])) for i in range(5)]
    for digest in digests:
        known.remember(digest, sign(MEMBER, digest))
    assert [digest for digest, _ in known._known] == digests[2:]
    assert known.bound(digests[0], sign(MEMBER, digests[0]))  # recovered again
