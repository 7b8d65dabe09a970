"""Names of blocks (CIDs), and the two encodings of blocks that hold links: dag-cbor and dag-pb.

A CID is "b" and the base32 of 0x01, the codec, 0x12, 0x20 and the block's sha2-256 digest: CIDv1, 59 characters in
lower case. Nothing else is accepted, so a block has one name under a codec and no name carries data of its own (no
identity hash). Decoding is as strict: a block that decodes is the one encoding of its value, and what nests too deep or
claims more than it holds is refused before a value is built. Bytes in, values out.

Sources: https://github.com/multiformats/cid, https://ipld.io/specs/codecs/dag-cbor/spec/,
https://ipld.io/specs/codecs/dag-pb/spec/.
"""

import base64
import hashlib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NewType, TypeAlias

import cbor2
from cbor2 import CBORDecodeError, CBOREncodeError, CBORTag

from oracle.protocol.errors import BadInput

BLOCK_LIMIT = 1 << 20  # bytes; what every IPFS node passes on
DEPTH_LIMIT = 32  # lists and maps inside each other

Cid = NewType("Cid", str)


class Codec(IntEnum):
    """How the bytes of a block are read; the numbers of the multicodec table."""

    RAW = 0x55
    DAG_PB = 0x70
    DAG_CBOR = 0x71


@dataclass(frozen=True, slots=True)
class Link:
    """A link to another block inside a dag-cbor value."""

    cid: Cid


Value: TypeAlias = "bool | int | float | str | bytes | Link | Sequence[Value] | Mapping[str, Value] | None"


class CidMalformed(BadInput):
    """A text that is not the CID of a block of ours."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(f"{text[:80]!r} is not a CID that is accepted here: {reason}")
        self.text = text


class BlockMalformed(BadInput):
    """Bytes that are not a block of the codec under which they are read."""

    def __init__(self, reason: str, offset: int | None = None) -> None:
        super().__init__(reason if offset is None else f"{reason}, at byte {offset}")
        self.reason = reason
        self.offset = offset


class BlockTooLarge(BadInput):
    """A block over `BLOCK_LIMIT`."""

    def __init__(self, size: int) -> None:
        super().__init__(f"a block of {size} bytes is over the limit of {BLOCK_LIMIT}")
        self.size = size


class ValueNotEncodable(BadInput):
    """A value that has no dag-cbor encoding."""


# ---------------------------------------------------------------------------------------------------------------- names

_SHAPE = re.compile("b[a-z2-7]{57}[aeimquy4]")  # 58 letters hold 290 bits; the last two, past the 36 bytes, are zero
_VERSION, _HASH = b"\x01", b"\x12\x20"  # CIDv1; sha2-256, 32 bytes. All four varints of the prefix are one byte long.


def cid_of(data: bytes, codec: Codec) -> Cid:
    """The name of a block."""
    return from_digest(codec, hashlib.sha256(data).digest())


def from_digest(codec: Codec, digest: bytes) -> Cid:
    """The name of the block with this sha2-256 digest (32 bytes)."""
    if len(digest) != 32:
        raise CidMalformed(digest.hex(), "a digest has 32 bytes")
    return Cid("b" + base64.b32encode(_binary(codec, digest)).decode().rstrip("=").lower())


def parse(text: str) -> tuple[Codec, bytes]:
    """Codec and digest of a CID; raises `CidMalformed` unless the text is the one that `from_digest` gives for them."""
    if not _SHAPE.fullmatch(text):
        raise CidMalformed(text, "not CIDv1 in canonical lower-case base32 with a 32-byte hash")
    return _unbinary(base64.b32decode(text[1:].upper() + "======"), text)


def digest_of(cid: str) -> bytes:
    """The 32-byte digest of a CID, as the header's `content` holds it."""
    return parse(cid)[1]


def to_bytes(cid: Cid) -> bytes:
    """The binary CID, 36 bytes."""
    return _binary(*parse(cid))


def from_bytes(binary: bytes) -> Cid:
    """The CID of its binary form; raises `CidMalformed`."""
    return from_digest(*_unbinary(binary, binary.hex()))


def _binary(codec: Codec, digest: bytes) -> bytes:
    return _VERSION + bytes([codec]) + _HASH + digest


def _unbinary(binary: bytes, text: str) -> tuple[Codec, bytes]:
    if len(binary) != 36 or binary[:1] != _VERSION or binary[2:4] != _HASH:
        raise CidMalformed(text, "not CIDv1 with sha2-256")
    try:
        return Codec(binary[1]), binary[4:]
    except ValueError:
        raise CidMalformed(text, f"codec {binary[1]:#x} is not raw, dag-pb or dag-cbor") from None


def links(codec: Codec, block: bytes) -> list[Cid]:
    """The links of a block in the order in which they stand; raises `BlockMalformed`."""
    match codec:
        case Codec.RAW:
            return []
        case Codec.DAG_PB:
            return [link.cid for link in decode_node(block).links]
        case Codec.DAG_CBOR:
            decode(block)
            return _scan(block)


# ------------------------------------------------------------------------------------------------------------- dag-cbor


def encode(value: Value) -> bytes:
    """The dag-cbor block of a value.

    Raises `ValueNotEncodable` (another type, NaN, an int over 64 bits, too deep) or `BlockTooLarge`.
    """
    try:
        block = cbor2.dumps(_ordered(value, 0))
    except (CBOREncodeError, UnicodeEncodeError) as error:
        raise ValueNotEncodable(f"there is no encoding: {error}") from None
    if len(block) > BLOCK_LIMIT:
        raise BlockTooLarge(len(block))
    return block


def decode(block: bytes) -> Value:
    """The value of a dag-cbor block; raises `BlockMalformed` or `BlockTooLarge`. `encode` gives the same bytes back."""
    found = iter(_scan(block))
    try:
        value: Value = cbor2.loads(block, tag_hook=lambda *_: Link(next(found)))
        again = encode(value)
    except (CBORDecodeError, ValueNotEncodable) as error:
        raise BlockMalformed(f"no dag-cbor: {error}") from None
    if again != block:
        raise BlockMalformed("not the one encoding of its value")
    return value


def _ordered(value: object, depth: int) -> object:
    """What cbor2 writes as dag-cbor: links as tags, the shorter keys of a map first, then by their bytes; nothing else."""
    match value:
        case None | bool() | bytes() | str():
            return value
        case int() if -(1 << 64) <= value < 1 << 64:
            return int(value)
        case float() if math.isfinite(value):
            return value
        case Link():
            return CBORTag(_LINK_TAG, b"\0" + to_bytes(value.cid))
        case Mapping() | list() | tuple() if depth == DEPTH_LIMIT:
            raise ValueNotEncodable(f"lists and maps nest over {DEPTH_LIMIT} deep")
        case Mapping():
            return {key: _ordered(value[key], depth + 1) for key in sorted(value, key=_place)}
        case list() | tuple():
            return [_ordered(item, depth + 1) for item in value]
    raise ValueNotEncodable(f"there is no encoding of {value!r:.40} ({type(value).__name__})")


def _place(key: object) -> tuple[int, bytes]:
    if not isinstance(key, str):
        raise ValueNotEncodable(f"a key of a map is a text, not a {type(key).__name__}")
    text = key.encode()
    return len(text), text


_LINK_TAG = 42
_LINK_HEAD = bytes.fromhex("d82a582500")  # tag 42, a string of 37 bytes, the multibase prefix of binary
_LINK_SIZE = len(_LINK_HEAD) + 36


def _scan(block: bytes) -> list[Cid]:
    """The links of a dag-cbor block, in one pass over the heads of its items, which also holds bounds and depth.

    Nothing is built yet: what is built then is no deeper and no larger than was seen here.
    """
    if len(block) > BLOCK_LIMIT:
        raise BlockTooLarge(len(block))
    found: list[Cid] = []
    owed = [1]  # items still to come: of the block, of each open list or map
    at = 0
    while owed:
        if owed[-1] == 0:
            owed.pop()
            continue
        owed[-1] -= 1
        major, argument, after = _head(block, at)
        if major in (2, 3):
            after += argument
        elif major in (4, 5):
            owed.append(argument * (major - 3))  # a map owes two items a pair
            if len(owed) - 1 > DEPTH_LIMIT:
                raise BlockMalformed(f"lists and maps nest over {DEPTH_LIMIT} deep", at)
            if owed[-1] > len(block) - after:
                raise BlockMalformed("a list or map claims more items than there are bytes", at)
        elif major == 6:
            after = at + _LINK_SIZE
            found.append(_link(block[at:after], at))
        if after > len(block):
            raise BlockMalformed("the block ends inside an item", at)
        at = after
    if at != len(block):
        raise BlockMalformed("bytes after the value", at)
    return found


def _head(block: bytes, at: int) -> tuple[int, int, int]:
    """Major type and argument of the item at a place, and where its head ends."""
    if at >= len(block):
        raise BlockMalformed("the block ends before its value", at)
    major, info = divmod(block[at], 32)
    if info < 24:
        return major, info, at + 1
    if info > 27:
        raise BlockMalformed("an item without a definite length", at)
    after = at + 1 + (1 << (info - 24))
    return major, int.from_bytes(block[at + 1 : after], "big"), after


def _link(item: bytes, at: int) -> Cid:
    if not item.startswith(_LINK_HEAD):
        raise BlockMalformed("a tag that is not a link to a block", at)
    try:
        return from_bytes(item[len(_LINK_HEAD) :])
    except CidMalformed as error:
        raise BlockMalformed(str(error), at) from None


# --------------------------------------------------------------------------------------------------------------- dag-pb


@dataclass(frozen=True, slots=True)
class NodeLink:
    """A link of a dag-pb node; `size` is the bytes of all blocks below it."""

    cid: Cid
    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Node:
    """A dag-pb node, the block of which UnixFS makes files and folders."""

    links: tuple[NodeLink, ...]
    data: bytes


def encode_node(node: Node) -> bytes:
    """The dag-pb block of a node: the links first, every field written, as Kubo writes it."""
    block = b"".join(_field(2, _pb_link(link)) for link in node.links) + _field(1, node.data)
    if len(block) > BLOCK_LIMIT:
        raise BlockTooLarge(len(block))
    return block


def decode_node(block: bytes) -> Node:
    """The node of a dag-pb block; raises `BlockMalformed` unless `encode_node` gives the same bytes back."""
    if len(block) > BLOCK_LIMIT:
        raise BlockTooLarge(len(block))
    parts: list[NodeLink] = []
    data = b""
    for number, value in fields(block):
        if number == 2 and isinstance(value, bytes):
            parts.append(_from_pb_link(value))
        elif number == 1 and isinstance(value, bytes):
            data = value
    node = Node(tuple(parts), data)
    if encode_node(node) != block:
        raise BlockMalformed("not a canonical dag-pb node")
    return node


def _pb_link(link: NodeLink) -> bytes:
    return _field(1, to_bytes(link.cid)) + _field(2, link.name.encode()) + b"\x18" + varint(link.size)


def _from_pb_link(message: bytes) -> NodeLink:
    found = dict(fields(message))
    binary, name, size = found.get(1), found.get(2), found.get(3)
    if not isinstance(binary, bytes) or not isinstance(name, bytes) or not isinstance(size, int):
        raise BlockMalformed("a dag-pb link without a CID, a name or a size")
    try:
        return NodeLink(from_bytes(binary), name.decode(), size)
    except (CidMalformed, UnicodeDecodeError) as error:
        raise BlockMalformed(f"a dag-pb link: {error}") from None


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + varint(len(content)) + content


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a protobuf message in order: integers, and strings of bytes."""
    at = 0
    while at < len(message):
        tag, after = read_varint(message, at)
        value, after = read_varint(message, after)
        if tag & 7 == 0:
            yield tag >> 3, value
        elif tag & 7 == 2 and after + value <= len(message):
            yield tag >> 3, message[after : after + value]
            after += value
        else:
            raise BlockMalformed("not a protobuf message", at)
        at = after


def varint(number: int) -> bytes:
    """LEB128, unsigned."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """An unsigned LEB128 of at most 63 bits at a place, and where it ends; raises `BlockMalformed`."""
    number = 0
    for length, byte in enumerate(data[at : at + 9]):
        number |= (byte & 0x7F) << (7 * length)
        if byte < 0x80:
            if byte == 0 and length:
                break
            return number, at + length + 1
    raise BlockMalformed("not a minimal varint", at)
