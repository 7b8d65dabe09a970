"""The HTTP interface of a federation's server: what a round wants, and the messages of its members.

Needs no token: a message counts by its wallet's signature, and what is shown opens only for whom it is meant.
"""

import threading

from fastapi import FastAPI, Response

from api import problems
from api.routes import Raw
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
    def take(body: Raw) -> dict[str, str]:
        server.take(body)
        return {"status": "taken"}

    return app


def keep_time(server: Server) -> None:
    """Ends phases whose time is up, in a thread of its own."""

    def run() -> None:
        pause = threading.Event()
        while not pause.wait(TICK_S):
            server.tick()

    threading.Thread(target=run, name="federation", daemon=True).start()
