"""Every store against one suite, then what is particular to each but KuboStore, which has a file of its own."""

import io
import os
import random
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.adapters import content, kubo
from oracle.adapters.car import CarMalformed, read_car, write_car
from oracle.adapters.content import (
    CHUNK,
    WIDTH,
    FileTooLarge,
    FolderStore,
    GatewayStore,
    MemoryStore,
    StoreReadOnly,
    StoreUnavailable,
    add_file,
    cat_file,
)
from oracle.adapters.kubo import KuboStore
from oracle.ports import ContentStore
from oracle.protocol import cids
from oracle.protocol.cids import (
    BLOCK_LIMIT,
    BlockMalformed,
    BlockTooLarge,
    Cid,
    CidMalformed,
    Codec,
    Link,
    Node,
    NodeLink,
    Value,
)
from oracle.protocol.errors import BadInput, ContentMismatch, ContentMissing, CrowdproofError
from scripts.ipfs import Daemon, block_file
from tests.support.ipfs import FakeDaemon

ABSENT = cids.cid_of(b"absent", Codec.RAW)
HOSTILE = [
    "",
    "../secret",
    "/etc/passwd",
    "bafkqaaa",
    str(ABSENT).upper(),
    str(ABSENT) + "/x",
    "QmYwAPJzv5CZsnA625s3Xf",
]


# ------------------------------------------------------------------------------------------- one suite for every store


def put_cbor(store: ContentStore, value: Value) -> Cid:
    return store.put(cids.encode(value), Codec.DAG_CBOR)


class Bench(Protocol):
    """A store under test, and the way to put other bytes behind its back."""

    @property
    def store(self) -> ContentStore: ...

    def damage(self, cid: Cid, data: bytes) -> None: ...


class MemoryBench:
    def __init__(self, request: pytest.FixtureRequest) -> None:
        self.store = MemoryStore()

    def damage(self, cid: Cid, data: bytes) -> None:
        self.store.blocks[cid] = data


class FolderBench:
    def __init__(self, request: pytest.FixtureRequest) -> None:
        self.store = FolderStore(request.getfixturevalue("tmp_path") / "store")

    def damage(self, cid: Cid, data: bytes) -> None:
        (self.store.path / cid).write_bytes(data)


class FakeKuboBench:
    def __init__(self, request: pytest.FixtureRequest) -> None:
        self.daemon = FakeDaemon()
        self.store = KuboStore(self.daemon.api, 10.0)
        request.addfinalizer(self.daemon.close)
        request.addfinalizer(self.store.close)

    def damage(self, cid: Cid, data: bytes) -> None:
        self.daemon.blocks[cids.digest_of(cid)] = data


class KuboBench:
    """The real one; it serves all tests, so what one puts the next one finds."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self.daemon: Daemon = request.getfixturevalue("ipfs")
        self.store = KuboStore(self.daemon.api, 20.0)
        request.addfinalizer(self.store.close)
        request.getfixturevalue("monkeypatch").setattr(kubo, "LOOK_S", 2.0)  # js-ipfs looks for what it has not

    def damage(self, cid: Cid, data: bytes) -> None:
        block_file(self.daemon, cid).write_bytes(data)


STORES = [
    MemoryBench,
    FolderBench,
    pytest.param(FakeKuboBench, marks=pytest.mark.sockets),
    pytest.param(KuboBench, marks=pytest.mark.sockets),
]


@pytest.fixture(params=STORES, ids=lambda bench: bench.__name__)
def bench(request: pytest.FixtureRequest) -> Bench:
    made: Bench = request.param(request)
    return made


@pytest.fixture
def store(bench: Bench) -> ContentStore:
    return bench.store


SAMPLES = {
    Codec.RAW: b"some bytes",
    Codec.DAG_PB: cids.encode_node(Node((), b"\x08\x02")),
    Codec.DAG_CBOR: cids.encode({"some": b"bytes"}),
}


@pytest.mark.parametrize("codec", Codec)
def test_put__a_block__comes_back_under_its_name(store: ContentStore, codec: Codec) -> None:
    data = SAMPLES[codec]
    cid = store.put(data, codec)
    assert cid == cids.cid_of(data, codec)
    assert store.get(cid) == data
    assert store.has(cid)


def test_put__twice__is_no_error(store: ContentStore) -> None:
    assert store.put(b"a", Codec.RAW) == store.put(b"a", Codec.RAW)
    assert store.put_many([(b"a", Codec.RAW), (b"a", Codec.RAW)]) == [store.put(b"a", Codec.RAW)] * 2


def test_put__the_same_bytes_under_two_codecs__are_two_blocks(store: ContentStore) -> None:
    names = store.put_many([(b"\x01", Codec.RAW), (b"\x01", Codec.DAG_CBOR)])
    assert names == [cids.cid_of(b"\x01", Codec.RAW), cids.cid_of(b"\x01", Codec.DAG_CBOR)]
    assert [store.get(name) for name in names] == [b"\x01"] * 2


@pytest.mark.parametrize("kind", [MemoryBench, FolderBench])
def test_has__the_same_bytes_under_another_codec__is_false(
    kind: type[MemoryBench | FolderBench], request: pytest.FixtureRequest
) -> None:
    """An IPFS daemon keeps blocks by their hash alone, so there it may be true."""
    store = kind(request).store
    raw = store.put(b"\x01", Codec.RAW)
    assert not store.has(cids.from_digest(Codec.DAG_CBOR, cids.digest_of(raw)))


def test_put__over_a_damaged_copy__mends_it(bench: Bench) -> None:
    cid = bench.store.put(b"right", Codec.RAW)
    bench.damage(cid, b"wrong")
    bench.store.put(b"right", Codec.RAW)
    assert bench.store.get(cid) == b"right"


def test_put__at_and_over_the_limit__is_taken_and_refused(store: ContentStore) -> None:
    cid = store.put(b"\0" * BLOCK_LIMIT, Codec.RAW)
    assert len(store.get(cid)) == BLOCK_LIMIT
    with pytest.raises(BlockTooLarge):
        store.put(b"\0" * (BLOCK_LIMIT + 1), Codec.RAW)


def test_put_many__blocks__are_all_stored_in_order(store: ContentStore) -> None:
    blocks = [(bytes([n]) * n, Codec.RAW) for n in range(50)]
    names = store.put_many(iter(blocks))
    assert [store.get(name) for name in names] == [data for data, _ in blocks]
    assert store.put_many([]) == []


def test_get__a_block_that_is_not_there__is_missing(store: ContentStore) -> None:
    assert not store.has(ABSENT)
    with pytest.raises(ContentMissing, match=ABSENT):
        store.get(ABSENT)


@pytest.mark.parametrize("text", HOSTILE)
def test_get__a_text_that_is_no_cid__is_refused(store: ContentStore, text: str) -> None:
    for ask in (store.get, store.has):
        with pytest.raises(CidMalformed):
            ask(Cid(text))


@pytest.mark.parametrize("data", [b"", b"righ", b"righT", b"right\0", b"\0" * (BLOCK_LIMIT + 1)])
def test_get__other_bytes__is_a_mismatch_that_names_the_block(bench: Bench, data: bytes) -> None:
    cid = bench.store.put(b"right", Codec.RAW)
    bench.damage(cid, data)
    with pytest.raises(ContentMismatch, match=cid) as caught:
        bench.store.get(cid)
    if len(data) <= BLOCK_LIMIT:
        assert cids.cid_of(data, Codec.RAW) in str(caught.value)


def small_dag(store: ContentStore) -> tuple[Cid, list[Cid]]:
    """A value over a raw leaf and a dag-pb node of two leaves: its root and all its blocks."""
    leaves = store.put_many([(b"one", Codec.RAW), (b"two!", Codec.RAW), (b"three", Codec.RAW)])
    node = store.put(
        cids.encode_node(Node((NodeLink(leaves[0], "", 3), NodeLink(leaves[1], "", 4)), b"\x08\x02")), Codec.DAG_PB
    )
    root = put_cbor(store, {"file": Link(node), "leaf": Link(leaves[2]), "size": 3})
    return root, [root, node, *leaves]


def walk(store: ContentStore, cid: Cid) -> Iterator[bytes]:
    block = store.get(cid)
    yield block
    for link in cids.links(cids.parse(cid)[0], block):
        yield from walk(store, link)


def test_get__each_byte_of_a_small_dag_flipped__is_refused(bench: Bench) -> None:
    root, names = small_dag(bench.store)
    assert len(list(walk(bench.store, root))) == len(names)
    for name in names:
        right = bench.store.get(name)
        for at in range(len(right)):
            wrong = bytearray(right)
            wrong[at] ^= 1 << at % 8
            bench.damage(name, bytes(wrong))
            with pytest.raises(ContentMismatch, match=name):
                list(walk(bench.store, root))
        bench.damage(name, right)
    assert len(list(walk(bench.store, root))) == len(names)


# ---------------------------------------------------------------------------------------------------------------- files


def pattern(size: int) -> bytes:
    return (bytes(range(251)) * (size // 251 + 1))[:size]


# Made with js-ipfs's ipfs-unixfs-importer 15 from `pattern`: CIDv1, raw leaves, balanced layout; (size, chunk, width).
JS_NAMES = {
    (0, CHUNK, WIDTH): "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku",
    (1, CHUNK, WIDTH): "bafkreidogqfzz75tpkmjzjke425xqcrmpcib2p5tg44hnbirumdbpl5adu",
    (CHUNK - 1, CHUNK, WIDTH): "bafkreiagptg6ztonoojy4wflk3wwusl5xt4vcy6uult4wa7oemsjtxhjsu",
    (CHUNK, CHUNK, WIDTH): "bafkreibruh455iawsviqslif5c7uurdcfdemh22mtnytyzvnzn75kpejxy",
    (CHUNK + 1, CHUNK, WIDTH): "bafybeiexg2oqkfnj56l7fcmawswqbijt5shq4b5rg6a546uwpkqqzwjioi",
    (3 * CHUNK, CHUNK, WIDTH): "bafybeicegnbn4hjmnntrkcxr2z2vc7cglx5xrfvbxbolwmknn7hgnre3ke",
    (1_000_000, CHUNK, WIDTH): "bafybeibx62obrkybp46hx3ivh53q4rnptgkunpgtwiib5lfelfgt2ekihm",
    (WIDTH * CHUNK, CHUNK, WIDTH): "bafybeihpe5snhzneq7xs53nivmsopto5lrogo3wjynauqylqeym5a3irbm",
    (WIDTH * CHUNK + 1, CHUNK, WIDTH): "bafybeib4y7ghw2rq7bracc4xwtxrbzo7cfvagdpte2tmrkgwl6dyard3cm",
    (1000, 1, WIDTH): "bafybeiae6fqeespka62ciyica34u7derham3vc27q2re73sidcf5aojksm",
    (3, 1, 3): "bafybeigne74tc27xvhauxjh4hino47oqf7notwf7bvw3tufpc26dgiblia",
    (4, 1, 3): "bafybeiartgdasqhmc3eqmc5dttv4c3g63p3t2ufxab7dqck6znr62ox6py",
    (27, 1, 3): "bafybeiegiyt22emvkadxexrxpglddlsxfrnshwojkuvl5ekv5mtdrl3eoi",
    (28, 1, 3): "bafybeig4tpkcda6zpaxf7iiatug76u6rbk5qrbind2llfhxm2ocdolbmcq",
    (100, 1, 3): "bafybeif7prjkm6p7hit3nwgmholfrhx6hupspzxxgx3t255jx43ghsabym",
}


@pytest.mark.parametrize(("size", "chunk", "width"), JS_NAMES)
def test_add_file__a_file__has_the_name_that_ipfs_gives(
    size: int, chunk: int, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "CHUNK", chunk)
    monkeypatch.setattr(content, "WIDTH", width)
    store, data = MemoryStore(), pattern(size)
    cid = add_file(store, data)
    assert cid == JS_NAMES[size, chunk, width]
    assert cat_file(store, cid) == data


def test_cat_file__over_the_limit__is_refused_before_a_leaf_is_fetched(store: ContentStore) -> None:
    small, large = store.put(pattern(100), Codec.RAW), MemoryStore()
    with pytest.raises(FileTooLarge):
        cat_file(store, small, limit=99)
    cid = add_file(large, pattern(CHUNK + 1))
    large.blocks = {cid: large.blocks[cid]}
    with pytest.raises(FileTooLarge):
        cat_file(large, cid, limit=CHUNK)
    with pytest.raises(ContentMissing):
        cat_file(large, cid, limit=CHUNK + 1)


def file_node(links: list[tuple[Cid, int]], size: int | None = None) -> bytes:
    """A file's node; `size` is what it states instead of the sum."""
    sizes = [below for _, below in links]
    message = content._file_message(sizes)
    if size is not None:
        message = message.replace(b"\x18" + cids.varint(sum(sizes)), b"\x18" + cids.varint(size))
    return cids.encode_node(Node(tuple(NodeLink(cid, "", below) for cid, below in links), message))


A, B = cids.cid_of(b"a" * CHUNK, Codec.RAW), cids.cid_of(b"b", Codec.RAW)
RAW_B_AS_CBOR = cids.from_digest(Codec.DAG_CBOR, cids.digest_of(B))


@pytest.mark.parametrize(
    "node",
    [
        pytest.param(file_node([(B, 1)]), id="a node over one small leaf"),
        pytest.param(file_node([(A, CHUNK), (B, 2)]), id="a leaf shorter than stated"),
        pytest.param(file_node([(B, 1), (A, CHUNK)]), id="leaves in another order"),
        pytest.param(file_node([(A, CHUNK), (RAW_B_AS_CBOR, 1)]), id="a leaf of another codec"),
        pytest.param(file_node([(A, CHUNK), (B, 1)], size=CHUNK + 2), id="a size that is not the sum"),
        pytest.param(file_node([(A, CHUNK), (B, 1), (B, 0)]), id="a leaf of no bytes"),
        pytest.param(file_node([]), id="no leaves"),
        pytest.param(cids.encode_node(Node((), b"\x08\x01")), id="a folder"),
        pytest.param(cids.encode_node(Node((), b"\xff")), id="no UnixFS"),
        pytest.param(cids.encode_node(Node((), b"\x08\x02\x12\x01b\x18\x01")), id="bytes inside the node"),
        pytest.param(b"\x0a", id="no dag-pb"),
    ],
)
def test_cat_file__another_layout__is_refused(node: bytes) -> None:
    store = MemoryStore()
    store.put_many([(b"a" * CHUNK, Codec.RAW), (b"b", Codec.RAW), (b"b", Codec.DAG_CBOR)])
    with pytest.raises(BlockMalformed):
        cat_file(store, store.put(node, Codec.DAG_PB))


def test_cat_file__a_small_node_that_states_a_huge_tree__is_refused(store: ContentStore) -> None:
    cid = store.put(file_node([(A, CHUNK)] * WIDTH), Codec.DAG_PB)
    for _ in range(3):
        cid = store.put(file_node([(cid, CHUNK * WIDTH)] * WIDTH, size=1000), Codec.DAG_PB)
    with pytest.raises(BlockMalformed):
        cat_file(store, cid)


# ------------------------------------------------------------------------------------------------------------ CAR files


def exported(store: ContentStore, *roots: Cid) -> bytes:
    out = io.BytesIO()
    write_car(store, roots, out)
    return out.getvalue()


def test_write_car__a_graph__comes_back_whole(store: ContentStore) -> None:
    root, names = small_dag(store)
    car, copy = exported(store, root), MemoryStore()
    assert read_car(io.BytesIO(car), copy) == [root]
    assert sorted(copy.blocks) == sorted(names)
    assert exported(copy, root) == car


def test_write_car__a_block_reached_twice__is_written_once(store: ContentStore) -> None:
    leaf = store.put(b"leaf", Codec.RAW)
    roots = [put_cbor(store, [Link(leaf), Link(leaf)]), put_cbor(store, {"a": Link(leaf)})]
    out = io.BytesIO()
    assert write_car(store, [*roots, roots[0]], out) == 3
    assert out.getvalue().count(b"leaf") == 1


def test_write_car__known_graph__has_the_bytes_of_the_format(store: ContentStore) -> None:
    leaf = store.put(b"leaf", Codec.RAW)
    link = bytes.fromhex("d82a582500") + cids.to_bytes(leaf)
    header = b"\xa2" + b"\x65roots" + b"\x81" + link + b"\x67version" + b"\x01"
    section = cids.to_bytes(leaf) + b"leaf"
    assert exported(store, leaf) == bytes([len(header)]) + header + bytes([len(section)]) + section


def test_write_car__a_missing_block__is_named(store: ContentStore) -> None:
    with pytest.raises(ContentMissing, match=ABSENT):
        exported(store, put_cbor(store, [Link(ABSENT)]))


def test_write_car__a_deep_chain__needs_no_recursion() -> None:
    store = MemoryStore()
    cid = put_cbor(store, None)
    for _ in range(1500):
        cid = put_cbor(store, [Link(cid)])
    assert write_car(store, [cid], io.BytesIO()) == 1501


def test_read_car__each_byte_flipped__is_refused() -> None:
    store = MemoryStore()
    root, _ = small_dag(store)
    car = exported(store, root)
    for at in range(len(car)):
        wrong = bytearray(car)
        wrong[at] ^= 1 << at % 8
        with pytest.raises((CarMalformed, ContentMismatch), match="byte"):
            read_car(io.BytesIO(wrong), MemoryStore())


def test_read_car__cut_anywhere__is_refused() -> None:
    store = MemoryStore()
    root, _ = small_dag(store)
    car = exported(store, root)
    for size in range(len(car)):
        with pytest.raises(CarMalformed):
            read_car(io.BytesIO(car[:size]), MemoryStore())


def test_read_car__a_limit__holds_to_the_byte() -> None:
    store = MemoryStore()
    root, _ = small_dag(store)
    car = exported(store, root)
    assert read_car(io.BytesIO(car), MemoryStore(), limit=len(car)) == [root]
    with pytest.raises(CarMalformed, match="limit"):
        read_car(io.BytesIO(car), MemoryStore(), limit=len(car) - 1)


def section(binary: bytes, block: bytes) -> bytes:
    return cids.varint(len(binary) + len(block)) + binary + block


HEADER = exported(MemoryStore())
IDENTITY = b"\x01\x55\x00\x20" + b"x" * 32


@pytest.mark.parametrize(
    "car",
    [
        pytest.param(HEADER + section(IDENTITY, b""), id="an inline block"),
        pytest.param(HEADER + section(b"\x12\x20" + b"x" * 32, b"ab"), id="CIDv0"),
        pytest.param(HEADER + b"\x00", id="an empty section"),
        pytest.param(HEADER + b"\x80\x00", id="a length that is not minimal"),
        pytest.param(HEADER + b"\xff" * 9, id="a length without end"),
        pytest.param(HEADER + cids.varint(BLOCK_LIMIT + 37) + b"\0" * 99, id="a section over the limit"),
        pytest.param(HEADER.replace(b"\x01", b"\xf5"), id="version true"),
        pytest.param(HEADER.replace(b"\x67version\x01", b"\x67version\x02"), id="version 2"),
        pytest.param(b"\x01\x80", id="a header that is no map"),
    ],
)
def test_read_car__what_is_not_ours__is_refused(car: bytes) -> None:
    with pytest.raises(CarMalformed, match="byte"):
        read_car(io.BytesIO(car), MemoryStore())


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(max_size=30), max_size=8), st.integers(1, 7))
def test_read_car__a_stream_that_gives_little_at_a_time__is_the_same(blocks: list[bytes], step: int) -> None:
    class Dripping(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size or 0, step))

    store, copy = MemoryStore(), MemoryStore()
    names = store.put_many((block, Codec.RAW) for block in blocks)
    assert read_car(Dripping(exported(store, *names)), copy) == names
    assert copy.blocks == store.blocks


# ----------------------------------------------------------------------------------------------------------- the folder


def listing(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def incoming(folder: FolderStore) -> Path:
    return Path(f"{folder.path}.tmp")


@pytest.fixture
def folder(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def test_put_many__into_a_folder__leaves_block_files_and_nothing_else(folder: FolderStore) -> None:
    names = folder.put_many((bytes([n]), Codec.RAW) for n in range(20))
    assert listing(folder.path) == sorted(names) == list(folder.cids())
    assert listing(incoming(folder)) == []
    assert list(folder.verify_all()) == []


def test_read__from_a_folder_that_is_not_there__creates_nothing(folder: FolderStore) -> None:
    assert not folder.has(ABSENT)
    with pytest.raises(ContentMissing):
        folder.get(ABSENT)
    with pytest.raises(StoreUnavailable, match="store"):
        list(folder.verify_all())
    assert not folder.path.exists()


def test_put_many__a_refused_block__stores_none_and_leaves_no_file(folder: FolderStore) -> None:
    with pytest.raises(BlockTooLarge):
        folder.put_many([(b"a", Codec.RAW), (b"\0" * (BLOCK_LIMIT + 1), Codec.RAW)])
    assert listing(folder.path) == listing(incoming(folder)) == []


def test_put__a_disk_that_fails__is_retryable_and_leaves_no_file(
    folder: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.put(b"a", Codec.RAW)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StoreUnavailable, match="No space left"):
            folder.put(b"b", Codec.RAW)
    assert listing(incoming(folder)) == []
    assert folder.get(folder.put(b"b", Codec.RAW)) == b"b"


def test_put__bytes_and_names__are_synced_in_that_order(folder: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.put(b"first", Codec.RAW)
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def spy_fsync(descriptor: int) -> None:
        steps.append("sync folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "sync file")
        fsync(descriptor)

    def spy_replace(self: Path, target: Path) -> Path:
        steps.append("name")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", spy_fsync)
    monkeypatch.setattr(Path, "replace", spy_replace)
    folder.put_many([(b"a", Codec.RAW), (b"b", Codec.RAW)])
    assert steps == ["sync file", "sync file", "name", "name", "sync folder"]


def plant_link(path: Path, right: bytes) -> None:
    other = path.parent.parent / "elsewhere"
    other.write_bytes(right)
    path.symlink_to(other)


PLANTS: dict[str, Callable[[Path, bytes], Any]] = {
    "symbolic link": plant_link,
    "folder": lambda path, right: path.mkdir(),
    "special file": lambda path, right: os.mkfifo(path),
}


@pytest.mark.parametrize("kind", PLANTS)
def test_get__no_plain_file__is_a_mismatch(folder: FolderStore, kind: str) -> None:
    cid = folder.put(b"right", Codec.RAW)
    (folder.path / cid).unlink()
    PLANTS[kind](folder.path / cid, b"right")
    with pytest.raises(ContentMismatch, match=kind):
        folder.get(cid)
    assert not folder.has(cid)
    assert [(name, kind in problem) for name, problem in folder.verify_all()] == [(cid, True)]


def test_put__over_a_symbolic_link__replaces_the_link_and_spares_its_target(folder: FolderStore) -> None:
    cid = folder.put(b"right", Codec.RAW)
    (folder.path / cid).unlink()
    plant_link(folder.path / cid, b"victim")
    folder.put(b"right", Codec.RAW)
    assert folder.get(cid) == b"right"
    assert (folder.path.parent / "elsewhere").read_bytes() == b"victim"


def test_put__over_a_folder__says_so(folder: FolderStore) -> None:
    folder.put(b"a", Codec.RAW)
    (folder.path / cids.cid_of(b"b", Codec.RAW)).mkdir()
    with pytest.raises(StoreUnavailable):
        folder.put(b"b", Codec.RAW)


def test_verify_all__each_kind_of_fault__is_named(folder: FolderStore) -> None:
    cid, large, good = folder.put_many([(b"wrong", Codec.RAW), (b"large", Codec.RAW), (b"good", Codec.RAW)])
    (folder.path / cid).write_bytes(b"Wrong")
    (folder.path / large).write_bytes(b"\0" * (BLOCK_LIMIT + 1))
    (folder.path / "notes.txt").write_text("hello")
    (folder.path / "sub").mkdir()
    Path(os.fsdecode(os.fsencode(folder.path) + b"/\xff")).write_text("")
    problems = dict(folder.verify_all())
    assert good not in problems and len(problems) == 5
    assert str(cids.cid_of(b"Wrong", Codec.RAW)) in problems[cid]
    assert "largest" in problems[large]
    assert "name" in problems["notes.txt"] and "folder" in problems["sub"] and "name" in problems["\\xff"]
    assert folder.read_damaged(cid) == b"Wrong"


def test_verify_all__one_random_bit_of_any_file__is_found(folder: FolderStore) -> None:
    names = folder.put_many((random.Random(n).randbytes(1 + 50 * n), Codec.RAW) for n in range(30))
    chance = random.Random(7)
    for _ in range(40):
        cid = chance.choice(names)
        right = (folder.path / cid).read_bytes()
        wrong = bytearray(right)
        wrong[chance.randrange(len(wrong))] ^= 1 << chance.randrange(8)
        (folder.path / cid).write_bytes(wrong)
        assert [name for name, _ in folder.verify_all()] == [cid]
        (folder.path / cid).write_bytes(right)


WRITER = """
import sys
from pathlib import Path
from oracle.adapters.content import FolderStore
from oracle.protocol.cids import Codec
store = FolderStore(Path(sys.argv[1]))
for n in range(30):
    store.put_many([(b"%d" % n, Codec.RAW), (b"%d" % n * 999, Codec.RAW)])
"""

KILLED = """
import os, sys
from pathlib import Path
from oracle.adapters.content import FolderStore
from oracle.protocol.cids import Codec
names = 0
replace = Path.replace
def die(self, target):
    global names
    names += 1
    if names == 3:
        os._exit(9)
    return replace(self, target)
Path.replace = die
FolderStore(Path(sys.argv[1])).put_many((bytes([n]), Codec.RAW) for n in range(5))
"""


def started(script: str, path: Path) -> "subprocess.Popen[bytes]":
    root = Path(__file__).parents[2]
    return subprocess.Popen([sys.executable, "-c", script, str(path)], cwd=root)  # noqa: S603


def test_put_many__two_processes_with_the_same_blocks__both_end_well(folder: FolderStore) -> None:
    processes = [started(WRITER, folder.path) for _ in range(2)]
    assert [process.wait(timeout=60) for process in processes] == [0, 0]
    assert len(list(folder.cids())) == 60
    assert list(folder.verify_all()) == []
    assert listing(incoming(folder)) == []


def test_put_many__killed_between_two_names__leaves_whole_blocks_and_is_swept_later(folder: FolderStore) -> None:
    assert started(KILLED, folder.path).wait(timeout=60) == 9
    assert len(list(folder.cids())) == 2
    assert list(folder.verify_all()) == []
    leftovers = list(incoming(folder).iterdir())
    assert len(leftovers) == 3
    folder.put(b"next", Codec.RAW)
    assert sorted(incoming(folder).iterdir()) == sorted(leftovers)  # they may belong to a living process
    for file in leftovers:
        os.utime(file, (0, 0))
    folder.put_many((bytes([n]), Codec.RAW) for n in range(5))
    assert listing(incoming(folder)) == []
    assert len(list(folder.cids())) == 6


def test_verify_all__memory__names_the_same_faults() -> None:
    store = MemoryStore()
    cid = store.put(b"right", Codec.RAW)
    assert list(store.verify_all()) == [] and list(store.cids()) == [cid]
    store.blocks |= {cid: b"wrong", Cid("notes.txt"): b""}
    assert [name for name, _ in store.verify_all()] == [cid, "notes.txt"]
    assert store.read_damaged(cid) == b"wrong" and list(store.cids()) == [cid]


# ---------------------------------------------------------------------------------------------------------- the gateway


def gateway(answer: Callable[[httpx.Request], httpx.Response]) -> GatewayStore:
    return GatewayStore("https://gateway.example/base/", transport=httpx.MockTransport(answer))


def served(body: bytes) -> httpx.Response:
    return httpx.Response(200, stream=httpx.ByteStream(body))


BLOCK = b"a block"
NAME = cids.cid_of(BLOCK, Codec.RAW)


def test_get__from_a_gateway__asks_for_the_raw_block_and_checks_it() -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return served(BLOCK)

    store = gateway(answer)
    assert store.get(NAME) == BLOCK and store.has(NAME)
    assert str(asked[0].url) == f"https://gateway.example/base/ipfs/{NAME}?format=raw"
    assert asked[0].headers["accept"] == "application/vnd.ipld.raw"
    assert asked[0].headers["accept-encoding"] == "identity"
    store.close()


@pytest.mark.parametrize("text", HOSTILE)
def test_get__from_a_gateway_a_text_that_is_no_cid__asks_nothing(text: str) -> None:
    store = gateway(lambda request: pytest.fail("asked"))
    with pytest.raises(CidMalformed):
        store.get(Cid(text))


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (served(b"another block"), ContentMismatch),
        (served(b"\0" * (BLOCK_LIMIT + 1)), ContentMismatch),
        (httpx.Response(404), ContentMissing),
        (httpx.Response(410), ContentMissing),
        (httpx.Response(301, headers={"location": "https://elsewhere.example/"}), StoreUnavailable),
        (httpx.Response(206, content=BLOCK), StoreUnavailable),
        (httpx.Response(429), StoreUnavailable),
        (httpx.Response(503), StoreUnavailable),
    ],
)
def test_get__a_gateway_that_gives_something_else__is_refused(
    response: httpx.Response, error: type[CrowdproofError]
) -> None:
    with pytest.raises(error, match=r"gateway\.example"):
        gateway(lambda request: response).get(NAME)


def test_get__a_gateway_without_end__is_cut_off_at_the_limit() -> None:
    given_out = 0

    class Endless(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            nonlocal given_out
            while True:
                given_out += 65536
                yield b"\0" * 65536

    with pytest.raises(ContentMismatch):
        gateway(lambda request: httpx.Response(200, stream=Endless())).get(NAME)
    assert given_out <= BLOCK_LIMIT + 65536


def test_get__a_gateway_that_drips__is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    class Dripping(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            while True:
                yield b"x"

    clock = iter(range(0, 10_000, 10))
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    with pytest.raises(StoreUnavailable, match="took over"):
        gateway(lambda request: httpx.Response(200, stream=Dripping())).get(NAME)


def test_get__a_gateway_that_is_down__is_retryable() -> None:
    def down(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    store = gateway(down)
    for ask in (store.get, store.has):
        with pytest.raises(StoreUnavailable, match="refused"):
            ask(NAME)


def test_has__a_gateway_without_the_block__is_false() -> None:
    assert not gateway(lambda request: httpx.Response(404)).has(NAME)


def test_put__to_a_gateway__is_refused() -> None:
    store = gateway(lambda request: pytest.fail("asked"))
    with pytest.raises(StoreReadOnly):
        store.put(b"a", Codec.RAW)
    with pytest.raises(StoreReadOnly):
        store.put_many([(b"a", Codec.RAW)])


@pytest.mark.parametrize("url", ["", "store", "ftp://a/", "file:///etc", "http://", "http://u:p@a/", "http://a/?x=1"])
def test_gateway_store__a_url_that_is_none__is_refused(url: str) -> None:
    with pytest.raises(BadInput):
        GatewayStore(url)
