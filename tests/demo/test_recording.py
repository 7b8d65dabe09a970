"""What a demo plays: files cut to the protocol's limits, and refused before anything is started."""

from pathlib import Path

import pytest

from oracle.demo.recording import load
from oracle.protocol.errors import BadInput


def write(folder: Path, rows: list[str], name: str = "labels.csv") -> Path:
    file = folder / name
    file.write_text("\n".join(["task,worker,label", *rows]) + "\n")
    return file


def test_load__no_files__the_45_patients_with_their_consensus() -> None:
    found = load(None, None)
    assert (len(found.answers.tasks), len(found.answers.workers), len(found.answers.label)) == (45, 7, 315)
    assert found.gold is None
    assert found.consensus is not None
    assert found.redundancy == 7
    assert found.notes == []


def test_load__rows_repeated_and_more_than_64_answers__the_last_counts_the_first_64_are_kept(tmp_path: Path) -> None:
    rows = [f"t,w{i},{i % 2}" for i in range(70)] + ["t,w0,1", "u,w0,0"]
    found = load(write(tmp_path, rows), None)
    assert found.redundancy == 64
    assert len(found.answers.label) == 65
    assert any("64" in note and "6 answers" in note for note in found.notes)
    assert any("last one counts" in note for note in found.notes)
    assert len(found.said) == 65


def test_load__gold__aligned_with_the_tasks(tmp_path: Path) -> None:
    gold = tmp_path / "gold.csv"
    gold.write_text("task,label\nt1,b\nt9,a\n")
    found = load(write(tmp_path, ["t0,w,a", "t1,w,b"]), gold)
    assert found.gold is not None
    assert found.gold.tolist() == [-1, 1]
    assert len(found.notes) == 1


@pytest.mark.parametrize(
    ("rows", "place"),
    [
        (["t,w,a"], "1 classes"),
        ([f"t{i},w,{i}" for i in range(65)], "65 classes"),
        (["t,w,a", "u,w," + "b" * 501], "answer.classes"),
        ([f"t,w{i},{i % 2}" for i in range(20_001)], "workers"),
    ],
)
def test_load__no_job_can_be_made_of_it__names_the_file(tmp_path: Path, rows: list[str], place: str) -> None:
    file = write(tmp_path, rows)
    with pytest.raises(BadInput, match=place) as refused:
        load(file, None)
    assert str(file) in str(refused.value)


def test_load__gold_without_labels__refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="--gold needs --labels"):
        load(None, tmp_path / "gold.csv")


def test_manifest__asks_for_exactly_the_recorded_answers(tmp_path: Path) -> None:
    manifest = load(write(tmp_path, ["t,w,10", "t,v,9"]), None).manifest("title", 5, 6, 7, 8)
    assert manifest.classes == ["9", "10"]
    assert manifest.document["redundancy"] == {"most": 2, "least": 1}
    assert manifest.document["reward"] == {"base": "5", "bonus": "6"}
