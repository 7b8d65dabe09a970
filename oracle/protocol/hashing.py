"""Keccak-256 and the few encodings that all commitments are made of.

Guarantee: equal to Solidity's `keccak256` and `abi.encode` of static values (docs/protocol.md, tests/vectors).
"""

from functools import cache

from sha3 import keccak_256 as _keccak

ZERO = bytes(32)


def keccak(data: bytes) -> bytes:
    """Keccak-256, as in Ethereum (not NIST's SHA3-256)."""
    digest: bytes = _keccak(data).digest()
    return digest


def word(value: int | bytes) -> bytes:
    """One ABI word: an unsigned integer, an address (20 bytes, padded on the left) or 32 bytes as they are."""
    if isinstance(value, int):
        return value.to_bytes(32, "big")
    if len(value) not in (20, 32):
        raise ValueError(f"a word is an integer, 20 or 32 bytes, not {len(value)} bytes")
    return value.rjust(32, b"\0")


def words(*values: int | bytes) -> bytes:
    """Solidity's `abi.encode` of static values."""
    return b"".join([v if v.__class__ is bytes and len(v) == 32 else word(v) for v in values])


@cache
def tag(name: str) -> bytes:
    """The domain separator of one kind of commitment."""
    return keccak(b"crowdproof." + name.encode())


def tagged(name: str, *values: int | bytes) -> bytes:
    """`keccak(abi(TAG(name), values...))`."""
    return keccak(words(tag(name), *values))


def leaf(name: str, *values: int | bytes) -> bytes:
    """A typed, double-hashed Merkle leaf: no inner node and no leaf of another type can pass for it."""
    return keccak(tagged(name, *values))


def pack_int32(values: "list[int] | tuple[int, ...]") -> bytes:
    """Big-endian int32, one after the other (rows of weights, priors)."""
    return b"".join(v.to_bytes(4, "big", signed=True) for v in values)


def unpack_int32(data: bytes) -> list[int]:
    """The inverse of `pack_int32`; raises ValueError when the length is no multiple of 4."""
    if len(data) % 4:
        raise ValueError(f"{len(data)} bytes are not a row of int32")
    return [int.from_bytes(data[i : i + 4], "big", signed=True) for i in range(0, len(data), 4)]
