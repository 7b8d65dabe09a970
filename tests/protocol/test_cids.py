"""CIDs and the encodings of blocks, held against the packages `multiformats` and `dag-cbor` and published names."""

import base64
import hashlib
import math
from contextlib import suppress
from typing import Any

import dag_cbor
import pytest
from dag_cbor.encoding.err import CBORError
from hypothesis import given, settings
from hypothesis import strategies as st
from multiformats import CID

from oracle.protocol import cids
from oracle.protocol.cids import (
    BLOCK_LIMIT,
    DEPTH_LIMIT,
    BlockMalformed,
    BlockTooLarge,
    Cid,
    CidMalformed,
    Codec,
    Link,
    Node,
    NodeLink,
    ValueNotEncodable,
)

EMPTY = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
LEAF = cids.cid_of(b"leaf", Codec.RAW)

codecs = st.sampled_from(Codec)
names = st.builds(cids.from_digest, codecs, st.binary(min_size=32, max_size=32))
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.binary(max_size=40)
    | st.builds(Link, names)
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
)


def text_of(binary: bytes) -> str:
    return "b" + base64.b32encode(binary).decode().rstrip("=").lower()


# ---------------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("data", "name"),
    [(b"", EMPTY), (b"hello world\n", "bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4")],
)
def test_cid_of__known_raw_blocks__gives_their_published_names(data: bytes, name: str) -> None:
    assert cids.cid_of(data, Codec.RAW) == name


@given(st.binary(max_size=64), codecs)
def test_cid_of__any_block__agrees_with_multiformats(data: bytes, codec: Codec) -> None:
    package = CID("base32", 1, codec.name.lower().replace("_", "-"), ("sha2-256", hashlib.sha256(data).digest()))
    name = cids.cid_of(data, codec)
    assert name == str(package)
    assert cids.to_bytes(name) == bytes(package)
    assert cids.from_bytes(bytes(package)) == name
    assert cids.parse(name) == (codec, package.raw_digest)
    assert cids.digest_of(name) == package.raw_digest


BINARY = cids.to_bytes(Cid(EMPTY))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "b",
        EMPTY.upper(),
        EMPTY[:-1],
        EMPTY + "a",
        EMPTY + "\n",
        " " + EMPTY,
        EMPTY + "=",
        "../" + EMPTY[3:],
        EMPTY[:-1] + "1",
        EMPTY[:-1] + "v",  # the same bytes, another text: the last two bits are not zero
        EMPTY.replace("k", "\u212a"),  # KELVIN SIGN, which lower-cases to k
        "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKPbdG",  # CIDv0
        str(CID("base58btc", 1, "raw", ("sha2-256", BINARY[4:]))),
        str(CID("base32", 1, "raw", ("sha3-256", BINARY[4:]))),
        str(CID("base32", 1, "raw", ("identity", b"inline"))),
        str(CID("base32", 1, "raw", ("identity", BINARY[4:]))),
        str(CID("base32", 1, "dag-json", ("sha2-256", BINARY[4:]))),
        text_of(b"\x02" + BINARY[1:]),
        text_of(b"\x01\xd5\x00" + BINARY[2:]),  # codec as a varint that is not minimal
        text_of(BINARY[:3] + b"\x1f" + BINARY[4:-1]),  # a digest cut short
    ],
)
def test_parse__another_text__is_refused_with_the_text(text: str) -> None:
    with pytest.raises(CidMalformed) as caught:
        cids.parse(text)
    assert caught.value.text == text


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz234567B=1/.", min_size=57, max_size=61) | st.text(max_size=70))
def test_parse__any_text__is_refused_or_comes_back_the_same(text: str) -> None:
    try:
        codec, digest = cids.parse(text)
    except CidMalformed:
        return
    assert cids.from_digest(codec, digest) == text


@given(names, st.integers(0, 58), st.sampled_from("abcdefghijklmnopqrstuvwxyz234567"))
def test_parse__one_letter_changed__never_gives_the_same_block(name: Cid, place: int, letter: str) -> None:
    changed = name[:place] + letter + name[place + 1 :]
    if changed == name:
        return
    with suppress(CidMalformed):
        assert cids.parse(changed) != cids.parse(name)


def test_from_digest__wrong_length__is_refused() -> None:
    with pytest.raises(CidMalformed):
        cids.from_digest(Codec.RAW, b"\0" * 31)


# ------------------------------------------------------------------------------------------------------------- dag-cbor


def with_package_links(value: Any) -> Any:
    if isinstance(value, Link):
        return CID.decode(value.cid)
    if isinstance(value, dict):
        return {key: with_package_links(item) for key, item in value.items()}
    return [with_package_links(item) for item in value] if isinstance(value, list) else value


@settings(deadline=None, max_examples=60)
@given(values)
def test_encode__any_value__is_the_packages_block_and_decodes_to_itself(value: Any) -> None:
    block = cids.encode(value)
    assert block == dag_cbor.encode(with_package_links(value))
    assert cids.decode(block) == value
    assert cids.encode(cids.decode(block)) == block


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ({}, "bafyreigbtj4x7ip5legnfznufuopl4sg4knzc2cof6duas4b3q2fy6swua"),
        ({"hello": "world"}, "bafyreidykglsfhoixmivffc5uwhcgshx4j465xwqntbmu43nb2dzqwfvae"),
    ],
)
def test_encode__known_values__gives_their_published_names(value: Any, name: str) -> None:
    assert cids.cid_of(cids.encode(value), Codec.DAG_CBOR) == name


def test_encode__tuples__are_lists() -> None:
    assert cids.encode((1, (2,))) == cids.encode([1, [2]])


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        2**64,
        -(2**64) - 1,
        {1: 2},
        {"a": object()},
        {1, 2},
        bytearray(b"a"),
        "\ud800",
        1j,
    ],
)
def test_encode__what_dag_cbor_lacks__is_refused(value: Any) -> None:
    with pytest.raises(ValueNotEncodable):
        cids.encode(value)


def test_encode__a_link_that_is_no_cid__is_refused() -> None:
    with pytest.raises(CidMalformed):
        cids.encode([Link(Cid("bafy"))])


def test_encode__a_value_over_the_limit__is_refused() -> None:
    with pytest.raises(BlockTooLarge):
        cids.encode(b"\0" * BLOCK_LIMIT)


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth - 1):
        value = [value]
    return value


def test_encode__depth__is_bounded_like_in_decode() -> None:
    deepest = nested(DEPTH_LIMIT)
    assert cids.decode(cids.encode(deepest)) == deepest
    with pytest.raises(ValueNotEncodable):
        cids.encode(nested(DEPTH_LIMIT + 1))
    with pytest.raises(BlockMalformed):
        cids.decode(dag_cbor.encode(nested(DEPTH_LIMIT + 1)))


LINK = cids.encode(Link(LEAF))


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x01\x01", id="two values"),
        pytest.param(b"\x18\x01", id="an int that is not minimal"),
        pytest.param(b"\x58\x01a", id="a length that is not minimal"),
        pytest.param(b"\x1b\x00\x00", id="a head cut short"),
        pytest.param(b"\x9f\x01\xff", id="indefinite length"),
        pytest.param(b"\x1c", id="reserved head"),
        pytest.param(b"\xf9\x3c\x00", id="half float"),
        pytest.param(b"\xfa\x3f\x80\x00\x00", id="single float"),
        pytest.param(b"\xfb\x7f\xf8" + b"\0" * 6, id="NaN"),
        pytest.param(b"\xfb\x7f\xf0" + b"\0" * 6, id="infinity"),
        pytest.param(b"\xf7", id="undefined"),
        pytest.param(b"\xf8\x20", id="simple value"),
        pytest.param(b"\xa2\x61a\x01\x61a\x02", id="the same key twice"),
        pytest.param(b"\xa2\x61b\x01\x61a\x02", id="keys out of order"),
        pytest.param(b"\xa1\x01\x02", id="a key that is no text"),
        pytest.param(b"\x61\xff", id="bad UTF-8"),
        pytest.param(b"\x5b" + b"\xff" * 8, id="a string of 2^64 bytes"),
        pytest.param(b"\x9b" + b"\xff" * 8, id="a list of 2^64 items"),
        pytest.param(b"\xbb" + b"\xff" * 8, id="a map of 2^64 items"),
        pytest.param(b"\x81" * 100_000 + b"\x80", id="100,000 lists inside each other"),
        pytest.param(b"\xc1\x01", id="another tag"),
        pytest.param(b"\xd8\x2a\x01", id="a link that is no string"),
        pytest.param(b"\xd8\x2a\x40", id="an empty link"),
        pytest.param(bytes.fromhex("d82a450001550000"), id="an identity link"),
        pytest.param(LINK.replace(b"\x00\x01\x55", b"\x01\x01\x55"), id="a link with another multibase"),
        pytest.param(LINK.replace(b"\x01\x55\x12", b"\x01\x55\x13"), id="a link with another hash"),
        pytest.param(LINK.replace(b"\x01\x55\x12", b"\x01\x00\x12"), id="a link with another codec"),
        pytest.param(bytes.fromhex("d82a5823001220") + bytes(32), id="a link to CIDv0"),
        pytest.param(LINK[:-1], id="a link cut short"),
    ],
)
def test_decode__a_block_that_is_not_canonical__is_refused(block: bytes) -> None:
    with pytest.raises(BlockMalformed):
        cids.decode(block)


def test_decode__a_block_over_the_limit__is_refused() -> None:
    with pytest.raises(BlockTooLarge):
        cids.decode(b"\x5a\x00\x10\x00\x00" + b"\0" * BLOCK_LIMIT)


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=40) | values.map(cids.encode).flatmap(lambda b: st.integers(0, len(b)).map(lambda n: b[:n])))
def test_decode__any_bytes__are_refused_or_are_the_encoding_of_their_value(block: bytes) -> None:
    try:
        value = cids.decode(block)
    except BlockMalformed:
        return
    assert cids.encode(value) == block


@settings(deadline=None, max_examples=150)
@given(values.map(cids.encode), st.data())
def test_decode__a_flipped_bit__is_refused_or_gives_the_value_of_those_bytes(block: bytes, data: st.DataObject) -> None:
    bit = data.draw(st.integers(0, 8 * len(block) - 1))
    flipped = bytearray(block)
    flipped[bit // 8] ^= 1 << bit % 8
    try:
        value = cids.decode(bytes(flipped))
    except BlockMalformed:
        return
    assert cids.encode(value) == bytes(flipped)


def with_own_links(value: Any) -> Any:
    if isinstance(value, CID):
        return Link(cids.from_bytes(bytes(value)))
    if isinstance(value, dict):
        return {key: with_own_links(item) for key, item in value.items()}
    return [with_own_links(item) for item in value] if isinstance(value, list) else value


def damaged(block: bytes, bits: list[int], cut: int) -> bytes:
    flipped = bytearray(block)
    for bit in bits:
        flipped[bit % (8 * len(block)) // 8] ^= 1 << bit % 8
    return bytes(flipped[: len(block) - cut])


@settings(deadline=None, max_examples=200)
@given(st.lists(values, max_size=3).map(cids.encode), st.lists(st.integers(0, 2000), max_size=2), st.integers(0, 2))
def test_decode__any_block__is_refused_by_the_package_too_or_read_alike(
    block: bytes, bits: list[int], cut: int
) -> None:
    block = damaged(block, bits, cut)
    try:
        value = cids.decode(block)
    except BlockMalformed as refused:
        if "nest" not in refused.reason:  # the package knows no limit
            with pytest.raises((CBORError, CidMalformed, ValueError, KeyError, OverflowError)):
                with_own_links(dag_cbor.decode(block))
        return
    assert repr(value) == repr(with_own_links(dag_cbor.decode(block)))


@settings(deadline=None, max_examples=60)
@given(values)
def test_links__dag_cbor__are_in_the_order_of_the_block(value: Any) -> None:
    def walk(item: Any) -> list[Cid]:
        if isinstance(item, Link):
            return [item.cid]
        children = item.values() if isinstance(item, dict) else item if isinstance(item, list) else []
        return [cid for child in children for cid in walk(child)]

    block = cids.encode(value)
    assert cids.links(Codec.DAG_CBOR, block) == walk(cids.decode(block))


# --------------------------------------------------------------------------------------------------------------- dag-pb

nodes = st.builds(
    Node,
    st.lists(st.builds(NodeLink, names, st.text(max_size=5), st.integers(0, 2**63 - 1)), max_size=4).map(tuple),
    st.binary(max_size=200),
)


@given(nodes)
def test_encode_node__any_node__decodes_to_itself(node: Node) -> None:
    block = cids.encode_node(node)
    assert cids.decode_node(block) == node
    assert cids.links(Codec.DAG_PB, block) == [link.cid for link in node.links]


def test_encode_node__the_empty_unixfs_folder__has_its_published_name() -> None:
    block = cids.encode_node(Node((), b"\x08\x01"))
    assert cids.cid_of(block, Codec.DAG_PB) == "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354"


NODE = cids.encode_node(Node((NodeLink(LEAF, "name", 300),), b"\x08\x02"))


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(b"", id="empty"),
        pytest.param(NODE + b"\x1a\x00", id="another field"),
        pytest.param(NODE[-4:] + NODE[:-4], id="data before links"),
        pytest.param(NODE + NODE[-4:], id="data twice"),
        pytest.param(b"\x12\x00" + NODE, id="an empty link"),
        pytest.param(NODE.replace(b"\x18\xac\x02", b"\x18\x80\x80"), id="a size cut short"),
        pytest.param(NODE.replace(b"name", b"\xff\xff\xff\xff"), id="a name of bad UTF-8"),
        pytest.param(NODE.replace(b"\x0a\x24\x01", b"\x0a\x24\x02"), id="a link of another version"),
        pytest.param(b"\x0d\x00\x00\x00\x00", id="a fixed-width field"),
        pytest.param(b"\x0a" + b"\xff" * 20, id="a length without end"),
    ],
)
def test_decode_node__a_block_that_is_not_canonical__is_refused(block: bytes) -> None:
    with pytest.raises(BlockMalformed):
        cids.decode_node(block)


@given(st.binary(max_size=60) | nodes.map(cids.encode_node).flatmap(lambda b: st.integers(0, 60).map(lambda n: b[:n])))
def test_decode_node__any_bytes__are_refused_or_are_the_encoding_of_their_node(block: bytes) -> None:
    try:
        node = cids.decode_node(block)
    except BlockMalformed:
        return
    assert cids.encode_node(node) == block


@given(st.integers(0, 2**63 - 1))
def test_varint__any_number__is_read_back(number: int) -> None:
    assert cids.read_varint(b"x" + cids.varint(number) + b"y", 1) == (number, 1 + len(cids.varint(number)))


@pytest.mark.parametrize("data", [b"", b"\x80", b"\x80\x00", b"\xff" * 9 + b"\x01"])
def test_read_varint__not_minimal_or_without_end__is_refused(data: bytes) -> None:
    with pytest.raises(BlockMalformed):
        cids.read_varint(data, 0)
