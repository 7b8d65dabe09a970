"""Who and what a simulation is about, made once for each committee: keys, deployment, jobs, and what workers say.

Everything follows from names, envelopes too: their seal is a keyed hash instead of HPKE, so that a run repeats bit by bit.
"""

from dataclasses import dataclass, field
from functools import cache, lru_cache
from hashlib import shake_256
from typing import Any

from oracle.ports import OfferedAssignment, StoredAnswer
from oracle.protocol.cids import Codec
from oracle.protocol.deployment import Committee, Deployment
from oracle.protocol.hashing import keccak
from oracle.protocol.keys import Address, address_of, sign
from oracle.protocol.leaves import Task
from oracle.protocol.manifest import check_manifest, make_job
from oracle.protocol.messages import Answer, digest
from oracle.protocol.sealing import MEMBERS, OVERHEAD, SALT, commitment
from oracle.protocol.terms import Terms
from tests.support.epochs import fill, manifest_document, person

WINDOW = 3_600  # seconds to challenge
LIFE = 10_000_000  # seconds that a job stays open
WORKERS = 3
PART = OVERHEAD + SALT + 1  # bytes of an envelope for one member
JOBS = ((2, 2), (2, 3), (3, 1), (1, 3))  # (tasks, answers) of each


@dataclass(frozen=True)
class SimSigner:
    """The port Signer by name; its signatures are real."""

    name: str
    address: Address
    seal_key: bytes

    def sign(self, digest: bytes) -> bytes:
        return _signature(self.name, digest)

    def sign_transaction(self, fields: dict[str, Any]) -> tuple[bytes, bytes]:
        raise NotImplementedError

    def unseal(self, position: int, members: int, commitment: bytes, envelope: bytes) -> tuple[bytes, bytes] | None:
        part = envelope[1 + position * PART : 1 + (position + 1) * PART]
        tag, plain = part[:OVERHEAD], part[OVERHEAD:]
        return (plain[SALT:], plain[:SALT]) if tag == _tag(self.seal_key, commitment, plain) else None

    def share(self, position: int, members: int, commitment: bytes, envelope: bytes) -> None:
        """No worker of a simulation splits a key."""

    def open(self, about: bytes, sealed: bytes) -> None:
        """Nobody has anything to tell."""


def signer(name: str) -> SimSigner:
    return SimSigner(name, address_of(person(name)), fill("seal of " + name))


@lru_cache(1 << 16)
def _signature(name: str, digest: bytes) -> bytes:
    return sign(person(name), digest)


@lru_cache(1 << 16)
def _tag(seal_key: bytes, commitment: bytes, plain: bytes) -> bytes:
    return shake_256(seal_key + commitment + plain).digest(OVERHEAD)


@dataclass
class Cast:
    """A committee of `size` members of whom `faults` may lie, and everything that does not change from run to run."""

    size: int
    quorum: int = 0  # 2f+1 unless a defect is planted
    faults: int = field(init=False)
    signers: list[SimSigner] = field(init=False)
    deployment: Deployment = field(init=False)
    terms: list[Terms] = field(init=False)
    blocks: list[tuple[bytes, Codec]] = field(init=False)

    def __post_init__(self) -> None:
        self.faults = (self.size - 1) // 3
        self.quorum = self.quorum or 2 * self.faults + 1
        self.signers = sorted((signer(f"member {i}") for i in range(self.size)), key=lambda s: s.address)
        named = [fill(name)[12:] for name in ("market", "workers", "token", "committee")]
        addresses, seals = tuple(s.address for s in self.signers), tuple(s.seal_key for s in self.signers)
        committee = Committee(named[3], addresses, seals, self.quorum)
        self.deployment = Deployment(31337, named[0], named[1], committee, bytes(20), named[2], 1, WINDOW, 0)
        made = [self._job(*sizes, f"job {number}") for number, sizes in enumerate(JOBS, 1)]
        self.terms = [terms for terms, _ in made]
        self.blocks = [block for _, blocks in made for block in blocks]

    def _job(self, tasks: int, answers: int, title: str) -> tuple[Terms, list[tuple[bytes, Codec]]]:
        rules: dict[str, Any] = {"redundancy": {"most": answers, "least": 1}, "decision": {"rule": "vote"}}
        named = [Task(i, f"task {i} of {title}", {"text": f"animal {i}"}) for i in range(tasks)]
        return make_job(check_manifest(manifest_document(title=title, **rules)), named, 1)

    def answer(self, offer: OfferedAssignment, label: int, closed_to: frozenset[int] = frozenset()) -> StoredAnswer:
        """What a worker sends; its envelope does not open for the members at `closed_to`."""
        place = (offer.job, offer.task, offer.worker)
        bound, seal_hash, signature, envelope = _said(self, *place, offer.terms, label, closed_to)
        return StoredAnswer(*place, 0, bound, seal_hash, signature, envelope, offer.expiry, offer.signature)

    def __hash__(self) -> int:
        return hash((self.size, self.quorum))


cast = cache(Cast)


@lru_cache(1 << 16)
def _said(
    cast: Cast, job: int, task: int, worker: int, terms: bytes, label: int, closed_to: frozenset[int]
) -> tuple[bytes, bytes, bytes, bytes]:
    payload, salt = bytes([label]), fill(f"salt {job}/{task}/{worker}/{label}")
    bound = commitment(job, task, worker, payload, salt)
    plain = salt + payload
    parts = [
        bytes(PART) if i in closed_to else _tag(s.seal_key, bound, plain) + plain for i, s in enumerate(cast.signers)
    ]
    envelope = bytes([MEMBERS]) + b"".join(parts)
    message = Answer(job, terms, task, worker, bound, keccak(envelope))
    signature = sign(person(f"worker {worker}"), digest(cast.deployment.domain(), message))
    return bound, message.seal_hash, signature, envelope
