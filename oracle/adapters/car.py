"""CAR v1 files: a graph of blocks in one stream, to hand an epoch's data over or to bring it back.

`write_car` is deterministic: the graph below the roots, depth first in the order of the links, each block once.
`read_car` trusts nothing: every block is hashed, every link must lead to a block of the same file, and what it refuses
it names with the offset. Blocks before the fault may then already lie in the store; each of them is right.

Source: https://ipld.io/specs/transport/car/carv1/.
"""

from collections.abc import Sequence
from typing import BinaryIO

from oracle.ports import ContentStore
from oracle.protocol import cids
from oracle.protocol.cids import BLOCK_LIMIT, BlockMalformed, Cid, CidMalformed, Codec, Link, cid_of, parse
from oracle.protocol.errors import BadInput, ContentMismatch

CAR_LIMIT = 1 << 32  # bytes that `read_car` takes by default
HEADER_LIMIT = 1 << 16
CID_SIZE = 36
BATCH = 64  # blocks between two syncs of the store


class CarMalformed(BadInput):
    """A stream that is not a complete CAR v1 of blocks of ours."""

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(f"CAR, byte {offset}: {reason}")
        self.offset = offset
        self.reason = reason


def write_car(store: ContentStore, roots: Sequence[Cid], out: BinaryIO) -> int:
    """Writes the graph below the roots and returns its number of blocks; raises what `store.get` raises."""
    header = _encoded_header(roots)
    out.write(cids.varint(len(header)) + header)
    written: set[Cid] = set()
    waiting = list(reversed(roots))
    while waiting:
        cid = waiting.pop()
        if cid in written:
            continue
        written.add(cid)
        block = store.get(cid)
        out.write(cids.varint(CID_SIZE + len(block)) + cids.to_bytes(cid) + block)
        waiting += reversed(_links(cid, block))
    return len(written)


def _links(cid: Cid, block: bytes) -> list[Cid]:
    try:
        return cids.links(parse(cid)[0], block)
    except BlockMalformed as error:
        raise BlockMalformed(f"{cid}: {error.reason}", error.offset) from None


def read_car(stream: BinaryIO, store: ContentStore, limit: int = CAR_LIMIT) -> list[Cid]:
    """Puts the blocks of a CAR into the store and returns its roots.

    Raises `CarMalformed` (also over `limit` bytes, and for a root or link that leads out of the file) or
    `ContentMismatch`, each with the offset.
    """
    reader = _Reader(stream, limit)
    roots = _header(reader)
    held: set[Cid] = set()
    wanted = set(roots)
    batch: list[tuple[bytes, Codec]] = []
    while (section := _section(reader)) is not None:
        cid, block, below = section
        held.add(cid)
        wanted.update(below)
        batch.append((block, parse(cid)[0]))
        if len(batch) == BATCH:
            store.put_many(batch)
            batch.clear()
    store.put_many(batch)
    if missing := wanted - held:
        raise CarMalformed(reader.offset, f"ends without {min(missing)}, to which it links ({len(missing)} missing)")
    return roots


class _Reader:
    """A stream that knows its offset and its limit."""

    def __init__(self, stream: BinaryIO, limit: int) -> None:
        self._stream = stream
        self._limit = limit
        self.offset = 0

    def take(self, size: int) -> bytes:
        """So many bytes, fewer only at the end of the stream."""
        parts: list[bytes] = []
        missing = size
        while missing and (part := self._stream.read(missing)):
            parts.append(part)
            missing -= len(part)
        self.offset += size - missing
        if self.offset > self._limit:
            raise CarMalformed(self.offset, f"goes over the limit of {self._limit} bytes")
        return b"".join(parts)

    def frame(self, limit: int) -> bytes | None:
        """The next length and that many bytes; None at the end of the stream."""
        start = self.offset
        size = self._length(start)
        if size is None:
            return None
        if size > limit:
            raise CarMalformed(start, f"a section of {size} bytes is over the limit of {limit}")
        content = self.take(size)
        if len(content) < size:
            raise CarMalformed(self.offset, f"ends inside the section of {size} bytes that begins at {start}")
        return content

    def _length(self, start: int) -> int | None:
        prefix = b""
        while len(prefix) < 9 and (byte := self.take(1)):
            prefix += byte
            if byte[0] < 0x80:
                break
        if not prefix:
            return None
        try:
            return cids.read_varint(prefix, 0)[0]
        except BlockMalformed:
            raise CarMalformed(start, "not the length of a section") from None


def _header(reader: _Reader) -> list[Cid]:
    frame = reader.frame(HEADER_LIMIT)
    if frame is None:
        raise CarMalformed(0, "is empty")
    try:
        header = cids.decode(frame)
    except BlockMalformed as error:
        raise CarMalformed(0, f"its header is not dag-cbor: {error}") from None
    roots = header.get("roots") if isinstance(header, dict) else None
    if not isinstance(roots, list) or not all(isinstance(root, Link) for root in roots):
        raise CarMalformed(0, "its header does not list its roots")
    if frame != _encoded_header([root.cid for root in roots]):
        raise CarMalformed(0, "its header is not that of version 1")
    return [root.cid for root in roots]


def _encoded_header(roots: Sequence[Cid]) -> bytes:
    return cids.encode({"roots": [Link(root) for root in roots], "version": 1})


def _section(reader: _Reader) -> tuple[Cid, bytes, list[Cid]] | None:
    """The next block, verified, with its name and its links."""
    start = reader.offset
    frame = reader.frame(CID_SIZE + BLOCK_LIMIT)
    if frame is None:
        return None
    block = frame[CID_SIZE:]
    try:
        cid = cids.from_bytes(frame[:CID_SIZE])
        codec, _ = parse(cid)
        found = cid_of(block, codec)
        if found != cid:
            raise ContentMismatch(f"CAR, byte {start}: the block named {cid} hashes to {found}")
        return cid, block, cids.links(codec, block)
    except (CidMalformed, BlockMalformed) as error:
        raise CarMalformed(start, str(error)) from None
