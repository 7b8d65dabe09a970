"""A tree in the content store: pages that list the leaves, raw blocks that hold their records one after the other.

values <-> blocks. Records of a sealed job lie there as [place, sealed bytes]; who has not its key reads their leaves. Reading
never trusts and never raises: every block is checked against its CID, every record against the leaf that its page lists, all
leaves against the root. Damaged data is compared all the same, so that one wrong byte is named by its index.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

from oracle.protocol import cids, leaves, trees
from oracle.protocol.cids import Cid, Codec, Link, cid_of, decode, encode
from oracle.protocol.errors import CrowdproofError
from oracle.protocol.faults import Fault
from oracle.protocol.jobkey import Keys, no_keys, open_record, seal_record

TARGET = 1 << 18  # bytes of a data block
MOST = 2048  # records of a page
MAX_LEAVES = 1 << 24
UNREADABLE = (CrowdproofError, TypeError, KeyError, ValueError, AttributeError, OverflowError)  # what bad data raises
Block: TypeAlias = tuple[bytes, Codec]
Problem: TypeAlias = tuple[int, str]  # index in the page, what is wrong


@dataclass(frozen=True, slots=True)
class Source:
    """How to read blocks: `read` checks every byte; `damaged` gives what lies there, unchecked, or None.

    keys: of sealed jobs.
    """

    read: Callable[[Cid], bytes]
    damaged: Callable[[Cid], bytes | None]
    keys: Keys = no_keys


@dataclass(frozen=True, slots=True)
class Reading:
    """The values of one tree, with everything that was wrong; only without faults are they all."""

    values: tuple[leaves.Leaf, ...]
    faults: list[Fault]


def pack(tree: Sequence[leaves.Leaf], keys: Mapping[int, bytes] | None = None) -> tuple[dict[str, Any], list[Block]]:
    """(what stands in the parent block, the blocks) of one tree. keys: of the sealed jobs of which it has records."""
    blocks: list[Block] = []
    pages: list[Any] = []
    hashes = [leaves.leaf_of(value) for value in tree]
    records = [_record(value, leaf, keys or {}) for value, leaf in zip(tree, hashes, strict=True)]
    for first, encoded in _chunks(records):
        data = b"".join(encoded)
        ends, end = [], 0
        for one in encoded:
            end += len(one)
            ends.append(end)
        listed = b"".join(hashes[first : first + len(encoded)])
        page = encode({"leaves": listed, "ends": ends, "data": Link(cid_of(data, Codec.RAW))})
        blocks += [(data, Codec.RAW), (page, Codec.DAG_CBOR)]
        pages.append([first, Link(cid_of(page, Codec.DAG_CBOR))])
    return {"root": trees.root(hashes), "size": len(tree), "pages": pages}, blocks


def _record(value: leaves.Leaf, leaf: bytes, keys: Mapping[int, bytes]) -> bytes:
    plain = encode(leaves.record_of(value))
    if isinstance(value, leaves.Verdict | leaves.WeightRow) and value.job in keys:
        return encode([leaves.sealed_place(value), seal_record(keys[value.job], leaf, plain)])
    return plain


def read(source: Source, epoch: int, tree: str, node: Any, known: Mapping[int, leaves.Leaf] | None = None) -> Reading:
    """Every value of the tree that `node` in a parent block describes, each the one to which its leaf commits.

    known: leaves by index that were learnt elsewhere; each takes the place of a record that cannot be read.
    """
    try:
        root, pages = node["root"], _extents(node)
    except UNREADABLE:
        return Reading((), [Fault(epoch, tree, None, "the block above does not describe this tree")])
    values: list[leaves.Leaf] = []
    hashes: list[bytes] = []
    faults: list[Fault] = []
    for first, count, cid in pages:
        here = {index - first: leaf for index, leaf in (known or {}).items() if first <= index < first + count}
        more, listed, problems = _read_page(source, tree, count, cid, here)
        values += more
        hashes += [listed[i : i + 32] for i in range(0, len(listed), 32)]
        faults += [Fault(epoch, tree, first + offset, what) for offset, what in problems]
    if not faults and trees.root(hashes) != root:
        faults.append(Fault(epoch, tree, None, "the leaves do not give the root"))
    return Reading(tuple(values), faults)


def linked(link: Any, codec: Codec) -> Cid:
    """Where a link leads. Raises ValueError unless it is a link to a block of that codec."""
    if not isinstance(link, Link) or cids.parse(link.cid)[0] is not codec:
        raise ValueError(f"expected a link to a {codec.name.lower()} block")
    return link.cid


def _extents(node: Any) -> list[tuple[int, int, Cid]]:
    """(first leaf, leaves, CID) of each page. Raises unless the pages cover the tree, one after the other."""
    size, pages = node["size"], node["pages"]
    bounds = [first for first, _ in pages] + [size]
    if any(type(bound) is not int for bound in bounds) or bounds[0] != 0 or size > MAX_LEAVES:
        raise ValueError("the pages do not begin at 0")
    if any(one >= two for one, two in pairwise(bounds)):
        raise ValueError("the pages are not in order")
    links = [linked(link, Codec.DAG_CBOR) for _, link in pages]
    return [(one, two - one, cid) for (one, two), cid in zip(pairwise(bounds), links, strict=True)]


def _read_page(
    source: Source, tree: str, count: int, cid: Cid, known: Mapping[int, leaves.Leaf]
) -> tuple[list[leaves.Leaf], bytes, list[Problem]]:
    """(values, their leaves, problems) of the page with so many leaves."""
    try:
        listed, spans, block = _page(decode(source.read(cid)), count)
    except UNREADABLE as problem:
        return [], b"", [(0, f"the page of the leaves from here on cannot be read: {problem}")]
    broken: CrowdproofError | None = None
    data: bytes | None
    try:
        data = source.read(block)
    except CrowdproofError as problem:
        data, broken = source.damaged(block), problem
    if data is None and len(known) < count:
        first = next(offset for offset in range(count) if offset not in known)
        return [], listed, [(first, f"the records from here on cannot be read: {broken}")]
    data = data or b""
    values, problems = _values(source.keys, tree, [data[start:end] for start, end in spans], listed, known)
    if known and not problems:
        return values, listed, []
    if broken:
        problems = [(offset, f"{what}: {broken}") for offset, what in problems]
    if not problems and (broken or len(data) != spans[-1][1]):
        problems = [(count - 1, f"other bytes follow the last record: {broken or 'no record ends there'}")]
    return values, listed, problems


def _page(page: Any, count: int) -> tuple[bytes, list[tuple[int, int]], Cid]:
    """(leaves, where each record begins and ends, the block of the records)."""
    listed, bounds = page["leaves"], [0, *page["ends"]]
    if type(listed) is not bytes or len(listed) != 32 * count or len(bounds) != count + 1:
        raise ValueError("it does not fit its tree")
    if any(type(bound) is not int for bound in bounds) or any(one >= two for one, two in pairwise(bounds)):
        raise ValueError("its records do not follow one another")
    return listed, list(pairwise(bounds)), linked(page["data"], Codec.RAW)


def _values(
    keys: Keys, tree: str, records: Sequence[bytes], listed: bytes, known: Mapping[int, leaves.Leaf]
) -> tuple[list[leaves.Leaf], list[Problem]]:
    values: list[leaves.Leaf] = []
    problems: list[Problem] = []
    for offset, record in enumerate(records):
        try:
            leaf = listed[32 * offset : 32 * offset + 32]
            value = known[offset] if offset in known else _value(keys, tree, decode(record), leaf)
            if leaves.leaf_of(value) != leaf:
                raise ValueError("it is not the one committed")
            values.append(value)
        except UNREADABLE as problem:
            problems.append((offset, f"the record cannot be read: {problem}"))
    return values, problems


def _value(keys: Keys, tree: str, record: Any, leaf: bytes) -> leaves.Leaf:
    if not _is_sealed(record):
        return leaves.parse(tree, record)
    place, sealed = record
    outside = leaves.sealed_from(tree, place, leaf)
    key = keys(place[0])
    if key is None:
        return outside
    value = leaves.parse(tree, decode(open_record(key, leaf, sealed)))
    if leaves.sealed_place(value) != place:
        raise ValueError("it is of another place than it says outside")
    return value


def _is_sealed(record: Any) -> bool:
    return isinstance(record, list) and len(record) == 2 and isinstance(record[1], bytes)


def _chunks(encoded: list[bytes]) -> Iterator[tuple[int, list[bytes]]]:
    first, size = 0, 0
    held: list[bytes] = []
    for i, one in enumerate(encoded):
        if held and (size + len(one) > TARGET or len(held) == MOST):
            yield first, held
            first, held, size = i, [], 0
        held.append(one)
        size += len(one)
    if held:
        yield first, held
