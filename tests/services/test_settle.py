"""The settler with the real outbox on a FakeChain: every step again and again, with members that fail in every way."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from threading import Event
from typing import Any

import pytest

from oracle.adapters.content import MemoryStore
from oracle.ports import Evidence, Proposal, Registration
from oracle.protocol import events as ev
from oracle.protocol import heads
from oracle.protocol.cids import Cid
from oracle.protocol.errors import BadInput, ContentMissing, Fatal, Refused, Retryable
from oracle.protocol.keys import address_of, sign
from oracle.protocol.messages import Header
from oracle.services import outbox, rules, settle
from tests.support.chain import FakeChain
from tests.support.committee import WINDOW, LocalPeer, Town, car_of
from tests.support.epochs import person


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "sleep", lambda _: None)


def mined(town: Town, kind: str) -> int:
    """Transactions of a kind that succeeded."""
    return sum(s.kind == kind and bool(s.outcome and s.outcome.succeeded) for s in town.database.sent(b"\x99" * 20))


def finalise(town: Town) -> bool:
    town.chain.mine(seconds=WINDOW)
    return settle.finalise_pending(town.settler(), town.state, town.index.now)


# ----------------------------------------------------------------------------------------------------------- idempotence


def test_post_next__again_and_again__posts_each_epoch_once(town: Town) -> None:
    town.ready_job()
    settler, before = town.settler(), town.state
    assert settle.post_next(settler, before)
    with pytest.raises(Retryable, match="not final"):
        settle.post_next(settler, before)  # a settler that has not seen it yet
    assert not settle.post_next(settler, town.state)
    assert (mined(town, "post"), town.state.last_epoch) == (1, 1)


def test_post_next__nothing_to_decide__is_false(town: Town) -> None:
    assert not settle.post_next(town.settler(), town.state)


def test_post_next__settler_dies_after_the_signatures__the_next_one_posts_the_same_header(town: Town) -> None:
    """The members may sign no other: what they signed must be found again, also later and with another proposer first."""
    town.ready_job()
    first, _ = settle.agree(town.settler(), town.state)
    for _ in range(3):
        town.chain.mine()
        again, _ = settle.agree(town.settler(), town.state)
        assert again == first
    assert settle.post_next(town.settler(), town.state)


def test_post_next__dropped_by_a_reorganisation__is_sent_again_and_once(town: Town) -> None:
    town.ready_job()
    settler = town.settler()
    assert settle.post_next(settler, town.state)
    town.chain.reorganise(1)
    town.chain.mine()
    outbox.reconcile(town.database, town.chain, town.relayer)
    assert town.state.last_epoch == 1
    outbox.settle(town.database, town.chain, town.relayer, 1)
    assert mined(town, "post") == 1


def test_post_next__first_transaction_reverted__a_later_one_goes_through(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    town.ready_job()
    run = town.chain.run

    def revert(_: bytes) -> Any:
        raise Refused("MarketHeaderExpired", "mined too late")

    with monkeypatch.context() as patch:
        patch.setattr(town.chain, "estimate", lambda *_: 1)
        patch.setattr(town.chain, "run", revert)
        with pytest.raises(Refused, match="reverted"):
            settle.post_next(town.settler(), town.state)
    assert town.chain.run == run
    assert settle.post_next(town.settler(), town.state)
    assert town.state.last_epoch == 1
    assert [s.what.endswith("(attempt 2)") for s in town.database.sent(b"\x99" * 20)] == [False, True]


@pytest.mark.parametrize(("late", "done"), [(-1, False), (0, True), (1, True)])
def test_finalise_pending__around_the_window__waits_for_its_end(town: Town, late: int, done: bool) -> None:
    town.ready_job()
    settler = town.settler()
    settle.post_next(settler, town.state)
    town.chain.mine(seconds=WINDOW + late)
    assert settle.finalise_pending(settler, town.state, town.index.now) is done
    assert (town.state.final() is not None) is done


def test_finalise_pending__again__does_it_once(town: Town) -> None:
    town.ready_job()
    settle.post_next(town.settler(), town.state)
    town.chain.mine(seconds=WINDOW)
    before = town.state
    for _ in range(2):
        assert settle.finalise_pending(town.settler(), before, town.index.now)
    assert not settle.finalise_pending(town.settler(), town.state, town.index.now)
    assert mined(town, "finalise") == 1


def test_pay__again_and_again__pays_each_worker_once(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settle, "CLAIMS", 2)
    town.ready_job()
    settler = town.settler()
    assert settle.pay(settler, town.state) == 0
    settle.post_next(settler, town.state)
    finalise(town)
    town.database.add_claims([0, 1, 2, 3, 99])
    before = town.state
    assert settle.pay(settler, before) == 4
    assert settle.pay(settler, before) == 4  # the same transactions
    assert settle.pay(settler, town.state) == 0
    assert mined(town, "claim") == 2
    assert sum(town.state.claimed.values()) == town.state.final_total


def test_pay__only_wishes__moves_nobody_else_s_money(town: Town) -> None:
    town.ready_job()
    settle.post_next(town.settler(), town.state)
    finalise(town)
    town.database.add_claims([2])
    assert settle.pay(town.settler(), town.state) == 1
    assert set(town.state.claimed) == {2}


# --------------------------------------------------------------------------------------------------------- registrations


def wish(town: Town, name: str, seconds: int = 1_000) -> Registration:
    wallet = address_of(person(name))
    return Registration(wallet, wallet, town.chain.now + seconds, b"")


def test_register__many__goes_in_parts_and_once(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settle, "REGISTRATIONS", 2)
    town.database.add_registrations([wish(town, f"new {i}") for i in range(5)])
    assert settle.register(town.settler(), town.state) == 5
    assert settle.register(town.settler(), town.state) == 0
    assert (mined(town, "register"), len(town.state.workers)) == (3, 6)


def test_register__expired_wish__keeps_nobody_else_out(town: Town) -> None:
    """The contract would revert the whole batch."""
    town.database.add_registrations([wish(town, "old", 5), wish(town, "new"), wish(town, "soon over", 30)])
    town.chain.mine(seconds=10)
    assert settle.register(town.settler(), town.state) == 1
    assert address_of(person("new")) in town.state.worker_of


def test_register__wish_that_the_contract_refuses__is_left_out_alone(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = address_of(person("bad"))
    honest = town.market._register

    def strict(state: Any, wishes: Any) -> Any:
        if any(w.wallet == bad for w in wishes):
            raise Refused("WorkersSignatureInvalid", "no")
        return honest(state, wishes)

    monkeypatch.setattr(town.market, "_register", strict)
    town.database.add_registrations([wish(town, name) for name in ("a", "b", "bad", "c", "d")])
    assert settle.register(town.settler(), town.state) == 4
    assert bad not in town.state.worker_of
    assert settle.register(town.settler(), town.state) == 0


def test_register__two_keys_for_one_wallet__registers_it_once(town: Town) -> None:
    wallet = address_of(person("new"))
    town.database.add_registrations(
        [replace(wish(town, "new"), key=key) for key in (wallet, address_of(person("other")))]
    )
    assert settle.register(town.settler(), town.state) == 1


# --------------------------------------------------------------------------------------------------------------- liveness


@dataclass
class Odd:
    """A member of which some methods do something else."""

    honest: LocalPeer
    odd: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        return self.odd.get(name) or getattr(self.honest, name)


def act(problem: Exception) -> Any:
    def method(*_: Any) -> Any:
        raise problem

    return method


def lied(town: Town, **changes: Any) -> Any:
    """A proposal whose header says something else."""

    def propose(evidence: Evidence) -> Proposal:
        found = town.peers[0].propose(evidence)
        return replace(found, header=replace(found.header, **changes))

    return propose


FAULTS: dict[str, Any] = {
    "does not propose": lambda t: {"propose": act(Retryable("silent"))},
    "fails in proposing": lambda t: {"propose": act(Fatal("broken"))},
    "refuses everything": lambda t: {n: act(Refused("no", "never")) for n in ("propose", "review", "approve", "store")},
    "answers nonsense": lambda t: {n: act(BadInput("nonsense")) for n in ("propose", "review", "approve", "store")},
    "lies in the header": lambda t: {"propose": lied(t, total=7)},
    "lies in the debits": lambda t: {"propose": lambda e: replace(t.peers[0].propose(e), debits=())},
    "withholds the blocks": lambda t: {"blocks": act(ContentMissing("gone"))},
    "gives garbage for blocks": lambda t: {"blocks": lambda root: b"garbage"},
    "gives other blocks": lambda t: {"blocks": lambda root: car_of(t.content, some_block(t))},
    "agrees and then signs junk": lambda t: {"review": lambda h: None, "approve": lambda h: bytes(65)},
    "agrees and then signs as a stranger": lambda t: {"approve": lambda h: sign(person("x"), bytes(32))},
    "agrees and then is silent": lambda t: {"review": lambda h: None, "approve": act(Retryable("silent"))},
    "says that there is nothing": lambda t: {"propose": lambda e: None},
}


def some_block(town: Town) -> Cid:
    assert isinstance(town.content, MemoryStore)
    return next(cid for cid in town.content.cids() if town.content.get(cid)[:1] != b"\xa2")


@pytest.mark.parametrize("turn", range(4))
@pytest.mark.parametrize("what", FAULTS)
def test_post_next__one_faulty_member__does_not_stop_the_others(shared: Town, what: str, turn: int) -> None:
    """Whenever its turn to propose comes."""
    town = shared
    at = (town.chain.latest().number + turn) % 4
    peers: list[Any] = [*town.peers[1 : at + 1], Odd(town.peers[0], FAULTS[what](town)), *town.peers[at + 1 :]]
    proposal, signatures = settle.agree(town.settler(peers), town.state)
    assert proposal
    assert len(signatures) == 3
    assert heads.debits_hash(proposal.debits) == proposal.header.debits
    town.chain.mine_until(proposal.header.valid_until + 1)


@pytest.fixture(scope="module")
def shared() -> Iterator[Town]:
    """Its headers are signed and never posted: they expire."""
    town = Town()
    town.ready_job()
    yield town
    town.close()


def test_agree__one_member_away__has_a_quorum_and_ends(town: Town) -> None:
    town.ready_job()
    town.peers[2].away = True
    assert settle.post_next(town.settler(), town.state)
    finalise(town)
    assert not settle.post_next(town.settler(), town.state)  # three say that nothing is left


def test_agree__two_members_away__is_retryable_says_why_and_heals(town: Town) -> None:
    town.ready_job()
    town.peers[2].away = town.peers[3].away = True
    with pytest.raises(Retryable, match="no quorum for the next epoch: connection refused"):
        settle.post_next(town.settler(), town.state)
    assert all(node.database.signed() == [] for node in town.nodes)  # nobody is bound by what failed
    town.peers[2].away = False
    assert settle.post_next(town.settler(), town.state)


def test_post_next__member_whose_headers_expire_at_once__has_its_turn_and_no_more(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it proposes is right and signed, and can never be posted: the next block asks another member first."""
    town.ready_job()
    post_epoch = town.market.post_epoch

    def short_lived(evidence: Evidence) -> Proposal | None:
        with monkeypatch.context() as patch:
            patch.setattr(rules, "VALID_SECONDS", 0)
            found: Proposal | None = town.peers[0].propose(evidence)
            return found

    def next_block(*arguments: Any) -> Any:
        town.chain.mine()
        return post_epoch(*arguments)

    monkeypatch.setattr(town.market, "post_epoch", next_block)
    while town.chain.latest().number % 4:  # its turn
        town.chain.mine()
    settler = town.settler([Odd(town.peers[0], {"propose": short_lived}), *town.peers[1:]])  # type: ignore[list-item]
    with pytest.raises(Refused, match="MarketHeaderExpired"):
        settle.post_next(settler, town.state)
    assert settle.post_next(settler, town.state)
    assert town.state.last_epoch == 1


def test_agree__hanging_member__is_passed_over(town: Town) -> None:
    town.ready_job()
    until = Event()

    def hang(*_: Any) -> None:
        until.wait(20)

    peers: list[Any] = [*town.peers[:3], Odd(town.peers[3], {"review": hang, "approve": hang, "store": hang})]
    while town.chain.latest().number % 4:  # whose turn it is to propose
        town.chain.mine()
    proposal, signatures = settle.agree(town.settler(peers), town.state)
    assert proposal
    assert len(signatures) == 3
    until.set()


def test_agree__signature_withheld_after_the_review__the_signed_header_is_found_again(town: Town) -> None:
    """Three agree; one of them then falls silent while another is away: two are bound, and go on when one returns."""
    town.ready_job()
    town.peers[3].away = True
    peers: list[Any] = [*town.peers[:2], Odd(town.peers[2], {"approve": act(Retryable("silent"))}), town.peers[3]]
    with pytest.raises(Retryable):
        settle.agree(town.settler(peers), town.state)
    bound = {s.digest for node in town.nodes for s in node.database.signed()}
    assert len(bound) == 1
    town.chain.mine()
    town.peers[3].away = False
    for first in range(4):
        proposal, _ = settle.agree(town.settler(peers[first:] + peers[:first]), town.state)
        assert proposal
    assert {s.digest for node in town.nodes for s in node.database.signed()} == bound


def test_agree__without_the_review__a_failed_round_binds_its_signers(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: with signatures at once, members that differ stop each other until the first header expires."""
    job = town.open_job(tasks=1, answers=4)
    town.register(4)
    for lacking, offer in enumerate(town.offers(job, [(0, worker) for worker in (1, 2, 3, 4)])):
        town.give([town.answer(offer)], to={0, 1, 2, 3} - {lacking})
    town.close_job(job)

    @dataclass
    class Hasty(LocalPeer):
        def review(self, header: Header) -> None:
            self.approve(header)

    hasty = [Hasty(peer.member, peer.content) for peer in town.peers]
    with pytest.raises(Retryable, match="another header for epoch 1 is signed"):
        settle.agree(town.settler(hasty), town.state)
    town.chain.mine(seconds=3_700)
    assert settle.agree(town.settler(), town.state)[0]


def taking_its_word_back(town: Town) -> list[Any]:
    """A worker's envelope opens for member 2 alone, and member 3 agrees to everything and then does not sign."""
    job = town.open_job(tasks=1, answers=2)
    town.register(2)
    one, two = town.offers(job, [(0, 1), (0, 2)])
    town.give([town.answer(one), town.answer(two, garbage_for=(0, 1, 3))])
    while town.chain.latest().number % 4:  # member 0, which cannot open it, proposes first
        town.chain.mine()
    act_nothing = {"review": lambda _: None, "approve": act(Retryable("not now"))}
    return [*town.peers[:3], Odd(town.peers[3], act_nothing)]


def test_agree__evidence_against_what_a_quorum_would_sign__is_taken_up_first(town: Town) -> None:
    proposal, signatures = settle.agree(town.settler(taking_its_word_back(town)), town.state)
    assert proposal
    assert len(signatures) == 3
    assert proposal.debits[0].pay == 2 * 1_300  # both answers count


def test_agree__without_a_second_round__the_liar_s_word_binds_the_honest(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settle, "ROUNDS", 1)
    settler = town.settler(taking_its_word_back(town))
    with pytest.raises(Retryable, match="another header for epoch 1 is signed"):
        settle.agree(settler, town.state)


def test_agree__member_that_was_away_for_an_epoch__is_brought_up(town: Town) -> None:
    town.ready_job()
    town.peers[3].away = True
    settle.post_next(town.settler(), town.state)
    finalise(town)
    job = town.open_job(tasks=1, answers=1)
    town.give([town.answer(town.offers(job, [(0, 1)])[0])], to=[0, 1, 2])
    town.peers[3].away, town.peers[2].away = False, True
    with pytest.raises(ContentMissing):
        town.all[3].propose(Evidence())
    assert settle.post_next(town.settler(), town.state)
    assert town.state.last_epoch == 2


def test_agree__no_member_knows_the_pending_one__settler_does_not_ask(town: Town) -> None:
    town.ready_job()
    settle.post_next(town.settler(), town.state)
    assert not settle.post_next(town.settler([]), town.state)


def test_settler__two_at_once__post_one_epoch(town: Town) -> None:
    town.ready_job()
    one, two = town.settler(), replace(town.settler(), signer=type(town.relayer)(b"\x98" * 20))
    state = town.state
    assert settle.post_next(one, state)
    with pytest.raises(Retryable, match="not final"):
        settle.post_next(two, state)
    assert not settle.post_next(two, town.state)
    assert town.state.last_epoch == 1


def test_fake_chain__nonce_that_was_used__is_refused() -> None:
    """The fake must not be kinder than a node."""
    chain = FakeChain(run=lambda _: [ev.JobRefunded(1, 1)])
    from tests.support.chain import PlainSigner

    signer = PlainSigner(b"\x01" * 20)
    raw, transaction = signer.sign_transaction({"nonce": 0, "data": b"x"})
    chain.send(raw)
    chain.send(raw)
    outcome = chain.outcome(transaction)
    assert outcome
    assert (outcome.block, len(chain.mined)) == (1, 2)
    with pytest.raises(Refused, match="nonce too low"):
        chain.send(signer.sign_transaction({"nonce": 0, "data": b"y"})[0])


def test_batches__neighbours__are_claimed_200_at_once() -> None:
    parts = settle.batches(range(1, 451), 500)
    assert [len(part) for part in parts] == [200, 200, 50]
    assert [worker for part in parts for worker in part] == list(range(1, 451))


def test_batches__strangers_in_a_large_tree__cost_a_transaction_no_more_than_it_may() -> None:
    parts = settle.batches(range(0, 100_000, 97), 1 << 20)
    each = settle.CLAIM_WORKER + settle.CLAIM_SLOT + 20 * settle.CLAIM_STEP
    assert {len(part) for part in parts[:-1]} == {settle.CLAIM_GAS // each}
    assert [worker for part in parts for worker in part] == list(range(0, 100_000, 97))


def test_batches__nobody__is_no_transaction() -> None:
    assert settle.batches([], 10) == []
