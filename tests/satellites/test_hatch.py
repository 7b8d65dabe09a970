"""The hatch on a real chain: a committee that stops owes base pay to whoever holds its receipts, and nothing twice.

Of the world of tests.support.plants, task 3 of job 1 is decided by a final epoch, everything else is not; the requester closes both
jobs, and no member is heard of again.
"""

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from pathlib import Path

import pytest

from oracle.protocol.messages import Answer
from oracle.protocol.state import State
from tests.support.commands import Run, inside
from tests.support.epochs import Said, wallet_of
from tests.support.outsiders import Outsider, receipt_file
from tests.support.plants import prepare
from tests.support.stage import WINDOW, Stage

pytestmark = pytest.mark.sockets
__all__ = ["inside"]
BASE, BOND = 1_000, 10**16
Place = tuple[int, int, int]  # job, task, worker
Scene = tuple[Stage, Callable[..., Outsider]]


@pytest.fixture(scope="module")
def ready(stages: Callable[[], Stage]) -> Stage:
    """Debits are closed."""
    world, _ = prepare(stages())
    for number, job in world.state.jobs.items():
        world.send(world.calls.close_job(number, job.terms.hash()))
    world.warp(3 * WINDOW)
    world.sync()
    return world


@pytest.fixture
def scene(ready: Stage, tmp_path: Path, inside: Run) -> Iterator[Scene]:
    taken, ledger, posted = ready.snapshot(), deepcopy(ready.ledger), list(ready.posted)

    def someone(name: str, blind: bool = False) -> Outsider:
        found = Outsider(ready, tmp_path / name, inside)
        found.copy(without=frozenset(ready.blocks) if blind else frozenset())
        (found.folder / "store").mkdir(exist_ok=True)
        return found

    yield ready, someone
    ready.ledger, ready.posted = ledger, posted
    ready.restore(taken)


def receipts(world: Stage, who: Outsider, places: Sequence[Place]) -> Path:
    """All members' receipt for these answers."""
    answers = []
    for job, task, worker in places:
        opening = world.listed(Said(job, task, worker)).opening
        terms = world.state.jobs[job].terms.hash()
        answers.append(Answer(job, terms, task, worker, opening.commitment, opening.seal_hash))
    return receipt_file(world, answers, who.folder)


def held(world: Stage, worker: int) -> int:
    return world.chain.token_balance(world.deployment.token, wallet_of(f"worker {worker}"))


def stages_of(document: dict[str, object]) -> dict[Place, str]:
    claims: list[dict[str, object]] = document["claims"]  # type: ignore[assignment]
    return {(c["job"], c["task"], c["worker"]): str(c["stage"]) for c in claims}  # type: ignore[misc]


def job(state: State, number: int) -> tuple[int, int, int]:
    found = state.jobs[number]
    return found.reserved, found.awarded, found.refunded


def test_hatch__the_committee_is_gone__pays_receipts_and_the_requester_has_the_rest(scene: Scene) -> None:
    world, someone = scene
    who = someone("holder")
    mine = [(2, 0, 1), (2, 0, 2), (2, 1, 2)]
    before = {worker: held(world, worker) for worker in (1, 2)}
    escrow = world.state.jobs[2].escrow
    filed = who.do("hatch", "file", "--receipt", receipts(world, who, mine))
    assert stages_of(filed) == dict.fromkeys(mine, "filed")
    assert job(world.state, 2) == (3 * BASE, 0, 0)
    assert who.do("hatch", "pay", code=1)["sent"] == []  # nothing is due yet
    world.warp(WINDOW)
    call = world.calls.refund(2, world.sender.address, world.state.jobs[2].terms.hash())
    world.send(call)
    world.sync()
    assert job(world.state, 2) == (3 * BASE, 0, escrow - 3 * BASE)
    assert who.do("hatch", "pay", code=1)["sent"] == []
    world.warp(WINDOW)
    paid = who.do("hatch", "pay", "--job", 2)
    assert stages_of(paid) == dict.fromkeys(mine, "paid")
    assert {worker: held(world, worker) - before[worker] for worker in (1, 2)} == {1: BASE, 2: 2 * BASE}
    assert job(world.state, 2) == (0, 3 * BASE, escrow - 3 * BASE)
    assert world.state.hatched == set(mine)
    assert who.do("hatch", "withdraw")["withdrawn"] == 3 * BOND
    assert (
        who.do("hatch", "file", "--receipt", receipts(world, who, mine), code=1)["refused"][0]["why"]
        == "was claimed before"
    )


def test_hatch__a_claim_that_the_contract_refuses__keeps_no_other_waiting(scene: Scene) -> None:
    """The answers of a job that is still open, and after them those of one that the committee left."""
    world, someone = scene
    who = someone("holder")
    number = world.open_job(1)
    found = who.do("hatch", "file", "--receipt", receipts(world, who, [(number, 0, 1), (2, 0, 1), (2, 0, 2)]))
    assert stages_of(found) == {(2, 0, 1): "filed", (2, 0, 2): "filed"}
    assert [(one["job"], one["worker"]) for one in found["refused"]] == [(number, 1)]


def test_hatch__an_answer_that_an_epoch_decided__is_not_claimed_by_whoever_has_the_data(scene: Scene) -> None:
    world, someone = scene
    who = someone("holder")
    found = who.do("hatch", "file", "--receipt", receipts(world, who, [(1, 3, 1), (2, 0, 1)]))
    assert stages_of(found) == {(2, 0, 1): "filed"}
    assert [(one["task"], one["why"]) for one in found["refused"]] == [(3, "epoch 2 decided it")]


def test_hatch__a_false_claim__is_voided_by_whoever_looks_and_costs_its_bond(scene: Scene) -> None:
    world, someone = scene
    liar, watcher = someone("liar", blind=True), someone("watcher")
    file = receipts(world, liar, [(1, 3, 1), (2, 0, 1)])
    assert len(liar.do("hatch", "file", "--receipt", file)["sent"]) == 2
    assert job(world.state, 1)[0] == BASE
    assert liar.do("hatch", "void", code=1)["sent"] == []  # without the data nothing is proven
    voided = watcher.do("hatch", "void")
    assert stages_of(voided) == {(1, 3, 1): "voided", (2, 0, 1): "filed"}
    assert job(world.state, 1)[0] == 0
    assert watcher.do("hatch", "withdraw")["withdrawn"] == BOND // 2
    assert watcher.do("hatch", "void", code=1)["sent"] == []
    world.warp(2 * WINDOW)
    assert stages_of(watcher.do("hatch", "pay"))[1, 3, 1] == "voided"
    assert liar.do("hatch", "withdraw")["withdrawn"] == BOND  # of the true one


def test_hatch__more_epochs_after_the_decision_than_one_proof_links__are_traced_first(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one link in a proof, and three epochs after the decision, two heads are stored before the claim is voided."""
    world, someone = scene
    liar, watcher = someone("liar", blind=True), someone("watcher")
    liar.do("hatch", "file", "--receipt", receipts(world, liar, [(1, 3, 1)]))
    job = world.open_job(3)
    for task in range(3):
        world.post(world.epoch(Said(job, task, worker) for worker in (1, 2)))
    watcher.copy()
    monkeypatch.setattr("oracle.commands.hatching.LINKS", 1)
    found = watcher.do("hatch", "void")
    assert [one["what"].split()[0] for one in found["sent"]] == ["trace", "trace", "void"]
    assert stages_of(found) == {(1, 3, 1): "voided"}


def test_hatch__too_early_or_without_receipts__says_why(scene: Scene) -> None:
    world, someone = scene
    who = someone("holder")
    ended = who.say("hatch", "file")
    assert (ended.is_clear(), "--receipt is needed" in ended.err) == (True, True)
    number = world.open_job(1)
    early = who.do("hatch", "file", "--receipt", receipts(world, who, [(number, 0, 1)]), code=1)
    assert (early["sent"], "HatchClosed" in early["refused"][0]["why"]) == ([], True)
    strange = receipts(world, who, [(2, 0, 1)])
    strange.write_text(strange.read_text().replace('"task": 0', '"task": 1'))
    ended = who.say("hatch", "file", "--receipt", strange)
    assert (ended.is_clear(), "not for this answer" in ended.err) == (True, True)
    shown = who.do("hatch", "show", "--job", 2, key=False)
    opens = shown["job 2"]
    assert opens["refunds_from"] - opens["files_from"] == opens["pays_from"] - opens["refunds_from"] == WINDOW
