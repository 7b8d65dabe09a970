"""The public API: what a worker, a requester and an auditor ask over HTTP. It holds no key and decides nothing.

Reads come from the index and the content store, with proofs, so that nothing needs to be believed; answers go to the committee.
Each resource is a module of api.routes.
"""

from typing import Any

from fastapi import FastAPI, Response

import oracle
from api import page, problems, schemas
from api.reader import NotFound, Reader
from api.routes import answers, chain, health, jobs, workers
from oracle.bootstrap import Oracle

MAX_BODY = 1 << 23
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": schemas.Problem} for status in (400, 404, 409, 413, 422, 503)
}


def create_app(opened: Oracle) -> FastAPI:
    """The application over an opened oracle."""
    app = FastAPI(title="crowdproof", version=oracle.__version__, responses=PROBLEMS)
    problems.install(app, MAX_BODY)
    app.add_exception_handler(NotFound, _not_found)
    reader = Reader(opened)
    for resource in (chain, jobs, workers, answers):
        app.include_router(resource.router(reader))
    health.install(app, health.of_oracle(opened))
    page.install(app, opened.rpc)
    return app


async def _not_found(_: Any, error: Exception) -> Response:
    return problems.problem(404, "not-found", str(error))
