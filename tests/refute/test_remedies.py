"""What the whole system promises of a committee all of whose members are dishonest: R1 to R6, by a bystander's `crowdproof refute`.

Each time: the fault is posted with all signatures; a bystander who has an endpoint, a copy of the data and some coin strikes
it; every signer loses a unit, of which half at least is burnt and the bystander collects the rest; topped up, the members post the
correct epoch, it is final, and everyone is paid what the answers earned.
"""

from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from oracle.commands.refuting import Place
from oracle.commands.refuting import watch as watching
from oracle.protocol import pages, trees
from oracle.protocol.cids import Codec, cid_of
from oracle.protocol.epoch import Epoch, leaves_of
from oracle.protocol.faults import Kind
from oracle.protocol.messages import Answer
from oracle.protocol.state import EpochStatus
from oracle.services import refute as refuting
from tests.support.commands import Run, inside
from tests.support.epochs import everybody, with_core, with_verdict
from tests.support.outsiders import Outsider, receipt_file
from tests.support.plants import PLANTS, UNOPENED, prepare, third
from tests.support.stage import COIN, WINDOW, Stage

pytestmark = pytest.mark.sockets
__all__ = ["inside"]
DROPPED = (1, 0, 2)  # job, task, worker


class Bystander(Outsider):
    def refute(self, *words: object, code: int = 0) -> dict[str, Any]:
        return self.do("refute", *words, code=code)


@pytest.fixture(scope="module")
def ready(stages: Callable[[], Stage]) -> tuple[Stage, Epoch]:
    return prepare(stages())


@pytest.fixture
def scene(ready: tuple[Stage, Epoch], tmp_path: Path, inside: Run) -> Iterator[tuple[Stage, Epoch, Bystander]]:
    world, epoch = ready
    taken, ledger, posted = world.snapshot(), deepcopy(world.ledger), list(world.posted)
    yield world, epoch, Bystander(world, tmp_path / "bystander", inside)
    world.ledger, world.posted = ledger, posted
    world.restore(taken)


# ------------------------------------------------------------------------------------------------------------ what is owed


def stakes(world: Stage) -> list[int]:
    place = world.deployment.committee.address
    return [world.view("Committee", place, "stakeOf", member.address) for member in world.members]


def check_slashed(world: Stage, before: list[int], bystander: Bystander) -> None:
    """A unit of each who signed; half at least burnt, the rest the bystander's for the asking."""
    place = world.deployment.committee.address
    unit, burnt = (world.view("Committee", place, name) for name in ("unit", "burnt"))
    assert stakes(world) == [stake - unit for stake in before]
    reward = world.view("Committee", place, "rewardOf", bystander.signer.address)
    assert 0 < reward <= 4 * unit // 2
    assert burnt >= 4 * unit // 2
    coin = bystander.coin()
    assert bystander.refute("--collect")["collected"] >= reward
    assert bystander.coin() > coin + reward - COIN // 100  # gas


def check_paid(world: Stage) -> None:
    """Topped up, the members post what follows from the answers; it is final, and each wallet gets its all."""
    world.top_up()
    honest = third(world)
    assert world.check(honest) == []
    packed = world.put(honest)
    world.finalise(packed.header)
    assert world.state.posts[honest.epoch].status is EpochStatus.FINAL
    levels = trees.build(leaves_of(honest, "balances"))
    for b in honest.balances:
        held = world.chain.token_balance(world.deployment.token, b.wallet)
        world.send(world.calls.claim(b, trees.proof(levels, b.worker)))
        assert world.chain.token_balance(world.deployment.token, b.wallet) == held + b.cumulative
        assert b.cumulative


@pytest.mark.parametrize("kind", [Kind.WrongLabel, Kind.SignatureForged, Kind.EarningMissing, Kind.ListUnordered])
def test_refute__r1_to_r4_signed_by_all_members__strikes_and_the_honest_epoch_pays(
    scene: tuple[Stage, Epoch, Bystander], kind: Kind
) -> None:
    world, epoch, bystander = scene
    before = stakes(world)
    world.put(PLANTS[kind][0](world, epoch))
    bystander.copy()
    found = bystander.refute()
    assert found["struck"]
    assert kind.name in {fault["kind"] for fault in found["faults"]}
    assert found["transaction"]
    assert found["gas"] < 1_000_000
    assert world.state.posts[3].status is EpochStatus.STRUCK
    check_slashed(world, before, bystander)
    check_paid(world)


def test_refute__r5_a_receipted_answer_is_dropped__strikes_by_its_receipt(
    scene: tuple[Stage, Epoch, Bystander],
) -> None:
    world, epoch, bystander = scene
    before = stakes(world)
    (job, task, worker), verdict = DROPPED, epoch.verdicts[0]
    at = [core.worker for core in verdict.cores].index(worker)
    opening, terms = verdict.openings[at], world.state.jobs[job].terms.hash()
    answer = Answer(job, terms, task, worker, opening.commitment, opening.seal_hash)
    world.put(third(world, leave_out=[DROPPED]))
    bystander.copy()
    assert bystander.refute(code=1)["stands"]  # nobody sees it without the receipt
    found = bystander.refute("--receipt", receipt_file(world, [answer], bystander.folder))
    assert found["struck"]
    assert [fault["kind"] for fault in found["faults"]] == ["Dropped"]
    check_slashed(world, before, bystander)
    check_paid(world)


def records_of(world: Stage, epoch: Epoch) -> frozenset[str]:
    """The block that holds the records of the verdicts."""
    _, blocks = pages.pack(epoch.verdicts)
    return frozenset(cid_of(data, codec) for data, codec in blocks if codec is Codec.RAW)


def test_refute__r6_data_that_nobody_gives__is_demanded_and_then_struck(
    scene: tuple[Stage, Epoch, Bystander],
) -> None:
    world, epoch, bystander = scene
    before = stakes(world)
    world.put(epoch)
    bystander.copy(without=records_of(world, epoch))
    found = bystander.refute()
    assert (found["did"], found["struck"], found["missing"][0]["tree"]) == ("demanded", False, "verdicts")
    assert bystander.refute()["did"] == "waits"
    world.warp(WINDOW * 2 // 3)
    found = bystander.refute()
    assert found["struck"]
    assert [fault["kind"] for fault in found["faults"]] == ["Withheld"]
    check_slashed(world, before, bystander)  # with the bond
    check_paid(world)


def test_refute__r6_the_demanded_leaf_is_shown__its_own_fault_strikes(scene: tuple[Stage, Epoch, Bystander]) -> None:
    """Whoever shows a wrong leaf on chain has given its refuter what was withheld."""
    world, epoch, bystander = scene
    only = with_verdict(epoch, 0, label=(epoch.verdicts[0].label + 1) % 3)
    world.put(only)
    bystander.copy(without=records_of(world, only))
    accused, case = world.accused(), world.case(only)
    for index in range(len(only.verdicts)):
        found = bystander.refute()
        assert found["did"] == "demanded"
        place = found["missing"][0]["index"]
        leaf, proof = only.verdicts[place], case.prover.proof("verdicts", place)
        world.send(world.referee.reply(accused, "verdicts", place, leaf, proof))
        assert index == place
    found = bystander.refute()
    assert found["struck"]
    assert {fault["kind"] for fault in found["faults"]} >= {"WrongLabel"}


def test_refute__data_missing_too_late_to_demand__says_so(scene: tuple[Stage, Epoch, Bystander]) -> None:
    world, epoch, bystander = scene
    world.put(epoch)
    bystander.copy(without=records_of(world, epoch))
    world.warp(WINDOW // 3)
    assert bystander.refute(code=1)["did"] == "too late"


def test_refute__a_correct_epoch__stands_with_exit_1(scene: tuple[Stage, Epoch, Bystander]) -> None:
    world, epoch, bystander = scene
    world.put(epoch)
    bystander.copy()
    found = bystander.refute(code=1)
    assert (found["stands"], found["struck"], found["faults"], found["missing"]) == (True, False, [], [])


def test_refute__dry_run__says_what_it_would_send(scene: tuple[Stage, Epoch, Bystander]) -> None:
    world, epoch, bystander = scene
    world.put(PLANTS[Kind.ReasonMismatch][0](world, epoch))
    bystander.copy()
    found = bystander.refute("--dry-run")
    assert (found["did"], found["struck"], found["transaction"]) == ("would strike", False, None)
    assert world.state.posts[3].status is EpochStatus.PENDING


def test_refute__a_final_epoch__is_too_late(scene: tuple[Stage, Epoch, Bystander]) -> None:
    world, epoch, bystander = scene
    packed = world.put(PLANTS[Kind.UncountedWithLabel][0](world, epoch))
    world.finalise(packed.header)
    bystander.copy()
    found = bystander.refute("--epoch", 3, code=1)
    assert (found["did"], UNOPENED) == ("too late", (found["faults"][0]["index"], 2))


def test_refute__an_epoch_further_back_than_one_proof_reaches__is_traced_first(
    scene: tuple[Stage, Epoch, Bystander], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, epoch, bystander = scene
    world.post(epoch)
    job = world.open_job(1)
    fourth = world.epoch(said for said in everybody(world) if said.job == job)
    world.put(with_core(fourth, 0, 0, epoch=1))  # which was struck
    bystander.copy()
    monkeypatch.setattr(refuting, "LINKS", 1)
    found = bystander.refute()
    assert found["struck"]
    assert "PointerStruck" in {fault["kind"] for fault in found["faults"]}
    assert world.referee.is_traced(world.state.posts[3].previous)


def test_watch__a_wrong_epoch_and_a_demand__strikes_and_shows(scene: tuple[Stage, Epoch, Bystander]) -> None:
    world, epoch, bystander = scene
    said: list[str] = []

    def watch() -> None:
        place = Place(bystander.folder, world.url, str(bystander.copy()), bystander.folder / "deployment.json")
        watching(place, bystander.signer, lambda what, _: said.append(what), rounds=1)
        world.sync()

    watch()
    world.put(PLANTS[Kind.PayloadMismatch][0](world, epoch))
    watch()
    assert world.state.posts[3].status is EpochStatus.STRUCK
    world.top_up()
    world.put(third(world))
    world.send(world.referee.demand(world.accused(), "weights", 0, world.referee.price(world.state.head)))
    watch()
    watch()
    assert said == ["waits", "struck", "replied", "stands"]
