"""Whether the process lives, whether it is ready, and what it has counted: the same three routes on the API and on each member.

/health answers as long as the process does, and asks nobody; /ready is 503 with a list of what is waited for; /metrics is what
Prometheus reads. None of them needs a token: they show counts, names of routes and codes, and no one's work.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Protocol

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import schemas
from oracle.adapters.content import FolderStore
from oracle.bootstrap import Oracle
from oracle.ports import Chain, ContentStore
from oracle.protocol.cids import Codec, cid_of
from oracle.protocol.errors import Refused, Retryable
from oracle.services.index import Index
from oracle.services.member import Member
from oracle.telemetry import METRICS, PAGE_TYPE, Readiness, Ready, readiness_document

OPEN = frozenset({"/health", "/ready", "/metrics"})  # paths that need no token
ASKED_S = 1.0  # for a member's word that it lives
Checks = Mapping[str, Callable[[], object]]


class Durable(Protocol):
    """Of a database, what a look at it needs."""

    def claims(self) -> object: ...


def install(app: FastAPI, ready: Ready) -> None:
    """Adds the routes, and counts every request of the application by its route."""
    app.add_middleware(Measured)

    @app.get("/health", tags=["health"])
    async def health() -> schemas.Health:
        """The process lives: on no thread that a slow request could hold, and without asking the chain."""
        return schemas.Health(status="ok")

    @app.get("/ready", tags=["health"], response_model=schemas.Ready, responses={503: {"model": schemas.Ready}})
    def is_ready() -> JSONResponse:
        """What it waits for; ready when that is nothing. A look is good for a second."""
        status, document = readiness_document(ready())
        return JSONResponse(document, status)

    @app.get("/metrics", tags=["health"], response_class=Response)
    def metrics() -> Response:
        """Counts, for Prometheus."""
        return Response(METRICS.page(), media_type=PAGE_TYPE)


def of_oracle(opened: Oracle) -> Readiness:
    """The API: chain, database and store, and as many members as make a receipt."""
    own = checks(opened.chain, opened.index, opened.database, opened.content)
    return Readiness({**own, "members": lambda: _require_quorum(opened)})


def of_member(member: Member, content: ContentStore) -> Readiness:
    """A member: its view of the chain, for which it needs its database, and its store."""
    return Readiness({"chain and database": member.view, "store": lambda: _require_writable(content)})


def checks(chain: Chain, index: Index, database: Durable, content: ContentStore) -> Checks:
    """What every process that serves needs. The index is brought to the head on the way: who is asked nothing is not behind."""

    def follow() -> None:
        METRICS.chain(chain.latest().number, index.view().block)

    return {"chain": follow, "database": database.claims, "store": lambda: _require_writable(content)}


def _require_writable(content: ContentStore) -> None:
    if isinstance(content, FolderStore):
        content.require_writable()
    else:
        content.has(cid_of(b"", Codec.RAW))


def _require_quorum(opened: Oracle) -> None:
    quorum = opened.deployment.committee.quorum
    with ThreadPoolExecutor(len(opened.peers) or 1) as threads:
        alive = sum(threads.map(lambda peer: peer.is_alive(ASKED_S), opened.peers))
    if alive < quorum:
        raise Retryable(f"{alive} of {len(opened.peers)} members answer, {quorum} are needed")


@contextmanager
def counted(answers: int) -> Iterator[None]:
    """A batch that is receipted, or refused whole."""
    try:
        yield
    except Refused as refused:
        METRICS.answers(refused.code, answers)
        raise
    METRICS.answers("accepted", answers)
    METRICS.receipts.inc()


class Measured:
    """Counts each request by the template of its route, its status and its time."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            METRICS.request(route, status, time.perf_counter() - began)
