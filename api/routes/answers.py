"""Answers in, receipts out; and the typed data that a wallet signs for them."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Response

from api import schemas
from api.reader import NotFound, Reader
from api.routes import written
from api.routes.health import counted
from oracle.ports import StoredAnswer, StoredReceipt
from oracle.protocol import messages
from oracle.protocol.errors import BadInput
from oracle.protocol.messages import Claim, Message, Register
from oracle.protocol.plain import from_json
from oracle.services.receive import Receiver

KINDS: dict[str, type[Message]] = {"Answer": messages.Answer, "Register": Register, "Claim": Claim}


def router(reader: Reader) -> APIRouter:
    routes = APIRouter(tags=["answers"])
    oracle = reader.oracle
    receiver = Receiver(oracle.deployment, oracle.database, oracle.peers)

    @routes.post("/answers", status_code=201, response_model=schemas.Receipt)
    def answers(body: schemas.AnswersIn) -> Response:
        """A batch of one job's sealed answers; the receipt is signed by a quorum. All or none is accepted."""
        terms = reader.terms(_one_job(body.answers)).hash()
        with counted(len(body.answers)):
            found = receiver.receive([_stored(answer) for answer in body.answers], terms)
        return written(_receipt(found), 201)

    @routes.get("/receipts/{answer}")
    def receipt(answer: str) -> schemas.Receipt:
        """The receipt of an answer, by its digest."""
        found = oracle.database.receipt_of(_digest(answer))
        if found is None:
            raise NotFound(f"no receipt for {answer[:70]}")
        return _receipt(found)

    @routes.post("/typed-data")
    def typed_data(body: schemas.TypedDataIn) -> dict[str, Any]:
        """The EIP-712 document for a wallet to sign: no front end needs our encodings."""
        kind = KINDS[body.kind]
        message = from_json(kind, {_snake(name): value for name, value in body.message.items()}, "message")
        domain = oracle.deployment.workers_domain() if kind is Register else oracle.deployment.domain()
        try:
            return messages.typed_data(domain, message)
        except (ValueError, OverflowError) as problem:
            raise BadInput(f"message: {problem}") from None

    return routes


def _one_job(answers: Sequence[schemas.AnswerIn]) -> int:
    jobs = {answer.job for answer in answers}
    if len(jobs) != 1:
        raise BadInput("answers: a batch holds the answers of one job")
    return jobs.pop()


def _stored(answer: schemas.AnswerIn) -> StoredAnswer:
    return StoredAnswer(**{name: getattr(answer, name) for name in type(answer).model_fields})


def _receipt(found: StoredReceipt) -> schemas.Receipt:
    return schemas.Receipt(
        root=found.root, size=len(found.digests), answers=list(found.digests), signatures=list(found.signatures)
    )


def _digest(text: str) -> bytes:
    try:
        found = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        found = b""
    if len(found) != 32:
        raise BadInput(f"{text[:70]!r} is not the digest of an answer (32 bytes in hex)")
    return found


def _snake(name: str) -> str:
    return "".join("_" + c.lower() if c.isupper() else c for c in name)
