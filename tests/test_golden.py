"""Known answers: read from a requester's task file, checked against the job, and sealed so that the same job stays the same."""

import json
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from oracle import publishing
from oracle.adapters.database import memory_database
from oracle.bootstrap import Oracle
from oracle.protocol.errors import BadInput
from oracle.protocol.gold import leaves_of
from oracle.protocol.leaves import Task
from oracle.protocol.manifest import check_manifest, make_job
from oracle.tasks import golden, read_file, scan
from tests.support.committee import Town
from tests.support.epochs import manifest_document

TASKS = [Task(i, f"t{i}", {"text": f"animal {i}"}) for i in range(8)]
GOLD = {"t0": "cat", "t3": "owl"}


def manifest(**changes: Any) -> Any:
    return check_manifest(manifest_document(**changes))


def test_read_file__csv_with_a_column_gold__holds_it_apart_from_the_payload(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("task,gold,text\na,cat,one\nb,,two\n")
    found = read_file(tmp_path / "t.csv")
    assert found.gold == {"a": "cat"}
    assert [task.payload for task in found.tasks] == [{"text": "one"}, {"text": "two"}]


def test_read_file__jsonl_and_parquet__say_the_same(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    rows = [{"task": "a", "payload": {"text": "one"}, "gold": "cat"}, {"task": "b", "payload": {"text": "two"}}]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    table = pyarrow.table({"task": ["a", "b"], "text": ["one", "two"], "gold": ["cat", None]})
    parquet.write_table(table, tmp_path / "t.parquet")
    found = [read_file(tmp_path / name) for name in ("t.jsonl", "t.parquet")]
    assert found[0] == found[1]
    assert (found[0].gold, found[0].tasks[0].payload) == ({"a": "cat"}, {"text": "one"})


@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        ("t.jsonl", '{"task": "a", "gold": 3}', "line 1, column gold"),
        ("t.jsonl", '{"task": "a", "gold": ["cat"]}', "line 1, column gold"),
        ("t.csv", "task,gold,gold\na,cat,cat\n", "line 1"),
    ],
)
def test_scan__gold_that_is_no_text__is_a_flaw_with_its_place(name: str, text: str, place: str) -> None:
    [flaw] = scan(BytesIO(text.encode()), name, 5).flaws
    assert place in flaw.at(name)


def test_golden__tasks__are_numbered_by_what_everybody_knows() -> None:
    found, tasks, known = golden(manifest(), TASKS, GOLD, "m")
    assert {tasks[number].id: label for number, label in known.items()} == {"t0": 0, "t3": 2}
    assert [task.task for task in tasks] == list(range(8))
    others = golden(manifest(), TASKS[::-1], {"t5": "cat", "t6": "cat"}, "m")
    assert others[1] == tasks  # the order says nothing of which are gold, nor where they stood
    assert found.document["goldShare"] == 0.25


def test_golden__nothing_known__changes_nothing() -> None:
    asked = manifest(goldShare=0.1)
    assert golden(asked, TASKS, {}, "m") == (asked, TASKS, {})


@pytest.mark.parametrize(
    ("change", "gold", "says"),
    [
        ({}, {"t1": "fox"}, "'t1' is 'fox', none of the classes (cat, dog, owl)"),
        ({"goldShare": 0.5}, {"t1": "cat"}, "goldShare is 0.5"),
        ({}, {f"t{i}": "cat" for i in range(5)}, "at most 50%"),
        ({}, {"t9": "cat"}, "form"),
    ],
)
def test_golden__what_cannot_be__is_refused_with_its_name(
    change: dict[str, Any], gold: dict[str, str], says: str
) -> None:
    odd = [*TASKS, Task(8, "t9", {"text": "x", "check": True})]
    with pytest.raises(BadInput) as problem:
        golden(manifest(**change), odd, gold, "m")
    assert says in str(problem.value)
    assert str(problem.value).startswith("m: ")


def test_seal_gold__asked_again__is_the_same_job_and_another_for_another_requester() -> None:
    town = Town()
    oracle = cast(Oracle, SimpleNamespace(database=memory_database(), deployment=town.deployment))
    asked, tasks, known = golden(manifest(), TASKS, GOLD, "m")
    one, two = (publishing.seal_gold(oracle, asked, tasks, known, b"\x07" * 20) for _ in range(2))
    assert make_job(one, tasks, 1)[0] == make_job(two, tasks, 1)[0]
    others = [
        publishing.seal_gold(oracle, asked, tasks, known, b"\x08" * 20),
        publishing.seal_gold(oracle, asked, tasks, {**known, min(known): 1}, b"\x07" * 20),
    ]
    assert len({make_job(m, tasks, 1)[0].manifest for m in (one, *others)}) == 3
    assert len(leaves_of(one.gold)) == 2
    oracle.database.close()
    town.close()
