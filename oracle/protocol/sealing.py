"""Sealed answers: a commitment binds them, an envelope opens them to each committee member and to nobody else.

Source: HPKE, RFC 9180, base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305. The first byte of an
envelope names the scheme, so that a threshold seal can follow.
"""

from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from oracle.protocol.hashing import keccak, tagged

SCHEME = 1
SALT = 32
OVERHEAD = 32 + 16  # encapsulated key and tag
MAX_PAYLOAD = 16_384
_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)


def commitment(job: int, task: int, worker: int, payload: bytes, salt: bytes) -> bytes:
    """Binds one payload to one worker's answer to one task; hides it as long as the salt is secret."""
    return commitment_of_hash(job, task, worker, keccak(payload), salt)


def commitment_of_hash(job: int, task: int, worker: int, payload_hash: bytes, salt: bytes) -> bytes:
    return tagged("commitment", job, task, worker, payload_hash, salt)


def seal(seal_keys: Sequence[bytes], commitment: bytes, payload: bytes, salt: bytes) -> bytes:
    """The envelope for members with these X25519 public keys, in committee order."""
    if len(payload) > MAX_PAYLOAD:
        raise ValueError(f"a payload is at most {MAX_PAYLOAD} bytes, not {len(payload)}")
    info = b"crowdproof.seal" + commitment
    parts = [_SUITE.encrypt(salt + payload, X25519PublicKey.from_public_bytes(key), info=info) for key in seal_keys]
    return bytes([SCHEME]) + b"".join(parts)


def unseal(
    key: X25519PrivateKey, position: int, members: int, commitment: bytes, envelope: bytes
) -> tuple[bytes, bytes] | None:
    """(payload, salt) for the member at `position`; None if the envelope does not open. Not yet checked: `fits`."""
    size, rest = divmod(len(envelope) - 1, members)
    if rest or size < OVERHEAD + SALT or envelope[0] != SCHEME:
        return None
    part = envelope[1 + position * size : 1 + (position + 1) * size]
    try:
        plain: bytes = _SUITE.decrypt(part, key, info=b"crowdproof.seal" + commitment)
    except (InvalidTag, ValueError):
        return None
    return plain[SALT:], plain[:SALT]


def envelope_size(members: int, payload: int) -> int:
    """Bytes of an envelope for so many members around a payload of so many bytes."""
    return 1 + members * (OVERHEAD + SALT + payload)
