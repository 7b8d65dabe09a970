"""What the API reads: the chain's state, as new as its head, and the proofs of each epoch.

Requests run on threads. Each gets a view of the state that does not change under it; a new one is taken when the chain has a new
head, which costs one call to know: one for all requests of some hundredths of a second.
"""

from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import RLock
from time import monotonic, time

from api.schemas import Input
from oracle.adapters.contracts import decode_post
from oracle.bootstrap import Oracle, kept_key
from oracle.ports import Block
from oracle.protocol import epoch as ep
from oracle.protocol import trees
from oracle.protocol.cids import Codec, from_digest
from oracle.protocol.epoch import Epoch
from oracle.protocol.errors import BadInput, ContentMissing, CrowdproofError, Refused
from oracle.protocol.leaves import Core, Task, Verdict
from oracle.protocol.manifest import Manifest
from oracle.protocol.messages import Header
from oracle.protocol.state import Job, Post, State, Worker
from oracle.protocol.terms import Terms
from oracle.services import candidates, rules

KEPT_TREES = 16
AHEAD = 4  # epochs, the last ones, that are read before they are asked for, with
PROVEN_TREES = ("verdicts", "balances", "weights")
LOOK_S = 0.05  # for which a look at the head of the chain is good


class NotFound(Refused):
    """Nothing of that name."""

    def __init__(self, message: str) -> None:
        super().__init__("not-found", message)


@dataclass(frozen=True, slots=True)
class _Index:
    """Where in an epoch's verdicts something stands."""

    of_job: dict[int, list[int]]
    of_task: dict[tuple[int, int], int]
    of_worker: dict[int, list[int]]

    @staticmethod
    def of(epoch: Epoch) -> "_Index":
        found = _Index({}, {}, {})
        for index, verdict in enumerate(epoch.verdicts):
            found.of_job.setdefault(verdict.job, []).append(index)
            found.of_task[verdict.job, verdict.task] = index
            for core in verdict.cores:
                found.of_worker.setdefault(core.worker, []).append(index)
        return found


class Reader:
    """Holds the oracle's read side. What epochs say of sealed jobs is not read here, so that nothing of it can be shown by mistake;

    `private` reads it, for those whom it is for.
    """

    def __init__(self, oracle: Oracle, private: bool = False) -> None:
        self.oracle, self.books = oracle, oracle.books if private else oracle.books.public()
        self.private = self if private else Reader(oracle, private=True)
        self._lock, self._building = RLock(), RLock()
        self._ahead: set[bytes] = set()
        self._head: Block | None = None
        self._state = State(b"")
        self._looked = -1.0
        self._headers: dict[bytes, Header] = {}
        self._signatures: dict[bytes, list[bytes]] = {}
        self._indices: dict[bytes, _Index] = {}
        self._trees: OrderedDict[tuple[bytes, str], trees.Levels] = OrderedDict()

    def state(self, now: bool = False) -> State:
        """As of the newest finalised block; a look at the chain is good for LOOK_S, but where it must be `now`.

        Raises ChainUnavailable.
        """
        if not now and monotonic() - self._looked < LOOK_S:
            return self._state
        with self._lock:
            began = monotonic()
            if not now and began - self._looked < LOOK_S:
                return self._state
            head = self.oracle.chain.latest()
            if head != self._head:
                self._state = self.oracle.index.advance()
                self._head = head
            self._looked = began
            return self._state

    def fresh(self) -> State | None:
        """The state, if the last look at the chain is still good; asks nobody."""
        return self._state if monotonic() - self._looked < LOOK_S else None

    @property
    def known(self) -> State:
        """The state of the last look, however long ago."""
        return self._state

    @property
    def head(self) -> Block | None:
        """The newest block of the chain, as it was looked at last."""
        return self._head

    def clock(self) -> float:
        """Unix time, by which drafts and sessions run out; what the protocol decides goes by block time."""
        return time()

    @property
    def unit(self) -> int:
        """The token's smallest units in one amount of the protocol."""
        return self.oracle.deployment.unit

    def job(self, number: int) -> Job:
        job = self.state().jobs.get(number) or self.state(now=True).jobs.get(number)
        if job is None:
            raise NotFound(f"there is no job {number}")
        return job

    def terms(self, number: int) -> Terms:
        """Those of a job: they never change, so the chain is asked for a job that is not known alone."""
        return (self._state.jobs.get(number) or self.job(number)).terms

    def phase(self, job: Job) -> str:
        """waiting (for its parent), open, deciding, hatch (base pay without a committee), or over (refundable)."""
        state, now, window = self.state(), self.oracle.index.now, self.oracle.deployment.window
        parent = state.jobs.get(job.terms.parent)
        if parent and now < parent.deadline and now < job.deadline:
            return "waiting"
        ends = (job.deadline, rules.debits_close(state, job, window), rules.refund_opens(state, job, window))
        return next((name for end, name in zip(ends, ("open", "deciding", "hatch"), strict=True) if now < end), "over")

    def content(self, job: Job) -> tuple[Manifest, list[Task]]:
        """Raises ContentMissing."""
        return self.books.job(job.terms)

    def opened(self, number: int) -> "Reader":
        """The reader that opens what is sealed of a job: for its requester, and of each worker's answers for that worker."""
        return self.private if self.content(self.job(number))[0].is_sealed else self

    def holds(self, job: Job) -> bool:
        """Whether its manifest and tasks are here: a job can be opened without giving them to anybody."""
        try:
            self.content(job)
        except ContentMissing:
            return False
        return True

    def worker(self, name: str) -> tuple[int, Worker]:
        """By index, or by wallet (0x...)."""
        for now in (False, True):
            state = self.state(now)
            number = state.worker_of.get(_wallet(name)) if name.startswith("0x") else _number(name)
            if number is not None and number in state.workers:
                return number, state.workers[number]
        raise NotFound(f"worker {name[:50]} is not registered")

    def epoch(self, post: Post) -> Epoch:
        """Its data; read and checked once, whoever asks first."""
        return self.books.epoch(post.epoch, post.content)

    def look_ahead(self) -> None:
        """Reads what is new of the last epochs before anybody asks for it: data, tasks, trees. What is missing is left."""
        state = self.state()
        for post in state.unstruck()[-AHEAD:]:
            if post.content in self._ahead:
                continue
            self._ahead.add(post.content)
            with suppress(ContentMissing):
                for tree in PROVEN_TREES:
                    self._levels(post, tree)
                for number in self._index(post).of_job:
                    self.content(state.jobs[number])

    def signatures(self, post: Post) -> list[bytes]:
        """Those that it was posted with; asked of the chain once."""
        found = self._signatures.get(post.head)
        if found is None:
            chain = self.oracle.chain
            _, _, joined = decode_post(chain.interfaces, chain.calldata(post.transaction))
            found = self._signatures[post.head] = [joined[at : at + 65] for at in range(0, len(joined), 65)]
        return found

    def verdicts(self, job: int) -> list[tuple[Post, int, Verdict]]:
        """(post, index in its tree, verdict) of a job's decided tasks, ascending by task."""
        posts = self.state().unstruck()
        found = [(post, index, verdict) for post in posts for index, verdict in self._of_job(post, job)]
        return sorted(found, key=lambda item: item[2].task)

    def verdict(self, job: int, task: int) -> tuple[Post, int, Verdict] | None:
        """That of one task, if it is decided."""
        for post in reversed(self.state().unstruck()):
            found = self._index(post).of_task.get((job, task))
            if found is not None:
                return post, found, self.epoch(post).verdicts[found]
        return None

    def answered(self, worker: int) -> list[tuple[Post, int, Verdict]]:
        """(post, index, verdict) of every decided task that lists an answer of the worker."""
        posts = self.state().unstruck()
        found = [(post, index) for post in posts for index in self._index(post).of_worker.get(worker, ())]
        return [(post, index, self.epoch(post).verdicts[index]) for post, index in found]

    def classes(self, post: Post, verdict: Verdict) -> Sequence[str]:
        """What the labels of a decided task stand for: its job's classes, or the candidates of a task of free answers."""
        terms = self.job(verdict.job).terms
        if not terms.free:
            return self.books.job(terms)[0].classes
        with suppress(CrowdproofError):
            return self.books.candidates(self.epoch(post).model)[verdict.job, verdict.task] or ()
        return ()

    def name(self, post: Post, verdict: Verdict, label: int) -> str:
        """What a label of a decided task stands for; nothing where no answer counted."""
        return next(iter(self.classes(post, verdict)[label : label + 1]), "")

    def why(self, verdict: Verdict, core: Core) -> str:
        """What the reason of a rejected answer says in words; nothing where there is none, or it cannot be read."""
        opening = verdict.openings[verdict.cores.index(core)]
        with suppress(CrowdproofError):
            return candidates.words_of(self.oracle.content.get(from_digest(Codec.DAG_CBOR, opening.reason)))
        return ""

    def inputs(self, number: int) -> dict[int, list[Input]]:
        """task -> what the decided tasks that it waits for say, where it waits for any."""
        terms, state = self.job(number).terms, self.state()
        books = self.books
        before = books.graph(terms).before
        if not any(before.values()) or (self is not self.private and books.job(terms)[0].is_sealed):
            return {}
        sure, (_, tasks) = books.confidence(state, number), books.job(terms)
        said = {
            v.task: Input(task=v.task, id=tasks[v.task].id, label=self.name(post, v, v.label), confidence=sure[v.task])
            for post, _, v in self.verdicts(number)
        }
        return {task: [said[one] for one in ones if one in said] for task, ones in before.items()}

    def header(self, post: Post) -> Header:
        """As it was signed, made of the epoch's data; kept, since its roots are those of whole trees."""
        found = self._headers.get(post.content)
        if found is None:
            epoch = self.epoch(post)
            found = self._headers[post.content] = ep.header_of(epoch, post.content, ep.roots_of(epoch))
        return found

    def proof(self, post: Post, tree: str, index: int) -> list[bytes]:
        """From the leaf at `index` to the root that the committee signed."""
        return trees.proof(self._levels(post, tree), index)

    def _of_job(self, post: Post, job: int) -> list[tuple[int, Verdict]]:
        verdicts = self.epoch(post).verdicts
        return [(index, verdicts[index]) for index in self._index(post).of_job.get(job, ())]

    def _index(self, post: Post) -> "_Index":
        found = self._indices.get(post.content)
        if found is None:
            found = self._indices[post.content] = _Index.of(self.epoch(post))
        return found

    def _levels(self, post: Post, tree: str) -> trees.Levels:
        epoch = self.epoch(post)
        with self._building:
            key = (post.content, tree)
            if key not in self._trees:
                self._trees[key] = trees.build(ep.leaves_of(epoch, tree))
            self._trees.move_to_end(key)
            while len(self._trees) > KEPT_TREES:
                self._trees.popitem(last=False)
            return self._trees[key]


def key_of(reader: Reader, number: int) -> bytes | None:
    """The key of a job whose payloads were sealed here."""
    return kept_key(reader.oracle.database, reader.state(), number)


def _wallet(name: str) -> bytes:
    try:
        return bytes.fromhex(name[2:])
    except ValueError:
        raise _no_worker(name) from None


def _number(name: str) -> int:
    if not (name.isascii() and name.isdecimal() and len(name) <= 10):
        raise _no_worker(name)
    return int(name)


def _no_worker(name: str) -> BadInput:
    return BadInput(f"{name[:50]!r} is neither a worker's index nor a wallet (0x and 40 hex digits)")
