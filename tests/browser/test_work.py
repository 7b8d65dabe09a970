"""A worker's whole way: connect, register, see work, answer, be paid."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Person, Site

pytestmark = [pytest.mark.browser, pytest.mark.sockets]

CATS = {
    "title": "Cat or dog?",
    "instructions": "Say which animal the text describes.",
    "answer": {"type": "choice", "classes": ["cat", "dog"]},
    "redundancy": {"most": 1},
    "reward": {"base": "10000", "bonus": "2500"},
    "feeBps": 250,
}


def test_worker__registers_and_answers__holds_a_quorums_receipt(site: Site, worker: Person) -> None:
    job = site.publish(1, CATS, [{"text": "It purrs."}, {"text": "It barks."}])
    page = worker.page
    worker.go("#/work")
    expect(page.get_by_role("link", name="Cat or dog?")).to_be_visible()
    worker.connect()
    page.get_by_role("button", name="Register").click()
    page.get_by_role("button", name="Sign in").click(timeout=60_000)
    page.get_by_role("link", name="Start").click(timeout=60_000)
    expect(page.locator(".task")).to_contain_text("It")
    page.get_by_label("cat").check()
    page.get_by_role("button", name="Send answer").click()
    expect(page.locator("#sent")).to_contain_text("committee members signed that it is stored")
    assert worker.errors == []
    assert job
