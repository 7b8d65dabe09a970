"""Every kind of fault against the real Referee: planted, it strikes and slashes; tried on a correct epoch, it is refused."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from oracle.protocol import refutations
from oracle.protocol.epoch import Epoch
from oracle.protocol.errors import Refused
from oracle.protocol.evidence import TREE, Evidence, Prover
from oracle.protocol.faults import Fault, Kind
from oracle.protocol.refutations import Case, Refutation
from oracle.protocol.state import EpochStatus
from tests.support.epochs import with_verdict
from tests.support.plants import PLANTS, prepare
from tests.support.stage import Stage

pytestmark = pytest.mark.sockets
CASES = [(kind, n) for kind, plants in PLANTS.items() for n in range(len(plants)) if kind is not Kind.EmptyTreeRooted]
REFUSALS = {"RefereeUnfounded", "RefereeEvidenceMissing", "RefereeLeafElsewhere", "RefereePositionBeyond"}


@pytest.fixture(scope="module")
def ready(anvil_url: str) -> tuple[Stage, Epoch]:
    """Before the third epoch."""
    return prepare(Stage(url=anvil_url))


@pytest.fixture
def stage(ready: tuple[Stage, Epoch]) -> Iterator[tuple[Stage, Epoch]]:
    taken = ready[0].snapshot()
    yield ready
    ready[0].restore(taken)


@pytest.fixture(scope="module")
def honest(ready: tuple[Stage, Epoch]) -> Iterator[Case]:
    """The correct epoch, posted."""
    world, epoch = ready
    taken = world.snapshot()
    world.put(epoch)
    yield world.case(epoch)
    world.restore(taken)


@pytest.mark.parametrize(("kind", "n"), CASES, ids=lambda one: getattr(one, "name", one))
def test_refute__a_planted_fault__strikes_the_epoch(stage: tuple[Stage, Epoch], kind: Kind, n: int) -> None:
    world, epoch = stage
    planted = PLANTS[kind][n](world, epoch)
    world.put(planted)
    found = {refutation.kind: refutation for refutation in refutations.refutations(world.case(planted))}
    burnt = world.view("Committee", world.deployment.committee.address, "burnt")
    world.send(world.referee.refute(world.accused(), found[kind], world.sender.address))
    world.sync()
    assert world.state.posts[3].status is EpochStatus.STRUCK
    assert world.view("Committee", world.deployment.committee.address, "burnt") > burnt


def test_refute__an_empty_tree_with_a_root__strikes_the_epoch(stage: tuple[Stage, Epoch]) -> None:
    world, epoch = stage
    header = replace(world.pack(epoch).header, weights_size=0)
    world.put(epoch, header)
    (fault,) = refutations.rootless(header)
    proof = Refutation(fault, Kind.EmptyTreeRooted, refutations.of_header(fault))
    world.send(world.referee.refute(world.accused(), proof, world.sender.address))
    world.sync()
    assert world.state.posts[3].status is EpochStatus.STRUCK


def attempts(case: Case, kind: Kind) -> Iterator[Evidence]:
    """That kind's evidence at each place where a liar might claim the fault to be."""
    sizes = {tree: len(getattr(case.epoch, tree)) for tree in TREE} | {"debits": len(case.epoch.debits)}
    for index in range(max(sizes.values())):
        for position in range(4):
            try:
                yield refutations.evidence(case, kind, Fault(3, "?", index, "?", kind, position, position))
            except LookupError:
                continue
    if kind is Kind.TaskDecided:
        old, stub = case.data_of(2), case.prover.stub(0)
        older = refutations._older(case, 2)
        yield Evidence(stubs=(stub, Prover(old).stub(0)), older=(older,))
    if kind in (Kind.DebitBeyond, Kind.DebitMismatch, Kind.DebitNotLast):
        for index, debit in enumerate(case.epoch.debits):
            for at in range(sizes["verdicts"]):
                yield Evidence(index, stubs=(case.prover.stub(at),))
            assert debit


@pytest.mark.parametrize("kind", PLANTS, ids=lambda kind: kind.name)
def test_refute__a_correct_epoch__is_refused_in_each_kind(ready: tuple[Stage, Epoch], honest: Case, kind: Kind) -> None:
    world, _ = ready
    posted, tried, reasons = world.accused(), 0, set()
    for evidence in attempts(honest, kind):
        call = world.referee.refute(posted, Refutation(Fault(3, "?", 0, "?"), kind, evidence), world.sender.address)
        with pytest.raises(Refused) as refused:
            world.chain.estimate(world.sender.address, call)
        reasons.add(refused.value.code)
        tried += 1
    assert tried
    assert "RefereeUnfounded" in reasons
    assert "Panic" not in reasons
    assert not reasons - REFUSALS, reasons


def test_attempts__at_a_planted_fault__would_succeed(stage: tuple[Stage, Epoch]) -> None:
    """The test above can fail: among its attempts is the one that proves a fault, where there is one."""
    world, epoch = stage
    planted = with_verdict(epoch, 2, label=(epoch.verdicts[2].label + 1) % 3)
    world.put(planted)
    taken = []
    for evidence in attempts(world.case(planted), Kind.WrongLabel):
        proof = Refutation(Fault(3, "?", 0, "?"), Kind.WrongLabel, evidence)
        call = world.referee.refute(world.accused(), proof, world.sender.address)
        try:
            taken.append(world.chain.estimate(world.sender.address, call))
        except Refused:
            continue
    assert taken
