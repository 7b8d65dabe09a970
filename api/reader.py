"""What the API reads: the chain's state, as new as its head, and the proofs of each epoch.

Requests run on threads. Each gets a picture of the state that does not change under it; a new picture is taken when the chain has a
new head, which costs one call to know.
"""

from collections import OrderedDict
from dataclasses import replace
from threading import RLock

from api.schemas import Input
from oracle.bootstrap import Oracle
from oracle.ports import Block
from oracle.protocol import epoch as ep
from oracle.protocol import trees
from oracle.protocol.epoch import Epoch
from oracle.protocol.errors import BadInput, Refused
from oracle.protocol.leaves import Task, Verdict
from oracle.protocol.manifest import Manifest
from oracle.protocol.state import Job, Post, State, Worker

KEPT_TREES = 16


class NotFound(Refused):
    """Nothing of that name."""

    def __init__(self, message: str) -> None:
        super().__init__("not-found", message)


class Reader:
    """Holds the oracle's read side."""

    def __init__(self, oracle: Oracle) -> None:
        self.oracle = oracle
        self._lock = RLock()
        self._head: Block | None = None
        self._state = State(b"")
        self._decided: dict[bytes, dict[int, list[tuple[int, Verdict]]]] = {}
        self._trees: OrderedDict[tuple[bytes, str], trees.Levels] = OrderedDict()

    def state(self) -> State:
        """As of the newest finalised block. Raises ChainUnavailable."""
        head = self.oracle.chain.latest()
        with self._lock:
            if head != self._head:
                self._state = _picture(self.oracle.index.advance())
                self._head = head
            return self._state

    @property
    def unit(self) -> int:
        """The token's smallest units in one amount of the protocol."""
        return self.oracle.deployment.unit

    def job(self, number: int) -> Job:
        job = self.state().jobs.get(number)
        if job is None:
            raise NotFound(f"there is no job {number}")
        return job

    def content(self, job: Job) -> tuple[Manifest, list[Task]]:
        return self.oracle.books.job(job.terms)

    def worker(self, name: str) -> tuple[int, Worker]:
        """By index, or by wallet (0x...)."""
        state = self.state()
        number = state.worker_of.get(_wallet(name)) if name.startswith("0x") else _index(name)
        if number is None or number not in state.workers:
            raise NotFound(f"worker {name[:50]} is not registered")
        return number, state.workers[number]

    def epoch(self, post: Post) -> Epoch:
        """Its data; read and checked once, whoever asks first."""
        with self._lock:
            return self.oracle.books.epoch(post.epoch, post.content)

    def verdicts(self, job: int) -> list[tuple[Post, int, Verdict]]:
        """(post, index in its tree, verdict) of a job's decided tasks, ascending by task."""
        posts = self.state().unstruck()
        found = [(post, index, verdict) for post in posts for index, verdict in self._of_job(post, job)]
        return sorted(found, key=lambda item: item[2].task)

    def inputs(self, number: int) -> dict[int, list[Input]]:
        """task -> what the decided tasks that it waits for say, where it waits for any."""
        terms, state = self.job(number).terms, self.state()
        with self._lock:
            before = self.oracle.books.graph(terms).before
            if not any(before.values()):
                return {}
            sure, (manifest, tasks) = self.oracle.books.confidence(state, number), self.oracle.books.job(terms)
        said = {
            v.task: Input(task=v.task, id=tasks[v.task].id, label=manifest.classes[v.label], confidence=sure[v.task])
            for _, _, v in self.verdicts(number)
        }
        return {task: [said[one] for one in ones if one in said] for task, ones in before.items()}

    def proof(self, post: Post, tree: str, index: int) -> list[bytes]:
        """From the leaf at `index` to the root that the committee signed."""
        return trees.proof(self._levels(post, tree), index)

    def _of_job(self, post: Post, job: int) -> list[tuple[int, Verdict]]:
        by_job = self._decided.get(post.content)
        if by_job is None:
            by_job = {}
            for index, verdict in enumerate(self.epoch(post).verdicts):
                by_job.setdefault(verdict.job, []).append((index, verdict))
            self._decided[post.content] = by_job
        return by_job.get(job, [])

    def _levels(self, post: Post, tree: str) -> trees.Levels:
        with self._lock:
            key = (post.content, tree)
            if key not in self._trees:
                self._trees[key] = trees.build(ep.leaves_of(self.epoch(post), tree))
            self._trees.move_to_end(key)
            while len(self._trees) > KEPT_TREES:
                self._trees.popitem(last=False)
            return self._trees[key]


def _picture(state: State) -> State:
    """Its own containers: the index goes on filling the others."""
    return replace(
        state,
        jobs=dict(state.jobs),
        workers=dict(state.workers),
        worker_of=dict(state.worker_of),
        posts=dict(state.posts),
        claimed=dict(state.claimed),
        frozen=dict(state.frozen),
        hatched=set(state.hatched),
    )


def _wallet(name: str) -> bytes:
    try:
        return bytes.fromhex(name[2:])
    except ValueError:
        raise _no_worker(name) from None


def _index(name: str) -> int:
    if not (name.isascii() and name.isdecimal() and len(name) <= 10):
        raise _no_worker(name)
    return int(name)


def _no_worker(name: str) -> BadInput:
    return BadInput(f"{name[:50]!r} is neither a worker's index nor a wallet (0x and 40 hex digits)")
