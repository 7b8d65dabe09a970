"""A contest of judgement as one call: proofs from the pending epoch's data, the deposit from the contract.

an answer of the pending epoch, evidence -> the transaction that contests its pay, or its rejection where it does not count.
"""

from dataclasses import dataclass

from oracle.adapters.chain import RpcChain
from oracle.adapters.satellites import disputes_of, pending
from oracle.ports import Call
from oracle.protocol import contests
from oracle.protocol.errors import BadInput
from oracle.protocol.state import State
from oracle.services import refute
from oracle.services.refute import Refuter


@dataclass(frozen=True, slots=True)
class Answer:
    """Which answer is meant."""

    job: int
    task: int
    worker: int


def filing(refuter: Refuter, chain: RpcChain, state: State, answer: Answer, uri: str) -> tuple[Call, int]:
    """(the call, index of the verdict in its tree). Raises BadInput where there is nothing to contest."""
    deployment = refuter.deployment
    disputes = disputes_of(chain, deployment)
    post = state.pending()
    if post is None:
        raise BadInput("no epoch is pending: what is final can be contested no more")
    epoch = refute.data_of(refuter, post)
    if epoch is None:
        raise BadInput(f"the data of epoch {post.epoch} is not in the store: without it nothing can be proven")
    of = (answer.job, answer.task, answer.worker)
    posted = refute.posted_of(refuter, state, post)
    about = f"of worker {answer.worker} for task {answer.task} of job {answer.job} in epoch {post.epoch}"
    deposit = disputes.ask("fee") + disputes.ask("bond")
    if contests.is_counted(epoch, *of):
        final = state.final()
        before = refute.data_of(refuter, final) if final else None
        pay = contests.pay(epoch, posted.debits, before, *of)
        words = (pay.verdict, pay.balance, pay.earning, pay.before, pay.debits, pay.debit)
        what, function, verdict = f"contest the pay {about}", "contestPay", pay.verdict
    else:
        no = contests.rejection(epoch, state, *of)
        words = (no.verdict, no.position, no.terms)  # type: ignore[assignment]
        what, function, verdict = f"contest the rejection {about}", "contestRejection", no.verdict
    return disputes.call(what, function, pending(deployment, posted), *words, uri, value=deposit), verdict.index
