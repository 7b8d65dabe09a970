"""Personal data in a requester's tasks, gone from all that a draft stores; and what a job reveals of its workers, in a ledger."""

import io
import json
from typing import Any

import pytest

from api import releases
from api.client import Client
from api.reader import Reader
from oracle.adapters.car import write_car
from oracle.privacy import release
from oracle.privacy.budget import NANO, Budget, Entry, verify
from oracle.protocol.plain import from_json
from tests.api import town
from tests.api.conftest import Market
from tests.api.town import Requester

pytestmark = pytest.mark.sockets
CSV = "task,text\n1,ask John Smith\n2,发到jo@x.example.org\n3,nobody\n".encode()
TASKS = [{"id": "1", "payload": {"text": "ask John Smith"}}, {"id": "2", "payload": {"text": "ring 13812345678"}}]


def test_import__personal_data__is_replaced_and_shown_by_row(settled: Market) -> None:
    found = town.client(settled).upload("/jobs/import", CSV, name="t.csv")
    assert [task["payload"]["text"] for task in found["tasks"]] == ["ask [NAME]", "发到[MAIL]", "nobody"]
    assert [(c["row"], c["field"], c["kind"], c["method"]) for c in found["changes"]] == [
        (1, "text", "name", "redact"),
        (2, "text", "mail", "redact"),
    ]
    assert found["ok"]
    kept = town.client(settled).upload("/jobs/import", CSV, name="t.csv", policy='{"kinds": {"name": "keep"}}')
    assert kept["tasks"][0]["payload"]["text"] == "ask John Smith"


@pytest.mark.parametrize("policy", ["{", '{"kinds": {"shoe": "redact"}}', "[]", "[" * 10_000])
def test_import__a_policy_that_is_none__is_a_problem(settled: Market, policy: str) -> None:
    reply = settled.client.post("/jobs/import", params={"name": "t.csv", "policy": policy}, content=CSV)
    assert (reply.status_code, "policy" in reply.json()["detail"]) == (400, True)


def test_import__pseudonyms__are_refused_where_their_key_is_not(settled: Market) -> None:
    found = town.client(settled).upload("/jobs/import", CSV, name="t.csv", policy='{"default": "pseudonym"}')
    assert (found["ok"], found["tasks"]) == (False, [])
    assert "crowdproof anonymise" in found["flaws"][0]["what"]


def test_draft__personal_data_in_its_tasks__reaches_no_block(settled: Market) -> None:
    owner = Requester(settled)
    asked = {"manifest": town.manifest(settled, title="private"), "tasks": TASKS}
    checked = owner.client.post("/jobs/check", asked)
    assert [(c["row"], c["kind"]) for c in checked["changes"]] == [(1, "name"), (2, "phone")]
    draft = owner.client.post("/jobs/drafts", asked, key="privacy-1")
    assert draft["replaced"] == {"name": 1, "phone": 1}
    assert owner.client.get(f"/jobs/drafts/{draft['terms']}")["replaced"] == {"name": 1, "phone": 1}
    stored = io.BytesIO()
    write_car(settled.oracle.content, [draft["manifest"]], stored)  # every block under it
    assert b"[NAME]" in stored.getvalue()
    assert b"Smith" not in stored.getvalue()
    assert b"13812345678" not in stored.getvalue()


def test_draft__the_requesters_policy__is_in_the_manifest_that_is_stored(settled: Market) -> None:
    owner = Requester(settled)
    manifest = town.manifest(settled, title="kept", personalData={"kinds": {"name": "keep"}})
    draft = owner.client.post("/jobs/drafts", {"manifest": manifest, "tasks": TASKS}, key="privacy-2")
    assert draft["replaced"] == {"phone": 1}
    assert json.dumps(draft).count("Smith") == 0


# ------------------------------------------------------------------------------------------------------------- releases

QUERY = {"of": "histogram", "epsilon": 0.5}


def test_releases__a_job_with_a_budget__is_shown_to_everyone_and_released_by_its_requester_alone(
    settled: Market,
) -> None:
    owner = Requester(settled)
    manifest = town.manifest(settled, title="with a budget", releases={"epsilon": 1, "delta": 1e-6})
    job = owner.fund(owner.draft(manifest, ["a"]), by_permit=True)
    found = settled.client.get(f"/jobs/{job}/releases").json()
    assert found["budget"] == {"dataset": f"job {job}", "epsilon": 10**9, "delta": 1e-6, "composition": "basic"}
    assert (found["spent"], found["entries"]) == ({"epsilon": 0.0, "delta": 0.0}, [])
    assert _refusal(town.client(settled), job) == "no-session"
    assert _refusal(Requester(settled).client, job) == "not-yours"
    assert _refusal(owner.client, job) == "too-few-workers"  # nobody has answered
    assert _refusal(owner.client, job, epsilon=0) == "BadInput"
    assert _refusal(owner.client, job, epsilon=3) == "budget-spent"
    assert settled.client.get(f"/jobs/{job}/releases").json() == found
    bare = owner.fund(owner.draft(town.manifest(settled, title="without"), ["b"]), by_permit=True)
    assert _refusal(owner.client, bare) == "no-budget"
    assert settled.client.get(f"/jobs/{bare}/releases").json()["budget"] is None
    assert settled.client.get("/jobs/999/releases").status_code == 404


def _refusal(client: Client, job: int, **changes: Any) -> str:
    reply = client.http.post(f"/jobs/{job}/releases", json={"query": QUERY | changes}, headers=client._headers)
    return str(reply.json()["title"])


def test_releases__of_final_answers__are_in_the_ledger_that_everyone_checks(
    settled: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("opendp")
    monkeypatch.setattr(release, "LEAST_WORKERS", 2)  # so many there are
    job, reader, key = settled.demo.job, Reader(settled.oracle), releases.ledger_key(settled.demo.home)
    budget = Budget(releases.dataset(job), 30 * NANO, 0.0, "basic")
    settled.oracle.database.set_budget(budget)
    query = release.read_query({"of": "agreement", "epsilon": 20, "most": 4})
    entry = releases.publish(reader, key, job, query, {})
    counted = sum(len(verdict.cores) for _, _, verdict in reader.verdicts(job))
    assert abs(entry.result["answers"] - counted) < 6
    assert entry.query["epochs"] == [1, 1]
    found = settled.client.get(f"/jobs/{job}/releases").json()
    assert found["spent"]["epsilon"] == 20
    assert [one["digest"] for one in found["entries"]] == [entry.digest().hex()]
    assert found["signer"] == "0x" + key.address.hex()
    verify(budget, [from_json(Entry, _plain(one)) for one in found["entries"]], bytes.fromhex(found["signer"][2:]))


def _plain(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name != "digest"}
