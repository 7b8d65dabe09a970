"""Whether an epoch obeys the rules: what a member checks before it signs and an auditor afterwards.

epoch, state, ledger -> faults, each named by epoch, tree and index. Where refutations will prove a fault on chain, the
same fault is found here: R1 wrong verdict, R2 forged answer, R3 wrong pay, R4 invalid list. Pay follows from the
verdicts, so it is only compared when they have no fault.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from oracle.protocol import epoch as ep
from oracle.protocol import scoring
from oracle.protocol.epoch import Epoch
from oracle.protocol.errors import Refused
from oracle.protocol.hashing import ZERO, keccak
from oracle.protocol.heads import Debit
from oracle.protocol.keys import recover
from oracle.protocol.leaves import NO_ROW, Core, Opening, Status, Verdict
from oracle.protocol.ledger import Ledger
from oracle.protocol.messages import Answer, Domain, digest
from oracle.protocol.pages import Fault
from oracle.protocol.sealing import commitment
from oracle.protocol.state import State
from oracle.protocol.terms import MAX_DEBITS, MAX_EARNINGS, NO_LABEL


def check(epoch: Epoch, state: State, domain: Domain, ledger: Ledger) -> list[Fault]:
    """Every fault of `epoch` as the successor of what `ledger` holds; an empty list means that it stands."""
    faults = [*_order(epoch), *_assignments(epoch, state), *_weights(epoch, state)]
    for index, verdict in enumerate(epoch.verdicts):
        problems = _verdict(epoch, verdict, state, domain, ledger)
        faults += [Fault(epoch.epoch, "verdicts", index, what) for what in problems]
    if not faults:
        faults = list(_pay(epoch, state, ledger))
    return faults


def _order(epoch: Epoch) -> Iterator[Fault]:
    keys: dict[str, Any] = {
        "balances": [b.worker for b in epoch.balances],
        "weights": [(w.job, w.worker, w.label) for w in epoch.weights],
        "verdicts": [(v.job, v.task) for v in epoch.verdicts],
        "assignments": [(a.job, a.task, a.worker) for a in epoch.assignments],
    }
    for tree, order in keys.items():
        for index, (one, two) in enumerate(pairwise(order)):
            if one >= two:
                yield Fault(epoch.epoch, tree, index + 1, "the leaves are not in ascending order")


def _assignments(epoch: Epoch, state: State) -> Iterator[Fault]:
    for index, offer in enumerate(epoch.assignments):
        job = state.jobs.get(offer.job)
        if job is None or offer.terms != job.terms.hash() or offer.task >= job.terms.tasks:
            yield Fault(epoch.epoch, "assignments", index, f"job {offer.job} has no such task or other terms")
        elif not 0 < offer.worker < len(state.workers):
            yield Fault(epoch.epoch, "assignments", index, f"worker {offer.worker} is not registered")


def _weights(epoch: Epoch, state: State) -> Iterator[Fault]:
    for index, row in enumerate(epoch.weights):
        job = state.jobs.get(row.job)
        what = (
            scoring.row_fault(job.terms, row.label, row.row)
            if job and row.label < job.terms.classes
            else "is of no job"
        )
        if what:
            yield Fault(epoch.epoch, "weights", index, f"the row of worker {row.worker} {what}")


def _verdict(epoch: Epoch, verdict: Verdict, state: State, domain: Domain, ledger: Ledger) -> Iterator[str]:
    job = state.jobs.get(verdict.job)
    if job is None or verdict.task >= job.terms.tasks:
        yield f"job {verdict.job} has no task {verdict.task}"
        return
    if (verdict.job, verdict.task) in ledger.decided:
        yield "the task already has a verdict"
    if what := scoring.prior_fault(job.terms, verdict.prior):
        yield f"the prior {what}"
        return
    listing = list(_listing(epoch, verdict, state, domain, ledger))
    yield from listing
    if listing:
        return
    rows = [epoch.weights[core.row].row for core in verdict.cores if core.status is Status.COUNTED]
    if any(len(row) != job.terms.classes for row in rows):
        yield "the label hangs on a row of another length"
    elif verdict.label != (label := scoring.decide(verdict.prior, rows)):
        yield f"the label is {verdict.label}, the scores say {label}"


def _listing(epoch: Epoch, verdict: Verdict, state: State, domain: Domain, ledger: Ledger) -> Iterator[str]:
    terms = state.jobs[verdict.job].terms
    workers = [core.worker for core in verdict.cores]
    if len(workers) != len(verdict.openings) or not 0 < len(workers) <= terms.answers:
        yield f"{len(workers)} answers with {len(verdict.openings)} openings are listed, the job allows {terms.answers}"
        return
    if any(one >= two for one, two in pairwise(workers)):
        yield "the answers are not in ascending order of their workers"
    for core, opening in zip(verdict.cores, verdict.openings, strict=True):
        for what in _answer(epoch, verdict, core, opening, state, domain, ledger):
            yield f"the answer of worker {core.worker} {what}"


def _answer(
    epoch: Epoch, verdict: Verdict, core: Core, opening: Opening, state: State, domain: Domain, ledger: Ledger
) -> Iterator[str]:
    terms_hash = state.jobs[verdict.job].terms.hash()
    offers = epoch.assignments if core.epoch == epoch.epoch else ledger.offers.get(core.epoch, ())
    offer = offers[core.index] if core.index < len(offers) else None
    if offer is None or (offer.job, offer.task, offer.worker) != (verdict.job, verdict.task, core.worker):
        yield "has no assignment where it points"
    worker = state.workers.get(core.worker) if core.worker else None  # 0 is the treasury
    if worker is None or core.key >= len(worker.keys):
        yield f"is by no registered key ({core.key})"
    else:
        bound = (opening.commitment, opening.seal_hash)
        message = digest(domain, Answer(verdict.job, terms_hash, verdict.task, core.worker, *bound))
        if not _signed_by(worker.keys[core.key], message, opening.signature):
            yield "is not signed by its key"
    yield from _status(epoch, verdict, core, opening)


def _signed_by(address: bytes, message: bytes, signature: bytes) -> bool:
    try:
        return recover(message, signature) == address
    except Refused:
        return False


def _status(epoch: Epoch, verdict: Verdict, core: Core, opening: Opening) -> Iterator[str]:
    if (core.status is Status.REJECTED) != (opening.reason != ZERO):
        yield "has a reason and is not rejected, or is rejected without one"
    if core.status is Status.UNOPENED:
        if opening.payload or opening.salt != ZERO:
            yield "is listed as unopened and yet has an opening"
        if keccak(opening.envelope) != opening.seal_hash:
            yield "is listed as unopened without the envelope that was signed"
    elif opening.envelope:
        yield "is opened and yet carries its envelope"
    elif opening.salt == ZERO or opening.commitment != commitment(
        verdict.job, verdict.task, core.worker, opening.payload, opening.salt
    ):
        yield "does not fit its commitment"
    if core.status is Status.COUNTED:
        row = epoch.weights[core.row] if core.row < len(epoch.weights) else None
        if row is None or (row.job, row.worker, row.label) != (verdict.job, core.worker, core.label):
            yield "points to another weight row"
        elif opening.payload != bytes([core.label]):
            yield "is listed with another label than it says"
    elif core.label != NO_LABEL or core.row != NO_ROW:
        yield "does not count and yet has a label or a row"


def _pay(epoch: Epoch, state: State, ledger: Ledger) -> Iterator[Fault]:
    """R3: everything about money follows from the verdicts; compare with what follows."""
    terms = {number: job.terms for number, job in state.jobs.items()}
    debits, earned, total = ep.settle(terms, epoch.verdicts)
    yield from _running(epoch, state)
    if max(map(len, earned.values()), default=0) > MAX_EARNINGS or len(debits) > MAX_DEBITS:
        yield Fault(epoch.epoch, "balances", None, "a worker's earnings or the debits exceed the protocol's limits")
    if epoch.debits != debits:
        yield Fault(epoch.epoch, "debits", _first_difference(epoch.debits, debits), "a debit is not the pay of its job")
    if epoch.total != ledger.total + total:
        what = f"the total is {epoch.total}, it must be {ledger.total + total}"
        yield Fault(epoch.epoch, "balances", None, what)
    size = len(epoch.balances)
    if not max(len(ledger.cumulative), max(earned, default=0) + 1) <= size <= len(state.workers):
        yield Fault(epoch.epoch, "balances", None, f"{size} balances do not fit {len(state.workers)} accounts")
        return
    wallets = [state.workers[worker].wallet for worker in range(size)]
    for index, (is_, must) in enumerate(zip(epoch.balances, ep.balances_after(ledger, wallets, earned), strict=True)):
        if is_ != must:
            what = f"worker {is_.worker} has {is_.cumulative} in all, it must be {must.cumulative}"
            yield Fault(epoch.epoch, "balances", index, what + _detail(is_, must))


def _detail(one: Any, two: Any) -> str:
    return "" if one.cumulative != two.cumulative else " (its wallet or its earnings differ)"


def _running(epoch: Epoch, state: State) -> Iterator[Fault]:
    running: dict[int, int] = {}
    for index, verdict in enumerate(epoch.verdicts):
        terms = state.jobs[verdict.job].terms
        running[verdict.job] = running.get(verdict.job, 0) + ep.pay_of(terms, verdict.label, verdict.cores)
        if verdict.pay != running[verdict.job]:
            what = f"the running pay is {verdict.pay}, it must be {running[verdict.job]}"
            yield Fault(epoch.epoch, "verdicts", index, what)
            return


def _first_difference(one: Sequence[Debit], two: Sequence[Debit]) -> int:
    same = [a == b for a, b in zip(one, two, strict=False)]
    return same.index(False) if False in same else len(same)
