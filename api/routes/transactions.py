"""Transactions ready to send, for every on-chain action: to, data, value. Nothing is sent here; no key is held.

Each is also a batch by EIP-5792. What a contract would refuse is mostly refused here already, with the reason.
"""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter

from api import schemas
from api.gate import SignedIn
from api.reader import NotFound, Reader
from api.routes import drafts
from oracle.adapters.satellites import court_of, disputes_of, hatch_of
from oracle.bootstrap import Oracle
from oracle.contesting import Answer, filing
from oracle.ports import Call, Permit
from oracle.protocol import contests
from oracle.protocol.deployment import NOBODY
from oracle.protocol.errors import BadInput, Refused
from oracle.protocol.keys import checksum
from oracle.protocol.leaves import Balance
from oracle.protocol.state import EpochStatus
from oracle.protocol.terms import MAX_AMOUNT
from oracle.services import refute


def router(reader: Reader) -> APIRouter:
    routes = APIRouter(prefix="/transactions", tags=["transactions"])
    for add in (_add_jobs, _add_accounts, _add_epochs, _add_contests):
        add(routes, reader)
    return routes


def _add_jobs(routes: APIRouter, reader: Reader) -> None:
    oracle = reader.oracle

    @routes.post("/approve")
    def approve(body: schemas.ApproveIn) -> schemas.Transactions:
        """The Market may take so much of the sender's tokens."""
        return ready(oracle, oracle.calls.approve(oracle.deployment.token, oracle.deployment.market, body.amount))

    @routes.post("/open")
    def open_job(body: schemas.OpenIn, session: SignedIn) -> schemas.Transactions:
        """Funds a draft of yours: with a permit in one transaction, else approve and open."""
        draft = drafts.draft_of(oracle, session, body.terms)
        permit = Permit(body.permit.deadline, body.permit.signature) if body.permit else None
        return ready(oracle, *drafts.opening(oracle, draft, permit))

    @routes.post("/top-up")
    def top_up(body: schemas.TopUpIn) -> schemas.Transactions:
        """More escrow for a job, from anybody: allow it, then add it."""
        reader.job(body.job)
        units, rest = divmod(body.amount, oracle.deployment.unit)
        if rest or units > MAX_AMOUNT:
            what = "is no multiple of" if rest else f"is more than {MAX_AMOUNT} times"
            raise BadInput(f"amount: {body.amount} {what} {oracle.deployment.unit}, the Market's unit")
        allow = oracle.calls.approve(oracle.deployment.token, oracle.deployment.market, body.amount)
        return ready(oracle, allow, oracle.calls.top_up(body.job, units), atomic=True)

    @routes.post("/close")
    def close(body: schemas.JobIn) -> schemas.Transactions:
        """Brings the deadline of the sender's own job forward to now."""
        return ready(oracle, oracle.calls.close_job(body.job, reader.job(body.job).terms.hash()))

    @routes.post("/refund")
    def refund(body: schemas.JobIn) -> schemas.Transactions:
        """Gives the requester what is neither reserved nor owed, once the job is over. Anybody may send it."""
        job = reader.job(body.job)
        return ready(oracle, oracle.calls.refund(body.job, job.requester, job.terms.hash(), job.refunded))


def _add_accounts(routes: APIRouter, reader: Reader) -> None:
    oracle = reader.oracle

    @routes.post("/register")
    def register() -> schemas.Transactions:
        """The sender becomes a worker; its wallet is its answer key. (POST /registrations does it without gas.)"""
        return ready(
            oracle, Call("register as a worker", oracle.deployment.workers, _encode(oracle, "Workers", "register"))
        )

    @routes.post("/claim")
    def claim(body: schemas.WorkerIn) -> schemas.Transactions:
        """Pays a worker all that is claimable, to its own wallet. Anybody may send it. (POST /claims does it without gas.)"""
        number, _ = reader.worker(str(body.worker))
        state, final = reader.state(), reader.state().final()
        balances: Sequence[Balance] = reader.epoch(final).balances if final else ()
        if final is None or number >= len(balances) or balances[number].cumulative <= state.taken(number):
            raise Refused("nothing-to-claim", f"worker {number} has nothing to claim now")
        return ready(oracle, oracle.calls.claim(balances[number], reader.proof(final, "balances", number)))

    @routes.post("/stake")
    def stake(body: schemas.StakeIn) -> schemas.Transactions:
        """Coin for a member's stake, from anybody."""
        what = f"stake {body.wei} wei for {checksum(body.member)}"
        return ready(
            oracle,
            Call(
                what,
                oracle.deployment.committee.address,
                _encode(oracle, "Committee", "stake", body.member),
                value=body.wei,
            ),
        )

    @routes.post("/withdraw")
    def withdraw() -> schemas.Transactions:
        """The sender's coin: bonds and rewards from contests, the hatch, strikes and demands."""
        found = []
        if oracle.deployment.disputes != NOBODY:
            disputes = disputes_of(oracle.chain, oracle.deployment)
            found.append(disputes.call("withdraw from Disputes", "withdraw"))
        if oracle.deployment.hatch != NOBODY:
            found.append(hatch_of(oracle.chain, oracle.deployment).call("withdraw from the Hatch", "withdraw"))
        return ready(oracle, *found)


def _add_epochs(routes: APIRouter, reader: Reader) -> None:
    oracle = reader.oracle

    @routes.post("/finalise")
    def finalise() -> schemas.Transactions:
        """Makes the pending epoch final, once its window is over. Anybody may send it."""
        post = reader.state().pending()
        if post is None:
            raise Refused("nothing-pending", "no epoch is pending")
        posted = refute.posted_of(oracle.refuter(), reader.state(), post)
        return ready(oracle, oracle.calls.finalise_epoch(posted.header, posted.signers))

    @routes.post("/refute")
    def refutation(body: schemas.RefuteIn) -> schemas.Refutation:
        """What strikes an epoch that is wrong, or demands a leaf that is not there; nothing where it stands."""
        state = reader.state()
        post = state.posts.get(body.epoch)
        if post is None:
            raise NotFound(f"there is no epoch {body.epoch}")
        found = refute.refute(oracle.refuter(rewarded=body.beneficiary), state, oracle.index.now, post, dry=True)
        return schemas.Refutation(
            did=found.did,
            what=found.what,
            faults=[str(fault) for fault in found.faults[:100]],
            missing=len(found.missing),
            transactions=ready(oracle, *([found.call] if found.call else [])),
        )


def _add_contests(routes: APIRouter, reader: Reader) -> None:
    oracle = reader.oracle

    @routes.post("/contest")
    def contest(body: schemas.ContestIn, session: SignedIn) -> schemas.Transactions:  # noqa: ARG001 - evidence is stored
        """Contests the pay of an answer of the pending epoch, or its rejection; `value` is the deposit."""
        answer = Answer(body.job, body.task, body.worker)
        reader.job(body.job)
        stored = contests.block(contests.shown(body.title or "Evidence", body.text))
        call, _ = filing(oracle.refuter(), oracle.chain, reader.state(), answer, contests.uri(stored))
        oracle.content.put_many([stored])
        return ready(oracle, call)

    @routes.post("/contest-step")
    def contest_step(body: schemas.ContestStepIn) -> schemas.Transactions:
        """The next step of a contest: confirm, raise, appeal or settle."""
        disputes = disputes_of(oracle.chain, oracle.deployment)
        if not 0 < body.contest <= disputes.ask("contestCount"):
            raise NotFound(f"there is no contest {body.contest}")
        found = disputes.struct("contestOf", body.contest)
        if found["market"] != oracle.deployment.market:
            raise NotFound(f"contest {body.contest} is of another Market")
        args: tuple[Any, ...] = ()
        value = 0
        if body.step == "confirm":
            post, links = contests.fate(reader.state(), found["head"])
            args = (post.status is EpochStatus.STRUCK, links)
        elif body.step == "appeal":
            value = court_of(oracle.chain, oracle.deployment).ask("appealCost", found["dispute"], b"")
        what = f"{body.step} contest {body.contest}"
        return ready(oracle, disputes.call(what, body.step, body.contest, *args, value=value))


def ready(oracle: Oracle, *made: Call, atomic: bool = False) -> schemas.Transactions:
    """Calls that create no contract, as a wallet takes them."""
    listed = [schemas.Call(what=c.what, to=c.to or NOBODY, data=c.data, value=c.value) for c in made]
    return schemas.Transactions(
        chain_id=oracle.deployment.chain_id, calls=listed, atomic_required=atomic and len(listed) > 1
    )


def _encode(oracle: Oracle, contract: str, function: str, *args: Any) -> bytes:
    return oracle.chain.interfaces.encode(contract, function, *args)
