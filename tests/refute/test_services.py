"""After a strike by the real Referee the services go on by themselves: the members sign anew, the settler posts and pays."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from oracle.adapters import anvil
from oracle.adapters.chain import RpcChain
from oracle.adapters.content import MemoryStore
from oracle.adapters.contracts import Calls
from oracle.adapters.database import memory_database
from oracle.adapters.signer import KeySigner
from oracle.ports import Call, Posted, StoredReceipt
from oracle.protocol import epoch as ep
from oracle.protocol.epoch import Epoch
from oracle.protocol.jobkey import Keys, no_keys
from oracle.protocol.keys import Address
from oracle.protocol.leaves import is_sealed, leaf_of
from oracle.protocol.messages import Answer, digest
from oracle.protocol.state import EpochStatus, State
from oracle.services import refute, settle
from oracle.services.books import source
from oracle.services.index import Index
from oracle.services.refute import Purse, Refuter
from tests.support.committee import LocalPeer, Node, Town
from tests.support.epochs import person, with_verdict
from tests.support.stage import COIN, INTERFACES, WINDOW, Stage

pytestmark = pytest.mark.sockets


class LiveChain(RpcChain):
    """A real chain with the two words that a Town has for a made one."""

    @property
    def now(self) -> int:
        return self.latest().timestamp

    def mine(self, *_: Any, seconds: int = 1) -> None:
        anvil.warp(self.rpc.endpoint, seconds)


class LiveCalls(Calls):
    """Calls whose effects a Town has at once."""

    stage: Stage

    def run(self, data: bytes) -> list[Any]:
        self.stage.send(Call("a town's wish", self.stage.deployment.market, data))
        return []

    def state(self) -> State:
        self.stage.sync()
        return self.stage.state


@dataclass
class LiveTown(Town):
    """A Town on the stage's contracts; the stage's members are its members."""

    stage: Stage = field(kw_only=True)

    def __post_init__(self) -> None:
        stage = self.stage
        self.deployment = stage.deployment
        self.chain: Any = LiveChain(stage.url, INTERFACES, self.deployment.chain_id)
        self.market: Any = LiveCalls(INTERFACES, self.deployment)
        self.market.stage = stage
        signers = stage.members
        self.nodes = [Node(self.deployment, self.chain, s, memory_database(), MemoryStore()) for s in signers]
        self.peers = [LocalPeer(node.member, node.content) for node in self.nodes]
        self.content, self.database = MemoryStore(), memory_database()
        self.index = Index(self.chain, self.database, self.deployment, 0)
        self.relayer: Any = funded(stage, "relayer")

    @property
    def requester(self) -> Address:
        return self.stage.sender.address

    def close(self) -> None:
        super().close()
        self.chain.close()

    def _register(self, names: Iterable[str]) -> None:
        for name in names:
            self.stage.register(name)

    def refuter(self, keys: Keys = no_keys) -> Refuter:
        purse = Purse(self.database, funded(self.stage, "bystander"))
        hands = Refuter(self.deployment, self.chain, self.stage.referee, self.content, self.stage.decode, purse)
        return replace(hands, keys=keys)

    def send_all(self, epoch: Epoch, keys: Mapping[int, bytes] | None = None) -> None:
        """Posts whatever all members signed, its blocks everywhere."""
        packed = ep.pack(epoch, {number: job.terms.manifest for number, job in self.state.jobs.items()}, keys)
        for content in (self.content, *(node.content for node in self.nodes)):
            content.put_many(packed.blocks)
        message = digest(self.deployment.domain(), packed.header)
        signatures = [member.sign(message) for member in self.stage.members]
        self.stage.send(self.market.post_epoch(packed.header, epoch.debits, signatures))


def funded(stage: Stage, name: str) -> KeySigner:
    found = KeySigner(person(name).secret)
    anvil.fund(stage.url, found.address, 10 * COIN)
    return found


@pytest.fixture
def town(stages: Callable[[], Stage]) -> Iterator[LiveTown]:
    town = LiveTown(stage=stages())
    yield town
    town.close()


def proposed(town: LiveTown, keys: Keys = no_keys) -> Epoch:
    """What an honest member would post."""
    found = town.all[0].propose(settle.Evidence())
    assert found
    epoch, faults = ep.load(source(town.nodes[0].content, keys), found.header.epoch, found.header.content)
    assert epoch, faults
    return epoch


def check_posted_again_and_paid(town: LiveTown) -> None:
    settler, state = town.settler(), town.state
    town.stage.top_up()
    assert settle.post_next(settler, state)
    town.chain.mine(seconds=WINDOW)
    assert settle.finalise_pending(settler, town.state, town.index.now)
    assert [post.status for post in town.state.posts.values()] == [EpochStatus.STRUCK, EpochStatus.FINAL]
    town.database.add_claims(list(town.state.workers))
    settle.pay(settler, town.state)
    final = town.state.final()
    assert final
    for b in settler.books.epoch(final.epoch, final.content).balances:
        assert b.cumulative
        assert town.chain.token_balance(town.deployment.token, b.wallet) == b.cumulative


def test_post_next__after_a_wrong_label_was_struck__decides_it_again_and_pays(town: LiveTown) -> None:
    town.ready_job()
    honest = proposed(town)
    town.send_all(with_verdict(honest, 0, label=(honest.verdicts[0].label + 1) % 3))
    finding = refute.refute(town.refuter(), town.state, town.index.now, town.state.posts[1])
    assert finding.did == "struck"
    check_posted_again_and_paid(town)


def test_refute__by_what_a_members_database_holds__strikes_what_drops_an_answer(town: LiveTown) -> None:
    """The watcher's way: answers of a member, receipts of the API."""
    job, answers = town.ready_job()
    terms = town.state.jobs[job].terms.hash()
    lost = answers[0]
    message = Answer(lost.job, terms, lost.task, lost.worker, lost.commitment, lost.seal_hash)
    town.database.add_receipt(stored_receipt(town, message))
    honest = proposed(town)
    verdict = honest.verdicts[0]
    assert (verdict.task, verdict.cores[0].worker) == (lost.task, lost.worker)
    town.send_all(with_verdict(honest, 0, cores=verdict.cores[1:], openings=verdict.openings[1:]))
    epoch = refute.data_of(town.refuter(), town.state.posts[1])
    assert epoch
    members = town.nodes[2].database
    held = list(refute.receipts_of(town.deployment, town.state, epoch, members, town.database))
    assert [answer for answer, _ in held] == [message]
    finding = refute.refute(town.refuter(), town.state, town.index.now, town.state.posts[1], held)
    assert "Dropped" in {fault.kind.name for fault in finding.faults if fault.kind is not None}
    assert finding.did == "struck"
    check_posted_again_and_paid(town)


def stored_receipt(town: LiveTown, answer: Answer) -> StoredReceipt:
    fields = town.stage.receipt([answer], 0)
    signatures = tuple(fields.signatures[i : i + 65] for i in range(0, len(fields.signatures), 65))
    return StoredReceipt(fields.root, (digest(town.deployment.domain(), answer),), signatures)


def test_reply__a_demand_about_a_correct_epoch__is_answered_and_earns_the_bond(town: LiveTown) -> None:
    town.ready_job()
    epoch = proposed(town)
    proposed_leaf = epoch.verdicts[1].leaf()
    town.send_all(epoch)
    hands, stage = town.refuter(), town.stage
    posted = stage_posted(town)
    stage.send(stage.referee.demand(posted, "verdicts", 1, stage.referee.price(town.state.head)))
    assert len(refute.reply(hands, town.state, town.index.now)) == 1
    assert refute.reply(hands, town.state, town.index.now) == []
    (demand,) = stage.referee.demands(town.state.posts[1])
    assert demand.answered
    assert demand.answer
    assert leaf_of(demand.answer) == proposed_leaf
    assert refute.collect(hands) == 10**16
    town.chain.mine(seconds=WINDOW * 2 // 3)
    finding = refute.refute(hands, town.state, town.index.now, town.state.posts[1])
    assert finding.stands


def stage_posted(town: LiveTown) -> Posted:
    town.stage.sync()
    return town.stage.accused()


# ------------------------------------------------------------------------------------------------------------ sealed jobs

KEY = b"\x05" * 32


def has_key(_: int) -> bytes | None:
    return KEY


def sealed_epoch(town: LiveTown) -> tuple[int, Epoch]:
    """A sealed job of two tasks, and what an honest member would post of it."""
    job = town.sealed_job(KEY)
    town.register(2)
    for task, worker in ((0, 1), (0, 2), (1, 1), (1, 2)):
        (offer,) = town.offers(job, [(task, worker)])
        town.give([town.answer(offer, 1 + task)])
    return job, proposed(town, has_key)


def test_refute__a_sealed_epoch_without_its_key__stands_and_nothing_is_demanded(town: LiveTown) -> None:
    job, epoch = sealed_epoch(town)
    town.send_all(epoch, {job: KEY})
    finding = refute.refute(town.refuter(), town.state, town.index.now, town.state.posts[1])
    assert (finding.did, finding.missing, finding.faults) == ("nothing", [], [])
    assert "sealed jobs are not for you (1)" in finding.what
    assert town.stage.referee.demands(town.state.posts[1]) == []


def test_refute__a_wrong_label_in_a_sealed_job__is_struck_by_who_has_its_key(town: LiveTown) -> None:
    job, epoch = sealed_epoch(town)
    town.send_all(with_verdict(epoch, 0, label=(epoch.verdicts[0].label + 1) % 3), {job: KEY})
    assert refute.refute(town.refuter(), town.state, town.index.now, town.state.posts[1]).did == "nothing"
    assert refute.refute(town.refuter(has_key), town.state, town.index.now, town.state.posts[1]).did == "struck"


def test_reply__a_leaf_of_a_sealed_job__is_shown_by_who_has_its_key_and_alone(town: LiveTown) -> None:
    job, epoch = sealed_epoch(town)
    town.send_all(epoch, {job: KEY})
    stage = town.stage
    stage.send(stage.referee.demand(stage_posted(town), "verdicts", 1, stage.referee.price(town.state.head)))
    assert refute.reply(town.refuter(), town.state, town.index.now) == []
    assert len(refute.reply(town.refuter(has_key), town.state, town.index.now)) == 1
    (demand,) = stage.referee.demands(town.state.posts[1])
    assert demand.answer
    assert leaf_of(demand.answer) == epoch.verdicts[1].leaf()
    known = {"verdicts": {1: demand.answer}}
    seen, _ = ep.load(source(town.content), 1, town.state.posts[1].content, known)
    assert seen
    assert [is_sealed(verdict) for verdict in seen.verdicts] == [True, False]


def test_refute__records_of_a_public_job_that_are_sealed__are_demanded(town: LiveTown) -> None:
    """A committee cannot hide what it publishes by sealing it."""
    job, _ = town.ready_job()
    town.send_all(proposed(town), {job: KEY})
    finding = refute.refute(town.refuter(), town.state, town.index.now, town.state.posts[1])
    assert finding.did == "demanded"
    assert {tree for tree, _ in finding.missing} == {"verdicts", "weights"}
