"""`crowdproof anonymise`: the copy, the report, the key; and nothing at all where the policy cannot be kept."""

import io
import json
from pathlib import Path

import pytest
from PIL import Image

from oracle.commands import anonymising, jobs
from oracle.protocol.errors import BadInput

CSV = "id,name,age,note\n1,Mary Jones,30,call 13812345678\n2,王小明,30,发到a@b.com\n3,Bob,41,nothing\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    file = tmp_path / "t.csv"
    file.write_text(CSV, "utf-8")
    return file


def policy(folder: Path, document: object) -> Path:
    file = folder / "policy.json"
    file.write_text(json.dumps(document))
    return file


def test_anonymised__a_table__copy_and_report_without_the_data(table: Path, tmp_path: Path) -> None:
    found = anonymising.anonymised(table, None, None, tmp_path / "r.json", None)
    assert (tmp_path / "t.anonymised.csv").read_text("utf-8") == (
        "id,name,age,note\n1,[NAME],30,call [PHONE]\n2,[NAME],30,发到[MAIL]\n3,[NAME],41,nothing\n"
    )
    report = json.loads((tmp_path / "r.json").read_text("utf-8"))
    assert report == found
    assert found["replaced"] == {"mail": 1, "name": 3, "phone": 1}
    assert found["changes"][0] == {"row": 2, "field": "name", "kind": "name", "method": "redact"}
    assert "Jones" not in json.dumps(report)
    assert "replaced    3 name" in anonymising.text(found)


def test_anonymised__pseudonyms__key_made_once_for_its_owner_and_rows_still_join(table: Path, tmp_path: Path) -> None:
    rules, key = policy(tmp_path, {"default": "pseudonym"}), tmp_path / "key"
    anonymising.anonymised(table, rules, tmp_path / "one.csv", None, key)
    assert key.stat().st_mode & 0o777 == 0o600
    anonymising.anonymised(table, rules, tmp_path / "two.csv", None, key)
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()
    with pytest.raises(BadInput, match="--key"):
        anonymising.anonymised(table, rules, tmp_path / "three.csv", None, None)
    assert not (tmp_path / "three.csv").exists()


def test_anonymised__rows_that_stand_out__are_named_and_nothing_is_written(table: Path, tmp_path: Path) -> None:
    rules = policy(tmp_path, {"table": {"quasi": ["age"], "k": 2}})
    found = anonymising.anonymised(table, rules, None, tmp_path / "r.json", None)
    assert (found["ok"], found["breaks"][0]["rows"]) == (False, (4,))
    assert not (tmp_path / "t.anonymised.csv").exists()
    assert "rows 4" in anonymising.text(found)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", b"a,b\n1\n", "line 2: 1 fields where the header has 2"),
        ("a.csv", b"a,a\n1,2\n", "none twice"),
        ("a.csv", b"a\n", "no row"),
        ("a.csv", b"\xff\n", "not UTF-8"),
        ("a.jsonl", b'{"a": 1}\nx\n', "line 2: not JSON"),
        ("a.json", b"[" * 100_000, "not JSON"),
        ("a.xlsx", b"", "no known form"),
        ("a.png", b"no image", "not an image"),
    ],
)
def test_anonymised__a_broken_file__is_refused_by_place_and_nothing_is_written(
    tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=says):
        anonymising.anonymised(tmp_path / name, None, tmp_path / "out", None, None)
    assert not (tmp_path / "out").exists()


def test_anonymised__a_copy_that_stands_there__is_left(table: Path, tmp_path: Path) -> None:
    (tmp_path / "t.anonymised.csv").write_text("mine")
    with pytest.raises(BadInput, match="stands there already"):
        anonymising.anonymised(table, None, None, None, None)
    assert (tmp_path / "t.anonymised.csv").read_text() == "mine"


@pytest.mark.parametrize(("suffix", "content", "wanted"), [
    ("txt", "ask John Smith\nor nobody", "ask [NAME]\nor nobody"),
    ("json", '{"a": ["jo@x.org"]}', '{\n "a": [\n  "[MAIL]"\n ]\n}\n'),
    ("jsonl", '{"task": "1", "payload": {"t": "jo@x.org"}}\n', '{"task": "1", "payload": {"t": "[MAIL]"}}\n'),
])  # fmt: skip
def test_anonymised__other_forms__keep_their_form(tmp_path: Path, suffix: str, content: str, wanted: str) -> None:
    (tmp_path / f"a.{suffix}").write_text(content)
    anonymising.anonymised(tmp_path / f"a.{suffix}", None, tmp_path / "out", None, None)
    assert (tmp_path / "out").read_text() == wanted


def test_anonymised__a_folder_of_images__each_is_stripped(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "CameraMaker"
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "JPEG", exif=exif)
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "deep" / "a.jpg").write_bytes(out.getvalue())
    found = anonymising.anonymised(tmp_path / "in", None, tmp_path / "clean", None, None)
    assert b"CameraMaker" not in (tmp_path / "clean" / "deep" / "a.jpg").read_bytes()
    assert found["replaced"] == {"metadata": 1}
    (tmp_path / "in" / "notes.doc").write_text("x")
    with pytest.raises(BadInput, match=r"notes\.doc"):
        anonymising.anonymised(tmp_path / "in", None, tmp_path / "again", None, None)


def test_check__a_job_with_names_in_it__says_what_is_replaced(tmp_path: Path) -> None:
    manifest = {
        "version": 1, "title": "t", "instructions": "i", "answer": {"type": "choice", "classes": ["a", "b"]},
        "redundancy": {"most": 1}, "reward": {"base": "1"}, "deadline": 2_000_000_000,
    }  # fmt: skip
    (tmp_path / "m.json").write_text(json.dumps(manifest))
    (tmp_path / "t.csv").write_text("task,text\n1,ask John Smith\n")
    found = jobs.check(tmp_path, tmp_path / "m.json", tmp_path / "t.csv", 1)
    assert found["replaced"] == {"name": 1}
    assert "1 name (personal data" in jobs.text(found)
    (tmp_path / "m.json").write_text(json.dumps(manifest | {"personalData": {"kinds": {"shoe": "mask"}}}))
    with pytest.raises(BadInput, match=r"m\.json: personalData\.kinds: 'shoe' is not known"):
        jobs.check(tmp_path, tmp_path / "m.json", tmp_path / "t.csv", 1)
