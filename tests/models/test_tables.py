"""Held-out sets and predictions: one form, and refusals that name file and line."""

from pathlib import Path

import numpy as np
import pytest

from oracle.models import tables
from oracle.protocol.errors import BadInput

TASKS = [f"t{i}" for i in range(20)]


def written(file: Path, *lines: str) -> Path:
    file.write_text("\n".join(lines) + "\n")
    return file


def held(folder: Path, name: str = "held.csv", order: int = 1) -> Path:
    rows = [f"{task},{i % 2},{'yes' if i % 3 else 'no'},{'a' if i < 10 else 'b'}" for i, task in enumerate(TASKS)]
    return written(folder / name, "task,fold,label,group", *rows[::order])


def said(folder: Path, *changed: str, header: str = "task,p:no,p:yes", drop: int = 0) -> Path:
    rows = {task: f"{task},0.25,0.75" for task in TASKS[drop:]}
    return written(folder / "said.csv", header, *rows.values(), *changed)


def test_held_out__rows_in_another_order__has_the_same_bytes_and_reads_back(tmp_path: Path) -> None:
    one, two = tables.read_held_out(held(tmp_path)), tables.read_held_out(held(tmp_path, "turned.csv", -1))
    assert one.data() == two.data() and tables.held_out(one.data()) == one
    odd = tables.HeldOut(('a,"b"\r', "c\nd"), ("0", "0"), ("x", "y"), ("", ""))
    assert tables.held_out(odd.data()) == odd


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (["task,fold,label", "t1,0,yes", "t1,0,yes"], r"held\.csv, line 3, column 'task': task 't1' stood above"),
        (["task,fold,label", "t1,,yes"], r"line 2, column 'fold': the field is empty"),
        (["task,fold,label"], "no task below"),
        (["task,fold", "t1,0"], r"line 1: the column 'label' is missing"),
        (["task,fold,label", *(f"t{i},0,yes" for i in range(9))], "fold '0' has 9 tasks; at least 10"),
    ],
)
def test_read_held_out__bad_input__names_file_and_line(tmp_path: Path, lines: list[str], why: str) -> None:
    with pytest.raises(BadInput, match=why):
        tables.read_held_out(written(tmp_path / "held.csv", *lines))


def test_predictions_on__other_columns_and_order__are_those_of_the_set(tmp_path: Path) -> None:
    file = written(
        tmp_path / "said.csv",
        "p:yes,task,label,p:no",
        *(f"0.{i + 50},{task},no,0.{50 - i:02}" for i, task in enumerate(TASKS)),
    )
    found = tables.predictions_on(file, tables.read_held_out(held(tmp_path)))
    assert found.classes == ("no", "yes") and list(found.task) == sorted(TASKS)
    assert found.chance[found.task.index("t7")].tolist() == pytest.approx([0.43, 0.57])


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"changed": ["t3,0.5,0.5"]}, r"said\.csv, line 22, column 'task': task 't3' stood above"),
        ({"changed": ["x,0.5,0.5"]}, r"line 22, column 'task': task 'x' is not in the held-out set"),
        ({"changed": ["x,nan,0.5"]}, r"line 22, column 'p:no': 'nan' is no probability"),
        ({"changed": ["x,-0.5,1.5"]}, r"line 22, column 'p:no': '-0.5' is no probability"),
        ({"changed": ["x,0.5,inf"]}, r"line 22, column 'p:yes': 'inf' is no probability"),
        ({"changed": ["x,0.5,"]}, r"line 22, column 'p:yes': '' is no probability"),
        ({"changed": ["x,0.5,0.4"]}, r"line 22: the probabilities add up to 0.9, not 1"),
        ({"changed": ["x,0.5"]}, r"line 22: 2 fields where the header has 3"),
        ({"drop": 2}, r"no prediction of task 't0', and 1 more"),
        ({"header": "task,p:no,p:maybe"}, r"line 1: no column for the class 'yes'"),
        ({"header": "task,no,yes"}, r"a column p:<class> for each of two"),
        ({"header": "task,p:no,p:no"}, r"line 1: the column 'p:no' stands twice"),
    ],
)
def test_predictions_on__bad_input__names_file_and_line(
    tmp_path: Path, options: dict[str, list[str]], why: str
) -> None:
    changed = options.pop("changed", [])
    with pytest.raises(BadInput, match=why):
        tables.predictions_on(said(tmp_path, *changed, **options), tables.read_held_out(held(tmp_path)))  # type: ignore[arg-type]


def test_read_predictions__of_a_model_with_other_classes__is_refused(tmp_path: Path) -> None:
    assert tables.read_predictions(said(tmp_path), ("yes", "no")).chance[0].tolist() == [0.75, 0.25]
    for other in (("yes", "maybe"), ("yes", "no", "maybe")):
        with pytest.raises(BadInput, match=r"line 1: columns for 'no', 'yes', but the model has the classes 'yes'"):
            tables.read_predictions(said(tmp_path), other)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("x,yes", r"line 3, column 'task': there is no prediction of task 'x'"),
        ("b,x", r"line 3, column 'label': label 'x'"),
    ],
)
def test_read_gold__bad_input__names_file_and_line(tmp_path: Path, row: str, why: str) -> None:
    assert tables.read_gold(written(tmp_path / "g.csv", "task,label", "a,yes"), {"a"}, ("no", "yes")) == {"a": 1}
    with pytest.raises(BadInput, match=why):
        tables.read_gold(written(tmp_path / "g.csv", "task,label", "a,yes", row), {"a", "b"}, ("no", "yes"))


def test_held_out__bytes_of_another_form__are_refused() -> None:
    good = tables.HeldOut(("a", "b"), ("0", "0"), ("x", "y"), ("", "")).data()
    rows = good.splitlines(keepends=True)
    for bad in (b"", good[:-9], b"".join([rows[0], rows[2], rows[1]]), b"".join([*rows, rows[2]]), b"\xff", rows[0]):
        with pytest.raises(BadInput, match="not a held-out set"):
            tables.held_out(bad)
    assert np.array_equal(tables.held_out(good).gold(("x", "y")), [0, 1])
