"""docs/protocol.md's hashes that the chain checks, written once more with nothing but ABI encoding and keccak.

Neither the contracts' libraries nor oracle.protocol is used: a mistake that those two share would show here.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import coincurve
from eth_abi.abi import encode
from sha3 import keccak_256

TERMS_TYPES = "(uint8,uint32,uint8,uint64,uint64,uint16,uint32,uint32,bytes32,bytes32,uint32,bool)"
HEADER_FIELDS = (
    "uint32 epoch,bytes32 previous,uint64 validUntil,bytes32 configuration,bytes32 balances,uint32 balancesSize,"
    "bytes32 weights,uint32 weightsSize,bytes32 verdicts,uint32 verdictsSize,bytes32 assignments,uint32 assignmentsSize,"
    "bytes32 debits,uint64 total,bytes32 content,bytes32 model"
)
HEADER_TYPES = [field.split()[0] for field in HEADER_FIELDS.split(",")]
DOMAIN = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
EMPTY = bytes(32)


@dataclass(frozen=True, slots=True)
class Terms:
    classes: int
    tasks: int
    answers: int
    base: int
    bonus: int
    fee_bps: int
    weight_cap: int
    prior_cap: int
    task_root: bytes
    manifest: bytes
    parent: int
    free: bool = False


@dataclass(frozen=True, slots=True)
class Header:
    epoch: int
    previous: bytes
    valid_until: int
    configuration: bytes
    balances: bytes
    balances_size: int
    weights: bytes
    weights_size: int
    verdicts: bytes
    verdicts_size: int
    assignments: bytes
    assignments_size: int
    debits: bytes
    total: int
    content: bytes
    model: bytes


@dataclass(frozen=True, slots=True)
class Balance:
    worker: int
    wallet: str
    cumulative: int
    earnings: bytes


def keccak(data: bytes) -> bytes:
    return keccak_256(data).digest()


def tagged(tag: str, types: Sequence[str], values: Sequence[object]) -> bytes:
    return keccak(encode(["bytes32", *types], [keccak(f"crowdproof.{tag}".encode()), *values]))


def terms(value: Terms) -> bytes:
    return tagged("terms", [TERMS_TYPES], [astuple(value)])


def committee(members: Sequence[str], seal_keys: Sequence[bytes], quorum: int) -> bytes:
    return tagged("committee", ["address[]", "bytes32[]", "uint8"], [members, seal_keys, quorum])


def leaf(balance: Balance) -> bytes:
    return keccak(tagged("balance", ["uint32", "address", "uint64", "bytes32"], astuple(balance)))


# ------------------------------------------------------------------------------------------------------------------- EIP-712


def domain(chain: int, contract: str, name: str = "crowdproof", version: str = "0") -> bytes:
    values = [keccak(DOMAIN.encode()), keccak(name.encode()), keccak(version.encode()), chain, contract]
    return keccak(encode(["bytes32", "bytes32", "bytes32", "uint256", "address"], values))


def typed(separator: bytes, type_: str, types: Sequence[str], values: Sequence[object]) -> bytes:
    return keccak(b"\x19\x01" + separator + keccak(encode(["bytes32", *types], [keccak(type_.encode()), *values])))


def header(separator: bytes, value: Header) -> bytes:
    return typed(separator, f"Header({HEADER_FIELDS})", HEADER_TYPES, astuple(value))


def change(separator: bytes, number: int, digest: bytes, valid_until: int) -> bytes:
    type_ = "Change(uint32 number,bytes32 committee,uint64 validUntil)"
    return typed(separator, type_, ["uint32", "bytes32", "uint64"], [number, digest, valid_until])


def register(separator: bytes, wallet: str, key: str, number: int, valid_until: int) -> bytes:
    type_ = "Register(address wallet,address key,uint16 number,uint64 validUntil)"
    return typed(separator, type_, ["address", "address", "uint16", "uint64"], [wallet, key, number, valid_until])


def permit(separator: bytes, owner: str, spender: str, value: int, nonce: int, deadline: int) -> bytes:
    type_ = "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
    types = ["address", "address", "uint256", "uint256", "uint256"]
    return typed(separator, type_, types, [owner, spender, value, nonce, deadline])


@dataclass(frozen=True, slots=True)
class Key:
    secret: coincurve.PrivateKey
    address: str

    @staticmethod
    def of(seed: str) -> "Key":
        secret = coincurve.PrivateKey(keccak(seed.encode()))
        return Key(secret, _address(secret.public_key))

    def sign(self, digest: bytes) -> bytes:
        signature = self.secret.sign_recoverable(digest, hasher=None)
        return signature[:64] + bytes([27 + signature[64]])


def recover(digest: bytes, signature: bytes) -> str | None:
    """Who signed, as ecrecover answers; nothing for a high s or a v that is neither 27 nor 28."""
    half = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
    if signature[64] not in (27, 28) or int.from_bytes(signature[32:64]) > half:
        return None
    try:
        plain = signature[:64] + bytes([signature[64] - 27])
        return _address(coincurve.PublicKey.from_signature_and_message(plain, digest, hasher=None))
    except Exception:  # whatever the library says of numbers that are not on the curve
        return None


def _address(key: coincurve.PublicKey) -> str:
    return "0x" + keccak(key.format(compressed=False)[1:])[-20:].hex()


# --------------------------------------------------------------------------------------------------------------------- trees


def levels(leaves: Sequence[bytes]) -> list[list[bytes]]:
    """All levels from the leaves up, each padded to even length but the last."""
    found = [list(leaves)]
    while len(found[-1]) > 1:
        below = found[-1]
        if len(below) % 2:
            below.append(EMPTY)
        found.append([keccak(below[i] + below[i + 1]) for i in range(0, len(below), 2)])
    return found


def root(leaves: Sequence[bytes]) -> bytes:
    return levels(leaves)[-1][0]


def multiproof(leaves: Sequence[bytes], indexes: Sequence[int]) -> list[bytes]:
    """What the known nodes lack, level by level from the bottom, left to right."""
    proof = []
    known = sorted(indexes)
    for level in levels(leaves)[:-1]:
        proof += [level[i ^ 1] for i in known if i ^ 1 not in known]
        known = sorted({i // 2 for i in known})
    return proof
