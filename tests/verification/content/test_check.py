"""A job's policy over its answers: what rejects, the reason that is committed, and how another repeats it; the command."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oracle.commands import checking
from oracle.protocol.cids import encode
from oracle.protocol.errors import BadInput
from oracle.protocol.plain import from_json, to_json
from oracle.verification.content.check import check_images, check_texts
from oracle.verification.content.corpus import Text
from oracle.verification.content.findings import Policy, Report, read_policy, read_reason, reason_block, repeats
from oracle.verification.content.images import Image

MAIL = Text("a1", "write to jo.doe@mail.example.org", "t1", "w1")
PLAIN = Text("a2", "a plain answer", "t1", "w2")
STRICT = Policy(reject=("personal", "length"), least=3)


def test_check_texts__by_default__reports_and_rejects_nothing() -> None:
    reports = check_texts([MAIL, PLAIN, Text("a3", "")], Policy())
    assert [[f.reason for f in r.findings] for r in reports] == [["personal-data"], [], ["too-short"]]
    assert not any(r.rejected for r in reports)


def test_check_texts__a_check_that_rejects__rejects_for_its_reason_only() -> None:
    assert [r.rejected for r in check_texts([MAIL, PLAIN, Text("a3", "no")], STRICT)] == [
        ("personal-data",),
        (),
        ("too-short",),
    ]


def test_check_texts__a_check_that_is_not_named__is_not_made() -> None:
    assert check_texts([MAIL], Policy(check=("length",)))[0].findings == ()
    assert check_texts([MAIL], Policy(check=()))[0].findings == ()


def test_check_texts__nothing_to_check__nothing_found() -> None:
    assert check_texts([], Policy()) == []
    assert check_images([], Policy()) == []


def test_check_texts__a_million_characters__fail_by_their_length_alone() -> None:
    report = check_texts(
        [replace(PLAIN, text="a plain word " * 100_000 + MAIL.text)], Policy(check=("length", "personal"))
    )[0]
    assert [f.reason for f in report.findings] == ["too-long"]


def test_check__an_id_twice__is_bad_input() -> None:
    with pytest.raises(BadInput, match="'a1'"):
        check_texts([MAIL, MAIL], Policy())
    with pytest.raises(BadInput, match="'x'"):
        check_images([Image("x", b""), Image("x", b"")], Policy())


def test_report__through_json__comes_back() -> None:
    report = check_texts([MAIL], STRICT)[0]
    assert from_json(Report, json.loads(json.dumps(to_json(report)))) == report


def test_reason__of_a_rejection__is_repeated_by_who_checks_again() -> None:
    report, other = check_texts([MAIL, PLAIN], STRICT)
    block = reason_block(1, 2, 3, STRICT, report)
    assert b"jo.doe" not in block  # what is public repeats no personal data
    assert repeats(block, STRICT, check_texts([MAIL], STRICT)[0])
    assert not repeats(block, STRICT, other)
    assert not repeats(block, Policy(reject=("personal",)), report)  # not the job's policy
    policy, findings = read_reason(block)
    assert (policy, findings) == (STRICT, report.findings)
    with pytest.raises(BadInput, match="not rejected"):
        reason_block(1, 2, 3, STRICT, other)


@pytest.mark.parametrize(
    "value", [{}, [], {"version": 0}, {"version": 0, "findings": [], "policy": {"most": -1}}, {"version": 1}]
)
def test_read_reason__another_block__is_bad_input(value: Any) -> None:
    with pytest.raises(BadInput):
        read_reason(encode(value))


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ([], "a policy is an object"),
        ({"rejects": []}, "rejects: unknown field"),
        ({"reject": ["taste"]}, "'taste' is no check"),
        ({"check": ["length"], "reject": ["personal"]}, "'personal' rejects, but is not made"),
        ({"most": 10**9}, "most: 1000000000"),
        ({"least": 5, "most": 4}, "most: 4"),
        ({"echo": 2}, "echo: 2"),
        ({"echo": "much"}, "echo: expected float"),
        ({"languages": "en"}, "languages: expected a list"),
    ],
)
def test_read_policy__what_is_wrong__is_named(value: Any, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        read_policy(value)


def test_read_policy__a_part__leaves_the_rest_at_its_default() -> None:
    assert read_policy({"reject": ["copy"], "copy": 9}) == Policy(reject=("copy",), copy=9.0)


# ---------------------------------------------------------------------- the command


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def test_check__a_file_of_texts__one_document(tmp_path: Path) -> None:
    file = write(
        tmp_path / "answers.jsonl",
        [{"id": "a", "text": MAIL.text}, {"id": "b", "text": "fine", "task": "t", "worker": "w"}],
    )
    policy = tmp_path / "policy.json"
    policy.write_text('{"reject": ["personal"]}')
    document = checking.check(file, policy, None)
    assert (document["answers"], document["failing"], document["rejected"], document["ok"]) == (2, 1, 1, False)
    assert document["reasons"] == {"personal-data": 1}
    assert document["reports"][0]["findings"][0]["evidence"] == [
        {"kind": "mail", "start": 9, "end": 32, "of": "", "value": 0.0}
    ]
    assert checking.check(file, None, None)["ok"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "line 2: not JSON"),
        ('{"id": "b"}', "line 2: a row is"),
        ('{"id": "b", "text": 5}', "line 2, field text"),
        ('{"id": "a", "text": "x"}', "line 2: the id 'a' stands in line 1 too"),
        ('{"id": "", "text": "x"}', "line 2, field id"),
        ('{"id": "b", "text": "x", "label": "y"}', "line 2: a row is"),
        ("[" * 100_000, "line 2: not JSON"),
    ],
)
def test_check__a_bad_line__is_named(tmp_path: Path, line: str, says: str) -> None:
    file = tmp_path / "answers.jsonl"
    file.write_text('{"id": "a", "text": "x"}\n' + line + "\n")
    with pytest.raises(BadInput, match=says):
        checking.check(file, None, None)


@pytest.mark.parametrize("name", ["absent.jsonl", "empty.jsonl", "latin.jsonl", "folder"])
def test_check__nothing_to_read__is_bad_input(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty.jsonl").write_text("\n")
    (tmp_path / "latin.jsonl").write_bytes(b'{"id": "a", "text": "\xe9"}')
    (tmp_path / "folder").mkdir()
    with pytest.raises(BadInput, match=name):
        checking.check(tmp_path / name, None, None)


def test_check__a_folder_of_images__and_copies_without_their_place(tmp_path: Path) -> None:
    pytest.importorskip("PIL", reason="the extra `content` is not installed")
    from tests.verification.content.test_images import located, packed, scene

    (tmp_path / "in/deep").mkdir(parents=True)
    (tmp_path / "in/deep/a.jpg").write_bytes(packed(scene(1), "JPEG", exif=located()))
    (tmp_path / "in/b.png").write_bytes(packed(scene(2)))
    document = checking.check(tmp_path / "in", None, tmp_path / "out")
    assert document["reasons"] == {"location-inside": 1}
    assert document["clean"] == [str(tmp_path / "out/deep/a.jpg")]
    assert checking.check(tmp_path / "out", None, None)["failing"] == 0
    with pytest.raises(BadInput, match="stands there already"):
        checking.check(tmp_path / "in", None, tmp_path / "out")


def test_content_check__a_rejection__exits_1(tmp_path: Path) -> None:
    file = write(tmp_path / "answers.jsonl", [{"id": "a", "text": ""}])
    policy = tmp_path / "policy.json"
    policy.write_text('{"check": ["length"], "reject": ["length"]}')
    arguments = [sys.executable, "-c", "from oracle import cli; cli.main()", "content", "check", str(file), "--json"]
    environment = {**os.environ, "PYTHONPATH": str(Path(checking.__file__).parents[2])}
    done = subprocess.run(  # noqa: S603, PLW1510
        [*arguments, "--policy", str(policy)], capture_output=True, text=True, env=environment, timeout=60
    )
    assert (done.returncode, json.loads(done.stdout)["rejected"]) == (1, 1), done.stderr
