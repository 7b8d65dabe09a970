"""Task files of a requester: what is asked, one task a row.

CSV (also gzipped): a column `task` with the id, any other columns are the payload. JSONL: `{"task": id, "payload": anything}`.
Rows -> Tasks, numbered in file order. Whatever is wrong raises BadInput with file, line, and remedy, before anything is funded.
"""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

from oracle.protocol.errors import BadInput
from oracle.protocol.leaves import Task
from oracle.protocol.terms import MAX_LEAF, MAX_TASKS

MAX_LINE = 4 * MAX_LEAF  # characters
FORMATS = ".csv, .csv.gz, .jsonl, .jsonl.gz"


def read_tasks(path: Path) -> list[Task]:
    """The tasks of a file."""
    read = _reader(path)
    tasks: list[Task] = []
    seen: dict[str, int] = {}
    try:
        with _opened(path) as file:
            for line, name, payload in read(path, file):
                if not name:
                    raise BadInput(f"{path}, line {line}, column task: the id is empty")
                if (first := seen.setdefault(name, line)) != line:
                    raise BadInput(f"{path}, line {line}, column task: {name[:80]!r} stands in line {first} too")
                tasks.append(Task(len(tasks), name, payload))
                if len(tasks) > MAX_TASKS:
                    raise BadInput(f"{path}, line {line}: a job has at most {MAX_TASKS:,} tasks")
    except UnicodeDecodeError:
        raise BadInput(f"{path}: not UTF-8 after task {len(tasks)}; save it as UTF-8") from None
    except (OSError, EOFError, zlib.error) as problem:
        raise BadInput(f"{path}: cannot be read ({problem})") from None
    if not tasks:
        raise BadInput(f"{path}: there is no task in it")
    return tasks


def _reader(path: Path) -> Callable[[Path, TextIO], Iterator[tuple[int, str, Any]]]:
    name = path.name.lower().removesuffix(".gz")
    if name.endswith(".csv"):
        return _csv
    if name.endswith(".jsonl"):
        return _jsonl
    raise BadInput(f"{path}: the ending says no known format; use one of {FORMATS}")


def _opened(path: Path) -> TextIO:
    if path.name.lower().endswith(".gz"):
        return io.TextIOWrapper(gzip.open(path), encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _lines(path: Path, file: TextIO) -> Iterator[str]:
    number = 0
    while line := file.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            raise BadInput(f"{path}, line {number}: longer than {MAX_LINE:,} characters")
        yield line


def _csv(path: Path, file: TextIO) -> Iterator[tuple[int, str, Any]]:
    reader = csv.reader(_lines(path, file), strict=True)
    try:
        header = next(reader, None)
        if not header or header.count("task") != 1:
            raise BadInput(f"{path}, line 1: the header needs one column `task`")
        at = header.index("task")
        for row in reader:
            if row and len(row) != len(header):
                problem = f"{len(row)} fields where the header has {len(header)}"
                raise BadInput(f"{path}, line {reader.line_num}: {problem}")
            if row:
                payload = {name: value for i, (name, value) in enumerate(zip(header, row, strict=True)) if i != at}
                yield reader.line_num, row[at], payload or None
    except csv.Error as problem:
        raise BadInput(f"{path}, line {reader.line_num}: not readable as CSV ({problem})") from None


def _jsonl(path: Path, file: TextIO) -> Iterator[tuple[int, str, Any]]:
    for number, line in enumerate(_lines(path, file), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, parse_constant=_refuse)
        except json.JSONDecodeError as problem:
            raise BadInput(f"{path}, line {number}, column {problem.colno}: not JSON: {problem.msg}") from None
        except (ValueError, RecursionError) as problem:
            raise BadInput(f"{path}, line {number}: not JSON: {problem}") from None
        if not isinstance(row, dict) or not isinstance(row.get("task"), str) or not row.keys() <= {"task", "payload"}:
            raise BadInput(f'{path}, line {number}: a row is {{"task": "an id", "payload": anything}}')
        yield number, row["task"], row.get("payload")


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")
