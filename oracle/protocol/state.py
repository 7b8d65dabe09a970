"""The state of a deployment as a fold over its events; reading is free functions and plain fields.

events -> State. Nothing here knows a node, a clock or a file: the same logs give the same state everywhere.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from oracle.protocol import events as ev
from oracle.protocol.errors import Fatal
from oracle.protocol.keys import Address
from oracle.protocol.terms import Terms


class EpochStatus(Enum):
    PENDING = "pending"
    FINAL = "final"
    STRUCK = "struck"


@dataclass(slots=True)
class Job:
    requester: Address
    terms: Terms
    deadline: int  # block time, seconds
    escrow: int  # units
    refunded: int = 0  # units


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


@dataclass(slots=True)
class State:
    head: bytes
    jobs: dict[int, Job] = field(default_factory=dict)
    workers: dict[int, Worker] = field(default_factory=dict)
    worker_of: dict[Address, int] = field(default_factory=dict)
    posts: dict[int, Post] = field(default_factory=dict)
    claimed: dict[int, int] = field(default_factory=dict)
    final_total: int = 0
    last_strike: int = 0

    @property
    def last_epoch(self) -> int:
        return len(self.posts)

    def pending(self) -> Post | None:
        last = self.posts.get(self.last_epoch)
        return last if last and last.status is EpochStatus.PENDING else None

    def unstruck(self) -> list[Post]:
        return [post for post in self.posts.values() if post.status is not EpochStatus.STRUCK]

    def final(self) -> Post | None:
        """The post whose balances are the claim root."""
        finals = [post for post in self.posts.values() if post.status is EpochStatus.FINAL]
        return finals[-1] if finals else None


def fold(first_head: bytes, logs: Iterable[ev.Log]) -> State:
    """The state after `logs`. Raises Fatal when they cannot be of one chain (a gap, a head that does not link)."""
    state = State(first_head)
    for log in logs:
        apply(state, log)
    return state


def apply(state: State, log: ev.Log) -> None:
    """Moves `state` on by one event."""
    match log.event:
        case ev.WorkerRegistered(worker, wallet):
            _require(worker == len(state.workers), f"worker {worker} follows worker {len(state.workers) - 1}")
            state.workers[worker] = Worker(wallet)
            state.worker_of[wallet] = worker
        case ev.KeyAdded(worker, number, key):
            _require(number == len(state.workers[worker].keys), f"key {number} of worker {worker} is out of order")
            state.workers[worker].keys.append(key)
        case ev.KeyRevoked(worker, number):
            state.workers[worker].revoked.add(number)
        case ev.JobOpened(job, requester, terms_hash, terms, deadline, escrow):
            _require(terms.hash() == terms_hash, f"the terms of job {job} do not have their hash")
            state.jobs[job] = Job(requester, terms, deadline, escrow)
        case ev.JobClosed(job, deadline):
            state.jobs[job].deadline = deadline
        case ev.JobRefunded(job, amount):
            state.jobs[job].refunded += amount
        case ev.Claimed(worker, _, _, cumulative):
            state.claimed[worker] = cumulative
        case _:
            _apply_epoch(state, log)


def _apply_epoch(state: State, log: ev.Log) -> None:
    match log.event:
        case ev.EpochPosted(epoch, head, digest, content, signers):
            _require(epoch == state.last_epoch + 1, f"epoch {epoch} follows epoch {state.last_epoch}")
            state.posts[epoch] = Post(epoch, state.head, head, digest, content, signers, log.transaction, log.timestamp)
            state.head = head
        case ev.EpochFinalised(epoch, _, total):
            state.posts[epoch].status = EpochStatus.FINAL
            state.final_total = total
        case ev.EpochStruck(epoch, head):
            state.posts[epoch].status = EpochStatus.STRUCK
            state.head = head
            state.last_strike = log.timestamp


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise Fatal(f"the endpoint's events do not fit together: {message}")
