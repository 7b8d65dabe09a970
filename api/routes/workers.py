"""Workers: what they are asked, what they earned, and the two wishes that a relayer fulfils for them."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query

from api import schemas
from api.gate import Forbidden, SignedIn
from api.reader import Reader
from oracle.ports import OfferedAssignment, Registration
from oracle.protocol import messages
from oracle.protocol.errors import Refused
from oracle.protocol.hashing import ZERO, keccak
from oracle.protocol.keys import checksum, require_signer
from oracle.protocol.messages import Claim, Register
from oracle.protocol.state import Worker

MARGIN_S = 60  # that a wish must still hold, or the relayer's transaction could come too late
OfJob = Annotated[int | None, Query(ge=0, lt=1 << 32)]


def router(reader: Reader) -> APIRouter:
    routes = APIRouter(tags=["workers"])
    oracle = reader.oracle

    @routes.get("/workers/{worker}")
    def worker(worker: str) -> schemas.Worker:
        """By index or by wallet."""
        number, found = reader.worker(worker)
        return schemas.Worker(worker=number, wallet=found.wallet, keys=found.keys, revoked=sorted(found.revoked))

    @routes.get("/workers/{worker}/assignments")
    def offers(worker: str, session: SignedIn, job: OfJob = None) -> list[schemas.Assignment]:
        """What the worker was offered, each bound by a member's signature; for its own wallet alone."""
        number, found = reader.worker(worker)
        if found.wallet != session.wallet:
            raise Forbidden(f"the assignments of worker {number} are for its wallet alone")
        return [_assignment(reader, offer) for offer in oracle.database.assignments(job, number)]

    @routes.get("/workers/{worker}/balance")
    def balance(worker: str) -> schemas.Balance:
        """What the worker earned, with the proof that a claim needs."""
        return _balance(reader, *reader.worker(worker))

    @routes.post("/registrations", status_code=202)
    def register_by_relay(body: schemas.RegistrationIn) -> schemas.Queued:
        """Queues a wallet for the relayer's next registration; nothing to pay."""
        wish = Register(body.wallet, body.key, 0, body.valid_until)
        bound = messages.digest(oracle.deployment.workers_domain(), wish)
        require_signer(body.wallet, bound, body.signature, "the registration")
        if not any(body.key):
            raise Refused("no-key", "the registration names no answer key")
        if body.wallet in reader.state().worker_of:
            raise Refused("already-registered", f"{checksum(body.wallet)} is registered")
        _require_valid(reader, body.valid_until, "registration")
        oracle.database.add_registrations([Registration(body.wallet, body.key, body.valid_until, body.signature)])
        return schemas.Queued(status="queued")

    @routes.post("/claims", status_code=202)
    def claim_by_relay(body: schemas.ClaimIn) -> schemas.Queued:
        """Queues a worker for the relayer's next batch of claims; the money goes to the worker's wallet."""
        _, found = reader.worker(str(body.worker))
        wish = Claim(body.worker, body.cumulative, body.valid_until)
        require_signer(found.wallet, messages.digest(oracle.deployment.domain(), wish), body.signature, "the claim")
        _require_valid(reader, body.valid_until, "claim")
        oracle.database.add_claims([body.worker])
        return schemas.Queued(status="queued")

    return routes


def _require_valid(reader: Reader, until: int, what: str) -> None:
    if until < reader.oracle.index.now + MARGIN_S:
        raise Refused(f"{what}-expired", f"the {what} holds until block time {until}: sign it for longer")


def _assignment(reader: Reader, offer: OfferedAssignment) -> schemas.Assignment:
    seal = reader.content(reader.job(offer.job))[0].seal
    return schemas.Assignment.model_validate({**asdict(offer), "seal": seal})


def _balance(reader: Reader, number: int, worker: Worker) -> schemas.Balance:
    state, unit = reader.state(), reader.unit
    final, pending = state.final(), state.pending()
    earned, earnings, proof = 0, ZERO, []
    if final:
        balances = reader.epoch(final).balances
        if number < len(balances):
            earned, earnings = balances[number].cumulative, keccak(balances[number].earnings)
            proof = reader.proof(final, "balances", number)
    coming = reader.epoch(pending).balances if pending else ()
    later = coming[number].cumulative - earned if number < len(coming) else 0
    claimed = state.claimed.get(number, 0)
    return schemas.Balance(
        worker=number,
        wallet=worker.wallet,
        cumulative=earned * unit,
        claimed=claimed * unit,
        claimable=max(earned - state.taken(number), 0) * unit,
        pending=later * unit,
        units=earned,
        epoch=final.epoch if proof and final else 0,
        earnings=earnings,
        proof=proof,
    )
