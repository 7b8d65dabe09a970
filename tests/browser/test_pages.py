"""Every page, on a desktop, on a phone and in the dark: accessible by axe's rules, within the width, small and quick to load.

With SCREENSHOTS=FOLDER in the environment each page is also written there as a small PNG (`make screenshots`).
"""

import gzip
import io
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.conftest import CATS, LONG_MS, Person, Site

pytestmark = [pytest.mark.browser, pytest.mark.sockets]

ROOT = Path(__file__).parents[2]
AXE = ROOT / "hardhat-free-local-chain" / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
FIRST_PAGE = 200_000  # bytes, gzip
SHOTS = os.environ.get("SCREENSHOTS")
LOOKS: dict[str, tuple[int, int, Literal["light", "dark"]]] = {
    "desktop": (1100, 760, "light"),
    "phone": (360, 740, "light"),
    "dark": (1100, 760, "dark"),
}
STORY = {
    "title": "Is the animal a cat or a dog?",
    "instructions": "Read the sentence and say which animal it describes. In doubt, choose the one that is named first.",
    "answer": {"type": "choice", "classes": ["cat", "dog"]},
    "redundancy": {"most": 1},
    "reward": {"base": "20000", "bonus": "5000"},
    "feeBps": 250,
}
TEXTS = ["It purrs on the warm stove.", "It barks at the postman.", "It brings back the stick.", "It sleeps all day."]
State = dict[str, Any]


@pytest.fixture(scope="module")
def scene(site: Site) -> Iterator[State]:
    """A job with a final verdict and open tasks, its worker and its requester: what there is to see."""
    with site.person(4) as worker:
        job = site.publish(1, {**STORY, "allow": [worker.wallet]}, [{"text": text} for text in TEXTS])
        site.employ(worker)
        worker.page.locator(f"a[href^='#/work/{job}/']", has_text="Start").click(timeout=LONG_MS)
        for name in ("cat", "dog"):
            worker.page.get_by_label(name).check(timeout=LONG_MS)
            worker.page.get_by_role("button", name="Send answer").click()
            worker.page.locator("#next-task").click(timeout=LONG_MS)
        worker.go("#/earnings")
        expect(worker.page.get_by_role("button", name="Claim")).to_be_enabled(timeout=2 * LONG_MS)
        worker.go("#/audit")
        expect(worker.page.get_by_role("link", name="Epoch 1", exact=True)).to_be_visible(timeout=LONG_MS)
        yield {"job": job}


def _connected(person: Person, address: str) -> None:
    person.go(address)
    expect(person.page.locator("#connect, #me").first).to_be_visible()
    if person.page.locator("#connect").is_visible():
        person.connect()


def _signed_in(person: Person) -> None:
    if not person.page.url.startswith("http"):
        person.site.employ(person)


def _requester(person: Person) -> None:
    _connected(person, "#/jobs/new")
    page = person.page
    page.get_by_label("Template").select_option(label="Which topic does the text have?")
    page.get_by_role("button", name="Check and price").click()
    expect(page.locator("#escrow")).to_be_visible()


def _manager(person: Person) -> None:
    person.manage(person.site.job)


def _chooser(person: Person) -> None:
    person.go("")
    person.page.get_by_role("button", name="Connect wallet").first.click()
    expect(person.page.get_by_role("button", name="Test wallet")).to_be_visible()


def _verified(person: Person) -> None:
    person.page.get_by_role("button", name="Verify this epoch").click()
    expect(person.page.locator("#verified")).to_be_visible(timeout=LONG_MS)


# name -> (account, what is done before, address, what is done there, what must be there)
Step = Callable[[Person], None]
PAGES: dict[str, tuple[int, Step | None, str, Step | None, str]] = {
    "start": (5, None, "", None, "#so-far"),
    "wallets": (5, _chooser, "", None, "#chooser"),
    "work": (4, _signed_in, "#/work", None, "#yours"),
    "job-offer": (5, None, "#/work/{job}", None, "#practice"),
    "practice": (5, None, "#/work/{job}/practice", None, "#check"),
    "answer": (4, _signed_in, "#/work/{job}/2", None, "#send"),
    "earnings": (4, _signed_in, "#/earnings", None, "#answers"),
    "jobs": (5, None, "#/jobs", None, "#others"),
    "new-job": (1, _requester, "", None, "#quote"),
    "job": (1, _manager, "#/jobs/{job}", None, "#controls"),
    "review": (1, _manager, "#/jobs/{job}/review", None, "h1"),
    "audit": (5, None, "#/audit", None, "#event-table"),
    "epoch": (5, None, "#/audit/epochs/1", _verified, "#verified"),
    "verdict": (5, None, "#/audit/verdicts/{job}/0", None, "#sum"),
    "health": (5, None, "#/health", None, "#committee"),
    "not-found": (5, None, "#/nowhere", None, ".empty"),
}


@pytest.fixture(scope="module")
def people(site: Site, scene: State) -> Iterator[Callable[[int], Person]]:
    """Each account in one browser, which stays signed in from page to page."""
    site.job = scene["job"]
    with ExitStack() as stack:
        yield cache(lambda account: stack.enter_context(site.person(account)))


@pytest.mark.parametrize("name", PAGES)
def test_page__by_axe__has_no_violation_and_fits(people: Callable[[int], Person], scene: State, name: str) -> None:
    account, before, address, there, wanted = PAGES[name]
    person = people(account)
    page = person.page
    if before:
        before(person)
    if address or not before:
        person.go(address.format(**scene))
    if there:
        there(person)
    for look, (width, height, scheme) in LOOKS.items():
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme)
        expect(page.locator(wanted).first).to_be_visible(timeout=LONG_MS)
        page.wait_for_timeout(200)  # colours fade
        if SHOTS and scheme == "light":
            _write(page, Path(SHOTS) / f"{name}-{look}.png")
        assert (look, _violations(page)) == (look, [])
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), f"wider than the {look}"
    page.set_viewport_size({"width": 1100, "height": 760})
    assert person.errors == []


def _violations(page: Page) -> list[str]:
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate("(rules) => axe.run(document, { runOnly: rules })", RULES)
    return [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found["violations"]]


def test_axe__on_a_page_with_a_planted_fault__finds_it(site: Site) -> None:
    with site.person(5) as person:
        person.go("")
        expect(person.page.locator("h1")).to_be_visible()
        person.page.evaluate("document.body.append(document.createElement('img'))")  # where the page does not tidy up
        assert any(found.startswith("image-alt") for found in _violations(person.page))


def _write(page: Page, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(io.BytesIO(page.screenshot())) as image:
        image.convert("RGB").quantize(96).save(file, optimize=True)
    assert file.stat().st_size < 100_000


def test_first_page__of_a_fresh_visitor__is_small_and_usable_within_a_second(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    with site.person(5) as person:
        page, sizes = person.page, {}
        page.on(
            "response",
            lambda response: sizes.setdefault(response.url, response.body()) if "/events" not in response.url else None,
        )
        began = time.monotonic()
        person.go("")
        expect(page.get_by_role("link", name="I want to work")).to_be_visible()
        usable = time.monotonic() - began
        shown = page.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd / 1000")
        expect(page.locator("#so-far")).to_be_visible()
        total = sum(len(gzip.compress(body)) for body in sizes.values())
        with capsys.disabled():
            print(
                f"\nfirst page: {total:,} bytes gzip in {len(sizes)} requests, usable after {usable:.2f} s, loaded {shown:.2f} s"
            )
        assert total < FIRST_PAGE


def test_keyboard__alone__answers_a_task(site: Site, worker: Person) -> None:
    """From the top of the page to a receipt, with Tab, Enter and digits."""
    job = site.publish(1, {**CATS, "allow": [worker.wallet]}, [{"text": "It purrs."}])
    site.employ(worker)
    page = worker.page
    expect(page.locator(f"a[href^='#/work/{job}/']", has_text="Start")).to_be_visible(timeout=LONG_MS)
    page.locator("body").click(position={"x": 2, "y": 2})
    _tab_to(page, "Start")
    page.keyboard.press("Enter")
    expect(page.locator("#send")).to_be_visible(timeout=LONG_MS)
    page.keyboard.press("1")
    expect(page.get_by_label("cat")).to_be_checked()
    _tab_to(page, "Send answer")
    ring = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert ring == "solid"  # one sees where one is
    page.keyboard.press("Enter")
    expect(page.locator("#sent")).to_be_visible(timeout=LONG_MS)


def _tab_to(page: Page, text: str) -> None:
    for _ in range(60):
        page.keyboard.press("Tab")
        if text in page.evaluate("document.activeElement.textContent"):
            return
    raise AssertionError(f"Tab does not come to {text!r}")
