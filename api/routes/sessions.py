"""Signing in and out with a wallet (EIP-4361)."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from api import problems, schemas
from api.gate import Gate, Session, SignedIn, Visitor
from api.reader import Reader
from oracle.protocol.errors import Refused

NO_STORE = {"Cache-Control": "no-store"}
Address = Annotated[str | None, Query(pattern="^0x[0-9a-fA-F]{40}$")]


def router(reader: Reader, gate: Gate) -> APIRouter:
    routes = APIRouter(prefix="/auth", tags=["sessions"])

    @routes.get("/nonce")
    def nonce(request: Request, response: Response, address: Address = None) -> schemas.Nonce:
        """A nonce that is good once; with `address` also the message for that wallet to sign."""
        response.headers.update(NO_STORE)
        made, until = gate.nonce()
        text = (
            gate.message(bytes.fromhex(address[2:]), made, request.headers.get("host", ""), until) if address else None
        )
        origin = gate.origins[0]
        return schemas.Nonce(
            nonce=made,
            expires_at=until,
            domain=origin.partition("://")[2],
            uri=origin,
            chain_id=gate.expected.chain_id,
            message=text,
        )

    @routes.post("/sign-in", responses={401: {"model": schemas.Problem}}, response_model=schemas.Session)
    def sign_in(body: schemas.SignIn) -> Response:
        """A session for the wallet that signed the message: as a cookie, or as a token for a bot."""
        try:
            session = gate.sign_in(body.message, body.signature)
        except Refused as refused:
            return problems.problem(401, refused.code, str(refused))
        found = _session(reader, session)
        if body.bearer:
            found.token = session.token
        response = JSONResponse(found.model_dump(mode="json", by_alias=True), headers=NO_STORE)
        if not body.bearer:
            response.set_cookie(
                gate.cookie, session.token, httponly=True, samesite="strict", secure=gate.safe, path="/"
            )
        return response

    @routes.post("/sign-out", status_code=204, response_class=Response)
    def sign_out(session: SignedIn) -> Response:
        """Ends this session."""
        gate.sign_out(session)
        response = Response(status_code=204)
        response.delete_cookie(gate.cookie, path="/", httponly=True, samesite="strict", secure=gate.safe)
        return response

    @routes.get("/session")
    def session(visitor: Visitor, response: Response) -> schemas.Session:
        """Who is signed in, if anybody."""
        response.headers.update(NO_STORE)
        return _session(reader, visitor) if visitor else schemas.Session()

    return routes


def _session(reader: Reader, session: Session) -> schemas.Session:
    worker = reader.state().worker_of.get(session.wallet)
    return schemas.Session(wallet=session.wallet, worker=worker, expires_at=session.until)
