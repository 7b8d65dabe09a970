"""Whether an epoch obeys the rules: what a member checks before it signs and an auditor afterwards.

epoch, state, ledger -> faults, each named by epoch, tree and index. Where refutations will prove a fault on chain, the
same fault is found here, with its kind: R1 wrong verdict, R2 forged answer, R3 wrong pay, R4 invalid list. Pay follows from the
verdicts, so it is only compared when they have no fault; what of it is provable is for `oracle.protocol.refutations` to say.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias

from oracle.protocol import epoch as ep
from oracle.protocol import pay, scoring
from oracle.protocol.epoch import Epoch
from oracle.protocol.errors import Refused
from oracle.protocol.faults import Fault, Kind
from oracle.protocol.hashing import ZERO, keccak
from oracle.protocol.heads import Debit
from oracle.protocol.keys import recover
from oracle.protocol.leaves import NO_ROW, Core, Opening, Status, Verdict, WeightRow, is_sealed
from oracle.protocol.ledger import Ledger
from oracle.protocol.messages import Answer, Assignment, Domain, digest
from oracle.protocol.sealing import commitment_of_hash
from oracle.protocol.state import State
from oracle.protocol.terms import MAX_DEBITS, MAX_EARNINGS, NO_LABEL


def check(epoch: Epoch, state: State, domain: Domain, ledger: Ledger) -> list[Fault]:
    """Every fault of `epoch` as the successor of what `ledger` holds; an empty list means that it stands.

    Of records that could not be opened only what they cost is judged: what a sealed job pays is what it is debited.
    """
    faults = list(listed(epoch, state, domain, ledger))
    if not faults and epoch.sealed:
        faults = list(_pay_around(epoch, state, ledger))
    elif not faults:
        faults = list(_pay(epoch, state, ledger))
    return faults


def listed(epoch: Epoch, state: State, domain: Domain, ledger: Ledger) -> Iterator[Fault]:
    """Every fault but those of pay. Whatever bytes the leaves hold, this ends and says so."""
    yield from _order(epoch)
    yield from _assignments(epoch, state)
    yield from _weights(epoch, state)
    for index, verdict in enumerate(epoch.verdicts):
        for problem in () if is_sealed(verdict) else _verdict(epoch, verdict, state, domain, ledger):
            yield Fault(epoch.epoch, "verdicts", index, problem.what, problem.kind, problem.position)


class _Problem(NamedTuple):
    """Of a verdict, or of the answer at `position` of its list."""

    kind: Kind | None
    what: str
    position: int = 0


def _order(epoch: Epoch) -> Iterator[Fault]:
    """Balances out of order are of other workers than their places say: a fault of pay."""
    keys: dict[str, tuple[list[Any], Kind | None]] = {
        "balances": ([b.worker for b in epoch.balances], None),
        "weights": ([(w.job, w.worker, w.label) for w in epoch.weights if not is_sealed(w)], Kind.WeightsUnordered),
        "verdicts": ([(v.job, v.task) for v in epoch.verdicts], Kind.VerdictsUnordered),
        "assignments": ([(a.job, a.task, a.worker) for a in epoch.assignments], Kind.AssignmentsUnordered),
    }
    for tree, (order, kind) in keys.items():
        for index, (one, two) in enumerate(pairwise(order)):
            if one >= two:
                yield Fault(epoch.epoch, tree, index + 1, "the leaves are not in ascending order", kind)


def _assignments(epoch: Epoch, state: State) -> Iterator[Fault]:
    for index, offer in enumerate(epoch.assignments):
        if kind := _offer_fault(offer, state):
            what = (
                f"worker {offer.worker} is not registered"
                if kind is Kind.AssignmentWorker
                else f"job {offer.job} has no such task or other terms"
            )
            yield Fault(epoch.epoch, "assignments", index, what, kind)


def _offer_fault(offer: Assignment, state: State) -> Kind | None:
    job = state.jobs.get(offer.job)
    if job is None:
        return Kind.AssignmentOfNoJob
    if offer.terms != job.terms.hash():
        return Kind.AssignmentTerms
    if offer.task >= job.terms.tasks:
        return Kind.AssignmentTask
    return None if 0 < offer.worker < len(state.workers) else Kind.AssignmentWorker


def _weights(epoch: Epoch, state: State) -> Iterator[Fault]:
    for index, row in enumerate(epoch.weights):
        if not is_sealed(row) and (found := _row_fault(row, state)):
            yield Fault(epoch.epoch, "weights", index, f"the row of worker {row.worker} {found[1]}", found[0])


def _row_fault(row: WeightRow, state: State) -> tuple[Kind, str] | None:
    job = state.jobs.get(row.job)
    if job is None:
        return Kind.RowOfNoJob, "is of no job"
    if row.label >= job.terms.classes:
        return Kind.RowLabel, f"is of no job: it has no label {row.label}"
    return scoring.row_fault(job.terms, row.label, row.row, row.tail)


def _verdict(epoch: Epoch, verdict: Verdict, state: State, domain: Domain, ledger: Ledger) -> Iterator[_Problem]:
    job = state.jobs.get(verdict.job)
    if job is None or verdict.task >= job.terms.tasks:
        kind = Kind.VerdictOfNoJob if job is None else Kind.VerdictTask
        yield _Problem(kind, f"job {verdict.job} has no task {verdict.task}")
        return
    if (verdict.job, verdict.task) in ledger.decided:
        yield _Problem(Kind.TaskDecided, "the task already has a verdict")
    if found := scoring.prior_fault(job.terms, verdict.prior, verdict.prior_tail):
        yield _Problem(found[0], f"the prior {found[1]}")
        return
    listing = list(_listing(epoch, verdict, state, domain, ledger))
    yield from listing
    if listing:
        return
    rows = [epoch.weights[core.row] for core in verdict.cores if core.status is Status.COUNTED]
    if any(len(row.row) != job.terms.classes or row.tail for row in rows):
        yield _Problem(None, "the label hangs on a row of another length")
    elif verdict.label != (label := scoring.decide(verdict.prior, [row.row for row in rows])):
        kind = Kind.LabelBeyond if verdict.label >= job.terms.classes else Kind.WrongLabel
        yield _Problem(kind, f"the label is {verdict.label}, the scores say {label}")


def _listing(epoch: Epoch, verdict: Verdict, state: State, domain: Domain, ledger: Ledger) -> Iterator[_Problem]:
    terms = state.jobs[verdict.job].terms
    workers = [core.worker for core in verdict.cores]
    if kind := _shape_fault(verdict, terms.answers):
        what = (
            f"{len(workers)} answers with {len(verdict.openings)} openings are listed, the job allows {terms.answers}"
        )
        yield _Problem(kind, what)
        return
    for position, (one, two) in enumerate(pairwise(workers)):
        if one >= two:
            yield _Problem(Kind.ListUnordered, "the answers are not in ascending order of their workers", position)
            break
    for position, (core, opening) in enumerate(zip(verdict.cores, verdict.openings, strict=True)):
        for found, what in _answer(epoch, verdict, core, opening, state, domain, ledger):
            yield _Problem(found, f"the answer of worker {core.worker} {what}", position)


def _shape_fault(verdict: Verdict, most: int) -> Kind | None:
    if verdict.cores_tail or len(verdict.cores) != len(verdict.openings):
        return Kind.ListMisshapen
    if not verdict.cores:
        return Kind.ListEmpty
    return Kind.ListTooLong if len(verdict.cores) > most else None


_Said: TypeAlias = Iterator[tuple[Kind | None, str]]


def _answer(
    epoch: Epoch, verdict: Verdict, core: Core, opening: Opening, state: State, domain: Domain, ledger: Ledger
) -> _Said:
    if kind := _pointer_fault(epoch, verdict, core, ledger):
        yield kind, "has no assignment where it points"
    worker = state.workers.get(core.worker) if core.worker else None  # 0 is the treasury
    if worker is None or core.key >= len(worker.keys):
        kind = Kind.WorkerUnknown if worker is None else Kind.KeyUnknown
        yield kind, f"is by no registered key ({core.key})"
    else:
        terms_hash = state.jobs[verdict.job].terms.hash()
        bound = (opening.commitment, opening.seal_hash)
        message = digest(domain, Answer(verdict.job, terms_hash, verdict.task, core.worker, *bound))
        if not _signed_by(worker.keys[core.key], message, opening.signature):
            yield Kind.SignatureForged, "is not signed by its key"
    if core.status not in _STATUSES:
        yield Kind.StatusUnknown, f"has the unknown status {core.status}"
    else:
        yield from _status(epoch, verdict, core, opening, state.jobs[verdict.job].terms.free)


_STATUSES = frozenset(Status)


def _pointer_fault(epoch: Epoch, verdict: Verdict, core: Core, ledger: Ledger) -> Kind | None:
    offers = epoch.assignments if core.epoch == epoch.epoch else ledger.offers.get(core.epoch)
    if not 0 < core.epoch <= epoch.epoch:
        return Kind.PointerEpoch
    if offers is None:  # what was struck gives nothing
        return Kind.PointerStruck
    if core.index >= len(offers):
        return Kind.PointerBeyond
    offer = offers[core.index]
    is_it = (offer.job, offer.task, offer.worker) == (verdict.job, verdict.task, core.worker)
    return None if is_it else Kind.PointerElsewhere


def _signed_by(address: bytes, message: bytes, signature: bytes) -> bool:
    try:
        return recover(message, signature) == address
    except Refused:
        return False


def _status(epoch: Epoch, verdict: Verdict, core: Core, opening: Opening, free: bool) -> _Said:
    payload_hash = opening.payload_hash
    if (core.status is Status.REJECTED) != (opening.reason != ZERO):
        yield Kind.ReasonMismatch, "has a reason and is not rejected, or is rejected without one"
    if core.status is Status.UNOPENED:
        yield from _unopened(opening)
    elif opening.envelope:
        yield None, "is opened and yet carries its envelope"
    elif opening.salt == ZERO or opening.commitment != commitment_of_hash(
        verdict.job, verdict.task, core.worker, payload_hash, opening.salt
    ):
        yield Kind.CommitmentMismatch, "does not fit its commitment"
    if core.status is Status.COUNTED:
        row = epoch.weights[core.row] if core.row < len(epoch.weights) else None
        if row is None or (row.job, row.worker, row.label) != (verdict.job, core.worker, core.label):
            kind = Kind.RowPointerBeyond if row is None else Kind.RowPointerElsewhere
            yield kind, "points to another weight row"
        elif not free and payload_hash != _label_hash(core.label):
            yield Kind.PayloadMismatch, "is listed with another label than it says"
    elif core.label != NO_LABEL or core.row != NO_ROW:
        yield Kind.UncountedWithLabel, "does not count and yet has a label or a row"


@cache
def _label_hash(label: int) -> bytes:
    """Of the payload of a choice."""
    return keccak(bytes([label]))


def _unopened(opening: Opening) -> _Said:
    """The leaf holds no payload without a salt, and no envelope."""
    if opening.payload or opening.payload_hash != ZERO or opening.salt != ZERO:
        in_leaf = opening.payload_hash != ZERO or opening.salt != ZERO
        kind = Kind.UnopenedWithOpening if in_leaf else None
        yield kind, "is listed as unopened and yet has an opening"
    if keccak(opening.envelope) != opening.seal_hash:
        yield None, "is listed as unopened without the envelope that was signed"


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


def _pay_around(epoch: Epoch, state: State, ledger: Ledger) -> Iterator[Fault]:
    """R3 where verdicts are sealed: all other pay is right, and what sealed jobs pay in all is what they are debited."""
    yield from pay.faults(epoch, state, ledger)
    paid, terms = pay.sealed_pay(epoch), {number: job.terms for number, job in state.jobs.items()}
    for debit in epoch.debits:
        if debit.job in epoch.sealed and paid[debit.job] != debit.pay:
            what = f"sealed job {debit.job} pays {paid[debit.job]}, and is debited {debit.pay}"
            yield Fault(epoch.epoch, "balances", None, what)
    total = ledger.total + sum(debit.pay + terms[debit.job].fee(debit.pay) for debit in epoch.debits)
    if epoch.total != total:
        yield Fault(epoch.epoch, "balances", None, f"the total is {epoch.total}, it must be {total}")


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
