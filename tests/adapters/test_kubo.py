"""KuboStore against a daemon that lies, drips and forgets, and against a real one; each attack also with the defence taken away."""

import gzip
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from oracle.adapters import kubo
from oracle.adapters.content import MemoryStore, StoreUnavailable, add_file
from oracle.adapters.kubo import DaemonRefused, KuboStore
from oracle.ports import Evidence
from oracle.protocol import cids
from oracle.protocol.cids import BLOCK_LIMIT, Cid, CidMalformed, Codec, Link
from oracle.protocol.errors import BadInput, ContentMismatch, ContentMissing, CrowdproofError, Refused, Retryable
from oracle.services import settle
from oracle.services.audit import AuditedStore
from scripts.ipfs import Daemon, block_file
from tests.support.committee import Town
from tests.support.ipfs import FakeDaemon, http

pytestmark = pytest.mark.sockets

BLOCK = b"a block"
NAME = cids.cid_of(BLOCK, Codec.RAW)
OTHER = cids.cid_of(b"another", Codec.RAW)


@pytest.fixture
def daemon() -> Iterator[FakeDaemon]:
    daemon = FakeDaemon()
    yield daemon
    daemon.close()


@pytest.fixture
def store(daemon: FakeDaemon) -> Iterator[KuboStore]:
    store = KuboStore(daemon.api, 5.0)
    yield store
    store.close()


def says(daemon: FakeDaemon, path: str, *parts: bytes) -> None:
    daemon.says[path] = lambda: parts


# ----------------------------------------------------------------------------------------------------------------- puts


def test_put_many__blocks__are_named_in_full_and_pinned_each_by_itself(store: KuboStore, daemon: FakeDaemon) -> None:
    leaf = store.put(BLOCK, Codec.RAW)
    root = store.put(cids.encode([Link(leaf), Link(OTHER)]), Codec.DAG_CBOR)  # also above a block that is not there
    assert daemon.pins == {leaf: "direct", root: "direct"}
    form = dict(daemon.asked)["block/put"]
    wanted = {"format": "dag-cbor", "version": "1", "mhtype": "sha2-256", "mhlen": "32", "cid-base": "base32"}
    assert {name: form[name] for name in wanted} == {name: [value] for name, value in wanted.items()}


def test_put_many__again__changes_nothing_and_the_same_block_is_sent_once(store: KuboStore, daemon: FakeDaemon) -> None:
    blocks = [(b"%d" % (i % 100), Codec.RAW) for i in range(300)]
    names = store.put_many(blocks)
    held, pinned = dict(daemon.blocks), dict(daemon.pins)
    assert len(held) == len(pinned) == 100
    assert store.put_many(blocks) == names
    assert (daemon.blocks, daemon.pins) == (held, pinned)


def test_put_many__many_blocks__takes_few_requests_to_pin(store: KuboStore, daemon: FakeDaemon) -> None:
    store.put_many((b"%d" % i, Codec.RAW) for i in range(256))
    assert daemon.paths().count("pin/add") == 256 // kubo.GROUP


def test_put__what_the_operator_pinned_with_all_below_it__stays_so(store: KuboStore, daemon: FakeDaemon) -> None:
    store.put(BLOCK, Codec.RAW)
    daemon.pins[NAME] = "recursive"
    assert store.put_many([(BLOCK, Codec.RAW), (b"another", Codec.RAW)]) == [NAME, OTHER]
    assert daemon.pins == {NAME: "recursive", OTHER: "direct"}
    assert store.has(NAME)


IDENTITY = "bafkqaaa"
NO_NAMES = [
    http(b'{"Key": "%s"}' % OTHER.encode()),
    http(b'{"Key": "%s"}' % cids.from_digest(Codec.DAG_CBOR, cids.digest_of(NAME)).encode()),
    http(b'{"Key": "%s"}' % NAME.upper().encode()),
    http(b'{"Key": "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKPbdG"}'),
    http(b'{"Key": "%s"}' % IDENTITY.encode()),
    http(b'{"Key": 5}'),
    http(b'{"Key": {"/": "%s"}}' % NAME.encode()),
    http(b"{}"),
]


@pytest.mark.parametrize("reply", NO_NAMES)
def test_put__the_daemon_names_it_otherwise__is_a_mismatch(store: KuboStore, daemon: FakeDaemon, reply: bytes) -> None:
    says(daemon, "block/put", reply)
    with pytest.raises(ContentMismatch, match=NAME):
        store.put(BLOCK, Codec.RAW)


@pytest.mark.parametrize("reply", [b'{"Pins": ["%s"]}' % OTHER.encode(), b'{"Pins": []}', b'{"Pins": 7}', b"{}"])
def test_put__the_daemon_pins_something_else__is_a_mismatch(store: KuboStore, daemon: FakeDaemon, reply: bytes) -> None:
    says(daemon, "pin/add", http(reply))
    with pytest.raises(ContentMismatch, match="pinned 1 blocks"):
        store.put(BLOCK, Codec.RAW)


def test_put__the_daemon_will_not_pin__is_no_success(store: KuboStore, daemon: FakeDaemon) -> None:
    says(daemon, "pin/add", http(b'{"Message": "disk full", "Code": 0}', "500 No"))
    with pytest.raises(DaemonRefused, match=r"pin .*: 500 disk full"):
        store.put(BLOCK, Codec.RAW)


def forgets(daemon: FakeDaemon) -> None:
    says(daemon, "block/put", http(b'{"Key": "%s", "Size": 7}' % NAME.encode()))
    says(daemon, "pin/add", http(b'{"Pins": ["%s"]}' % NAME.encode()))


def test_put__the_daemon_agrees_and_stores_nothing__is_no_success(store: KuboStore, daemon: FakeDaemon) -> None:
    forgets(daemon)
    with pytest.raises(ContentMissing, match=NAME):
        store.put(BLOCK, Codec.RAW)


def test_put__stores_nothing_and_nobody_reads_back__goes_unnoticed(
    store: KuboStore, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgets(daemon)
    monkeypatch.setattr(store, "read_damaged", lambda _: BLOCK)
    assert store.put(BLOCK, Codec.RAW) == NAME
    assert not daemon.blocks


def test_put__other_bytes_come_back_for_ever__is_a_mismatch(store: KuboStore, daemon: FakeDaemon) -> None:
    says(daemon, "block/get", http(b"wrong"))
    with pytest.raises(ContentMismatch, match="other bytes come back"):
        store.put(BLOCK, Codec.RAW)


def test_put__over_a_damaged_copy__mends_it_and_pins_it_again(store: KuboStore, daemon: FakeDaemon) -> None:
    store.put(BLOCK, Codec.RAW)
    daemon.blocks[cids.digest_of(NAME)] = b"wrong"
    assert store.put_many([(b"another", Codec.RAW), (BLOCK, Codec.RAW)]) == [OTHER, NAME]
    assert store.get(NAME) == BLOCK
    assert daemon.pins == {NAME: "direct", OTHER: "direct"}


# ----------------------------------------------------------------------------------------------------------------- gets


def test_get__a_block__is_not_looked_for_in_the_network(store: KuboStore, daemon: FakeDaemon) -> None:
    with pytest.raises(ContentMissing):
        store.get(NAME)
    path, query = daemon.asked[-1]
    assert path == "block/get"
    assert (query["offline"], query["timeout"]) == (["true"], ["5000ms"])


@pytest.mark.parametrize("text", ["", IDENTITY, "../x", f"{NAME}/x", NAME.upper(), "QmYwAPJzv5CZsnA625s3Xf", "a?arg=b"])
def test_get__a_text_that_is_no_cid__asks_nothing(store: KuboStore, daemon: FakeDaemon, text: str) -> None:
    for ask in (store.get, store.has, store.read_damaged):
        with pytest.raises(CidMalformed):
            ask(Cid(text))
    assert daemon.asked == []


LONG = b"\0" * (BLOCK_LIMIT + 1)
CHUNKED = "Transfer-Encoding: chunked"
REPLIES = {
    "other bytes": (http(b"another"), ContentMismatch),
    "no bytes": (http(b""), ContentMismatch),
    "a byte more": (http(BLOCK + b"!"), ContentMismatch),
    "one over the limit": (http(LONG), ContentMismatch),
    "gigabytes stated": (http(LONG, "200 OK", "Content-Length: 99999999999"), ContentMismatch),
    "gigabytes in a chunk": (http(b"fffffffff\r\n" + LONG, "200 OK", CHUNKED), ContentMismatch),
    "404": (http(b"404 page not found", "404 Not Found"), ContentMissing),
    "410": (http(b"", "410 Gone"), ContentMissing),
    "not there": (http(b'{"Message": "ipld: could not find it"}', "500 No"), ContentMissing),
    "not there in time": (http(b'{"Message": "context deadline exceeded"}', "500 No"), ContentMissing),
    "an error": (http(b'{"Message": "flatfs: too many open files"}', "500 No"), StoreUnavailable),
    "an error without end": (http(LONG * 2, "500 No", "Content-Length: 99999999999"), StoreUnavailable),
    "a deep error": (http(b"[" * 100_000, "500 No"), StoreUnavailable),
    "forbidden": (http(b"403 - Forbidden", "403 Forbidden"), StoreUnavailable),
    "a part": (http(BLOCK, "206 Partial Content"), StoreUnavailable),
    "nothing": (http(b"", "204 No Content"), StoreUnavailable),
    "compressed": (http(gzip.compress(BLOCK), "200 OK", "Content-Encoding: gzip"), StoreUnavailable),
    "cut off": (http(BLOCK[:-1], "200 OK", f"Content-Length: {len(BLOCK)}"), StoreUnavailable),
    "no HTTP": (b"\x00\x01 hello\r\n\r\n", StoreUnavailable),
    "no reply": (b"", StoreUnavailable),
    "a line without end": (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000, StoreUnavailable),
    "headers without end": (b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 1000, StoreUnavailable),
}


@pytest.mark.parametrize("what", REPLIES)
def test_get__a_daemon_that_gives_something_else__is_refused(store: KuboStore, daemon: FakeDaemon, what: str) -> None:
    reply, error = REPLIES[what]
    says(daemon, "block/get", reply)
    with pytest.raises(error) as caught:
        store.get(NAME)
    assert NAME in str(caught.value) and len(str(caught.value)) < 600


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"7", b'"x"', b"[" * 100_000, b"{}{}", b'{"Key', b"\xff", b"9" * 9999]
)
def test_put__a_reply_that_is_no_answer__is_an_error_of_ours(store: KuboStore, daemon: FakeDaemon, body: bytes) -> None:
    for path in ("block/put", "pin/add"):
        daemon.says.clear()
        says(daemon, path, http(body))
        with pytest.raises(CrowdproofError):
            store.put(BLOCK, Codec.RAW)


@dataclass
class Dripping:
    """A reply that comes byte by byte, each in time; it ends after a while, so that a client without a deadline can be shown."""

    begin: bytes
    drop: bytes
    end: bytes
    seconds: float
    parts: int = 0

    def __call__(self) -> Iterable[bytes]:
        until = time.monotonic() + self.seconds
        yield self.begin
        while time.monotonic() < until:
            self.parts += 1
            yield self.drop
            time.sleep(0.02)
        yield self.end


DRIPS = {
    "body": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", b"0\r\n\r\n"),
    "headers": (b"HTTP/1.1 200 OK\r\nX: ", b"x", b"\r\nContent-Length: 1\r\n\r\nx"),
    "patience": (b"", b"HTTP/1.1 100 Continue\r\n\r\n", http(b"x")),
    "error": (b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", b"0\r\n\r\n"),
    "silence": (b"", b"", http(b"x")),
}


@pytest.mark.parametrize("where", DRIPS)
def test_get__a_daemon_that_drips__is_given_up_at_the_deadline(daemon: FakeDaemon, where: str) -> None:
    daemon.says["block/get"] = Dripping(*DRIPS[where], seconds=3.0)
    store, began = KuboStore(daemon.api, 0.3), time.monotonic()
    with pytest.raises(StoreUnavailable, match=NAME):
        store.get(NAME)
    assert time.monotonic() - began < 2.0
    store.close()


@pytest.mark.parametrize("where", ["body", "headers", "patience", "error"])
def test_get__drips_without_the_deadline__holds_the_caller_as_long_as_it_likes(
    daemon: FakeDaemon, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubo._Socket, "_hurry", lambda self: self.settimeout(0.3))  # a timeout for each read alone
    daemon.says["block/get"] = dripping = Dripping(*DRIPS[where], seconds=1.2)
    store, began = KuboStore(daemon.api, 0.3), time.monotonic()
    with pytest.raises(CrowdproofError):
        store.get(NAME)
    assert time.monotonic() - began > 1.0 and dripping.parts > 20
    store.close()


@dataclass
class Endless:
    given: int = 0

    def __call__(self) -> Iterable[bytes]:
        yield b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
        while self.given < 64 << 20:
            self.given += 1 << 16
            yield b"\0" * (1 << 16)


def test_get__a_daemon_without_end__is_cut_off_at_the_limit(store: KuboStore, daemon: FakeDaemon) -> None:
    daemon.says["block/get"] = endless = Endless()
    with pytest.raises(ContentMismatch):
        store.get(NAME)
    assert endless.given < 16 << 20  # with what the socket's buffers took


def test_get__without_the_limit__is_read_to_the_end(
    store: KuboStore, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon.says["block/get"] = endless = Endless()
    monkeypatch.setattr(kubo, "_body", lambda raw, limit: raw.read())
    with pytest.raises(CrowdproofError):
        store.get(NAME)
    assert endless.given == 64 << 20


# ------------------------------------------------------------------------------------------------- nobody else is asked


@dataclass
class Canary:
    """Somebody else on loopback, who must not hear from us."""

    heard: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        heard = self.heard

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                heard.append(self.path)
                self.wfile.write(http(BLOCK))

            do_GET = do_POST  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def canary() -> Iterator[Canary]:
    canary = Canary()
    yield canary
    canary.server.shutdown()
    canary.server.server_close()


REDIRECTS = ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"]


@pytest.mark.parametrize("status", REDIRECTS)
def test_get__a_redirect__is_not_followed(store: KuboStore, daemon: FakeDaemon, canary: Canary, status: str) -> None:
    says(daemon, "block/get", http(b"", status, f"Location: {canary.url}/secret"))
    with pytest.raises(StoreUnavailable, match=status[:3]):
        store.get(NAME)
    assert canary.heard == []


def test_get__a_redirect_that_the_client_sees__is_followed(
    daemon: FakeDaemon, canary: Canary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubo, "_take", lambda response, **_: None)
    store = KuboStore(daemon.api, 5.0)
    says(daemon, "block/get", http(b"", "307 Temporary", f"Location: {canary.url}/secret"))
    assert store.get(NAME) == BLOCK
    assert canary.heard == ["/secret"]
    store.close()


@pytest.mark.parametrize("trusting", [False, True])
def test_get__a_proxy_in_the_environment__is_not_asked(
    store: KuboStore, daemon: FakeDaemon, canary: Canary, monkeypatch: pytest.MonkeyPatch, trusting: bool
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, canary.url)
    daemon.blocks[cids.digest_of(NAME)] = BLOCK
    store._client._client._session.trust_env = trusting
    assert store.get(NAME) == BLOCK
    assert bool(canary.heard) is trusting


def test_get__a_cookie__is_not_kept(store: KuboStore, daemon: FakeDaemon) -> None:
    says(daemon, "block/get", http(BLOCK, "200 OK", "Set-Cookie: a=b"))
    store.get(NAME)
    assert len(store._client._client._session.cookies) == 0


def test_every_call__the_daemon_is_down__is_retryable(daemon: FakeDaemon, store: KuboStore) -> None:
    store.require_writable()
    store._client._client._session.close()  # the fake one would go on to serve the connection that it has
    daemon.close()
    calls: list[Callable[[], Any]] = [
        lambda: store.put(BLOCK, Codec.RAW),
        lambda: store.get(NAME),
        lambda: store.has(NAME),
        lambda: list(store.cids()),
        lambda: list(store.verify_all()),
        store.require_writable,
    ]
    for call in calls:
        with pytest.raises(StoreUnavailable, match=daemon.api) as caught:
            call()
        assert isinstance(caught.value, Retryable)


ADDRESSES = {
    "/ip4/127.0.0.1/tcp/5001": "/ip4/127.0.0.1/tcp/5001/http",
    "/dns/kubo/tcp/5001/http": "/dns/kubo/tcp/5001/http",
    "http://127.0.0.1:5001": "/ip4/127.0.0.1/tcp/5001/http",
    "http://[::1]:5001/": "/ip6/::1/tcp/5001/http",
    "http://kubo": "/dns/kubo/tcp/80/http",
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_kubo_store__an_address__is_a_multiaddr_or_a_url(address: str) -> None:
    assert KuboStore(address).address == ADDRESSES[address]


@pytest.mark.parametrize(
    "address",
    [
        "",
        "kubo",
        "/",
        "/ip4/127.0.0.1",
        "/ip4/localhost/tcp/5001",
        "/ip4/127.0.0.1/tcp/99999",
        "/ip4/127.0.0.1/udp/5001",
        "/ip4/127.0.0.1/tcp/5001/https",
        "/unix/run/kubo",
        "https://kubo:5001",
        "http://",
        "http://kubo:port",
        "http://u:p@kubo:5001",
        "http://kubo:5001/api/v0",
        "http://kubo:5001/?x=1",
        "http://ku bo:5001",
        "ftp://kubo:5001",
    ],
)
def test_kubo_store__no_address__is_refused(address: str) -> None:
    with pytest.raises(BadInput, match="address of an IPFS API"):
        KuboStore(address)


# ---------------------------------------------------------------------------------------------------------------- audit


@pytest.mark.parametrize("body", [b"", b"[]", b'{"Keys": 7}', b'{"Keys": {"../x": 1}}', b"[" * 100_000, b'{"Keys'])
def test_cids__a_listing_that_is_none__names_nothing(store: KuboStore, daemon: FakeDaemon, body: bytes) -> None:
    says(daemon, "pin/ls", http(body))
    with suppress(StoreUnavailable):
        assert list(store.cids()) == []
        assert not store.has(NAME)


def test_verify_all__a_damaged_and_a_missing_block__names_both(store: KuboStore, daemon: FakeDaemon) -> None:
    names = store.put_many([(b"%d" % i, Codec.RAW) for i in range(9)])
    daemon.pins |= {"QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKPbdG": "direct", NAME: "recursive"}  # the operator's own
    assert isinstance(store, AuditedStore)
    assert list(store.cids()) == sorted(names)
    assert list(store.verify_all()) == []
    daemon.blocks[cids.digest_of(names[3])] = b"wrong"
    del daemon.blocks[cids.digest_of(names[5])]
    found = dict(store.verify_all())
    assert sorted(found) == sorted([names[3], names[5]])
    assert "hash to" in found[names[3]] and "not there" in found[names[5]]
    assert store.read_damaged(names[3]) == b"wrong"


# ------------------------------------------------------------- threat 15: nobody signs for content that he does not hold


@dataclass
class Committee:
    """A proposal, all of whose blocks member 0 was given; it keeps them in a daemon that a test can spoil."""

    daemon: FakeDaemon

    def __post_init__(self) -> None:
        self.kubo = KuboStore(self.daemon.api, 1.0)
        self.town = Town(stores=[self.kubo, *(MemoryStore() for _ in range(4))])
        self.town.ready_job()
        proposal = self.town.all[1].propose(Evidence())
        assert proposal is not None
        self.header = proposal.header
        self.root = cids.from_digest(Codec.DAG_CBOR, self.header.content)
        self.town.peers[0].store(self.town.peers[1].blocks(self.root))

    def sign(self) -> bytes:
        """Member 0's signature, given by a process that remembers nothing."""
        return self.town.nodes[0].restart().approve(self.header)

    def signed(self) -> int:
        return len(self.town.nodes[0].database.signed())

    def close(self) -> None:
        self.town.close()
        self.kubo.close()


@pytest.fixture
def committee(daemon: FakeDaemon) -> Iterator[Committee]:
    committee = Committee(daemon)
    yield committee
    committee.close()


def slow() -> Iterable[bytes]:
    yield b"HTTP/1.1 200 OK\r\nX: "
    for _ in range(150):
        yield b"x"
        time.sleep(0.02)


WITHHOLDING: dict[str, Callable[[], Iterable[bytes]]] = {
    "404": lambda: [http(b"404 page not found", "404 Not Found")],
    "wrong bytes": lambda: [http(b"\xa0")],
    "slow": slow,
}


@pytest.mark.parametrize("how", WITHHOLDING)
def test_approve__the_members_store_withholds_the_epoch__nobody_signs(committee: Committee, how: str) -> None:
    committee.daemon.says["block/get"] = WITHHOLDING[how]
    with pytest.raises(CrowdproofError):
        committee.sign()
    assert committee.signed() == 0
    committee.daemon.says.clear()
    assert len(committee.sign()) == 65  # the control: with the blocks back it signs


def test_approve__any_block_of_the_epoch_lost_or_garbled__nobody_signs(committee: Committee) -> None:
    blocks, reached = committee.daemon.blocks, set(below(committee.kubo, committee.root))
    assert len(reached) > 10
    for name in map(cids.digest_of, reached):
        right = blocks.pop(name)
        with pytest.raises(CrowdproofError, match="does not hold"):
            committee.sign()
        blocks[name] = right[:-1] + bytes([right[-1] ^ 1])
        with pytest.raises(CrowdproofError, match="hash to"):
            committee.sign()
        blocks[name] = right
    assert committee.signed() == 0
    assert len(committee.sign()) == 65


def test_approve__wrong_bytes_that_nobody_hashes__are_signed_for(
    committee: Committee, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hash is all that stands between a garbled model card and a signature under it."""
    root = cids.decode(committee.kubo.get(committee.root))
    assert isinstance(root, dict)
    card = root["model"]
    assert isinstance(card, Link)
    committee.daemon.blocks[cids.digest_of(card.cid)] = cids.encode({"code": "another"})
    with pytest.raises(Refused, match="model card"):
        committee.sign()
    monkeypatch.setattr(kubo, "checked", lambda cid, data, where: data)
    assert len(committee.sign()) == 65


def below(store: KuboStore, cid: Cid) -> Iterator[Cid]:
    yield cid
    for link in cids.links(cids.parse(cid)[0], store.get(cid)):
        yield from below(store, link)


def test_agree__members_without_the_content__there_is_no_quorum(daemon: FakeDaemon) -> None:
    """Two of four hold nothing of what they are given: three signatures cannot be had."""
    stores = [KuboStore(daemon.api, 1.0) for _ in range(2)]
    town = Town(stores=[*stores, *(MemoryStore() for _ in range(3))])
    town.ready_job()
    says(daemon, "block/get", http(b"404 page not found", "404 Not Found"))
    with pytest.raises(Retryable, match="no quorum"):
        settle.agree(town.settler(), town.state)
    assert all(node.database.signed() == [] for node in town.nodes)
    daemon.says.clear()
    _, signatures = settle.agree(town.settler(), town.state)
    assert len(signatures) == 3
    town.close()
    for store in stores:
        store.close()


# ------------------------------------------------------------------------------------------------------ the real daemon


@pytest.fixture
def real(ipfs: Daemon, monkeypatch: pytest.MonkeyPatch) -> Iterator[KuboStore]:
    monkeypatch.setattr(
        kubo, "LOOK_S", 2.0
    )  # js-ipfs looks for what it has not; a busy machine takes long over what it has
    store = KuboStore(ipfs.api, 30.0)
    yield store
    store.close()


def test_add_file__on_a_real_daemon__is_the_file_that_it_would_add_and_give(real: KuboStore) -> None:
    data = os.urandom(600_000)
    cid = add_file(real, data)
    opts = {
        "cid-version": "1",
        "raw-leaves": "true",
        "chunker": "size-262144",
        "hash": "sha2-256",
        "cid-base": "base32",
    }
    added = real._ask("add", lambda: real._client.add_bytes(data, opts=opts))
    assert added == cid
    assert real._ask("cat", lambda: real._client.cat(cid), 1 << 20) == data


def test_put__on_a_real_daemon_that_collects_garbage__stays(real: KuboStore) -> None:
    kept = real.put(os.urandom(20), Codec.RAW)
    above = real.put(cids.encode([Link(OTHER), os.urandom(20)]), Codec.DAG_CBOR)
    unpinned = os.urandom(20)
    loose = cids.cid_of(unpinned, Codec.RAW)
    real._send(loose, unpinned)  # the control: put as the daemon does by itself, without a pin
    assert not real.has(loose) and real.get(loose) == unpinned
    real._ask("collect garbage", lambda: real._client._client.request("/repo/gc"), 1 << 20)
    assert real.get(kept) and real.get(above)
    with pytest.raises(ContentMissing):
        real.get(loose)


def test_put__pinned_by_the_operator_on_a_real_daemon__is_no_error(real: KuboStore) -> None:
    data = os.urandom(20)
    cid = cids.cid_of(data, Codec.RAW)
    real._send(cid, data)
    real._ask("pin", lambda: real._client.pin.add(cid, recursive="true"))
    assert real.put_many([(data, Codec.RAW), (BLOCK, Codec.RAW)]) == [cid, NAME]
    assert real.has(cid) and cid not in set(real.cids())


def test_verify_all__on_a_real_daemon__names_what_is_damaged_or_gone(real: KuboStore, ipfs: Daemon) -> None:
    first, second, third = real.put_many([(os.urandom(20), Codec.RAW) for _ in range(3)])
    assert {first, second, third} <= set(real.cids())
    block_file(ipfs, first).write_bytes(b"wrong")
    block_file(ipfs, second).unlink()
    found = dict(real.verify_all())
    assert {first, second} <= set(found) and third not in found
    for cid in (first, second):
        real._ask("unpin", lambda cid=cid: real._client.pin.rm(cid, recursive="false"))


@pytest.mark.deep
def test_put_many__ten_thousand_blocks_on_a_real_daemon__are_all_pinned(
    real: KuboStore, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubo, "LOOK_S", 30.0)
    salt, began = os.urandom(8), time.monotonic()
    names = real.put_many((salt + i.to_bytes(4), Codec.RAW) for i in range(10_000))
    rate = 10_000 / (time.monotonic() - began)
    assert set(names) <= set(real.cids()) and len(set(names)) == 10_000
    with capsys.disabled():
        print(f"\nput_many of 10,000 small blocks: {rate:.0f} blocks/s")
