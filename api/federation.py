"""The HTTP interface of a federation's server: what a round wants, and the messages of its members.

Needs no token: a message counts by its wallet's signature, and what is shown opens only for whom it is meant.
"""

import threading
from typing import Annotated

from fastapi import Depends, FastAPI, Request, Response

from api import problems
from oracle.federated.server import Server
from oracle.protocol.cids import encode

MAX_MESSAGE = 1 << 24
TICK_S = 0.25
MEDIA_TYPE = "application/vnd.ipld.dag-cbor"


def create_app(server: Server) -> FastAPI:
    app = FastAPI(title="crowdproof federation", openapi_url=None)
    problems.install(app, MAX_MESSAGE)

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/round")
    def view() -> Response:
        return Response(encode(server.view()), media_type=MEDIA_TYPE)

    @app.post("/messages")
    def take(body: Annotated[bytes, Depends(_body)]) -> dict[str, str]:
        server.take(body)
        return {"status": "taken"}

    return app


async def _body(request: Request) -> bytes:
    return await request.body()


def keep_time(server: Server) -> None:
    """Ends phases whose time is up, in a thread of its own."""

    def run() -> None:
        pause = threading.Event()
        while not pause.wait(TICK_S):
            server.tick()

    threading.Thread(target=run, name="federation", daemon=True).start()
