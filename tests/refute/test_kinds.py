"""Every kind of fault, planted in an epoch that all members signed: its evidence strikes the epoch and slashes them."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from oracle.protocol import refutations
from oracle.protocol.epoch import Epoch
from oracle.protocol.faults import Kind
from oracle.protocol.refutations import Refutation
from oracle.protocol.state import EpochStatus
from tests.support.plants import PLANTS, prepare
from tests.support.stage import Stage

pytestmark = pytest.mark.sockets
CASES = [  # one of each kind in the quick share
    pytest.param(kind, n, id=f"{kind.name}-{n}", marks=[pytest.mark.deep] if n else [])
    for kind, plants in PLANTS.items()
    for n in range(len(plants))
    if kind is not Kind.EmptyTreeRooted
]


@pytest.fixture(scope="module")
def ready(stages: Callable[[], Stage]) -> tuple[Stage, Epoch]:
    """Before the third epoch."""
    return prepare(stages())


@pytest.fixture
def stage(ready: tuple[Stage, Epoch]) -> Iterator[tuple[Stage, Epoch]]:
    taken = ready[0].snapshot()
    yield ready
    ready[0].restore(taken)


@pytest.mark.parametrize(("kind", "n"), CASES)
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
