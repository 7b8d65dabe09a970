"""The leaves of an epoch's trees: the value, its leaf hash, and its record (dag-cbor values) in the content store.

value <-> record; value -> leaf. Order in each tree: docs/protocol.md.

A leaf may break the rules and be committed all the same: whatever bytes the Referee can be shown are read here, so that a fault
is proven and not only met. Whether a value obeys the rules is for `oracle.protocol.audit` to say.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeAlias

from oracle.protocol.cids import encode
from oracle.protocol.hashing import ZERO, keccak, leaf, pack_int32, tagged, unpack_int32
from oracle.protocol.keys import Address
from oracle.protocol.messages import Assignment
from oracle.protocol.terms import NO_LABEL

NO_ROW = (1 << 32) - 1
CORE = 20  # bytes


class Status(IntEnum):
    """What became of a listed answer."""

    COUNTED = 0
    UNOPENED = 1
    REJECTED = 2


@dataclass(frozen=True, slots=True)
class Balance:
    """Everything that a worker ever earned, in units, and what of it this epoch gave (`earnings`, packed)."""

    worker: int
    wallet: Address
    cumulative: int
    earnings: bytes

    def leaf(self) -> bytes:
        return leaf("balance", self.worker, self.wallet, self.cumulative, keccak(self.earnings))

    def record(self) -> list[Any]:
        return [self.worker, self.wallet, self.cumulative, self.earnings]


@dataclass(frozen=True, slots=True)
class WeightRow:
    """What worker's answer `label` says about each class: nats x 2^16. `tail`: odd bytes after them, which break the rules."""

    job: int
    worker: int
    label: int
    row: tuple[int, ...]
    tail: bytes = b""

    def leaf(self) -> bytes:
        return leaf("weight", self.job, self.worker, self.label, keccak(self.packed()))

    def packed(self) -> bytes:
        return pack_int32(self.row) + self.tail

    def record(self) -> list[Any]:
        return [self.job, self.worker, self.label, self.packed()]


@dataclass(frozen=True, slots=True)
class Core:
    """One listed answer, as the score needs it: 20 packed bytes. A `status` that is no Status breaks the rules."""

    worker: int
    key: int
    label: int
    status: int
    row: int
    epoch: int
    index: int

    def pack(self) -> bytes:
        return (
            self.worker.to_bytes(4, "big")
            + self.key.to_bytes(2, "big")
            + bytes([self.label, self.status])
            + self.row.to_bytes(4, "big")
            + self.epoch.to_bytes(4, "big")
            + self.index.to_bytes(4, "big")
        )

    @staticmethod
    def unpack(data: bytes) -> "Core":
        at = [
            int.from_bytes(data[a:b], "big") for a, b in ((0, 4), (4, 6), (6, 7), (7, 8), (8, 12), (12, 16), (16, 20))
        ]
        return Core(at[0], at[1], at[2], _STATUS.get(at[3], at[3]), at[4], at[5], at[6])


_STATUS: dict[int, int] = {status.value: status for status in Status}


@dataclass(frozen=True, slots=True)
class Opening:
    """One listed answer, as its check needs it. `reason` is a block's digest.

    `envelope` travels only with an unopened one, outside the leaf: the seal hash in the leaf binds it. `hashed` is the payload's
    hash where it is all that is known: of a leaf that was revealed on chain.
    """

    commitment: bytes
    seal_hash: bytes
    payload: bytes
    salt: bytes
    reason: bytes
    signature: bytes
    envelope: bytes = b""
    hashed: bytes = b""

    def hash(self) -> bytes:
        signature = keccak(self.signature)
        return tagged("opening", self.commitment, self.seal_hash, self.payload_hash, self.salt, self.reason, signature)

    @property
    def payload_hash(self) -> bytes:
        return self.hashed or (keccak(self.payload) if self.salt != ZERO else ZERO)

    def record(self) -> list[bytes]:
        parts = [self.commitment, self.seal_hash, self.payload, self.salt, self.reason, self.signature]
        return [*parts, self.envelope] if self.envelope else parts


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision on one task with the complete list of its answers, ascending by worker.

    prior_tail, cores_tail: odd bytes after them, which break the rules.
    """

    job: int
    task: int
    label: int
    prior: tuple[int, ...]
    pay: int
    cores: tuple[Core, ...]
    openings: tuple[Opening, ...]
    prior_tail: bytes = b""
    cores_tail: bytes = b""

    def leaf(self) -> bytes:
        prior, listed = keccak(self.packed_prior()), self.list_hash()
        return leaf("verdict", self.job, self.task, self.label, prior, self.pay, listed)

    def list_hash(self) -> bytes:
        return list_hash(self.cores, self.openings, self.cores_tail)

    def packed_prior(self) -> bytes:
        return pack_int32(self.prior) + self.prior_tail

    def packed_cores(self) -> bytes:
        return b"".join([core.pack() for core in self.cores]) + self.cores_tail

    def opening_hashes(self) -> bytes:
        return b"".join([opening.hash() for opening in self.openings])

    def record(self) -> list[Any]:
        openings = [opening.record() for opening in self.openings]
        prior, cores = self.packed_prior(), self.packed_cores()
        return [self.job, self.task, self.label, prior, self.pay, cores, openings]


@dataclass(frozen=True, slots=True)
class SealedRow(WeightRow):
    """A weight row of a sealed job to who has not its key: its leaf, and no row."""

    hashed: bytes = b""

    def leaf(self) -> bytes:
        return self.hashed


@dataclass(frozen=True, slots=True)
class SealedVerdict(Verdict):
    """A verdict of a sealed job to who has not its key: which task it says it decides, its leaf, and no answers."""

    hashed: bytes = b""

    def leaf(self) -> bytes:
        return self.hashed


@dataclass(frozen=True, slots=True)
class Task:
    """One task of a job: the requester's own id for it and its payload (any dag-cbor value)."""

    task: int
    id: str
    payload: Any

    def leaf(self) -> bytes:
        return leaf("task", self.task, keccak(encode(self.record())))

    def record(self) -> list[Any]:
        return [self.task, self.id, self.payload]


def assignment_leaf(a: Assignment) -> bytes:
    return leaf("assignment", a.job, a.task, a.worker, a.expiry, a.terms)


def list_hash(cores: Iterable[Core], openings: Iterable[Opening], tail: bytes = b"") -> bytes:
    """Binds the ordered list of answers; the cores apart, so that a score is checked without signatures."""
    packed = b"".join([core.pack() for core in cores]) + tail
    hashes = b"".join([opening.hash() for opening in openings])
    return tagged("list", keccak(packed), keccak(hashes))


def receipt_leaf(answer_digest: bytes) -> bytes:
    return leaf("receipt", answer_digest)


def pack_earnings(earnings: Iterable[tuple[int, int]]) -> bytes:
    """(verdict index, units) pairs, 12 bytes each."""
    return b"".join(verdict.to_bytes(4, "big") + pay.to_bytes(8, "big") for verdict, pay in earnings)


def unpack_earnings(data: bytes) -> list[tuple[int, int]]:
    """The inverse of `pack_earnings`; raises ValueError when the length is no multiple of 12."""
    if len(data) % 12:
        raise ValueError(f"{len(data)} bytes are not a list of earnings")
    return [
        (int.from_bytes(data[i : i + 4], "big"), int.from_bytes(data[i + 4 : i + 12], "big"))
        for i in range(0, len(data), 12)
    ]


def balance_from(record: Sequence[Any]) -> Balance:
    worker, wallet, cumulative, earnings = record
    return Balance(_uint(worker, 32), _bytes(wallet, 20), _uint(cumulative, 64), _bytes(earnings))


def weight_from(record: Sequence[Any]) -> WeightRow:
    job, worker, label, row = record
    numbers, tail = _cut(row, 4)
    return WeightRow(_uint(job, 32), _uint(worker, 32), _uint(label, 8), tuple(unpack_int32(numbers)), tail)


def assignment_from(record: Sequence[Any]) -> Assignment:
    job, task, worker, expiry, terms = record
    return Assignment(_uint(job, 32), _bytes(terms, 32), _uint(task, 32), _uint(worker, 32), _uint(expiry, 64))


def task_from(record: Sequence[Any]) -> Task:
    task, name, payload = record
    if not isinstance(name, str):
        raise TypeError("a task's id is text")
    return Task(_uint(task, 32), name, payload)


def verdict_from(record: Sequence[Any]) -> Verdict:
    job, task, label, prior, pay, cores, openings = record
    (numbers, prior_tail), (whole, cores_tail) = _cut(prior, 4), _cut(cores, CORE)
    return Verdict(
        _uint(job, 32),
        _uint(task, 32),
        _uint(label, 8),
        tuple(unpack_int32(numbers)),
        _uint(pay, 64),
        tuple(Core.unpack(whole[i : i + CORE]) for i in range(0, len(whole), CORE)),
        tuple(opening_from(_list(o)) for o in _list(openings)),
        prior_tail,
        cores_tail,
    )


def opening_from(record: Sequence[Any]) -> Opening:
    commitment, seal_hash, payload, salt, reason, signature, *rest = record
    envelope = _bytes(rest[0]) if len(rest) == 1 else b""
    if rest and (not envelope or keccak(envelope) != seal_hash):
        raise ValueError("expected nothing more, or the envelope that was signed")
    return Opening(
        _bytes(commitment, 32),
        _bytes(seal_hash, 32),
        _bytes(payload),
        _bytes(salt, 32),
        _bytes(reason, 32),
        _bytes(signature),
        envelope,
    )


def unopened(commitment: bytes, seal_hash: bytes, signature: bytes, envelope: bytes) -> Opening:
    """The evidence of an answer that opens for nobody."""
    return Opening(commitment, seal_hash, b"", ZERO, ZERO, signature, envelope)


def uncounted(worker: int, key: int, status: Status, epoch: int, index: int) -> Core:
    return Core(worker, key, NO_LABEL, status, NO_ROW, epoch, index)


def _uint(value: Any, bits: int) -> int:
    if type(value) is not int or not 0 <= value < 1 << bits:
        raise ValueError(f"{str(value)[:40]} is not a uint{bits}")
    return value


def _cut(value: Any, size: int) -> tuple[bytes, bytes]:
    """Whole parts of that size, and what is left."""
    data = _bytes(value)
    whole = len(data) - len(data) % size
    return data[:whole], data[whole:]


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("expected a list")
    return value


def _bytes(value: Any, length: int | None = None) -> bytes:
    if not isinstance(value, bytes) or (length is not None and len(value) != length):
        raise ValueError(f"expected {length or 'some'} bytes")
    return value


def sealed_place(value: "Leaf") -> list[int]:
    """What a sealed record says in the clear: the job, and the task of a verdict."""
    return [value.job, value.task] if isinstance(value, Verdict) else [value.job]  # type: ignore[union-attr]


def sealed_from(tree: str, place: Sequence[Any], leaf_: bytes) -> "Leaf":
    """What there is to know of a record without its key. Raises ValueError for what is no place in that tree."""
    numbers = [_uint(one, 32) for one in place]
    if (tree, len(numbers)) == ("verdicts", 2):
        return SealedVerdict(numbers[0], numbers[1], NO_LABEL, (), 0, (), (), hashed=leaf_)
    if (tree, len(numbers)) == ("weights", 1):
        return SealedRow(numbers[0], 0, NO_LABEL, (), hashed=leaf_)
    raise ValueError(f"no record of the {tree} is sealed so")


def is_sealed(value: "Leaf") -> bool:
    return isinstance(value, SealedVerdict | SealedRow)


Leaf: TypeAlias = Balance | WeightRow | Verdict | Assignment | Task
PARSERS: dict[str, Callable[[Sequence[Any]], Leaf]] = {
    "balances": balance_from,
    "weights": weight_from,
    "verdicts": verdict_from,
    "assignments": assignment_from,
    "tasks": task_from,
}


def parse(tree: str, record: Any) -> Leaf:
    """The value of a record; raises ValueError or TypeError for a record of another form."""
    return PARSERS[tree](_list(record))


def leaf_of(value: Leaf) -> bytes:
    return assignment_leaf(value) if isinstance(value, Assignment) else value.leaf()


def record_of(value: Leaf) -> list[Any]:
    if isinstance(value, Assignment):
        return [value.job, value.task, value.worker, value.expiry, value.terms]
    return value.record()
