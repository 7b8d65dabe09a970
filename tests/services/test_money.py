"""What a member proposes and signs where others than epochs take from a job: rulings, and the hatch."""

from collections.abc import Iterator

import pytest

from oracle.ports import Evidence, Proposal
from oracle.protocol import events as ev
from oracle.protocol.errors import Refused
from oracle.protocol.heads import Debit
from oracle.services import rules, settle
from tests.services.test_epochs import load, propose
from tests.support.committee import WINDOW, Town
from tests.support.epochs import wallet_of

NOTHING = Evidence()
BASE, BONUS = 1_000, 300
FULL = 3 * (BASE + BONUS)  # of a task with three answers
JOB, TASKS = 1, 3
WALLET = wallet_of("worker 1")


@pytest.fixture
def town() -> Iterator[Town]:
    """A job with all its answers at all members."""
    town = Town()
    town.ready_job(TASKS, answers=3)
    yield town
    town.close()


def award(town: Town, amount: int) -> None:
    """A ruling, or the hatch, pays from the job."""
    town.chain.mine(ev.JobReserved(JOB, amount), ev.JobAwarded(JOB, WALLET, amount))


def tasks(town: Town, proposal: Proposal | None) -> list[int]:
    return [verdict.task for verdict in load(town, proposal.header).verdicts] if proposal else []


def refusal(town: Town, proposal: Proposal) -> str:
    """The code with which each other member refuses to review and to sign."""
    codes = set()
    for member in town.all[1:]:
        for ask in (member.review, member.approve):
            with pytest.raises(Refused) as refused:
                ask(proposal.header)
            codes.add(refused.value.code)
    (code,) = codes
    return code


def test_left__everything_that_takes_and_gives__is_what_the_market_lets_go(town: Town) -> None:
    job = town.state.jobs[JOB]
    assert rules.left(job, ()) == job.escrow
    assert rules.left(job, (1_000, 39)) == job.escrow - 1_000 - 25 - 39  # 2.5 %, each rounded down
    award(town, 70)
    town.chain.mine(ev.JobReserved(JOB, 7), ev.JobFunded(JOB, 5))
    job = town.state.jobs[JOB]
    job.returned, job.refunded = 11, 13
    assert rules.left(job, ()) == job.terms.escrow() + 5 - 70 - 7 + 11 - 13


def test_propose__a_job_that_a_ruling_took_from__decides_what_still_fits(town: Town) -> None:
    award(town, 1)
    proposal = propose(town)
    assert tasks(town, proposal) == [0, 1]
    (debit,) = proposal.debits
    for member in town.all:
        member.approve(proposal.header)
    assert debit.pay + town.state.jobs[JOB].terms.fee(debit.pay) <= town.state.jobs[JOB].escrow - 1


def test_propose__money_that_was_reserved__is_left_alone_until_it_is_released(town: Town) -> None:
    town.chain.mine(ev.JobReserved(JOB, town.state.jobs[JOB].escrow - FULL * 2))
    assert tasks(town, propose(town)) == [0]
    town.chain.mine(ev.JobReleased(JOB, town.state.jobs[JOB].reserved))
    assert tasks(town, propose(town)) == [0, 1, 2]


def test_propose__after_an_epoch__counts_what_it_debited(town: Town) -> None:
    award(town, 1)
    settler = town.settler()
    assert settle.post_next(settler, town.state)
    town.chain.mine(seconds=WINDOW)
    assert settle.finalise_pending(settler, town.state, town.index.now)
    (debit,) = load(town, propose(town).header).debits  # the first two cost less than they might have
    first = 2 * (3 * BASE + 2 * BONUS)
    terms, left = town.state.jobs[JOB].terms, rules.left(town.state.jobs[JOB], (first,))
    assert debit.pay + terms.fee(debit.pay) <= left
    assert left == terms.escrow() - 1 - first - terms.fee(first)
    town.chain.mine(ev.JobReserved(JOB, left - FULL - terms.fee(FULL) + 1))
    assert town.all[0].propose(NOTHING) is None


def test_review__an_epoch_that_debits_more_than_is_left__is_refused(town: Town) -> None:
    proposal = propose(town)
    (debit,) = proposal.debits
    terms = town.state.jobs[JOB].terms
    spare = terms.escrow() - debit.pay - terms.fee(debit.pay)
    award(town, spare)
    for member in town.all:
        member.review(proposal.header)
    award(town, 1)
    assert refusal(town, proposal) == "beyond-escrow"


def test_propose__an_answer_that_the_hatch_paid__keeps_its_task_out(town: Town) -> None:
    town.chain.mine(ev.HatchPaid(town.deployment.market, JOB, 2, 1, BASE))
    proposal = propose(town)
    assert tasks(town, proposal) == [0, 2]
    assert proposal.debits == (Debit(JOB, 2 * (3 * BASE + 2 * BONUS), 1),)
    for member in town.all:
        member.approve(proposal.header)


def test_review__an_epoch_that_lists_what_the_hatch_paid__is_refused(town: Town) -> None:
    proposal = propose(town)
    town.chain.mine(ev.HatchPaid(town.deployment.market, JOB, 9, 1, BASE))  # of a worker who is not listed
    for member in town.all:
        member.review(proposal.header)
    town.chain.mine(ev.HatchPaid(town.deployment.market, JOB, 2, 1, BASE))
    assert refusal(town, proposal) == "paid-by-hatch"
