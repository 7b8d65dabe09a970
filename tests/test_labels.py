"""Crowd label files: what is read, what is refused and in which words, what is written."""

import csv
import gzip
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from oracle import columns, labels
from oracle.labels import (
    NO_TRUTH,
    OTHER_CLASS,
    Answers,
    Truth,
    accuracy,
    add_classes,
    align_truth,
    example_answers,
    example_consensus,
    first_answers,
    order_classes,
    read_answers,
    read_truth,
    write_verdicts,
)
from oracle.protocol.errors import BadInput

ROWS = [("t1", "ann", "yes"), ("t2", "bob", "no"), ("t1", "bob", "no")]


def save(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refused(path: Path, *parts: str, **options: object) -> str:
    with pytest.raises(BadInput) as caught:
        read_answers(path, **options)  # type: ignore[arg-type]
    message = str(caught.value)
    for part in (path.name, *parts):
        assert part in message, message
    return message


def as_rows(answers: Answers) -> list[tuple[str, str, str]]:
    return [
        (answers.tasks[t], answers.workers[w], answers.classes[c])
        for t, w, c in zip(answers.task, answers.worker, answers.label, strict=True)
    ]


def write_format(path: Path, rows: list[tuple[str, str, str]]) -> Path:
    if ".jsonl" in path.name:
        text = "".join(json.dumps({"label": c, "task": t, "worker": w}) + "\n" for t, w, c in rows)
    else:
        text = "task,worker,label\n" + "".join(f"{t},{w},{c}\n" for t, w, c in rows)
    return save(path, gzip.compress(text.encode()) if path.name.endswith(".gz") else text)


# ---------------------------------------------------------------- reading


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.jsonl", "a.jsonl.gz", "A.CSV"])
def test_read_answers__each_text_format__gives_the_same(tmp_path: Path, name: str) -> None:
    answers, warnings = read_answers(write_format(tmp_path / name, ROWS))
    assert warnings == []
    assert as_rows(answers) == ROWS
    assert answers.tasks == ("t1", "t2")
    assert answers.workers == ("ann", "bob")
    assert answers.classes == ("no", "yes")
    assert {answers.task.dtype, answers.worker.dtype, answers.label.dtype} == {np.dtype(np.int32)}


@pytest.mark.parametrize("dictionary", [False, True])
def test_read_answers__parquet__gives_the_same(tmp_path: Path, dictionary: bool) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = [arrow.array(column) for column in zip(*ROWS, strict=True)]
    columns = [column.dictionary_encode() for column in columns] if dictionary else columns
    table = arrow.table([*columns, arrow.array([1, 2, 3])], names=["task", "worker", "label", "extra"])
    parquet.write_table(table, tmp_path / "a.parquet")
    assert as_rows(read_answers(tmp_path / "a.parquet")[0]) == ROWS


def test_read_answers__parquet_of_integers__reads_them_as_text(tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    parquet.write_table(arrow.table({"task": [7, 8], "worker": [1, 1], "label": [10, 9]}), tmp_path / "a.parquet")
    answers, _ = read_answers(tmp_path / "a.parquet")
    assert answers.tasks == ("7", "8")
    assert answers.classes == ("9", "10")


def test_read_answers__odd_but_legal_csv__is_read(tmp_path: Path) -> None:
    text = '\ufeffworker,note,task,label\r\n"a,b",x, t ,"say ""hi"""\r\n\r\nü,"two\nlines",日本,=1+1'
    answers, warnings = read_answers(save(tmp_path / "a.csv", text))
    assert as_rows(answers) == [(" t ", "a,b", 'say "hi"'), ("日本", "ü", "=1+1")]
    assert warnings == []


def test_read_answers__separators_that_python_splits_on__stay_in_the_id(tmp_path: Path) -> None:
    answers, _ = read_answers(save(tmp_path / "a.csv", "task,worker,label\na\u2028b,w\x0b,c\x85\n"))
    assert as_rows(answers) == [("a\u2028b", "w\x0b", "c\x85")]


def test_read_answers__lines_over_chunk_ends__stay_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(f"täsk{i}", f"w{i % 7}", str(i % 3)) for i in range(200)]
    path = write_format(tmp_path / "a.csv", rows)
    for size in (1, 2, 3, 7, 64):
        monkeypatch.setattr(labels, "CHUNK_BYTES", size)
        assert as_rows(read_answers(path)[0]) == rows


def test_read_answers__the_same_worker_and_task_again__counts_the_last_and_warns(tmp_path: Path) -> None:
    path = write_format(tmp_path / "a.csv", [("t", "w", "1"), ("u", "w", "2"), ("t", "w", "3"), ("t", "w", "2")])
    answers, warnings = read_answers(path)
    assert as_rows(answers) == [("u", "w", "2"), ("t", "w", "2")]
    assert answers.classes == ("2",)  # an answer that does not count makes no class
    assert len(warnings) == 1
    for part in ("a.csv", "2 answers", "line 4", "'t'", "'w'", "the last one counts"):
        assert part in warnings[0]
    refused(path, "2 answers", "line 4", "'t'", "'w'", strict=True)


def test_read_answers__classes_given__keeps_their_order_and_refuses_others(tmp_path: Path) -> None:
    path = write_format(tmp_path / "a.csv", ROWS)
    answers, _ = read_answers(path, classes=("yes", "no", "maybe"))
    assert answers.classes == ("yes", "no", "maybe")
    assert as_rows(answers) == ROWS
    refused(path, "line 3", "'label'", "'no'", "none of the classes", "'yes'", classes=("yes",))


@pytest.mark.parametrize("classes", [(), ("a", "a"), ("",)])
def test_read_answers__bad_classes__are_refused(tmp_path: Path, classes: tuple[str, ...]) -> None:
    with pytest.raises(BadInput, match="classes"):
        read_answers(write_format(tmp_path / "a.csv", ROWS), classes=classes)


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("", ("empty", "task,worker,label")),
        ("task,worker,label\n", ("header", "no answer")),
        ("task,label\nt,1\n", ("line 1", "'worker'", "missing", "'task', 'label'")),
        ("a,b,c\n1,2,3\n", ("line 1", "'task'", "missing")),
        ("task,worker,label,task\nt,w,1,t\n", ("line 1", "'task'", "stands twice")),
        ("task;worker;label\nt;w;1\n", ("line 1", "'task'", "missing", "'task;worker;label'")),
        ("task,worker,label\nt,w,1\nt,w\n", ("line 3", "2 fields", "3")),
        ("task,worker,label\nt,w,1\nt,w,1,\n", ("line 3", "4 fields")),
        ("task,worker,label\nt,w,1\n,w,1\n", ("line 3", "column 'task'", "empty")),
        ("task,worker,label\nt,,1\n", ("line 2", "column 'worker'", "empty")),
        ("task,worker,label\nt,w,\n", ("line 2", "column 'label'", "empty")),
        (b"task,worker,label\nt,w,1\nt\xff,w,1\n", ("line 3", "byte 2 of the line", "26 of the file", "0xff", "UTF-8")),
        (b"task,worker,label\nt,w,caf\xe9", ("line 2", "byte 8 of the line", "0xe9")),
        (b"task,worker,label\nt,w,1\nt\0,w,1\n", ("line 3", "NUL", "byte 2 of the line")),
        ("task,worker,label\nt,w,1\n".encode("utf-16"), ("line 1", "UTF-16")),
        ('task,worker,label\nt,"w"x,1\n', ("line 2", "quotes")),
        ('task,worker,label\nt,"w,1\nt,w,2\n', ("line 3", "CSV")),
        ("task,worker,label\nt,w,1\n" + "x" * 1025 + ",w,1\n", ("line 3", "'task'", "1,025 bytes", "1,024")),
        (gzip.compress(b"task,worker,label\nt,w,1\n", mtime=0), ("gzip", ".gz")),
        ('task,worker,label\nt,w,"' + "x\n" * 600_000 + '"\n', ("CSV", "field limit")),
    ],
)
def test_read_answers__bad_csv__names_the_place(tmp_path: Path, content: str | bytes, parts: tuple[str, ...]) -> None:
    refused(save(tmp_path / "bad.csv", content), *parts)


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("", ("empty", "task, worker, label")),
        ("\n \n", ("no answer",)),
        ('{"task":"t","worker":"w","label":"1"}\n{"task":"t"', ("line 2", "JSON")),
        ('["t","w","1"]\n', ("line 1", "object")),
        ('{"task":"t","label":"1"}\n', ("line 1", "column 'worker'", "missing", "'task', 'label'")),
        ('{"task":"t","worker":null,"label":"1"}\n', ("line 1", "column 'worker'", "'None'")),
        ('{"task":"t","worker":"w","label":1.5}\n', ("line 1", "column 'label'", "'1.5'")),
        ('{"task":"t","worker":"w","label":true}\n', ("line 1", "column 'label'", "'True'")),
        ('{"task":"\\ud800","worker":"w","label":"1"}\n', ("line 1", "column 'task'", "surrogate")),
        ('{"task":"\\u0000","worker":"w","label":"1"}\n', ("line 1", "column 'task'", "NUL")),
        ("[" * 100_000 + "\n", ("line 1", "JSON")),
        ('{"task":' + "1" * 5000 + "}\n", ("line 1", "JSON")),
    ],
)
def test_read_answers__bad_jsonl__names_the_place(tmp_path: Path, content: str, parts: tuple[str, ...]) -> None:
    refused(save(tmp_path / "bad.jsonl", content), *parts)


@pytest.mark.parametrize(
    "content", [b"", b"no gzip at all", gzip.compress(b"task,worker,label\nt,w,1\n" * 99, mtime=0)[:-9]]
)
def test_read_answers__broken_gzip__names_the_file(tmp_path: Path, content: bytes) -> None:
    refused(save(tmp_path / "bad.csv.gz", content))


def test_read_answers__flipped_byte_in_gzip__is_refused(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(b"task,worker,label\n" + b"t,w,1\n" * 99))
    packed[30] ^= 0xFF
    refused(save(tmp_path / "bad.csv.gz", bytes(packed)))


def test_read_answers__bad_parquet__names_the_place(tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    refused(save(tmp_path / "a.parquet", b"PAR1 not really"), "Parquet")
    refused(save(tmp_path / "b.parquet", b""), "Parquet")
    good: dict[str, list[object]] = {"task": ["t", "u"], "worker": ["w", "w"], "label": ["1", "2"]}
    for name, change, parts in (
        ("c", {"label": [1.5, 2.5]}, ("'label'", "double")),
        ("d", {"worker": ["w", None]}, ("line 2", "'worker'", "empty")),
    ):
        parquet.write_table(arrow.table({**good, **change}), tmp_path / f"{name}.parquet")
        refused(tmp_path / f"{name}.parquet", *parts)
    parquet.write_table(arrow.table({"task": ["t"], "label": ["1"]}), tmp_path / "e.parquet")
    refused(tmp_path / "e.parquet", "'worker'", "missing")


def test_read_answers__parquet_without_pyarrow__says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    refused(save(tmp_path / "a.parquet", b"PAR1"), "pip install crowdproof[parquet]")


def test_read_answers__no_such_file_directory_or_ending__says_so(tmp_path: Path) -> None:
    refused(tmp_path / "none.csv", "No such file")
    refused(tmp_path / "none.csv.gz", "No such file")
    refused(tmp_path / "none.parquet", "Parquet")
    (tmp_path / "dir.csv").mkdir()
    refused(tmp_path / "dir.csv", "directory")
    refused(save(tmp_path / "a.xlsx", "x"), ".csv", ".parquet")


def test_read_answers__200_mb_line__is_refused_after_a_small_part(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    with path.open("wb") as file:
        file.write(b"task,worker,label\nt,w,1\nt,")
        file.seek(200_000_000)
        file.write(b"x\n")
    refused(path, "line 3", "longer than 1,048,576 bytes")


def test_lines__endless_line__reads_no_more_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = 0

    class Endless:
        def read(self, size: int) -> bytes:
            nonlocal taken
            taken += size
            return b"x" * size

    with pytest.raises(BadInput, match="line 1: longer than"):
        list(labels._lines("endless.csv", Endless()))  # type: ignore[arg-type]
    assert taken <= labels.MAX_LINE_BYTES + 2 * labels.CHUNK_BYTES


def test_read_answers__million_of_rows__keeps_memory_small(tmp_path: Path) -> None:
    """Streaming: what is held beyond the arrays does not grow with the file (here 2e5 rows, 16 MB of text)."""
    path = tmp_path / "a.csv"
    with path.open("w") as file:
        file.write("task,worker,label,note\n")
        file.writelines(f"{i % 500},{i // 500},1,{'x' * 70}\n" for i in range(200_000))
    script = (
        "import resource, sys; from oracle.labels import read_answers\n"
        "base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "assert len(read_answers(sys.argv[1])[0].task) == 200_000\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base)\n"
        "assert 'torch' not in sys.modules and 'pyarrow' not in sys.modules\n"
    )
    ran = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)  # noqa: S603
    assert int(ran.stdout) < 30_000  # KiB


# ---------------------------------------------------------------- whole blocks at once, or a row at a time: the same

FIELDS = ["a", "b", "b", "c", "1", "7", "ü", "x\x0b", "", '"q"', '"a,b"', '"two\nlines"', '"say ""hi"""', 'x"y']
FIELDS += ['"', "a\rb", "\0", "é" * 9]
ENDS = ["\n"] * 9 + ["\r\n", "\n\n", "", "\r", ",\n"]


@st.composite
def csv_files(draw: st.DrawFn) -> bytes:
    """Mostly plain rows of three or four columns; here and there quotes, odd ends, missing fields and bytes that are no text."""
    wide = draw(st.booleans())
    field = st.sampled_from(FIELDS[: draw(st.sampled_from([5, 7, 9, 13, len(FIELDS)]))])
    end = st.sampled_from(ENDS[: draw(st.sampled_from([9, 9, len(ENDS)]))])
    row = st.tuples(st.lists(field, min_size=3 + wide, max_size=3 + wide), end)
    rows = draw(st.lists(row, max_size=25))
    text = "".join(",".join(fields) + end for fields, end in rows)
    content = ("worker,note,label,task\n" if wide else "task,worker,label\n").encode() + text.encode()
    spoil = draw(st.sampled_from([None, None, None, b"\xff", b"\0"]))
    at = draw(st.integers(0, len(content)))
    return content if spoil is None else content[:at] + spoil + content[at:]


def a_row_at_a_time(path: Path, classes: tuple[str, ...] | None) -> tuple[Answers, list[str]]:
    """read_answers as one would write it first."""
    name = str(path)
    ids = [labels._Ids("task", 16), labels._Ids("worker", 16), labels._Ids("label", 1 << 16)]
    if classes:
        ids[2].fix(classes)
    rows: dict[tuple[int, int], int] = {}
    repeats, first, total = 0, "", 0
    with path.open("rb") as file:
        reader = csv.reader(labels._lines(name, file), strict=True)
        try:
            header = next(reader)
            if {"task", "worker", "label"} - {*header}:
                labels._places(name, header, labels.ANSWER_COLUMNS)
            for row in reader:
                if not row:
                    continue
                if len(row) != len(header):
                    what = f"{len(row)} fields where the header has {len(header)}; quote fields that hold commas"
                    raise labels.wrong(name, reader.line_num, what)
                texts = [row[header.index(column)] for column in ("task", "worker", "label")]
                t, w, c = (
                    each[text] if text in each else each.add(text, name, reader.line_num)
                    for each, text in zip(ids, texts, strict=True)
                )
                if rows.pop((t, w), None) is not None:
                    repeats += 1
                    first = first or f"line {reader.line_num}: task {texts[0]!r}, worker {texts[1]!r}"
                rows[t, w] = c
                total += 1
        except csv.Error as error:
            raise labels._unreadable(name, reader.line_num, error) from None
    if not total:
        raise BadInput(f"{name}: there is a header but no answer below it; write one answer a row as task,worker,label")
    what = "answers repeat an earlier one by the same worker to the same task"
    columns = zip(*((t, w, c) for (t, w), c in rows.items()), strict=True)
    answers = Answers(*map(tuple, ids), *(np.array(column, np.int32) for column in columns))
    return answers if classes else labels._order_classes(answers), labels._repeated(name, repeats, first, what, False)


def outcome(read: Callable[[], tuple[Answers, list[str]]]) -> object:
    try:
        answers, warnings = read()
    except BadInput as problem:
        return str(problem)
    arrays = [array.tolist() for array in (answers.task, answers.worker, answers.label)]
    return answers.tasks, answers.workers, answers.classes, arrays, warnings


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rows") / "a.csv"


@settings(max_examples=200, deadline=None)
@example(b"task,worker,label\n,w,1\nt,w,1,\n", 1 << 18, 1 << 13, None)
@example(b"task,worker,label\na,w,1\nb,w,1\nc", 18, 1 << 13, None)
@given(
    csv_files(),
    st.sampled_from([1, 5, 24, 40, 64, 100, 1 << 18]),
    st.sampled_from([1, 3, 1 << 13]),
    st.sampled_from([None, None, ("a", "b", "c", "1", "7")]),
)
def test_read_answers__any_csv__is_as_a_row_at_a_time(
    place: Path, content: bytes, chunk: int, together: int, classes: tuple[str, ...] | None
) -> None:
    save(place, content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(labels, "CHUNK_BYTES", chunk)
        patch.setattr(labels, "ROWS_TOGETHER", together)
        patch.setattr(labels, "MAX_ID_BYTES", 16)
        assert outcome(lambda: read_answers(place, classes=classes)) == outcome(lambda: a_row_at_a_time(place, classes))


def test_plain__blocks__are_split_only_where_csv_reader_would_find_the_same() -> None:
    assert labels._plain("a,b\n,c\n", 2) == ["a", "b", "\n", "", "c", "\n"]
    for block in ('a,"b"\n', "a,b\r\n", "a,b", "a,b\nc", "a,b\n\n", "a\nb,c,d\n", "a,b,c\n", "\n\n\n"):
        assert labels._plain(block, 2) is None
    long = "x" * (csv.field_size_limit() + 1)
    assert labels._plain(f"a,{long}\n", 2) is None
    assert labels._plain(f"a,{long[:-1]}\n", 2) is not None


def test_read_answers__plain_file_of_many_blocks__is_read_block_by_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The quick way is taken: csv.reader sees the header's block only, and the repeat's line is still named."""
    rows = [(f"t{i}", f"w{i % 7}", str(i % 3)) for i in range(2_000)]
    path = write_format(tmp_path / "a.csv", [*rows, rows[5]])
    monkeypatch.setattr(labels, "CHUNK_BYTES", 1 << 10)
    split: list[int] = []
    plain = labels._plain

    def watched(block: str, width: int) -> list[str] | None:
        found = plain(block, width)
        split.append(block.count("\n") if found else 0)
        return found

    monkeypatch.setattr(labels, "_plain", watched)
    answers, warnings = read_answers(path)
    assert sum(split) > 1_800
    assert as_rows(answers) == [*rows[:5], *rows[6:], rows[5]]
    assert "line 2002" in warnings[0]


@pytest.mark.parametrize("most", [1, 999, 1_000, 1_500])
def test_read_answers__more_rows_than_the_limit__names_the_first_beyond(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(labels, "CHUNK_BYTES", 1 << 10)
    monkeypatch.setattr(labels, "MAX_ROWS", most)
    path = write_format(tmp_path / "a.csv", [(f"t{i}", "w", "1") for i in range(2_000)])
    refused(path, f"line {most + 2}:", f"more than {most:,} answers")


# ---------------------------------------------------------------- classes, truth, limits


@pytest.mark.parametrize(
    ("given_labels", "expected"),
    [
        (["10", "9", "-1"], ("-1", "9", "10")),
        (["1", "01", "+1"], ("+1", "01", "1")),
        (["10", "9", "x"], ("10", "9", "x")),
        (["é", "z", "Z"], ("Z", "z", "é")),
        (["1.0", "10", "9"], ("1.0", "10", "9")),
        (["٣", "2", "1"], ("1", "2", "٣")),
    ],
)
def test_order_classes__integers_or_not__follows_the_protocol(
    given_labels: list[str], expected: tuple[str, ...]
) -> None:
    assert order_classes(given_labels) == expected


def test_read_truth__repeats__last_counts_or_strict_refuses(tmp_path: Path) -> None:
    path = save(tmp_path / "truth.csv", "task,label\nt,1\nu,2\nt,3\n")
    truth, warnings = read_truth(path)
    assert truth.labels == {"t": "3", "u": "2"}
    assert "line 4" in warnings[0]
    with pytest.raises(BadInput, match=r"truth\.csv.*line 4"):
        read_truth(path, strict=True)


@pytest.mark.parametrize(
    ("content", "part"), [("task\nt\n", "'label'"), ("task,label\n", "no truth"), ("task,label\nt,\n", "line 2")]
)
def test_read_truth__bad_file__names_the_place(tmp_path: Path, content: str, part: str) -> None:
    with pytest.raises(BadInput, match=r"truth\.csv") as caught:
        read_truth(save(tmp_path / "truth.csv", content))
    assert part in str(caught.value)


def test_align_truth__unknown_task_and_class__warns_and_marks(tmp_path: Path) -> None:
    answers, _ = read_answers(write_format(tmp_path / "a.csv", [*ROWS, ("t3", "bob", "no")]))
    gold, warnings = align_truth(answers, Truth({"t2": "yes", "t1": "perhaps", "zzz": "no"}), "truth.csv")
    assert gold.tolist() == [OTHER_CLASS, 1, NO_TRUTH]
    assert "truth.csv" in warnings[0]
    assert "1 tasks" in warnings[0]
    assert "'zzz'" in warnings[0]


def test_add_classes__new_label__keeps_the_answers(tmp_path: Path) -> None:
    answers, _ = read_answers(write_format(tmp_path / "a.csv", ROWS))
    more = add_classes(answers, ["perhaps", "no"])
    assert more.classes == ("no", "perhaps", "yes")
    assert as_rows(more) == ROWS
    assert add_classes(answers, ["no"]) is answers


def test_accuracy__truth_missing_or_outside__counts_only_what_is_known() -> None:
    assert accuracy(np.array([0, 1, 1, 0]), np.array([0, NO_TRUTH, OTHER_CLASS, 1])) == pytest.approx(1 / 3)
    assert accuracy(np.array([0]), np.array([NO_TRUTH])) is None


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 30)), max_size=80, unique=True), st.integers(1, 6))
def test_first_answers__any_answers__keeps_what_a_loop_keeps(pairs: list[tuple[int, int]], limit: int) -> None:
    array = np.array(pairs, np.int32).reshape(-1, 2)
    names = tuple(map(str, range(31)))
    answers = Answers(names[:6], names, names[:2], array[:, 0], array[:, 1], array[:, 1] % np.int32(2))
    seen: dict[int, int] = {}
    expected = []
    for row, (task, _) in enumerate(pairs):
        seen[task] = seen.get(task, 0) + 1
        if seen[task] <= limit:
            expected.append(row)
    kept, dropped = first_answers(answers, limit)
    assert dropped == len(pairs) - len(expected)
    for before, after in ((answers.task, kept.task), (answers.worker, kept.worker), (answers.label, kept.label)):
        assert after.tolist() == before[expected].tolist()


# ---------------------------------------------------------------- writing


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)


@settings(deadline=None, max_examples=80)
@given(st.lists(st.tuples(texts, texts, texts), min_size=1, max_size=12))
def test_read_answers__any_text_quoted_by_csv__comes_back_unchanged(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]]
) -> None:
    path = tmp_path_factory.mktemp("round") / "a.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([("task", "worker", "label"), *rows])
    last = {(t, w): c for t, w, c in rows}
    answers, _ = read_answers(path)
    assert {(t, w): c for t, w, c in as_rows(answers)} == last
    write_verdicts(path, answers.tasks, answers.classes, answers.label, np.ones(len(answers.tasks)))
    with path.open(encoding="utf-8", newline="") as file:
        assert tuple(row["task"] for row in csv.DictReader(file)) == answers.tasks


def test_write_verdicts__with_proba__writes_a_column_a_class(tmp_path: Path) -> None:
    path, share = tmp_path / "v.csv", np.array([[0.25, 0.75], [1.0, 0.0]])
    write_verdicts(path, ("t,1", "u"), ("no", "yes"), np.array([1, 0]), np.array([0.75, 1.0]), share)
    assert path.read_text() == 'task,label,confidence,p:no,p:yes\n"t,1",yes,0.75,0.25,0.75\nu,no,1,1,0\n'
    write_verdicts(path, ("t",), ("no",), np.array([0]), np.array([1 / 3]))
    assert path.read_text() == "task,label,confidence\nt,no,0.333333333\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["v.csv"]


def test_write_verdicts__no_such_folder__is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"none.*v\.csv.*cannot be written"):
        write_verdicts(tmp_path / "none" / "v.csv", (), (), np.array([], int), np.array([]))
    (tmp_path / "d.csv").mkdir()
    with pytest.raises(BadInput, match=r"d\.csv.*cannot be written"):
        write_verdicts(tmp_path / "d.csv", (), (), np.array([], int), np.array([]))
    assert [entry.name for entry in tmp_path.iterdir()] == ["d.csv"]


# ---------------------------------------------------------------- packaged data


def test_example_answers__dawid_and_skene_1979__has_the_figures_of_table_1() -> None:
    answers = example_answers()
    assert (len(answers.tasks), len(answers.workers), len(answers.task)) == (45, 7, 315)
    assert answers.classes == ("1", "2", "3", "4")
    assert np.bincount(answers.label).tolist() == [127, 125, 48, 15]
    matrix = answers.label.reshape(45, 7) + 1
    assert matrix[1].tolist() == [3, 3, 3, 4, 3, 3, 4]
    assert matrix[35].tolist() == [4, 3, 3, 4, 3, 4, 3]


def test_example_consensus__dawid_and_skene_1979__covers_every_patient() -> None:
    gold, warnings = align_truth(example_answers(), example_consensus())
    assert warnings == []
    assert np.bincount(gold).tolist() == [18, 19, 5, 3]


# ---------------------------------------------------------------- plain files, column by column


def told(path: Path) -> tuple[Answers | None, list[str], str]:
    try:
        return *read_answers(path), ""
    except BadInput as error:
        return None, [], str(error)


ODD_PIECES = st.sampled_from(
    ["a", "b", "7", "07", ",", "\n", " ", "", '"', "\r", "\0", "é", "NA", "null", "\ufeff", "\n\n"]
)


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.tuples(*[st.sampled_from(["a", "b", "7", "07", "é", "NA", "1e3", "", " x"])] * 3), max_size=12),
    st.lists(st.tuples(st.integers(0, 200), ODD_PIECES), max_size=3),
    st.sampled_from(["task,worker,label", "label,task,worker", "task,worker,label,more", "task,task,label"]),
)
def test_read_answers__by_columns__says_what_line_by_line_says(
    rows: list[tuple[str, str, str]], odd: list[tuple[int, str]], header: str
) -> None:
    """Whatever is in the file: the same answers, warnings and refusals."""
    content = "\n".join([header, *map(",".join, rows), ""])
    for place, piece in odd:
        content = content[:place] + piece + content[place:]
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = save(Path(folder) / "labels.csv", content)
        line_by_line = told(path)
        patch.setattr(columns, "WORTH", 0)
        found, notes, refused = told(path)
    wanted, *words = line_by_line
    assert [notes, refused] == words
    assert (found is None) == (wanted is None)
    if found is not None and wanted is not None:
        assert (found.tasks, found.workers, found.classes) == (wanted.tasks, wanted.workers, wanted.classes)
        for name in ("task", "worker", "label"):
            np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name))


def test_plain_columns__many_blocks__numbers_texts_by_first_appearance(tmp_path: Path) -> None:
    rows = [(f"t{(7 * n) % 150_000}", f"w{n % 977}", str(n % 5)) for n in range(200_000)]
    path = save(
        tmp_path / "labels.csv", "task,worker,label\n" + "".join(map("{},{},{}\n".format, *zip(*rows, strict=True)))
    )
    assert path.stat().st_size > 2 * columns.WORTH
    found = columns.plain_columns(str(path), ("task", "worker", "label"), len(rows))
    assert found is not None
    for c, (texts, number) in enumerate(found):
        column = [row[c] for row in rows]
        assert texts == list(dict.fromkeys(column))
        assert [texts[n] for n in number] == column
    assert columns.plain_columns(str(path), ("task", "worker", "label"), len(rows) - 1) is None


@pytest.mark.parametrize("spoilt", [b"\xff", b'"', b"\r", b"\0"])
def test_plain_columns__anything_odd__is_left_to_the_line_by_line(tmp_path: Path, spoilt: bytes) -> None:
    body = b"task,worker,label\n" + b"".join(b"t%d,w,1\n" % n for n in range(150_000))
    assert columns.plain_columns(str(save(tmp_path / "a.csv", body)), ("task", "worker", "label"), 1 << 28) is not None
    path = save(tmp_path / "b.csv", body + b"t" + spoilt + b",w,1\n")
    assert columns.plain_columns(str(path), ("task", "worker", "label"), 1 << 28) is None


def test_infer__large_plain_file__loads_only_what_it_needs(tmp_path: Path) -> None:
    """Each of these takes half a second to load, as long as the inference itself."""
    rows = "".join(f"t{n // 5},w{n % 997},{n % 3}\n" for n in range(columns.WORTH // 8))
    path = save(tmp_path / "a.csv", ("task,worker,label\n" + rows).encode())
    asked = ["infer", "--labels", str(path), "--method", "dawid-skene", "--out", str(tmp_path / "out.csv")]
    code = f"import sys; from oracle.cli import app; app({asked!r}, standalone_mode=False); print('|', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)  # noqa: S603
    assert "pyarrow" in done.stdout.split("|")[1].split(), "the file is read column by column"
    assert not {"pandas", "scipy.optimize", "torch"} & set(done.stdout.split("|")[1].split())
