"""`bench types`: every numeric and text set of a folder, and nothing else."""

from pathlib import Path

import pytest

from oracle.bench.types import text_of, types
from oracle.protocol.errors import BadInput


def make(folder: Path, kind: str, answers: str, truth: str) -> None:
    folder.mkdir()
    (folder / "SOURCE.md").write_text(f"# x\n\n| field | value |\n| --- | --- |\n| kind | {kind} |\n")
    (folder / "labels.csv").write_text(f"task,worker,label\n{answers}")
    (folder / "truth.csv").write_text(f"task,label\n{truth}")


def test_types__folder_of_three_kinds__figures_of_two(tmp_path: Path) -> None:
    make(tmp_path / "n", "numeric", "x:1,a,1\nx:1,b,4\nx:1,c,1\nx:2,a,8\nx:2,b,8\n", "x:1,2\nx:2,7\n")
    make(tmp_path / "t", "text", "1,a,the cat\n1,b,The cat.\n1,c,cat\n2,a,\n", "1,the cat\n")
    make(tmp_path / "c", "categorical", "1,a,x\n", "1,x\n")
    found = types(tmp_path)["sets"]
    assert set(found) == {"n", "t"}
    assert found["n"]["figures"]["mean"]["mae"] == pytest.approx(0.5)
    assert found["n"]["figures"]["median"]["mae"] == pytest.approx(1.0)
    assert found["t"]["figures"]["random answer"]["wer"] == pytest.approx(1 / 6)
    assert found["t"]["figures"]["ours"]["wer"] == found["t"]["figures"]["best answer"]["wer"] == 0
    assert "medoid" in text_of({"sets": found})


def test_types__no_such_set__bad_input(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(BadInput, match=r"SOURCE\.md"):
            types(folder)
