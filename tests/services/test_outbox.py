"""The outbox on a chain that drops, forgets and answers badly; and, as control, the naive sender under the same faults."""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from oracle.adapters.database import SqlDatabase, memory_database
from oracle.ports import Block, Call, Chain, Database, Outcome, Sent, Signer
from oracle.protocol.errors import ChainUnavailable, Fatal, Refused, Retryable
from oracle.protocol.hashing import keccak
from oracle.services import outbox
from tests.support.chain import read_plain

SEEDS = 300


class Killed(BaseException):
    """The process dies here: no handler of the code under test may see it as an error."""


@dataclass
class FakeSigner:
    """Signs by writing the fields down; the sender is in them."""

    address: bytes

    def sign_transaction(self, fields: dict[str, Any]) -> tuple[bytes, bytes]:
        plain = {k: v.hex() if isinstance(v, bytes) else v for k, v in fields.items()}
        raw = json.dumps(plain | {"from": self.address.hex()}, sort_keys=True).encode()
        return raw, keccak(raw)

    def read_transaction(self, raw: bytes) -> dict[str, Any]:
        return read_plain(raw)


@dataclass
class FakeChain:
    """One sender's chain: blocks of transactions in the order of nonces, a pool, and faults by a seeded generator.

    `lose`: chance that a sending is lost, and that its reply is lost; `kill`: chance to die before or after any call.
    `price`: a max fee below it is not mined; `tip`: nor is a priority fee below it, of which the node says nothing.
    """

    seed: int = 0
    lose: float = 0.0
    kill: float = 0.0
    hold: bool = False  # mine nothing
    first_nonce: int = 0
    price: int = 100
    tip: int = 0
    reverts: set[bytes] = field(default_factory=set)
    blocks: list[list[dict[str, Any]]] = field(default_factory=lambda: [[]])
    pool: dict[int, dict[str, Any]] = field(default_factory=dict)
    sendings: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    # the port

    def chain_id(self) -> int:
        return 31337

    def latest(self) -> Block:
        self._may_fail()
        return Block(len(self.blocks) - 1, b"", b"", 0)

    def nonce(self, address: bytes) -> int:
        self._may_fail()
        return self._next()

    def fees(self) -> tuple[int, int]:
        self._may_fail()
        return self.price, 3

    def estimate(self, sender: bytes, call: Call) -> int:
        self._may_fail()
        if call.data in self.reverts:
            raise Refused("TooEarly", f"{call.what}: TooEarly()")
        return 100_000

    def send(self, raw: bytes) -> None:
        self._may_die()
        self.sendings += 1
        if self.random.random() < self.lose:
            raise ChainUnavailable("connection refused")
        transaction = json.loads(raw) | {"hash": keccak(raw)}
        self._take(transaction)
        self._may_die()
        if self.random.random() < self.lose:
            raise ChainUnavailable("timeout")

    def outcomes(self, transactions: Sequence[bytes]) -> list[Outcome | None]:
        self._may_fail()
        return [self.outcome(transaction) for transaction in transactions]

    def outcome(self, transaction: bytes) -> Outcome | None:
        for number, block in enumerate(self.blocks):
            for mined in block:
                if mined["hash"] == transaction:
                    return Outcome(number, bytes.fromhex(mined["data"]) not in self.reverts, 90_000)
        return None

    # the world

    def mine(self) -> None:
        block = []
        while not self.hold and self._pays(self.pool.get(self._next() + len(block))):
            block.append(self.pool.pop(self._next() + len(block)))
        self.blocks.append(block)

    def _pays(self, transaction: dict[str, Any] | None) -> bool:
        if transaction is None:
            return False
        return transaction["maxFeePerGas"] >= self.price and transaction["maxPriorityFeePerGas"] >= self.tip

    def reorganise(self, depth: int) -> None:
        """Drops the newest blocks and what was in them; it does not return to the pool by itself. The pool is lost too."""
        del self.blocks[max(1, len(self.blocks) - depth) :]
        self.pool.clear()

    def mined(self) -> Counter[str]:
        return Counter(transaction["data"] for block in self.blocks for transaction in block)

    def nonces(self) -> list[int]:
        return [transaction["nonce"] for block in self.blocks for transaction in block]

    def _take(self, transaction: dict[str, Any]) -> None:
        nonce = transaction["nonce"]
        if any(mined["hash"] == transaction["hash"] for block in self.blocks for mined in block):
            return
        if nonce < self._next():
            raise Refused("not-sent", "nonce too low")
        rival = self.pool.get(nonce, {}) if self.pool.get(nonce) != transaction else {}
        if transaction["maxFeePerGas"] < self.price or any(
            10 * transaction[name] < 11 * rival.get(name, 0) for name in ("maxFeePerGas", "maxPriorityFeePerGas")
        ):
            raise Refused("underpriced", "replacement transaction underpriced")
        if self.random.random() >= self.lose:  # else taken, and forgotten by the pool
            self.pool[nonce] = transaction

    def _next(self) -> int:
        return self.first_nonce + sum(map(len, self.blocks))

    def _may_fail(self) -> None:
        self._may_die()
        if self.random.random() < self.lose:
            raise ChainUnavailable("timeout")

    def _may_die(self) -> None:
        if self.random.random() < self.kill:
            raise Killed


class Dying:
    """A database that dies before or after a write of the outbox, with the chain's chance."""

    def __init__(self, database: Database, chain: FakeChain) -> None:
        self._database, self._chain = database, chain

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._database, name)

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            self._chain._may_die()
            result = method(*args, **kwargs)
            self._chain._may_die()
            return result

        return wrapped if name in ("add_sent", "set_outcome", "replace_sent") else method


@pytest.fixture(scope="module")
def shared() -> Iterator[SqlDatabase]:
    """One for all seeds: each has a sender of its own."""
    database = memory_database()
    yield database
    database.close()


@pytest.fixture
def database() -> Iterator[SqlDatabase]:
    database = memory_database()
    yield database
    database.close()


@pytest.fixture
def signer() -> FakeSigner:
    return FakeSigner(b"\xaa" * 20)


@pytest.fixture
def chain(clock: "Clock") -> FakeChain:
    chain = FakeChain()
    clock.on_sleep = chain.mine
    return chain


@dataclass
class Clock:
    now: float = 0.0
    on_sleep: Callable[[], None] = lambda: None

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.on_sleep()


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A virtual clock: a pause of the outbox is when the chain mines."""
    clock = Clock()
    monkeypatch.setattr(outbox, "sleep", clock.sleep)
    monkeypatch.setattr(outbox, "monotonic", lambda: clock.now)
    return clock


def call(name: str) -> Call:
    return Call(name, b"\xcc" * 20, name.encode())


def fields_of(sent: Sent) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(sent.raw)
    return fields


# -------------------------------------------------------------------------------------------------------------- submit


def test_submit__first_call__writes_a_type_2_transaction_and_sends_it(
    database: SqlDatabase, chain: FakeChain, signer: FakeSigner
) -> None:
    chain.first_nonce = 7
    sent = outbox.submit(database, chain, signer, call("open job 1"), "open")
    assert database.sent(signer.address) == [sent]
    assert (sent.nonce, sent.what, sent.kind, sent.outcome) == (7, "open job 1", "open", None)
    assert fields_of(sent) == {
        "type": 2, "chainId": 31337, "nonce": 7, "to": "cc" * 20, "value": 0, "data": b"open job 1".hex(),
        "gas": 125_000, "maxFeePerGas": 200, "maxPriorityFeePerGas": 3, "from": "aa" * 20,
    }  # fmt: skip
    assert chain.pool[7]["hash"] == sent.transaction


def test_submit__the_same_what_again__returns_the_first_and_sends_nothing(
    database: SqlDatabase, chain: FakeChain, signer: FakeSigner
) -> None:
    first = outbox.submit(database, chain, signer, call("open job 1"), "open")
    assert outbox.submit(database, chain, signer, call("open job 1"), "open") == first
    assert chain.sendings == 1


def test_submit__chain_forgot_the_earlier_ones__still_counts_on_from_the_outbox(
    database: SqlDatabase, chain: FakeChain, signer: FakeSigner
) -> None:
    nonces = []
    for name in "abc":
        nonces.append(outbox.submit(database, chain, signer, call(name), "post").nonce)
        chain.pool.clear()
    assert nonces == [0, 1, 2]


def test_submit__would_revert__is_refused_and_nothing_is_stored_or_sent(
    database: SqlDatabase, chain: FakeChain, signer: FakeSigner
) -> None:
    chain.reverts.add(b"bad")
    with pytest.raises(Refused, match="TooEarly"):
        outbox.submit(database, chain, signer, call("bad"), "post")
    assert (database.sent(signer.address), chain.sendings) == ([], 0)


def test_submit__needs_an_earlier_one_that_is_pending__settles_that_first(
    database: SqlDatabase, chain: FakeChain, signer: FakeSigner, clock: Clock
) -> None:
    def mine() -> None:
        chain.mine()
        chain.reverts.clear()

    clock.on_sleep = mine
    outbox.submit(database, chain, signer, call("approve"), "approve")
    chain.reverts.add(b"fund")
    assert outbox.submit(database, chain, signer, call("fund"), "fund").nonce == 1
    assert [bool(sent.outcome) for sent in database.sent(signer.address)] == [True, False]


@pytest.mark.parametrize(("given", "limit"), [(21_000, 21_000), (30_000_000, 16_000_000)])
def test_submit__gas_given__is_the_limit_up_to_the_cap_without_an_estimate(
    database: SqlDatabase, chain: FakeChain, signer: FakeSigner, given: int, limit: int
) -> None:
    chain.reverts.add(b"x")
    sent = outbox.submit(database, chain, signer, Call("x", None, b"x", given), "deploy")
    assert (fields_of(sent)["gas"], fields_of(sent)["to"]) == (limit, None)


@pytest.mark.parametrize(("estimate", "limit"), [(14_000_000, 16_000_000), (16_000_000, 16_000_000)])
def test_submit__dear_call__gets_at_most_the_cap(
    database: SqlDatabase, chain: FakeChain, signer: FakeSigner, estimate: int, limit: int
) -> None:
    chain.estimate = lambda *_: estimate  # type: ignore[method-assign]
    assert fields_of(outbox.submit(database, chain, signer, call("x"), "post"))["gas"] == limit


def test_submit__needs_more_than_the_cap__is_refused_and_nothing_is_stored(
    database: SqlDatabase, chain: FakeChain, signer: FakeSigner
) -> None:
    chain.estimate = lambda *_: 16_000_001  # type: ignore[method-assign]
    with pytest.raises(Refused, match="16000001 gas"):
        outbox.submit(database, chain, signer, call("x"), "post")
    assert database.sent(signer.address) == []


def test_submit__many_threads_on_one_sender__take_each_nonce_once(tmp_path: Path) -> None:
    chain, signer = FakeChain(), FakeSigner(b"\xaa" * 20)
    names = [f"call {n}" for n in range(40)] * 2  # each by two threads
    databases = [SqlDatabase(f"sqlite:///{tmp_path / 'db'}") for _ in range(4)]  # as four processes would have
    with ThreadPoolExecutor(8) as threads:
        jobs = [
            threads.submit(outbox.submit, databases[i % 4], chain, signer, call(n), "c") for i, n in enumerate(names)
        ]
        found = [job.result() for job in jobs]
    assert found[:40] == found[40:]
    assert [sent.nonce for sent in databases[0].sent(signer.address)] == list(range(40))
    for database in databases:
        database.close()


# ------------------------------------------------------------------------------------------------------ settle and run


def test_run__plain__gives_the_outcome_and_records_it(
    database: SqlDatabase, chain: FakeChain, signer: FakeSigner
) -> None:
    outcome = outbox.run(database, chain, signer, call("post epoch 1"), "post")
    assert outcome == Outcome(1, True, 90_000)
    assert database.sent(signer.address)[0].outcome == outcome
    sendings = chain.sendings
    assert outbox.run(database, chain, signer, call("post epoch 1"), "post") == outcome
    assert chain.sendings == sendings


def test_run__reverts_when_mined__is_recorded_and_refused_by_name_each_time(
    database: SqlDatabase, chain: FakeChain, signer: FakeSigner, clock: Clock
) -> None:
    def mine() -> None:
        chain.reverts.add(b"post epoch 1")
        chain.mine()

    clock.on_sleep = mine
    for _ in range(2):
        with pytest.raises(Refused, match="'post epoch 1'") as refusal:
            outbox.run(database, chain, signer, call("post epoch 1"), "post")
        assert refusal.value.code == "reverted"
    assert [sent.outcome for sent in database.sent(signer.address)] == [Outcome(1, False, 90_000)]


def test_settle__one_of_three_reverts__records_all_then_names_it_once(
    database: SqlDatabase, chain: FakeChain, signer: FakeSigner
) -> None:
    for name in "abc":
        outbox.submit(database, chain, signer, call(name), "post")
    chain.reverts.add(b"b")
    with pytest.raises(Refused, match=r"reverted: 'b'$"):
        outbox.settle(database, chain, signer, 10)
    assert [sent.outcome and sent.outcome.succeeded for sent in database.sent(signer.address)] == [True, False, True]
    outbox.settle(database, chain, signer, 10)


def test_settle__the_process_died_before_sending__sends_it(
    database: SqlDatabase, chain: FakeChain, signer: FakeSigner
) -> None:
    chain.send, send = (lambda _: (_ for _ in ()).throw(Killed), chain.send)  # type: ignore[method-assign]
    with pytest.raises(Killed):
        outbox.submit(database, chain, signer, call("a"), "post")
    chain.send = send  # type: ignore[method-assign]
    outbox.settle(database, chain, signer, 10)
    assert chain.mined() == {b"a".hex(): 1}


def test_settle__nothing_is_mined__is_retryable_at_the_deadline_and_names_what_waits(
    database: SqlDatabase, chain: FakeChain, signer: FakeSigner, clock: Clock
) -> None:
    chain.hold = True
    for name in "abcde":
        outbox.submit(database, chain, signer, call(name), "post")
    with pytest.raises(Retryable, match=r"'a' \(nonce 0\), 'b' \(nonce 1\), 'c' \(nonce 2\) and 2 more"):
        outbox.settle(database, chain, signer, 10)
    assert 10 <= clock.now < 12


def test_settle__the_node_refuses__says_in_its_words_why(
    database: SqlDatabase, chain: FakeChain, signer: FakeSigner
) -> None:
    def refuse(_: bytes) -> None:
        raise Refused("not-sent", "insufficient funds for gas")

    chain.send = refuse  # type: ignore[method-assign]
    outbox.submit(database, chain, signer, call("a"), "post")
    with pytest.raises(Retryable, match="insufficient funds"):
        outbox.settle(database, chain, signer, 10)


def test_settle__the_nonce_went_to_a_foreign_transaction__is_fatal_and_says_so(
    database: SqlDatabase, chain: FakeChain, signer: FakeSigner
) -> None:
    chain.hold = True
    outbox.submit(database, chain, signer, call("a"), "post")
    chain.blocks.append([{"hash": b"foreign", "nonce": 0, "data": ""}])
    with pytest.raises(Fatal, match=r"nonce 0 .*'a'.*outside this outbox"):
        outbox.settle(database, chain, signer, 10)


def test_settle__nothing_waits__asks_the_chain_nothing(database: SqlDatabase, signer: FakeSigner) -> None:
    outbox.settle(database, FakeChain(lose=1.0), signer, 10)


# ------------------------------------------------------------------------------------------------------------- prices


def prices(sent: Sent) -> tuple[int, int]:
    return fields_of(sent)["maxFeePerGas"], fields_of(sent)["maxPriorityFeePerGas"]


def test_run__the_price_rose_beyond_what_was_offered__the_same_call_is_made_at_a_higher_one(
    database: SqlDatabase, chain: FakeChain, signer: FakeSigner
) -> None:
    first = outbox.submit(database, chain, signer, call("a"), "post")
    chain.price = 1_000
    assert outbox.run(database, chain, signer, call("a"), "post").succeeded
    [sent] = database.sent(signer.address)
    assert (sent.nonce, sent.replaced, prices(sent)) == (first.nonce, (first.transaction,), (2_000, 4))
    same = ("nonce", "to", "value", "data", "gas", "chainId")
    assert [fields_of(sent)[name] for name in same] == [fields_of(first)[name] for name in same]
    assert chain.mined() == {b"a".hex(): 1}


def test_run__a_node_that_wants_more_than_it_says__gets_an_eighth_more_each_time(
    database: SqlDatabase, chain: FakeChain, signer: FakeSigner
) -> None:
    send = chain.send

    def demand(raw: bytes) -> None:
        if json.loads(raw)["maxFeePerGas"] < 300:
            raise Refused("underpriced", "transaction underpriced")
        send(raw)

    chain.send = demand  # type: ignore[method-assign]
    outbox.run(database, chain, signer, call("a"), "post")
    [sent] = database.sent(signer.address)
    assert (prices(sent), len(sent.replaced)) == ((322, 7), 4)  # from 200 and 3: 225, 254, 286, 322


def test_run__waits_too_long_without_a_word__is_sent_at_a_higher_price_the_lowest_nonce_alone(
    database: SqlDatabase, chain: FakeChain, signer: FakeSigner, clock: Clock
) -> None:
    chain.tip = 4
    for name in "abc":
        outbox.submit(database, chain, signer, call(name), "post")
    world = clock.on_sleep
    clock.on_sleep = lambda: (world(), setattr(chain, "tip", 0) if chain.mined() else None)  # type: ignore[func-returns-value]
    outbox.settle(database, chain, signer, 100)
    assert outbox.PRICE_PATIENCE_S <= clock.now < outbox.PRICE_PATIENCE_S + 5
    assert [len(sent.replaced) for sent in database.sent(signer.address)] == [1, 0, 0]
    assert chain.nonces() == [0, 1, 2]


def test_run__a_cheaper_version_is_mined_after_all__is_the_outcome(
    database: SqlDatabase, chain: FakeChain, signer: FakeSigner
) -> None:
    first = outbox.submit(database, chain, signer, call("a"), "post")
    cheap = dict(chain.pool)
    chain.price, chain.hold = 1_000, True
    outbox.reconcile(database, chain, signer)
    assert len(database.sent(signer.address)[0].replaced) == 1
    chain.price, chain.hold, chain.pool = 100, False, cheap  # another node's pool had the first
    chain.mine()
    assert outbox.run(database, chain, signer, call("a"), "post").succeeded
    [sent] = database.sent(signer.address)
    assert (sent.replaced, sent.outcome is not None) == ((first.transaction,), True)
    chain.reorganise(9)
    outbox.reconcile(database, chain, signer)
    assert outbox.run(database, chain, signer, call("a"), "post").succeeded
    assert chain.mined() == {b"a".hex(): 1}


def test_control__without_the_hashes_of_earlier_versions__what_was_mined_looks_foreign(
    database: SqlDatabase, chain: FakeChain, signer: FakeSigner, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox.submit(database, chain, signer, call("a"), "post")
    cheap = dict(chain.pool)
    chain.price, chain.hold = 1_000, True
    outbox.reconcile(database, chain, signer)
    chain.price, chain.hold, chain.pool = 100, False, cheap
    chain.mine()
    monkeypatch.setattr(outbox, "_outcomes", lambda chain, sent: chain.outcomes([s.transaction for s in sent]))
    with pytest.raises(Fatal, match="another transaction"):
        outbox.settle(database, chain, signer, 10)


def test_replacement__the_process_dies_between_writing_and_sending__sends_what_was_written(
    database: SqlDatabase, chain: FakeChain, signer: FakeSigner
) -> None:
    outbox.submit(database, chain, signer, call("a"), "post")
    chain.price, send = 1_000, chain.send
    dearer: list[bytes] = []

    def die(raw: bytes) -> None:
        if json.loads(raw)["maxFeePerGas"] > 200:
            dearer.append(raw)
            raise Killed
        send(raw)

    chain.send = die  # type: ignore[method-assign]
    with pytest.raises(Killed):
        outbox.reconcile(database, chain, signer)
    assert database.sent(signer.address)[0].raw == dearer[0]  # durable before the first sending
    chain.send = send  # type: ignore[method-assign]
    outbox.settle(database, chain, signer, 10)
    assert [mined["hash"] for block in chain.blocks for mined in block] == [keccak(dearer[0])]


def test_replacement__over_the_ceiling__is_not_made_and_what_waits_says_so(
    database: SqlDatabase, chain: FakeChain, signer: FakeSigner
) -> None:
    outbox.submit(database, chain, signer, call("a"), "post")
    chain.price = 2 * outbox.CEILING[0]
    with pytest.raises(Retryable, match="no more is paid"):
        outbox.settle(database, chain, signer, 60)
    [sent] = database.sent(signer.address)
    assert prices(sent)[0] <= outbox.CEILING[0]
    assert prices(sent)[1] <= outbox.CEILING[1]
    chain.price = 100
    outbox.settle(database, chain, signer, 10)


def test_replacement__two_processes_at_once__all_versions_are_known(
    database: SqlDatabase, chain: FakeChain, signer: FakeSigner
) -> None:
    first = outbox.submit(database, chain, signer, call("a"), "post")
    for price in (1_000, 5_000):  # both have read the first version
        chain.price = price
        outbox._push(database, chain, signer, first)
    [sent] = database.sent(signer.address)
    assert (prices(sent)[0], len(sent.replaced)) == (10_000, 2)
    outbox.settle(database, chain, signer, 10)
    assert chain.mined() == {b"a".hex(): 1}


def test_settle__a_lower_nonce_was_dropped_meanwhile__is_found_and_goes_first(
    database: SqlDatabase, chain: FakeChain, signer: FakeSigner
) -> None:
    for name in "ab":
        outbox.run(database, chain, signer, call(name), "post")
    outbox.submit(database, chain, signer, call("c"), "post")
    chain.reorganise(9)
    outbox.settle(database, chain, signer, 10)  # no reconcile: it was done before the reorganisation
    assert chain.nonces() == [0, 1, 2]


def test_control__without_a_look_for_gaps__what_waits_behind_one_waits_for_ever(
    database: SqlDatabase, chain: FakeChain, signer: FakeSigner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_fill_gap", lambda *_: None)
    outbox.run(database, chain, signer, call("a"), "post")
    outbox.submit(database, chain, signer, call("b"), "post")
    chain.reorganise(9)
    with pytest.raises(Retryable, match=r"'b' \(nonce 1\)"):
        outbox.settle(database, chain, signer, 60)


def test_settle__a_nonce_from_before_the_outbox_was_dropped__says_which_the_chain_waits_for(
    database: SqlDatabase, chain: FakeChain, signer: FakeSigner
) -> None:
    chain.first_nonce = 7
    outbox.submit(database, chain, signer, call("a"), "post")
    chain.first_nonce = 6  # its predecessor was somebody's who used the key before, and is gone
    with pytest.raises(Retryable, match=r"'a' \(nonce 7\); the chain waits for nonce 6"):
        outbox.settle(database, chain, signer, 10)


# ----------------------------------------------------------------------------------------------------------- reconcile


@pytest.mark.parametrize("depth", [1, 2, 5, 64])
def test_reconcile__mined_blocks_are_dropped__sends_theirs_again_with_the_same_nonces(
    database: SqlDatabase, chain: FakeChain, signer: FakeSigner, depth: int
) -> None:
    for number in range(8):
        outbox.run(database, chain, signer, call(f"call {number}"), "post")
    before = [sent.raw for sent in database.sent(signer.address)]
    chain.reorganise(depth)
    outbox.reconcile(database, chain, signer)
    waiting = database.sent(signer.address, waiting=True)
    assert [sent.nonce for sent in waiting] == list(range(max(0, 8 - depth), 8)) == sorted(chain.pool)
    outbox.settle(database, chain, signer, 10)
    assert chain.nonces() == list(range(8))
    assert [sent.raw for sent in database.sent(signer.address)] == before


def test_reconcile__mined_again_in_another_block__records_that(
    database: SqlDatabase, chain: FakeChain, signer: FakeSigner
) -> None:
    outbox.run(database, chain, signer, call("a"), "post")
    chain.blocks.insert(1, [])
    outbox.reconcile(database, chain, signer)
    assert database.sent(signer.address)[0].outcome == Outcome(2, True, 90_000)


def test_reconcile__newest_as_it_was_but_an_earlier_one_moved__records_that_too(
    database: SqlDatabase, chain: FakeChain, signer: FakeSigner
) -> None:
    for name in "ab":
        outbox.run(database, chain, signer, call(name), "post")
    chain.blocks[2].insert(0, chain.blocks[1].pop())
    outbox.reconcile(database, chain, signer)
    assert [sent.outcome for sent in database.sent(signer.address)] == [Outcome(2, True, 90_000)] * 2


def test_reconcile__long_settled__asks_only_for_what_a_reorganisation_could_reach(
    database: SqlDatabase, chain: FakeChain, signer: FakeSigner
) -> None:
    for number in range(outbox.NEWEST + 20):
        outbox.run(database, chain, signer, call(f"call {number}"), "post")
    asked: list[int] = []
    ask = chain.outcomes
    chain.outcomes = lambda them: asked.append(len(them)) or ask(them)  # type: ignore[method-assign, func-returns-value]
    outbox.reconcile(database, chain, signer)
    assert asked == [outbox.NEWEST, 20]
    chain.blocks += [[]] * outbox.REORGANISATION
    outbox.reconcile(database, chain, signer)
    assert asked == [outbox.NEWEST, 20, outbox.NEWEST]


def test_reconcile__endpoint_down__is_retryable_and_changes_nothing(
    database: SqlDatabase, chain: FakeChain, signer: FakeSigner
) -> None:
    outbox.run(database, chain, signer, call("a"), "post")
    chain.lose = 1.0
    with pytest.raises(Retryable):
        outbox.reconcile(database, chain, signer)
    assert database.sent(signer.address)[0].outcome is not None


# -------------------------------------------------------------------------------------------------------- exactly once


def naive(database: Database, chain: Chain, signer: Signer, call: Call, kind: str) -> Outcome:
    """The control: nonce from the chain, sent before it is written; tried again from the start until it is known to be mined."""
    fields = {"maxFeePerGas": 2 * chain.fees()[0], "maxPriorityFeePerGas": 1_000}  # waits for no price
    raw, transaction = signer.sign_transaction(fields | {"nonce": chain.nonce(signer.address), "data": call.data})
    chain.send(raw)
    for _ in range(5):
        [outcome] = chain.outcomes([transaction])
        if outcome:
            return outcome
        outbox.sleep(1)
    raise Retryable("not mined")


def campaign(database: Database, run: Callable[..., Outcome], seed: int, clock: Clock) -> Counter[str]:
    """Five calls, one after the other, by a process that dies and starts again, under every fault and price; what is then mined."""
    chain = FakeChain(seed, lose=0.15, kill=0.03, first_nonce=seed % 3)
    fate = random.Random(seed + 1_000_000)
    signer = FakeSigner(seed.to_bytes(20, "big"))

    def world() -> None:
        chain.mine()
        if fate.random() < 0.1:
            chain.reorganise(fate.randint(1, 4))
        if fate.random() < 0.1:
            chain.price = fate.choice([50, 100, 300, 1_000, 4_000])
            chain.tip = fate.choice([0, 0, 0, 4, 9])

    clock.on_sleep = world
    done: set[str] = set()
    for _ in range(300):  # lives and ticks of the process
        try:
            if run is outbox.run:
                outbox.reconcile(database, chain, signer)
            for name in (f"pay {n}" for n in range(5)):
                if name not in done or run is outbox.run:
                    run(Dying(database, chain), chain, signer, call(name), "pay")
                    done.add(name)
            if len(done) == 5 and fate.random() < 0.3:
                break
        except (Retryable, Killed):
            world()
    return heal(database, chain, signer) if run is outbox.run else chain.mined()


def heal(database: Database, chain: FakeChain, signer: FakeSigner) -> Counter[str]:
    """No more faults: the next tick."""
    chain.lose = chain.kill = 0
    outbox.reconcile(database, chain, signer)
    outbox.settle(database, chain, signer, 1_000)
    sent = database.sent(signer.address)
    assert chain.nonces() == [s.nonce for s in sent]
    mined = [transaction["hash"] for block in chain.blocks for transaction in block]
    assert all(found in (s.transaction, *s.replaced) for found, s in zip(mined, sent, strict=True))
    RAISED[signer.address] = sum(len(s.replaced) for s in sent)
    return chain.mined()


RAISED: dict[bytes, int] = {}  # by sender: versions that were given up for dearer ones
ONCE = Counter({f"pay {n}".encode().hex(): 1 for n in range(5)})


def test_run__lost_sendings_replies_blocks_and_deaths__each_call_is_mined_exactly_once(
    shared: SqlDatabase, clock: Clock
) -> None:
    RAISED.clear()
    wrong = {seed: found for seed in range(SEEDS) if (found := campaign(shared, outbox.run, seed, clock)) != ONCE}
    assert wrong == {}
    assert sum(map(bool, RAISED.values())) >= SEEDS // 4  # the campaign is one of replacements too


def test_control__nonce_from_the_chain_under_the_same_faults__pays_twice(shared: SqlDatabase, clock: Clock) -> None:
    counts = [campaign(shared, naive, seed, clock) for seed in range(60)]
    twice = sum(max(found.values(), default=0) > 1 for found in counts)
    lost = sum(len(found) < 5 for found in counts)
    assert twice >= 10
    assert lost >= 10
