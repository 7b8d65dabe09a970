"""Dataclasses as JSON and back; events by the name of their kind."""

import json
from dataclasses import dataclass
from enum import Enum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.protocol import events as ev
from oracle.protocol.deployment import Deployment
from oracle.protocol.errors import BadInput
from oracle.protocol.leaves import Status
from oracle.protocol.messages import Header
from oracle.protocol.plain import from_json, to_json
from oracle.protocol.terms import Terms
from tests.protocol.test_state import CHANGE, FIRST_MEMBERS, MONEY, STORY
from tests.support.epochs import make_deployment


class Colour(Enum):
    RED = "red"
    ONE = 1


@dataclass(frozen=True, slots=True)
class Inner:
    number: int
    name: str


@dataclass(frozen=True, slots=True)
class Outer:
    flag: bool
    data: bytes
    share: float
    maybe: int | None
    inner: Inner
    many: tuple[Inner, ...]
    pair: tuple[int, str]
    items: list[bytes]
    colour: Colour
    status: Status
    anything: Any


GOOD = Outer(
    True, b"\x01\xff", 0.5, None, Inner(1, "a"), (Inner(2, "b"),), (3, "c"), [b"", b"x"], Colour.RED,
    Status.REJECTED, {"a": [1, None]},
)  # fmt: skip
inners = st.builds(Inner, st.integers(0, 2**64 - 1), st.text())
outers = st.builds(
    Outer, st.booleans(), st.binary(), st.floats(allow_nan=False, allow_infinity=False),
    st.none() | st.integers(0, 99), inners, st.lists(inners, max_size=3).map(tuple),
    st.tuples(st.integers(0, 9), st.text()), st.lists(st.binary(max_size=3), max_size=3), st.sampled_from(Colour),
    st.sampled_from(Status), st.none() | st.lists(st.integers()) | st.text(),
)  # fmt: skip


@given(outers)
def test_from_json__what_to_json_wrote__is_the_value_again(value: Outer) -> None:
    assert from_json(Outer, json.loads(json.dumps(to_json(value)))) == value


def test_to_json__each_kind_of_field__has_its_plain_form() -> None:
    assert to_json(GOOD) == {
        "flag": True, "data": "01ff", "share": 0.5, "maybe": None, "inner": {"number": 1, "name": "a"},
        "many": [{"number": 2, "name": "b"}], "pair": [3, "c"], "items": ["", "78"], "colour": "red", "status": 2,
        "anything": {"a": [1, None]},
    }  # fmt: skip


def changed(path: tuple[str | int, ...], value: Any) -> Any:
    document: Any = to_json(GOOD)
    place = document
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    return document


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (("flag",), 1, "Outer.flag"),
        (("flag",), None, "Outer.flag"),
        (("data",), 5, "Outer.data"),
        (("data",), "0", "Outer.data"),
        (("data",), "zz", "Outer.data"),
        (("data",), "01 ff", "Outer.data"),
        (("data",), " 01ff", "Outer.data"),
        (("data",), "01ff\n", "Outer.data"),
        (("data",), "0x0x01", "Outer.data"),
        (("data",), "\u0660\u0661", "Outer.data"),
        (("share",), 1, "Outer.share"),
        (("share",), "0.5", "Outer.share"),
        (("maybe",), "1", "Outer.maybe"),
        (("maybe",), True, "Outer.maybe"),
        (("inner",), None, "Outer.inner"),
        (("inner",), [1, "a"], "Outer.inner"),
        (("inner", "number"), -1, "Outer.inner.number"),
        (("inner", "number"), 1 << 64, "Outer.inner.number"),
        (("inner", "number"), True, "Outer.inner.number"),
        (("inner", "number"), 1.0, "Outer.inner.number"),
        (("inner", "name"), None, "Outer.inner.name"),
        (("inner", "more"), 1, "Outer.inner.more: unknown"),
        (("many",), {}, "Outer.many"),
        (("many",), "text", "Outer.many"),
        (("many", 0, "name"), 1, r"Outer.many\[0\].name"),
        (("pair",), [3], "Outer.pair: expected 2"),
        (("pair",), [3, "c", "d"], "Outer.pair: expected 2"),
        (("pair", 1), 3, r"Outer.pair\[1\]"),
        (("items", 1), None, r"Outer.items\[1\]"),
        (("colour",), "blue", "Outer.colour"),
        (("colour",), True, "Outer.colour"),
        (("colour",), [], "Outer.colour"),
        (("status",), 3, "Outer.status"),
        (("status",), True, "Outer.status"),
        (("status",), "counted", "Outer.status"),
    ],
)
def test_from_json__a_field_of_another_kind__is_named(path: Any, value: Any, named: str) -> None:
    with pytest.raises(BadInput, match=named):
        from_json(Outer, changed(path, value))


@pytest.mark.parametrize("field", list(to_json(GOOD)))
def test_from_json__a_field_missing__is_named(field: str) -> None:
    document = to_json(GOOD)
    del document[field]
    with pytest.raises(BadInput, match=f"place.{field}: missing field"):
        from_json(Outer, document, "place")


def test_from_json__hex_with_prefix_or_capitals__is_read() -> None:
    assert from_json(bytes, "0x01fF") == from_json(bytes, "01ff") == b"\x01\xff"


@settings(max_examples=200)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(list(to_json(GOOD))), inner),
    )
)
def test_from_json__anything__is_bad_input(value: Any) -> None:
    for kind in (Outer, Header, Terms, Deployment):
        with pytest.raises(BadInput):
            from_json(kind, value)


def test_from_json__a_deployment_with_its_committee__comes_back() -> None:
    deployment = make_deployment()
    assert from_json(Deployment, json.loads(json.dumps(to_json(deployment)))) == deployment


# -------------------------------------------------------------------------------------------------------------- events


EVENTS = [FIRST_MEMBERS, *CHANGE, *STORY, *MONEY]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_events__to_json_and_back__is_the_event(event: ev.Event) -> None:
    fields = json.loads(json.dumps(ev.to_json(event)))
    assert ev.from_json(type(event).__name__, fields) == event


def test_events__the_story_of_the_state_tests__holds_every_kind() -> None:
    assert {type(event).__name__ for event in EVENTS} == set(ev.KINDS)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_events__a_field_missing_unknown_or_mistyped__is_bad_input(event: ev.Event) -> None:
    fields = ev.to_json(event)
    for name in fields:
        for wrong in ({k: v for k, v in fields.items() if k != name}, fields | {name: None}, fields | {"more": 1}):
            with pytest.raises(BadInput):
                ev.from_json(type(event).__name__, wrong)


@pytest.mark.parametrize("kind", ["", "Nonsense", "workerRegistered", "Log"])
def test_events__an_unknown_kind__is_bad_input(kind: str) -> None:
    with pytest.raises(BadInput, match="no kind of event"):
        ev.from_json(kind, {})
