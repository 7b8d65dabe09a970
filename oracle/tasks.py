"""Task files of a requester: what is asked, one task a row.

CSV (also gzipped): a column `task` with the id, any other columns are the payload. JSONL: `{"task": id, "payload": anything}`.
Parquet: columns as in CSV, with their types. A column or field `gold` is no payload: it is the class that is known to be right, or
nothing. Rows -> Tasks, numbered in file order; where some are gold, in an order that says nothing of which (`golden`). Whatever is
wrong is a flaw with its line and remedy: `read_tasks` raises BadInput for the first, `scan` lists them, before anything is funded.
"""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from oracle.protocol.errors import BadInput
from oracle.protocol.gold import share_problem
from oracle.protocol.hashing import keccak
from oracle.protocol.leaves import Task
from oracle.protocol.manifest import Manifest
from oracle.protocol.terms import MAX_LEAF, MAX_TASKS

MAX_LINE = 4 * MAX_LEAF  # characters
MOST_TEXT = 1 << 30  # characters of a file, unpacked
FORMATS = ".csv, .csv.gz, .jsonl, .jsonl.gz, .parquet"


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with a file: of the whole, a line (from 1), or a column of it."""

    row: int | None
    field: str | None
    what: str

    def at(self, name: str) -> str:
        """In a sentence that begins with the file's name."""
        line = "" if self.row is None else f", line {self.row}"
        return f"{name}{line}{'' if self.field is None else f', column {self.field}'}: {self.what}"


@dataclass(frozen=True, slots=True)
class Scan:
    """What could be read, and what not. `rows`: with those that have a flaw; `gold`: what is known, by the task's id."""

    tasks: list[Task]
    flaws: list[Flaw]
    rows: int
    gold: dict[str, str]


Row = tuple[int, str, Any, Any]  # line, id, payload, gold


def read_tasks(path: Path) -> list[Task]:
    """The tasks of a file. Raises BadInput for its first flaw."""
    return read_file(path).tasks


def read_file(path: Path) -> Scan:
    """All of a file, without a flaw. Raises BadInput for its first."""
    try:
        with path.open("rb") as file:
            found = scan(file, path.name, 1)
    except OSError as problem:
        raise BadInput(f"{path}: cannot be read ({problem})") from None
    if found.flaws:
        raise BadInput(found.flaws[0].at(str(path)))
    return found


def golden(
    manifest: Manifest, tasks: Sequence[Task], gold: Mapping[str, str], where: str
) -> tuple[Manifest, list[Task], dict[int, int]]:
    """(the manifest with its share of gold, the tasks, label by task) of a job, some of whose answers are known, by task id.

    The tasks are numbered by the hash of their ids: no place in a file tells which are gold. Raises BadInput for a class that
    there is not, a share that is another than the manifest's, and a payload by whose form alone a worker would know.
    """
    if not gold:
        return manifest, list(tasks), {}
    order = sorted(tasks, key=lambda task: keccak(task.id.encode(errors="surrogatepass")))
    numbered = [replace(task, task=number) for number, task in enumerate(order)]
    classes = {name: label for label, name in enumerate(manifest.classes)}
    if wrong := next((task for task in tasks if gold.get(task.id, manifest.classes[0]) not in classes), None):
        known = ", ".join(manifest.classes[:5])
        raise BadInput(
            f"{where}: gold of task {wrong.id[:80]!r} is {gold[wrong.id][:80]!r}, none of the classes ({known})"
        )
    forms = {_form(task.payload) for task in tasks if task.id not in gold}
    if odd := next((task for task in tasks if task.id in gold and _form(task.payload) not in forms), None):
        what = "has a payload of a form that no task without gold has: workers would know it by that"
        raise BadInput(f"{where}: gold task {odd.id[:80]!r} {what}")
    document = manifest.document
    if not document["goldShare"]:
        document = document | {"goldShare": len(gold) / len(tasks)}
    if what := share_problem(len(gold), len(tasks), document["goldShare"]):
        raise BadInput(f"{where}: goldShare: {what}")
    return (
        replace(manifest, document=document),
        numbered,
        {t.task: classes[gold[t.id]] for t in numbered if t.id in gold},
    )


def _form(payload: Any) -> Any:
    return tuple(sorted(payload)) if isinstance(payload, dict) else type(payload).__name__


def scan(file: BinaryIO, name: str, most: int) -> Scan:
    """Every row of a file, whose name says its form; up to `most` flaws. Where the form itself breaks, reading ends."""
    tasks: list[Task] = []
    flaws: list[Flaw] = []
    gold: dict[str, str] = {}
    seen: dict[str, int] = {}
    rows = 0
    try:
        for row in _reader(name)(file):
            rows += 1
            flaw = row if isinstance(row, Flaw) else _flaw_of(row, seen, len(tasks))
            if flaw is None and not isinstance(row, Flaw):
                tasks.append(Task(len(tasks), row[1], row[2]))
                gold |= {row[1]: row[3]} if row[3] else {}
                continue
            flaws += [flaw] if flaw else []
            if len(flaws) >= most:
                break
    except UnicodeDecodeError:
        flaws.append(Flaw(None, None, f"not UTF-8 after task {len(tasks)}; save it as UTF-8"))
    except (OSError, EOFError, zlib.error) as problem:
        flaws.append(Flaw(None, None, f"cannot be read ({problem})"))
    if not tasks and not flaws:
        flaws.append(Flaw(None, None, "there is no task in it"))
    return Scan(tasks, flaws, rows, gold)


def _flaw_of(row: Row, seen: dict[str, int], known: int) -> Flaw | None:
    line, name, _, label = row
    if not name:
        return Flaw(line, "task", "the id is empty")
    if not isinstance(label, str | None):
        return Flaw(line, "gold", "it is the text of a class, or nothing")
    if (first := seen.setdefault(name, line)) != line:
        return Flaw(line, "task", f"{name[:80]!r} stands in line {first} too")
    return Flaw(line, None, f"a job has at most {MAX_TASKS:,} tasks") if known >= MAX_TASKS else None


def _reader(name: str) -> Callable[[BinaryIO], Iterator[Row | Flaw]]:
    plain = name.lower().removesuffix(".gz")
    packed = plain != name.lower()
    if plain.endswith(".csv"):
        return lambda file: _text(_csv, file, packed)
    if plain.endswith(".jsonl"):
        return lambda file: _text(_jsonl, file, packed)
    if name.lower().endswith(".parquet"):
        return _parquet
    return lambda _: iter([Flaw(None, None, f"the ending says no known format; use one of {FORMATS}")])


def _text(rows: Callable[[TextIO], Iterator[Row | Flaw]], file: BinaryIO, packed: bool) -> Iterator[Row | Flaw]:
    with io.TextIOWrapper(gzip.open(file) if packed else file, encoding="utf-8-sig", newline="") as text:
        yield from rows(text)


def _lines(file: TextIO) -> Iterator[str]:
    number = total = 0
    while line := file.readline(MAX_LINE + 1):
        number, total = number + 1, total + len(line)
        if len(line) > MAX_LINE:
            raise _Broken(Flaw(number, None, f"longer than {MAX_LINE:,} characters"))
        if total > MOST_TEXT:
            raise _Broken(Flaw(number, None, f"the file is longer than {MOST_TEXT:,} characters"))
        yield line


class _Broken(Exception):
    def __init__(self, flaw: Flaw) -> None:
        super().__init__(flaw.what)
        self.flaw = flaw


def _csv(file: TextIO) -> Iterator[Row | Flaw]:
    reader = csv.reader(_lines(file), strict=True)
    try:
        header = next(reader, None)
        if not header or header.count("task") != 1:
            yield Flaw(1, None, "the header needs one column `task`")
            return
        if header.count("gold") > 1:
            yield Flaw(1, None, "the header has more than one column `gold`")
            return
        for row in reader:
            if row and len(row) != len(header):
                yield Flaw(reader.line_num, None, f"{len(row)} fields where the header has {len(header)}")
            elif row:
                payload = dict(zip(header, row, strict=True))
                name, known = payload.pop("task"), payload.pop("gold", None)
                yield reader.line_num, name, payload or None, known
    except csv.Error as problem:
        yield Flaw(reader.line_num, None, f"not readable as CSV ({problem})")
    except _Broken as broken:
        yield broken.flaw


def _jsonl(file: TextIO) -> Iterator[Row | Flaw]:
    try:
        for number, line in enumerate(_lines(file), 1):
            if line.strip():
                yield _json_row(number, line)
    except _Broken as broken:
        yield broken.flaw


def _json_row(number: int, line: str) -> Row | Flaw:
    try:
        row = json.loads(line, parse_constant=_refuse)
    except json.JSONDecodeError as problem:
        return Flaw(number, str(problem.colno), f"not JSON: {problem.msg}")
    except (ValueError, RecursionError) as problem:
        return Flaw(number, None, f"not JSON: {problem}")
    if (
        not isinstance(row, dict)
        or not isinstance(row.get("task"), str)
        or not row.keys() <= {"task", "payload", "gold"}
    ):
        return Flaw(
            number, None, 'a row is {"task": "an id", "payload": anything}, and "gold": "a class" where that is known'
        )
    return number, row["task"], row.get("payload"), row.get("gold")


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def _parquet(file: BinaryIO) -> Iterator[Row | Flaw]:
    try:
        import pyarrow  # noqa: PLC0415 - heavy, and few need it
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError:
        yield Flaw(None, None, "reading Parquet needs the extra `parquet`: pip install crowdproof[parquet]")
        return
    try:
        opened = parquet.ParquetFile(io.BytesIO(file.read()))
        names = opened.schema_arrow.names
        groups = (opened.metadata.row_group(i) for i in range(opened.metadata.num_row_groups))
        size = sum(group.total_byte_size for group in groups)
        if names.count("task") != 1 or not pyarrow.types.is_string(opened.schema_arrow.field("task").type):
            yield Flaw(None, "task", "the file needs one column `task`, of strings")
            return
        if opened.metadata.num_rows > MAX_TASKS or size > MOST_TEXT:
            yield Flaw(None, None, f"a job has at most {MAX_TASKS:,} tasks, and {MOST_TEXT:,} bytes of them")
            return
        number = 0
        for batch in opened.iter_batches(1_000):
            for row in batch.to_pylist():
                number += 1
                name, known = row.pop("task"), row.pop("gold", None)
                yield (
                    (number, name, row or None, known) if name is not None else Flaw(number, "task", "the id is empty")
                )
    except (pyarrow.ArrowException, OSError, ValueError) as problem:
        yield Flaw(None, None, f"not readable as Parquet ({str(problem)[:200]})")
