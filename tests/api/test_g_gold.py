"""A requester's known answers through the API: drafted once, shown to nobody while tasks are open, opened with the verdicts."""

import json
from typing import Any

import pytest

from oracle.services import settle as settling
from tests.api import town
from tests.api.conftest import Market
from tests.api.town import Requester

pytestmark = pytest.mark.sockets
TASKS: list[dict[str, Any]] = [{"id": f"g{n}", "payload": {"text": f"fruit {n}"}} for n in range(8)]
for at, label in ((2, "yes"), (5, "no")):
    TASKS[at]["gold"] = label
PUBLIC = ("/jobs/{0}", "/jobs/{0}/tasks", "/jobs/{0}/progress", "/jobs/{0}/verdicts", "/jobs/{0}/export")


def test_import__column_gold__is_no_payload_and_comes_back_beside_it(settled: Market) -> None:
    found = town.client(settled).upload("/jobs/import", b"task,text,gold\n1,a,yes\n2,b,\n", name="t.csv")
    assert [(t["payload"], t["gold"]) for t in found["tasks"]] == [({"text": "a"}, "yes"), ({"text": "b"}, None)]


def test_check__gold_that_is_no_class__is_a_flaw_and_no_quote(settled: Market) -> None:
    wrong = [*TASKS[:2], {**TASKS[2], "gold": "maybe"}, *TASKS[3:]]
    found = town.client(settled).post("/jobs/check", {"manifest": town.manifest(settled), "tasks": wrong})
    assert (found["ok"], found["quote"]) == (False, None)
    assert "'g2' is 'maybe'" in found["flaws"][0]["what"]
    assert town.client(settled).post("/jobs/check", {"manifest": town.manifest(settled), "tasks": TASKS})["ok"]


def test_job__with_gold__tells_no_worker_which_before_it_tells_all(settled: Market) -> None:
    owner = Requester(settled)
    asked = {"manifest": town.manifest(settled, title="fruit"), "tasks": TASKS}
    draft, again = (owner.client.post("/jobs/drafts", asked, key=f"gold-{n}") for n in range(2))
    assert draft["terms"] == again["terms"]
    job = owner.fund(draft, by_permit=True)
    one, two, _ = settled.demo.numbers
    oracle = settled.oracle
    town.offer(settled, job, [one, two])
    hands = [town.worker(settled, number) for number in (one, two)]
    for path in PUBLIC:
        text = settled.client.get(path.format(job)).text
        assert "gold" not in text.replace("goldShare", "")
    shown = [hands[0].client.get(f"/me/assignments/{job}/{task}") for task in range(8)]
    assert len({json.dumps(sorted(document)) for document in shown}) == 1
    assert "gold" not in json.dumps(shown).replace("goldShare", "")
    for hand in hands:
        offers = hand.assignments(job)
        assert len(offers) == 8
        hand.send(offers, [hand.answer(offer, 1) for offer in offers])
    settling.post_next(settled.demo._settler, oracle.index.advance())
    town.finish(settled)
    verdicts = settled.client.get(f"/jobs/{job}/verdicts").json()
    assert {v["id"]: v["gold"] for v in verdicts if v["gold"]} == {"g2": "yes", "g5": "no"}
    assert {v["id"]: v["label"] for v in verdicts}["g2"] == "yes"
