"""One module for each resource: `router(reader)` gives its routes."""

from collections.abc import Sequence
from typing import Annotated, TypeVar

from fastapi import Depends, Path, Query, Request, Response
from pydantic import BaseModel

T = TypeVar("T")

PAGE = 1_000
Limit = Annotated[int, Query(ge=1, le=PAGE)]
From = Annotated[int, Query(alias="from", ge=0, lt=1 << 32)]
Number = Annotated[int, Path(ge=0, lt=1 << 32)]


async def _bytes(request: Request) -> bytes:
    return await request.body()


Raw = Annotated[bytes, Depends(_bytes)]  # the body as it came


def part(
    request: Request, response: Response, found: Sequence[T], limit: int, following: int | str, name: str = "from"
) -> Sequence[T]:
    """The first `limit` of what was found; where there is more, the header Link says where the next page begins (RFC 8288)."""
    if len(found) > limit:
        target = request.url.include_query_params(**{name: following})
        response.headers["Link"] = f'<{target.path}?{target.query}>; rel="next"'
    return found[:limit]


def written(document: BaseModel, status: int = 200) -> Response:
    """As FastAPI would write it, which would check it first: for the busiest routes, whose documents were just checked."""
    return Response(document.model_dump_json(by_alias=True), status, media_type="application/json")
