"""Single answers that come together: few questions to the members, one receipt for many, and nobody pays for another's fault."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock
from typing import Any

import pytest
from coincurve import PrivateKey

from oracle.adapters.database import memory_database
from oracle.ports import StoredAnswer
from oracle.protocol import leaves, messages, trees
from oracle.protocol.deployment import Committee, Deployment
from oracle.protocol.errors import Refused
from oracle.protocol.keys import address_of, sign
from oracle.services import receive
from oracle.services.receive import Receiver

TERMS = b"t" * 32
KEYS = sorted((PrivateKey(bytes([n]) * 32) for n in range(1, 5)), key=address_of)
COMMITTEE = Committee(bytes(20), tuple(map(address_of, KEYS)), (bytes(32),) * 4, 3)
HERE = Deployment(1, *[bytes([n]) * 20 for n in (1, 2)], COMMITTEE, bytes(20), bytes(20), 1, 3600, 0)


class Peer:
    """Takes a moment, signs for every batch without a bad answer (task 13), and counts its questions."""

    def __init__(self, key: PrivateKey) -> None:
        self.key, self.asked, self.lock = key, [], Lock()  # type: ignore[var-annotated]

    def accept(self, answers: Any) -> bytes:
        with self.lock:
            self.asked.append(len(answers))
        time.sleep(0.02)
        if any(a.task == 13 for a in answers):
            raise Refused("task-closed", "task 13 is closed")
        digests = [digest_of(a) for a in answers]
        receipt = messages.Receipt(trees.root([leaves.receipt_leaf(d) for d in digests]), len(digests))
        return sign(self.key, messages.digest(HERE.domain(), receipt))


def digest_of(a: StoredAnswer) -> bytes:
    return messages.digest(HERE.domain(), messages.Answer(a.job, TERMS, a.task, a.worker, a.commitment, a.seal_hash))


def one(task: int) -> StoredAnswer:
    return StoredAnswer(1, task, 1, 0, bytes([task]) * 32, bytes(32), bytes(65), b"", 0, bytes(65))


def test_receive__forty_at_once__go_together_and_each_finds_itself_in_its_receipt() -> None:
    peers: Any = [Peer(key) for key in KEYS]
    database = memory_database()
    receiver = Receiver(HERE, database, peers)
    with ThreadPoolExecutor(40) as threads:
        found = list(threads.map(lambda task: receiver.receive([one(task)], TERMS), range(20, 60)))
    for task, receipt in zip(range(20, 60), found, strict=True):
        assert digest_of(one(task)) in receipt.digests
        assert database.receipt_of(digest_of(one(task))) == receipt
        assert database.submitted(1)[1, task, 1] == digest_of(one(task))
    assert sum(peers[0].asked) == 40
    assert len(peers[0].asked) <= 15


def test_receive__one_among_many_is_refused__it_alone_hears_of_it() -> None:
    peers: Any = [Peer(key) for key in KEYS]
    receiver = Receiver(HERE, memory_database(), peers)

    def send(task: int) -> str:
        try:
            return "stored" if digest_of(one(task)) in receiver.receive([one(task)], TERMS).digests else "lost"
        except Refused as refused:
            return refused.code

    with ThreadPoolExecutor(16) as threads:
        found = dict(zip(range(16), threads.map(send, range(16)), strict=True))
    assert found.pop(13) == "task-closed"
    assert set(found.values()) == {"stored"}


def test_receive__while_the_flight_before_it_hangs__goes_alone_when_its_patience_ends_and_those_after_it_fly_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(receive, "PATIENCE_S", 1.0)
    monkeypatch.setattr(receive, "GRACE_S", 0.1)
    peers: Any = [Peer(key) for key in KEYS]
    receiver, until, hung = Receiver(HERE, memory_database(), peers), Event(), Event()
    honest = receiver._receive

    def first_hangs(answers: Any, terms: bytes) -> Any:
        if answers[0].task == 1 and not until.is_set():
            hung.set()
            until.wait(20)
        return honest(answers, terms)

    monkeypatch.setattr(receiver, "_receive", first_hangs)
    with ThreadPoolExecutor(3) as threads:
        first = threads.submit(receiver.receive, [one(1)], TERMS)
        hung.wait(20)
        assert digest_of(one(2)) in receiver.receive([one(2)], TERMS).digests  # not after the first
        until.set()
        assert digest_of(one(1)) in first.result(20).digests
        began = time.monotonic()
        assert digest_of(one(3)) in receiver.receive([one(3)], TERMS).digests
        assert time.monotonic() - began < 1.0
    assert receiver._waiting == []
