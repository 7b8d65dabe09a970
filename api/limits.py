"""What every answer goes through: how much one visitor may ask, names of versions for caches, headers that keep content harmless.

A visitor is its address. Each has a bucket that fills at `rate` a second up to `burst`; a request takes what it
costs. Who asks fifty times as much as others waits, the others do not.
"""

import hashlib
import time
from collections import OrderedDict

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import problems
from oracle.telemetry import METRICS

KEPT = 20_000  # buckets; the longest unused goes
COSTS = {
    "/jobs/import": 50,
    "/jobs/check": 50,
    "/jobs/drafts": 200,
    "/faucet": 500,
    "/bands": 50,
    "/credentials": 100,
    "/auth/nonce": 5,
    "/auth/sign-in": 50,
}
FREE = frozenset({"/health", "/ready", "/metrics"})
DEAREST = 2
TAGGED = b"application/json"
MOST_TAGGED = 1 << 20
ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; sandbox"),
    (b"cache-control", b"private, no-cache"),
)


class Buckets:
    """Refuses with 429 and the seconds to wait."""

    def __init__(self, app: ASGIApp, rate: float, burst: float, behind_proxy: bool) -> None:
        self._app, self._rate, self._burst, self._proxy = app, rate, burst, behind_proxy
        self._left: OrderedDict[bytes, tuple[float, float]] = OrderedDict()  # visitor -> (left, when)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._rate and scope["path"] not in FREE:
            wait = self._take(self._visitor(scope), _cost(scope))
            if wait:
                METRICS.refusal("too-much")
                what = f"too many requests: wait {wait:.0f} s, and ask for pages instead of single items"
                refusal = problems.problem(429, "too-much", what)
                refusal.headers["Retry-After"] = str(int(wait))
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _visitor(self, scope: Scope) -> bytes:
        headers = dict(scope["headers"])
        if self._proxy and (forwarded := headers.get(b"x-forwarded-for")):
            return bytes(forwarded.rsplit(b",", 1)[-1].strip()[:64])
        client = scope.get("client")
        return client[0].encode() if client else b""

    def _take(self, visitor: bytes, cost: float) -> float:
        """Seconds to wait; 0 where it was taken."""
        now = time.monotonic()
        left, when = self._left.pop(visitor, (self._burst, now))
        left = min(self._burst, left + (now - when) * self._rate)
        enough = left >= cost
        self._left[visitor] = (left - cost if enough else left, now)
        if len(self._left) > KEPT:
            self._left.popitem(last=False)
        return 0.0 if enough else max(1.0, (cost - left) / self._rate + 1)


def _cost(scope: Scope) -> float:
    known = COSTS.get(scope["path"])
    if known is not None and (scope["method"] == "POST" or scope["path"] == "/auth/nonce"):
        return known
    return 1 if scope["method"] in ("GET", "HEAD") else DEAREST


class Headers:
    """Adds what is not set, and to each JSON that is read its version (ETag): who has it already gets 304."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        known = dict(scope["headers"]).get(b"if-none-match", b"") if scope["method"] == "GET" else None
        begun: Message | None = None
        body = b""

        async def noted(message: Message) -> None:
            nonlocal begun, body
            if message["type"] == "http.response.start":
                _add(message)
                if known is None or not _is_tagged(message):
                    await send(message)
                else:
                    begun = message
                return
            if begun is None:
                await send(message)
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if more and len(body) <= MOST_TAGGED:
                return
            if not more:
                body = _tag(begun, body, known or b"")
            await send(begun)
            await send({"type": "http.response.body", "body": body, "more_body": more})
            begun, body = None, b""

        await self._app(scope, receive, noted)


def _add(message: Message) -> None:
    has = {name.lower() for name, _ in message["headers"]}
    message["headers"] = [*message["headers"], *((name, value) for name, value in ALWAYS if name not in has)]


def _is_tagged(message: Message) -> bool:
    headers = dict(message["headers"])
    return (
        message["status"] == 200
        and headers.get(b"content-type", b"").startswith(TAGGED)
        and b"no-store" not in headers.get(b"cache-control", b"")
        and b"etag" not in headers
    )


def _tag(begun: Message, body: bytes, known: bytes) -> bytes:
    tag = b'"' + hashlib.blake2b(body, digest_size=16).hexdigest().encode() + b'"'
    begun["headers"].append((b"etag", tag))
    if tag not in known:
        return body
    begun["status"] = 304
    begun["headers"] = [(n, v) for n, v in begun["headers"] if n not in (b"content-length", b"content-type")]
    return b""
