"""Secure aggregation: a sum of vectors of which the server sees no single one, also when members drop out.

The protocol of Bonawitz et al. 2017 (https://doi.org/10.1145/3133956.3133982) with signed messages, its variant against a server
that cheats, and groups: vectors are summed within a group, secrets are shared among all.

    y_u = x_u + PRG(b_u) + sum over v of u's group of +-PRG(s_uv)      (mod 2^64; + where u < v)

s_uv is agreed by X25519, b_u is u's own. Both b_u and the key behind the s_uv are split among all members, `threshold` of whom
restore one (Shamir 1979, https://doi.org/10.1145/359168.359176). Of a member whose vector came, b_u is restored; of one
that dropped out
after sharing, its key; never both, and neither where fewer than two vectors of a group came: one member's would be left.

Numbers are fixed-point: SCALE parts of 1, modulo 2^64. What cannot be written so (NaN, infinite, too large) is refused.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Collection, Mapping
from itertools import combinations, islice

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from numpy.typing import NDArray

from oracle.protocol.errors import BadInput, Refused
from oracle.protocol.sharing import join

SCALE = 1 << 24
MOST = float(1 << 24)  # of a number's absolute value: 2^48 in fixed point, so that 2^15 of them still fit
FEWEST = 2  # vectors of a group that may be told apart from none
TRIES = 200  # sets of shares from which a secret is tried, where some are false

Float = NDArray[np.float64]
Words = NDArray[np.uint64]


# ---------------------------------------------------------------- numbers


def quantise(vector: Float) -> Words:
    """Fixed point [D]. Raises BadInput naming the first number that has none."""
    bad = np.flatnonzero(~(np.abs(vector) < MOST))  # NaN too
    if len(bad):
        raise BadInput(
            f"number {bad[0]} of the update is {vector[bad[0]]}: only finite ones below {MOST:g} are added up"
        )
    return np.rint(vector * SCALE).astype(np.int64).view(np.uint64)


def restore(total: Words) -> Float:
    """The inverse of `quantise`, of a sum as well."""
    return total.view(np.int64) / SCALE


def pack(words: Words) -> bytes:
    return words.astype("<u8").tobytes()


def unpack(data: bytes, width: int) -> Words:
    """[width] of bytes. Raises Refused("shape")."""
    if not isinstance(data, bytes) or len(data) != 8 * width:
        size = len(data) if isinstance(data, bytes) else type(data).__name__
        raise Refused("shape", f"an update of this model is {8 * width} bytes ({width} numbers), not {size}")
    return np.frombuffer(data, "<u8").astype(np.uint64)


def stream(key: bytes, width: int) -> Words:
    """PRG: AES-256 in counter mode, from a key that is used once. [width]"""
    made = Cipher(algorithms.AES256(key), modes.CTR(bytes(16))).encryptor().update(bytes(8 * width))
    return np.frombuffer(made, "<u8").astype(np.uint64)


# ---------------------------------------------------------------- secrets among members


def find(shares: Mapping[int, bytes], threshold: int, expected: bytes, image: Callable[[bytes], bytes]) -> bytes | None:
    """The secret whose `image` is `expected`, if some `threshold` of the shares make it: false shares are passed over."""
    for chosen in islice(combinations(sorted(shares), threshold), TRIES):
        secret = join({member: shares[member] for member in chosen})
        if secret is not None and image(secret) == expected:
            return secret
    return None


def commit(secret: bytes) -> bytes:
    """Of 32 random bytes: nobody guesses them."""
    return hashlib.sha256(b"crowdproof federated secret\0" + secret).digest()


# ---------------------------------------------------------------- keys


def public(key: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(key).public_key().public_bytes_raw()


def agreed(key: bytes, other: bytes, purpose: bytes) -> bytes:
    """32 bytes that the two have in common. Raises Refused for a point that gives everybody the same."""
    try:
        shared = X25519PrivateKey.from_private_bytes(key).exchange(X25519PublicKey.from_public_bytes(other))
    except ValueError:
        raise Refused("bad-key", "a key of the round is no point that keys can be agreed with") from None
    return HKDF(SHA256(), 32, None, b"crowdproof federated\0" + purpose).derive(shared)


def seal(key: bytes, share: bytes, about: bytes) -> bytes:
    nonce = secrets.token_bytes(12)
    return nonce + AESGCM(key).encrypt(nonce, share, about)


def unseal(key: bytes, sealed: bytes, about: bytes) -> bytes | None:
    """None where it does not open."""
    try:
        return AESGCM(key).decrypt(sealed[:12], sealed[12:], about)
    except (InvalidTag, ValueError):
        return None


# ---------------------------------------------------------------- masks


def pair(key: bytes, other: bytes, one: int, two: int, round_id: bytes) -> bytes:
    """s_uv, the same from both sides."""
    low, high = min(one, two), max(one, two)
    return agreed(key, other, b"mask" + round_id + low.to_bytes(4, "big") + high.to_bytes(4, "big"))


def mask(words: Words, own: bytes, key: bytes, me: int, others: Mapping[int, bytes], round_id: bytes) -> Words:
    """y. `others`: the members of the group that shared, with their public keys; raises Refused where there are none."""
    if len(others) + 1 < FEWEST:
        raise Refused("alone", "nobody else is left in this group: the sum would be this update alone")
    found = words + stream(own, len(words))
    for other, their in others.items():
        part = stream(pair(key, their, me, other, round_id), len(words))
        found = found + part if me < other else found - part
    return found


def unmask(
    came: Mapping[int, Words],
    own: Mapping[int, bytes],
    lost: Mapping[int, bytes],
    keys: Mapping[int, bytes],
    round_id: bytes,
) -> Words:
    """The sum of a group: of the vectors that came, b_u of each, the restored keys of who was lost, and public keys."""
    total: Words = np.sum(list(came.values()), axis=0, dtype=np.uint64)
    for secret in own.values():
        total = total - stream(secret, len(total))
    for gone, key in lost.items():
        for member in came:
            part = stream(pair(key, keys[member], gone, member, round_id), len(total))
            total = total - part if member < gone else total + part
    return total


def groups(members: Collection[int], count: int, seed: bytes) -> list[tuple[int, ...]]:
    """`count` groups of sizes that differ by one at most, at random by `seed`: everybody works out the same."""
    luck = np.random.default_rng(int.from_bytes(hashlib.sha256(b"groups" + seed).digest(), "big"))
    order = [int(i) for i in luck.permutation(sorted(members))]
    return [tuple(sorted(order[k::count])) for k in range(count)]
