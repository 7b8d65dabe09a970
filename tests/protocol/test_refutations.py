"""refutations: a correct epoch has none; each planted fault is found as its kind, also behind pages of hostile values."""

from dataclasses import replace
from functools import cache

import pytest

from oracle.protocol import audit, refutations
from oracle.protocol import epoch as ep
from oracle.protocol.epoch import Epoch
from oracle.protocol.faults import Kind
from oracle.protocol.hashing import ZERO
from oracle.protocol.refutations import Case
from tests.support.epochs import World
from tests.support.plants import PLANTS, prepare

CASES = [(kind, n) for kind, plants in PLANTS.items() for n in range(len(plants))]


@cache
def setting() -> tuple[World, Epoch]:
    return prepare(World())


def case_of(epoch: Epoch) -> Case:
    world, _ = setting()
    header = ep.header_of(epoch, ZERO, ep.roots_of(epoch))
    before = {e.epoch: e for e, _ in world.posted}

    def header_of(number: int) -> ep.Header:
        return ep.header_of(before[number], ZERO, ep.roots_of(before[number]))

    return Case(header, epoch, world.state, world.ledger, world.deployment.domain(), header_of, before.__getitem__)


def test_find__a_correct_epoch__has_nothing_to_refute() -> None:
    _, epoch = setting()
    assert list(refutations.find(case_of(epoch))) == []


def test_plants__every_kind_that_evidence_proves__is_planted() -> None:
    assert set(PLANTS) == set(Kind) - {Kind.Dropped, Kind.Withheld}


IN_BLOCKS = [case for case in CASES if case[0] is not Kind.EmptyTreeRooted]  # which is in the header alone


@pytest.mark.parametrize(("kind", "n"), IN_BLOCKS, ids=lambda one: getattr(one, "name", one))
def test_refutations__a_planted_fault__is_found_and_read_back_from_its_blocks(kind: Kind, n: int) -> None:
    world, epoch = setting()
    planted = PLANTS[kind][n](world, epoch)
    packed = world.pack(planted)
    read, faults = world.load(planted, packed.header.content)
    assert (read, faults) == (planted, [])
    found = {refutation.kind: refutation for refutation in refutations.refutations(case_of(read))}
    assert kind in found
    assert found[kind].evidence == refutations.evidence(case_of(planted), kind, found[kind].fault)
    assert audit.check(planted, world.state, world.deployment.domain(), world.ledger)


def test_rootless__a_size_of_zero_with_a_root__is_found_in_the_header() -> None:
    _, epoch = setting()
    header = replace(case_of(epoch).header, weights_size=0)
    (fault,) = refutations.rootless(header)
    assert (fault.kind, fault.tree, fault.position) == (Kind.EmptyTreeRooted, "weights", 1)
