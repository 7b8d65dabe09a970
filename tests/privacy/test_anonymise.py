"""What stands in its place, what is said of it, and what is refused: texts, values, tasks, pictures, tables."""

import base64
import io
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from oracle.bench import privacy
from oracle.privacy import anonymise, tables
from oracle.privacy.policy import METHODS, Policy, Table, read_policy
from oracle.protocol.errors import BadInput
from oracle.protocol.leaves import Task
from oracle.protocol.manifest import check_manifest
from oracle.verification.content import images

KEY = b"k" * 32
MANIFEST = {
    "version": 1,
    "title": "t",
    "instructions": "i",
    "answer": {"type": "choice", "classes": ["a", "b"]},
    "redundancy": {"most": 1},
    "reward": {"base": "1"},
    "deadline": 2_000_000_000,
}


def clean(value: Any, policy: Policy | None = None, key: bytes | None = None) -> tuple[Any, list[anonymise.Change]]:
    changes: list[anonymise.Change] = []
    return anonymise.value(value, policy or Policy(), key, 1, changes), changes


@pytest.mark.parametrize(
    ("method", "wanted"),
    [
        ("redact", "[NAME] called from [PHONE], mail [MAIL]"),
        ("mask", "J*** S*** called from ***-***-2671, mail j***@***.org"),
        ("keep", "John Smith called from 415-555-2671, mail jo@x.example.org"),
    ],
)
def test_value__a_text__is_replaced_by_the_policys_method(method: str, wanted: str) -> None:
    policy = Policy("redact", {"name": method, "phone": method, "mail": method})
    found, changes = clean("John Smith called from 415-555-2671, mail jo@x.example.org", policy)
    assert found == wanted
    assert [c.kind for c in changes] == ([] if method == "keep" else ["name", "phone", "mail"])


def test_value__pseudonyms__are_the_same_for_the_same_and_only_under_one_key() -> None:
    policy = Policy("pseudonym")
    (one, _), (other, _) = (
        clean(["+1 415 555 2671", "John Smith"], policy, KEY),
        clean(["+1 (415) 555-2671", "john smith"], policy, KEY),
    )
    assert one[0] == other[0]  # however it is written
    assert re.fullmatch(r"\[NAME-[0-9a-f]{10}\]", one[1])
    assert clean("Mary Jones", policy, KEY)[0] != one[1]
    assert clean("John Smith", policy, b"q" * 32)[0] != one[1]
    with pytest.raises(BadInput, match="key is not here"):
        clean("John Smith", policy)
    with pytest.raises(BadInput, match="16 at least"):
        clean("John Smith", policy, b"short")


def test_value__nested_and_numbers__every_leaf_is_looked_at_and_changes_say_where_not_what() -> None:
    given_value = {"rows": [{"phone": 13812345678, "n": 12345678, "note": ["mail a@x.org"]}], "jo@x.org": 1, "ok": True}
    found, changes = clean(given_value)
    assert found == {"rows": [{"phone": "[PHONE]", "n": 12345678, "note": ["mail [MAIL]"]}], "[MAIL]": 1, "ok": True}
    assert {(c.field, c.kind) for c in changes} == {
        ("rows.phone", "phone"),
        ("rows.note", "mail"),
        (", a name of a field", "mail"),
    }
    assert "x.org" not in json.dumps([c.field + c.kind + c.method for c in changes])
    with pytest.raises(BadInput, match="would both be called"):
        clean({"a@x.org": 1, "b@x.org": 2})


def test_value__nothing_to_find__is_the_very_same_object() -> None:
    value = {"text": "the weather was bad", "n": [1, 2.5, None]}
    assert clean(value) == (value, [])
    assert clean(value)[0] is value


def test_value__a_skipped_field__stays() -> None:
    assert clean({"a": "jo@x.org", "b": "jo@x.org"}, Policy(skip=frozenset(["b"])))[0] == {
        "a": "[MAIL]",
        "b": "jo@x.org",
    }


@pytest.mark.parametrize("method", [m for m in METHODS if m != "keep"])
def test_value__made_sentences_twice__changes_nothing_more_and_leaves_nothing(method: str) -> None:
    pytest.importorskip("faker")
    kinds = {} if method != "mask" else {"secret": "redact", "seed": "redact"}
    policy = read_policy({"default": method, "kinds": kinds})
    left = 0
    for one in privacy.made(120, 11, privacy.SENTENCES):
        once, _ = clean(one.text, policy, KEY)
        again, changes = clean(once, policy, KEY)
        assert (again, changes) == (once, [])
        left += sum(one.text[p.start : p.end] in once for p in one.planted if p.kind not in ("name", "address"))
    assert left == 0


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=40),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    )
)
def test_value__any_json__twice_is_once(value: Any) -> None:
    try:
        once, _ = clean(value)
    except BadInput:
        return
    assert clean(once)[0] == once


# ---------------------------------------------------------------------------------------------------------------- tasks


def test_job__no_policy_in_the_manifest__everything_is_redacted() -> None:
    manifest = check_manifest(MANIFEST)
    found = anonymise.job(manifest, [Task(0, "1", {"text": "ask John Smith"}), Task(1, "2", {"text": "nobody"})])
    assert [task.payload for task in found.tasks] == [{"text": "ask [NAME]"}, {"text": "nobody"}]
    assert [(c.row, c.field, c.kind) for c in found.changes] == [(1, "text", "name")]


def test_job__a_policy_in_the_manifest__is_kept() -> None:
    manifest = check_manifest(MANIFEST | {"personalData": {"kinds": {"name": "keep"}}})
    assert anonymise.job(manifest, [Task(0, "1", "John Smith, jo@x.org")]).tasks[0].payload == "John Smith, [MAIL]"


def test_job__an_id_that_is_a_mail_address__is_refused_with_the_task() -> None:
    with pytest.raises(BadInput, match="task 2: its id holds a mail"):
        anonymise.tasks([Task(0, "1", None), Task(1, "jo@x.org", None)], Policy())


def test_tasks__more_than_a_server_looks_through__is_refused_with_what_to_do_and_kept_if_told() -> None:
    rows = [Task(0, "1", {"text": "ask John Smith " * 10, "more": ["x" * 50]})]
    with pytest.raises(BadInput, match=r"208 characters are more than the 100 .*crowdproof anonymise"):
        anonymise.tasks(rows, Policy(), most=100)
    assert anonymise.tasks(rows, read_policy({"default": "keep"}), most=100).tasks == rows


def test_job__rows_that_stand_out__are_refused_by_number() -> None:
    table = {"quasi": ["age", "town"], "sensitive": ["ill"], "k": 2, "l": 2}
    manifest = check_manifest(MANIFEST | {"personalData": {"table": table}})
    rows = [("30", "A", "x"), ("30", "A", "y"), ("40", "B", "x")]
    with pytest.raises(BadInput, match="tasks 3 break k-anonymity"):
        anonymise.job(
            manifest,
            [Task(i, str(i), dict(zip(("age", "town", "ill"), row, strict=True))) for i, row in enumerate(rows)],
        )


# ---------------------------------------------------------------------------------------------------------------- policy


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"kinds": {"shoe": "redact"}}, r"policy\.kinds: 'shoe' is not known; there are .*mail"),
        ({"kinds": {"mail": "burn"}}, r"policy\.kinds\.mail: 'burn' is not one of redact, mask"),
        ({"default": 5}, r"policy\.default: '5' is not one of"),
        ({"defualt": "mask"}, "'defualt' is not known"),
        ({"kinds": {"secret": "mask"}}, "too much of it"),
        ({"default": "mask"}, "too much of it"),
        ({"skip": "a"}, r"policy\.skip: a list"),
        ({"skip": ["a", "a"]}, "stands twice"),
        ({"location": "home"}, "strip, refuse, keep"),
        ({"table": {"quasi": []}}, "name at least one column"),
        ({"table": {"quasi": ["a"], "k": 1}}, r"table\.k: a whole number from 2"),
        ({"table": {"quasi": ["a"], "k": True}}, r"table\.k"),
        ({"table": {"quasi": ["a"], "sensitive": ["a"]}}, "either"),
        ([], "an object is expected"),
    ],
)
def test_read_policy__what_it_does_not_know__is_refused_with_what_there_is(document: Any, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        read_policy(document)


def test_check_manifest__a_policy_of_no_known_method__is_refused_by_field() -> None:
    with pytest.raises(BadInput, match=r"personalData\.default"):
        check_manifest(MANIFEST | {"personalData": {"default": "burn"}})


# ---------------------------------------------------------------------------------------------------------------- tables


def naive(rows: list[dict[str, str]], table: Table) -> set[int]:
    """Row by row, against all others."""
    bad = set()
    for i, row in enumerate(rows):
        alike = [r for r in rows if all(r[q] == row[q] for q in table.quasi)]
        if len(alike) < table.k or any(len({r[s] for r in alike}) < table.l for s in table.sensitive):
            bad.add(i)
    return bad


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.fixed_dictionaries({name: st.sampled_from("xyz") for name in "abs"}), min_size=1, max_size=25),
    st.integers(2, 4),
    st.integers(1, 3),
)
def test_breaks__any_table__names_the_rows_that_a_naive_check_names(rows: list[dict[str, str]], k: int, l: int) -> None:  # noqa: E741
    table = Table(("a", "b"), ("s",), k, l)
    found = tables.breaks(list(enumerate(rows)), table)
    assert {number for one in found for number in one.rows} == naive(rows, table)


def test_breaks__a_column_that_is_not_there__is_refused() -> None:
    with pytest.raises(BadInput, match="no row has the column 'zip'; there are age"):
        tables.breaks([(1, {"age": "3"})], Table(("zip",)))


# -------------------------------------------------------------------------------------------------------------- pictures


def picture(kind: str, **more: Any) -> bytes:
    exif = Image.Exif()
    exif[0x010F] = "CameraMaker"
    exif[0x0112] = 6
    exif[0x8825] = {1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 18.0)}
    out = io.BytesIO()
    Image.effect_noise((40, 30), 90).convert("RGB").save(out, kind, **({} if kind == "GIF" else {"exif": exif}), **more)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_picture__metadata__goes_and_pixels_stay(kind: str) -> None:
    data = picture(kind, **({"comment": b"by John"} if kind in ("JPEG", "GIF") else {}))
    found = anonymise.picture(data, Policy())
    assert b"CameraMaker" not in found
    assert b"by John" not in found
    with Image.open(io.BytesIO(data)) as old, Image.open(io.BytesIO(found)) as new:
        assert 0x8825 not in new.getexif()
        assert new.getexif().get(0x0112) == old.getexif().get(0x0112)
        assert old.convert("RGB").tobytes() == new.convert("RGB").tobytes()
    assert anonymise.picture(found, Policy()) == found or kind != "JPEG"


def test_picture__a_place_that_the_job_asks_for__stays_alone() -> None:
    found = anonymise.picture(picture("JPEG"), Policy(location="keep"))
    with Image.open(io.BytesIO(found)) as image:
        assert image.getexif().get_ifd(0x8825)[1] == "N"
        assert 0x010F not in image.getexif()
    with pytest.raises(BadInput, match="says where it was taken"):
        anonymise.picture(picture("JPEG"), Policy(location="refuse"), "a.jpg")


def test_picture__a_progressive_jpeg_with_iptc_and_a_second_picture_behind__is_the_first_alone() -> None:
    data = picture("JPEG", progressive=True, quality=90)
    iptc = b"Photoshop 3.0\0by John"
    data = data[:2] + b"\xff\xed" + (len(iptc) + 2).to_bytes(2, "big") + iptc + data[2:] + picture("JPEG")
    found = anonymise.picture(data, Policy())
    assert b"John" not in found
    assert found.count(b"CameraMaker") == 0
    with Image.open(io.BytesIO(data)) as old, Image.open(io.BytesIO(found)) as new:
        assert old.convert("RGB").tobytes() == new.convert("RGB").tobytes()


@pytest.mark.parametrize(
    "spoil", [lambda d: d[:100], lambda d: d[: len(d) // 2], lambda d: b"GIF89a" + d, lambda d: b""]
)
def test_picture__what_is_none__is_refused(spoil: Callable[[bytes], bytes]) -> None:
    with pytest.raises(BadInput):
        images.stripped(spoil(picture("JPEG")))


def test_value__a_picture_in_a_payload__is_stripped_in_place() -> None:
    url = "data:image/jpeg;base64," + base64.b64encode(picture("JPEG")).decode()
    found, changes = clean({"image": url})
    assert b"CameraMaker" not in base64.b64decode(found["image"].partition(",")[2])
    assert [(c.field, c.kind, c.method) for c in changes] == [("image", "metadata", "strip")]
