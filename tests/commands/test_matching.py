"""`match` and `check-match` on files: what is written holds, what is wrong is told with its place."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from oracle.cli import app
from oracle.commands import market_files, matching
from oracle.protocol.errors import BadInput
from tests.matching.markets import crowd

WORKERS = "worker,capacity\nann,1\nbob,1\n"
TASKS = "task,redundancy\nx,1\ny,1\n"
EDGES = "task,worker,value\nx,ann,9\nx,bob,5\ny,ann,8\ny,bob,1\n"


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    found = {}
    for name, content in (("workers", WORKERS), ("tasks", TASKS), ("edges", EDGES)):
        found[name] = tmp_path / f"{name}.csv"
        found[name].write_text(content)
    return found


def solved(files: dict[str, Path], folder: Path, gap: float = 0.0) -> dict[str, Any]:
    return matching.match(**files, out=folder / "a.csv", prices=folder / "p.csv", gap=gap, threads=1)


def checked(files: dict[str, Path], folder: Path, **claims: float) -> dict[str, Any]:
    return matching.check_match(
        **files,
        assignment=folder / "a.csv",
        prices=folder / "p.csv",
        value=claims.get("value"),
        bound=claims.get("bound"),
    )


@pytest.mark.parametrize("gap", [0.0, 0.001])
def test_match__small_market__writes_the_optimum_and_its_proof(
    files: dict[str, Path], tmp_path: Path, gap: float
) -> None:
    found = solved(files, tmp_path, gap)
    assert (found["value"], found["assigned"], found["short"]) == (13, 2, [])
    assert sorted((tmp_path / "a.csv").read_text().splitlines()[1:]) == ["x,bob", "y,ann"]
    holds = checked(files, tmp_path, value=found["value"], bound=found["bound"])
    assert holds["ok"]
    assert holds["value"] == 13
    assert 13 <= holds["bound"] <= 13.1
    assert json.dumps(found)
    assert "certified gap" in matching.text(found)


def test_match__odd_ids_and_parquet__are_as_in_csv(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    worker, task, value, capacity, redundancy = crowd(30, 24, 8, 5, 3)
    names = [f'w "{j}",ä' for j in range(24)]
    tables = {
        "workers": {"worker": names, "capacity": capacity.tolist()},
        "tasks": {"task": list(range(30)), "redundancy": redundancy.tolist()},
        "edges": {"task": task.tolist(), "worker": [names[j] for j in worker], "value": (value / 7).tolist()},
    }
    paths = {name: tmp_path / f"{name}.parquet" for name in tables}
    for name, table in tables.items():
        parquet.write_table(arrow.table(table), paths[name])
    found = solved(paths, tmp_path, 0.001)
    assert checked(paths, tmp_path, value=found["value"], bound=found["bound"])["ok"]
    text = {name: tmp_path / f"{name}.csv" for name in tables}
    for name, table in tables.items():
        market_files.lb.write_rows(
            text[name], tuple(table), [tuple(map(str, row)) for row in zip(*table.values(), strict=True)]
        )
    assert solved(text, tmp_path, 0.001)["value"] == found["value"]


def test_read_market__with_and_without_arrow__is_the_same(
    files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = market_files.read_market(**files)
    monkeypatch.setattr(market_files, "_arrow", lambda *_: None)
    slow = market_files.read_market(**files)
    assert (fast.workers, fast.tasks) == (slow.workers, slow.tasks)
    for name in ("capacity", "redundancy", "worker", "task", "value"):
        np.testing.assert_array_equal(getattr(fast, name), getattr(slow, name))
        assert getattr(fast, name).dtype == getattr(slow, name).dtype


@pytest.mark.parametrize(
    ("name", "old", "new", "place"),
    [
        ("workers", "bob,1", "bob,-1", "line 3, column 'capacity'"),
        ("workers", "bob,1", "bob,1.5", "line 3, column 'capacity'"),
        ("workers", "bob,1", "bob,", "line 3, column 'capacity'"),
        ("workers", "bob,1", "ann,1", "line 3, column 'worker'"),
        ("workers", "bob,1", ",1", "line 3, column 'worker'"),
        ("workers", "ann,1\nbob,1\n", "", "nothing below"),
        ("tasks", "y,1", "y,-2", "line 3, column 'redundancy'"),
        ("tasks", "y,1", "y,one", "line 3, column 'redundancy'"),
        ("edges", "y,ann,8", "y,eve,8", "line 4, column 'worker': no worker 'eve'"),
        ("edges", "y,ann,8", "z,ann,8", "line 4, column 'task': no task 'z'"),
        ("edges", "y,ann,8", "y,ann,nan", "line 4, column 'value'"),
        ("edges", "y,ann,8", "y,ann,NaN", "line 4, column 'value'"),
        ("edges", "y,ann,8", "y,ann,inf", "line 4, column 'value'"),
        ("edges", "y,ann,8", "y,ann,1e300", "line 4, column 'value'"),
        ("edges", "y,ann,8", "y,ann,", "line 4, column 'value'"),
        ("edges", "y,ann,8", "y,ann", "line 4"),
        ("edges", "y,ann,8", "x,ann,8", "line 4, column 'worker': .*line 2 already"),
        ("edges", "value", "worth", "value"),
    ],
)
def test_match__bad_file__is_told_with_its_place(
    files: dict[str, Path], tmp_path: Path, name: str, old: str, new: str, place: str
) -> None:
    files[name].write_text(files[name].read_text().replace(old, new))
    with pytest.raises(BadInput, match=place) as caught:
        solved(files, tmp_path)
    assert str(files[name]) in str(caught.value)
    assert not (tmp_path / "a.csv").exists()


def test_match__terms__are_summed_and_printed_each(files: dict[str, Path], tmp_path: Path) -> None:
    files["edges"].write_text("task,worker,loss,money,time\nx,ann,12,2,1\nx,bob,7,2,0\ny,ann,9,1,0\ny,bob,3,2,0\n")
    found = matching.match(**files, out=tmp_path / "a.csv", prices=None, gap=0.0, threads=1, terms=True)
    assert found["value"] == 13
    assert found["objective"] == {"loss": 16, "money": 3, "time": 0}
    assert "money 3" in matching.text(found)
    files["edges"].write_text("task,worker,loss,money,time\nx,ann,12,nan,1\n")
    with pytest.raises(BadInput, match="line 2, column 'money'"):
        matching.match(**files, out=tmp_path / "a.csv", prices=None, gap=0.0, threads=1, terms=True)


def test_match__nan_in_parquet__is_told_with_its_row(files: dict[str, Path], tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    files["edges"] = tmp_path / "edges.parquet"
    table = {"task": ["x", "y"], "worker": ["ann", "ann"], "value": [1.0, float("nan")]}
    parquet.write_table(arrow.table(table), files["edges"])
    with pytest.raises(BadInput, match="line 2, column 'value'"):
        solved(files, tmp_path)


def test_match__more_answers_than_workers__is_solved_as_far_as_possible(files: dict[str, Path], tmp_path: Path) -> None:
    files["tasks"].write_text("task,redundancy\nx,3\ny,1\nz,1\n")
    for gap in (0.0, 0.001):
        found = solved(files, tmp_path, gap)
        assert found["assigned"] == 2
        why = {one["task"]: (one["wanted"], one["assigned"], one["why"]) for one in found["short"]}
        assert why["x"][0] == 3
        assert why["x"][2] == "2 qualified workers with capacity for 3 answers"
        assert why["z"] == (1, 0, "0 qualified workers with capacity for 1 answers")
        assert checked(files, tmp_path)["ok"]


@pytest.mark.parametrize(
    ("file", "old", "new", "why"),
    [
        ("a.csv", "x,bob", "x,ann", "capacity"),
        ("a.csv", "x,bob", "y,bob", "redundancy"),
        ("a.csv", "x,bob", "y,ann", "above too"),
        ("a.csv", "x,bob", "x,eve", "line 2: the task and the worker are no edge"),
        ("a.csv", "x,bob\n", "", "worth"),
        ("p.csv", "bob,", "bob,-1", "at least 0"),
        ("p.csv", "bob,", "ann,", "already"),
        ("p.csv", "bob,", "eve,", "no worker"),
        ("p.csv", "bob,0", "bob,9", "prove"),
        ("p.csv", "ann,", "ann,nan\n#", "not a number"),
    ],
)
def test_check_match__fault__is_refused(
    files: dict[str, Path], tmp_path: Path, file: str, old: str, new: str, why: str
) -> None:
    found = solved(files, tmp_path)
    path = tmp_path / file
    before = path.read_text()
    path.write_text(before.replace(old, new, 1))
    assert path.read_text() != before
    answer = checked(files, tmp_path, value=found["value"], bound=found["bound"])
    assert not answer["ok"]
    assert why in answer["why"]
    assert "refused" in matching.check_text(answer)


def test_cli__match_then_check__exit_0_then_1(files: dict[str, Path], tmp_path: Path) -> None:
    three = [part for name, path in files.items() for part in (f"--{name}", str(path))]
    a, p = str(tmp_path / "a.csv"), str(tmp_path / "p.csv")
    ran = CliRunner().invoke(app, ["match", *three, "--out", a, "--prices", p, "--json"])
    assert ran.exit_code == 0
    found = json.loads(ran.stdout)
    assert set(found) >= {"value", "bound", "gap", "assigned", "short", "seconds"}
    assert set(found["seconds"]) == {"load", "solve"}
    check = ["check-match", *three, "--assignment", a, "--prices", p, "--json"]
    ran = CliRunner().invoke(app, check)
    assert (ran.exit_code, json.loads(ran.stdout)["ok"]) == (0, True)
    Path(a).write_text("task,worker\nx,ann\ny,ann\n")
    ran = CliRunner().invoke(app, check)
    assert (ran.exit_code, json.loads(ran.stdout)["ok"]) == (1, False)


def test_match__device__within_the_gap(files: dict[str, Path], tmp_path: Path) -> None:
    out, prices = tmp_path / "a.csv", tmp_path / "p.csv"
    found = matching.match(**files, out=out, prices=prices, gap=0.01, threads=1, device="cpu:0")
    assert (found["value"], found["assigned"]) == (13, 2)
    assert checked(files, tmp_path, value=13.0)["ok"]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--device", "cuda:99"), "device cuda:99: torch"),
        (("--device", "cpu:0", "--compute", "ray"), "give one of them"),
    ],
)
def test_match__no_such_device_or_two_places__is_refused_and_nothing_written(
    files: dict[str, Path], tmp_path: Path, options: tuple[str, ...], why: str
) -> None:
    words = [word for name, file in files.items() for word in (f"--{name}", str(file))]
    done = CliRunner().invoke(app, ["match", *words, "--out", str(tmp_path / "a.csv"), *options])
    assert isinstance(done.exception, BadInput)
    assert why in str(done.exception)
    assert not (tmp_path / "a.csv").exists()
