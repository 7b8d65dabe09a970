"""A deployment with its committee in this process: four members on one FakeChain, workers with keys, jobs, sealed answers.

Everything but the envelopes follows from names. `LocalPeer` is the port Peer without HTTP; it can be away.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import Any

from oracle.adapters.car import read_car, write_car
from oracle.adapters.content import MemoryStore
from oracle.adapters.database import SqlDatabase, memory_database
from oracle.adapters.signer import KeySigner
from oracle.ports import (
    Appraisal,
    ContentStore,
    Evidence,
    Holding,
    OfferedAssignment,
    Peer,
    Proposal,
    Registration,
    Shares,
    SignedWish,
    StoredAnswer,
)
from oracle.protocol import jobkey
from oracle.protocol.cids import Cid
from oracle.protocol.credentials import SignedBandKey
from oracle.protocol.deployment import Committee, Deployment
from oracle.protocol.errors import Retryable
from oracle.protocol.free import payload_of
from oracle.protocol.gold import Part
from oracle.protocol.gold import make as make_gold
from oracle.protocol.hashing import keccak
from oracle.protocol.jobkey import Wrapped
from oracle.protocol.keys import Address, address_of, sign
from oracle.protocol.leaves import Task
from oracle.protocol.manifest import check_manifest, make_job
from oracle.protocol.messages import Answer, Header, digest
from oracle.protocol.sealing import HASH, MEMBERS, OVERHEAD, THRESHOLD, commitment, seal
from oracle.protocol.sharing import SHARE
from oracle.protocol.state import State
from oracle.services.assign import Matcher
from oracle.services.books import Books
from oracle.services.index import Index
from oracle.services.member import Member
from oracle.services.settle import Settler
from tests.support.chain import FakeChain, PlainSigner
from tests.support.epochs import fill, manifest_document, person
from tests.support.market import REQUESTER, Market

WINDOW = 3_600
LIFE = 10_000_000  # seconds that a job stays open


@dataclass
class LocalPeer:
    """One member, asked directly."""

    member: Member
    content: ContentStore
    away: bool = False

    def assign(self, pairs: Sequence[tuple[int, int, int]]) -> list[OfferedAssignment]:
        return self._there().assign(pairs)

    def appraise(self, pairs: Sequence[tuple[int, int, int]]) -> Appraisal:
        return self._there().appraise(pairs)

    def accept(self, answers: Sequence[StoredAnswer]) -> bytes:
        return self._there().accept(answers)[1]

    def propose(self, evidence: Evidence) -> Proposal | None:
        return self._there().propose(evidence)

    def review(self, header: Header) -> None:
        self._there().review(header)

    def approve(self, header: Header) -> bytes:
        return self._there().approve(header)

    def attest(self, shown: Sequence[StoredAnswer]) -> Holding | None:
        return self._there().attest(shown)

    def tell(self, shown: Sequence[StoredAnswer], holdings: Sequence[Holding]) -> Shares | None:
        return self._there().tell(shown, holdings)

    def learn(self, told: Sequence[Shares]) -> None:
        self._there().learn(told)

    def band_keys(self, job: int) -> list[SignedBandKey]:
        return self._there().band_keys(job)

    def certify(self, wish: SignedWish) -> bytes:
        return self._there().certify(wish)

    def blocks(self, root: Cid) -> bytes:
        self._there()
        return car_of(self.content, root)

    def store(self, car: bytes) -> None:
        self._there()
        read_car(BytesIO(car), self.content)

    def _there(self) -> Member:
        if self.away:
            raise Retryable("connection refused")
        return self.member


def car_of(content: ContentStore, root: Cid) -> bytes:
    out = BytesIO()
    write_car(content, [root], out)
    return out.getvalue()


@dataclass
class Node:
    """One member with what it owns; `restart` keeps only what is durable."""

    deployment: Deployment
    chain: FakeChain
    signer: KeySigner
    database: SqlDatabase
    content: ContentStore
    member: Member = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> Member:
        index = Index(self.chain, self.database, self.deployment, 0)
        self.member = Member(self.deployment, index, self.database, self.content, self.signer)
        return self.member


@dataclass
class Town:
    """Holds the whole world of a test. `stores`: where the members keep blocks, and the oracle last."""

    members: int = 4
    quorum: int = 3
    stores: Sequence[ContentStore] = ()
    chain: FakeChain = field(default_factory=FakeChain)

    def __post_init__(self) -> None:
        stores = list(self.stores) or [MemoryStore() for _ in range(self.members + 1)]
        signers = sorted(
            (KeySigner(person(f"member {i}").secret) for i in range(self.members)), key=lambda s: s.address
        )
        addresses, seals = tuple(s.address for s in signers), tuple(s.seal_key for s in signers)
        named = [fill(name)[12:] for name in ("market", "workers", "token", "committee")]
        committee = Committee(named[3], addresses, seals, self.quorum)
        self.deployment = Deployment(31337, named[0], named[1], committee, bytes(20), named[2], 1, WINDOW, 0)
        self.market = Market(self.chain, self.deployment)
        self.nodes = [Node(self.deployment, self.chain, s, memory_database(), stores[i]) for i, s in enumerate(signers)]
        self.peers: list[Any] = [LocalPeer(node.member, node.content) for node in self.nodes]
        self.content, self.database = stores[-1], memory_database()
        self.index = Index(self.chain, self.database, self.deployment, 0)
        self.relayer = PlainSigner(b"\x99" * 20)
        self._register(["treasury"])

    def close(self) -> None:
        for database in (self.database, *(node.database for node in self.nodes)):
            database.close()

    @property
    def all(self) -> list[Member]:
        return [node.member for node in self.nodes]

    @property
    def state(self) -> State:
        return self.index.advance()

    def settler(self, peers: Sequence[Peer] | None = None) -> Settler:
        def put(car: bytes) -> None:
            read_car(BytesIO(car), self.content)

        asked = tuple(self.peers if peers is None else peers)
        return Settler(
            self.deployment,
            self.chain,
            self.market,
            self.content,
            self.database,
            self.relayer,
            asked,
            Books(self.content),
            put,
        )

    def matcher(self, peers: Sequence[Peer] | None = None) -> Matcher:
        asked = tuple(self.peers if peers is None else peers)
        return Matcher(self.deployment, self.database, self.content, asked, lambda root: car_of(self.content, root))

    # -------------------------------------------------------------------------------------------------------- people

    def register(self, count: int) -> range:
        """So many workers, each with one key, the wallet's own."""
        first = len(self.market.state().workers)
        self._register([f"worker {i}" for i in range(first, first + count)])
        return range(first, first + count)

    def _register(self, names: Iterable[str]) -> None:
        wallets = [address_of(person(name)) for name in names]
        wishes = [Registration(wallet, wallet, self.chain.now + 1_000, b"") for wallet in wallets]
        self.chain.mine(*self.market.run(self.market.register_many(wishes).data))

    # ---------------------------------------------------------------------------------------------------------- jobs

    def open_job(
        self,
        tasks: int = 3,
        answers: int = 3,
        everywhere: bool = True,
        parent: int = 0,
        gold: Sequence[Part] = (),
        key: Wrapped | None = None,
        **changes: Any,
    ) -> int:
        """A job; its blocks lie in every store if `everywhere`. `changes` are fields of the manifest."""
        document = manifest_document(**{"redundancy": {"most": answers, "least": 1}, **changes})
        named = [Task(i, f"task {i} at {self.chain.now}", {"text": f"animal {i}"}) for i in range(tasks)]
        terms, blocks = make_job(replace(check_manifest(document), gold=tuple(gold), key=key), named, 1)
        terms = replace(terms, parent=parent)
        if everywhere:
            for content in (self.content, *(node.content for node in self.nodes)):
                content.put_many(blocks)
        self.chain.mine(*self.market.run(self.market.open_job(terms, self.chain.now + LIFE).data))
        return len(self.market.state().jobs)

    def golden_job(self, tasks: int, answers: int, known: Mapping[int, int], **changes: Any) -> int:
        """A job whose requester knows the labels of some tasks, sealed to all members."""
        parts = make_gold(known, REQUESTER, self.deployment.committee.seal_keys)
        return self.open_job(tasks, answers, gold=parts, goldShare=len(known) / tasks, **changes)

    @property
    def requester(self) -> Address:
        """Whose the jobs are."""
        return REQUESTER

    def sealed_job(
        self, key: bytes, tasks: int = 2, answers: int = 2, spoilt: Iterable[int] = (), **changes: Any
    ) -> int:
        """A job that only who has the key reads; the members at `spoilt` cannot unwrap it."""
        wrapped = jobkey.wrap(key, self.requester, self.deployment.committee.seal_keys)
        parts = bytearray(wrapped.parts)
        for at in spoilt:
            parts[at * jobkey.PART] ^= 1
        return self.open_job(tasks, answers, key=replace(wrapped, parts=bytes(parts)), visibility="sealed", **changes)

    def close_job(self, job: int) -> None:
        self.chain.mine(*self.market.run(self.market.close_job(job, self.market.state().jobs[job].terms.hash()).data))

    # ------------------------------------------------------------------------------------------------------- answers

    def offers(self, job: int, pairs: Iterable[tuple[int, int]], binder: int = 0) -> list[OfferedAssignment]:
        """Assignments of (task, worker) pairs, bound by one member."""
        return self.nodes[binder].member.assign([(job, task, worker) for task, worker in pairs])

    def answer(
        self, offer: OfferedAssignment, said: int | str | bytes = 0, salt: bytes | None = None, **envelope: Any
    ) -> StoredAnswer:
        """What the worker sends: a label, the text of a free answer, or any payload; `envelope` are changes for `envelope`."""
        payload = bytes([said]) if isinstance(said, int) else payload_of(said) if isinstance(said, str) else said
        salt = salt or keccak(b"salt of %d %d" % (offer.task, offer.worker))
        bound = commitment(offer.job, offer.task, offer.worker, payload, salt)
        return self.signed(offer, bound, self.seal(bound, payload, salt, **envelope))

    def seal(
        self, bound: bytes, payload: bytes, salt: bytes, garbage_for: Iterable[int] = (), scheme: int = MEMBERS
    ) -> bytes:
        """An envelope of which the members at `garbage_for` open no part."""
        envelope = bytearray(seal(self.deployment.committee.seal_keys, bound, payload, salt, scheme))
        size, first = (len(envelope) - 1) // self.members, 1
        if scheme == THRESHOLD:
            size, first = OVERHEAD + SHARE, 1 + HASH * self.members
        for position in garbage_for:
            start = first + position * size
            envelope[start : start + size] = bytes(size)
        return bytes(envelope)

    def signed(self, offer: OfferedAssignment, bound: bytes, envelope: bytes) -> StoredAnswer:
        message = Answer(offer.job, offer.terms, offer.task, offer.worker, bound, keccak(envelope))
        signature = sign(person(f"worker {offer.worker}"), digest(self.deployment.domain(), message))
        place = (offer.job, offer.task, offer.worker)
        seen = (bound, message.seal_hash, signature, envelope)
        return StoredAnswer(*place, 0, *seen, offer.expiry, offer.signature)

    def give(self, answers: Sequence[StoredAnswer], to: Iterable[int] | None = None) -> None:
        """The members at `to`, or all, accept a batch."""
        for at in range(self.members) if to is None else to:
            self.nodes[at].member.accept(answers)

    def fill_job(self, job: int, labels: Mapping[tuple[int, int], int | str | bytes]) -> list[StoredAnswer]:
        """(task, worker) -> what is said: assigned, answered and receipted by all."""
        offers = self.offers(job, labels)
        answers = [self.answer(offer, labels[offer.task, offer.worker]) for offer in offers]
        self.give(answers)
        return answers

    def ready_job(self, tasks: int = 3, answers: int = 3, **changes: Any) -> tuple[int, list[StoredAnswer]]:
        """A job with all its answers: worker w says task % 3, the last worker of a task something else."""
        job = self.open_job(tasks, answers, **changes)
        workers = list(self.register(answers))
        labels = {(t, w): (t + (w == workers[-1] and answers > 1)) % 3 for t in range(tasks) for w in workers}
        return job, self.fill_job(job, labels)


def changed(answer: StoredAnswer, **changes: Any) -> StoredAnswer:
    return replace(answer, **changes)
