"""What the Referee hears about an epoch: every provable fault of it, and the evidence for each.

the epoch's data, chain state, the ledger before it -> faults with a kind -> `Refutation`s. `oracle.protocol.audit` finds what is
wrong with lists and scores, `oracle.protocol.pay` what is with pay, also where the lists have faults: one proof is enough. Nothing
here raises on hostile data. An epoch without a fault has no refutation; one whose data cannot be read has a demand (`missing`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from oracle.protocol import audit, leaves
from oracle.protocol import epoch as ep
from oracle.protocol.epoch import Epoch
from oracle.protocol.evidence import (
    TREE,
    AnswerFields,
    Evidence,
    JobTerms,
    OldHeader,
    Prover,
    ReceiptFields,
    VerdictLeaf,
    links,
    opening,
)
from oracle.protocol.faults import Fault, Kind
from oracle.protocol.hashing import ZERO
from oracle.protocol.leaves import Status
from oracle.protocol.ledger import Ledger
from oracle.protocol.messages import Answer, Domain, Header
from oracle.protocol.pay import faults as pay_faults
from oracle.protocol.state import EpochStatus, State


@dataclass(frozen=True, slots=True)
class Case:
    """An epoch to be looked at. `epoch`: its data, with the debits that were posted; `ledger`: before it.

    header_of, data_of: what any epoch before it was, by number.
    """

    header: Header
    epoch: Epoch
    state: State
    ledger: Ledger
    domain: Domain
    header_of: Callable[[int], Header]
    data_of: Callable[[int], Epoch]
    prover: Prover = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "prover", Prover(self.epoch))


@dataclass(frozen=True, slots=True)
class Refutation:
    """One provable fault with its evidence."""

    fault: Fault
    kind: Kind
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Drop:
    """R5: a receipted answer that a verdict does not list."""

    answer: AnswerFields
    receipt: ReceiptFields
    leaf: VerdictLeaf


# --------------------------------------------------------------------------------------------------------------- finding


def find(case: Case) -> Iterator[Fault]:
    """Every provable fault, R1 to R4, the quick ones first."""
    yield from rootless(case.header)
    yield from pay_faults(case.epoch, case.state, case.ledger)
    for fault in audit.listed(case.epoch, case.state, case.domain, case.ledger):
        if fault.kind is not None:
            yield fault


def refutations(case: Case) -> Iterator[Refutation]:
    """Each provable fault with its evidence, made when it is asked for."""
    for fault in find(case):
        if refutation := refute(case, fault):
            yield refutation


def refute(case: Case, fault: Fault) -> Refutation | None:
    """The evidence for a fault; None for one that nothing proves.

    Nor is there a proof of a wrong label by rows that are out of order: their order is the fault that is proven.
    """
    if fault.kind is None:
        return None
    try:
        return Refutation(fault, fault.kind, evidence(case, fault.kind, fault))
    except LookupError:
        return None


def rootless(header: Header) -> Iterator[Fault]:
    """The header alone says that a tree is empty, and gives it a root."""
    for tree in ep.TREES:
        if getattr(header, f"{tree}_size") == 0 and getattr(header, tree) != ZERO:
            yield Fault(header.epoch, tree, None, "a tree without leaves has a root", Kind.EmptyTreeRooted, TREE[tree])


def missing(header: Header, epoch: Epoch | None, faults: list[Fault]) -> Iterator[tuple[str, int]]:
    """(tree, index) of leaves to demand, where the data does not give the header's trees.

    Of a page or a record that cannot be read, the leaf; else the last leaf of a tree, whose path shows its size, then the first.
    Answers bring hashes from beside their path: whoever demands on learns what was hidden.
    """
    for fault in faults:
        size = getattr(header, f"{fault.tree}_size", 0) if fault.tree in ep.TREES else 0
        if fault.index is not None and fault.index < size:
            yield fault.tree, fault.index
    roots = ep.roots_of(epoch) if epoch else {}
    for tree in ep.TREES:
        size = getattr(header, f"{tree}_size")
        if size and roots.get(tree) != (getattr(header, tree), size):
            yield from ((tree, index) for index in dict.fromkeys((size - 1, *range(size - 1))))


def is_whole(header: Header, epoch: Epoch) -> bool:
    """Whether the data gives every tree of the header."""
    return all(ep.roots_of(epoch)[t] == (getattr(header, t), getattr(header, f"{t}_size")) for t in ep.TREES)


# -------------------------------------------------------------------------------------------------------------- evidence


def evidence(case: Case, kind: Kind, at: Fault) -> Evidence:
    """What the Referee needs to see of that kind of fault there. Raises LookupError where there is no such place."""
    index = at.index or 0
    if kind in _OF_ROW:
        return _of_row(case, kind, index)
    if kind in _OF_OFFER:
        return _of_offer(case, kind, index)
    if kind in _OF_STUBS:
        return _of_stubs(case, kind, index)
    if kind in _OF_PAY:
        return _of_pay(case, kind, index, at)
    if kind is Kind.EmptyTreeRooted:
        return Evidence(at.position)
    return _of_verdict(case, kind, index, at.position)


_OF_ROW = frozenset(range(Kind.RowOfNoJob, Kind.RowNotVote + 1)) | {Kind.WeightsUnordered}
_OF_OFFER = frozenset(range(Kind.AssignmentsUnordered, Kind.AssignmentWorker + 1))
_OF_STUBS = frozenset({Kind.VerdictsUnordered, Kind.VerdictOfNoJob, Kind.VerdictTask, Kind.TaskDecided})
_OF_PAY = frozenset(range(Kind.RunningPay, Kind.FeeMissing + 1))
_OF_OPENING = frozenset(range(Kind.SignatureForged, Kind.ReasonMismatch + 1))
_WITH_TERMS = frozenset(
    {
        Kind.LabelBeyond,
        Kind.PriorLength,
        Kind.PriorBeyondCap,
        Kind.SignatureForged,
        Kind.PayloadMismatch,
        Kind.ListTooLong,
    }
)
_OF_POINTER = frozenset({Kind.PointerBeyond, Kind.PointerStruck, Kind.PointerElsewhere})


def of_header(fault: Fault) -> Evidence:
    """For a fault that the header shows alone."""
    return Evidence(fault.position)


def _of_row(case: Case, kind: Kind, index: int) -> Evidence:
    row = case.prover.weight(index)
    if kind is Kind.WeightsUnordered:
        return Evidence(weights=(case.prover.weight(index - 1), row))
    return Evidence(weights=(row,), jobs=() if kind is Kind.RowOfNoJob else _job(case, row.job))


def _of_offer(case: Case, kind: Kind, index: int) -> Evidence:
    offer = case.prover.assignment(index)
    if kind is Kind.AssignmentsUnordered:
        return Evidence(assignments=(case.prover.assignment(index - 1), offer))
    with_terms = kind in (Kind.AssignmentTerms, Kind.AssignmentTask)
    return Evidence(assignments=(offer,), jobs=_job(case, offer.job) if with_terms else ())


def _of_stubs(case: Case, kind: Kind, index: int) -> Evidence:
    stub = case.prover.stub(index)
    if kind is Kind.VerdictsUnordered:
        return Evidence(stubs=(case.prover.stub(index - 1), stub))
    if kind is Kind.TaskDecided:
        number, before = _decided(case, stub.job, stub.task)
        return Evidence(stubs=(stub, Prover(case.data_of(number)).stub(before)), older=(_older(case, number),))
    return Evidence(stubs=(stub,), jobs=_job(case, stub.job) if kind is Kind.VerdictTask else ())


def _of_verdict(case: Case, kind: Kind, index: int, position: int) -> Evidence:
    leaf, verdict = case.prover.verdict(index), case.epoch.verdicts[index]
    if kind is Kind.WrongLabel:
        rows, proof = case.prover.rows([core.row for core in verdict.cores if core.status is Status.COUNTED])
        return Evidence(verdicts=(leaf,), rows=rows, rows_proof=proof)
    jobs = _job(case, leaf.job) if kind in _WITH_TERMS else ()
    if kind in _OF_OPENING:
        return Evidence(position, verdicts=(leaf,), openings=(opening(verdict.openings[position]),), jobs=jobs)
    if kind in _OF_POINTER:
        return _of_pointer(case, kind, leaf, position)
    if kind is Kind.RowPointerElsewhere:
        return Evidence(position, verdicts=(leaf,), weights=(case.prover.weight(verdict.cores[position].row),))
    return Evidence(position, verdicts=(leaf,), jobs=jobs)


def _of_pointer(case: Case, kind: Kind, leaf: VerdictLeaf, position: int) -> Evidence:
    core = case.epoch.verdicts[leaf.index].cores[position]
    here = core.epoch == case.header.epoch
    older = () if here else (_older(case, core.epoch),)
    if kind is not Kind.PointerElsewhere:
        return Evidence(position, verdicts=(leaf,), older=older)
    prover = case.prover if here else Prover(case.data_of(core.epoch))
    return Evidence(position, verdicts=(leaf,), assignments=(prover.assignment(core.index),), older=older)


def _of_pay(case: Case, kind: Kind, index: int, at: Fault) -> Evidence:
    prover, debits = case.prover, case.epoch.debits
    if kind is Kind.RunningPay:
        leaf = prover.verdict(index)
        before = (prover.stub(index - 1),) if index else ()
        return Evidence(verdicts=(leaf,), stubs=before, jobs=_job(case, leaf.job))
    if kind is Kind.DebitMissing:
        return Evidence(stubs=(prover.stub(index),))
    if kind in (Kind.DebitMismatch, Kind.DebitNotLast):
        stub = prover.stub(debits[index].last + (kind is Kind.DebitNotLast))
        return Evidence(index, stubs=(stub,))
    if kind is Kind.DebitBeyond:
        return Evidence(index)
    if kind in (Kind.BalancesShrunk, Kind.BalancesBeyond):
        return Evidence()
    if kind is Kind.FeeMissing:
        return Evidence(index, balances=(prover.balance(0),))
    if kind is Kind.EarnerMissing:
        return Evidence(at.position, verdicts=(prover.verdict(index),))
    if kind is Kind.EarningMissing:
        return Evidence(at.position, verdicts=(prover.verdict(index),), balances=(prover.balance(at.also),))
    return _of_balance(case, kind, index, at.position)


def _of_balance(case: Case, kind: Kind, index: int, position: int) -> Evidence:
    balance = case.prover.balance(index)
    if kind is Kind.CumulativeMismatch:
        final = case.state.final()
        known = final is not None and index < len(case.ledger.cumulative)
        before = (Prover(case.data_of(final.epoch)).balance_stub(index),) if final and known else ()
        return Evidence(balances=(balance,), previous=before)
    if kind is Kind.EarningUnfounded:
        earnings = balance.earnings[: len(balance.earnings) // 12 * 12]
        leaf = case.prover.verdict(leaves.unpack_earnings(earnings)[position][0])
        return Evidence(position, verdicts=(leaf,), balances=(balance,), jobs=_job(case, leaf.job))
    return Evidence(position, balances=(balance,))


def _job(case: Case, number: int) -> tuple[JobTerms, ...]:
    job = case.state.jobs[number]
    return (JobTerms(job.requester, job.terms),)


def _older(case: Case, number: int) -> OldHeader:
    post = case.state.posts[number]
    after = [case.state.posts[n] for n in range(number + 1, case.header.epoch)]
    return OldHeader(case.header_of(number), post.signers, post.status is EpochStatus.STRUCK, links(after))


def _decided(case: Case, job: int, task: int) -> tuple[int, int]:
    """(epoch, index) of the verdict that a task already has."""
    for post in case.state.unstruck():
        if post.epoch < case.header.epoch:
            for index, verdict in enumerate(case.data_of(post.epoch).verdicts):
                if (verdict.job, verdict.task) == (job, task):
                    return post.epoch, index
    raise KeyError((job, task))


# -------------------------------------------------------------------------------------------------------------- receipts


def dropped(case: Case, answer: Answer, receipt: ReceiptFields) -> Drop | None:
    """R5, if this epoch decides the answer's task and lists no answer of its worker."""
    for index, verdict in enumerate(case.epoch.verdicts):
        if (verdict.job, verdict.task) == (answer.job, answer.task):
            if any(core.worker == answer.worker for core in verdict.cores):
                return None
            a = answer
            fields = AnswerFields(a.job, a.terms, a.task, a.worker, a.commitment, a.seal_hash)
            return Drop(fields, receipt, case.prover.verdict(index))
    return None
