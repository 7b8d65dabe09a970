"""After an epoch: verdicts and balances whose proofs an outsider checks, and answers that come too late."""

import time
from dataclasses import replace
from typing import Any, cast

import pytest

from api.reader import LOOK_S, Reader
from oracle.ports import ContentStore
from oracle.protocol import epoch as ep
from oracle.protocol import trees
from oracle.protocol.cids import Cid
from oracle.protocol.hashing import keccak
from oracle.protocol.leaves import Balance
from oracle.services.books import Books
from tests.api.conftest import Market
from tests.api.test_a_open import answer, is_problem, offers, stored

pytestmark = pytest.mark.sockets


def roots(market: Market) -> ep.Epoch:
    state = market.oracle.index.advance()
    post = state.posts[1]
    return market.oracle.books.epoch(1, post.content)


def unhexed(values: list[str]) -> list[bytes]:
    return [bytes.fromhex(value[2:]) for value in values]


def test_epochs__after_one__is_final_and_named_by_its_content(settled: Market) -> None:
    (found,) = settled.client.get("/epochs").json()
    assert (found["epoch"], found["status"], found["verdicts"]) == (1, "final", 4)
    assert int(found["total"]) > 0
    assert settled.client.get(f"/ipfs/{found['content']}").status_code == 200
    assert settled.client.get("/epochs", params={"from": 2}).json() == []


def test_verdicts__each__proof_leads_to_the_signed_root(settled: Market) -> None:
    data = roots(settled)
    leaves = ep.leaves_of(data, "verdicts")
    root = trees.root(leaves)
    path = f"/jobs/{settled.demo.job}/verdicts"
    found = settled.client.get(path).json()
    assert [verdict["id"] for verdict in found] == ["t0", "t1", "t2", "t3"]
    for verdict in found:
        leaf, proof = unhexed([verdict["leaf"]])[0], unhexed(verdict["proof"])
        assert trees.verify(root, len(leaves), verdict["index"], leaf, proof)
        assert not trees.verify(root, len(leaves), verdict["index"], keccak(leaf), proof)
        assert verdict == settled.client.get(f"{path}/{verdict['task']}").json()
        assert 0.5 <= verdict["confidence"] <= 1
        assert verdict["label"] in ("0", "1")
    assert settled.client.get(path, params={"from": 2, "limit": 1}).json() == found[2:3]
    assert is_problem(settled.client.get(f"{path}/4"), 404, "not-found")


def test_balances__each__proof_leads_to_the_claim_root_and_adds_up(settled: Market) -> None:
    leaves = ep.leaves_of(roots(settled), "balances")
    root, total = trees.root(leaves), 0
    for number in range(len(leaves)):
        found = settled.client.get(f"/workers/{number}/balance").json()
        wallet, earnings = unhexed([found["wallet"], found["earnings"]])
        units = int(found["units"])
        balance = next(b for b in roots(settled).balances if b.worker == number)
        assert keccak(balance.earnings) == earnings
        leaf = Balance(number, wallet, units, balance.earnings).leaf()
        assert trees.verify(root, len(leaves), number, leaf, unhexed(found["proof"]))
        assert int(found["claimable"]) == int(found["cumulative"]) - int(found["claimed"])
        assert (found["pending"], found["epoch"]) == ("0", 1)
        total += int(found["cumulative"])
    assert total == int(settled.client.get("/epochs").json()[0]["total"])


def test_answers__after_closing__refused_and_not_stored(settled: Market) -> None:
    before = stored(settled)
    worker = settled.demo.numbers[0]
    late: Any = answer(settled, offers(settled, worker)[0], label=1)[0]
    response = settled.client.post("/answers", json={"answers": [late]})
    assert is_problem(response, 409)
    assert response.json()["title"] in ("job-closed", "task-closed")
    assert stored(settled) == before


def test_look_ahead__of_a_settled_epoch__nothing_is_left_to_read_when_it_is_asked_for(settled: Market) -> None:
    class Store:
        content, reads = settled.oracle.content, 0

        def get(self, cid: Cid) -> bytes:
            self.reads += 1
            return self.content.get(cid)

    store = Store()
    reader = Reader(replace(settled.oracle, books=Books(cast(ContentStore, store))))
    reader.look_ahead()
    before = store.reads
    post = reader.state().unstruck()[-1]
    assert before > 0
    for tree in ("verdicts", "balances", "weights"):
        assert (post.content, tree) in reader._trees
        assert reader.proof(post, tree, 0) is not None
    for job in {verdict.job for verdict in reader.epoch(post).verdicts}:
        assert reader.content(reader.job(job))[1]
    reader.look_ahead()
    assert store.reads == before


def test_claims__asked_by_each__are_paid_and_shown(settled: Market) -> None:
    settled.play("pay")
    time.sleep(2 * LOOK_S)  # a look just before is good for so long
    answered = settled.demo.numbers[:2]  # the third, where other tests had it answer
    for number in settled.demo.numbers:
        found = settled.client.get(f"/workers/{number}/balance").json()
        assert found["claimable"] == "0"
        assert int(found["claimed"]) == int(found["cumulative"])
        assert int(found["claimed"]) > 0 or number not in answered


def test_reads__chain_is_down__503_problem_and_back_again(settled: Market) -> None:
    assert settled.demo._own
    settled.demo._own.stop()  # it does not look after the chain any more
    time.sleep(2 * LOOK_S)  # a look just before is good for so long
    assert is_problem(settled.client.get("/jobs"), 503)
    assert settled.client.get("/health").status_code == 200  # the process lives
    settled.demo._ensure_chain()
    time.sleep(1.1)  # a look at what is waited for is good for a second
    assert settled.client.get("/ready").status_code == 200
    assert settled.client.get("/jobs").status_code == 200
