"""Gold questions: tasks whose label the requester knows, committed with the job, sealed to the members, opened task by task.

{task: label} -> Parts in the job's blocks, which the terms commit; a member's key -> the labels of a part; an Opening -> whether
the job committed to it. Guarantees: before its opening a label is known to the requester and the members alone, and so is which
tasks are gold; a leaf opens to one task and one label. The seal binds the requester: who copies a job's gold into a job of its own
gets nothing opened. What opens for a member and does not fit is not gold.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import SystemRandom
from secrets import token_bytes
from typing import Any

from oracle.protocol import pages
from oracle.protocol.cids import Codec, Link, cid_of
from oracle.protocol.errors import BadInput
from oracle.protocol.hashing import keccak, tagged
from oracle.protocol.keys import Address
from oracle.protocol.pages import Block, Source
from oracle.protocol.sealing import seal

MOST_SHARE = 0.5  # of a job's tasks
PART = 2_000  # gold tasks of one envelope
HASH, KNOWN, OPENED = 32, 5, 41  # bytes of a leaf, of a sealed (task, label), of an opening
OPENINGS = 5_000  # in a block

Unseal = Callable[[bytes, bytes], tuple[bytes, bytes] | None]  # bound, envelope -> payload, salt


@dataclass(frozen=True, slots=True)
class Part:
    """`leaves`: hashes, ascending; `envelope`: their tasks and labels, for each member."""

    leaves: bytes
    envelope: bytes


@dataclass(frozen=True, slots=True)
class Opening:
    """What an epoch says of a gold task that it decides."""

    job: int
    task: int
    label: int
    salt: bytes

    def leaf(self) -> bytes:
        return tagged("gold", self.task, self.label, self.salt)


def make(known: Mapping[int, int], requester: Address, seal_keys: Sequence[bytes]) -> tuple[Part, ...]:
    """The parts of a job with these labels by task. Drawn anew each time: no two results are the same."""
    tasks = list(known)
    SystemRandom().shuffle(tasks)
    return tuple(
        _part({task: known[task] for task in tasks[i : i + PART]}, requester, seal_keys)
        for i in range(0, len(tasks), PART)
    )


def _part(known: Mapping[int, int], requester: Address, seal_keys: Sequence[bytes]) -> Part:
    secret = token_bytes(HASH)
    found = [Opening(0, task, label, _salt(secret, task)) for task, label in sorted(known.items())]
    leaves = b"".join(sorted(one.leaf() for one in found))
    plain = b"".join(one.task.to_bytes(4, "big") + bytes([one.label]) for one in found)
    return Part(leaves, seal(seal_keys, _bound(leaves, requester), plain, secret))


def unsealed(
    part: Part, job: int, requester: Address, classes: int, unseal: Unseal
) -> tuple[bytes, list[Opening]] | None:
    """(the part's secret, what is gold) for a member; None where the envelope does not open. Only what fits is given."""
    opened = unseal(_bound(part.leaves, requester), part.envelope)
    leaves = leaves_of([part])
    if opened is None or len(opened[0]) != KNOWN * len(leaves):  # no more work than was committed
        return None
    plain, secret = opened
    rows = [plain[i : i + KNOWN] for i in range(0, len(plain), KNOWN)]
    found = [Opening(job, t := int.from_bytes(row[:4], "big"), row[-1], _salt(secret, t)) for row in rows]
    return secret, [one for one in found if one.label < classes and one.leaf() in leaves]


def leaves_of(parts: Iterable[Part]) -> frozenset[bytes]:
    return frozenset(p.leaves[i : i + HASH] for p in parts for i in range(0, len(p.leaves), HASH))


def _bound(leaves: bytes, requester: Address) -> bytes:
    return tagged("gold-seal", requester, keccak(leaves))


def _salt(secret: bytes, task: int) -> bytes:
    return tagged("gold-salt", secret, task)


def share_problem(count: int, tasks: int, share: float) -> str:
    """Why so many gold tasks are not the share that a manifest names; empty where they are."""
    if count > MOST_SHARE * tasks:
        return f"{count} of {tasks} tasks are gold; at most {MOST_SHARE:.0%} may be"
    if abs(count - share * tasks) > 1:
        return f"{count} of {tasks} tasks are gold, goldShare is {share:g}; mark others, or say {count / tasks:.4g}"
    return ""


# ---------------------------------------------------------------------------------------------------- in a job's blocks


def pack(parts: Sequence[Part]) -> tuple[list[Any], list[Block]]:
    """(what stands in the job's root, the blocks)."""
    node = [[Link(cid_of(data, Codec.RAW)) for data in (part.leaves, part.envelope)] for part in parts]
    return node, [(data, Codec.RAW) for part in parts for data in (part.leaves, part.envelope)]


def load(source: Source, node: Any) -> tuple[Part, ...]:
    """Raises BadInput for what is no gold, and what the source raises."""
    try:
        parts = tuple(Part(*(source.read(pages.linked(link, Codec.RAW)) for link in pair)) for pair in node)
    except (TypeError, ValueError) as problem:
        raise BadInput(f"the job's gold cannot be read: {problem}") from None
    hashes = [part.leaves[i : i + HASH] for part in parts for i in range(0, len(part.leaves), HASH)]
    whole = all(part.leaves and len(part.leaves) % HASH == 0 for part in parts)
    if not parts or not whole or len(set(hashes)) != len(hashes):
        raise BadInput("the job's gold is no list of different leaves")
    return parts


# -------------------------------------------------------------------------------------------------- in an epoch's card


def pack_openings(openings: Sequence[Opening]) -> tuple[list[Link], list[Block]]:
    """(what the model card names, the blocks) of openings, which are sorted by (job, task)."""
    rows = [_row(one) for one in sorted(openings, key=lambda one: (one.job, one.task))]
    blocks = [b"".join(rows[i : i + OPENINGS]) for i in range(0, len(rows), OPENINGS)]
    return [Link(cid_of(data, Codec.RAW)) for data in blocks], [(data, Codec.RAW) for data in blocks]


def read_openings(source: Source, card: Any) -> list[Opening]:
    """Those that a model card names. Raises BadInput for what is none, and what the source raises."""
    try:
        blocks = [source.read(pages.linked(link, Codec.RAW)) for link in card.get("gold", [])]
    except (TypeError, ValueError, AttributeError) as problem:
        raise BadInput(f"the model card does not name gold: {problem}") from None
    if any(len(data) % OPENED for data in blocks):
        raise BadInput(f"gold that is opened takes {OPENED} bytes a task")
    found = [_opening(data[i : i + OPENED]) for data in blocks for i in range(0, len(data), OPENED)]
    if any((a.job, a.task) >= (b.job, b.task) for a, b in pairwise(found)):
        raise BadInput("gold is not opened in the order of jobs and tasks, once each")
    return found


def check(opening: Opening, leaves: Collection[bytes], classes: int, decided: Collection[tuple[int, int]]) -> None:
    """`leaves`, `classes`: of its job; `decided`: (job, task) of the epoch that opens it. Raises BadInput."""
    name = f"task {opening.task} of job {opening.job}"
    if (opening.job, opening.task) not in decided:
        raise BadInput(f"{name} is opened as gold, and not decided here")
    if opening.label >= classes or len(opening.salt) != HASH or opening.leaf() not in leaves:
        raise BadInput(f"{name} is opened as gold with label {opening.label}, to which the job did not commit")


def _row(one: Opening) -> bytes:
    return one.job.to_bytes(4, "big") + one.task.to_bytes(4, "big") + bytes([one.label]) + one.salt


def _opening(row: bytes) -> Opening:
    return Opening(int.from_bytes(row[:4], "big"), int.from_bytes(row[4:8], "big"), row[8], row[9:])
