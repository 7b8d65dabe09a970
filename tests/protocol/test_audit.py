"""audit.check: a correct epoch has no fault, and every broken rule is found and named by epoch, tree and index.

The epoch under test is the second of a small world: job 1 is weighted and goes on from epoch 1, job 2 is a plain vote.
"""

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.protocol import audit, leaves
from oracle.protocol import epoch as ep
from oracle.protocol.epoch import Epoch
from oracle.protocol.faults import Kind
from oracle.protocol.hashing import ZERO, keccak
from oracle.protocol.heads import Debit
from oracle.protocol.leaves import Core, Opening, Status, Verdict
from oracle.protocol.messages import Assignment
from oracle.protocol.sealing import commitment
from oracle.protocol.terms import MAX_CAP, NAT, NO_LABEL
from tests.protocol.test_keys import ORDER
from tests.support.epochs import (
    EXPIRY,
    Said,
    World,
    everybody,
    fill,
    put,
    tiny,
    with_core,
    with_leaf,
    with_opening,
    with_verdict,
    without_leaf,
)

UNOPENED, REJECTED, LAST = (1, 2), (1, 3), 4  # (verdict, answer) by status; the last verdict


@cache
def setting() -> tuple[World, Epoch]:
    """The world after epoch 1, and the correct epoch 2: verdicts 0-2 of job 1 (task 3 is decided), 3-4 of job 2."""
    world = tiny(workers=4, tasks=4)
    world.open_job(2, decision={"rule": "vote"})
    said = everybody(world)
    world.post(world.epoch([a for a in said if (a.job, a.task) == (1, 2)]), struck=True)
    early = [world.offer(a) for a in said if (a.job, a.task) == (1, 2)]
    world.post(world.epoch([a for a in said if (a.job, a.task) == (1, 3)], more_offers=early))
    fates = {(1, 1, 3): Status.UNOPENED, (1, 1, 4): Status.REJECTED}
    rest = [
        replace(a, status=fates.get((a.job, a.task, a.worker), a.status)) for a in said if (a.job, a.task) != (1, 3)
    ]
    return world, world.epoch(rest)


def places(epoch: Epoch) -> list[tuple[int, str, int | None]]:
    return [(fault.epoch, fault.tree, fault.index) for fault in setting()[0].check(epoch)]


def row_at(epoch: Epoch, job: int, worker: int, label: int) -> int:
    return [(w.job, w.worker, w.label) for w in epoch.weights].index((job, worker, label))


def resigned(epoch: Epoch, verdict: int, at: int, by: int | None = None, **changes: Any) -> Epoch:
    """The epoch with an opening changed and signed again by the answer's worker (or another)."""
    listed = epoch.verdicts[verdict]
    said = Said(listed.job, listed.task, listed.cores[at].worker)
    opening = setting()[0].sign(said, replace(listed.openings[at], **changes), by)
    return with_verdict(epoch, verdict, openings=put(listed.openings, at, opening))


def test_check__a_correct_epoch__has_no_faults() -> None:
    world, epoch = setting()
    assert world.check(epoch) == []
    assert [(v.job, v.task) for v in epoch.verdicts] == [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1)]
    assert {core.status for v in epoch.verdicts for core in v.cores} == set(Status)
    assert {core.epoch for v in epoch.verdicts for core in v.cores} == {2, 3}  # not of the struck epoch
    assert epoch.epoch == 3
    assert len(epoch.debits) == 2


def malleated(signature: bytes) -> bytes:
    s = ORDER - int.from_bytes(signature[32:64], "big")
    return signature[:32] + s.to_bytes(32, "big") + bytes([27 + 28 - signature[64]])


def debit(epoch: Epoch, index: int, **changes: Any) -> Epoch:
    return replace(epoch, debits=put(epoch.debits, index, replace(epoch.debits[index], **changes)))


def offer(job: int, task: int, worker: int) -> Assignment:
    jobs = setting()[0].state.jobs
    return Assignment(job, jobs[min(job, 2)].terms.hash(), task, worker, EXPIRY)


def more_offers(epoch: Epoch, job: int = 2, task: int = 1, worker: int = 4) -> Epoch:
    return replace(epoch, assignments=(*epoch.assignments, offer(job, task, worker)))


def crowded(epoch: Epoch) -> Epoch:
    v = epoch.verdicts[0]
    return with_verdict(epoch, 0, cores=(*v.cores, v.cores[-1]), openings=(*v.openings, v.openings[-1]))


def swapped_answers(epoch: Epoch) -> Epoch:
    v = epoch.verdicts[0]
    (a, b, *cores), (x, y, *openings) = v.cores, v.openings
    return with_verdict(epoch, 0, cores=(b, a, *cores), openings=(y, x, *openings))


def twice_listed(epoch: Epoch) -> Epoch:
    v = epoch.verdicts[0]
    return with_verdict(epoch, 0, cores=(v.cores[0], *v.cores[:3]), openings=(v.openings[0], *v.openings[:3]))


# ----------------------------------------------------------------------------- one test for each kind of fault: a table

ROW, WEIGHTS, OFFERS = row_at(setting()[1], 1, 4, 0), len(setting()[1].weights), len(setting()[1].assignments)
Break = Callable[[Epoch], Epoch]
CASES: list[tuple[str, Break, str, int | None, str]] = [
    # R1: wrong verdict
    ("the label", lambda e: with_verdict(e, 2, label=(e.verdicts[2].label + 1) % 3), "verdicts", 2, "the scores say"),
    ("no label", lambda e: with_verdict(e, 3, label=NO_LABEL), "verdicts", 3, "the label is 255"),
    (
        "a row beyond the cap",
        lambda e: with_leaf(e, "weights", row_at(e, 1, 4, 0), row=(6 * NAT + 1, 0, 0)),
        "weights", ROW, "beyond the cap",
    ),
    (
        "a row below the cap",
        lambda e: with_leaf(e, "weights", row_at(e, 1, 4, 0), row=(800, 0, -6 * NAT - 1)),
        "weights", ROW, "beyond the cap",
    ),
    (
        "a row against its own label",
        lambda e: with_leaf(e, "weights", row_at(e, 1, 4, 0), row=(800, 801, 0)),
        "weights", ROW, "against its own label 0",
    ),
    (
        "a vote that weighs more",
        lambda e: with_leaf(e, "weights", row_at(e, 2, 4, 0), row=(NAT + 1, 0, 0)),
        "weights", WEIGHTS - 2, "plain vote",
    ),
    ("a prior beyond the cap", lambda e: with_verdict(e, 0, prior=(NAT + 1, 0, 0)), "verdicts", 0, "beyond the cap"),
    ("a prior in a vote", lambda e: with_verdict(e, 4, prior=(1, 0, 0)), "verdicts", 4, "beyond the cap of 0"),
    ("a short prior", lambda e: with_verdict(e, 0, prior=(0, 0)), "verdicts", 0, "2 classes instead of 3"),
    ("a long prior", lambda e: with_verdict(e, 0, prior=(0, 0, 0, 0)), "verdicts", 0, "4 classes"),
    # R2: forged answer
    ("another's signature", lambda e: resigned(e, 0, 1, by=1), "verdicts", 0, "worker 2 is not signed by its key"),
    ("no signature", lambda e: with_opening(e, 0, 1, signature=b""), "verdicts", 0, "not signed"),
    ("65 zero bytes", lambda e: with_opening(e, 0, 1, signature=bytes(65)), "verdicts", 0, "not signed"),
    ("a signature of another answer", lambda e: with_opening(
        e, 0, 1, signature=e.verdicts[1].openings[1].signature), "verdicts", 0, "not signed"),
    ("a malleated signature", lambda e: with_opening(
        e, 0, 1, signature=malleated(e.verdicts[0].openings[1].signature)), "verdicts", 0, "not signed"),
    ("another seal", lambda e: with_opening(e, 0, 1, seal_hash=fill("x")), "verdicts", 0, "not signed"),
    ("another salt", lambda e: with_opening(e, 0, 0, salt=fill("x")), "verdicts", 0, "does not fit its commitment"),
    ("no salt", lambda e: with_opening(e, 0, 0, salt=ZERO), "verdicts", 0, "does not fit its commitment"),
    ("a signed commitment that does not fit", lambda e: resigned(
        e, 0, 0, commitment=fill("x")), "verdicts", 0, "does not fit its commitment"),
    ("another commitment", lambda e: with_opening(
        e, 0, 0, commitment=fill("x")), "verdicts", 0, "does not fit its commitment"),
    ("another payload", lambda e: with_opening(
        e, 0, 0, payload=b"\x02"), "verdicts", 0, "does not fit its commitment"),
    ("another label than the payload", lambda e: with_core(
        e, 0, 0, label=2, row=row_at(e, 1, 1, 2)), "verdicts", 0, "another label than it says"),
    ("a rejected answer that does not fit", lambda e: with_opening(
        e, *REJECTED, payload=b"\x02"), "verdicts", 1, "worker 4 does not fit"),
    # R1 through the list: the row
    ("another worker's row", lambda e: with_core(
        e, 0, 0, row=row_at(e, 1, 2, 0)), "verdicts", 0, "points to another weight row"),
    ("another job's row", lambda e: with_core(
        e, 3, 0, row=row_at(e, 1, 1, 1)), "verdicts", 3, "points to another weight row"),
    ("another label's row", lambda e: with_core(
        e, 0, 0, row=row_at(e, 1, 1, 2)), "verdicts", 0, "points to another weight row"),
    ("no row", lambda e: with_core(e, 0, 0, row=len(e.weights)), "verdicts", 0, "points to another weight row"),
    # R3: wrong pay
    ("the running pay", lambda e: with_verdict(e, 1, pay=e.verdicts[1].pay + 1), "verdicts", 1, "running pay"),
    ("pay that runs on from another job", lambda e: with_verdict(
        e, 3, pay=e.verdicts[3].pay + e.verdicts[2].pay), "verdicts", 3, "running pay"),
    ("a cumulative", lambda e: with_leaf(
        e, "balances", 2, cumulative=e.balances[2].cumulative + 1), "balances", 2, "worker 2 has"),
    ("the fee", lambda e: with_leaf(
        e, "balances", 0, cumulative=e.balances[0].cumulative - 1), "balances", 0, "worker 0 has"),
    ("the fee's earnings", lambda e: with_leaf(
        e, "balances", 0, earnings=b""), "balances", 0, "earnings differ"),
    ("an earning missing", lambda e: with_leaf(
        e, "balances", 1, earnings=e.balances[1].earnings[:-12]), "balances", 1, "earnings differ"),
    ("an earning twice", lambda e: with_leaf(
        e, "balances", 1, earnings=e.balances[1].earnings + e.balances[1].earnings[-12:]), "balances", 1, "differ"),
    ("an earning without its verdict", lambda e: with_leaf(
        e, "balances", 3, earnings=e.balances[3].earnings[:12] + leaves.pack_earnings([(1, 1300)])
        + e.balances[3].earnings[12:]), "balances", 3, "differ"),
    ("half an earning", lambda e: with_leaf(
        e, "balances", 1, earnings=e.balances[1].earnings[:-1]), "balances", 1, "differ"),
    ("a wallet", lambda e: with_leaf(e, "balances", 3, wallet=bytes(20)), "balances", 3, "wallet"),
    ("a debit's pay", lambda e: debit(e, 0, pay=e.debits[0].pay - 1), "debits", 0, "not the pay of its job"),
    ("a debit's last verdict", lambda e: debit(e, 1, last=3), "debits", 1, "not the pay"),
    ("a debit's job", lambda e: debit(e, 1, job=3), "debits", 1, "not the pay"),
    ("a debit missing", lambda e: replace(e, debits=e.debits[:1]), "debits", 1, "not the pay"),
    ("no debits", lambda e: replace(e, debits=()), "debits", 0, "not the pay"),
    ("one more debit", lambda e: replace(e, debits=(*e.debits, Debit(3, 0, 0))), "debits", 2, "not the pay"),
    ("the total", lambda e: replace(e, total=e.total + 1), "balances", None, "the total is"),
    ("the total without the epochs before", lambda e: replace(
        e, total=e.total - setting()[0].ledger.total), "balances", None, "the total is"),
    ("a balance missing", lambda e: without_leaf(e, "balances", 4), "balances", None, "4 balances do not fit"),
    ("no balances", lambda e: replace(e, balances=()), "balances", None, "0 balances do not fit"),
    ("a balance for nobody", lambda e: replace(
        e, balances=(*e.balances, replace(e.balances[4], worker=5))), "balances", None, "6 balances do not fit"),
    # R4: invalid list
    ("weights twice", lambda e: replace(
        e, weights=(*e.weights, e.weights[-1])), "weights", WEIGHTS, "ascending"),
    ("an assignment twice", lambda e: replace(
        e, assignments=(*e.assignments, e.assignments[-1])), "assignments", OFFERS, "ascending"),
    ("balances in another order", lambda e: replace(
        e, balances=(*e.balances[:3], e.balances[4], e.balances[3])), "balances", 4, "ascending"),
    ("a task decided before", lambda e: with_verdict(
        e, 2, task=3), "verdicts", 2, "already has a verdict"),
    ("a task out of range", lambda e: with_verdict(e, 4, task=2), "verdicts", 4, "job 2 has no task 2"),
    ("a job that is none", lambda e: with_verdict(e, 4, job=3), "verdicts", 4, "job 3 has no task"),
    ("a label out of range", lambda e: with_core(
        e, 0, 0, label=3), "verdicts", 0, "points to another weight row"),
    ("a row's label out of range", lambda e: replace(e, weights=(
        *e.weights, leaves.WeightRow(2, 4, 3, (0, 0, 0)))), "weights", WEIGHTS, "is of no job"),
    ("a row of no job", lambda e: replace(e, weights=(
        *e.weights, leaves.WeightRow(3, 1, 0, (0, 0, 0)))), "weights", WEIGHTS, "is of no job"),
    ("a pointer beyond the tree", lambda e: with_core(
        e, 0, 0, index=len(e.assignments)), "verdicts", 0, "no assignment where it points"),
    ("a pointer to another's assignment", lambda e: with_core(
        e, 0, 0, index=1), "verdicts", 0, "worker 1 has no assignment"),
    ("a pointer to another task's assignment", lambda e: with_core(
        e, 0, 0, index=4), "verdicts", 0, "no assignment where it points"),
    ("a pointer to an epoch before", lambda e: with_core(e, 0, 0, epoch=2), "verdicts", 0, "no assignment"),
    ("a pointer to an epoch to come", lambda e: with_core(e, 0, 0, epoch=4), "verdicts", 0, "no assignment"),
    ("a pointer to no epoch", lambda e: with_core(e, 2, 0, epoch=0), "verdicts", 2, "no assignment"),
    ("an unknown key", lambda e: with_core(e, 0, 3, key=1), "verdicts", 0, "worker 4 is by no registered key (1)"),
    ("a worker who is not registered", lambda e: with_core(
        e, 0, 3, worker=5), "verdicts", 0, "worker 5 is by no registered key"),
    ("more answers than the job allows", crowded, "verdicts", 0, "5 answers with 5 openings"),
    ("no answers", lambda e: with_verdict(e, 0, cores=(), openings=()), "verdicts", 0, "0 answers"),
    ("an opening too few", lambda e: with_verdict(
        e, 0, openings=e.verdicts[0].openings[:3]), "verdicts", 0, "4 answers with 3 openings"),
    ("answers in another order", swapped_answers, "verdicts", 0, "ascending order of their workers"),
    ("a worker twice", twice_listed, "verdicts", 0, "ascending order of their workers"),
    ("an offer under other terms", lambda e: with_leaf(
        e, "assignments", 0, terms=fill("x")), "assignments", 0, "other terms"),
    ("an offer of no task", lambda e: more_offers(e, task=9), "assignments", OFFERS, "no such task"),
    ("an offer of no job", lambda e: more_offers(e, job=3), "assignments", OFFERS, "no such task"),
    ("an offer to nobody", lambda e: more_offers(e, worker=5), "assignments", OFFERS, "worker 5 is not"),
    # statuses
    ("unopened with a payload", lambda e: with_opening(
        e, *UNOPENED, payload=b"\0"), "verdicts", 1, "as unopened and yet has an opening"),
    ("unopened with a salt", lambda e: with_opening(
        e, *UNOPENED, salt=fill("x")), "verdicts", 1, "as unopened and yet has an opening"),
    ("unopened with a reason", lambda e: with_opening(
        e, *UNOPENED, reason=fill("x")), "verdicts", 1, "has a reason and is not rejected"),
    ("unopened without its envelope", lambda e: with_opening(
        e, *UNOPENED, envelope=b""), "verdicts", 1, "without the envelope that was signed"),
    ("unopened with another envelope", lambda e: with_opening(
        e, *UNOPENED, envelope=b"x"), "verdicts", 1, "without the envelope that was signed"),
    ("unopened with a label", lambda e: with_core(e, *UNOPENED, label=1), "verdicts", 1, "does not count and yet"),
    ("unopened with a row", lambda e: with_core(e, *UNOPENED, row=0), "verdicts", 1, "does not count and yet"),
    ("rejected with a label", lambda e: with_core(e, *REJECTED, label=1), "verdicts", 1, "does not count and yet"),
    ("rejected without a reason", lambda e: with_opening(
        e, *REJECTED, reason=ZERO), "verdicts", 1, "is rejected without one"),
    ("rejected without an opening", lambda e: with_opening(
        e, *REJECTED, salt=ZERO, payload=b""), "verdicts", 1, "does not fit its commitment"),
    ("counted with a reason", lambda e: with_opening(
        e, 0, 0, reason=fill("x")), "verdicts", 0, "has a reason and is not rejected"),
    ("counted with an envelope", lambda e: with_opening(
        e, 0, 0, envelope=b"x"), "verdicts", 0, "is opened and yet carries its envelope"),
    ("opened, listed as unopened", lambda e: with_core(
        e, 0, 0, status=Status.UNOPENED, label=NO_LABEL, row=leaves.NO_ROW), "verdicts", 0, "yet has an opening"),
    ("opened, listed as rejected", lambda e: with_core(
        e, 0, 0, status=Status.REJECTED, label=NO_LABEL, row=leaves.NO_ROW), "verdicts", 0, "rejected without one"),
    ("unopened, counted", lambda e: with_core(
        e, *UNOPENED, status=Status.COUNTED, label=1, row=ROW), "verdicts", 1, "yet carries its envelope"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "change", "tree", "index", "says"), CASES, ids=[case[0] for case in CASES])
def test_check__one_rule_broken__is_named_by_tree_and_index(
    name: str, change: Break, tree: str, index: int | None, says: str
) -> None:
    world, epoch = setting()
    broken = change(epoch)
    assert broken != epoch
    faults = world.check(broken)
    assert {(f.epoch, f.tree, f.index) for f in faults} == {(3, tree, index)}, name
    assert any(says in f.what for f in faults), [f.what for f in faults]


@pytest.mark.parametrize("tree", ep.TREES)
def test_check__two_leaves_of_a_tree_swapped__is_named(tree: str) -> None:
    epoch = setting()[1]
    values = getattr(epoch, tree)
    for at in range(len(values) - 1):
        changes: Any = {tree: (*values[:at], values[at + 1], values[at], *values[at + 2 :])}
        assert (3, tree, at + 1) in places(replace(epoch, **changes))


def test_check__a_verdict_twice__is_named_at_the_second() -> None:
    epoch = setting()[1]
    found = places(replace(epoch, verdicts=put(epoch.verdicts, 1, epoch.verdicts[0])))
    assert (3, "verdicts", 1) in found


@pytest.mark.parametrize("row", [(), (800,), (800, -400), (800, -400, -400, -400)])
def test_check__a_row_of_another_length__is_a_fault_and_never_raises(row: tuple[int, ...]) -> None:
    epoch = setting()[1]
    index = row_at(epoch, 1, 4, 0)
    found = places(with_leaf(epoch, "weights", index, row=row))
    assert found[0] == (3, "weights", index)
    assert {place[1] for place in found} == {"weights", "verdicts"}


CHANGED = ("payload", "commitment", "signature")


@pytest.mark.parametrize("free", [False, True])
def test_check__a_payload_that_is_not_the_label__is_a_fault_unless_answers_are_free(free: bool) -> None:
    asked = {"answer": {"type": "free", "asked": {"type": "text"}, "candidates": 3}} if free else {}
    world = tiny(workers=3, tasks=1, **asked)
    first, listed = everybody(world)[0], world.listed(everybody(world)[0])
    bound = commitment(first.job, first.task, first.worker, b"a dog" + bytes(59), listed.opening.salt)
    opening = world.sign(first, replace(listed.opening, payload=b"a dog" + bytes(59), commitment=bound))
    epoch = with_opening(world.epoch(everybody(world)), 0, 0, **{name: getattr(opening, name) for name in CHANGED})
    assert [fault.kind for fault in world.check(epoch)] == ([] if free else [Kind.PayloadMismatch])


def test_check__the_same_epoch_after_another_was_struck__needs_its_assignments_again() -> None:
    world, epoch = setting()
    kept = world.ledger.offers.pop(2)
    try:
        assert {f.index for f in world.check(epoch)} == {2}
    finally:
        world.ledger.offers[2] = kept


def test_check__a_pointer_into_a_struck_epoch__is_refused_whoever_has_its_data() -> None:
    world = tiny()
    said = everybody(world)
    world.post(world.epoch(said), struck=True)
    again = world.epoch(said)
    assert world.check(again) == []
    for index in range(len(again.verdicts)):
        struck = with_core(again, index, 0, epoch=1)
        assert [(f.tree, f.index) for f in world.check(struck)] == [("verdicts", index)]


def test_check__an_answer_by_the_treasury__is_refused_also_with_an_assignment() -> None:
    world = tiny(workers=1)
    said = Said(1, 0, 0)
    bogus = replace(world.epoch([]), assignments=(world.offer(said),))
    assert [(f.tree, f.index) for f in world.check(bogus)] == [("assignments", 0)]
    world.post(bogus)
    answered = world.epoch([said])
    assert [(f.tree, f.index) for f in world.check(answered)] == [("verdicts", 0)]


def test_check__a_copied_answer_signed_again_by_the_copier__does_not_fit() -> None:
    """Threat 3: worker 2 lists worker 1's commitment, seal and opening as its own."""
    world = tiny()
    epoch = world.epoch([Said(1, 0, 1, 2), Said(1, 0, 2, 2)])
    stolen = epoch.verdicts[0].openings[0]
    copied = world.sign(Said(1, 0, 2), stolen)
    faults = world.check(with_verdict(epoch, 0, openings=(stolen, copied)))
    assert [(f.tree, f.index, f.what) for f in faults] == [
        ("verdicts", 0, "the answer of worker 2 does not fit its commitment")
    ]


def test_check__a_copied_answer_without_the_worker_in_the_commitment__would_count(monkeypatch: Any) -> None:
    def unbound(job: int, task: int, _: int, payload_hash: bytes, salt: bytes) -> bytes:
        return keccak(payload_hash + salt)

    monkeypatch.setattr(audit, "commitment_of_hash", unbound)
    monkeypatch.setattr("oracle.protocol.sealing.commitment_of_hash", unbound)
    world = tiny()
    epoch = world.epoch([Said(1, 0, 1, 2), Said(1, 0, 2, 2)])
    stolen = epoch.verdicts[0].openings[0]
    assert world.check(with_verdict(epoch, 0, openings=(stolen, world.sign(Said(1, 0, 2), stolen)))) == []


# -------------------------------------------------------------------------------------------------------------- limits


@pytest.mark.parametrize(("limit", "most"), [("MAX_EARNINGS", 5), ("MAX_DEBITS", 2)])
def test_check__the_limits_of_an_epoch__hold_at_their_boundary(limit: str, most: int, monkeypatch: Any) -> None:
    _, epoch = setting()
    monkeypatch.setattr(audit, limit, most)
    assert places(epoch) == []
    monkeypatch.setattr(audit, limit, most - 1)
    assert places(epoch) == [(3, "balances", None)]


@pytest.mark.parametrize("registered_later", [0, 1, 3])
def test_check__workers_who_registered_after_the_proposal__do_not_matter(registered_later: int) -> None:
    world = tiny()
    epoch = world.epoch(everybody(world))
    for i in range(registered_later):
        world.register(f"late {i}")
    assert world.check(epoch) == []


def test_check__most_answers_of_most_weight__still_decides() -> None:
    world = tiny(workers=64, tasks=1, redundancy={"most": 64}, decision={"weightCap": 16, "priorCap": 16})
    epoch = world.epoch([Said(1, 0, worker, worker % 3) for worker in range(1, 65)])
    heavy = tuple(replace(w, row=tuple(MAX_CAP if c == w.label else -MAX_CAP for c in range(3))) for w in epoch.weights)
    assert {f.tree for f in world.check(replace(epoch, weights=heavy))} <= {"verdicts"}


# ---------------------------------------------------------------------------------------------------------- properties


@st.composite
def crowds(draw: st.DrawFn) -> list[list[Said]]:
    """Answers of any fate to some tasks of two jobs, over one or two epochs."""
    epochs: list[list[Said]] = [[] for _ in range(draw(st.integers(1, 2)))]
    for at in draw(st.sets(st.tuples(st.sampled_from([1, 2]), st.integers(0, 2)), max_size=4)):
        home = draw(st.integers(0, len(epochs) - 1))
        for worker in draw(st.sets(st.integers(1, 4), min_size=1)):
            said = Said(*at, worker, draw(st.integers(0, 2)), draw(st.sampled_from(Status)))
            epochs[home].append(said)
    return epochs


@settings(max_examples=40, deadline=None)
@given(crowds(), st.booleans(), st.booleans())
def test_check__whatever_honest_members_build__has_no_faults(said: list[list[Said]], vote: bool, struck: bool) -> None:
    world = tiny(jobs=2, decision={"rule": "vote"} if vote else {})
    if struck:
        world.post(world.epoch(said[0]), struck=True)
    for answers in said:
        epoch = world.epoch(answers)
        assert world.check(epoch) == []
        world.post(epoch)
    escrow = sum(job.terms.escrow() for job in world.state.jobs.values())
    assert sum(world.ledger.cumulative) == world.ledger.total <= escrow


def mutants(value: Any) -> list[tuple[str, Any]]:
    """Each way to change one field inside a value by a little, with the field's path."""
    if isinstance(value, Status):
        return [("", s) for s in Status if s is not value]
    if isinstance(value, int):
        return [("", value ^ 1), ("", value ^ 2)]
    if isinstance(value, bytes):
        flips = [value[:i] + bytes([value[i] ^ 1]) + value[i + 1 :] for i in {0, len(value) - 1} if value]
        return [("", other) for other in flips] or [("", b"x")]
    if isinstance(value, tuple):
        return [(path, put(value, i, other)) for i, item in enumerate(value) for path, other in mutants(item)]
    assert is_dataclass(value)
    found = []
    for field in fields(value):
        if field.name == "hashed":  # of what was revealed on chain: no data has it
            continue
        for path, other in mutants(getattr(value, field.name)):
            changes: Any = {field.name: other}
            mutant: Any = replace(value, **changes)  # type: ignore[type-var]
            found.append((f"{field.name}.{path}" if path else field.name, mutant))
    return found


# what is judgement, or hangs on the chain and not on the data: the header binds it, no rule of the data does
FREE = {"epoch", "previous", "valid_until", "configuration", "model"}
FREE |= {"weights.row", "verdicts.prior", "verdicts.openings.reason", "assignments.expiry"}


def test_check__any_single_field_changed__is_a_fault_or_judgement_and_changes_the_header() -> None:
    world, epoch = setting()
    header = ep.header_of(epoch, ZERO, ep.roots_of(epoch))
    silent = set()
    count = 0
    for path, mutant in mutants(epoch):
        count += 1
        faults = world.check(mutant)
        changed = ep.header_of(mutant, ZERO, ep.roots_of(mutant)) != header
        assert faults or changed, path
        if not faults:
            silent.add(path)
            assert changed, path
    assert silent <= FREE, silent - FREE
    assert {"weights.row", "verdicts.prior", "assignments.expiry"} <= silent  # the search does reach them
    assert count > 1000


def test_mutants__the_kinds_of_leaves__are_all_reached() -> None:
    kinds = {path.split(".")[0] for path, _ in mutants(setting()[1])}
    assert kinds == {field.name for field in fields(Epoch)}
    deep = {path for path, _ in mutants(setting()[1]) if path.startswith("verdicts.")}
    assert {f"verdicts.cores.{f.name}" for f in fields(Core)} <= deep
    assert {f"verdicts.openings.{f.name}" for f in fields(Opening) if f.name != "hashed"} <= deep
    assert {f"verdicts.{f.name}" for f in fields(Verdict) if f.name not in ("cores", "openings")} <= deep
