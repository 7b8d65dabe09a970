"""Every type of answer: its field is used with the keyboard, and stands for the class that it should."""

import base64
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.conftest import CATS, Person, Site

pytestmark = [pytest.mark.browser, pytest.mark.sockets]

Case = tuple[dict[str, Any], list[str], Any, Callable[[Page], None], str]


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


SPAN, BOX = {"start": 0, "end": 12, "label": "name"}, {"x": 10, "y": 10, "w": 40, "h": 30, "label": "car"}
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
    "text": ({}, ["a dog ran", "the cat sat on the mat"], "x", _text, "the cat sat on the mat"),
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
    "spans": ({"labels": ["name"]}, ["[]", json.dumps([SPAN])], "Ada Lovelace wrote it.", _spans, "name 0\u201312"),
    "boxes": ({"labels": ["car"]}, ["[]", json.dumps([BOX])], None, _boxes, "car at 10, 10 (40 \u00d7 30)"),
}


@pytest.fixture(scope="module")
def person(site: Site) -> Iterator[Person]:
    with site.person(6) as someone:
        yield someone


@pytest.mark.parametrize("kind", CASES)
def test_answer__of_each_type__stands_for_its_class(site: Site, person: Person, kind: str) -> None:
    parameters, classes, text, use, said = CASES[kind]
    payload = {"text": text} if text else {"image": _image(), "width": 100, "height": 80}
    whole = all(one.isdecimal() for one in classes)
    classes = sorted(classes, key=int) if whole else sorted(classes, key=str.encode)
    answer = {"type": "choice", "classes": classes, "asked": {"type": kind, **parameters}}
    job = site.publish(1, {**CATS, "title": f"A {kind}", "answer": answer, "deny": [person.wallet]}, [payload])
    person.go(f"#/work/{job}/practice")
    expect(person.page.get_by_role("heading", name=f"A {kind}")).to_be_visible()
    use(person.page)
    person.page.get_by_role("button", name="Check").press("Enter")
    expect(person.page.locator("#feedback")).to_contain_text(f"You would answer: {said}.")
    assert person.errors == []


def test_answer__that_no_class_is_near__is_not_sent_as_another(site: Site, person: Person) -> None:
    answer = {"type": "choice", "classes": ["a dog ran", "the cat sat on the mat"], "asked": {"type": "text"}}
    job = site.publish(1, {**CATS, "answer": answer, "deny": [person.wallet]}, [{"text": "x"}])
    person.go(f"#/work/{job}/practice")
    person.page.get_by_label("Your text").fill("the cat slept under the table")
    person.page.get_by_role("button", name="Check").click()
    expect(person.page.locator("#feedback")).to_contain_text("None of the texts")
    expect(person.page.get_by_role("button", name="Next")).to_be_disabled()
