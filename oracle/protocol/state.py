"""The state of a deployment as a fold over its events; reading is free functions and plain fields.

events -> State. Nothing here knows a node, a clock or a file: the same logs give the same state everywhere.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from oracle.protocol import events as ev
from oracle.protocol import heads
from oracle.protocol.deployment import Committee
from oracle.protocol.errors import Fatal
from oracle.protocol.keys import Address
from oracle.protocol.terms import Terms

NOBODY: Address = bytes(20)


class EpochStatus(Enum):
    PENDING = "pending"
    FINAL = "final"
    STRUCK = "struck"


@dataclass(slots=True)
class Job:
    requester: Address
    terms: Terms
    deadline: int  # block time, seconds
    escrow: int  # units, with what was added later
    refunded: int = 0
    reserved: int = 0  # for contests and the hatch
    awarded: int = 0  # of what was reserved, paid
    returned: int = 0  # final pay that a ruling gave back


@dataclass(slots=True)
class Worker:
    wallet: Address
    keys: list[Address] = field(default_factory=list)
    revoked: set[int] = field(default_factory=set)


@dataclass(slots=True)
class Post:
    """An epoch as the chain knows it; its data lies in the content store under `content`."""

    epoch: int
    previous: bytes
    head: bytes
    digest: bytes
    content: bytes
    signers: int
    transaction: bytes
    posted_at: int
    status: EpochStatus = EpochStatus.PENDING


@dataclass(frozen=True, slots=True)
class Term:
    """Members in office. `epoch`: the first that they can sign; `appointed`: the change that made them members, if one did."""

    epoch: int
    members: tuple[Address, ...]
    seal_keys: tuple[bytes, ...]
    quorum: int
    appointed: ev.ChangeProposed | None = None

    def committee(self, address: Address) -> Committee:
        return Committee(address, self.members, self.seal_keys, self.quorum)


@dataclass(slots=True)
class State:
    """`terms`: every committee that ever was; none where the Committee is older than the events."""

    head: bytes
    jobs: dict[int, Job] = field(default_factory=dict)
    workers: dict[int, Worker] = field(default_factory=dict)
    worker_of: dict[Address, int] = field(default_factory=dict)
    posts: dict[int, Post] = field(default_factory=dict)
    claimed: dict[int, int] = field(default_factory=dict)  # units that left the pool for a worker: paid, or settled
    frozen: dict[int, int] = field(default_factory=dict)
    hatched: set[tuple[int, int, int]] = field(default_factory=set)  # (job, task, worker) that the hatch paid
    final_total: int = 0
    last_strike: int = 0
    terms: list[Term] = field(default_factory=list)
    proposed: ev.ChangeProposed | None = None  # the change that waits

    @property
    def last_epoch(self) -> int:
        return len(self.posts)

    def pending(self) -> Post | None:
        last = self.posts.get(self.last_epoch)
        return last if last and last.status is EpochStatus.PENDING else None

    def taken(self, worker: int) -> int:
        """What the worker cannot claim any more, or not now: the Market's counter."""
        return self.claimed.get(worker, 0) + self.frozen.get(worker, 0)

    def unstruck(self) -> list[Post]:
        return [post for post in self.posts.values() if post.status is not EpochStatus.STRUCK]

    def final(self) -> Post | None:
        """The post whose balances are the claim root."""
        finals = [post for post in self.posts.values() if post.status is EpochStatus.FINAL]
        return finals[-1] if finals else None

    def term(self, epoch: int) -> Term | None:
        """Who was in office when `epoch` was posted; of an epoch to come, who is now."""
        return next((term for term in reversed(self.terms) if term.epoch <= epoch), None)


def fold(first_head: bytes, logs: Iterable[ev.Log]) -> State:
    """The state after `logs`, in their order. Raises Fatal when they cannot be of one chain.

    A gap in dense numbers, a head that does not link, a claim of nothing new, terms without their hash.
    """
    state = State(first_head)
    for log in logs:
        apply(state, log)
    return state


def apply(state: State, log: ev.Log) -> None:
    """Moves `state` on by one event. Raises Fatal, and leaves it as it was, when the event cannot follow."""
    match log.event:
        case ev.WorkerRegistered() | ev.KeyAdded() | ev.KeyRevoked():
            _apply_worker(state, log.event)
        case ev.JobOpened() | ev.JobFunded() | ev.JobClosed() | ev.JobRefunded():
            _apply_job(state, log.event)
        case ev.JobReserved() | ev.JobReleased() | ev.JobAwarded():
            _apply_job(state, log.event)
        case ev.Claimed() | ev.ClaimFrozen() | ev.ClaimThawed() | ev.ClaimForfeited():
            _apply_claim(state, log.event)
        case ev.HatchPaid(_, job, worker, task):
            _require(job in state.jobs, f"the hatch pays for job {job}, which was never opened")
            state.hatched.add((job, task, worker))
        case ev.ChangeProposed():
            state.proposed = log.event
        case ev.ChangeEnacted():
            _apply_change(state, log.event)
        case _:
            _apply_epoch(state, log)


def _apply_worker(state: State, event: ev.WorkerRegistered | ev.KeyAdded | ev.KeyRevoked) -> None:
    number = event.worker
    if isinstance(event, ev.WorkerRegistered):
        _require(number == len(state.workers), f"worker {number} follows worker {len(state.workers) - 1}")
        state.workers[number] = Worker(event.wallet)
        state.worker_of[event.wallet] = number
        return
    _require(number in state.workers, f"worker {number} has keys but no wallet")
    worker = state.workers[number]
    if isinstance(event, ev.KeyAdded):
        _require(event.number == len(worker.keys), f"key {event.number} of worker {number} is out of order")
        worker.keys.append(event.key)
    else:
        _require(event.number < len(worker.keys), f"key {event.number} of worker {number} is revoked and was not added")
        worker.revoked.add(event.number)


_JobEvent: TypeAlias = (
    ev.JobOpened | ev.JobFunded | ev.JobReserved | ev.JobReleased | ev.JobAwarded | ev.JobClosed | ev.JobRefunded
)
_ClaimEvent: TypeAlias = ev.Claimed | ev.ClaimFrozen | ev.ClaimThawed | ev.ClaimForfeited


def _apply_job(state: State, event: _JobEvent) -> None:
    number = event.job
    if isinstance(event, ev.JobOpened):
        _require(number == len(state.jobs) + 1, f"job {number} follows job {len(state.jobs)}")
        _require(event.terms.hash() == event.terms_hash, f"the terms of job {number} do not have their hash")
        state.jobs[number] = Job(event.requester, event.terms, event.deadline, event.escrow)
        return
    _require(number in state.jobs, f"job {number} goes on and was never opened")
    job = state.jobs[number]
    if isinstance(event, ev.JobClosed):
        job.deadline = event.deadline
        return
    if isinstance(event, ev.JobFunded):
        job.escrow += event.amount
        return
    left = job.escrow - job.refunded - job.awarded - job.reserved
    if isinstance(event, ev.JobReleased | ev.JobAwarded):
        left = job.reserved
    _require(event.amount <= left, f"job {number} gives {event.amount} units of the {left} that it has left for it")
    match event:
        case ev.JobRefunded():
            job.refunded += event.amount
        case ev.JobReserved():
            job.reserved += event.amount
        case ev.JobReleased():
            job.reserved -= event.amount
        case ev.JobAwarded():
            job.reserved -= event.amount
            job.awarded += event.amount


def _apply_claim(state: State, event: _ClaimEvent) -> None:
    worker = event.worker
    claimed, frozen = state.claimed.get(worker, 0), state.frozen.get(worker, 0)
    if isinstance(event, ev.Claimed):
        taken = claimed + frozen
        _require(event.cumulative > taken, f"worker {worker} claimed up to {event.cumulative}, but had {taken}")
        state.claimed[worker] = event.cumulative - frozen
        return
    if isinstance(event, ev.ClaimFrozen):
        state.frozen[worker] = frozen + event.amount
        return
    _require(event.amount <= frozen, f"{event.amount} units of worker {worker} are released, but {frozen} are frozen")
    if isinstance(event, ev.ClaimForfeited):
        _require(event.job in state.jobs, f"job {event.job} gets pay back and was never opened")
        state.claimed[worker] = claimed + event.amount
        state.jobs[event.job].returned += event.amount
    state.frozen[worker] = frozen - event.amount


def _apply_epoch(state: State, log: ev.Log) -> None:
    pending = state.pending()
    match log.event:
        case ev.EpochPosted(epoch, head, digest, content, signers):
            _require(pending is None, f"epoch {epoch} is posted while epoch {state.last_epoch} is pending")
            _require(epoch == state.last_epoch + 1, f"epoch {epoch} follows epoch {state.last_epoch}")
            _require(head == heads.posted(state.head, digest, signers), f"the head of epoch {epoch} does not link")
            state.posts[epoch] = Post(epoch, state.head, head, digest, content, signers, log.transaction, log.timestamp)
            state.head = head
        case ev.EpochFinalised(epoch, _, total):
            _settle(pending, epoch, EpochStatus.FINAL)
            state.final_total = total
        case ev.EpochStruck(epoch, head):
            _require(head == heads.struck(state.head), f"the head after the strike of epoch {epoch} does not link")
            _settle(pending, epoch, EpochStatus.STRUCK)
            state.head = head
            state.last_strike = log.timestamp


def _apply_change(state: State, event: ev.ChangeEnacted) -> None:
    waited = state.proposed
    # else the first members, or a change that was proposed before the first event
    waits = (event.number, event.digest) == (waited.number, waited.digest) if waited else not state.terms
    _require(waits, f"change {event.number} is enacted and did not wait")
    term = Term(state.last_epoch + 1, event.members, event.seal_keys, event.quorum, waited)
    digest = term.committee(NOBODY).digest()
    _require(digest == event.digest, f"the members of change {event.number} do not have their hash")
    state.terms.append(term)
    state.proposed = None


def _settle(pending: Post | None, epoch: int, status: EpochStatus) -> None:
    if pending is None or pending.epoch != epoch:
        raise _contradiction(f"epoch {epoch} is {status.value} and was not pending")
    pending.status = status


def _contradiction(message: str) -> Fatal:
    return Fatal(f"the endpoint's events do not fit together: {message}")


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise _contradiction(message)
