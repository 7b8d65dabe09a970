"""A secret split among many, some of whom restore it and fewer of whom know nothing about it.

Source: Shamir 1979, https://doi.org/10.1145/359168.359176, over the integers modulo the prime 2^521 - 1.
"""

import secrets
from collections.abc import Mapping, Sequence

PRIME = (1 << 521) - 1
SHARE = 66  # bytes of a share
SECRET = 32  # bytes of a secret


def split(secret: bytes, threshold: int, members: Sequence[int]) -> dict[int, bytes]:
    """A share for each of the members (numbers from 0); any `threshold` of them make the secret."""
    line = [int.from_bytes(secret, "big"), *(secrets.randbelow(PRIME) for _ in range(threshold - 1))]
    found = {}
    for member in members:
        value = 0
        for factor in reversed(line):
            value = (value * (member + 1) + factor) % PRIME
        found[member] = value.to_bytes(SHARE, "big")
    return found


def join(shares: Mapping[int, bytes]) -> bytes | None:
    """The secret of exactly `threshold` shares; None where they do not make one."""
    places = [member + 1 for member in shares]
    value = 0
    for at, share in zip(places, shares.values(), strict=True):
        top = bottom = 1
        for other in places:
            if other != at:
                top, bottom = top * other % PRIME, bottom * (other - at) % PRIME
        value += int.from_bytes(share, "big") * top * pow(bottom, -1, PRIME)
    value %= PRIME
    return value.to_bytes(SECRET, "big") if value < 1 << 8 * SECRET else None
