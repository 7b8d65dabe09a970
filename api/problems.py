"""Errors as problem documents (RFC 9457), and the limits that every route shares."""

import os
import signal
from collections.abc import Mapping

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from oracle.adapters.peers import problem_of
from oracle.protocol.errors import CommitteeChanged, CrowdproofError
from oracle.telemetry import METRICS

MEDIA_TYPE = "application/problem+json"


def install(app: FastAPI, max_body: int, larger: Mapping[str, int] | None = None) -> None:
    """Every refusal of `app` becomes a problem document; bodies over `max_body` bytes are not read.

    larger: limits of the paths that take more.
    """
    app.add_exception_handler(CrowdproofError, _crowdproof)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(StarletteHTTPException, _http)
    app.add_middleware(BodyLimit, max_body=max_body, larger=larger or {})


def problem(status: int, code: str, detail: str) -> JSONResponse:
    document = {"type": f"urn:crowdproof:{code}", "title": code, "status": status, "detail": detail}
    return JSONResponse(document, status, media_type=MEDIA_TYPE)


async def _crowdproof(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, CrowdproofError)  # noqa: S101 - the handler is registered for this class alone
    if isinstance(error, CommitteeChanged):
        os.kill(
            os.getpid(), signal.SIGTERM
        )  # serves what is under way and ends; whoever keeps it alive starts it again
    status, document = problem_of(error)
    METRICS.refusal(document["title"])
    return JSONResponse(document, status, media_type=MEDIA_TYPE)


async def _validation(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:5])
    return problem(422, "invalid-request", wrong)


async def _http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StarletteHTTPException)  # noqa: S101
    return problem(error.status_code, "http-error", str(error.detail))


class BodyLimit:
    """Stops a body at the limit of its path, announced or streamed."""

    def __init__(self, app: ASGIApp, max_body: int, larger: Mapping[str, int]) -> None:
        self._app, self._max, self._larger = app, max_body, larger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = self._larger.get(scope["path"], self._max)
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if not announced.isdigit() or int(announced[:20]) > most:
            await problem(413, "body-too-large", f"a body has at most {most} bytes")(scope, receive, send)
            return
        seen = 0

        async def limited() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > most:
                raise HTTPException(413, f"a body has at most {most} bytes")
            return message

        await self._app(scope, limited, send)
