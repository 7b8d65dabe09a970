"""Blocks in an IPFS daemon on this host or a private network, by Kubo's RPC API through ipfshttpclient: the port ContentStore.

The daemon is believed in nothing. Every name is computed here and compared with the daemon's, every byte is hashed on its way
in, and what `put_many` stored it reads back. A block is pinned before a put returns, each by a direct pin of its own: that
holds whatever order blocks come in, needs no block below it, and leaves the operator's own pins alone. Nothing that is asked
for is searched in the network.

A request ends by its deadline however the daemon drips, its reply at a limit; redirects, compressed replies, cookies and the
environment's proxies are refused. So is TLS: the API gives whoever reaches it the whole daemon, and belongs on no public network.

Source: https://docs.ipfs.tech/reference/kubo/rpc/. Blocks are put with the older `format` and `version` in place of
`cid-codec`: Kubo takes both, and js-ipfs, the real daemon of our tests, only those.
"""

import io
import json
import math
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from ipaddress import ip_address
from itertools import islice
from typing import Any, TypeVar
from urllib.parse import urlsplit

import ipfshttpclient
import urllib3
from ipfshttpclient import requests_wrapper
from ipfshttpclient.exceptions import AddressError
from ipfshttpclient.exceptions import ConnectionError as ConnectionFailed
from ipfshttpclient.exceptions import Error as ClientError
from ipfshttpclient.exceptions import ProtocolError as ProtocolFailed

from oracle.adapters.content import StoreUnavailable, checked, is_cid, name_of
from oracle.protocol.cids import BLOCK_LIMIT, Cid, Codec, parse
from oracle.protocol.errors import BadInput, ContentMismatch, ContentMissing

THREADS = 4
GROUP = 64  # blocks to a pin request; their names must fit into its URL
STEP_S = 10.0  # the longest silence inside a request
REPLY_LIMIT = 1 << 18  # bytes of any reply but a block or a listing
LISTING_LIMIT = 1 << 28  # two million pins
FORMATS = {Codec.RAW: "raw", Codec.DAG_PB: "dag-pb", Codec.DAG_CBOR: "dag-cbor"}
LOOK_S = 5.0  # in which a daemon that has a block gives it; one that has none may look for it in the network so long
MISSING = ("not found", "could not find", "timed out", "deadline exceeded")

T = TypeVar("T")


class DaemonRefused(StoreUnavailable):
    """The daemon answered with an error, or with something that is no answer."""

    def __init__(self, what: str, status: int, reason: str) -> None:
        super().__init__(f"{what}: {status} {reason}")
        self.status, self.reason = status, reason

    def says(self, *statuses: int, words: Sequence[str] = ("",)) -> bool:
        """Whether it answered with one of these, and with one of the words; daemons have no codes for their errors."""
        return self.status in statuses and any(word in self.reason.lower() for word in words)


# ---------------------------------------------------------------------------------------------------------------- store


class KuboStore:
    """The blocks that one daemon holds. Safe between threads, and between processes that share the daemon."""

    shared = True  # the operator may keep other things there

    def __init__(self, address: str, timeout_s: float = 30.0) -> None:
        """address: a multiaddr (/ip4/127.0.0.1/tcp/5001) or an http URL; timeout_s: of each request as a whole."""
        self.address = multiaddr(address)
        self._timeout_s = timeout_s
        self._client = _client(self.address, min(timeout_s, STEP_S))
        self._every = {"cid-base": "base32", "timeout": _milliseconds(timeout_s)}
        self._local = self._every | {"offline": "true"}

    def put(self, data: bytes, codec: Codec) -> Cid:
        return self.put_many([(data, codec)])[0]

    def put_many(self, blocks: Iterable[tuple[bytes, Codec]]) -> list[Cid]:
        """Stores blocks and returns their CIDs; all are pinned, and were read back."""
        names: list[Cid] = []
        named = ((name_of(data, codec), data) for data, codec in blocks)
        with ThreadPoolExecutor(THREADS, "kubo") as threads:
            for wave in _batched(named, THREADS * GROUP):
                names += [cid for cid, _ in wave]
                fresh = list(dict(wave).items())
                list(threads.map(self._put_group, _batched(fresh, -(-len(fresh) // THREADS))))
        return names

    def get(self, cid: Cid) -> bytes:
        return checked(cid, self.read_damaged(cid), self.address)

    def has(self, cid: Cid) -> bool:
        """Whether the daemon keeps the block, that is has it pinned; only `get` says whether it is whole."""
        parse(cid)
        return any(cid in self._pins(kind, cid) for kind in ("direct", "recursive"))

    def cids(self) -> Iterator[Cid]:
        """The blocks that are pinned each by itself, as this store pins them, ascending."""
        listed = self._pins("direct", limit=LISTING_LIMIT)
        return (Cid(name) for name in sorted(listed) if is_cid(name))

    def verify_all(self) -> Iterator[tuple[str, str]]:
        """(CID, what is wrong) for every block of `cids` that is gone or damaged. What others pinned is not looked at."""
        with ThreadPoolExecutor(THREADS, "kubo") as threads:
            for wave in _batched(self.cids(), THREADS * GROUP):
                found = threads.map(self._problem, wave)
                yield from ((cid, what) for cid, what in zip(wave, found, strict=True) if what)

    def read_damaged(self, cid: Cid) -> bytes:
        """The bytes that the daemon gives for a block, unverified; at most one over `BLOCK_LIMIT`."""
        parse(cid)
        opts = self._local | {"timeout": _milliseconds(min(LOOK_S, self._timeout_s))}
        try:
            body: bytes = self._ask(f"get {cid}", lambda: self._client.block.get(cid, opts=opts), BLOCK_LIMIT)
        except DaemonRefused as refused:
            if refused.says(404, 410) or refused.says(500, words=MISSING):
                raise ContentMissing(f"the store does not hold {cid}: {refused.reason}") from None
            raise
        return body

    def require_writable(self) -> None:
        """Raises StoreUnavailable unless the daemon answers; whether its disk is full only a put tells."""
        self._ask("version", lambda: self._client.version(opts=dict(self._every)))

    def close(self) -> None:
        self._client.close()

    # ---------------------------------------------------------------------------------------------------------- puts

    def _put_group(self, group: Sequence[tuple[Cid, bytes]]) -> None:
        for cid, data in group:
            self._send(cid, data)
        self._pin([cid for cid, _ in group])
        for cid, data in group:
            if self.read_damaged(cid) != data:
                self._mend(cid, data)

    def _send(self, cid: Cid, data: bytes) -> None:
        form = {"format": FORMATS[parse(cid)[0]], "version": "1", "mhtype": "sha2-256", "mhlen": "32", "pin": "false"}
        reply = self._ask(f"put {cid}", lambda: self._client.block.put(io.BytesIO(data), opts=self._every | form))
        if (said := _field(reply, "Key")) != cid:
            raise ContentMismatch(f"{self.address}: put {cid}, but the daemon calls it {_line(said)}")

    def _pin(self, names: Sequence[Cid]) -> None:
        """Pins each by itself. One that the operator pinned with all below it cannot be, and is as safe."""
        opts = dict(self._every)
        try:
            reply = self._ask(f"pin {names[0]}", lambda: self._client.pin.add(*names, recursive="false", opts=opts))
        except DaemonRefused:
            if len(names) == 1 and names[0] not in self._pins("recursive", names[0]):
                raise
            for name in names if len(names) > 1 else ():
                self._pin([name])
            return
        said = _field(reply, "Pins")
        if not isinstance(said, list) or sorted(map(str, said)) != sorted(names):
            raise ContentMismatch(f"{self.address}: pinned {len(names)} blocks, but the daemon says {_line(said)}")

    def _pins(self, kind: str, *names: Cid, limit: int = REPLY_LIMIT) -> set[str]:
        """Which of the names, or all, are pinned in this way."""
        opts = dict(self._local)
        try:
            reply = self._ask("list pins", lambda: self._client.pin.ls(*names, type=kind, opts=opts), limit)
        except DaemonRefused as refused:
            if refused.says(500, words=["not pinned"]):
                return set()
            raise
        keys = _field(reply, "Keys")
        return set(keys) if isinstance(keys, Mapping) else set()

    def _mend(self, cid: Cid, data: bytes) -> None:
        """A daemon does not write what it believes to hold: the damaged copy goes first."""
        unpin, remove = dict(self._every), dict(self._every)
        self._ask(f"unpin {cid}", lambda: self._client.pin.rm(cid, recursive="false", opts=unpin))
        self._ask(f"remove {cid}", lambda: self._client._client.request("/block/rm", (cid,), opts=remove))
        self._send(cid, data)
        self._pin([cid])
        if self.read_damaged(cid) != data:
            raise ContentMismatch(f"{self.address}: {cid} was put, but other bytes come back")

    def _problem(self, cid: Cid) -> str | None:
        try:
            self.get(cid)
        except ContentMissing:
            return "is pinned, but not there"
        except ContentMismatch as error:
            return str(error)
        return None

    # ------------------------------------------------------------------------------------------------------- requests

    def _ask(self, what: str, call: Callable[[], T], limit: int = REPLY_LIMIT) -> T:
        """One request; whatever goes wrong on the way is a StoreUnavailable that says what was asked for."""
        what = f"{self.address}: {what}"
        token = _bounds.set(_Bounds(time.monotonic() + self._timeout_s, limit))
        try:
            try:
                return call()
            except _DROPPED:  # a kept connection that the daemon had closed; every request may be made again
                return call()
        except _Refusal as refusal:
            raise DaemonRefused(what, refusal.status, refusal.reason) from None
        except _TROUBLE as error:
            raise StoreUnavailable(f"{what}: {_line(error) or type(error).__name__}") from error
        finally:
            _bounds.reset(token)


def multiaddr(address: str) -> str:
    """The multiaddr of an API address; raises BadInput unless it is one of plain HTTP over TCP."""
    text = address if address.startswith("/") else _of_url(address)
    parts = text.split("/")
    if len(parts) == 5:
        parts.append("http")
    if len(parts) != 6 or parts[1] not in ("ip4", "ip6", "dns", "dns4", "dns6") or parts[5] != "http":
        raise BadInput(f"{address[:80]!r} is no address of an IPFS API: give /ip4/127.0.0.1/tcp/5001 or an http:// URL")
    return "/".join(parts)


def _of_url(address: str) -> str:
    try:
        url = urlsplit(address)
        host, port = url.hostname or "", url.port or 80
    except ValueError:
        return ""
    if url.scheme != "http" or url.path not in ("", "/") or url.query or url.fragment or "@" in url.netloc:
        return ""
    try:
        return f"/ip{ip_address(host).version}/{host}/tcp/{port}"
    except ValueError:
        return f"/dns/{host}/tcp/{port}"


def _batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


def _milliseconds(seconds: float) -> str:
    return f"{math.ceil(seconds * 1000)}ms"


def _field(reply: Any, name: str) -> Any:
    """A field of a reply that may be anything."""
    try:
        return reply[name]
    except (LookupError, TypeError):
        return None


def _line(problem: object) -> str:
    text = " ".join(str(problem).split())[:300]
    return "".join(letter if letter.isprintable() else "?" for letter in text)


# ------------------------------------------------------------------------------------------------------------ transport


@dataclass(frozen=True, slots=True)
class _Bounds:
    """What the request that this thread makes may take."""

    deadline: float = math.inf
    limit: int = REPLY_LIMIT


_UNBOUNDED = _Bounds()
_bounds: ContextVar[_Bounds] = ContextVar("_bounds", default=_UNBOUNDED)


class _Refusal(Exception):
    """Any reply but a plain 200."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(status, reason)
        self.status, self.reason = status, reason


_DROPPED = (ConnectionFailed, ProtocolFailed)
# The client asserts, indexes and parses as if the daemon were a friend.
_TROUBLE = (
    ClientError,
    requests_wrapper.RequestException,
    urllib3.exceptions.HTTPError,
    OSError,
    ValueError,
    AssertionError,
    LookupError,
    TypeError,
    AttributeError,
    RecursionError,
)


class _Socket(socket.socket):
    """No wait on it outlasts the request's deadline: a timeout for each read alone would let a daemon drip for ever."""

    def recv_into(self, *arguments: Any) -> int:
        self._hurry()
        return super().recv_into(*arguments)

    def sendall(self, *arguments: Any) -> None:
        self._hurry()
        super().sendall(*arguments)

    def _hurry(self) -> None:
        left = _bounds.get().deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the request took too long as a whole")
        self.settimeout(min(left, STEP_S))


class _Connection(requests_wrapper.HTTPConnection):  # type: ignore[misc]
    def _new_conn(self) -> socket.socket:
        return _Socket(fileno=super()._new_conn().detach())


class _Pool(requests_wrapper.HTTPConnectionPool):  # type: ignore[misc]
    ConnectionCls = _Connection


def _client(address: str, step_s: float) -> Any:
    try:
        client = ipfshttpclient.Client(
            address,
            session=True,
            chunk_size=1 << 16,
            headers={"Accept-Encoding": "identity"},
            timeout=(step_s, step_s),
        )
    except (AddressError, ValueError) as error:
        raise BadInput(f"{address[:80]!r} is no address of an IPFS API: {_line(error)}") from None
    session = client._client._session
    session.trust_env = False  # neither proxies nor passwords of the environment
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.hooks["response"].append(_take)
    for adapter in session.adapters.values():
        adapter.poolmanager.connection_pool_kw.pop("strict", None)  # which urllib3 2 warns about
        classes = adapter.poolmanager.pool_classes_by_scheme
        classes.update(dict.fromkeys((scheme for scheme in classes if not scheme.startswith("https")), _Pool))
    return client


def _take(response: Any, *_: Any, **__: Any) -> None:
    """Reads a reply within its bounds before the client, which knows none, sees it; raises for all but a plain 200."""
    status, raw = response.status_code, response.raw
    try:
        if (encoding := response.headers.get("Content-Encoding", "identity")) != "identity":
            raise _Refusal(status, f"compressed as {_line(encoding)}")
        body = _body(raw, _bounds.get().limit if status == 200 else REPLY_LIMIT)
    finally:
        raw.close()
    if status != 200:
        raise _Refusal(status, _reason(body))
    response.raw = io.BytesIO(body)


def _body(raw: Any, limit: int) -> bytes:
    """The body, or one byte over the limit of it."""
    body = bytearray()
    while part := raw.read(min(1 << 16, limit + 1 - len(body)), decode_content=False):
        body += part
        if len(body) > limit:
            break
    return bytes(body)


def _reason(body: bytes) -> str:
    try:
        return _line(json.loads(body)["Message"])
    except (ValueError, LookupError, TypeError, RecursionError):
        return _line(body.decode(errors="replace"))
