"""Sealed answers: a commitment binds them, an envelope opens them to the committee and to nobody else.

The first byte of an envelope names its scheme. MEMBERS: a part for each member, who opens it alone. THRESHOLD: the key is split
(`oracle.protocol.sharing`), and f+1 of 3f+1 members open it together, so that no f of them read it before an honest one agrees.

    MEMBERS     1 || HPKE(member, salt || payload) ...
    THRESHOLD   2 || hash of each share ... || HPKE(member, share) ... || ChaCha20-Poly1305(key, salt || payload)

Source: HPKE, RFC 9180, base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305 (RFC 8439). The hashes tell a false
share from a right one before anything is joined: whoever hands one out is passed over.
"""

from collections.abc import Mapping, Sequence
from secrets import token_bytes

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from oracle.protocol.hashing import keccak, tagged
from oracle.protocol.sharing import SECRET, SHARE, join, split

MEMBERS, THRESHOLD = 1, 2
SCHEMES = {"members": MEMBERS, "threshold": THRESHOLD}  # as a manifest names them
SALT, HASH = 32, 32
TAG = 16
OVERHEAD = 32 + TAG  # of HPKE: encapsulated key and tag
MAX_PAYLOAD = 16_384
_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
_ONCE = bytes(12)  # the nonce of a key that is used once


def commitment(job: int, task: int, worker: int, payload: bytes, salt: bytes) -> bytes:
    """Binds one payload to one worker's answer to one task; hides it as long as the salt is secret."""
    return commitment_of_hash(job, task, worker, keccak(payload), salt)


def commitment_of_hash(job: int, task: int, worker: int, payload_hash: bytes, salt: bytes) -> bytes:
    return tagged("commitment", job, task, worker, payload_hash, salt)


def seal(seal_keys: Sequence[bytes], commitment: bytes, payload: bytes, salt: bytes, scheme: int = MEMBERS) -> bytes:
    """The envelope for members with these X25519 public keys, in committee order."""
    if len(payload) > MAX_PAYLOAD:
        raise ValueError(f"a payload is at most {MAX_PAYLOAD} bytes, not {len(payload)}")
    plain = salt + payload
    if scheme == MEMBERS:
        return bytes([MEMBERS]) + b"".join(to_one(key, b"seal" + commitment, plain) for key in seal_keys)
    secret = token_bytes(SECRET)
    shares = split(secret, together(len(seal_keys)), range(len(seal_keys)))
    hashes = [_share_hash(commitment, member, share) for member, share in shares.items()]
    parts = [to_one(key, b"share" + commitment, shares[member]) for member, key in enumerate(seal_keys)]
    body = ChaCha20Poly1305(secret).encrypt(_ONCE, plain, commitment)
    return b"".join([bytes([THRESHOLD]), *hashes, *parts, body])


def together(members: int) -> int:
    """How many of a committee restore a key: one more than may be dishonest."""
    return (members - 1) // 3 + 1


def unseal(
    key: X25519PrivateKey, position: int, members: int, commitment: bytes, envelope: bytes
) -> tuple[bytes, bytes] | None:
    """(payload, salt) for the member at `position`; None if its part does not open. Not yet checked: `fits`."""
    size, rest = divmod(len(envelope) - 1, members)
    if rest or size < OVERHEAD + SALT or envelope[0] != MEMBERS:
        return None
    plain = by_one(key, b"seal" + commitment, envelope[1 + position * size : 1 + (position + 1) * size])
    return (plain[SALT:], plain[:SALT]) if plain else None


def share(key: X25519PrivateKey, position: int, members: int, commitment: bytes, envelope: bytes) -> bytes | None:
    """The share of the member at `position`; None if its part holds none that is the one committed."""
    size, first = OVERHEAD + SHARE, 1 + HASH * members
    if not is_threshold(envelope) or len(envelope) < envelope_size(members, 0, THRESHOLD):
        return None
    part = envelope[first + position * size : first + (position + 1) * size]
    found = by_one(key, b"share" + commitment, part)
    return found if found and is_share(position, members, commitment, envelope, found) else None


def is_share(position: int, members: int, commitment: bytes, envelope: bytes, share: bytes) -> bool:
    """Whether this is the share of the member at `position` to which the envelope commits."""
    listed = envelope[1 + HASH * position : 1 + HASH * (position + 1)]
    return 0 <= position < members and _share_hash(commitment, position, share) == listed


def joined(shares: Mapping[int, bytes], members: int, commitment: bytes, envelope: bytes) -> tuple[bytes, bytes] | None:
    """(payload, salt) of what so many shares by position open, each of which `is_share`; None if too few or if they do not."""
    need = together(members)
    if len(shares) < need:
        return None
    secret = join(dict(sorted(shares.items())[:need]))
    body = envelope[1 + (HASH + OVERHEAD + SHARE) * members :]
    try:
        plain = secret and ChaCha20Poly1305(secret).decrypt(_ONCE, body, commitment)
    except (InvalidTag, ValueError):
        return None
    return (plain[SALT:], plain[:SALT]) if plain and len(plain) >= SALT else None


def scheme_of(envelope: bytes) -> int:
    """As its first byte says; MEMBERS for what says nonsense, which then opens to nobody."""
    return THRESHOLD if is_threshold(envelope) else MEMBERS


def is_threshold(envelope: bytes) -> bool:
    return envelope[:1] == bytes([THRESHOLD])


def envelope_size(members: int, payload: int, scheme: int = MEMBERS) -> int:
    """Bytes of an envelope for so many members around a payload of so many bytes."""
    if scheme == MEMBERS:
        return 1 + members * (OVERHEAD + SALT + payload)
    return 1 + members * (HASH + OVERHEAD + SHARE) + SALT + payload + TAG


def payload_size(members: int, envelope: bytes, scheme: int) -> int:
    """Bytes of the payload in an envelope for so many members; -1 if there can be none of that scheme in it."""
    size, rest = divmod(len(envelope) - envelope_size(members, 0, scheme), members if scheme == MEMBERS else 1)
    return size if size >= 0 and not rest else -1


def _share_hash(commitment: bytes, member: int, share: bytes) -> bytes:
    return tagged("share", commitment, member, keccak(share))


# ----------------------------------------------------------------------------------------------------- one recipient


def to_one(seal_key: bytes, about: bytes, plain: bytes) -> bytes:
    """Sealed to one X25519 public key, bound to what it is about."""
    return _SUITE.encrypt(plain, X25519PublicKey.from_public_bytes(seal_key), info=b"crowdproof." + about)


def by_one(key: X25519PrivateKey, about: bytes, sealed: bytes) -> bytes | None:
    """What was sealed to this key; None if it does not open."""
    try:
        found: bytes = _SUITE.decrypt(sealed, key, info=b"crowdproof." + about)
    except (InvalidTag, ValueError):
        return None
    return found
