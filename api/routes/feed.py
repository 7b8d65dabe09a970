"""The chain's events as they are finalised: server-sent events with replay from a cursor.

One task looks for new events, whoever listens; a listener that was away says what it saw last (Last-Event-ID, or `after`) and gets
the rest from the database first. Every event has its cursor as its id.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse

from api.news import News
from api.routes.audit import After, Kind, is_about, log_of, read_cursor
from oracle.protocol.events import Log

BEAT_S = 15.0  # between two signs of life
PAGE = 1_000


def router(news: News) -> APIRouter:
    routes = APIRouter(tags=["feed"])

    @routes.get("/events", response_class=StreamingResponse, responses={200: {"content": {"text/event-stream": {}}}})
    async def events(
        request: Request,
        after: Annotated[After | None, Query()] = None,
        kind: Kind = None,
        job: Annotated[int | None, Query(ge=0, lt=1 << 32)] = None,
        most: Annotated[int | None, Query(ge=0, le=100_000, description="Ends after so many events.")] = None,
    ) -> StreamingResponse:
        """Events from now on, or after a cursor (-1.-1: from the first), as they come; named by their kind."""
        cursor = request.headers.get("last-event-id") or after
        place = read_cursor(cursor) if cursor else None
        stream = _stream(news, place, kind, job, most)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(stream, media_type="text/event-stream", headers=headers)

    return routes


async def _stream(
    news: News, place: tuple[int, int] | None, kind: str | None, job: int | None, most: int | None
) -> AsyncIterator[bytes]:
    at = news.end if place is None else place
    yield b"retry: 2000\n\n"
    sent = 0
    while most is None or sent < most:
        found = await news.after(at, PAGE)
        if not found:
            if most is not None and place is not None:
                return
            try:
                await asyncio.wait_for(news.wait(at), BEAT_S)
            except TimeoutError:
                yield b": still here\n\n"
            continue
        for log in found:
            at = (log.block, log.index)
            if is_about(log, kind, job) and (most is None or sent < most):
                sent += 1
                yield _event(log)


def _event(log: Log) -> bytes:
    document = log_of(log).model_dump(mode="json", by_alias=True)
    return f"id: {document['cursor']}\nevent: {document['kind']}\ndata: {json.dumps(document)}\n\n".encode()
