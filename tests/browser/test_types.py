"""Every type of answer: its field is used with the keyboard, and says what it should; a free one goes all the way to a verdict."""

import base64
import io
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from oracle.demo import crowd
from oracle.protocol.errors import ContentMissing
from oracle.protocol.keys import address_of, checksum
from tests.browser.conftest import CATS, LONG_MS, Person, Site, wait

pytestmark = [pytest.mark.browser, pytest.mark.sockets]

Case = tuple[dict[str, Any], list[str] | None, Any, Callable[[Page], None], str]  # no classes: the answer is free


def _image() -> str:
    out = io.BytesIO()
    Image.new("RGB", (100, 80), "gray").save(out, "PNG")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()


def _multi(page: Page) -> None:
    page.keyboard.press("1")
    page.keyboard.press("3")


def _number(page: Page) -> None:
    page.get_by_label("A number from 0 to 10").fill("7")


def _text(page: Page) -> None:
    page.get_by_label("Your text").fill("The cat sat, on the MAT!")


def _ranking(page: Page) -> None:
    page.get_by_role("button", name="Move c up").press("Enter")
    page.get_by_role("button", name="Move c up").press("Enter")


def _form(page: Page) -> None:
    page.get_by_label("red").press("Space")
    page.get_by_label("large").press("Space")


def _spans(page: Page) -> None:
    page.get_by_role("button", name="Ada", exact=True).press("Enter")
    page.get_by_role("button", name="Lovelace", exact=True).press("Enter")


def _boxes(page: Page) -> None:
    page.get_by_role("button", name="Add a box").press("Enter")
    for name, value in (("Left edge", "11"), ("Top edge", "10"), ("Width", "40"), ("Height", "30")):
        page.get_by_label(f"{name} of box 1").fill(value)
        page.get_by_label(f"{name} of box 1").press("Tab")


SUBSETS = [[], ["a"], ["b"], ["a", "b"], ["c"], ["a", "c"], ["b", "c"], ["a", "b", "c"]]
ORDERS = [["a", "b", "c"], ["c", "a", "b"]]
FORMS = [{"colour": c, "size": s} for c in ("red", "blue") for s in ("small", "large")]
CASES: dict[str, Case] = {
    "multi": (
        {"labels": ["a", "b", "c"]},
        [json.dumps(one, separators=(",", ":")) for one in SUBSETS],
        "x",
        _multi,
        "a, c",
    ),
    "number": ({"low": 0, "high": 10, "step": 1}, [str(n) for n in range(11)], "x", _number, "7"),
    "text": ({}, None, "x", _text, "The cat sat, on the MAT!"),
    "ranking": (
        {"labels": ["a", "b", "c"]},
        [json.dumps(one, separators=(",", ":")) for one in ORDERS],
        "x",
        _ranking,
        "c > a > b",
    ),
    "form": (
        {"fields": {"colour": ["red", "blue"], "size": ["small", "large"]}},
        [json.dumps(one, separators=(",", ":")) for one in FORMS],
        "x",
        _form,
        "colour: red, size: large",
    ),
    "spans": ({"labels": ["name"]}, None, "\U0001f389 Ada Lovelace wrote it.", _spans, "name 2\u201314"),
    "boxes": ({"labels": ["car"]}, None, None, _boxes, "car at 11, 10 (40 \u00d7 30)"),
}


@pytest.fixture(scope="module")
def person(site: Site) -> Iterator[Person]:
    with site.person(6) as someone:
        yield someone


@pytest.mark.parametrize("kind", CASES)
def test_answer__of_each_type__says_what_it_should(site: Site, person: Person, kind: str) -> None:
    parameters, classes, text, use, said = CASES[kind]
    payload = {"text": text} if text else {"image": _image(), "width": 100, "height": 80}
    answer: dict[str, Any] = {"type": "free", "asked": {"type": kind, **parameters}}
    if classes:
        whole = all(one.isdecimal() for one in classes)
        answer |= {"type": "choice", "classes": sorted(classes, key=int) if whole else sorted(classes, key=str.encode)}
    job = site.publish(1, {**CATS, "title": f"A {kind}", "answer": answer, "deny": [person.wallet]}, [payload])
    person.go(f"#/work/{job}/practice")
    expect(person.page.get_by_role("heading", name=f"A {kind}")).to_be_visible()
    use(person.page)
    person.page.get_by_role("button", name="Check").press("Enter")
    expect(person.page.locator("#feedback")).to_contain_text(f"You would answer: {said}.")
    assert person.errors == []


def test_answer__free_number_off_its_scale__is_not_sent(site: Site, person: Person) -> None:
    answer = {"type": "free", "asked": {"type": "number", "low": 0, "high": 1000}}
    job = site.publish(1, {**CATS, "answer": answer, "deny": [person.wallet]}, [{"text": "x"}])
    person.go(f"#/work/{job}/practice")
    person.page.get_by_label("A number from 0 to 1000").fill("1001")
    person.page.get_by_role("button", name="Check").click()
    expect(person.page.locator("#feedback")).to_contain_text("must be on the scale")
    expect(person.page.get_by_role("button", name="Next")).to_be_disabled()


def test_answer__a_free_text__is_sent_decided_and_verified_in_the_browser(site: Site) -> None:
    key = crowd.wallet("browser", "writer")
    with site.person(7) as person:
        page = person.page
        site.employ(person)
        document = {
            **CATS,
            "title": "What does it say?",
            "answer": {"type": "free", "asked": {"type": "text"}},
            "allow": [person.wallet, checksum(address_of(key))],
            "redundancy": {"most": 2, "least": 2},
        }
        job = site.publish(1, document, [{"text": "A picture of a cat."}])
        page.locator(f"a[href^='#/work/{job}/']", has_text="Start").click(timeout=LONG_MS)
        page.get_by_label("Your text").fill("the cat sat on the mat")
        page.get_by_role("button", name="Send answer").click()
        expect(page.locator("#sent")).to_contain_text("committee members signed", timeout=LONG_MS)
        site.answer(key, site.enrol(key), job, "The cat sat on the mat.")
        decided = wait(lambda: _decided(site, job), "the verdict")
        person.go(f"#/audit/verdicts/{job}/0")
        expect(page.locator("h1")).to_contain_text(re.compile("the cat sat on the mat", re.IGNORECASE))
        expect(page.locator("#sum")).to_contain_text(re.compile("said “the cat sat on the mat", re.IGNORECASE))
        person.go(f"#/audit/epochs/{decided}")
        page.get_by_role("button", name="Verify this epoch").click()
        expect(page.locator("#verified")).to_be_visible(timeout=LONG_MS)
        assert person.errors == []


def _decided(site: Site, job: int) -> int | None:
    """The epoch that decides the job's only task."""
    state = site.oracle.index.advance()
    posts = [post for post in state.unstruck() if any(v.job == job for v in _verdicts(site, post))]
    return posts[0].epoch if posts else None


def _verdicts(site: Site, post: Any) -> Any:
    try:
        return site.oracle.books.epoch(post.epoch, post.content).verdicts
    except ContentMissing:
        return ()
