"""A committee member's own HTTP interface: to the oracle that works with it, on a private address.

Every route but health asks for the operator's token. What a member refuses does not depend on who asks.
"""

import hmac
from io import BytesIO
from typing import Annotated, Any

from fastapi import Body, Depends, FastAPI, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.exceptions import HTTPException

from api import problems
from oracle.adapters.car import read_car, write_car
from oracle.ports import ContentStore, Evidence, StoredAnswer
from oracle.protocol.cids import Cid, parse
from oracle.protocol.messages import Header
from oracle.protocol.plain import from_json, to_json
from oracle.services.member import Member

MAX_BODY = 1 << 29  # the blocks of an epoch
Pairs = list[tuple[int, int, int]]


def create_app(member: Member, content: ContentStore, token: str) -> FastAPI:
    """The member's application; sync routes run on threads, one request is one call of `Member`."""
    bearer = HTTPBearer(auto_error=False)

    def operator(given: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]) -> None:
        if given is None or not hmac.compare_digest(given.credentials, token):
            raise HTTPException(401, "this member serves its own operator")

    app = FastAPI(title="crowdproof member", openapi_url=None)
    problems.install(app, MAX_BODY)
    guarded = [Depends(operator)]

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/assignments", dependencies=guarded)
    def assign(body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        return {"assignments": to_json(member.assign(from_json(Pairs, body.get("pairs"), "pairs")))}

    @app.post("/answers", dependencies=guarded)
    def accept(body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        receipt, signature = member.accept(from_json(list[StoredAnswer], body.get("answers"), "answers"))
        return {**to_json(receipt), "signature": signature.hex()}

    @app.post("/proposals", dependencies=guarded)
    def propose(body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        return {"proposal": to_json(member.propose(from_json(Evidence, body, "evidence")))}

    @app.post("/signatures", dependencies=guarded)
    def approve(body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        return {"signature": member.approve(from_json(Header, body, "header")).hex()}

    @app.get("/blocks/{root}", dependencies=guarded)
    def blocks(root: str) -> Response:
        parse(root)
        out = BytesIO()
        write_car(content, [Cid(root)], out)
        return Response(out.getvalue(), media_type="application/vnd.ipld.car")

    @app.post("/blocks", dependencies=guarded)
    async def store(request: Request) -> dict[str, Any]:
        return {"roots": read_car(BytesIO(await request.body()), content, MAX_BODY)}

    return app
