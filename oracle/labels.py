"""Crowd label files: `task,worker,label` in, numbered arrays out; verdicts back to CSV.

CSV and JSONL (both also gzipped) and Parquet -> `Answers`; truth files `task,label` -> `Truth`. Ids and labels are
opaque strings, written back unchanged. Tasks and workers are numbered by first appearance; classes are ordered as the
protocol says (numerically if all are integers, else by UTF-8 bytes). Files are streamed: an endless line is refused at
`MAX_LINE_BYTES`. Whatever is wrong raises `BadInput` with file, line, column and remedy; what is only odd (repeats,
truth about unknown tasks) comes back as warnings.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import itertools
import json
import os
import re
import tempfile
import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from oracle.protocol.errors import BadInput

MAX_LINE_BYTES = 1 << 20
CHUNK_BYTES = 1 << 18
MAX_ID_BYTES = 1 << 10
MAX_LABEL_BYTES = 1 << 16
MAX_ROWS = 1 << 28
ANSWER_COLUMNS = ("task", "worker", "label")
TRUTH_COLUMNS = ("task", "label")
FORMATS = ".csv, .csv.gz, .jsonl, .jsonl.gz, .parquet"
NO_TRUTH = -1  # the task is not in the truth file
OTHER_CLASS = -2  # the truth is a label that is none of the classes

Int32 = NDArray[np.int32]
Float = NDArray[np.float64]
_QUOTED = re.compile(r'[",\r\n]')
_INTEGER = re.compile(r"[+-]?[0-9]{1,1000}\Z")


@dataclass(frozen=True, slots=True)
class Answers:
    """N answers: the i-th says that worker `workers[worker[i]]` gave task `tasks[task[i]]` the label `classes[label[i]]`."""

    tasks: tuple[str, ...]  # T ids
    workers: tuple[str, ...]  # K ids
    classes: tuple[str, ...]  # C labels, in the order of record
    task: Int32  # [N] in 0..T-1
    worker: Int32  # [N] in 0..K-1
    label: Int32  # [N] in 0..C-1


@dataclass(frozen=True, slots=True)
class Truth:
    """Known labels: task id -> label, in file order."""

    labels: dict[str, str]


# ---------------------------------------------------------------- reading


def read_answers(
    path: str | os.PathLike[str], *, classes: Sequence[str] | None = None, strict: bool = False, empty: bool = False
) -> tuple[Answers, list[str]]:
    """Read a crowd label file; `empty` lets a label be empty, as a transcription of silence is.

    `classes` fixes the classes and their order; then any other label is an error. If a worker answered a task twice,
    the last answer counts and a warning says so; `strict` refuses instead. Returns the answers, in file order, and the
    warnings.
    """
    name = os.fspath(path)
    tasks, workers, labels = (
        _Ids("task", MAX_ID_BYTES),
        _Ids("worker", MAX_ID_BYTES),
        _Ids("label", MAX_LABEL_BYTES, empty),
    )
    if classes is not None:
        labels.fix(classes)
    task, worker, label, lines = array("i"), array("i"), array("i"), array("q")
    for line, (t, w, c) in _rows(name, ANSWER_COLUMNS):
        task.append(tasks[t] if t in tasks else tasks.add(t, name, line))
        worker.append(workers[w] if w in workers else workers.add(w, name, line))
        label.append(labels[c] if c in labels else labels.add(c, name, line))
        lines.append(line)
        if len(lines) > MAX_ROWS:
            raise _wrong(name, line, f"more than {MAX_ROWS:,} answers; split the file")
    if not lines:
        raise BadInput(f"{name}: there is a header but no answer below it; write one answer a row as task,worker,label")
    answers = Answers(tuple(tasks), tuple(workers), tuple(labels), _int32(task), _int32(worker), _int32(label))
    answers, warnings = _last_counts(answers, np.frombuffer(lines, np.int64), name, strict)
    return (answers if classes is not None else _order_classes(answers)), warnings


def read_truth(path: str | os.PathLike[str], *, strict: bool = False) -> tuple[Truth, list[str]]:
    """Read a truth file `task,label`. A task twice: the last counts and a warning says so; `strict` refuses instead."""
    name = os.fspath(path)
    tasks, classes = _Ids("task", MAX_ID_BYTES), _Ids("label", MAX_LABEL_BYTES)
    labels: dict[str, str] = {}
    repeats, first = 0, ""
    for line, (task, label) in _rows(name, TRUTH_COLUMNS):
        if label not in classes:
            classes.add(label, name, line)
        if task not in tasks:
            tasks.add(task, name, line)
        else:
            first = first or f"line {line}: task {_show(task)}"
            repeats += 1
        labels[task] = label
    if not labels:
        raise BadInput(f"{name}: there is a header but no truth below it; write one task a row as task,label")
    return Truth(labels), _repeated(name, repeats, first, "rows name a task that stood above", strict)


def align_truth(answers: Answers, truth: Truth, name: str = "truth") -> tuple[Int32, list[str]]:
    """Truth as class indices [T]: `NO_TRUTH` where none is known, `OTHER_CLASS` where it names no class of the answers."""
    task_index = {task: i for i, task in enumerate(answers.tasks)}
    class_index = {label: i for i, label in enumerate(answers.classes)}
    gold = np.full(len(answers.tasks), NO_TRUTH, np.int32)
    unknown = []
    for task, label in truth.labels.items():
        i = task_index.get(task)
        if i is None:
            unknown.append(task)
        else:
            gold[i] = class_index.get(label, OTHER_CLASS)
    if not unknown:
        return gold, []
    return gold, [f"{name}: {len(unknown)} tasks have no answer (first: {_show(unknown[0])}); they are left out"]


def add_classes(answers: Answers, labels: Iterable[str]) -> Answers:
    """The same answers over the classes and `labels` together, ordered anew: truth may name a class that nobody answered."""
    more = tuple(dict.fromkeys((*answers.classes, *labels)))
    if len(more) == len(answers.classes):
        return answers
    return _order_classes(replace(answers, classes=more), keep_unused=True)


def order_classes(labels: Iterable[str]) -> tuple[str, ...]:
    """The order of record: numerically if all are integers (ties by bytes), else by UTF-8 bytes."""
    texts = set(labels)
    if all(_INTEGER.match(text) for text in texts):
        return tuple(sorted(texts, key=lambda text: (int(text), text.encode())))
    return tuple(sorted(texts, key=str.encode))


def first_answers(answers: Answers, limit: int = 64) -> tuple[Answers, int]:
    """Keep the first `limit` answers of each task, in file order (the protocol's limit); also says how many were dropped."""
    order = np.argsort(answers.task, kind="stable")
    sorted_task = answers.task[order]
    rank = np.arange(len(order)) - np.searchsorted(sorted_task, sorted_task)
    keep = np.sort(order[rank < limit])
    return _take(answers, keep), len(order) - len(keep)


def accuracy(labels: NDArray[np.integer[Any]], gold: NDArray[np.integer[Any]]) -> float | None:
    """Share of the tasks with truth whose label [T] equals it; None if none has. Truth outside the classes is missed."""
    known = np.asarray(gold) != NO_TRUTH
    return float(np.mean(np.asarray(labels)[known] == np.asarray(gold)[known])) if known.any() else None


def example_answers() -> Answers:
    """The 45 patients of Dawid & Skene (1979), table 1: 315 answers by seven wallets (observer 1 read every form three times)."""
    with resources.as_file(resources.files("oracle") / "data" / "dawid_skene_1979.csv") as path:
        return read_answers(path, classes=("1", "2", "3", "4"), strict=True)[0]


def example_consensus() -> Truth:
    """The most probable class of each patient in the same paper, table 4: a model's opinion, no gold."""
    with resources.as_file(resources.files("oracle") / "data" / "dawid_skene_1979_consensus.csv") as path:
        return read_truth(path, strict=True)[0]


# ---------------------------------------------------------------- writing


def write_verdicts(
    path: str | os.PathLike[str],
    tasks: Sequence[str],
    classes: Sequence[str],
    labels: NDArray[np.integer[Any]],
    confidence: Float,
    proba: Float | None = None,
) -> None:
    """Write `task,label,confidence`, and with `proba` [T, C] a column `p:<class>` each. The file appears whole or not at all."""
    header = ["task", "label", "confidence", *([] if proba is None else [f"p:{name}" for name in classes])]
    shares = confidence[:, None] if proba is None else np.column_stack((confidence, proba))  # [T, 1 or 1 + C]
    rows = zip(tasks, labels.tolist(), shares.tolist(), strict=False)
    write_rows(path, header, ((task, classes[label], *map(number_text, some)) for task, label, some in rows))


def write_rows(path: str | os.PathLike[str], header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a CSV file of texts. It appears whole or not at all."""
    target = Path(path)
    try:
        handle, scratch = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise BadInput(f"{target}: cannot be written ({error.strerror}); choose another --out") from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            for row in itertools.chain((header,), rows):
                file.write(",".join(map(_field, row)) + "\n")
        Path(scratch).chmod(0o644)
        Path(scratch).replace(target)
    except OSError as error:
        raise BadInput(f"{target}: cannot be written ({error.strerror}); choose another --out") from None
    finally:
        Path(scratch).unlink(missing_ok=True)


def number_text(value: float) -> str:
    """Nine significant digits."""
    return f"{value:.9g}"


def _field(text: str) -> str:
    """A CSV field; csv.writer would leave a bare carriage return unquoted."""
    return '"' + text.replace('"', '""') + '"' if _QUOTED.search(text) else text


# ---------------------------------------------------------------- ids


class _Ids(dict[str, int]):
    """Numbers strings by first appearance; refuses the ones that cannot be ids."""

    def __init__(self, column: str, most_bytes: int, empty: bool = False) -> None:
        super().__init__()
        self.column = column
        self.most_bytes = most_bytes
        self.empty = empty
        self.fixed = False

    def fix(self, names: Sequence[str]) -> None:
        for text in names:
            if text in self:
                raise BadInput(f"classes: {_show(text)} stands twice; name every class once")
            self.add(text, "classes", 0)
        if not self:
            raise BadInput("classes: none given; name at least one")
        self.fixed = True

    def add(self, text: str, name: str, line: int) -> int:
        problem = self._problem(text)
        if problem:
            raise _wrong(name, line, problem, self.column)
        self[text] = len(self)
        return len(self) - 1

    def _problem(self, text: str) -> str | None:
        if not text and not self.empty:
            return f"the {self.column} is empty; give it a value or delete the row"
        if "\0" in text:
            return f"NUL byte in {_show(text)}; save the file as plain UTF-8 text"
        try:
            size = len(text.encode())
        except UnicodeEncodeError:
            return f"{_show(text)} holds half a surrogate pair, which is no text; write it as UTF-8"
        if size > self.most_bytes:
            return f"{_show(text)} is {size:,} bytes long, the limit is {self.most_bytes:,}; shorten it"
        return (
            f"{_show(text)} is none of the classes ({_names(self)}); correct it or add the class"
            if self.fixed
            else None
        )


def _take(answers: Answers, keep: NDArray[np.intp]) -> Answers:
    return replace(answers, task=answers.task[keep], worker=answers.worker[keep], label=answers.label[keep])


def _last_counts(answers: Answers, lines: NDArray[np.int64], name: str, strict: bool) -> tuple[Answers, list[str]]:
    key = answers.task.astype(np.int64) * len(answers.workers) + answers.worker  # [N]
    order = np.argsort(key, kind="stable")
    again = key[order[1:]] == key[order[:-1]]  # [N-1]: this answer repeats the one sorted before it
    if not again.any():
        return answers, []
    row = int(order[1:][again].min())
    task, worker = answers.tasks[answers.task[row]], answers.workers[answers.worker[row]]
    first = f"line {lines[row]}: task {_show(task)}, worker {_show(worker)}"
    what = "answers repeat an earlier one by the same worker to the same task"
    warnings = _repeated(name, int(again.sum()), first, what, strict)
    return _take(answers, np.sort(np.append(order[:-1][~again], order[-1]))), warnings


def _repeated(name: str, count: int, first: str, what: str, strict: bool) -> list[str]:
    if not count:
        return []
    if strict:
        raise BadInput(f"{name}: {count} {what} (first: {first}); delete the repeats")
    return [f"{name}: {count} {what} (first: {first}); the last one counts"]


def _order_classes(answers: Answers, keep_unused: bool = False) -> Answers:
    used = range(len(answers.classes)) if keep_unused else np.unique(answers.label).tolist()
    classes = order_classes(answers.classes[i] for i in used)
    position = {label: i for i, label in enumerate(classes)}
    table = np.array([position.get(label, -1) for label in answers.classes], np.int32)
    return replace(answers, classes=classes, label=table[answers.label])


def _int32(values: array[int]) -> Int32:
    return np.frombuffer(values, np.int32).copy()


# ---------------------------------------------------------------- rows of a file, whatever its format

Row = tuple[int, tuple[str, ...]]  # line number and the wanted columns


def _rows(name: str, columns: tuple[str, ...]) -> Iterator[Row]:
    suffix = name.lower().removesuffix(".gz")
    if Path(name).is_dir():
        raise BadInput(f"{name}: is a directory; name a label file in it ({FORMATS})")
    if name.lower().endswith(".parquet"):
        return _parquet_rows(name, columns)
    if suffix.endswith(".jsonl"):
        return _json_rows(name, columns)
    if suffix.endswith(".csv"):
        return _csv_rows(name, columns)
    raise BadInput(f"{name}: the ending says no known format; use one of {FORMATS}")


def _csv_rows(name: str, columns: tuple[str, ...]) -> Iterator[Row]:
    with _opened(name) as file:
        reader = csv.reader(_lines(name, file), strict=True)
        try:
            header = next(reader, None)
            if header is None:
                raise BadInput(f"{name}: the file is empty; its first line must be {','.join(columns)}")
            pick = itemgetter(*_places(name, header, columns))
            width = len(header)
            for row in reader:
                if len(row) == width:
                    yield reader.line_num, pick(row)
                elif row:
                    problem = f"{len(row)} fields where the header has {width}; quote fields that hold commas"
                    raise _wrong(name, reader.line_num, problem)
        except csv.Error as error:
            problem = f"not readable as CSV ({error}); check the quotes (inside a field, double them)"
            raise _wrong(name, reader.line_num, problem) from None


def _json_rows(name: str, columns: tuple[str, ...]) -> Iterator[Row]:
    with _opened(name) as file:
        line = 0
        for line, text in enumerate(_lines(name, file), 1):
            if text.isspace():
                continue
            try:
                record = json.loads(text)
            except (ValueError, RecursionError) as error:
                raise _wrong(name, line, f"not readable as JSON ({error}); write one object a line") from None
            if not isinstance(record, dict):
                raise _wrong(name, line, "not a JSON object; write one object a line")
            yield line, tuple([_json_text(name, line, record, column) for column in columns])
        if not line:
            raise BadInput(
                f"{name}: the file is empty; write one JSON object a line with the fields {', '.join(columns)}"
            )


def _json_text(name: str, line: int, record: dict[str, Any], column: str) -> str:
    value = record.get(column)
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if column in record:
        raise _wrong(name, line, f"{_show(str(value))} is neither text nor an integer; write it as text", column)
    raise _wrong(name, line, f"the field is missing; the object has {_names(record)}", column)


def _parquet_rows(name: str, columns: tuple[str, ...]) -> Iterator[Row]:
    try:
        import pyarrow as arrow  # noqa: PLC0415 - optional, and slow to import
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError:
        raise BadInput(
            f"{name}: reading Parquet needs pyarrow: pip install crowdproof[parquet], or save as .csv"
        ) from None
    try:
        with parquet.ParquetFile(name) as file:
            _places(name, file.schema_arrow.names, columns)
            row = 0
            for batch in file.iter_batches(batch_size=65_536, columns=list(columns)):
                fields = [_parquet_texts(name, batch.column(column), column, arrow) for column in columns]
                for values in zip(*fields, strict=True):
                    row += 1
                    yield row, values
    except (arrow.ArrowException, OSError) as error:
        raise BadInput(f"{name}: not readable as Parquet ({_first_line(error)}); write it again") from None


def _parquet_texts(name: str, values: Any, column: str, arrow: Any) -> list[str]:
    kind = values.type.value_type if arrow.types.is_dictionary(values.type) else values.type
    if not (arrow.types.is_integer(kind) or arrow.types.is_string(kind) or arrow.types.is_large_string(kind)):
        raise _wrong(name, 0, f"the type is {kind}; store text or integers", column)
    texts = values.cast(arrow.string()).to_pylist()
    return ["" if text is None else text for text in texts]


# ---------------------------------------------------------------- bytes


@contextlib.contextmanager
def _opened(name: str) -> Iterator[BinaryIO | gzip.GzipFile]:
    """The file's bytes, unzipped; trouble while it is open speaks of the file."""
    try:
        with Path(name).open("rb") as file:
            if name.lower().endswith(".gz"):
                with gzip.GzipFile(fileobj=file) as plain:
                    yield plain
            else:
                yield file
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        problem = f"not readable as gzip ({_first_line(error)}); compress it again or drop the ending .gz"
        raise BadInput(f"{name}: {problem}") from None
    except OSError as error:
        raise BadInput(f"{name}: {error.strerror or error}; check the path and its permissions") from None


def _lines(name: str, file: BinaryIO | gzip.GzipFile) -> Iterator[str]:
    """Decoded lines with their ends; holds one line of at most `MAX_LINE_BYTES` and one chunk."""
    rest, first, offset = b"", 1, 0  # bytes of the open line; the number of that line, its place in the file
    while chunk := file.read(CHUNK_BYTES):
        if not offset + len(rest):
            chunk, offset = _unmarked(name, chunk)
        end = chunk.rfind(b"\n") + 1
        block, rest = (rest + chunk[:end], chunk[end:]) if end else (b"", rest + chunk)
        if len(rest) > MAX_LINE_BYTES:
            line = first + block.count(b"\n")
            raise _wrong(
                name, line, f"longer than {MAX_LINE_BYTES:,} bytes; is this a label file, with one answer a line?"
            )
        yield from io.StringIO(_text(name, block, first, offset), newline="\n")
        first += block.count(b"\n")
        offset += len(block)
    yield from io.StringIO(_text(name, rest, first, offset), newline="\n")


def _unmarked(name: str, chunk: bytes) -> tuple[bytes, int]:
    """The first chunk without UTF-8's mark, and the mark's length."""
    if chunk.startswith(b"\x1f\x8b"):
        raise BadInput(f"{name}: is gzip; let its name end in .gz")
    if chunk.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _wrong(name, 1, "UTF-16; save the file as UTF-8")
    return (chunk[3:], 3) if chunk.startswith(b"\xef\xbb\xbf") else (chunk, 0)


def _text(name: str, block: bytes, first: int, offset: int) -> str:
    """Decode a block that begins with line `first` at byte `offset` of the file."""
    try:
        text = block.decode()
    except UnicodeDecodeError as error:
        place, what = error.start, f"not UTF-8: byte 0x{block[error.start]:02x}"
    else:
        if "\0" not in text:
            return text
        place, what = block.index(b"\0"), "NUL byte"
    column = place - block.rfind(b"\n", 0, place)
    line = first + block.count(b"\n", 0, place)
    raise _wrong(
        name, line, f"{what} at byte {column} of the line, {offset + place + 1} of the file; save it as plain UTF-8"
    )


# ---------------------------------------------------------------- saying what is wrong


def _places(name: str, header: Sequence[str], columns: tuple[str, ...]) -> list[int]:
    for column in columns:
        if header.count(column) != 1:
            problem = "stands twice" if column in header else "is missing"
            raise BadInput(
                f"{name}, line 1: the column {column!r} {problem}; found {_names(header)}, needed {', '.join(columns)}"
            )
    return [header.index(column) for column in columns]


def _wrong(name: str, line: int, problem: str, column: str | None = None) -> BadInput:
    place = f"{name}, line {line}" if line else name
    return BadInput(f"{place}, column {column!r}: {problem}" if column else f"{place}: {problem}")


def _names(names: Iterable[str]) -> str:
    shown = [_show(text) for text in names]
    return ", ".join(shown[:8]) + (f" and {len(shown) - 8} more" if len(shown) > 8 else "") if shown else "no column"


def _show(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
