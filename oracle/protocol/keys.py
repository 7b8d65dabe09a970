"""secp256k1 keys, addresses and 65-byte signatures (r, s, v), through libsecp256k1.

Guarantee: a signature that `recover` accepts is the one that OpenZeppelin's ECDSA accepts: low s, v of 27 or 28.
"""

from typing import TypeAlias

from coincurve import PrivateKey, PublicKey

from oracle.protocol.errors import Refused
from oracle.protocol.hashing import keccak

Address: TypeAlias = bytes  # 20 bytes
HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


class BadSignature(Refused):
    """Not a signature, or not by whom it should be."""

    def __init__(self, message: str) -> None:
        super().__init__("bad-signature", message)


def address_of(key: PrivateKey) -> Address:
    return _address(key.public_key)


def sign(key: PrivateKey, digest: bytes) -> bytes:
    """A deterministic (RFC 6979) recoverable signature of a 32-byte digest."""
    signature: bytes = key.sign_recoverable(digest, hasher=None)
    return signature[:64] + bytes([27 + signature[64]])


def recover(digest: bytes, signature: bytes) -> Address:
    """Who signed. Raises BadSignature."""
    if len(signature) != 65 or signature[64] not in (27, 28):
        raise BadSignature("a signature is 65 bytes r, s, v with v = 27 or 28")
    if int.from_bytes(signature[32:64], "big") > HALF_ORDER:
        raise BadSignature("the signature's s is in the upper half of the order (EIP-2)")
    compact = signature[:64] + bytes([signature[64] - 27])
    try:
        return _address(PublicKey.from_signature_and_message(compact, digest, hasher=None))
    except Exception as problem:  # coincurve raises bare Exception and ValueError for points off the curve
        raise BadSignature("the signature belongs to no key") from problem


def require_signer(expected: Address, digest: bytes, signature: bytes, what: str) -> None:
    """Raises BadSignature, naming `what` was signed, unless `expected` signed `digest`."""
    signer = recover(digest, signature)
    if signer != expected:
        raise BadSignature(f"{what} is signed by {checksum(signer)}, not by {checksum(expected)}")


def checksum(address: Address) -> str:
    """The text form of an address (EIP-55)."""
    text = address.hex()
    digits = keccak(text.encode()).hex()
    return "0x" + "".join(c.upper() if int(d, 16) >= 8 else c for c, d in zip(text, digits, strict=False))


def _address(key: PublicKey) -> Address:
    return keccak(key.format(compressed=False)[1:])[12:]
