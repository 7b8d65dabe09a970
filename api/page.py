"""The page at `/`: files that a browser runs as they are, and what they need to know of this deployment.

Nothing here is private, and nothing here runs what is not ours: the policy lets scripts come from this origin alone.
"""

from functools import cache
from pathlib import Path

from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import schemas
from oracle.adapters import anvil
from oracle.protocol.errors import CrowdproofError

FOLDER = Path(__file__).parent / "web"
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        # the chain's endpoint is the reader's choice: one on this machine, or any over TLS
        "connect-src 'self' http://127.0.0.1:* http://localhost:* https:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-cache",  # asked again each time, answered by ETag
}


class Page(schemas.Schema):
    """`rpc`: the chain's endpoint where that is a local one (its money is play money), else empty."""

    local: bool
    rpc: str


def install(app: FastAPI, rpc: str) -> None:
    """Serves the page on every path that no route of the API has. Comes last."""

    @cache
    def is_local() -> bool:
        return anvil.is_local(rpc)

    @app.get("/page", tags=["page"])
    def page() -> Page:
        """What the page needs to know beside the deployment."""
        try:
            local = is_local()
        except CrowdproofError:
            local = False
        return Page(local=local, rpc=rpc if local else "")

    app.mount("/", Guarded(GZipMiddleware(StaticFiles(directory=FOLDER, html=True), minimum_size=500)))


class Guarded:
    """Adds the policy to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name for name, _ in message["headers"]}
                more = [(k.encode(), v.encode()) for k, v in HEADERS.items() if k.encode() not in given]
                message["headers"] = [*message["headers"], *more]
            await send(message)

        await self._app(scope, receive, guarded)
