"""Each persona's whole way through the API: a requester's money to the unit, a worker's assignments, and what nobody else sees."""

import json
import random
from typing import Any

import pytest
from coincurve import PrivateKey

from api.hooks import signature as hook_signature
from oracle.ports import Kept
from oracle.protocol import scoring, trees
from oracle.protocol.cids import cid_of, parse
from oracle.protocol.errors import BadInput, Refused
from oracle.protocol.hashing import keccak, leaf, tagged
from oracle.protocol.keys import address_of, checksum, recover
from oracle.protocol.messages import Header, digest
from tests.api import town
from tests.api.conftest import Market
from tests.api.town import Requester

pytestmark = pytest.mark.sockets
JOBS = 4


def unhexed(text: str) -> bytes:
    return bytes.fromhex(text[2:])


def money(market: Market, jobs: int, seed: int) -> None:
    """Random jobs with random answers: quote = escrowed = paid + fee + refund, to the unit, for each job and for all together."""
    luck = random.Random(seed)
    known = {number: int(market.client.get(f"/workers/{number}/balance").json()["cumulative"]) for number in range(4)}
    opened: list[tuple[Requester, int, int, int]] = []
    for _ in range(jobs):
        requester = Requester(market)
        most = luck.randint(1, 3)
        asked = town.manifest(
            market,
            title=f"money {seed} {luck.random()}",
            redundancy={"most": most, "least": luck.randint(1, most)},
            reward={"base": str(luck.choice([0, 1, 999, 10_000])), "bonus": str(luck.randint(1, 9_999))},
            feeBps=luck.choice([0, 1, 250, 9_999]),
        )
        payloads = [None] * luck.randint(1, 4)
        quote = requester.client.post("/jobs/quote", {"manifest": asked, "tasks": len(payloads)})
        before = town.tokens(market, requester.key)
        draft = requester.draft(asked, payloads)
        assert draft["quote"] == quote
        number = requester.fund(draft, luck.random() < 0.5)
        paid_in = before - town.tokens(market, requester.key)
        assert paid_in == int(quote["escrow"]) == int(market.client.get(f"/jobs/{number}").json()["escrow"])
        town.offer(market, number, luck.sample(market.demo.numbers, luck.randint(1, 3)))
        opened.append((requester, number, paid_in, before))
    for number in market.demo.numbers:
        hands = town.worker(market, number)
        for _, job, _, _ in opened:
            offers = [offer for offer in hands.assignments(job) if luck.random() < 0.8]
            if offers:
                hands.send(offers, [hands.answer(offer, luck.randrange(2)) for offer in offers])
    town.decide(market)
    town.until_refundable(market)
    back = 0
    for requester, job, paid_in, before in opened:
        progress = market.client.get(f"/jobs/{job}/progress").json()
        left = int(progress["locked"])
        if left:
            town.send(market, requester.key, market.client.post("/transactions/refund", json={"job": job}).json())
        after = market.client.get(f"/jobs/{job}/progress").json()
        assert town.tokens(market, requester.key) == before - paid_in + left
        assert int(after["escrow"]) == int(after["debited"]) + int(after["refunded"]) == paid_in
        assert (after["locked"], after["phase"]) == ("0", "over")
        back += left
    now = {number: int(market.client.get(f"/workers/{number}/balance").json()["cumulative"]) for number in known}
    assert sum(now.values()) - sum(known.values()) + back == sum(paid_in for _, _, paid_in, _ in opened)


def test_money__random_jobs__quote_is_escrow_is_pay_and_fee_and_refund(settled: Market) -> None:
    money(settled, JOBS, 1)


@pytest.mark.deep
def test_money__many_random_jobs(settled: Market) -> None:
    for seed in range(2, 12):
        money(settled, 8, seed)


def test_worker__from_offer_to_pay__each_state_in_turn(settled: Market) -> None:
    requester = Requester(settled)
    draft = requester.draft(town.manifest(settled, title="states"), [{"text": "a"}, {"text": "b"}, {"text": "c"}])
    job = requester.fund(draft, by_permit=True)
    one, two, three = settled.demo.numbers
    town.offer(settled, job, [one, two])
    hands, other = town.worker(settled, one), town.worker(settled, two)
    mine = hands.client

    def states() -> list[str]:
        return [a["state"] for a in mine.get("/me/assignments", job=job)]

    assert states() == ["RESERVED"] * 3
    assert mine.get("/work")[-1]["place"] == 3
    shown = mine.get(f"/me/assignments/{job}/0")
    assert (shown["payload"], shown["classes"], shown["draft"]) == ({"text": "a"}, ["no", "yes"], None)
    assert states() == ["ACTIVE", "RESERVED", "RESERVED"]
    mine.put(f"/me/assignments/{job}/0/draft", {"draft": {"label": 1}})
    assert mine.get(f"/me/assignments/{job}/0")["draft"] == {"label": 1}
    assert other.client.get(f"/me/assignments/{job}/0/draft") == {"draft": None}
    assert mine.post(f"/me/assignments/{job}/2/return")["state"] == "RETURNED"
    town.offer(settled, job, [one, three])  # to somebody else, and not to who gave it back
    assert states() == ["ACTIVE", "RESERVED", "RETURNED"]
    third = town.worker(settled, three)
    assert [a["task"] for a in third.assignments(job)] == [2]
    for hand, label, chosen in ((hands, 1, (0, 1)), (other, 1, (0, 2)), (third, 0, (2,))):
        offers = [offer for offer in hand.assignments(job) if offer["task"] in chosen]
        hand.send(offers, [hand.answer(offer, label) for offer in offers])
    assert states() == ["SUBMITTED", "SUBMITTED", "RETURNED"]
    with pytest.raises(Refused, match="SUBMITTED"):
        mine.post(f"/me/assignments/{job}/0/return")
    before = mine.get("/me/earnings")
    town.decide(settled)
    found = mine.get("/me/assignments", job=job)
    assert [a["state"] for a in found] == ["ACCEPTED", "ACCEPTED", "RETURNED"]
    assert (found[0]["label"], found[0]["verdict"], found[0]["agreed"], found[0]["paid"]) == (
        "yes",
        "yes",
        True,
        "12500",
    )
    assert [a["state"] for a in other.client.get("/me/assignments", job=job)][1] == "TIMED OUT"
    after = mine.get("/me/earnings")
    assert int(after["claimable"]) - int(before["claimable"]) == sum(int(a["paid"]) for a in found[:2])
    rows = mine.download("/me/earnings.csv").decode().splitlines()
    assert len(rows) == 1 + len(after["earnings"])
    payer = Requester(settled)
    before_claim = town.tokens(settled, settled.key(one))
    town.send(settled, payer.key, payer.client.post("/transactions/claim", {"worker": one}))
    assert town.tokens(settled, settled.key(one)) - before_claim == int(after["claimable"])
    assert {e["state"] for e in mine.get("/me/earnings")["earnings"]} == {"paid"}
    record = settled.client.get(f"/workers/{one}/record").json()
    assert (record["answers"], record["earned"]) == (
        record["counted"],
        str(sum(int(e["amount"]) for e in after["earnings"])),
    )


def test_evidence__of_a_verdict__recomputed_without_the_api(settled: Market) -> None:
    """What the page's verify button does: leaf, proofs, decision and signatures from what the route gives and the chain."""
    found = settled.client.get(f"/jobs/{settled.demo.job}/verdicts/0/evidence").json()
    header = {name: unhexed(v) if isinstance(v, str) else v for name, v in found["header"].items()}
    made = Header(*header.values())
    message = digest(settled.oracle.deployment.domain(), made)
    post = settled.oracle.index.advance().posts[found["verdict"]["epoch"]]
    assert message == post.digest
    signers = {checksum(recover(message, unhexed(one))) for one in found["signatures"]}
    assert signers == set(found["committee"]["signers"]) <= set(found["committee"]["members"])
    assert len(signers) >= found["committee"]["quorum"]
    cores, openings = unhexed(found["cores"]), unhexed(found["openingHashes"])
    rows = {weight["index"]: weight for weight in found["weights"]}
    counted = [rows[core["row"]]["row"] for core in found["answers"] if core["status"] == 0]
    assert scoring.scores(found["prior"], counted) == found["scores"]
    label = scoring.decide(found["prior"], counted)
    assert found["classes"][label] == found["verdict"]["label"]
    prior = b"".join(n.to_bytes(4, "big", signed=True) for n in found["prior"])
    listed = tagged("list", keccak(cores), keccak(openings))
    own = leaf("verdict", settled.demo.job, 0, label, keccak(prior), found["pay"], listed)
    verdict = found["verdict"]
    assert "0x" + own.hex() == verdict["leaf"]
    assert trees.verify(
        made.verdicts, made.verdicts_size, verdict["index"], own, [unhexed(p) for p in verdict["proof"]]
    )
    for weight in rows.values():
        packed = b"".join(n.to_bytes(4, "big", signed=True) for n in weight["row"])
        at = leaf("weight", settled.demo.job, weight["worker"], weight["label"], keccak(packed))
        proof = [unhexed(p) for p in weight["proof"]]
        assert trees.verify(made.weights, made.weights_size, weight["index"], at, proof)
    block = settled.client.get(f"/ipfs/{verdict['content']}")
    assert cid_of(block.content, parse(verdict["content"])[0]) == verdict["content"]
    assert "sandbox" in block.headers["content-security-policy"]
    assert block.headers["x-content-type-options"] == "nosniff"


SECRETS = {
    "a sealed payload": "PAYLOAD-FOR-ONE",
    "a worker's draft": "NOTED-BY-ONE",
    "a requester's draft": "DRAFTED-BY-ONE",
    "a webhook": "hook-of-one",
}


def test_private__every_route_with_other_sessions_and_none__shows_nothing(settled: Market) -> None:
    owner, stranger = Requester(settled), Requester(settled)
    asked = town.manifest(settled, title="sealed", visibility="assigned", redundancy={"most": 1})
    job = owner.fund(owner.draft(asked, [{"text": SECRETS["a sealed payload"]}] * 2), by_permit=False)
    one, two, _ = settled.demo.numbers
    town.offer(settled, job, [one])
    hands = town.worker(settled, one)
    assert hands.client.get(f"/me/assignments/{job}/0")["payload"] == {"text": SECRETS["a sealed payload"]}
    hands.client.put(f"/me/assignments/{job}/0/draft", {"draft": SECRETS["a worker's draft"]})
    unfunded = owner.draft(town.manifest(settled, title=SECRETS["a requester's draft"]), [None])
    database, wallet = settled.oracle.database, address_of(owner.key).hex()
    hook = {
        "url": "https://" + SECRETS["a webhook"],
        "kinds": [],
        "job": None,
        "cursor": "0.0",
        "failures": 9,
    }
    database.put(Kept("hook", "hook_of_one", wallet, {**hook, "next": 1e11, "secret": "whsec_AAAA"}, 1e11))
    key = database.kept("payload-key", settled.oracle.index.advance().jobs[job].terms.hash().hex())
    assert key
    signatures = [a["signature"] for a in hands.assignments(job)]
    secrets = {*SECRETS.values(), key.value["key"], "whsec_AAAA", *signatures}
    visitors = [None, town.worker(settled, two).client, stranger.client]
    document = settled.client.get("/openapi.json").json()
    seen: dict[int, int] = {}
    for path in walk(document, job, one, unfunded["terms"]):
        for visitor in visitors:
            headers = visitor._headers if visitor else {}
            response = settled.client.get(path, headers=headers)
            seen[response.status_code] = seen.get(response.status_code, 0) + 1
            assert response.status_code < 500, path
            shown = response.text + json.dumps(dict(response.headers))
            assert not [secret for secret in secrets if secret in shown], path
            if path.startswith("/me/") and visitor is None:
                assert response.status_code == 401, path
    assert {200, 401, 403, 404} <= seen.keys()
    assert owner.client.get(f"/jobs/drafts/{unfunded['terms']}")["title"] == SECRETS["a requester's draft"]  # is there


def walk(document: dict[str, Any], job: int, worker: int, terms: str) -> list[str]:
    """Every route that is read, at the places where something private is."""
    places = {
        "job": job,
        "task": 0,
        "worker": worker,
        "terms": terms,
        "epoch": 1,
        "tree": "assignments",
        "answer": "0x" + "11" * 32,
        "cid": "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy",
        "hook": "hook_of_one",
    }
    found = ["/", "/web/index.html", "/metrics", "/openapi.json"]
    for path, ways in document["paths"].items():
        if "get" in ways:
            made = path.format(**places)
            found += [made + "?after=-1.-1&most=50"] if path == "/events" else [made]
            found += [
                f"{made}?format={form}" for form in ("csv", "jsonl", "car", "croissant", "parquet")
            ] * path.endswith("export")
    assert len(found) > 45
    return found


def test_private__changes_by_others__are_refused(settled: Market) -> None:
    owner, stranger = Requester(settled), Requester(settled)
    draft = owner.draft(town.manifest(settled, title="mine"), [None])
    job = settled.demo.job
    for ask in (
        lambda: stranger.client.delete(f"/jobs/drafts/{draft['terms']}"),
        lambda: stranger.client.post("/transactions/open", {"terms": draft["terms"]}),
        lambda: stranger.client.post(f"/jobs/{job}/pause"),
        lambda: stranger.client.post(f"/jobs/{job}/resume"),
        lambda: stranger.client.get(f"/jobs/{job}/statistics"),
        lambda: stranger.client.get(f"/jobs/{job}/review"),
        lambda: stranger.client.get("/me/assignments"),
        lambda: town.worker(settled, settled.demo.numbers[1]).client.put("/me/assignments/99/0/draft", {"draft": 1}),
    ):
        with pytest.raises((Refused, BadInput)):
            ask()
    assert owner.client.get(f"/jobs/drafts/{draft['terms']}")["title"] == "mine"


def test_requester__pauses_and_resumes__everybody_sees_it(settled: Market) -> None:
    owner = town.client(settled, PrivateKey(settled.demo.key("requester")._key.secret))
    job = settled.demo.job
    for step, paused in (("pause", True), ("pause", True), ("resume", False), ("resume", False)):
        assert owner.post(f"/jobs/{job}/{step}")["paused"] is paused
        assert settled.client.get(f"/jobs/{job}/progress").json()["paused"] is paused
    assert settled.client.post(f"/jobs/{job}/pause").status_code == 401


def test_requester__statistics_review_and_exports__agree(settled: Market) -> None:
    owner = town.client(settled, PrivateKey(settled.demo.key("requester")._key.secret))
    job = settled.demo.job
    found = owner.get(f"/jobs/{job}/statistics")
    answers = sum(settled.oracle.database.counted(job).values())
    assert answers >= 8
    assert (found["decided"], found["answers"], sum(found["confidence"])) == (4, answers, 4)
    assert sum(w["answers"] for w in found["workers"]) == answers
    assert -1 <= found["agreement"] <= 1
    unsure = owner.get(f"/jobs/{job}/review", below=1)
    sure = [one["confidence"] for one in unsure]
    assert sure == sorted(sure)
    rows = [json.loads(line) for line in owner.download(f"/jobs/{job}/export", format="jsonl").splitlines()]
    assert [row["label"] for row in rows] == [v["label"] for v in settled.client.get(f"/jobs/{job}/verdicts").json()]
    assert len(owner.download(f"/jobs/{job}/export", format="csv").splitlines()) == 5
    assert owner.download(f"/jobs/{job}/export", format="parquet")[:4] == b"PAR1"


def test_feed__from_a_cursor__replays_each_event_once(settled: Market) -> None:
    visitor = town.client(settled)
    everything = list(visitor.pages("/logs", limit=7))
    assert [log["cursor"] for log in everything] == [log["cursor"] for log in visitor.get("/logs", limit=1000)]
    half = everything[len(everything) // 2]["cursor"]
    streamed = list(visitor.events(half, most=1000))
    assert [log["cursor"] for log in streamed] == [log["cursor"] for log in everything[len(everything) // 2 + 1 :]]
    resumed = settled.client.get("/events", params={"most": 3}, headers={"Last-Event-ID": half}).text
    assert f"id: {streamed[0]['cursor']}" in resumed
    kinds = {log["kind"] for log in visitor.get("/logs", kind="JobOpened", limit=1000)}
    assert kinds == {"JobOpened"}


def test_versions__asked_again__304_until_it_changes(settled: Market) -> None:
    first = settled.client.get("/templates")
    again = settled.client.get("/templates", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = settled.client.get("/templates", headers={"If-None-Match": '"x"'})
    assert other.content == first.content


def test_hooks__signature__as_the_standard_says() -> None:
    """The example of https://github.com/standard-webhooks/standard-webhooks (libraries' test vectors)."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert hook_signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body) == expected
