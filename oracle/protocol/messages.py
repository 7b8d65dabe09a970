"""What is signed (EIP-712): Assignment, Answer, Receipt, Header, Register, Claim, Change, BandKey, BandWish, Band.

message, domain -> 32-byte digest, or the typed data that a wallet shows. Hashed here, because eth-account's general
encoder is several times slower; tests hold both equal. Source: EIP-712; addresses and 32-byte values are `bytes`.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache
from operator import attrgetter
from typing import Any, ClassVar, TypeAlias

from oracle.protocol.hashing import keccak, words
from oracle.protocol.keys import Address, checksum

NAME = "crowdproof"
VERSION = "0"
DOMAIN_TYPE = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"


@dataclass(frozen=True, slots=True)
class Domain:
    """Where a signature counts: one contract on one chain (the Market, but Workers for Register and Committee for Change)."""

    chain_id: int
    contract: Address

    def separator(self) -> bytes:
        return _separator(self.chain_id, self.contract)


@dataclass(frozen=True, slots=True)
class Assignment:
    """A member offers a task to a worker until `expiry` (block time)."""

    TYPE: ClassVar[str] = "Assignment(uint32 job,bytes32 terms,uint32 task,uint32 worker,uint64 expiry)"
    job: int
    terms: bytes
    task: int
    worker: int
    expiry: int


@dataclass(frozen=True, slots=True)
class Answer:
    """A worker's sealed answer: what it says stays hidden until the task closes."""

    TYPE: ClassVar[str] = (
        "Answer(uint32 job,bytes32 terms,uint32 task,uint32 worker,bytes32 commitment,bytes32 sealHash)"
    )
    job: int
    terms: bytes
    task: int
    worker: int
    commitment: bytes
    seal_hash: bytes


@dataclass(frozen=True, slots=True)
class Receipt:
    """A member has stored a batch of answers: the root and size of the tree of their digests."""

    TYPE: ClassVar[str] = "Receipt(bytes32 root,uint32 size)"
    root: bytes
    size: int


@dataclass(frozen=True, slots=True)
class Register:
    """A wallet asks for a place in Workers, or for one more answer key (`number` = the keys it has)."""

    TYPE: ClassVar[str] = "Register(address wallet,address key,uint16 number,uint64 validUntil)"
    wallet: Address
    key: Address
    number: int
    valid_until: int


@dataclass(frozen=True, slots=True)
class Claim:
    """A worker asks a relayer to claim now; the money can only go to the worker's own wallet."""

    TYPE: ClassVar[str] = "Claim(uint32 worker,uint64 cumulative,uint64 validUntil)"
    worker: int
    cumulative: int
    valid_until: int


@dataclass(frozen=True, slots=True)
class Header:
    """What a quorum of members signs for an epoch."""

    TYPE: ClassVar[str] = (
        "Header(uint32 epoch,bytes32 previous,uint64 validUntil,bytes32 configuration,"
        "bytes32 balances,uint32 balancesSize,bytes32 weights,uint32 weightsSize,"
        "bytes32 verdicts,uint32 verdictsSize,bytes32 assignments,uint32 assignmentsSize,"
        "bytes32 debits,uint64 total,bytes32 content,bytes32 model)"
    )
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
class Change:
    """A quorum appoints other members; `committee` is the digest of the whole committee that is to be."""

    TYPE: ClassVar[str] = "Change(uint32 number,bytes32 committee,uint64 validUntil)"
    number: int
    committee: bytes
    valid_until: int


@dataclass(frozen=True, slots=True)
class BandKey:
    """A member's public key for a job's band of quality, by its hash: it has one, the same for whoever asks."""

    TYPE: ClassVar[str] = "BandKey(uint32 job,bytes32 terms,uint8 band,bytes32 keyHash)"
    job: int
    terms: bytes
    band: int
    key_hash: bytes


@dataclass(frozen=True, slots=True)
class BandWish:
    """A wallet gives up a job, for the members' blind signatures of its band: `blinded` is the hash of the blinded point."""

    TYPE: ClassVar[str] = "BandWish(uint32 job,bytes32 terms,uint8 band,bytes32 blinded)"
    job: int
    terms: bytes
    band: int
    blinded: bytes


@dataclass(frozen=True, slots=True)
class Band:
    """What members sign blind: that whose wallet this is has done work of this band, under another name."""

    TYPE: ClassVar[str] = "Band(uint32 job,bytes32 terms,uint8 band,address wallet)"
    job: int
    terms: bytes
    band: int
    wallet: Address


Message: TypeAlias = Assignment | Answer | Receipt | Register | Claim | Header | Change | BandKey | BandWish | Band


def values(message: Message) -> tuple[Any, ...]:
    """The message's values in the order of its type."""
    kind: Any = type(message)
    return _values(kind)(message)


def digest(domain: Domain, message: Message) -> bytes:
    """The 32 bytes that are signed."""
    struct = keccak(_type_hash(message.TYPE) + words(*values(message)))
    return keccak(b"\x19\x01" + domain.separator() + struct)


def typed_data(domain: Domain, message: Message) -> dict[str, Any]:
    """The same as JSON for `eth_signTypedData_v4`: a wallet needs no knowledge of our encodings."""
    kind, members = parse_type(message.TYPE)
    return {
        "types": {
            "EIP712Domain": [{"type": t, "name": n} for t, n in parse_type(DOMAIN_TYPE)[1]],
            kind: [{"type": t, "name": n} for t, n in members],
        },
        "primaryType": kind,
        "domain": {
            "name": NAME,
            "version": VERSION,
            "chainId": domain.chain_id,
            "verifyingContract": checksum(domain.contract),
        },
        "message": {name: _plain(v) for (_, name), v in zip(members, values(message), strict=True)},
    }


@cache
def parse_type(text: str) -> tuple[str, list[tuple[str, str]]]:
    """`Kind(type name,...)` -> Kind, [(type, name)]."""
    kind, _, rest = text.partition("(")
    pairs = [part.split(" ") for part in rest.rstrip(")").split(",")]
    return kind, [(t, n) for t, n in pairs]


def _plain(value: int | bytes) -> int | str:
    if isinstance(value, int):
        return value
    return checksum(value) if len(value) == 20 else "0x" + value.hex()


@cache
def _values(kind: Any) -> Callable[[Message], tuple[Any, ...]]:
    return attrgetter(*(field.name for field in fields(kind)))


@cache
def _type_hash(text: str) -> bytes:
    return keccak(text.encode())


@cache
def _separator(chain_id: int, contract: Address) -> bytes:
    return keccak(words(_type_hash(DOMAIN_TYPE), keccak(NAME.encode()), keccak(VERSION.encode()), chain_id, contract))
