"""One planted fault of each kind, in the third epoch of a small world: what a dishonest committee could post.

Job 1 is weighted and goes on from epoch 2, job 2 is a plain vote; epoch 1 was struck. Verdicts 0-2 are job 1's, 3-4 job 2's. Each
plant is one that the Market takes: debits in order, and a total that fits them.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from oracle.protocol import leaves
from oracle.protocol.epoch import Epoch
from oracle.protocol.faults import Kind
from oracle.protocol.hashing import ZERO
from oracle.protocol.heads import Debit
from oracle.protocol.leaves import Status, WeightRow
from oracle.protocol.messages import Assignment
from oracle.protocol.terms import MAX_EARNINGS, NAT, NO_LABEL
from tests.support.epochs import (
    EXPIRY,
    Said,
    World,
    everybody,
    fill,
    put,
    with_core,
    with_leaf,
    with_opening,
    with_verdict,
    without_leaf,
)

W = TypeVar("W", bound=World)
UNOPENED, REJECTED = (1, 2), (1, 3)  # (verdict, answer) by status


def prepare(world: W) -> tuple[W, Epoch]:
    """The world after a struck and a final epoch, and the correct third one."""
    for i in range(1, 5):
        world.register(f"worker {i}")
    world.open_job(4)
    world.open_job(2, decision={"rule": "vote"})
    said = everybody(world)
    world.post(world.epoch([a for a in said if (a.job, a.task) == (1, 2)]), struck=True)
    early = [world.offer(a) for a in said if (a.job, a.task) == (1, 2)]
    world.post(world.epoch([a for a in said if (a.job, a.task) == (1, 3)], more_offers=early))
    return world, third(world)


def third(world: World, leave_out: Sequence[tuple[int, int, int]] = ()) -> Epoch:
    """The correct third epoch; `leave_out`: (job, task, worker) of answers that nobody lists."""
    fates = {(1, 1, 3): Status.UNOPENED, (1, 1, 4): Status.REJECTED}
    return world.epoch(
        replace(a, status=fates.get((a.job, a.task, a.worker), a.status))
        for a in everybody(world)
        if (a.job, a.task) != (1, 3) and (a.job, a.task, a.worker) not in leave_out
    )


Plant = Callable[[World, Epoch], Epoch]


def row_at(epoch: Epoch, job: int, worker: int, label: int) -> int:
    return [(w.job, w.worker, w.label) for w in epoch.weights].index((job, worker, label))


def row(epoch: Epoch, job: int, worker: int, label: int, **changes: Any) -> Epoch:
    return with_leaf(epoch, "weights", row_at(epoch, job, worker, label), **changes)


def more_rows(epoch: Epoch, *rows: WeightRow) -> Epoch:
    return replace(epoch, weights=(*epoch.weights, *rows))


def more_offers(world: World, epoch: Epoch, job: int = 2, task: int = 1, worker: int = 4) -> Epoch:
    terms = world.state.jobs[min(job, 2)].terms.hash()
    return replace(epoch, assignments=(*epoch.assignments, Assignment(job, terms, task, worker, EXPIRY)))


def listed(epoch: Epoch, order: Sequence[int]) -> Epoch:
    """The first verdict with its answers in that order."""
    v = epoch.verdicts[0]
    return with_verdict(epoch, 0, cores=tuple(v.cores[i] for i in order), openings=tuple(v.openings[i] for i in order))


def resigned(world: World, epoch: Epoch, verdict: int, at: int, by: int) -> Epoch:
    v = epoch.verdicts[verdict]
    said = Said(v.job, v.task, v.cores[at].worker)
    return with_verdict(epoch, verdict, openings=put(v.openings, at, world.sign(said, v.openings[at], by)))


def swapped_verdicts(epoch: Epoch) -> Epoch:
    v = epoch.verdicts
    return replace(epoch, verdicts=(*v[:3], v[4], v[3]))


def debited(world: World, epoch: Epoch, debits: Sequence[Debit]) -> Epoch:
    """With these debits, and the total that the Market wants of them."""
    jobs = world.state.jobs
    units = sum(d.pay + jobs[d.job].terms.fee(d.pay) for d in debits)
    return replace(epoch, debits=tuple(debits), total=world.ledger.total + units)


def debit(world: World, epoch: Epoch, index: int, **changes: Any) -> Epoch:
    return debited(world, epoch, put(epoch.debits, index, replace(epoch.debits[index], **changes)))


def earnings(epoch: Epoch, worker: int, change: Callable[[list[tuple[int, int]]], list[tuple[int, int]]]) -> Epoch:
    """With other earnings of a worker, its cumulative following from them."""
    balance = epoch.balances[worker]
    before = leaves.unpack_earnings(balance.earnings)
    after = change(list(before))
    more = sum(units for _, units in after) - sum(units for _, units in before)
    return with_leaf(
        epoch, "balances", worker, earnings=leaves.pack_earnings(after), cumulative=balance.cumulative + more
    )


def _last_again(epoch: Epoch, tree: str) -> Epoch:
    values = getattr(epoch, tree)
    changed: Any = {tree: (*values, values[-1])}
    return replace(epoch, **changed)


def _mislabelled(index: int, _: World, epoch: Epoch) -> Epoch:
    return with_verdict(epoch, index, label=(epoch.verdicts[index].label + 1) % 3)


def _overpaid(index: int, _: World, epoch: Epoch) -> Epoch:
    return with_verdict(epoch, index, pay=epoch.verdicts[index].pay + 1)


PLANTS: dict[Kind, list[Plant]] = {
    # ---- R1
    Kind.WrongLabel: [partial(_mislabelled, index) for index in (0, 1, 2, 4)],
    Kind.LabelBeyond: [lambda _, e: with_verdict(e, 3, label=NO_LABEL), lambda _, e: with_verdict(e, 0, label=3)],
    Kind.PriorLength: [
        lambda _, e: with_verdict(e, 0, prior=(0, 0)),
        lambda _, e: with_verdict(e, 0, prior=(0, 0, 0, 0)),
        lambda _, e: with_verdict(e, 0, prior=()),
        lambda _, e: with_verdict(e, 0, prior_tail=b"\0"),
    ],
    Kind.PriorBeyondCap: [
        lambda _, e: with_verdict(e, 0, prior=(NAT + 1, 0, 0)),
        lambda _, e: with_verdict(e, 0, prior=(0, -NAT - 1, 0)),
        lambda _, e: with_verdict(e, 4, prior=(1, 0, 0)),
    ],
    Kind.RowOfNoJob: [
        lambda _, e: more_rows(e, WeightRow(3, 1, 0, (0, 0, 0))),
        lambda _, e: more_rows(e, WeightRow(0, 1, 0, (0, 0, 0))),
    ],
    Kind.RowLabel: [lambda _, e: more_rows(e, WeightRow(2, 4, 3, (0, 0, 0)))],
    Kind.RowLength: [
        lambda _, e: row(e, 1, 4, 0, row=(0,)),
        lambda _, e: row(e, 1, 4, 0, row=(0, 0, 0, 0)),
        lambda _, e: row(e, 1, 4, 0, tail=b"\0\0\0"),
    ],
    Kind.RowBeyondCap: [
        lambda _, e: row(e, 1, 4, 0, row=(6 * NAT + 1, 0, 0)),
        lambda _, e: row(e, 1, 4, 0, row=(0, 0, -(1 << 31))),
    ],
    Kind.RowAgainstItself: [lambda _, e: row(e, 1, 4, 0, row=(800, 801, 0))],
    Kind.RowNotVote: [
        lambda _, e: row(e, 2, 4, 0, row=(NAT + 1, 0, 0)),
        lambda _, e: row(e, 2, 4, 0, row=(NAT, 1, 0)),
    ],
    # ---- R2
    Kind.SignatureForged: [
        lambda w, e: resigned(w, e, 0, 1, by=1),
        lambda _, e: with_opening(e, 0, 1, signature=b""),
        lambda _, e: with_opening(e, 0, 1, signature=bytes(65)),
        lambda _, e: with_opening(e, 0, 1, seal_hash=fill("x")),
        lambda _, e: with_opening(e, *UNOPENED, signature=bytes(64)),
    ],
    Kind.CommitmentMismatch: [
        lambda _, e: with_opening(e, 0, 0, salt=fill("x")),
        lambda _, e: with_opening(e, 0, 0, salt=ZERO),
        lambda _, e: with_opening(e, *REJECTED, payload=b"\2"),
    ],
    Kind.PayloadMismatch: [lambda _, e: with_core(e, 0, 0, label=2, row=row_at(e, 1, 1, 2))],
    Kind.UnopenedWithOpening: [lambda _, e: with_opening(e, *UNOPENED, salt=fill("x"))],
    Kind.ReasonMismatch: [
        lambda _, e: with_opening(e, 0, 0, reason=fill("x")),
        lambda _, e: with_opening(e, *REJECTED, reason=ZERO),
    ],
    # ---- R4
    Kind.EmptyTreeRooted: [lambda _, e: e],  # it is in the header: a test of its own
    Kind.WeightsUnordered: [lambda _, e: _last_again(e, "weights")],
    Kind.VerdictsUnordered: [lambda _, e: swapped_verdicts(e), lambda _, e: _last_again(e, "verdicts")],
    Kind.AssignmentsUnordered: [lambda _, e: _last_again(e, "assignments")],
    Kind.AssignmentOfNoJob: [lambda w, e: more_offers(w, e, job=3)],
    Kind.AssignmentTerms: [lambda _, e: with_leaf(e, "assignments", 0, terms=fill("x"))],
    Kind.AssignmentTask: [lambda w, e: more_offers(w, e, task=9)],
    Kind.AssignmentWorker: [
        lambda w, e: more_offers(w, e, worker=5),
        lambda _, e: with_leaf(e, "assignments", 0, worker=0),
    ],
    Kind.VerdictOfNoJob: [lambda _, e: with_verdict(e, 4, job=3)],
    Kind.VerdictTask: [lambda _, e: with_verdict(e, 4, task=2)],
    Kind.TaskDecided: [lambda _, e: with_verdict(e, 2, task=3)],
    Kind.ListMisshapen: [
        lambda _, e: with_verdict(e, 0, openings=e.verdicts[0].openings[:3]),
        lambda _, e: with_verdict(e, 0, cores=e.verdicts[0].cores[:3]),
        lambda _, e: with_verdict(e, 0, cores_tail=bytes(19)),
    ],
    Kind.ListEmpty: [lambda _, e: with_verdict(e, 0, cores=(), openings=())],
    Kind.ListTooLong: [lambda _, e: listed(e, (0, 1, 2, 3, 3))],
    Kind.ListUnordered: [lambda _, e: listed(e, (1, 0, 2, 3)), lambda _, e: listed(e, (0, 1, 2, 2))],
    Kind.StatusUnknown: [lambda _, e: with_core(e, 0, 0, status=3), lambda _, e: with_core(e, 0, 3, status=255)],
    Kind.WorkerUnknown: [lambda _, e: with_core(e, 0, 3, worker=5), lambda _, e: with_core(e, 0, 0, worker=0)],
    Kind.KeyUnknown: [lambda _, e: with_core(e, 0, 3, key=1)],
    Kind.PointerEpoch: [lambda _, e: with_core(e, 0, 0, epoch=4), lambda _, e: with_core(e, 2, 0, epoch=0)],
    Kind.PointerBeyond: [
        lambda _, e: with_core(e, 0, 0, index=len(e.assignments)),
        lambda _, e: with_core(e, 2, 0, index=99),
    ],
    Kind.PointerStruck: [lambda _, e: with_core(e, 0, 0, epoch=1)],
    Kind.PointerElsewhere: [lambda _, e: with_core(e, 0, 0, index=1), lambda _, e: with_core(e, 0, 0, epoch=2)],
    Kind.RowPointerBeyond: [lambda _, e: with_core(e, 0, 0, row=len(e.weights))],
    Kind.RowPointerElsewhere: [lambda _, e: with_core(e, 0, 0, row=row_at(e, 1, 2, 0))],
    Kind.UncountedWithLabel: [
        lambda _, e: with_core(e, *UNOPENED, label=0),
        lambda _, e: with_core(e, *REJECTED, row=0),
    ],
    # ---- R3
    Kind.RunningPay: [partial(_overpaid, index) for index in (0, 1, 3)],
    Kind.DebitBeyond: [lambda w, e: debit(w, e, 1, last=5)],
    Kind.DebitMismatch: [
        lambda w, e: debit(w, e, 0, pay=e.debits[0].pay - 1),
        lambda w, e: debit(w, e, 1, last=2),
    ],
    Kind.DebitNotLast: [lambda w, e: debit(w, e, 0, pay=e.verdicts[1].pay, last=1)],
    Kind.DebitMissing: [lambda w, e: debited(w, e, e.debits[:1])],
    Kind.BalancesShrunk: [lambda _, e: replace(e, balances=e.balances[:4])],
    Kind.BalancesBeyond: [lambda _, e: replace(e, balances=(*e.balances, replace(e.balances[4], worker=5)))],
    Kind.BalanceWorker: [lambda _, e: with_leaf(e, "balances", 3, worker=2)],
    Kind.BalanceWallet: [lambda _, e: with_leaf(e, "balances", 3, wallet=fill("x")[:20])],
    Kind.EarningsMisshapen: [lambda _, e: with_leaf(e, "balances", 1, earnings=e.balances[1].earnings + b"\0")],
    Kind.EarningsTooMany: [
        lambda _, e: with_leaf(e, "balances", 1, earnings=leaves.pack_earnings([(0, 0)] * (MAX_EARNINGS + 1)))
    ],
    Kind.EarningsUnordered: [
        lambda _, e: earnings(e, 1, lambda of: [of[1], of[0], *of[2:]]),
        lambda _, e: earnings(e, 1, lambda of: [*of, of[-1]]),
    ],
    Kind.EarningBeyond: [lambda _, e: earnings(e, 1, lambda of: [*of, (5, 1)])],
    Kind.CumulativeMismatch: [
        lambda _, e: with_leaf(e, "balances", 2, cumulative=e.balances[2].cumulative + 1),
        lambda _, e: with_leaf(e, "balances", 0, cumulative=e.balances[0].cumulative - 1),
    ],
    Kind.EarningUnfounded: [
        lambda _, e: earnings(e, 2, lambda of: [(of[0][0], of[0][1] + 1), *of[1:]]),
        lambda _, e: earnings(e, 3, lambda of: [of[0], (1, 1300), *of[1:]]),
    ],
    Kind.FeeUnfounded: [
        lambda _, e: earnings(e, 0, lambda of: [(of[0][0], of[0][1] + 1), *of[1:]]),
        lambda _, e: earnings(e, 0, lambda of: [(0, 0), *of]),
    ],
    Kind.EarningMissing: [lambda _, e: earnings(e, 2, lambda of: of[:-1])],
    Kind.EarnerMissing: [lambda _, e: without_leaf(e, "balances", 4)],
    Kind.FeeMissing: [lambda _, e: earnings(e, 0, lambda of: of[1:])],
}
