"""Idempotency keys: a request that stores something is done once, however often it is sent.

The header `Idempotency-Key` names it for a day, for one wallet and one route. The same key with the same body gets the same answer;
with another body it is refused; while the first is under way the second is told to wait. A request that failed may be sent again.
"""

import hashlib
import time
from collections.abc import Callable

from fastapi import Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel

from api.gate import Session
from oracle.adapters.database import SqlDatabase
from oracle.ports import Kept
from oracle.protocol.errors import BadInput, Refused

HEADER = "Idempotency-Key"
KEPT_S = 86_400.0
UNDER_WAY_S = 300.0  # after which one that was cut off may be done again
MOST = 200


def once(
    database: SqlDatabase,
    request: Request,
    session: Session,
    body: BaseModel,
    work: Callable[[], BaseModel],
    status: int = 201,
) -> Response:
    """What `work` gives, or what it gave before. Raises Refused("key-reused") or Refused("under-way")."""
    key = request.headers.get(HEADER)
    if key is None:
        return _response(work().model_dump(mode="json", by_alias=True), status)
    if not 0 < len(key) <= MOST:
        raise BadInput(f"{HEADER}: 1 to {MOST} characters")
    name = _hashed(session.owner, request.method, request.url.path, key)
    bound = _hashed(body.model_dump_json())
    if not database.keep(Kept("repeat", name, session.owner, {"body": bound}, time.time() + UNDER_WAY_S)):
        return _again(database, name, bound, status)
    try:
        document = work().model_dump(mode="json", by_alias=True)
    except BaseException:
        database.take("repeat", name)
        raise
    database.put(Kept("repeat", name, session.owner, {"body": bound, "answer": document}, time.time() + KEPT_S))
    return _response(document, status)


def _again(database: SqlDatabase, name: str, bound: str, status: int) -> Response:
    kept = database.kept("repeat", name)
    if kept is None or ("answer" not in kept.value and kept.value["body"] == bound):
        raise Refused("under-way", "a request with this key is under way: ask again in a moment")
    if kept.value["body"] != bound:
        raise Refused("key-reused", f"this {HEADER} came with another body before: take a new one")
    return _response(kept.value["answer"], status, {"Idempotent-Replayed": "true"})


def _response(document: object, status: int, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse(document, status, headers=headers)


def _hashed(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()
