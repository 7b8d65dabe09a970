"""A tiny world for tests: keys, a deployment, jobs, workers, answers -> correct epochs, and parts to break them.

Everything is derived from names, so that two worlds of the same calls are equal byte for byte. `World.epoch` builds
what an honest member would propose; `World.post` puts it on the world's chain, so that a next one follows.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, TypeVar

from coincurve import PrivateKey

from oracle.protocol import audit, heads, leaves
from oracle.protocol import epoch as ep
from oracle.protocol import events as ev
from oracle.protocol import ledger as lg
from oracle.protocol import state as st
from oracle.protocol.cids import Cid, Codec, cid_of
from oracle.protocol.deployment import Committee, Deployment
from oracle.protocol.epoch import Decision, Epoch, Listed, Packed, Place
from oracle.protocol.errors import ContentMismatch, ContentMissing
from oracle.protocol.faults import Fault
from oracle.protocol.hashing import ZERO, keccak
from oracle.protocol.keys import Address, address_of, sign
from oracle.protocol.leaves import Opening, Status, Task
from oracle.protocol.ledger import Ledger
from oracle.protocol.manifest import check_manifest, make_job
from oracle.protocol.messages import Answer, Assignment, digest
from oracle.protocol.pages import Source
from oracle.protocol.sealing import commitment
from oracle.protocol.state import State
from oracle.protocol.terms import NAT, NO_LABEL

T = TypeVar("T")
UNIT = 1
EXPIRY = 4_000_000_000


def fill(name: str) -> bytes:
    """32 bytes that name what they stand for."""
    return keccak(name.encode())


@cache
def person(name: str) -> PrivateKey:
    return PrivateKey(fill("key of " + name))


def put(items: Sequence[T], index: int, value: T) -> tuple[T, ...]:
    """The items with another one at `index`."""
    return (*items[:index], value, *items[index + 1 :])


@dataclass(frozen=True, slots=True)
class Said:
    """One answer: who says what about which task, and what becomes of it."""

    job: int
    task: int
    worker: int
    label: int = 0
    status: Status = Status.COUNTED


def make_deployment() -> Deployment:
    members = sorted(address_of(person(f"member {i}")) for i in range(4))
    seal_keys = tuple(fill(f"seal key {i}") for i in range(4))
    committee = Committee(fill("committee")[12:], tuple(members), seal_keys, 3)
    named = [fill(name)[12:] for name in ("market", "workers", "token")]
    return Deployment(31337, named[0], named[1], committee, bytes(20), named[2], UNIT, 60, 0)


def manifest_document(**changes: Any) -> dict[str, Any]:
    """A small manifest with three classes; `changes` replace its fields."""
    document: dict[str, Any] = {
        "version": 1,
        "title": "Animals",
        "instructions": "Say which animal it is.",
        "answer": {"type": "choice", "classes": ["cat", "dog", "owl"]},
        "redundancy": {"most": 4, "least": 1},
        "reward": {"base": "1000", "bonus": "300"},
        "feeBps": 250,
        "deadline": EXPIRY,
    }
    return document | changes


@dataclass(slots=True)
class World:
    """Holds the state of one made-up deployment; `blocks` is its content store."""

    deployment: Deployment = field(default_factory=make_deployment)
    blocks: dict[Cid, bytes] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)
    logs: list[ev.Log] = field(default_factory=list)
    state: State = field(init=False)
    posted: list[tuple[Epoch, bool]] = field(default_factory=list)
    keys: dict[Address, PrivateKey] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.state = State(self.deployment.digest())
        self.register("treasury")

    # ------------------------------------------------------------------------------------------------------ the chain

    def happen(self, event: ev.Event) -> None:
        log = ev.Log(len(self.logs), 0, fill(f"transaction {len(self.logs)}"), len(self.logs), event)
        st.apply(self.state, log)
        self.logs.append(log)

    def register(self, name: str) -> int:
        """A worker with one answer key, which is the wallet's own."""
        worker, wallet = len(self.state.workers), address_of(person(name))
        self.keys[wallet] = person(name)
        self.happen(ev.WorkerRegistered(worker, wallet))
        self.happen(ev.KeyAdded(worker, 0, wallet))
        return worker

    def open_job(self, tasks: int = 3, **changes: Any) -> int:
        """A job with so many tasks; `changes` are fields of its manifest."""
        job = len(self.state.jobs) + 1
        named = [Task(i, f"job {job} task {i}", {"text": f"animal {i}"}) for i in range(tasks)]
        terms, blocks = make_job(check_manifest(manifest_document(**changes)), named, UNIT)
        self.store(blocks)
        requester = address_of(person(f"requester of {job}"))
        self.happen(ev.JobOpened(job, requester, terms.hash(), terms, EXPIRY, terms.escrow()))
        return job

    def store(self, blocks: Iterable[tuple[bytes, Codec]]) -> None:
        self.blocks |= {cid_of(data, codec): data for data, codec in blocks}

    def source(self, damage: Mapping[Cid, bytes] | None = None) -> Source:
        """Reads the world's blocks, some of which may have become other bytes."""
        there: dict[Cid, bytes] = self.blocks | dict(damage or {})

        def read(cid: Cid) -> bytes:
            if cid not in there:
                raise ContentMissing(f"{cid} is not in the store")
            if there[cid] != self.blocks.get(cid):
                raise ContentMismatch(f"{cid} holds other bytes")
            return there[cid]

        return Source(read, there.get)

    # ----------------------------------------------------------------------------------------------------- the people

    def key(self, worker: int) -> PrivateKey:
        """The private key of a worker's wallet."""
        return self.keys[self.state.workers[worker].wallet]

    def offer(self, said: Said) -> Assignment:
        return Assignment(said.job, self.state.jobs[said.job].terms.hash(), said.task, said.worker, EXPIRY)

    def sign(self, said: Said, opening: Opening, by: int | None = None) -> Opening:
        """The opening with the signature of the worker (or of another, `by`) under its commitment and seal."""
        terms = self.state.jobs[said.job].terms.hash()
        answer = Answer(said.job, terms, said.task, said.worker, opening.commitment, opening.seal_hash)
        key = self.key(said.worker if by is None else by)
        return replace(opening, signature=sign(key, digest(self.deployment.domain(), answer)))

    def listed(self, said: Said) -> Listed:
        """The answer as an honest member lists it."""
        name = f"{said.job}/{said.task}/{said.worker}"
        payload, salt = bytes([said.label]), fill("salt " + name)
        envelope = b"\x01 the envelope of " + name.encode()
        bound = commitment(said.job, said.task, said.worker, payload, salt)
        reason = fill("reason " + name) if said.status is Status.REJECTED else ZERO
        opening = Opening(bound, keccak(envelope), payload, salt, reason, b"")
        if said.status is Status.UNOPENED:
            opening = leaves.unopened(bound, keccak(envelope), b"", envelope)
        label = said.label if said.status is Status.COUNTED else NO_LABEL
        return Listed(said.worker, 0, label, said.status, self.sign(said, opening))

    # ----------------------------------------------------------------------------------------------------- the epochs

    def row(self, job: int, worker: int, label: int) -> tuple[int, ...]:
        """Some weights that the job's caps allow: better workers have higher numbers."""
        terms = self.state.jobs[job].terms
        if terms.weight_cap == 0:
            return tuple(NAT if c == label else 0 for c in range(terms.classes))
        return tuple((terms.classes - 1) * 100 * worker if c == label else -100 * worker for c in range(terms.classes))

    def prior(self, job: int, task: int) -> tuple[int, ...]:
        terms = self.state.jobs[job].terms
        return tuple(7 * (task + 1) * (c == 0) * (terms.prior_cap > 0) for c in range(terms.classes))

    def epoch(self, answers: Iterable[Said], more_offers: Iterable[Assignment] = ()) -> Epoch:
        """The correct epoch that lists these answers, each task of them with all that is said here."""
        tasks: dict[tuple[int, int], list[Said]] = {}
        for said in sorted(answers, key=lambda a: (a.job, a.task, a.worker)):
            tasks.setdefault((said.job, said.task), []).append(said)
        decisions = [Decision(*at, self.prior(*at), tuple(map(self.listed, said))) for at, said in tasks.items()]
        fresh = [self.offer(a) for said in tasks.values() for a in said]
        offers = [o for o in fresh if (o.job, o.task, o.worker) not in self.ledger.pointers]
        rows = {
            (d.job, a.worker, a.label): self.row(d.job, a.worker, a.label)
            for d in decisions
            for a in d.listed
            if a.status is Status.COUNTED
        }
        number, deployment = self.state.last_epoch + 1, self.deployment
        return ep.build(
            Place(number, self.state.head, EXPIRY, deployment.configuration()),
            fill(f"model {number}"),
            {number: job.terms for number, job in self.state.jobs.items()},
            [worker.wallet for worker in self.state.workers.values()],
            self.ledger,
            sorted([*offers, *more_offers], key=lambda o: (o.job, o.task, o.worker)),
            decisions,
            rows,
        )

    def pack(self, epoch: Epoch) -> Packed:
        """Header and blocks, the blocks stored; of a job that is none, nobody has a manifest."""
        named = {v.job: ZERO for v in epoch.verdicts} | {a.job: ZERO for a in epoch.assignments}
        packed = ep.pack(epoch, named | {number: job.terms.manifest for number, job in self.state.jobs.items()})
        self.store(packed.blocks)
        return packed

    def post(self, epoch: Epoch, struck: bool = False) -> Packed:
        """Posts an epoch, then finalises or strikes it."""
        packed = self.pack(epoch)
        message = digest(self.deployment.domain(), packed.header)
        head = heads.posted(self.state.head, message, 0b111)
        self.happen(ev.EpochPosted(epoch.epoch, head, message, packed.header.content, 0b111))
        if struck:
            self.happen(ev.EpochStruck(epoch.epoch, heads.struck(head)))
        else:
            self.happen(ev.EpochFinalised(epoch.epoch, packed.header.balances, epoch.total))
        if not struck:
            lg.apply(self.ledger, epoch)
        self.posted.append((epoch, struck))
        return packed

    def check(self, epoch: Epoch) -> list[Fault]:
        return audit.check(epoch, self.state, self.deployment.domain(), self.ledger)

    def load(self, epoch: Epoch, content: bytes, damage: Mapping[Cid, bytes] | None = None) -> Any:
        """(the epoch or None, faults) as read from the world's blocks."""
        return ep.load(self.source(damage), epoch.epoch, content)


def tiny(workers: int = 4, jobs: int = 1, tasks: int = 3, **changes: Any) -> World:
    """A world with workers 1.., jobs 1.. of so many tasks each; `changes` are fields of their manifests."""
    world = World()
    for worker in range(1, workers + 1):
        world.register(f"worker {worker}")
    for _ in range(jobs):
        world.open_job(tasks, **changes)
    return world


def everybody(world: World, label: Callable[[int, int, int], int] = lambda j, t, w: (t + (w == 1)) % 3) -> list[Said]:
    """Every worker answers every task of every job, as far as the job allows; worker 1 mostly errs."""
    return [
        Said(number, task, worker, label(number, task, worker))
        for number, job in world.state.jobs.items()
        for task in range(job.terms.tasks)
        for worker in range(1, min(len(world.state.workers), job.terms.answers + 1))
    ]


# ------------------------------------------------------------------------------------------------------- parts to break


def with_verdict(epoch: Epoch, index: int, /, **changes: Any) -> Epoch:
    return replace(epoch, verdicts=put(epoch.verdicts, index, replace(epoch.verdicts[index], **changes)))


def with_core(epoch: Epoch, index: int, at: int, /, **changes: Any) -> Epoch:
    """The epoch with another core for answer `at` of verdict `index`."""
    cores = epoch.verdicts[index].cores
    return with_verdict(epoch, index, cores=put(cores, at, replace(cores[at], **changes)))


def with_opening(epoch: Epoch, index: int, at: int, /, **changes: Any) -> Epoch:
    openings = epoch.verdicts[index].openings
    return with_verdict(epoch, index, openings=put(openings, at, replace(openings[at], **changes)))


def with_leaf(epoch: Epoch, tree: str, index: int, /, **changes: Any) -> Epoch:
    """The epoch with fields of one leaf changed; the tree's other leaves stay."""
    values = getattr(epoch, tree)
    changed: Any = {tree: put(values, index, replace(values[index], **changes))}
    return replace(epoch, **changed)


def without_leaf(epoch: Epoch, tree: str, index: int) -> Epoch:
    values = getattr(epoch, tree)
    changed: Any = {tree: (*values[:index], *values[index + 1 :])}
    return replace(epoch, **changed)


def wallet_of(name: str) -> Address:
    return address_of(person(name))
