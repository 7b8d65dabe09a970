"""The ledger of all posted epochs and the manifests of jobs, read from the content store and kept."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from threading import RLock
from typing import Any, TypeVar

from oracle.matching import graph
from oracle.matching.graph import TaskGraph
from oracle.ports import ContentStore
from oracle.protocol import epoch as ep
from oracle.protocol import free, gold, scoring
from oracle.protocol import ledger as lg
from oracle.protocol import manifest as mf
from oracle.protocol.cids import Cid, Codec, decode, from_digest
from oracle.protocol.epoch import Epoch
from oracle.protocol.errors import BadInput, ContentMissing, CrowdproofError
from oracle.protocol.gold import Opening
from oracle.protocol.jobkey import Keys, no_keys
from oracle.protocol.leaves import Status, Task, Verdict, is_sealed
from oracle.protocol.ledger import Ledger
from oracle.protocol.manifest import Manifest
from oracle.protocol.pages import Source
from oracle.protocol.state import State
from oracle.protocol.terms import Terms
from oracle.services import candidates, matches

K = TypeVar("K")
V = TypeVar("V")
Pair = tuple[int, int]  # job, task


def source(content: ContentStore, keys: Keys = no_keys) -> Source:
    """A store as the protocol reads it; damage is not looked at, only refused. keys: of the sealed jobs that may be read."""
    return Source(content.get, _nothing, keys)


def _nothing(_: Cid) -> None:
    return None


@dataclass(frozen=True, slots=True)
class _Named:
    """What a manifest says of single tasks, by their numbers."""

    graph: TaskGraph
    conflicts: dict[int, set[int]]
    deadlines: dict[int, int]


def _named(document: dict[str, Any], ids: list[str]) -> _Named:
    number = {name: t for t, name in enumerate(ids)}
    conflicts: dict[int, set[int]] = {}
    for one, two in document.get("conflicts", []):
        conflicts.setdefault(number[one], set()).add(number[two])
        conflicts.setdefault(number[two], set()).add(number[one])
    deadlines = {number[name]: moment for name, moment in document.get("taskDeadlines", [])}
    return _Named(graph.task_graph(ids, document["dependencies"]), conflicts, deadlines)


def _labels(openings: list[Opening]) -> dict[Pair, int]:
    return {(one.job, one.task): one.label for one in openings}


class Books:
    """Caches what the content digests of the chain stand for; everything in it can be read again.

    Safe between threads: what is not here yet is read by one of those who ask, and the others wait for it.
    """

    def __init__(self, content: ContentStore, keys: Keys = no_keys) -> None:
        """`keys`: without that of a sealed job, what epochs say of it stays sealed: leaves without values."""
        self._content, self._source, self.keys = content, source(content, keys), keys
        self._reading = RLock()
        self._epochs: dict[bytes, Epoch] = {}
        self._dark: dict[bytes, set[int]] = {}  # of an epoch: sealed jobs that could not be read in it
        self._jobs: dict[Terms, tuple[Manifest, list[Task]]] = {}
        self._names: dict[Terms, _Named] = {}
        self._gold: dict[bytes, list[Opening]] = {}
        self._opened: dict[bytes, dict[Pair, int]] = {}
        self._candidates: dict[bytes, free.Candidates] = {}
        self._leaves: dict[Terms, frozenset[bytes]] = {}
        self._sure: tuple[list[tuple[int, bytes]], list[tuple[Verdict, float]]] = ([], [])
        self._folded: tuple[list[tuple[int, bytes]], Ledger] = ([], Ledger())

    def public(self) -> "Books":
        """The same without any key."""
        return self if self.keys is no_keys else Books(self._content)

    def epoch(self, number: int, digest: bytes) -> Epoch:
        """An epoch's data. Raises ContentMissing, also when the store holds something else."""
        if any(self.keys(job) for job in self._dark.get(digest, ())):  # learnt since
            with self._reading:
                self._epochs.pop(digest, None)
        return self._once(self._epochs, digest, lambda: self._read_epoch(number, digest))

    def job(self, terms: Terms) -> tuple[Manifest, list[Task]]:
        """A job's manifest and tasks, which are those of its terms. Raises ContentMissing."""
        return self._once(self._jobs, terms, lambda: self._read_job(terms))

    def _once(self, known: dict[K, V], name: K, read: Callable[[], V]) -> V:
        """What is known under the name; read by one of those who ask at the same time."""
        if name not in known:
            with self._reading:
                if name not in known:
                    known[name] = read()
        return known[name]

    def _read_epoch(self, number: int, digest: bytes) -> Epoch:
        epoch, faults = ep.load(self._source, number, digest)
        if epoch is None:
            raise ContentMissing(f"the data of epoch {number} is not in the store: {faults[0]}")
        self._dark[digest] = epoch.sealed
        return epoch

    def _read_job(self, terms: Terms) -> tuple[Manifest, list[Task]]:
        manifest, tasks, faults = mf.load_job(self._source, 0, terms)
        if manifest is None or faults:
            raise ContentMissing(f"the manifest or the tasks of a job are not in the store: {faults[0].what}")
        if len(manifest.classes) != terms.classes:
            raise ContentMissing("what the terms of a job name as its manifest has other classes than they")
        if terms.free:
            try:
                candidates.kind_of(manifest.document["answer"]["asked"])
            except BadInput as problem:
                raise ContentMissing(f"a job asks for answers of no type: {problem}") from None
        return manifest, tasks

    def machines(self, state: State, terms: Terms) -> set[int]:
        """The workers that a job's manifest says are models."""
        named = (bytes.fromhex(wallet[2:]) for wallet in self.job(terms)[0].document.get("machines", []))
        return {state.worker_of[wallet] for wallet in named if wallet in state.worker_of}

    def graph(self, terms: Terms) -> TaskGraph:
        """Which tasks of a job wait for which."""
        return self._named(terms).graph

    def conflicts(self, terms: Terms) -> dict[int, set[int]]:
        """task -> tasks that nobody is asked who was asked it."""
        return self._named(terms).conflicts

    def task_deadlines(self, terms: Terms) -> dict[int, int]:
        """Block time until which a task is offered, where it has one of its own."""
        return self._named(terms).deadlines

    def confidence(self, state: State, number: int) -> dict[int, float]:
        """Confidence of record of each decided task of a job."""
        return {verdict.task: sure for verdict, sure in self._verdicts(state) if verdict.job == number}

    def is_released(self, state: State, number: int, task: int) -> bool:
        """Whether every task that this one waits for is decided, as surely as the manifest asks."""
        terms = state.jobs[number].terms
        if not self.graph(terms).before.get(task):
            return True
        level = self.job(terms)[0].document.get("releaseConfidence", 0.0)
        return graph.released(self.graph(terms), task, self.confidence(state, number), level)

    def _verdicts(self, state: State) -> list[tuple[Verdict, float]]:
        posts = [(post.epoch, post.content) for post in state.unstruck()]
        with self._reading:
            known, found = self._sure
            if known != posts:
                found = []
                for number, content in posts:
                    epoch = self.epoch(number, content)
                    for v in [v for v in epoch.verdicts if not is_sealed(v)]:
                        rows = [epoch.weights[c.row].row for c in v.cores if c.status is Status.COUNTED]
                        found.append((v, scoring.confidence(v.prior, rows)))
                self._sure = (posts, found)
            return found

    def _named(self, terms: Terms) -> "_Named":
        manifest, tasks = self.job(terms)
        return self._once(self._names, terms, lambda: _named(manifest.document, [task.id for task in tasks]))

    def matches(self, state: State) -> set[bytes]:
        """Digests of the matches that epochs which stand have named. A card that cannot be read names none."""
        found: set[bytes] = set()
        for post in state.unstruck():
            with suppress(CrowdproofError):
                model = self.epoch(post.epoch, post.content).model
                found.update(matches.linked(self._card(model)))
        return found

    def gold(self, state: State, number: int) -> dict[int, int]:
        """task -> label of the job's gold that epochs which stand have opened."""
        opened = (self.gold_of(post.epoch, post.content) for post in state.unstruck())
        return {task: label for found in opened for (job, task), label in found.items() if job == number}

    def gold_of(self, number: int, digest: bytes) -> dict[Pair, int]:
        """(job, task) -> label of the gold that an epoch opens. A card that cannot be read opens none."""
        with suppress(CrowdproofError):
            return self._once(self._opened, digest, lambda: _labels(self.openings(self.epoch(number, digest).model)))
        return {}

    def openings(self, model: bytes) -> list[Opening]:
        """The gold that a model card opens. Raises BadInput where it cannot be read as such, ContentMissing."""
        return self._once(self._gold, model, lambda: gold.read_openings(self._source, self._card(model)))

    def candidates(self, model: bytes) -> free.Candidates:
        """Of each task of free answers, the candidates that a model card names. Raises BadInput, ContentMissing."""
        found = self._once(self._candidates, model, lambda: free.read(self._source, self._card(model)))
        if any(texts is None and self.keys(job) for (job, _), texts in found.items()):  # learnt since
            found = self._candidates[model] = free.read(self._source, self._card(model))
        return found

    def committed(self, terms: Terms) -> frozenset[bytes]:
        """The leaves of a job's gold."""
        return self._once(self._leaves, terms, lambda: gold.leaves_of(self.job(terms)[0].gold))

    def _card(self, model: bytes) -> Any:
        return decode(self._source.read(from_digest(Codec.DAG_CBOR, model)))

    def ledger(self, state: State) -> Ledger:
        """What all posted epochs have settled, not to be changed; folded again only when a post was added or struck.

        The data of a struck epoch is not asked for: it may have been struck because nobody gives it.
        """
        posts = [(post.epoch, post.content) for post in state.unstruck()]
        folded, ledger = self._folded
        if folded != posts:
            ledger = Ledger()
            for number, content in posts:
                lg.apply(ledger, self.epoch(number, content))
            self._folded = (posts, ledger)
        return ledger
