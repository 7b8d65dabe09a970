"""A tree in the content store: pages that list the leaves, and raw blocks that hold their records one after the other.

leaves, records <-> blocks. Reading never trusts: a block that is not what its CID says is compared leaf by leaf with its page,
so that one damaged byte is named by its index.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from oracle.protocol import leaves, trees
from oracle.protocol.cids import Cid, Codec, Link, cid_of, decode, encode
from oracle.protocol.errors import ContentMismatch, ContentMissing, CrowdproofError

TARGET = 1 << 18  # bytes of a data block
MOST = 2048  # records of a page
Block: TypeAlias = tuple[bytes, Codec]


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong and where: the epoch (or the job whose data it is), the tree, the index of the leaf."""

    epoch: int
    tree: str
    index: int | None
    what: str

    def __str__(self) -> str:
        place = f"epoch {self.epoch}, {self.tree}" + ("" if self.index is None else f", index {self.index}")
        return f"{place}: {self.what}"


@dataclass(frozen=True, slots=True)
class Source:
    """How to read blocks: `read` checks every byte; `damaged` gives what lies there, unchecked, or None."""

    read: Callable[[Cid], bytes]
    damaged: Callable[[Cid], bytes | None]


@dataclass(frozen=True, slots=True)
class Reading:
    """The records of one tree as far as they could be read (None = lost), with what was wrong."""

    records: list[Any]
    faults: list[Fault]


def pack(tree: Sequence[leaves.Leaf]) -> tuple[dict[str, Any], list[Block]]:
    """(what stands in the parent block, the blocks) of one tree."""
    blocks: list[Block] = []
    pages: list[Any] = []
    hashes = [leaves.leaf_of(value) for value in tree]
    for first, encoded in _chunks([encode(leaves.record_of(value)) for value in tree]):
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


def read(source: Source, epoch: int, tree: str, node: Any) -> Reading:
    """Every record of a tree, checked against its CIDs; the leaves are checked by who decodes the records."""
    faults: list[Fault] = []
    try:
        size, pages = node["size"], [(first, link.cid) for first, link in node["pages"]]
        if type(size) is not int or not 0 <= size <= 1 << 24:
            raise ValueError("size")
    except (TypeError, KeyError, ValueError, AttributeError):
        return Reading([], [Fault(epoch, tree, None, "the epoch's block does not describe this tree")])
    records: list[Any] = [None] * size
    for first, cid in pages:
        _read_page(source, Fault(epoch, tree, first, ""), cid, records, faults)
    return Reading(records, faults)


def _read_page(source: Source, at: Fault, cid: Cid, records: list[Any], faults: list[Fault]) -> None:
    first = at.index or 0

    def fault(offset: int, what: str) -> None:
        faults.append(Fault(at.epoch, at.tree, first + offset, what))

    try:
        page: Any = decode(source.read(cid))
        listed, ends, data_cid = page["leaves"], page["ends"], page["data"].cid
        if len(listed) != 32 * len(ends) or first + len(ends) > len(records):
            raise ValueError("it does not fit its tree")
    except (CrowdproofError, TypeError, KeyError, ValueError, AttributeError) as problem:
        fault(0, f"the page of the leaves from here on cannot be read: {problem}")
        return
    try:
        data, broken = source.read(data_cid), None
    except (ContentMissing, ContentMismatch) as problem:
        data, broken = source.damaged(data_cid) or b"", problem
    before = len(faults)
    for offset, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
        try:
            records[first + offset] = decode(data[start:end])
        except CrowdproofError as problem:
            fault(offset, f"the record cannot be read: {broken or problem}")
    if broken and len(faults) == before:
        _locate(at, listed, broken, records, faults)


def _locate(at: Fault, listed: bytes, broken: Exception, records: list[Any], faults: list[Fault]) -> None:
    """Names the leaves that damaged bytes changed; all still decode, so their hashes tell."""
    first = at.index or 0
    for offset in range(len(listed) // 32):
        if _leaf(at.tree, records[first + offset]) != listed[32 * offset : 32 * offset + 32]:
            faults.append(Fault(at.epoch, at.tree, first + offset, f"the record is not the one committed: {broken}"))
            records[first + offset] = None
    if not any(f.tree == at.tree and f.epoch == at.epoch for f in faults):
        faults.append(Fault(at.epoch, at.tree, first, str(broken)))


def _leaf(tree: str, record: Any) -> bytes | None:
    try:
        return leaves.leaf_of(leaves.parse(tree, record))
    except (TypeError, ValueError, KeyError, OverflowError):
        return None


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
