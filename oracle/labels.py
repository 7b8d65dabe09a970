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
import math
import os
import re
import tempfile
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import numpy as np
from numpy.typing import NDArray

from oracle.columns import plain_columns
from oracle.protocol.errors import BadInput

MAX_LINE_BYTES = 1 << 20
CHUNK_BYTES = 1 << 18
MAX_ID_BYTES = 1 << 10
MAX_LABEL_BYTES = 1 << 16
MAX_ROWS = 1 << 28
ANSWER_COLUMNS = ("task", "worker", "label")
TRUTH_COLUMNS = ("task", "label")
COUNT_COLUMNS = ("worker", "truth", "label", "count")
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
    elif (plain := _plain_answers(name, (tasks, workers, labels))) is not None:
        return _order_classes(plain), []
    found = _Numbered(name, (tasks, workers, labels))
    for lines, columns in batches(name, ANSWER_COLUMNS):
        found.take(lines, columns)
    if not found.rows:
        raise BadInput(f"{name}: there is a header but no answer below it; write one answer a row as task,worker,label")
    answers = Answers(tuple(tasks), tuple(workers), tuple(labels), *found.columns())
    answers, warnings = _last_counts(answers, found.line, name, strict)
    return (answers if classes is not None else _order_classes(answers)), warnings


def _plain_answers(name: str, ids: tuple[_Ids, ...]) -> Answers | None:
    """A large file in which nothing is odd, column by column; None for any other, which is read anew, line by line."""
    found = plain_columns(name, ANSWER_COLUMNS, MAX_ROWS)
    if found is None or not all(one.clean(texts) for one, (texts, _) in zip(ids, found, strict=True)):
        return None
    (tasks, task), (workers, worker), (labels, label) = found
    answers = Answers(tuple(tasks), tuple(workers), tuple(labels), task, worker, label)
    return None if _repeats(answers) else answers


def _repeats(answers: Answers) -> bool:
    """Whether a worker answered a task twice."""
    key = answers.task.astype(np.int64) * len(answers.workers) + answers.worker  # [N]
    key.sort()
    return bool((key[1:] == key[:-1]).any())


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


def read_counts(path: str | os.PathLike[str]) -> Iterator[tuple[int, str, str, str, float]]:
    """Line, worker, truth, label and count of each row of a file of earlier work; counts are finite numbers."""
    name = os.fspath(path)
    for line, (worker, truth, label, text) in _rows(name, COUNT_COLUMNS):
        try:
            count = float(text)
        except ValueError:
            count = math.nan
        if not math.isfinite(count) or count < 0:
            raise wrong(name, line, f"count {_show(text)} is no number of answers; write 0 or more", "count")
        yield line, worker, truth, label, count


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
    write_whole(path, map(str.encode, _verdict_lines(tasks, classes, labels, confidence, proba)))


def write_rows(path: str | os.PathLike[str], header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a CSV file of texts. It appears whole or not at all."""
    write_whole(path, ((",".join(map(_field, row)) + "\n").encode() for row in itertools.chain((header,), rows)))


def write_whole(path: str | os.PathLike[str], parts: Iterable[bytes]) -> None:
    """Write a file, in place of another of that name. It appears whole or not at all."""
    target = Path(path)
    try:
        handle, scratch = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise BadInput(f"{target}: cannot be written ({error.strerror}); choose another --out") from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines(parts)
        Path(scratch).chmod(0o644)
        Path(scratch).replace(target)
    except OSError as error:
        raise BadInput(f"{target}: cannot be written ({error.strerror}); choose another --out") from None
    finally:
        Path(scratch).unlink(missing_ok=True)


def _verdict_lines(
    tasks: Sequence[str],
    classes: Sequence[str],
    labels: NDArray[np.integer[Any]],
    confidence: Float,
    proba: Float | None,
) -> Iterator[str]:
    names = np.array([_field(name) for name in classes], object)
    more = [] if proba is None else [_field(f"p:{name}") for name in classes]
    yield ",".join(["task", "label", "confidence", *more]) + "\n"
    row = ",".join(["{},{}", *["{:.9g}"] * (1 + len(more))]) + "\n"
    for begin in range(0, len(tasks), ROWS_TOGETHER):
        part = slice(begin, begin + ROWS_TOGETHER)
        numbers = [confidence[part].tolist(), *(proba[part].T.tolist() if proba is not None else ())]
        yield from map(row.format, _fields(tasks[part]), names[labels[part]].tolist(), *numbers)


def number_text(value: float) -> str:
    """Nine significant digits."""
    return f"{value:.9g}"


def _fields(texts: Sequence[str]) -> Sequence[str]:
    return [_field(text) for text in texts] if _QUOTED.search("".join(texts)) else texts


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
            raise wrong(name, line, problem, self.column)
        return self.__missing__(text)

    def numbers(self, texts: Sequence[str]) -> Int32 | None:
        """The numbers of many at once; None if one of those that are new cannot be an id (then `forget` them)."""
        before = len(self)
        found = np.fromiter(map(self.__getitem__, texts), np.int32, len(texts))
        fresh = list(islice(reversed(self), len(self) - before))
        return found if not fresh or self.clean(fresh) else None

    def forget(self, before: int) -> None:
        """Only the first `before` stay."""
        while len(self) > before:
            self.popitem()

    def __missing__(self, text: str) -> int:
        self[text] = len(self)
        return len(self) - 1

    def clean(self, fresh: Sequence[str]) -> bool:
        """Whether none has a problem, for the price of a look at all of them together."""
        together = "".join(fresh)
        short = max(map(len, fresh)) * 4 <= self.most_bytes  # UTF-8 takes at most four bytes a character
        if all(fresh) and short and "\0" not in together and not self.fixed and together.isascii():
            return True
        return not any(map(self._problem, fresh))

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


class _Numbered:
    """The answers of a file as numbers, growing batch by batch."""

    def __init__(self, name: str, ids: tuple[_Ids, ...]) -> None:
        self.name, self.ids, self.rows = name, ids, 0
        self._columns: tuple[array[int], ...] = tuple(array("i") for _ in ids)
        self._runs: list[tuple[int, Sequence[int]]] = []  # rows before these, their line numbers

    def take(self, lines: Sequence[int], columns: Sequence[Sequence[str]]) -> None:
        """All columns at once; row by row where something is wrong, so that the first fault of the file is the one told."""
        before = [len(ids) for ids in self.ids]
        found = [ids.numbers(texts) for ids, texts in zip(self.ids, columns, strict=True)]
        clean = [numbers for numbers in found if numbers is not None]
        if len(clean) < len(found) or self.rows + len(lines) > MAX_ROWS:
            for ids, size in zip(self.ids, before, strict=True):
                ids.forget(size)
            self._one_by_one(lines, columns)
        for column, numbers in zip(self._columns, clean, strict=True):
            column.frombytes(numbers.tobytes())
        self._runs.append((self.rows, lines))
        self.rows += len(lines)

    def _one_by_one(self, lines: Sequence[int], columns: Sequence[Sequence[str]]) -> NoReturn:
        for row, (line, texts) in enumerate(zip(lines, zip(*columns, strict=True), strict=True), self.rows + 1):
            for ids, text in zip(self.ids, texts, strict=True):
                if text not in ids:
                    ids.add(text, self.name, line)
            if row > MAX_ROWS:
                raise wrong(self.name, line, f"more than {MAX_ROWS:,} answers; split the file")
        raise AssertionError("a batch was refused and every row of it taken")

    def columns(self) -> tuple[Int32, Int32, Int32]:
        task, worker, label = (np.frombuffer(column, np.int32) for column in self._columns)
        return task, worker, label

    def line(self, row: int) -> int:
        """The number of the line that holds an answer."""
        first, lines = self._runs[bisect_right(self._runs, row, key=itemgetter(0)) - 1]
        return lines[row - first]


def _take(answers: Answers, keep: NDArray[np.intp]) -> Answers:
    return replace(answers, task=answers.task[keep], worker=answers.worker[keep], label=answers.label[keep])


def _last_counts(answers: Answers, line: Callable[[int], int], name: str, strict: bool) -> tuple[Answers, list[str]]:
    if not _repeats(answers):
        return answers, []
    key = answers.task.astype(np.int64) * len(answers.workers) + answers.worker  # [N]
    order = np.argsort(key, kind="stable")
    again = key[order[1:]] == key[order[:-1]]  # [N-1]: this answer repeats the one sorted before it
    row = int(order[1:][again].min())
    task, worker = answers.tasks[answers.task[row]], answers.workers[answers.worker[row]]
    first = f"line {line(row)}: task {_show(task)}, worker {_show(worker)}"
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
    counts = np.bincount(answers.label, minlength=len(answers.classes))
    used = range(len(answers.classes)) if keep_unused else np.flatnonzero(counts).tolist()
    classes = order_classes(answers.classes[i] for i in used)
    position = {label: i for i, label in enumerate(classes)}
    table = np.array([position.get(label, -1) for label in answers.classes], np.int32)
    return replace(answers, classes=classes, label=table[answers.label])


# ---------------------------------------------------------------- rows of a file, whatever its format


def read_header(path: str | os.PathLike[str]) -> list[str]:
    """The names of the columns of a CSV file, for those who do not know them beforehand. Raises BadInput."""
    name = os.fspath(path)
    if not name.lower().removesuffix(".gz").endswith(".csv"):
        raise BadInput(f"{name}: the columns of a .csv or .csv.gz are needed here")
    with _opened(name) as file:
        try:
            return next(csv.reader(_lines(name, file), strict=True), [])
        except csv.Error as error:
            raise _unreadable(name, 1, error) from None


Row = tuple[int, tuple[str, ...]]  # line number and the wanted columns
Batch = tuple[Sequence[int], Sequence[Sequence[str]]]  # the same of many rows: line numbers, each wanted column
ROWS_TOGETHER = 1 << 13


def _rows(name: str, columns: tuple[str, ...]) -> Iterator[Row]:
    for lines, fields in batches(name, columns):
        yield from zip(lines, zip(*fields, strict=True), strict=True)


def batches(name: str, columns: tuple[str, ...]) -> Iterator[Batch]:
    """The columns' texts, many rows at once, each with its line. Raises BadInput."""
    suffix = name.lower().removesuffix(".gz")
    if Path(name).is_dir():
        raise BadInput(f"{name}: is a directory; name a label file in it ({FORMATS})")
    if name.lower().endswith(".parquet"):
        return _parquet_batches(name, columns)
    if suffix.endswith(".jsonl"):
        return _together(_json_rows(name, columns))
    if suffix.endswith(".csv"):
        return _csv_batches(name, columns)
    raise BadInput(f"{name}: the ending says no known format; use one of {FORMATS}")


def _together(rows: Iterator[Row]) -> Iterator[Batch]:
    """The rows in batches; whatever goes wrong is raised after the rows before it were given out."""
    lines: list[int] = []
    fields: list[tuple[str, ...]] = []
    try:
        for line, row in rows:
            lines.append(line)
            fields.append(row)
            if len(lines) == ROWS_TOGETHER:
                yield lines, list(zip(*fields, strict=True))
                lines, fields = [], []
    except Exception:
        if lines:
            yield lines, list(zip(*fields, strict=True))
        raise
    if lines:
        yield lines, list(zip(*fields, strict=True))


def _csv_batches(name: str, columns: tuple[str, ...]) -> Iterator[Batch]:
    """Blocks of plain lines are split as a whole; csv.reader reads the header's block, and what has quotes, odd ends or faults."""
    with _opened(name) as file:
        feed = _Feed(_blocks(name, file))
        reader = csv.reader(feed, strict=True)
        try:
            header = next(reader, None)
        except csv.Error as error:
            raise _unreadable(name, feed.line, error) from None
        if header is None:
            raise BadInput(f"{name}: the file is empty; its first line must be {','.join(columns)}")
        places, width = _places(name, header, columns), len(header)
        pick = itemgetter(*places) if len(places) > 1 else lambda row: (row[places[0]],)
        while True:
            yield from _together(_csv_rows(name, feed, reader, pick, width))
            while (block := feed.block()) is not None:
                fields = _plain(block, width)
                if fields is None:
                    break
                first, count = feed.line + 1, len(fields) // (width + 1)
                yield range(first, first + count), [fields[place :: width + 1] for place in places]
                feed.skip(count)
            if block is None:
                return


def _csv_rows(
    name: str, feed: _Feed, reader: Iterator[list[str]], pick: Callable[[Sequence[str]], tuple[str, ...]], width: int
) -> Iterator[Row]:
    """Rows until one ends where a block ends."""
    while feed.within:
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise _unreadable(name, feed.line, error) from None
        if row is None:
            return
        if len(row) == width:
            yield feed.line, pick(row)
        elif row:
            problem = f"{len(row)} fields where the header has {width}; quote fields that hold commas"
            raise wrong(name, feed.line, problem)


def _plain(block: str, width: int) -> list[str] | None:
    """The fields of a block of lines, each line's followed by a line feed; None unless csv.reader would find the same.

    It does where there is no quote and no carriage return, and every line has `width` fields, none of them too long for it.
    """
    if '"' in block or "\r" in block:
        return None
    fields = block.replace("\n", ",\n,").split(",")
    if fields.pop():
        return None  # the last line has no end
    lines = block.count("\n")
    if len(fields) != lines * (width + 1) or fields[width :: width + 1].count("\n") != lines:
        return None
    return None if len(block) > csv.field_size_limit() and max(map(len, fields)) > csv.field_size_limit() else fields


def _unreadable(name: str, line: int, error: csv.Error) -> BadInput:
    return wrong(name, line, f"not readable as CSV ({error}); check the quotes (inside a field, double them)")


def _json_rows(name: str, columns: tuple[str, ...]) -> Iterator[Row]:
    with _opened(name) as file:
        line = 0
        for line, text in enumerate(_lines(name, file), 1):
            if text.isspace():
                continue
            try:
                record = json.loads(text)
            except (ValueError, RecursionError) as error:
                raise wrong(name, line, f"not readable as JSON ({error}); write one object a line") from None
            if not isinstance(record, dict):
                raise wrong(name, line, "not a JSON object; write one object a line")
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
        raise wrong(name, line, f"{_show(str(value))} is neither text nor an integer; write it as text", column)
    raise wrong(name, line, f"the field is missing; the object has {_names(record)}", column)


def _parquet_batches(name: str, columns: tuple[str, ...]) -> Iterator[Batch]:
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
                yield range(row + 1, row + 1 + batch.num_rows), fields
                row += batch.num_rows
    except (arrow.ArrowException, OSError) as error:
        raise BadInput(f"{name}: not readable as Parquet ({_first_line(error)}); write it again") from None


def _parquet_texts(name: str, values: Any, column: str, arrow: Any) -> list[str]:
    kind = values.type.value_type if arrow.types.is_dictionary(values.type) else values.type
    if not (arrow.types.is_integer(kind) or arrow.types.is_string(kind) or arrow.types.is_large_string(kind)):
        raise wrong(name, 0, f"the type is {kind}; store text or integers", column)
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


class _Feed:
    """Lines for csv.reader, block by block; knows where it stands, so that a whole block can be taken from under the reader."""

    def __init__(self, blocks: Iterator[str]) -> None:
        self.line = 0  # the number of the line that was given out last
        self.within = True  # whether that line was not its block's last
        self._blocks = blocks
        self._block: str | None = None  # one that was looked at and not begun
        self._lines: Iterator[str] = iter(())
        self._left = 0

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        if not self._left:
            block = self.block()
            if block is None:
                self.within = False
                raise StopIteration
            lines = list(io.StringIO(block, newline="\n"))
            self._lines, self._left, self._block = iter(lines), len(lines), None
        self.line += 1
        self._left -= 1
        self.within = self._left > 0
        return next(self._lines)

    def block(self) -> str | None:
        """The block that comes next, if there is one; the one begun must have been read to its end."""
        if self._block is None:
            self._block = next(self._blocks, None)
        self.within = self._block is not None
        return self._block

    def skip(self, lines: int) -> None:
        """The block that comes next, of so many lines, was read by somebody else."""
        self._block, self.line = None, self.line + lines


def _lines(name: str, file: BinaryIO | gzip.GzipFile) -> Iterator[str]:
    """Decoded lines with their ends."""
    for block in _blocks(name, file):
        yield from io.StringIO(block, newline="\n")


def _blocks(name: str, file: BinaryIO | gzip.GzipFile) -> Iterator[str]:
    """The decoded file in blocks of whole lines; holds one line of at most `MAX_LINE_BYTES` and one chunk."""
    rest, first, offset = b"", 1, 0  # bytes of the open line; the number of that line, its place in the file
    while chunk := file.read(CHUNK_BYTES):
        if not offset + len(rest):
            chunk, offset = _unmarked(name, chunk)
        end = chunk.rfind(b"\n") + 1
        block, rest = (rest + chunk[:end], chunk[end:]) if end else (b"", rest + chunk)
        if len(rest) > MAX_LINE_BYTES:
            line = first + block.count(b"\n")
            raise wrong(
                name, line, f"longer than {MAX_LINE_BYTES:,} bytes; is this a label file, with one answer a line?"
            )
        if block:
            yield _text(name, block, first, offset)
        first += block.count(b"\n")
        offset += len(block)
    if rest:
        yield _text(name, rest, first, offset)


def _unmarked(name: str, chunk: bytes) -> tuple[bytes, int]:
    """The first chunk without UTF-8's mark, and the mark's length."""
    if chunk.startswith(b"\x1f\x8b"):
        raise BadInput(f"{name}: is gzip; let its name end in .gz")
    if chunk.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise wrong(name, 1, "UTF-16; save the file as UTF-8")
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
    raise wrong(
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


def wrong(name: str, line: int, problem: str, column: str | None = None) -> BadInput:
    """The error for a place in a file."""
    place = f"{name}, line {line}" if line else name
    return BadInput(f"{place}, column {column!r}: {problem}" if column else f"{place}: {problem}")


def _names(names: Iterable[str]) -> str:
    shown = [_show(text) for text in names]
    return ", ".join(shown[:8]) + (f" and {len(shown) - 8} more" if len(shown) > 8 else "") if shown else "no column"


def _show(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
