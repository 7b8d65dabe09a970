"""Blind signatures: who signs learns neither what it signs nor, when it sees the signature later, for whom it was.

message -> blinded point -> signed point -> signature: the very bytes that the signer's own BLS signature of the message would be.
BLS over BLS12-381 with keys in G1 and signatures in G2, the basic scheme of draft-irtf-cfrg-bls-signature; blinded as in Boldyreva
(https://doi.org/10.1007/3-540-36288-6_3): B = r H(m) goes to the signer, S = x B comes back, and S / r = x H(m). As r is drawn
uniformly, B is uniform too, whatever the message is. A point from outside must lie in the group of prime order: another would give
the secret away, a piece at a time. py_ecc does not compute in constant time: nothing here hides a secret from who can time it well.
"""

import secrets
import sys
from functools import cache
from hashlib import sha256
from types import SimpleNamespace
from typing import Any

from oracle.protocol.errors import BadInput

PUBLIC, POINT = 48, 96  # bytes of a public key, of a point or signature


def secret_of(key: bytes, about: bytes) -> int:
    """The secret for one purpose, of a key of 32 bytes (KeyGen of the draft, section 2.3)."""
    secret: int = _bls().scheme.KeyGen(key, about)
    return secret


def public_of(secret: int) -> bytes:
    """The key with which signatures by the secret are checked."""
    return bytes(_bls().scheme.SkToPk(secret))


def blind(message: bytes) -> tuple[bytes, int]:
    """What is sent to the signer, and the factor that takes the blindness off what it sends back."""
    bls = _bls()
    factor = 1 + secrets.randbelow(bls.order - 1)
    point = bls.hash_to_point(message, bls.scheme.DST, sha256)
    return bytes(bls.write(bls.multiply(point, factor))), factor


def sign(secret: int, blinded: bytes) -> bytes:
    """Signs a blinded message. Raises BadInput for what is no point of the group."""
    bls = _bls()
    return bytes(bls.write(bls.multiply(_point(blinded), secret)))


def unblind(signed: bytes, factor: int) -> bytes:
    """The signature of the message. Raises BadInput for what is no point of the group."""
    bls = _bls()
    return bytes(bls.write(bls.multiply(_point(signed), pow(factor, -1, bls.order))))


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the holder of the public key signed the message; False for what is no key or no signature."""
    return len(public) == PUBLIC and len(signature) == POINT and bool(_bls().scheme.Verify(public, message, signature))


def _point(data: bytes) -> Any:
    bls = _bls()
    if len(data) != POINT:
        raise BadInput(f"a point has {POINT} bytes, not {len(data)}")
    try:
        point = bls.read(data)
    except ValueError as problem:
        raise BadInput(f"no point of the curve: {problem}") from None
    if bls.is_infinite(point) or not bls.is_of_group(point):
        raise BadInput("a point outside the group of prime order")
    return point


@cache
def _bls() -> SimpleNamespace:
    """py_ecc, once it is needed. Loading it raises the limit of recursion, which guards readers of hostile JSON: it is put back."""
    limit = sys.getrecursionlimit()
    try:
        from py_ecc.bls.ciphersuites import G2Basic  # noqa: PLC0415 - a third of a second, and few processes need it
        from py_ecc.bls.g2_primitives import G2_to_signature, signature_to_G2, subgroup_check  # noqa: PLC0415
        from py_ecc.bls.hash_to_curve import hash_to_G2  # noqa: PLC0415
        from py_ecc.optimized_bls12_381.optimized_curve import curve_order, is_inf, multiply  # noqa: PLC0415
    finally:
        sys.setrecursionlimit(limit)
    return SimpleNamespace(
        scheme=G2Basic,
        order=curve_order,
        hash_to_point=hash_to_G2,
        multiply=multiply,
        read=signature_to_G2,
        write=G2_to_signature,
        is_infinite=is_inf,
        is_of_group=subgroup_check,
    )
