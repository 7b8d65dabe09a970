"""The registry: records of models in a store, and a log of what became of them. A folder, safe between processes.

    DIR/store/   blocks: models, held-out sets, predictions, records, entries of the log
    DIR/head     the CID of the newest entry; replaced whole, after everything that it leads to is on the disk

A record is a dag-cbor block that names everything by digest, and so is an entry of the log, which links to the one before it.
Whoever noted a head sees later whether anything before it was changed (`History.holds`); whoever noted none trusts the folder.
A process that is killed leaves at most blocks that nothing leads to.

Reading reads all: what is damaged or missing is named, and then there is no registry, rather than half of one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

import oracle
from oracle.adapters.content import FolderStore, MemoryStore, add_file, cat_file, is_cid
from oracle.config import only_one, write_atomically
from oracle.models import measure, tables
from oracle.models.measure import Group, Measures
from oracle.models.tables import HeldOut, Predictions
from oracle.protocol.cids import Cid, Codec, Link, decode, encode, parse
from oracle.protocol.errors import BadInput, ContentMissing, CrowdproofError, Refused, Retryable
from oracle.protocol.plain import from_json, to_json
from oracle.verification.scores import Interval

ADD, PROMOTE, ROLLBACK = KINDS = ("add", "promote", "rollback")
EMPTY = "none"  # the head of a log without an entry

Float = NDArray[np.float64]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Code:
    """`source`: digest of the package's files."""

    version: str
    source: str


@dataclass(frozen=True, slots=True)
class Privacy:
    """What training has spent, of a record of the training data."""

    epsilon: float
    delta: float


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of a model. The digest in the CID `model` is that of the model's bytes."""

    name: str
    model: str
    classes: tuple[str, ...]
    method: str
    settings: Any  # JSON
    code: Code
    data: str  # what it was trained on, in words
    data_digest: str  # of it, hex
    privacy: Privacy | None
    intended_use: str
    limits: str
    held_out: str
    predictions: str  # [G, C] in the order of the set, little-endian doubles
    measures: Measures
    groups: tuple[Group, ...]
    gap: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """A candidate beside what is in use (or a baseline), on the same held-out tasks."""

    against: str
    tasks: int
    gain: Interval  # nats of a task
    gap: float | None
    gap_against: float | None
    margin: float

    @property
    def faults(self) -> list[str]:
        """Why the candidate is not promoted; none: it is."""
        g, found = self.gain, []
        if not g.low > 0:
            what = f"{g.mean:+.4f} nats a task, 95 % interval {g.low:+.4f} to {g.high:+.4f}: it must lie above 0"
            found.append(f"not better than {self.against} on {self.tasks} held-out tasks: {what}")
        if self.gap is not None and self.gap_against is not None and self.gap > self.gap_against + self.margin:
            what = f"{self.gap:.4f}, with {self.against} {self.gap_against:.4f}; it may grow by {self.margin:g}"
            found.append(f"the gap of accuracy between groups is {what}")
        return found


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the log. `number` from 1; `at`: Unix time; `predictions`: of what a promoted model was compared with."""

    number: int
    what: str
    record: str
    why: str
    at: int
    evidence: Comparison | None
    predictions: str | None
    previous: str | None


_LINKS = {Record: ("model", "held_out", "predictions"), Entry: ("record", "predictions", "previous")}


@dataclass(frozen=True, slots=True)
class History:
    """The log from its beginning, and what follows from it."""

    entries: dict[Cid, Entry]
    records: dict[str, Record]  # by CID

    @property
    def head(self) -> Cid | None:
        return next(reversed(self.entries), None)

    @property
    def promoted(self) -> list[str]:
        """What was in use, in that order; the last is now."""
        return [entry.record for entry in self.entries.values() if entry.what != ADD]

    @property
    def current(self) -> str | None:
        return next(reversed(self.promoted), None)

    def find(self, name: str) -> str:
        """By its name. Raises BadInput."""
        for cid, record in self.records.items():
            if record.name == name:
                return cid
        known = ", ".join(record.name for record in self.records.values())
        raise BadInput(f"no model {name[:60]!r} in the registry; there are: {known[:300] or 'none'}")

    def holds(self, head: str) -> bool:
        """Whether the log led through this entry."""
        return head in self.entries


class Registry:
    """Of a folder, which the first addition makes."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._head = folder, folder / "head"
        self._store = FolderStore(folder / "store")

    @contextmanager
    def turn(self) -> Iterator[History]:
        """One writer at a time: what is read here stays true until what follows from it is written."""
        with only_one(self.folder / "lock", f"another process writes into {self.folder}"):
            yield self.read()

    def read(self) -> History:
        """Raises Refused("registry-broken") naming what is wrong, for anything that the log leads to."""
        entries: list[tuple[Cid, Entry]] = []
        at = self._noted()
        while at is not None:
            entry = self._entry(at, entries[-1][1].number - 1 if entries else None)
            entries.append((at, entry))
            at = Cid(entry.previous) if entry.previous else None
        if entries and entries[-1][1].number != 1:
            raise self._broken(entries[-1][0], "the log begins in its middle")
        found = History({}, {})
        for cid, entry in reversed(entries):
            self._follow(found, cid, entry)
            found.entries[cid] = entry
        return found

    def table(self, record: Record) -> tuple[HeldOut, Float]:
        """The held-out set of a record, and its predictions there."""
        with self._named(record.held_out, f"the held-out set of {record.name}"):
            held = tables.held_out(cat_file(self._store, Cid(record.held_out)))
        with self._named(record.predictions, f"the predictions of {record.name}"):
            found = np.frombuffer(cat_file(self._store, Cid(record.predictions)), "<f8")
            if found.size != len(held.task) * len(record.classes) or not np.isfinite(found).all():
                raise BadInput(f"not {len(held.task)} x {len(record.classes)} numbers")
        return held, found.reshape(len(held.task), len(record.classes))

    def model(self, record: Record) -> bytes:
        with self._named(record.model, f"the model of {record.name}"):
            return self._store.get(Cid(record.model))

    def add(self, history: History, record: Record, blocks: MemoryStore, at: int) -> Cid:
        """Writes a record with what it names, which `blocks` holds. Raises BadInput for a name that is taken."""
        if any(one.name == record.name for one in history.records.values()):
            raise BadInput(f"a model {record.name!r} is in the registry: records never change; choose another name")
        cid = blocks.put(_block(record), Codec.DAG_CBOR)
        self._append(history, Entry(0, ADD, cid, "", at, None, None, None), blocks)
        return cid

    def promote(self, history: History, candidate: str, found: Comparison, other: Float, at: int) -> Cid:
        """Writes that a candidate is in use, with the evidence; `other`: the predictions that it was compared with."""
        blocks = MemoryStore()
        digest = add_file(blocks, packed(other))
        return self._append(history, Entry(0, PROMOTE, candidate, "", at, found, digest, None), blocks)

    def roll_back(self, history: History, to: str, why: str, at: int) -> Cid:
        name = history.records[to].name
        if to not in history.promoted:
            raise BadInput(f"{name!r} was never promoted: there is nothing to go back to")
        if to == history.current:
            raise BadInput(f"{name!r} is in use already")
        return self._append(history, Entry(0, ROLLBACK, to, why, at, None, None, None), MemoryStore())

    # ---------------------------------------------------------------- inside

    def _append(self, history: History, entry: Entry, blocks: MemoryStore) -> Cid:
        entry = replace(entry, number=len(history.entries) + 1, previous=history.head)
        cid = blocks.put(_block(entry), Codec.DAG_CBOR)
        if not self._head.exists():
            write_atomically(self._head, EMPTY + "\n")
        self._store.put_many((data, parse(name)[0]) for name, data in blocks.blocks.items())
        write_atomically(self._head, cid + "\n")
        return cid

    def _noted(self) -> Cid | None:
        try:
            text = self._head.read_text("utf-8")
        except FileNotFoundError:
            if (self.folder / "store").is_dir():
                raise _broken(self._head, "it is missing, and without it nobody knows what is in use") from None
            return None
        except (OSError, UnicodeDecodeError) as problem:
            raise _broken(self._head, f"cannot be read ({problem})") from None
        if text == EMPTY + "\n":
            return None
        if not text.endswith("\n") or not is_cid(text[:-1]):
            raise _broken(self._head, "not the name of an entry: it is cut off or changed")
        return Cid(text[:-1])

    def _entry(self, cid: Cid, number: int | None) -> Entry:
        with self._named(cid, "an entry of the log"):
            entry = _read(Entry, self._store.get(cid))
            if entry.what not in KINDS or (entry.what == PROMOTE) != (entry.predictions is not None):
                raise BadInput(f"entry {entry.number} is none of {', '.join(KINDS)}")
            if number is not None and entry.number != number:
                raise BadInput(f"entry {entry.number} stands where entry {number} belongs")
            return entry

    def _follow(self, history: History, cid: Cid, entry: Entry) -> None:
        """An entry after those before it; a record that comes with it is read, with all that it names."""
        known = history.promoted if entry.what == ROLLBACK else history.records
        if (entry.what == ADD) == (entry.record in known):
            raise self._broken(cid, f"entry {entry.number}: {entry.what} of a record that it cannot be of")
        if entry.what == ADD:
            history.records[entry.record] = self._record(entry.record)
        if entry.predictions is not None:
            with self._named(entry.predictions, f"the evidence of entry {entry.number}"):
                cat_file(self._store, Cid(entry.predictions))

    def _record(self, cid: str) -> Record:
        with self._named(cid, "a record"):
            found = _read(Record, self._store.get(Cid(cid)))
        self.model(found)
        self.table(found)
        return found

    @contextmanager
    def _named(self, cid: str, what: str) -> Iterator[None]:
        """Whatever is wrong with a block comes out as Refused, with its file. A disk that fails stays Retryable."""
        try:
            yield
        except ContentMissing:
            raise self._broken(cid, f"{what} is missing") from None
        except Retryable:
            raise
        except CrowdproofError as problem:
            raise self._broken(cid, f"{what}: {problem}") from None

    def _broken(self, cid: str, why: str) -> Refused:
        return _broken(self.folder / "store" / cid, why)


def record_of(
    name: str, model: bytes, held: HeldOut, said: Predictions, about: dict[str, Any]
) -> tuple[Record, MemoryStore]:
    """A record with its measures, and the blocks that it names. `about`: the fields that nothing here can work out.

    Raises BadInput for what a block cannot hold: NaN in the settings, a model of more than a mebibyte.
    """
    gold, blocks = held.gold(said.classes), MemoryStore()
    groups = measure.by_group(said.chance, gold, held.group)
    record = Record(
        name=name,
        model=blocks.put(model, Codec.RAW),
        classes=said.classes,
        code=code_version(),
        held_out=add_file(blocks, held.data()),
        predictions=add_file(blocks, packed(said.chance)),
        measures=measure.measures(said.chance, gold),
        groups=groups,
        gap=measure.gap(groups),
        **about,
    )
    blocks.put(_block(record), Codec.DAG_CBOR)
    return record, blocks


def compare(
    held: HeldOut, classes: tuple[str, ...], candidate: Float, against: str, other: Float, margin: float
) -> Comparison:
    """Predictions [G, C] of both on the same held-out set. `margin`: by which the gap between groups may grow."""
    gold = held.gold(classes)
    gaps = [measure.gap(measure.by_group(one, gold, held.group)) for one in (candidate, other)]
    return Comparison(against, len(gold), measure.gain(other, candidate, gold, held.fold), gaps[0], gaps[1], margin)


def packed(chance: Float) -> bytes:
    """[G, C] as it lies in the store."""
    return chance.astype("<f8").tobytes()


@cache
def code_version() -> Code:
    """The version, and a digest of the package's files as they are here."""
    digest = hashlib.sha256()
    root = Path(str(resources.files("oracle")))
    for file in sorted(root.rglob("*.py")):
        digest.update(f"{file.relative_to(root).as_posix()}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return Code(oracle.__version__, digest.hexdigest())


def _block(value: Record | Entry) -> bytes:
    given = {name: getattr(value, name) for name in _LINKS[type(value)]}
    return encode(to_json(value) | {name: Link(cid) for name, cid in given.items() if cid is not None})


def _read(kind: type[T], block: bytes) -> T:
    """Strict: raises BadInput for a field too many, too few, or of another type."""
    value: Any = decode(block)
    for name in _LINKS[kind]:
        if not isinstance(value, dict) or not isinstance(link := value.get(name), Link | None):
            raise BadInput(f"{name}: a link is needed")
        value = {**value, name: link.cid if link else None}
    return from_json(kind, value)


def _broken(file: Path, why: str) -> Refused:
    return Refused("registry-broken", f"{file}: {why}; nothing was read from the registry")
