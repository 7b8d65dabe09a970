"""Personal data in a requester's tasks: replaced and shown at import and check, and gone from all that a draft stores."""

import io
import json

import pytest

from oracle.adapters.car import write_car
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
