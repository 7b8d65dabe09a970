"""A committee member's own HTTP interface: to the oracle that works with it, on a private address.

Every route but those of health asks for the operator's token, before a byte of the body is read. What a member refuses does not
depend on who asks.
"""

import hmac
import json
from io import BytesIO
from typing import Annotated, Any

from fastapi import Body, FastAPI, Response
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from api import problems
from api.routes import Raw, health
from oracle.adapters.car import read_car, write_car
from oracle.ports import ContentStore, Evidence, Holding, Shares, SignedWish, StoredAnswer
from oracle.protocol.cids import Cid, parse
from oracle.protocol.errors import BadInput, ContentMismatch
from oracle.protocol.messages import Header
from oracle.protocol.plain import from_json, to_json
from oracle.services.member import Member
from oracle.telemetry import METRICS, Ready

MAX_JSON = 1 << 26
MAX_BLOCKS = 1 << 29  # the blocks of an epoch
Pairs = list[tuple[int, int, int]]
Json = Annotated[dict[str, Any], Body()]


def create_app(member: Member, content: ContentStore, token: str, ready: Ready | None = None) -> FastAPI:
    """The member's application; sync routes run on threads, one request is one call of `Member`.

    ready: what the member waits for [its view of the chain, its database, its store].
    """
    app = FastAPI(title="crowdproof member", openapi_url=None)
    problems.install(app, MAX_JSON, {"/blocks": MAX_BLOCKS})
    app.add_middleware(Operator, token=token)  # asked before all else but the count of requests
    health.install(app, ready or health.of_member(member, content))

    @app.post("/assignments")
    def assign(body: Json) -> dict[str, Any]:
        return {"assignments": to_json(member.assign(_read(Pairs, body, "pairs")))}

    @app.post("/appraisals")
    def appraise(body: Json) -> dict[str, Any]:
        return {"appraisal": to_json(member.appraise(_read(Pairs, body, "pairs")))}

    @app.post("/answers")
    def accept(body: Raw) -> Response:
        """The busiest route: read on the request's own thread, and answered without a model."""
        batch = _read(list[StoredAnswer], _json(body), "answers")
        with health.counted(len(batch)):
            receipt, signature = member.accept(batch)
        return JSONResponse({**to_json(receipt), "signature": signature.hex()})

    @app.post("/proposals")
    def propose(body: Json) -> dict[str, Any]:
        found = member.propose(from_json(Evidence, body, "evidence"))
        if found:
            METRICS.epoch("proposed")
        return {"proposals": to_json([found] if found else [])}

    @app.post("/reviews")
    def review(body: Json) -> dict[str, Any]:
        member.review(from_json(Header, body, "header"))
        METRICS.epoch("reviewed")
        return {"agreed": True}

    @app.post("/signatures")
    def approve(body: Json) -> dict[str, Any]:
        signature = member.approve(from_json(Header, body, "header"))
        METRICS.epoch("signed")
        return {"signature": signature.hex()}

    @app.get("/blocks/{root}")
    def blocks(root: str) -> Response:
        parse(root)
        out = BytesIO()
        write_car(content, [Cid(root)], out)
        return Response(out.getvalue(), media_type="application/vnd.ipld.car")

    @app.post("/blocks")
    def store(car: Raw) -> dict[str, Any]:
        try:
            return {"roots": read_car(BytesIO(car), content, MAX_BLOCKS)}
        except ContentMismatch as problem:
            raise BadInput(str(problem)) from None

    _install_shares(app, member)
    _install_bands(app, member)
    return app


def _install_shares(app: FastAPI, member: Member) -> None:
    """What opens answers whose keys are split."""

    @app.post("/holdings")
    def attest(body: Json) -> dict[str, Any]:
        said = member.attest(_read(list[StoredAnswer], body, "answers"))
        return {"holdings": to_json([said] if said else [])}

    @app.post("/shares")
    def tell(body: Json) -> dict[str, Any]:
        shown = _read(list[StoredAnswer], body, "answers", "holdings")
        told = member.tell(shown, _read(list[Holding], body, "holdings", "answers"))
        return {"shares": to_json([told] if told else [])}

    @app.put("/shares")
    def learn(body: Json) -> dict[str, Any]:
        member.learn(_read(list[Shares], body, "shares"))
        return {"learned": True}


def _install_bands(app: FastAPI, member: Member) -> None:
    """What shows a worker's standing without its name."""

    @app.get("/bands/{job}")
    def band_keys(job: int) -> dict[str, Any]:
        return {"keys": to_json(member.band_keys(job))}

    @app.post("/bands")
    def certify(body: Json) -> dict[str, Any]:
        return {"signed": member.certify(from_json(SignedWish, body, "wish")).hex()}


class Operator:
    """Lets nobody pass without the token, but to what tells how the process is."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app, self._expected = app, f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in health.OPEN:
            given: bytes = dict(scope["headers"]).get(b"authorization", b"")
            if not hmac.compare_digest(given, self._expected):
                refusal = problems.problem(401, "no-token", "this member serves its own operator")
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _json(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise BadInput("the body is no JSON") from None
    if not isinstance(found, dict):
        raise BadInput("the body is no JSON object")
    return found


def _read(kind: Any, body: dict[str, Any], field: str, *others: str) -> Any:
    """A field of a body that has it and the `others`."""
    if body.keys() != {field, *others}:
        raise BadInput(f"the body has the fields {', '.join(sorted([field, *others]))} and no other")
    return from_json(kind, body[field], field)
