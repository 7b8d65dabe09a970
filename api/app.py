"""The public API: what a worker, a requester, an auditor and a dApp ask over HTTP. It holds no key and decides nothing.

Reads come from the index and the content store, with proofs, so that nothing needs to be believed; answers go to the committee;
what is private is served to the wallet that it is for. Each resource is a module of api.routes.
"""

import threading
import time
from typing import Any

from fastapi import FastAPI, Response
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

import oracle
from api import problems, schemas
from api.gate import Forbidden, Gate, NoSession
from api.hooks import Sender
from api.limits import Buckets, Headers
from api.memory import Remembered
from api.news import News
from api.reader import NotFound, Reader
from api.routes import (
    answers,
    audit,
    browser,
    chain,
    drafts,
    feed,
    health,
    jobs,
    node,
    page,
    releases,
    requester,
    sessions,
    standing,
    transactions,
    webhooks,
    work,
    workers,
)
from api.settings import Settings
from oracle.bootstrap import Oracle, open_oracle
from oracle.protocol.errors import CrowdproofError, Refused
from oracle.telemetry import problem

MAX_BODY = 1 << 23
SWEEP_S = 60.0
AHEAD_S = 1.0
MAX_TASKS = 1 << 25  # bytes of a job with its tasks
LARGER = {"/jobs/import": MAX_TASKS, "/jobs/check": MAX_TASKS, "/jobs/drafts": MAX_TASKS}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": schemas.Problem} for status in (400, 401, 403, 404, 409, 413, 422, 429, 503)
}


def create_app(settings: Settings, opened: Oracle | None = None) -> FastAPI:
    """The application of a home; over an oracle that is open already, where one is given."""
    opened = opened or open_oracle(settings.home)
    app = FastAPI(
        title="crowdproof",
        version=oracle.__version__,
        responses=PROBLEMS,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=_name,
    )
    problems.install(app, MAX_BODY, LARGER)
    for kind, status in ((NotFound, 404), (NoSession, 401), (Forbidden, 403)):
        app.add_exception_handler(kind, _refused(status))
    reader, ready = Reader(opened), health.of_oracle(opened)
    gate = Gate(opened, settings.own_origins(), settings.session_s)
    app.state.gate, app.state.oracle, app.state.reader = gate, opened, reader
    for routes in (
        answers.router(reader),  # the first that fits serves: what is asked most often stands first
        sessions.router(reader, gate),
        drafts.router(reader),
        requester.router(reader),
        audit.router(reader),
        chain.router(reader),
        jobs.router(reader),
        releases.router(reader, settings.home),
        work.router(reader),
        workers.router(reader),
        standing.router(reader),
        transactions.router(reader),
        node.router(reader, settings, ready),
        feed.router(News(opened)),
        webhooks.router(reader, settings.private_hooks),
        browser.router(settings),
        page.router(),
    ):
        app.include_router(routes)
    app.openapi = lambda: _described(app)  # type: ignore[method-assign]
    app.add_middleware(Remembered, reader=reader)
    app.add_middleware(Headers)
    health.install(app, ready)
    app.add_middleware(Buckets, rate=settings.rate, burst=settings.burst, behind_proxy=settings.behind_proxy)
    return app


def _name(route: APIRoute) -> str:
    """What clients call the route: two of one name would be one too many, and a test says so."""
    return route.name


def _described(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, in which refusals have the type that they are sent with (RFC 9457)."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, routes=app.routes)
        for ways in document["paths"].values():
            for operation in ways.values():
                for answer in operation["responses"].values():
                    content = answer.get("content", {})
                    if content.get("application/json", {}).get("schema") == {"$ref": "#/components/schemas/Problem"}:
                        content[problems.MEDIA_TYPE] = content.pop("application/json")
        app.openapi_schema = document
    return app.openapi_schema


def serving(settings: Settings) -> FastAPI:
    """The application with what works beside its requests: webhooks are sent, what ran out is dropped, new epochs are read."""
    app = create_app(settings)
    opened: Oracle = app.state.oracle
    Sender(opened, settings.private_hooks).start()
    threading.Thread(target=_sweep, args=(opened,), name="sweep", daemon=True).start()
    threading.Thread(target=_look_ahead, args=(app.state.reader,), name="look-ahead", daemon=True).start()
    return app


def _sweep(opened: Oracle) -> None:
    while True:
        time.sleep(SWEEP_S)
        try:
            opened.database.drop_run_out()
        except CrowdproofError as trouble:
            problem("sweep", trouble)


def _look_ahead(reader: Reader) -> None:
    while True:
        try:
            reader.look_ahead()
        except CrowdproofError as trouble:
            problem("look-ahead", trouble)
        time.sleep(AHEAD_S)


def _refused(status: int) -> Any:
    async def handler(_: Any, error: Refused) -> Response:
        return problems.problem(status, error.code, str(error))

    return handler
