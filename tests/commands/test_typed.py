"""`crowdproof infer --type`: files of values in, verdicts out; hostile files are refused with their place."""

import csv
import json
from pathlib import Path

import pytest

from tests.support.commands import Run

NUMBERS = "task,worker,label\n1,a,10\n1,b,12\n1,c,11\n2,a,50\n2,b,54\n2,c,-3\n"


def rows_of(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(file.read_text("utf-8").splitlines()))


def test_infer__numbers_with_gold__value_error_and_metrics(inside: Run, tmp_path: Path) -> None:
    labels, gold, out = tmp_path / "l.csv", tmp_path / "g.csv", tmp_path / "v.csv"
    labels.write_text(NUMBERS)
    gold.write_text("task,label\n1,11\n2,52\n3,7\n")
    ended = inside("infer", "--type", "number", "--labels", labels, "--gold", gold, "--out", out, "--json")
    assert ended.code == 0
    assert ended.document["type"] == "number"
    assert ended.document["score"]["tasks"] == 2
    assert ended.document["agreement"] < 1
    rows = rows_of(out)
    assert [row["task"] for row in rows] == ["1", "2"]
    off = [abs(float(row["label"]) - truth) for row, truth in zip(rows, (11, 52), strict=True)]
    assert ended.document["score"]["mae"] == pytest.approx(sum(off) / 2)
    assert float(rows[0]["error"]) > 0


def test_infer__texts_one_of_them_empty__verdicts(inside: Run, tmp_path: Path) -> None:
    labels, out = tmp_path / "l.jsonl", tmp_path / "v.csv"
    answers = [
        ("1", "a", "the cat sat"),
        ("1", "b", "the cat sat"),
        ("1", "c", "a mat"),
        ("2", "a", ""),
        ("2", "b", ""),
    ]
    labels.write_text("".join(json.dumps({"task": t, "worker": w, "label": x}) + "\n" for t, w, x in answers))
    assert inside("infer", "--type", "text", "--labels", labels, "--out", out, "--json").code == 0
    assert [(row["task"], row["label"]) for row in rows_of(out)] == [("1", "the cat sat"), ("2", "")]


def test_infer__structures_of_record__one_of_the_candidates(inside: Run, tmp_path: Path) -> None:
    labels, out = tmp_path / "l.jsonl", tmp_path / "v.csv"
    spans = ['[{"start":0,"end":5,"label":"PER"}]'] * 2 + ["[]"]
    lines = [{"task": "1", "worker": str(w), "label": x} for w, x in enumerate(spans)]
    labels.write_text("".join(json.dumps(line) + "\n" for line in lines))
    ended = inside("infer", "--type", "spans", "--of-record", "--labels", labels, "--out", out, "--json")
    assert ended.document["parted"] == 0
    assert json.loads(rows_of(out)[0]["label"]) == [{"start": 0, "end": 5, "label": "PER"}]


@pytest.mark.parametrize(
    ("words", "text", "place"),
    [
        (["--type", "number"], "task,worker,label\n1,a,10\n1,b,ten\n", "task '1', worker 'b'"),
        (["--type", '{"type":"number","high":9}'], NUMBERS, "outside"),
        (["--type", "multi"], "task,worker,label\n1,a,cat\n", 'write it like ["cat","dog"]'),
        (["--type", "colour"], NUMBERS, "--type"),
        (["--type", "number", "--proba"], NUMBERS, "--proba"),
        (["--type", "number"], "task,worker,label\n1,a,\n", "line 2"),
        (["--type", "number"], "task,worker,label\n", "no answer"),
    ],
)
def test_infer__bad_file_or_type__exit_2_with_its_place(
    inside: Run, tmp_path: Path, words: list[str], text: str, place: str
) -> None:
    labels = tmp_path / "l.csv"
    labels.write_text(text)
    ended = inside("infer", "--labels", labels, "--out", tmp_path / "v.csv", *words)
    assert ended.is_clear()
    assert place in ended.err
    assert not (tmp_path / "v.csv").exists()


def test_infer__gold_that_is_no_number__exit_2_naming_the_task(inside: Run, tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text(NUMBERS)
    (tmp_path / "g.csv").write_text("task,label\n2,many\n")
    words = (
        "--type",
        "number",
        "--labels",
        tmp_path / "l.csv",
        "--gold",
        tmp_path / "g.csv",
        "--out",
        tmp_path / "v.csv",
    )
    ended = inside("infer", *words)
    assert ended.is_clear()
    assert "task '2'" in ended.err
