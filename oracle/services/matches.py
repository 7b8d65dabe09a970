"""A match as it is published: who could be asked what, what that was worth, who was asked, and the proof of how good that is.

Match <-> blocks. The prices are the proof: no assignment under these limits is worth more than `bound`, and anyone sees that in one
pass over the edges. An epoch's model card links the matches of its jobs; `check` says what is wrong with one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.matching.certify import certify
from oracle.protocol import pages
from oracle.protocol.cids import Codec, Link, cid_of, decode, digest_of, encode, from_digest
from oracle.protocol.errors import BadInput, Refused
from oracle.protocol.pages import Block, Source
from oracle.protocol.state import State

VERSION = 0
PART = 1 << 18  # bytes of a block
MOST_EDGES = 1 << 23
MOST_VALUE = 1 << 30  # of an edge, or a price: sums stay exact
COLUMNS = {"worker": "<u4", "task": "<u4", "value": "<i8", "workers": "<u4", "capacity": "<u4", "price": "<i8"} | {
    "tasks": "<u4",
    "redundancy": "<u4",
    "chosen": "<u4",
}
Int = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Match:
    """Edge e pairs `worker[e]` with `task[e]`, ascending by (task, worker); `chosen`: edges, ascending.

    `workers`, `tasks`: ascending, those of the edges; `capacity`, `price`, `redundancy`: theirs, of this round.
    """

    job: int
    worker: Int  # [E]
    task: Int  # [E]
    value: Int  # [E]
    workers: Int  # [K]
    capacity: Int  # [K]
    price: Int  # [K]
    tasks: Int  # [T]
    redundancy: Int  # [T]
    chosen: Int  # [A]

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """(task, worker) of those who were asked."""
        return list(zip(self.task[self.chosen].tolist(), self.worker[self.chosen].tolist(), strict=True))


@dataclass(frozen=True, slots=True)
class Checked:
    """What a match is worth, and what none under its limits exceeds."""

    value: int
    bound: int

    @property
    def gap(self) -> float:
        return (self.bound - self.value) / self.bound if self.bound else 0.0


def check(match: Match, state: State) -> Checked:
    """Raises BadInput with what is wrong: of another job, out of order, beyond a limit, or no assignment."""
    job = state.jobs.get(match.job)
    if job is None:
        raise BadInput(f"there is no job {match.job}")
    _require_shape(match)
    if (match.redundancy > job.terms.answers).any() or (match.tasks >= job.terms.tasks).any():
        raise BadInput(f"job {match.job} has other tasks, or asks for fewer answers")
    if (match.workers == 0).any() or (match.workers >= len(state.workers)).any():
        raise BadInput("a worker is not registered")
    return bounded(match)


def bounded(match: Match) -> Checked:
    """What the checker says, in whole numbers: every sum stays below 2^53."""
    k, t = np.searchsorted(match.workers, match.worker), np.searchsorted(match.tasks, match.task)
    limits = (match.capacity, match.redundancy, match.chosen)
    try:
        value, bound = certify(k, t, match.value, *limits, match.price.astype(np.float64))
    except Refused as problem:
        raise BadInput(str(problem)) from None
    return Checked(round(value), round(bound))


def _require_shape(match: Match) -> None:
    edges = match.task * (1 << 32) + match.worker
    ascending = [edges, match.workers, match.tasks, match.chosen]
    if any((np.diff(column) <= 0).any() for column in ascending):
        raise BadInput("edges, workers, tasks or choices are not in ascending order")
    same = [(match.worker, match.task, match.value), (match.workers, match.capacity, match.price)]
    if any(len({len(c) for c in columns}) > 1 for columns in [*same, (match.tasks, match.redundancy)]):
        raise BadInput("columns differ in length")
    if not (np.isin(match.worker, match.workers).all() and np.isin(match.task, match.tasks).all()):
        raise BadInput("an edge names a worker or a task that has no limit")
    if len(match.chosen) and match.chosen[-1] >= len(match.task):
        raise BadInput("a choice is no edge")
    if (match.capacity > np.bincount(np.searchsorted(match.workers, match.worker), minlength=len(match.workers))).any():
        raise BadInput("a capacity is larger than the worker's edges")
    if (match.price < 0).any() or (match.price > MOST_VALUE).any() or (np.abs(match.value) > MOST_VALUE).any():
        raise BadInput("a price is negative, or a number too large")


# ------------------------------------------------------------------------------------------------------- in the store


def pack(match: Match) -> tuple[bytes, list[Block]]:
    """(digest, blocks with the match's own last)."""
    blocks: list[Block] = []
    columns: dict[str, Any] = {}
    for name, kind in COLUMNS.items():
        data = getattr(match, name).astype(kind).tobytes()
        parts = [data[i : i + PART] for i in range(0, len(data), PART)]
        blocks += [(part, Codec.RAW) for part in parts]
        columns[name] = [Link(cid_of(part, Codec.RAW)) for part in parts]
    root = encode({"version": VERSION, "job": match.job, "columns": columns})
    return digest_of(cid_of(root, Codec.DAG_CBOR)), [*blocks, (root, Codec.DAG_CBOR)]


def load(source: Source, digest: bytes) -> Match:
    """Raises BadInput for what is no match, ContentMissing or ContentMismatch for a block that is not there."""
    try:
        node: Any = decode(source.read(from_digest(Codec.DAG_CBOR, digest)))
        if node.keys() != {"version", "job", "columns"} or node["version"] != VERSION or type(node["job"]) is not int:
            raise ValueError("it is no match of this version")
        if node["columns"].keys() != COLUMNS.keys():
            raise ValueError("it has other columns")
        columns = {name: _column(source, node["columns"][name], kind) for name, kind in COLUMNS.items()}
    except (TypeError, ValueError, AttributeError, KeyError) as problem:
        raise BadInput(f"a match cannot be read: {problem}") from None
    return Match(node["job"], **columns)


def _column(source: Source, parts: Any, kind: str) -> Int:
    if type(parts) is not list or len(parts) * PART > MOST_EDGES * 8:
        raise ValueError("a column is no list of blocks, or too long")
    data = b"".join(source.read(pages.linked(part, Codec.RAW)) for part in parts)
    return np.frombuffer(data, kind).astype(np.int64)


def linked(card: Any) -> list[bytes]:
    """Digests of the matches that a model card names. Raises BadInput where that is no list of links."""
    try:
        return [digest_of(pages.linked(link, Codec.DAG_CBOR)) for link in card.get("matches", [])]
    except pages.UNREADABLE as problem:
        raise BadInput(f"the model card does not name matches: {problem}") from None


def links(digests: Sequence[bytes]) -> list[Link]:
    return [Link(from_digest(Codec.DAG_CBOR, digest)) for digest in digests]
