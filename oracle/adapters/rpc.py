"""JSON-RPC over plain HTTP, held hostile: every reply is bounded in size and time, and typed before it is used.

Some ten times faster than web3.py's own provider. No text of an error holds more of the URL than its host: the rest may be a key.
"""

import itertools
import json
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx
from eth_abi.exceptions import DecodingError

from oracle.protocol.errors import BadInput, ChainUnavailable

BATCH = 100  # calls in one HTTP request
MOST_BYTES = 64 << 20  # of one reply
PAUSE = 0.1  # seconds before the first retry; doubles
NONSENSE = (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError, DecodingError)


class RpcError(ChainUnavailable):
    """The endpoint answered, with an error of its own."""

    def __init__(self, text: str, message: str, data: bytes | None) -> None:
        super().__init__(text)
        self.message = message
        self.data = data


class Rpc:
    """JSON-RPC over HTTP. All calls may be repeated: with `attempts` > 1 the transport's failures are tried again."""

    def __init__(
        self, url: str, timeout: float = 10.0, attempts: int = 3, transport: httpx.BaseTransport | None = None
    ) -> None:
        self.endpoint = _endpoint(url)
        self._url = url
        self._timeout = timeout
        self._attempts = attempts
        self._ids = itertools.count(1)
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        at = httpx.URL(url)
        local = at.host in ("127.0.0.1", "localhost", "::1")  # no proxy; and plain HTTP needs no certificates read
        self._client = httpx.Client(
            timeout=timeout, headers=headers, transport=transport, trust_env=not local, verify=at.scheme == "https"
        )

    def close(self) -> None:
        self._client.close()

    def call(self, method: str, *params: Any) -> Any:
        """The result of one call. Raises RpcError for an error reply, else ChainUnavailable."""
        return self.batch([(method, params)])[0]

    def batch(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        """The results of many calls in order, `BATCH` to an HTTP request. Raises as `call` for the first to fail."""
        results: list[Any] = []
        for at in range(0, len(calls), BATCH):
            results += self._request(calls[at : at + BATCH])
        return results

    @contextmanager
    def reading(self, what: str) -> Iterator[None]:
        """Turns what goes wrong while a reply is typed into ChainUnavailable."""
        try:
            yield
        except NONSENSE as problem:
            raise ChainUnavailable(f"{self.endpoint}: nonsense in the reply to {what}: {short(problem)}") from None

    def _request(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        asked = calls[0][0] if len(calls) == 1 else f"{calls[-1][0]} (batch of {len(calls)})"
        first = next(self._ids)
        bodies = [
            {"jsonrpc": "2.0", "id": first + i, "method": method, "params": list(params)}
            for i, (method, params) in enumerate(calls)
        ]
        for _ in bodies[1:]:
            next(self._ids)
        payload = json.dumps(bodies[0] if len(bodies) == 1 else bodies).encode()
        entries = self._attempted(asked, payload, [first + i for i in range(len(bodies))])
        for (method, _), entry in zip(calls, entries, strict=True):
            if entry.get("error") is not None:
                raise self._error(method, entry["error"])
        with self.reading(asked):
            return [entry["result"] for entry in entries]

    def _attempted(self, asked: str, payload: bytes, ids: list[int]) -> list[Any]:
        for retry in range(self._attempts - 1):
            try:
                return self._exchange(asked, payload, ids)
            except ChainUnavailable:
                time.sleep(PAUSE * 2**retry)
        return self._exchange(asked, payload, ids)

    def _exchange(self, asked: str, payload: bytes, ids: list[int]) -> list[Any]:
        """The replies to the calls with these ids. What comes of a connection after nonsense, or a reply that came twice, would be

        the answer to an earlier question: it is not used again.
        """
        try:
            with self._client.stream("POST", self._url, content=payload) as response:
                try:
                    return self._entries(asked, self._body(asked, response), ids)
                except ChainUnavailable:
                    if stream := response.extensions.get("network_stream"):
                        stream.close()
                    raise
        except httpx.TimeoutException:
            raise ChainUnavailable(f"{self.endpoint}: no reply to {asked} within {self._timeout:g} s") from None
        except (httpx.HTTPError, httpx.StreamError) as problem:
            raise ChainUnavailable(f"{self.endpoint}: not reached for {asked} ({type(problem).__name__})") from None

    def _body(self, asked: str, response: httpx.Response) -> bytes:
        end = time.monotonic() + self._timeout
        body = bytearray()
        if response.status_code != 200:
            raise ChainUnavailable(f"{self.endpoint}: HTTP {response.status_code} to {asked}")
        if response.headers.get("content-encoding", "identity") != "identity":
            raise ChainUnavailable(f"{self.endpoint}: a compressed reply to {asked}, which was not asked for")
        for part in response.iter_raw():
            body += part
            if len(body) > MOST_BYTES:
                raise ChainUnavailable(f"{self.endpoint}: more than {MOST_BYTES >> 20} MiB in reply to {asked}")
            if time.monotonic() > end:
                raise httpx.ReadTimeout("too slow")
        return bytes(body)

    def _entries(self, asked: str, body: bytes, ids: list[int]) -> list[Any]:
        """The replies in the order of the calls, errors among them. An error of the whole batch stands for each."""
        try:
            reply = json.loads(body)
        except (ValueError, RecursionError):
            raise ChainUnavailable(f"{self.endpoint}: the reply to {asked} is not JSON") from None
        replies = reply if isinstance(reply, list) else [reply]
        if len(ids) > 1 and isinstance(reply, dict) and "error" in reply:
            return [reply] * len(ids)
        with self.reading(asked):
            by_id = {entry["id"]: entry for entry in replies}
            if len(replies) != len(ids) or set(by_id) != set(ids):
                raise ValueError("the replies do not belong to the calls")
            return [by_id[number] for number in ids]

    def _error(self, asked: str, error: Any) -> RpcError:
        message = short(error.get("message", "")) if isinstance(error, dict) else short(error)
        data = error.get("data") if isinstance(error, dict) else None
        return RpcError(f"{self.endpoint}: {asked} failed: {message}", message, _revert_data(data))


def _endpoint(url: str) -> str:
    """The URL's scheme, host and port, all that may be shown of it. Raises BadInput for what is no HTTP address."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError):
        raise BadInput("the RPC address is not a URL; it looks like http://127.0.0.1:8545") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise BadInput("the RPC address must be http:// or https:// with a host, like http://127.0.0.1:8545")
    return f"{parsed.scheme}://{parsed.host}" + (f":{parsed.port}" if parsed.port else "")


def _revert_data(value: Any) -> bytes | None:
    """What a contract reverted with: nodes put it under `data`, or one level deeper."""
    inner = value.get("data") if isinstance(value, dict) else value
    try:
        return hex_bytes(inner)
    except ValueError:
        return None


def short(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 200 else text[:200] + "..."


def quantity(value: Any, bits: int = 64) -> int:
    """A quantity: 0x and at most `bits` of hex."""
    if not isinstance(value, str) or not re.fullmatch(r"0x[0-9a-fA-F]{1,64}", value):
        raise ValueError(f"{short(value)!r} is no quantity")
    if (number := int(value, 16)) >> bits:
        raise ValueError(f"{short(value)} does not fit {bits} bits")
    return number


def hex_bytes(value: Any, length: int | None = None) -> bytes:
    if not isinstance(value, str) or not value.startswith("0x"):
        raise ValueError(f"{short(value)!r} is no hex text")
    data = bytes.fromhex(value[2:])
    if length is not None and len(data) != length:
        raise ValueError(f"{len(data)} bytes where {length} belong")
    return data


def to_hex(data: bytes) -> str:
    return "0x" + data.hex()


def rlp(items: Sequence[int | bytes]) -> bytes:
    """A list of byte strings and numbers by Ethereum's Recursive Length Prefix (Yellow Paper, appendix B)."""
    strings = [i if isinstance(i, bytes) else i.to_bytes((i.bit_length() + 7) // 8, "big") for i in items]
    body = b"".join(s if len(s) == 1 and s[0] < 0x80 else _prefix(0x80, len(s)) + s for s in strings)
    return _prefix(0xC0, len(body)) + body


def _prefix(kind: int, length: int) -> bytes:
    if length < 56:
        return bytes([kind + length])
    digits = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([kind + 55 + len(digits)]) + digits
