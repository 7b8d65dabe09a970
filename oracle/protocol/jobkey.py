"""The key of a sealed job: who has it reads the job's payloads, and what epochs say of it; everybody else sees hashes.

key, requester, members -> Wrapped in the job's blocks, which the terms commit; a member's key -> the job's key. Each record of an
epoch (a verdict, a weight row) is sealed under a key of its own, drawn from the job's key and the record's leaf: one that is
revealed on chain opens no other. Source: HKDF-SHA256 (RFC 5869), ChaCha20-Poly1305 (RFC 8439), where each key seals one record, so
the nonce is zero; the wrapping is HPKE (RFC 9180), as for answers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from oracle.protocol import sealing
from oracle.protocol.errors import BadInput
from oracle.protocol.hashing import tagged
from oracle.protocol.keys import Address

KEY = 32
PART = sealing.OVERHEAD + KEY  # bytes of what is wrapped for one member
_NONCE = bytes(12)
Keys = Callable[[int], bytes | None]  # of a job, by number; None for who has it not


@dataclass(frozen=True, slots=True)
class Wrapped:
    """`hash`: of the key; `parts`: the key, sealed to each member in the committee's order."""

    hash: bytes
    parts: bytes

    def record(self) -> list[bytes]:
        return [self.hash, self.parts]


def no_keys(_: int) -> bytes | None:
    """What somebody has who may read no sealed job."""
    return None


def wrap(key: bytes, requester: Address, seal_keys: Sequence[bytes]) -> Wrapped:
    """For a job that this requester opens: who copies it into a job of its own gives its key to no member."""
    if len(key) != KEY:
        raise BadInput(f"a job's key has {KEY} bytes, not {len(key)}")
    digest = hash_of(key)
    return Wrapped(digest, b"".join(sealing.to_one(one, _about(digest, requester), key) for one in seal_keys))


def hash_of(key: bytes) -> bytes:
    return tagged("job-key", key)


def about_part(wrapped: Wrapped, requester: Address, position: int) -> tuple[bytes, bytes]:
    """(what it is bound to, the bytes) of the part for the member at `position`; empty bytes where there is none."""
    return _about(wrapped.hash, requester), wrapped.parts[position * PART : (position + 1) * PART]


def read(node: Any) -> Wrapped:
    """Raises BadInput for what is no wrapped key."""
    try:
        digest, parts = node
    except (TypeError, ValueError):
        digest = parts = None
    if type(digest) is not bytes or len(digest) != KEY or type(parts) is not bytes or not parts or len(parts) % PART:
        raise BadInput("the job's key cannot be read: it is no hash with a part for each member")
    return Wrapped(digest, parts)


def seal_record(key: bytes, leaf: bytes, record: bytes) -> bytes:
    sealed: bytes = ChaCha20Poly1305(_record_key(key, leaf)).encrypt(_NONCE, record, leaf)
    return sealed


def open_record(key: bytes, leaf: bytes, sealed: bytes) -> bytes:
    """Raises BadInput where it was sealed under another key, or changed."""
    try:
        plain: bytes = ChaCha20Poly1305(_record_key(key, leaf)).decrypt(_NONCE, sealed, leaf)
    except (InvalidTag, ValueError):
        raise BadInput("it does not open with the job's key") from None
    return plain


def _record_key(key: bytes, leaf: bytes) -> bytes:
    derived: bytes = HKDF(algorithm=SHA256(), length=KEY, salt=None, info=b"crowdproof.record" + leaf).derive(key)
    return derived


def _about(digest: bytes, requester: Address) -> bytes:
    return b"job-key" + tagged("job-key-for", requester, digest)
