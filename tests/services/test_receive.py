"""Receipts: a quorum from members of which some refuse, lie, hang or are away; durable before anybody sees them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from threading import Event
from time import monotonic
from typing import Any

import pytest

from oracle.ports import StoredAnswer
from oracle.protocol.errors import Refused, Retryable
from oracle.protocol.keys import recover, sign
from oracle.protocol.messages import Receipt, digest
from oracle.services import panel, receive
from oracle.services.receive import Receiver
from tests.support.committee import LocalPeer, Town, changed
from tests.support.epochs import person

GRACE = 0.3


@pytest.fixture
def town(monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    monkeypatch.setattr(receive, "GRACE_S", GRACE)
    town = Town()
    town.open_job(tasks=4, answers=3)
    town.register(3)
    yield town
    town.close()


@pytest.fixture
def batch(town: Town) -> list[StoredAnswer]:
    return [town.answer(offer) for offer in town.offers(1, [(0, 1), (1, 1)])]


@dataclass
class Odd:
    """A member whose `accept` is something else; `honest` is asked first if `stores`."""

    honest: LocalPeer
    what: Callable[[], bytes]
    stores: bool = False

    def accept(self, answers: Sequence[StoredAnswer]) -> bytes:
        if self.stores:
            self.honest.accept(answers)
        return self.what()


def receiver(town: Town, **odd: Odd) -> Receiver:
    peers: list[Any] = [odd.get(f"p{at}", peer) for at, peer in enumerate(town.peers)]
    return Receiver(town.deployment, town.database, peers)


def terms(town: Town) -> bytes:
    return town.state.jobs[1].terms.hash()


def check(town: Town, batch: list[StoredAnswer], found: Any, signatures: int) -> None:
    message = digest(town.deployment.domain(), Receipt(found.root, len(batch)))
    signers = [recover(message, signature) for signature in found.signatures]
    assert signers == sorted(set(signers))
    assert set(signers) <= set(town.deployment.committee.members)
    assert len(signers) == signatures
    assert all(town.database.receipt_of(answer) == found for answer in found.digests)


def raises(problem: Exception) -> Callable[[], bytes]:
    def act() -> bytes:
        raise problem

    return act


def hang(until: Event) -> Callable[[], bytes]:
    def act() -> bytes:
        until.wait(20)
        return b""

    return act


def test_receive__all_members__gives_all_signatures_durably(town: Town, batch: list[StoredAnswer]) -> None:
    found = receiver(town).receive(batch, terms(town))
    check(town, batch, found, 4)
    assert receiver(town).receive(batch, terms(town)) == found


def test_receive__one_member_away__has_a_quorum(town: Town, batch: list[StoredAnswer]) -> None:
    town.peers[1].away = True
    check(town, batch, receiver(town).receive(batch, terms(town)), 3)


def test_receive__two_members_away__is_retryable_and_keeps_nothing(town: Town, batch: list[StoredAnswer]) -> None:
    town.peers[1].away = town.peers[2].away = True
    with pytest.raises(Retryable, match="connection refused"):
        receiver(town).receive(batch, terms(town))
    town.peers[1].away = False
    check(town, batch, receiver(town).receive(batch, terms(town)), 3)  # the same batch, sent again


JUNK: dict[str, Callable[[Town], bytes]] = {
    "nothing": lambda t: b"",
    "zeros": lambda t: bytes(65),
    "a stranger's signature": lambda t: sign(person("stranger"), bytes(32)),
    "a signature of something else": lambda t: t.nodes[0].signer.sign(bytes(32)),
}


@pytest.mark.parametrize("what", JUNK)
def test_receive__member_that_signs_junk__does_not_count(town: Town, batch: list[StoredAnswer], what: str) -> None:
    liar = Odd(town.peers[0], lambda: JUNK[what](town))
    check(town, batch, receiver(town, p0=liar).receive(batch, terms(town)), 3)
    town.peers[1].away = True
    with pytest.raises(Retryable):
        receiver(town, p0=liar).receive(batch, terms(town))


def test_receive__member_that_repeats_another_s_signature__counts_once(town: Town, batch: list[StoredAnswer]) -> None:
    copied = town.peers[1].accept(batch)
    liar = Odd(town.peers[0], lambda: copied)
    check(town, batch, receiver(town, p0=liar).receive(batch, terms(town)), 3)
    town.peers[2].away = True
    with pytest.raises(Retryable):
        receiver(town, p0=liar).receive(batch, terms(town))


def test_receive__hanging_member__delays_no_longer_than_the_grace(town: Town, batch: list[StoredAnswer]) -> None:
    until = Event()
    slow = Odd(town.peers[0], hang(until))
    asked = receiver(town, p0=slow)
    started = monotonic()
    check(town, batch, asked.receive(batch, terms(town)), 3)
    assert GRACE <= monotonic() - started < GRACE + 2
    until.set()


def test_receive__hanging_member_when_the_others_refuse__does_not_delay_the_refusal(
    town: Town, batch: list[StoredAnswer]
) -> None:
    until = Event()
    started = monotonic()
    with pytest.raises(Refused) as refused:
        receiver(town, p0=Odd(town.peers[0], hang(until))).receive(
            [changed(batch[0], expiry=batch[0].expiry + 1)], terms(town)
        )
    assert refused.value.code == "no-assignment"
    assert monotonic() - started < GRACE + 2
    until.set()


def test_receive__two_members_hang__gives_up_after_its_patience(
    town: Town, batch: list[StoredAnswer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receive, "PATIENCE_S", 0.2)
    until = Event()
    odd = {f"p{at}": Odd(town.peers[at], hang(until)) for at in (0, 1)}
    with pytest.raises(Retryable, match="has not answered yet"):
        receiver(town, **odd).receive(batch, terms(town))
    until.set()


def test_receive__member_that_hangs_for_ever__is_soon_no_longer_asked(
    town: Town, batch: list[StoredAnswer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else each batch would leave a thread behind, and a crowd of them would stop the API."""
    monkeypatch.setattr(panel, "MOST_WAITING", 2)
    monkeypatch.setattr(receive, "GRACE_S", 0.01)
    until, asked = Event(), []

    def count() -> bytes:
        asked.append(1)
        return hang(until)()

    patient = receiver(town, p0=Odd(town.peers[0], count))
    for _ in range(6):
        check(town, batch, patient.receive(batch, terms(town)), 3)
    assert len(asked) == 2
    until.set()


@pytest.mark.parametrize(
    ("change", "code"),
    [({"signature": bytes(65)}, "bad-signature"), ({"task": 3}, "bad-signature"), ({"worker": 9}, "no-such-key")],
)
def test_receive__refused_by_the_members__has_their_code_and_reason(
    town: Town, batch: list[StoredAnswer], change: dict[str, Any], code: str
) -> None:
    with pytest.raises(Refused, match="answer 1 of the batch") as refused:
        receiver(town).receive([batch[0], changed(batch[1], **change)], terms(town))
    assert refused.value.code == code


def test_receive__one_member_refuses_falsely__is_outvoted(town: Town, batch: list[StoredAnswer]) -> None:
    liar = Odd(town.peers[0], raises(Refused("job-closed", "no")))
    check(town, batch, receiver(town, p0=liar).receive(batch, terms(town)), 3)
    town.peers[1].away = True
    with pytest.raises(Retryable, match="no"):  # one word against two is no reason to give up
        receiver(town, p0=liar).receive(batch, terms(town))


def test_receive__different_refusals__gives_the_most_frequent(town: Town, batch: list[StoredAnswer]) -> None:
    odd = {f"p{at}": Odd(town.peers[at], raises(Refused(code, code))) for at, code in enumerate(("a", "b", "b"))}
    with pytest.raises(Refused) as refused:
        receiver(town, **odd).receive(batch, terms(town))
    assert refused.value.code == "b"


def test_receive__receipt_cannot_be_stored__nobody_sees_it(
    town: Town, batch: list[StoredAnswer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(town.database, "add_receipt", lambda *_: raises(Retryable("the disk is full"))())
    with pytest.raises(Retryable, match="disk"):
        receiver(town).receive(batch, terms(town))


def test_receive__member_with_a_defect__is_not_swallowed(town: Town, batch: list[StoredAnswer]) -> None:
    with pytest.raises(ZeroDivisionError):
        receiver(town, p0=Odd(town.peers[0], raises(ZeroDivisionError()))).receive(batch, terms(town))
