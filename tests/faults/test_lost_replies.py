"""Money through a network that loses, doubles, delays and cuts what passes: every payee is paid, and paid once.

A real Anvil and our contracts behind a TCP proxy; what was paid is then read beside the proxy. The control, which takes its nonce
from the chain and writes nothing down, pays twice under the same faults. Members' HTTP is held to the same.
"""

import asyncio
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import TypeVar

import pytest
import uvicorn

from api.member import create_app
from oracle.adapters import anvil, rpc
from oracle.adapters import chain as chain_module
from oracle.adapters.chain import RpcChain
from oracle.adapters.database import SqlDatabase
from oracle.adapters.peers import HttpPeer
from oracle.adapters.signer import KeySigner
from oracle.ports import Call, StoredAnswer
from oracle.protocol.errors import Refused, Retryable
from oracle.protocol.keys import recover
from oracle.protocol.messages import Header, Receipt, digest
from oracle.protocol.terms import Terms
from oracle.services import outbox, receive, settle
from oracle.services.index import Index
from tests.support.committee import Town
from tests.support.deployed import INTERFACES, WINDOW, Deployed, wallet
from tests.support.proxy import LOST_OR_DOUBLED, FaultProxy, evenly, json_rpc_calls

T = TypeVar("T")
SHARE, OTHERS = 0.15, 0.05  # of the exchanges: lost or doubled; troubled otherwise
TERMS = Terms(2, 20_000, 3, 5, 5, 100, 0, 0, b"\x01" * 32, b"\x02" * 32)
CROWD = 8  # wallets that join in a round


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (rpc, chain_module):
        monkeypatch.setattr(module, "PAUSE", 0.001)
    monkeypatch.setattr(outbox, "POLL_S", (0.005, 0.05))


@pytest.fixture
def deployed(tmp_path: Path) -> Iterator[Deployed]:
    folder = tmp_path / "chain"
    try:
        whole = Deployed(anvil.start(folder))
        yield whole
        whole.chain.close()
    finally:
        anvil.stop(folder)


@contextmanager
def proxied(deployed: Deployed, seed: int) -> Iterator[tuple[FaultProxy, RpcChain]]:
    port, chain_id = int(deployed.url.rpartition(":")[2]), deployed.deployment.chain_id
    with (
        FaultProxy(port, seed, evenly(SHARE, OTHERS), json_rpc_calls) as proxy,
        closing(RpcChain(proxy.url, INTERFACES, chain_id, timeout=5.0)) as chain,
    ):
        yield proxy, chain


def until(work: Callable[[], T]) -> T:
    """As a process does: what can be tried again is tried at the next tick."""
    for _ in range(100):
        try:
            return work()
        except Retryable:
            time.sleep(0.01)
    raise AssertionError("no end of trouble")


@dataclass
class Settlement:
    """By the outbox: wallets registered, an epoch posted, finalised and claimed from, and gifts; round by round."""

    deployed: Deployed
    chain: RpcChain
    database: SqlDatabase
    owed: Counter[bytes] = field(default_factory=Counter)  # by wallet
    rounds: int = 0

    def __post_init__(self) -> None:
        self.signer = self.deployed.sender
        self.index = Index(self.chain, self.database, self.deployed.deployment, 0)

    def make(self, *calls: Call) -> None:
        def work() -> None:
            outbox.reconcile(self.database, self.chain, self.signer)
            for call in calls:
                outbox.submit(self.database, self.chain, self.signer, call, call.what.split()[0])
            outbox.settle(self.database, self.chain, self.signer, 30)

        until(work)

    def open(self) -> None:
        calls, d = self.deployed.calls, self.deployed.deployment
        self.make(calls.approve(d.token, d.market, TERMS.escrow()))
        self.make(calls.open_job(TERMS, self.deployed.chain.latest().timestamp + 10_000_000))

    def round(self) -> None:
        self.rounds += 1
        calls, d = self.deployed.calls, self.deployed.deployment
        state = until(self.index.advance)
        new = [self.deployed.wish(1_000 * self.rounds + i) for i in range(CROWD)]
        self.make(calls.register_many(new[: CROWD // 2]), calls.register_many(new[CROWD // 2 :]))
        state = until(self.index.advance)
        earned = [i % 3 * (i > 0) for i in range(len(state.workers))]
        paid = [self.owed[worker.wallet] for worker in state.workers.values()]
        epoch = self.deployed.epoch(state, 1, sum(earned), [a + b for a, b in zip(earned, paid, strict=True)])
        self.make(calls.post_epoch(epoch.header, epoch.debits, epoch.signatures))
        anvil.warp(self.deployed.url, WINDOW + 1)
        post = until(self.index.advance).posts[epoch.header.epoch]
        self.make(calls.finalise_epoch(epoch.header, post.signers))
        claims = epoch.due()[-4 * CROWD :]
        parts = [claims[at : at + 5] for at in range(0, len(claims), 5)]
        self.make(*[calls.claim_many(part, epoch.proof(part)) for part in parts])
        self.owed |= Counter({claim.wallet: claim.cumulative for claim in claims})
        gifts = [(wallet(1_000_000 + 100 * self.rounds + i).address, 1 + i) for i in range(12)]
        self.make(*[calls.transfer(d.token, to, amount) for to, amount in gifts])
        self.owed |= Counter(dict(gifts))

    def paid(self) -> dict[bytes, int]:
        """As it is on chain, asked beside the proxy."""
        return {payee: self.deployed.chain.token_balance(self.deployed.deployment.token, payee) for payee in self.owed}


def settle_until(deployed: Deployed, tmp_path: Path, seed: int, calls: int) -> FaultProxy:
    with (
        closing(SqlDatabase(f"sqlite:///{tmp_path / 'oracle.db'}")) as database,
        proxied(deployed, seed) as (proxy, chain),
    ):
        settlement = Settlement(deployed, chain, database)
        settlement.open()
        while proxy.calls < calls:
            settlement.round()
        view = until(settlement.index.view)
        sent = database.sent(deployed.sender.address)
        assert settlement.paid() == settlement.owed
        assert view.state == deployed.state()
    assert [s.outcome for s in sent] == [deployed.chain.outcome(s.transaction) for s in sent]
    assert all(s.outcome and s.outcome.succeeded for s in sent)
    assert [s.nonce + 1 for s in sent][-1] == deployed.chain.nonce(deployed.sender.address)
    return proxy


def share(proxy: FaultProxy) -> float:
    return sum(proxy.drawn[name] for name in LOST_OR_DOUBLED) / proxy.drawn.total()


@pytest.mark.sockets
def test_settlement__replies_lost_and_doubled__everybody_is_paid_once(deployed: Deployed, tmp_path: Path) -> None:
    proxy = settle_until(deployed, tmp_path, seed=1, calls=400)
    assert share(proxy) > SHARE - 0.05
    assert all(proxy.drawn[name] for name in LOST_OR_DOUBLED)


@pytest.mark.deep
@pytest.mark.sockets
@pytest.mark.parametrize("batch", [1, rpc.BATCH])
def test_settlement__ten_thousand_calls__everybody_is_paid_once(
    deployed: Deployed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(rpc, "BATCH", batch)  # with 1 each call has a reply of its own to be lost
    begun = time.monotonic()
    proxy = settle_until(deployed, tmp_path, 100 + batch, calls=10_000)
    assert share(proxy) > SHARE - 0.02
    print(
        f"{proxy.calls} calls, {proxy.drawn.total()} exchanges, {time.monotonic() - begun:.0f} s: {dict(proxy.drawn)}"
    )


# ------------------------------------------------------------------------------------------------------------- control


def naive(chain: RpcChain, deployed: Deployed, signer: KeySigner, call: Call) -> None:
    """Nonce from the chain, nothing written before sending; again from the start until it is known to be mined."""
    for _ in range(200):
        try:
            fee, tip = chain.fees()
            fields = {"type": 2, "chainId": deployed.deployment.chain_id, "nonce": chain.nonce(signer.address)}
            fields |= {"to": call.to, "data": call.data, "value": 0, "gas": 100_000}
            raw, sent = signer.sign_transaction(fields | {"maxFeePerGas": 2 * fee, "maxPriorityFeePerGas": tip})
            chain.send(raw)
            for _ in range(20):
                if chain.outcome(sent):
                    return
                time.sleep(0.005)
        except (Retryable, Refused):
            continue


@pytest.mark.sockets
def test_control__nonce_from_the_chain_and_nothing_written_down__pays_twice(deployed: Deployed) -> None:
    payees = [wallet(9_000 + i).address for i in range(40)]
    token = deployed.deployment.token
    with proxied(deployed, seed=5) as (_, chain):
        chain.rpc._attempts = 1
        for payee in payees:
            naive(chain, deployed, deployed.sender, deployed.calls.transfer(token, payee, 7))
    paid = [deployed.chain.token_balance(token, payee) for payee in payees]
    assert sum(amount > 7 for amount in paid) >= 2


@pytest.mark.sockets
def test_rpc__a_reply_that_came_twice__does_not_answer_the_questions_after_it(deployed: Deployed) -> None:
    with proxied(deployed, seed=1) as (proxy, chain):
        proxy.faults = {"reply_twice": 1.0}
        assert chain.chain_id() == deployed.deployment.chain_id
        proxy.faults = {}
        assert [chain.latest() for _ in range(5)] == [deployed.chain.latest()] * 5


# ------------------------------------------------------------------------------------------------------------ members


@pytest.fixture
def town() -> Iterator[Town]:
    town = Town()
    yield town
    town.close()


@contextmanager
def served(town: Town, position: int) -> Iterator[int]:
    """The port of a member's HTTP interface."""
    node = town.nodes[position]
    server = uvicorn.Server(uvicorn.Config(create_app(node.member, node.content, "token"), log_level="error"))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        thread = Thread(target=lambda: asyncio.run(server.serve([listening])), daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        server.should_exit = True
        thread.join()


@contextmanager
def peers_of(town: Town, seed: int) -> Iterator[list[tuple[HttpPeer, FaultProxy]]]:
    """Every member over HTTP, each behind a proxy of its own."""
    with ExitStack() as stack:
        found = []
        for position in range(town.members):
            port = stack.enter_context(served(town, position))
            proxy = stack.enter_context(FaultProxy(port, seed + position, evenly(0.3, 0.1)))
            found.append((stack.enter_context(closing(HttpPeer(proxy.url, "token"))), proxy))
        yield found


def batches(town: Town, count: int) -> list[list[StoredAnswer]]:
    job, workers = town.open_job(tasks=count, answers=3), list(town.register(3))
    offers = town.offers(job, [(task, worker) for task in range(count) for worker in workers])
    answers = [town.answer(offer, offer.task % 3) for offer in offers]
    return [answers[at : at + 3] for at in range(0, len(answers), 3)]


@pytest.mark.sockets
def test_accept__again_and_again_through_faults__gives_the_same_signature_and_stores_each_answer_once(
    town: Town,
) -> None:
    given = batches(town, 12)
    with peers_of(town, seed=3) as peers:
        peer, proxy = peers[0]
        signatures = [until(lambda batch=batch: peer.accept(batch)) for batch in given]  # type: ignore[misc]
        again = [until(lambda batch=batch: peer.accept(batch)) for batch in given]  # type: ignore[misc]
    assert share(proxy) > 0.15
    assert signatures == again == [town.nodes[0].member.accept(batch)[1] for batch in given]
    stored = town.nodes[0].database.answers(1)
    assert sorted(stored, key=lambda a: (a.task, a.worker)) == [answer for batch in given for answer in batch]


@pytest.mark.sockets
def test_settle__members_behind_faults__agree_on_one_header_that_lists_every_answer(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (receive, settle):
        monkeypatch.setattr(module, "GRACE_S", 0.02)
    given = batches(town, 4)
    with peers_of(town, seed=9) as peers:
        over_http = [peer for peer, _ in peers]
        receiver, settler = receive.Receiver(town.deployment, town.database, over_http), town.settler(over_http)
        terms = town.state.jobs[1].terms.hash()
        for batch in given:
            receipt = until(lambda batch=batch: receiver.receive(batch, terms))  # type: ignore[misc]
            assert _signers(town, Receipt(receipt.root, 3), receipt.signatures) <= set(
                town.deployment.committee.members
            )
        proposal, signatures = until(lambda: settle.agree(settler, town.state))
        assert proposal
        for peer, node in zip(over_http, town.nodes, strict=True):
            signed = [until(lambda peer=peer: peer.approve(proposal.header)) for _ in range(3)]  # type: ignore[misc]
            assert signed == [node.member.approve(proposal.header)] * 3
        assert len(_signers(town, proposal.header, signatures)) == town.deployment.committee.quorum
        settler.send(settler.calls.post_epoch(proposal.header, proposal.debits, signatures), "post")
    assert town.state.last_epoch == 1
    assert sum(len(v.cores) for v in settler.books.epoch(1, proposal.header.content).verdicts) == 12


def _signers(town: Town, message: Receipt | Header, signatures: Sequence[bytes]) -> set[bytes]:
    return {recover(digest(town.deployment.domain(), message), signature) for signature in signatures}
