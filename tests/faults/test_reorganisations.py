"""Reorganisations of every depth: the index is what a rebuild from genesis gives, the outbox makes again what was dropped, and

nothing is decided on a block that was not final. Index and outbox on a real Anvil with our contracts; the settler with its
members on a chain in memory. Each block of a reorganisation is replaced: by an empty one, by the same transactions elsewhere, or
by somebody else's.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from oracle.adapters import anvil
from oracle.adapters.database import SqlDatabase, memory_database
from oracle.adapters.rpc import Rpc, to_hex
from oracle.adapters.signer import KeySigner
from oracle.ports import Call, Sent
from oracle.protocol import events as ev
from oracle.protocol.errors import Retryable
from oracle.protocol.hashing import keccak
from oracle.services import outbox, settle
from oracle.services.index import Index
from oracle.services.member import Member
from oracle.services.settle import Settler
from tests.support.chain import FakeChain
from tests.support.committee import WINDOW, LocalPeer, Town
from tests.support.deployed import Deployed, wallet

KINDS = ("empty", "reordered", "conflicting")
DEPTHS = (*range(1, 65), 100, 250)
every_kind = pytest.mark.parametrize("kind", KINDS)


def every_depth(*quick: int) -> pytest.MarkDecorator:
    """All depths in the long campaign, those given in every run of the tests."""
    marked = [pytest.param(depth, marks=() if depth in quick else pytest.mark.deep) for depth in DEPTHS]
    return pytest.mark.parametrize("depth", marked)


# ------------------------------------------------------------------------------------------------- index and outbox


@dataclass
class World:
    """The chain, mined by hand; our outbox, and somebody else who does the same kinds of things."""

    deployed: Deployed
    rpc: Rpc
    database: SqlDatabase
    depth: int
    other: KeySigner = field(default_factory=lambda: KeySigner(anvil.dev_key(7)))
    theirs: list[bytes] = field(default_factory=list)  # transactions, raw
    forgotten: list[int] = field(default_factory=list)  # what the index of final blocks was told to rewind to

    def __post_init__(self) -> None:
        chain, deployment = self.deployed.chain, self.deployed.deployment
        self.index = Index(chain, self.database, deployment, 0)
        self.final_database = memory_database()
        self.final = Index(chain, self.final_database, deployment, self.depth)
        self.final_database.rewind = self.forgotten.append  # type: ignore[method-assign, assignment]

    def mine(self, blocks: int = 1) -> None:
        if blocks:
            self.rpc.call("anvil_mine", hex(blocks))

    def submit(self, call: Call) -> Sent:
        return outbox.submit(self.database, self.deployed.chain, self.deployed.sender, call, "test")

    def sent(self, waiting: bool = False) -> list[Sent]:
        return self.database.sent(self.deployed.sender.address, waiting=waiting)

    def fill(self) -> list[bytes]:
        """Blocks to be reorganised, `depth` of them: ours and theirs in some, the others empty. Gives whom we pay."""
        calls, token = self.deployed.calls, self.deployed.deployment.token
        nonce, busy = self.deployed.chain.nonce(self.other.address), min(self.depth, 6)
        for i in range(busy):
            self.submit(calls.register_many([self.deployed.wish(2 * i)]))
            self.submit(calls.transfer(token, wallet(100 + i).address, 10 + i))
            self.theirs.append(self._theirs(nonce + i, 2 * i + 1))
            self.deployed.chain.send(self.theirs[-1])
            self.mine()
        self.mine(self.depth - busy)
        outbox.settle(self.database, self.deployed.chain, self.deployed.sender, 5)
        return [wallet(100 + i).address for i in range(busy)]

    def _theirs(self, nonce: int, i: int) -> bytes:
        call = self.deployed.calls.register_many([self.deployed.wish(i)])
        return self.deployed.sign(self.other, Call(call.what, call.to, call.data, gas=300_000), nonce)[0]

    def reorganise(self, kind: str) -> None:
        """Replaces the newest `depth` blocks by as many."""
        first = self.deployed.chain.nonce(self.other.address) - len(self.theirs)
        pairs: list[tuple[bytes, int]] = []
        if kind == "reordered":  # theirs before ours, and ours in other blocks
            pairs = [(raw, 0) for raw in self.theirs]
            pairs += [(s.raw, min(i, self.depth - 1)) for i, s in enumerate(self.sent())]
        if kind == "conflicting":  # the wallets that we registered, and no others, by them and backwards
            busy = len(self.theirs)
            pairs = [(self._theirs(first + i, 2 * (busy - 1 - i)), min(i, self.depth - 1)) for i in range(busy)]
        self.rpc.call("anvil_reorg", self.depth, [[to_hex(raw), block] for raw, block in pairs])

    def require_rebuilt(self) -> None:
        """The index holds what one that begins now would."""
        deployment, chain = self.deployed.deployment, self.deployed.chain
        with closing(memory_database()) as fresh:
            rebuilt = Index(chain, fresh, deployment, 0).view()
            assert self.index.view() == rebuilt
            assert self.database.logs() == fresh.logs()
        assert all(chain.block(block.number) == block for block in self.database.blocks(10_000))


@pytest.fixture
def world(tmp_path: Path, depth: int) -> Iterator[World]:
    """On a chain of its own: Anvil goes back by a few hundred blocks, counted over all that it ever made."""
    folder = tmp_path / "chain"
    try:
        deployed = Deployed(anvil.start(folder))
        with closing(deployed.chain), closing(Rpc(deployed.url)) as rpc, closing(memory_database()) as database:
            rpc.call("evm_setAutomine", False)
            found = World(deployed, rpc, database, depth)
            yield found
            found.final_database.close()
    finally:
        anvil.stop(folder)


@every_kind
@every_depth(1, 64)
@pytest.mark.sockets
def test_reorganisation__index_and_outbox__are_as_if_it_had_always_been_so(world: World, depth: int, kind: str) -> None:
    chain, sender = world.deployed.chain, world.deployed.sender
    world.index.view()
    payees = world.fill()
    before, final = world.index.view(), world.final.view()
    assert len(before.state.workers) == 1 + 2 * len(payees)
    assert (len(final.state.workers), final.block) == (1, before.block - depth)  # nothing of the last blocks

    world.reorganise(kind)
    world.require_rebuilt()
    assert world.index.view() != before
    assert world.final.view() == final

    outbox.reconcile(world.database, chain, sender)
    dropped = kind != "reordered"
    assert len(world.sent(waiting=True)) == dropped * 2 * len(payees)
    assert [s.outcome for s in world.sent()] == chain.outcomes([s.transaction for s in world.sent()])
    world.mine(depth)
    outbox.settle(world.database, chain, sender, 5)
    assert [s.outcome for s in world.sent()] == chain.outcomes([s.transaction for s in world.sent()])
    paid = [chain.token_balance(world.deployed.deployment.token, payee) for payee in payees]
    assert paid == [10 + i for i in range(len(payees))]

    world.require_rebuilt()
    ours = {wallet(2 * i).address for i in range(len(payees))}
    assert ours <= set(world.index.view().state.worker_of)
    assert world.final.view().block == chain.latest().number - depth
    assert world.forgotten == []  # what was final never changed


@pytest.mark.sockets
@pytest.mark.parametrize("depth", [5])
def test_control__an_index_of_the_head__takes_back_what_it_said(world: World) -> None:
    head = Index(world.deployed.chain, world.final_database, world.deployed.deployment, world.depth - 1)
    world.fill()
    head.view()
    world.reorganise("conflicting")
    with suppress(Retryable):
        head.view()
    assert world.forgotten


@pytest.mark.sockets
@pytest.mark.parametrize("depth", [5])
def test_control__an_outbox_that_never_looks_again__pays_nobody_of_the_dropped_blocks(world: World) -> None:
    payees = world.fill()
    world.reorganise("empty")
    world.mine(9)
    outbox.settle(world.database, world.deployed.chain, world.deployed.sender, 5)  # nothing waits, it thinks
    token = world.deployed.deployment.token
    assert [world.deployed.chain.token_balance(token, payee) for payee in payees] == [0] * 5


# ------------------------------------------------------------------------------------------------ payments and finality


@dataclass
class Payment:
    """A committee and a settler that count blocks as final that are `reads` deep; blocks come every second."""

    town: Town
    depth: int  # of the reorganisations
    reads: int
    settler: Settler = field(init=False)

    def __post_init__(self) -> None:
        self.town.ready_job()
        self.town.database.add_claims([1, 2, 3])
        self.mine(self.depth)
        for at, node in enumerate(self.town.nodes):
            own = Index(self.town.chain, node.database, self.town.deployment, self.reads)
            member = Member(self.town.deployment, own, node.database, node.content, node.signer)
            self.town.peers[at] = LocalPeer(member, node.content)
        self.settler = self.town.settler()
        self.index = Index(self.town.chain, self.town.database, self.town.deployment, self.reads)

    def mine(self, blocks: int, seconds: int = 1) -> None:
        for _ in range(blocks):
            self.town.chain.mine(seconds=seconds)

    def tick(self) -> list[str]:
        """What the oracle's loop does; the kinds of what it has sent so far, ever."""
        view = self.index.view()
        outbox.reconcile(self.town.database, self.town.chain, self.town.relayer)
        steps: list[Any] = [
            lambda: settle.finalise_pending(self.settler, view.state, view.now),
            lambda: settle.post_next(self.settler, view.state),
            lambda: settle.pay(self.settler, view.state),
        ]
        for step in steps:
            with suppress(Retryable):
                step()
        return [sent.kind for sent in self.town.database.sent(self.town.relayer.address)]

    def reorganise(self, kind: str) -> None:
        """The newest `depth` blocks are replaced by as many."""
        chain = self.town.chain
        dropped = [tx for mined in chain.reorganise(self.depth) for tx in mined.transactions]
        self.mine(self.depth - 1)
        if kind == "reordered":
            chain._append(tuple(dropped), 1)
        elif kind == "conflicting":
            number, name = len(self.town.market.state().workers), keccak(b"%d" % len(chain.mined))[12:]
            chain.mine(ev.WorkerRegistered(number, name), ev.KeyAdded(number, 0, name), seconds=1)
        else:
            self.mine(1)

    def succeeded(self) -> Counter[str]:
        """Kinds of what the chain now holds of ours."""
        sent = self.town.database.sent(self.town.relayer.address)
        kinds = {transaction: s.kind for s in sent for transaction in (s.transaction, *s.replaced)}
        return Counter(
            kinds[tx.hash]
            for mined in self.town.chain.mined
            for tx in mined.transactions
            if tx.hash in kinds and tx.succeeded
        )


@pytest.fixture
def town(monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    monkeypatch.setattr(outbox, "sleep", lambda _: None)
    monkeypatch.setattr(settle, "GRACE_S", 0.0)
    town = Town()
    yield town
    town.close()


def pay_through(payment: Payment, kind: str) -> None:
    """From post to claim, with a reorganisation of what is not final behind each step: the next waits for `depth` blocks."""
    done: list[str] = []
    for step in ("post", "finalise", "claim"):
        assert payment.tick() == [*done, step]  # the step before is as deep as it must be
        done.append(step)
        payment.mine(payment.depth - 1)
        assert payment.tick() == done, "decided on a block that was not final"
        payment.reorganise(kind)
        assert payment.tick() == done
        assert payment.succeeded() == Counter(done)  # made again where it was dropped, and once
        payment.mine(1, WINDOW if step == "post" else 1)
        payment.mine(payment.depth)


@every_kind
@every_depth(7)
def test_settle__reorganisations_of_all_that_is_not_final__nothing_is_decided_on_it_and_each_is_paid_once(
    town: Town, depth: int, kind: str
) -> None:
    payment = Payment(town, depth, reads=depth)
    pay_through(payment, kind)
    state = payment.index.view().state
    final = state.final()
    assert final
    balances = payment.settler.books.epoch(1, final.content).balances
    assert state.claimed == {b.worker: b.cumulative for b in balances if b.cumulative and b.worker in (1, 2, 3)}


def test_control__a_settler_that_reads_one_block_too_many__decides_on_what_was_not_final(town: Town) -> None:
    with pytest.raises(AssertionError, match="not final"):
        pay_through(Payment(town, 5, reads=4), "empty")


def test_index__a_chain_that_lost_its_last_blocks__waits_for_it_to_catch_up_then_takes_its_word() -> None:
    """As a local chain does that was killed: it goes on from an earlier block, with other blocks."""
    town = Town()
    chain, deployment = FakeChain(), town.deployment
    with closing(town), closing(memory_database()) as database:
        index = Index(chain, database, deployment, 0)
        for number in range(8):
            chain.mine(ev.WorkerRegistered(number, bytes([number]) * 20), ev.KeyAdded(number, 0, bytes([number]) * 20))
            index.view()
        chain.reorganise(5)
        with pytest.raises(Retryable, match="behind"):
            index.view()
        for number in range(3, 7):
            chain.mine(ev.WorkerRegistered(number, bytes([99]) * 19 + bytes([number])))
            with suppress(Retryable):
                assert len(index.view().state.workers) == number + 1
        chain.mine(seconds=1)
        chain.mine(seconds=1)
        with closing(memory_database()) as fresh:
            assert index.view() == Index(chain, fresh, deployment, 0).view()
            assert database.logs() == fresh.logs()
