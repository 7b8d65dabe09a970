"""A sealed job's whole life through the API: its requester and its workers see what is theirs, everybody else hashes and money."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from oracle.adapters.signer import KeySigner
from oracle.commands import auditing, working
from oracle.protocol.errors import BadInput, Refused
from oracle.services import settle as settling
from tests.api import town
from tests.api.conftest import Market
from tests.api.test_a_open import is_problem
from tests.api.town import Requester

pytestmark = pytest.mark.sockets
SECRET = "marker-7f3a91"
PAYLOADS = [{"text": f"{SECRET} of patient {n}"} for n in range(3)]
DECIDED = ("/jobs/{0}/verdicts", "/jobs/{0}/verdicts/0", "/jobs/{0}/verdicts/0/evidence", "/jobs/{0}/export")


@pytest.fixture(scope="module")
def sealed(settled: Market) -> tuple[Requester, int]:
    """A sealed job that two workers answered, decided and final."""
    owner = Requester(settled)
    document = town.manifest(settled, title="sealed", visibility="sealed", seal="threshold")
    draft, again = (owner.draft(document, PAYLOADS) for _ in range(2))
    assert draft["terms"] == again["terms"]
    job = owner.fund(draft, by_permit=True)
    one, two, _ = settled.demo.numbers
    town.offer(settled, job, [one, two])
    for hand, labels in ((town.worker(settled, one), (1, 0, 1)), (town.worker(settled, two), (1, 0, 0))):
        offers = hand.assignments(job)
        shown = [hand.client.get(f"/me/assignments/{job}/{offer['task']}")["payload"] for offer in offers]
        assert shown == [PAYLOADS[offer["task"]] for offer in offers]
        hand.send(offers, [hand.answer(offer, labels[offer["task"]]) for offer in offers])
    assert settling.post_next(settled.demo._settler, settled.oracle.index.advance())
    town.finish(settled)
    return owner, job


def visitors(market: Market, job: int) -> list[httpx.Response]:
    """What nobody, another requester and a worker of the job get of all that is decided."""
    hands = (town.client(market), Requester(market).client, town.worker(market, market.demo.numbers[0]).client)
    return [
        hand.http.get(path.format(job), headers=hand._headers) for _ in range(2) for hand in hands for path in DECIDED
    ]


def test_decided__by_its_requester__is_shown_whole(settled: Market, sealed: tuple[Requester, int]) -> None:
    owner, job = sealed
    found = owner.client.get(f"/jobs/{job}/verdicts")
    assert [v["label"] for v in found][:2] == ["yes", "no"]
    assert owner.client.get(f"/jobs/{job}/verdicts/0")["label"] == "yes"
    assert len(owner.client.get(f"/jobs/{job}/verdicts/0/evidence")["answers"]) == 2
    assert owner.client.get(f"/jobs/{job}/statistics")["labels"]["no"] >= 1
    rows = [json.loads(line) for line in owner.client.download(f"/jobs/{job}/export").splitlines()]
    assert [row["payload"] for row in rows] == PAYLOADS


def test_decided__by_anybody_else__is_refused_also_after_its_requester_has_looked(
    settled: Market, sealed: tuple[Requester, int]
) -> None:
    owner, job = sealed
    for path in DECIDED[:3]:
        owner.client.get(path.format(job))
    for response in visitors(settled, job):
        assert is_problem(response, 403, "sealed")
    assert settled.client.get(f"/jobs/{job}/progress").json()["decided"] == 3
    assert owner.client.get(f"/jobs/{job}/verdicts/0")["label"] == "yes"


def test_epoch__its_leaves__are_null_where_they_are_sealed(settled: Market, sealed: tuple[Requester, int]) -> None:
    _, job = sealed
    epoch = settled.oracle.index.advance().last_epoch
    for tree in ("verdicts", "weights"):
        found = settled.client.get(f"/epochs/{epoch}/{tree}").json()
        assert found
        assert [leaf["value"] for leaf in found] == [None] * len(found)
    assert settled.client.get(f"/epochs/{epoch}").json()["debits"][0]["job"] == job


def test_assignment__of_a_worker__shows_what_became_of_its_own_answer(
    settled: Market, sealed: tuple[Requester, int]
) -> None:
    _, job = sealed
    hand = town.worker(settled, settled.demo.numbers[1])
    mine = list(hand.client.pages("/me/assignments", job=job))
    assert [(a["state"], a["label"], a["agreed"]) for a in mine][:2] == [
        ("ACCEPTED", "yes", True),
        ("ACCEPTED", "no", True),
    ]


def test_record__of_a_worker__says_nothing_of_sealed_jobs(settled: Market, sealed: tuple[Requester, int]) -> None:
    _, job = sealed
    text = json.dumps(settled.client.get(f"/workers/{settled.demo.numbers[0]}/record").json())
    assert f'"job": {job}' not in text


def test_key__of_a_job__is_for_its_requester(settled: Market, sealed: tuple[Requester, int], tmp_path: Path) -> None:
    owner, job = sealed
    found = owner.client.get(f"/jobs/{job}/key")
    assert is_problem(settled.client.get(f"/jobs/{job}/key"), 401)
    other = Requester(settled).client
    assert is_problem(other.http.get(f"/jobs/{job}/key", headers=other._headers), 403)
    file = tmp_path / "key.json"
    file.write_text(json.dumps(found))
    assert len(auditing.read_key(file)) == 32
    for text in ("", "{}", '{"key": "0x12"}', "[]", '{"key": 5}'):
        file.write_text(text)
        with pytest.raises(BadInput, match=r"key\.json"):
            auditing.read_key(file)


def test_key__of_a_job_copied_term_by_term__is_not_for_the_copier(
    settled: Market, sealed: tuple[Requester, int]
) -> None:
    """Terms are on the chain for everybody to open again."""
    _, job = sealed
    oracle, copier = settled.oracle, Requester(settled)
    terms, deployment = settled.oracle.index.advance().jobs[job].terms, settled.oracle.deployment
    allowed = oracle.calls.approve(deployment.token, deployment.market, terms.escrow() * deployment.unit)
    opened = oracle.calls.open_job(terms, oracle.chain.latest().timestamp + town.LIFE)
    calls = [
        {"to": "0x" + c.to.hex(), "data": "0x" + c.data.hex(), "value": "0x0", "what": c.what}
        for c in (allowed, opened)
    ]
    town.send(settled, copier.key, {"chainId": hex(deployment.chain_id), "calls": calls})
    copy = max(settled.oracle.index.advance().jobs)
    assert copy != job
    assert is_problem(copier.client.http.get(f"/jobs/{copy}/key", headers=copier.client._headers), 404)
    assert SECRET.encode() not in copier.client.download(f"/jobs/{copy}/export")


def test_audit__with_the_key_and_without__passes_and_says_what_is_not_for_you(
    settled: Market, sealed: tuple[Requester, int], tmp_path: Path
) -> None:
    owner, job = sealed
    file = tmp_path / "key.json"
    file.write_text(json.dumps(owner.client.get(f"/jobs/{job}/key")))
    home = settled.demo.home.path
    whole = auditing.audit(home, None, None, None, [file])
    dark = auditing.audit(home, None, None, None)
    assert (whole["ok"], whole["sealed"]) == (True, {})
    assert (dark["ok"], dark["sealed"]) == (True, {str(job): 3})
    assert "not for you: 3 verdicts of job" in auditing.text(dark)
    assert whole["answers"] == dark["answers"] + 6


def test_bytes__of_all_that_is_kept__hold_no_planted_secret(settled: Market, sealed: tuple[Requester, int]) -> None:
    """Stores, databases, logs and the chain's own files: every byte."""
    files = [file for file in settled.demo.home.path.rglob("*") if file.is_file()]
    assert len(files) > 20
    assert [str(file) for file in files if SECRET.encode() in file.read_bytes()] == []


def test_answers__of_the_api_to_anybody__hold_no_planted_secret(settled: Market, sealed: tuple[Requester, int]) -> None:
    _, job = sealed
    paths = ["/jobs", f"/jobs/{job}", f"/jobs/{job}/manifest", f"/jobs/{job}/tasks", "/work", "/logs", "/epochs"]
    found: list[Any] = [settled.client.get(path).text for path in paths] + [r.text for r in visitors(settled, job)]
    assert not [text for text in found if SECRET in text]


def test_rest__of_an_ended_job__is_what_it_did_not_decide_and_goes_on_under_another_key(
    settled: Market, tmp_path: Path
) -> None:
    owner, home = Requester(settled), settled.demo.home.path
    document = town.manifest(settled, title="to be gone on with", visibility="sealed", redundancy={"most": 1})
    job = owner.fund(owner.draft(document, PAYLOADS), by_permit=True)
    one = settled.demo.numbers[0]
    town.offer(settled, job, [one])
    hand = town.worker(settled, one)
    offers = [offer for offer in hand.assignments(job) if offer["task"] == 1]
    hand.send(offers, [hand.answer(offer, 1) for offer in offers])
    tasks, out, signer = tmp_path / "tasks.jsonl", tmp_path / "rest.jsonl", KeySigner(owner.key.secret)
    lines = [{"task": f"task {n}", "payload": payload} for n, payload in enumerate(PAYLOADS)]
    tasks.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(Refused, match="close it first"):
        working.rest(home, "", job, signer, tasks, out)
    town.decide(settled)
    with pytest.raises(Refused, match="can still decide its tasks: wait"):
        working.rest(home, "", job, signer, tasks, out)
    town.until_refundable(settled)
    assert working.rest(home, "", job, signer, tasks, out) == {"job": job, "decided": 1, "left": 2, "out": str(out)}
    assert list(map(json.loads, out.read_text().splitlines())) == [lines[0], lines[2]]
    tasks.write_text(out.read_text())
    with pytest.raises(BadInput, match="no task 'task 1'"):
        working.rest(home, "", job, signer, tasks, tmp_path / "none.jsonl")
    assert not (tmp_path / "none.jsonl").exists()
    then = owner.fund(owner.draft(town.manifest(settled, visibility="sealed"), [PAYLOADS[0], PAYLOADS[2]]), True)
    assert owner.client.get(f"/jobs/{then}/key")["key"] != owner.client.get(f"/jobs/{job}/key")["key"]
