"""Contests on a real chain, by the commands of people who hold no office: filed, judged by jurors, carried out.

The third epoch of tests.support.plants is contested: in it the answer of worker 3 for task 1 of job 1 is called unopened, that of
worker 4 is rejected.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from oracle.adapters.content import FolderStore
from oracle.protocol import contests, trees
from oracle.protocol import epoch as ep
from oracle.protocol.cids import Cid
from oracle.protocol.contests import Stage as At
from oracle.protocol.epoch import Epoch
from oracle.protocol.faults import Kind
from oracle.protocol.messages import Header
from oracle.protocol.state import EpochStatus
from tests.support.commands import Run, inside
from tests.support.epochs import person
from tests.support.outsiders import Outsider
from tests.support.plants import PLANTS, prepare
from tests.support.stage import WINDOW, Stage

pytestmark = pytest.mark.sockets
__all__ = ["inside"]
PAID = (1, 0, 2)  # job, task, worker: counts
REJECTED = (1, 1, 4)
TO_WORKER, TO_JOB = 1, 2
TURN = 3_600
FEE, BOND, SEAT = 12 * 10**15, 10**16, 4 * 10**16  # of three votes; wei


@pytest.fixture(scope="module")
def ready(stages: Callable[[], Stage]) -> tuple[Stage, Epoch]:
    return prepare(stages())


Scene = tuple[Stage, Header, Callable[..., Outsider]]


@pytest.fixture
def scene(ready: tuple[Stage, Epoch], tmp_path: Path, inside: Run) -> Iterator[Scene]:
    """The correct epoch is pending."""
    world, epoch = ready
    taken, ledger, posted = world.snapshot(), deepcopy(world.ledger), list(world.posted)
    header = world.put(epoch).header

    def someone(name: str, secret: bytes | None = None) -> Outsider:
        found = Outsider(world, tmp_path / name, inside, secret)
        found.copy()
        return found

    yield world, header, someone
    world.ledger, world.posted = ledger, posted
    world.restore(taken)


def contest(who: Outsider, answer: tuple[int, int, int], *words: object) -> dict[str, Any]:
    job, task, worker = answer
    return who.do("dispute", "file", "--job", job, "--task", task, "--worker", worker, *words)


def confirmed(world: Stage, header: Header, who: Outsider, number: int) -> None:
    world.finalise(header)
    found = who.do("dispute", "confirm", number)
    assert (found["stage"], found["next"]) == ("confirmed", "raise")


def bench(someone: Callable[..., Outsider], seats: Sequence[int]) -> list[Outsider]:
    jurors = [someone(f"juror-{i}") for i in range(len(seats))]
    for juror, count in zip(jurors, seats, strict=True):
        assert juror.do("court", "sit", "--seats", count)["seats"] == count
    return jurors


def judge(world: Stage, jurors: list[Outsider], dispute: int, choice: int, silent: Sequence[Outsider] = ()) -> int:
    """Draws a round and has each drawn juror vote; how many did."""
    world.chain.rpc.call("anvil_mine", hex(9))
    drawn = jurors[0].do("court", "draw")["rounds"][-1]["jurors"]
    names = {one["juror"].lower() for one in drawn}
    voters = [j for j in jurors if "0x" + j.signer.address.hex() in names and j not in silent]
    for juror in voters:
        juror.do("court", "commit", dispute, "--choice", choice)
    world.warp(TURN)
    for juror in voters:
        juror.do("court", "reveal", dispute)
    world.warp(TURN)
    return len(voters)


def ruled(world: Stage, jurors: list[Outsider], who: Outsider, number: int, choice: int) -> dict[str, Any]:
    """From raising to the end of a contest."""
    raised = who.do("dispute", "raise", number)
    assert raised["stage"] == "raised"
    dispute = raised["dispute"]
    judge(world, jurors, dispute, choice)
    world.warp(TURN)
    assert who.do("court", "execute", dispute)["delivered"]
    assert who.do("dispute", "show", number)["ruling"] == contests.Ruling(choice).name.lower()
    return who.do("dispute", "settle", number)


def test_dispute__pay_that_jurors_find_unearned__goes_back_to_the_job(scene: Scene) -> None:
    world, header, someone = scene
    who, jurors = someone("bystander"), bench(someone, [4, 4, 3])
    coin = who.coin()
    filed = contest(who, PAID, "--title", "copied", "--text", "the same keystrokes as worker 1")
    number, amount = filed["contest"], filed["amount"]
    assert (filed["stage"], filed["rejection"], filed["epoch"]) == ("filed", False, 3)
    assert coin - who.coin() >= FEE + BOND
    assert amount in (1_000, 1_300)
    assert world.state.frozen == {2: amount}
    shown = FolderStore(who.folder / "store").get(Cid(filed["evidence"][0]["uri"].removeprefix("ipfs://")))
    assert json.loads(shown) == {"name": "copied", "description": "the same keystrokes as worker 1"}
    confirmed(world, header, who, number)
    settled = ruled(world, jurors, who, number, TO_JOB)
    assert (settled["stage"], settled["next"]) == ("over", "nothing")
    assert world.state.jobs[1].returned == amount
    assert world.state.frozen == {2: 0}
    assert who.do("dispute", "withdraw")["withdrawn"] == BOND
    paid = [juror.do("court", "withdraw")["withdrawn"] for juror in jurors]
    assert sum(paid) == 3 * SEAT + FEE  # whoever was drawn
    refunded_with(world, amount)


def refunded_with(world: Stage, amount: int) -> None:
    """The requester closes the job, and gets what came back with the rest."""
    job = world.state.jobs[1]
    pays = sum(d.pay + job.terms.fee(d.pay) for e, struck in world.posted if not struck for d in e.debits if d.job == 1)
    (last,) = (d for d in _debits(world) if d.job == 1)
    world.send(world.calls.close_job(1, job.terms.hash()))
    world.warp(4 * WINDOW)
    world.send(world.calls.refund(1, job.requester, job.terms.hash()))
    world.sync()
    assert world.state.jobs[1].refunded == job.escrow - pays - last.pay - job.terms.fee(last.pay) + amount


def _debits(world: Stage) -> Sequence[Any]:
    _, debits, _ = world.decode(world.chain.calldata(world.state.posts[3].transaction))
    return debits


def test_dispute__pay_that_jurors_find_earned__is_claimed_and_the_bond_is_shared(scene: Scene) -> None:
    """Of the second job, and not of the worker's first earning."""
    world, header, someone = scene
    who, jurors = someone("bystander"), bench(someone, [11])
    worker = someone("worker", person("worker 3").secret)
    filed = contest(who, (2, 1, 3))
    assert world.state.frozen == {3: filed["amount"]}
    confirmed(world, header, who, filed["contest"])
    before = world.chain.token_balance(world.deployment.token, worker.signer.address)
    claim(world, 3)
    earned = world.state.claimed[3] + filed["amount"]
    assert earned == load(world).balances[3].cumulative
    ruled(world, jurors, who, filed["contest"], TO_WORKER)
    claim(world, 3)
    assert (world.state.claimed[3], world.state.frozen, world.state.jobs[2].returned) == (earned, {3: 0}, 0)
    assert world.chain.token_balance(world.deployment.token, worker.signer.address) > before + filed["amount"]
    assert who.do("dispute", "withdraw")["withdrawn"] == 0
    assert worker.do("dispute", "withdraw")["withdrawn"] == BOND // 2


def load(world: Stage) -> Epoch:
    epoch, faults = ep.load(world.source(), 3, world.state.posts[3].content)
    assert epoch, faults
    return epoch


def claim(world: Stage, worker: int) -> None:
    """All that the third epoch lets the worker have now."""
    epoch = load(world)
    proof = trees.proof(trees.build(ep.leaves_of(epoch, "balances")), worker)
    world.send(world.calls.claim(epoch.balances[worker], proof))
    world.sync()


def test_dispute__an_arbitrator_that_never_rules__favours_the_worker(scene: Scene) -> None:
    world, header, someone = scene
    who = someone("bystander")
    bench(someone, [11])
    number = contest(who, PAID)["contest"]
    confirmed(world, header, who, number)
    assert who.do("dispute", "raise", number)["next"] == "the arbitrator's ruling"
    assert who.say("dispute", "settle", number).code == 1
    world.warp(10 * TURN)
    assert who.do("dispute", "settle", number)["stage"] == "over"
    assert world.state.frozen == {2: 0}
    assert world.state.jobs[1].returned == 0
    assert who.do("dispute", "withdraw")["withdrawn"] == BOND  # it was not found wrong either


def test_dispute__jurors_who_stay_silent__decide_nothing_and_are_fined(scene: Scene) -> None:
    world, header, someone = scene
    who, jurors = someone("bystander"), bench(someone, [11])
    number = contest(who, PAID)["contest"]
    confirmed(world, header, who, number)
    dispute = who.do("dispute", "raise", number)["dispute"]
    assert judge(world, jurors, dispute, TO_JOB, silent=jurors) == 0
    world.warp(TURN)
    assert who.do("court", "execute", dispute)["ruling"] == 0
    assert who.do("dispute", "settle", number)["ruling"] == "none"
    assert (world.state.frozen, world.state.jobs[1].returned) == ({2: 0}, 0)


def test_dispute__an_appeal__seats_seven_whose_word_is_the_last(scene: Scene) -> None:
    world, header, someone = scene
    who, jurors = someone("bystander"), bench(someone, [10])
    number = contest(who, PAID)["contest"]
    confirmed(world, header, who, number)
    dispute = who.do("dispute", "raise", number)["dispute"]
    judge(world, jurors, dispute, TO_WORKER)
    assert who.do("court", "show", dispute, key=False)["status"] == "appealable"
    who.do("dispute", "appeal", number)
    judge(world, jurors, dispute, TO_JOB)
    found = who.do("court", "execute", dispute)
    assert (found["ruling"], len(found["rounds"]), sum(j["seats"] for j in found["rounds"][1]["jurors"])) == (2, 2, 7)
    assert who.do("dispute", "settle", number)["ruling"] == "job"
    assert world.state.jobs[1].returned > 0


def test_dispute__a_rejection_that_jurors_find_wrong__pays_the_worker_its_base(scene: Scene) -> None:
    world, header, someone = scene
    jurors = bench(someone, [11])
    stranger = someone("stranger")
    job, task, worker = REJECTED
    other = stranger.say("dispute", "file", "--job", job, "--task", task, "--worker", worker)
    assert (other.code, "DisputesNotWorker" in other.err) == (1, True)
    who = someone("worker", person("worker 4").secret)
    filed = contest(who, REJECTED)
    assert (filed["rejection"], filed["amount"]) == (True, 1_000)
    assert world.state.jobs[1].reserved == 1_000
    confirmed(world, header, who, filed["contest"])
    held = world.chain.token_balance(world.deployment.token, who.signer.address)
    ruled(world, jurors, who, filed["contest"], TO_WORKER)
    assert world.chain.token_balance(world.deployment.token, who.signer.address) == held + 1_000
    assert (world.state.jobs[1].reserved, world.state.jobs[1].awarded) == (0, 1_000)
    assert who.do("dispute", "withdraw")["withdrawn"] == BOND


def test_dispute__a_rejection_that_is_never_raised__stands_and_costs_the_bond(scene: Scene) -> None:
    world, header, someone = scene
    who = someone("worker", person("worker 4").secret)
    number = contest(who, REJECTED)["contest"]
    confirmed(world, header, who, number)
    world.warp(2 * WINDOW)
    assert who.do("dispute", "settle", number)["stage"] == "over"
    assert (world.state.jobs[1].reserved, world.state.jobs[1].awarded) == (0, 0)
    assert who.do("dispute", "withdraw")["withdrawn"] == FEE


def test_dispute__its_epoch_is_struck__is_dropped_and_everything_comes_back(
    ready: tuple[Stage, Epoch], tmp_path: Path, inside: Run
) -> None:
    world, epoch = ready
    taken = world.snapshot()
    try:
        planted = PLANTS[Kind.WrongLabel][0](world, epoch)
        world.put(planted)
        who = Outsider(world, tmp_path / "bystander", inside)
        who.copy()
        number = contest(who, PAID)["contest"]
        assert world.state.frozen[2] > 0
        assert who.do("refute")["struck"]
        found = who.do("dispute", "confirm", number)
        assert (found["stage"], found["epoch"]) == ("over", 3)
        assert world.state.posts[3].status is EpochStatus.STRUCK
        assert world.state.frozen == {2: 0}
        assert who.do("dispute", "withdraw")["withdrawn"] == FEE + BOND
    finally:
        world.restore(taken)


def test_dispute__what_cannot_be_contested__says_why(scene: Scene) -> None:
    world, header, someone = scene
    who = someone("bystander")

    def refused(*words: object, key: bool = True) -> str:
        ended = who.say("dispute", *words, key=key)
        assert ended.is_clear(), ended
        return str(ended.err)

    def asked(job: int, task: int, worker: int) -> str:
        return refused("file", "--job", job, "--task", task, "--worker", worker)

    assert "jobs 1 to 2" in asked(9, 0, 2)
    assert "no verdict of task 3" in asked(1, 3, 2)
    assert "lists no answer of worker 9" in asked(1, 0, 9)
    assert "--worker is needed" in refused("file", "--job", 1, "--task", 0)
    assert "--key is needed" in refused("file", "--job", 1, "--task", 0, "--worker", 2, key=False)
    assert "CONTEST is needed" in refused("raise")
    assert "none of the actions" in refused("burn", 1)
    assert "there is none of that number" in refused("show", 77)
    contest(who, PAID)
    again = who.say("dispute", "file", "--job", 1, "--task", 0, "--worker", 2)
    assert (again.code, "DisputesAlreadyContested" in again.err) == (1, True)
    early = who.say("dispute", "confirm", 1)
    assert (early.code, "DisputesEpochPending" in early.err) == (1, True)
    assert [one["stage"] for one in who.do("dispute", "list", key=False)["contests"]] == [At.FILED.name.lower()]
    world.finalise(header)
    assert "no epoch is pending" in asked(*PAID)


def test_dispute__evidence__anyone_adds_a_file_that_the_store_keeps(scene: Scene) -> None:
    _, _, someone = scene
    who, other = someone("bystander"), someone("other")
    number = contest(who, PAID)["contest"]
    picture = other.folder / "screen.png"
    picture.write_bytes(b"\x89PNG")
    found = other.do("dispute", "evidence", number, "--title", "seen", "--file", picture)["evidence"]
    assert [one["party"] for one in found] == [w.do("court", "sit", "--seats", 1)["juror"] for w in (who, other)]
    store = FolderStore(other.folder / "store")
    shown = json.loads(store.get(Cid(found[1]["uri"].removeprefix("ipfs://"))))
    assert (shown["name"], shown["fileTypeExtension"]) == ("seen", "png")
    assert store.get(Cid(shown["fileURI"].removeprefix("ipfs://"))) == picture.read_bytes()
