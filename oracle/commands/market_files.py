"""A market as files: workers `worker,capacity`, tasks `task,redundancy`, edges `task,worker,value`; what comes back.

CSV, JSONL (both also gzipped) or Parquet; ids are opaque strings. With pyarrow whole columns are read at once; whatever it cannot
read cleanly, and everything where it is missing, is read row by row, so that a fault is told with file, line and column.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle import labels as lb
from oracle.protocol.errors import BadInput

EXACT = 1 << 53
WORKER_COLUMNS = ("worker", "capacity")
TASK_COLUMNS = ("task", "redundancy")
VALUE = ("value",)
TERMS = ("loss", "money", "time")  # value = loss - money - time: what the answer saves of expected loss, what it costs
PAIR_COLUMNS = ("task", "worker")
PRICE_COLUMNS = ("worker", "price")
_INTEGER = re.compile(r"[+-]?[0-9]{1,40}\Z")

Names = dict[str, int]


@dataclass(frozen=True, slots=True)
class Files:
    """K workers, T tasks, E edges, numbered in file order."""

    workers: Names
    tasks: Names
    capacity: NDArray[np.int64]  # [K]
    redundancy: NDArray[np.int64]  # [T]
    worker: NDArray[np.int32]  # [E]
    task: NDArray[np.int32]  # [E]
    value: NDArray[Any]  # [E] int64 if all are integers, else float64
    terms: dict[str, NDArray[Any]]  # [E] each, what the value is made of


def read_market(workers: Path, tasks: Path, edges: Path, terms: bool = False) -> Files:
    """Edges have `value`, or with `terms` the columns `loss,money,time`. Raises BadInput with file, line and column."""
    worker_names, capacity = _read_limits(workers, WORKER_COLUMNS)
    task_names, redundancy = _read_limits(tasks, TASK_COLUMNS)
    names = TERMS if terms else VALUE
    task, worker, numbers = _read_edges(edges, names, task_names, worker_names)
    value = numbers[0] - numbers[1] - numbers[2] if terms else numbers[0]
    return Files(
        worker_names, task_names, capacity, redundancy, worker, task, value, dict(zip(names, numbers, strict=True))
    )


def read_pairs(path: Path, market: Files) -> tuple[NDArray[np.int64], str]:
    """The edges that an assignment takes, and what is wrong with it, if something is: a pair that is no edge, or stands twice."""
    lines: list[int] = []
    table = _arrow(path, PAIR_COLUMNS, ())
    if table is not None:
        task, worker = _codes(table.column("task"), market.tasks), _codes(table.column("worker"), market.workers)
    else:
        rows = [
            (line, market.tasks.get(t, -1), market.workers.get(w, -1)) for line, (t, w) in _rows(path, PAIR_COLUMNS)
        ]
        lines, task, worker = map(list, zip(*rows, strict=True)) if rows else ([], [], [])  # type: ignore[assignment]
    width = len(market.workers)
    known = market.task.astype(np.int64) * width + market.worker  # [E]
    order = np.argsort(known, kind="stable")
    task, worker = np.asarray(task, np.int64), np.asarray(worker, np.int64)
    wanted = np.where((task < 0) | (worker < 0), -1, task * width + worker)
    at = np.minimum(np.searchsorted(known, wanted, sorter=order), max(0, len(known) - 1))
    edges = order[at] if len(known) else np.zeros(len(wanted), np.int64)
    strange = np.flatnonzero(known[edges] != wanted) if len(known) else np.arange(len(wanted))
    first = np.unique(edges, return_index=True)[1]
    again = np.setdiff1d(np.arange(len(edges)), first)
    for faults, what in ((strange, "the task and the worker are no edge"), (again, "the pair stands above too")):
        if len(faults):
            line = lines[faults[0]] if lines else int(faults[0]) + 2
            return edges, f"{path}, line {line}: {what}"
    return edges, ""


def read_prices(path: Path, market: Files) -> tuple[NDArray[np.float64], str]:
    """A price for each worker, and what is wrong with them, if something is. A price that is no number at all raises BadInput."""
    price = np.full(len(market.workers), np.nan)
    for line, (worker, text) in _rows(path, PRICE_COLUMNS):
        at = market.workers.get(worker)
        if at is None:
            return price, f"{path}, line {line}: no worker {worker!r}"
        if not math.isnan(price[at]):
            return price, f"{path}, line {line}: worker {worker!r} has a price already"
        try:
            price[at] = float(text)
        except ValueError:
            raise _wrong(path, line, "price", f"{text!r} is no number") from None
        if not (math.isfinite(price[at]) and price[at] >= 0):
            return price, f"{path}, line {line}: price {text} is not a number of at least 0"
    missing = np.flatnonzero(np.isnan(price))
    if len(missing):
        return price, f"{path}: worker {list(market.workers)[missing[0]]!r} has no price"
    return price, ""


def write_pairs(path: Path, market: Files, chosen: NDArray[np.bool_]) -> None:
    tasks, workers = np.array(list(market.tasks), object), np.array(list(market.workers), object)
    lb.write_rows(
        path,
        PAIR_COLUMNS,
        zip(tasks[market.task[chosen]].tolist(), workers[market.worker[chosen]].tolist(), strict=True),
    )


def write_prices(path: Path, market: Files, price: NDArray[np.float64]) -> None:
    lb.write_rows(path, PRICE_COLUMNS, zip(market.workers, map(repr, price.tolist()), strict=True))


# ---------------------------------------------------------------------- whole columns


def _read_limits(path: Path, columns: tuple[str, str]) -> tuple[Names, NDArray[np.int64]]:
    table = _arrow(path, columns[:1], columns[1:])
    if table is not None:
        names = table.column(columns[0]).to_pylist()
        numbers = table.column(columns[1]).to_numpy()
        known = {name: i for i, name in enumerate(names)}
        if (
            len(known) == len(names)
            and names
            and "" not in known
            and numbers.dtype.kind in "iu"
            and (numbers >= 0).all()
        ):
            return known, numbers.astype(np.int64)
    return _limits_by_row(path, columns)


def _read_edges(
    path: Path, names: tuple[str, ...], tasks: Names, workers: Names
) -> tuple[NDArray[np.int32], NDArray[np.int32], list[NDArray[Any]]]:
    table = _arrow(path, PAIR_COLUMNS, names)
    if table is not None:
        numbers = [table.column(name).to_numpy() for name in names]
        task, worker = (_codes(table.column(name), known) for name, known in (("task", tasks), ("worker", workers)))
        known = not len(task) or min(task.min(), worker.min()) >= 0
        if known and all(map(_clean, numbers)) and not _twice(task, worker, len(workers)):
            return task, worker, [one if one.dtype.kind == "f" else one.astype(np.int64) for one in numbers]
    return _edges_by_row(path, names, tasks, workers)


def _clean(numbers: NDArray[Any]) -> bool:
    return numbers.dtype.kind in "iuf" and (not len(numbers) or bool(-EXACT <= numbers.min() <= numbers.max() <= EXACT))


def _codes(column: Any, known: Names) -> NDArray[np.int32]:
    """The numbers of the names; -1 where unknown."""
    encoded = column.dictionary_encode().unify_dictionaries()
    names = encoded.chunk(0).dictionary.to_pylist() if encoded.num_chunks else []
    table = np.array([known.get(name, -1) for name in names], np.int32)
    codes = [table[chunk.indices.to_numpy()] for chunk in encoded.chunks]
    return np.concatenate(codes) if codes else np.zeros(0, np.int32)


def _twice(task: NDArray[np.int32], worker: NDArray[np.int32], workers: int) -> bool:
    key = task.astype(np.int64) * workers + worker
    if (key[1:] > key[:-1]).all():
        return False
    key.sort()
    return bool((key[1:] == key[:-1]).any())


def _arrow(path: Path, ids: tuple[str, ...], numbers: tuple[str, ...]) -> Any:
    """The columns as a table without nulls, ids as text; None where pyarrow is missing or finds anything odd."""
    try:
        import pyarrow as arrow  # noqa: PLC0415 - optional, and slow to import
        from pyarrow import csv, parquet  # noqa: PLC0415
    except ImportError:
        return None
    name = os.fspath(path).lower()
    try:
        if name.endswith(".parquet"):
            table = parquet.read_table(path, columns=[*ids, *numbers])
            if not all(
                arrow.types.is_integer(t) or arrow.types.is_string(t) for t in (table.schema.field(i).type for i in ids)
            ):
                return None
            for at in ids:
                table = table.set_column(table.schema.get_field_index(at), at, table.column(at).cast(arrow.string()))
        elif name.removesuffix(".gz").endswith(".csv"):
            convert = csv.ConvertOptions(
                column_types=dict.fromkeys(ids, arrow.string()), include_columns=[*ids, *numbers], null_values=[]
            )
            table = csv.read_csv(path, convert_options=convert)
        else:
            return None
    except (arrow.ArrowException, OSError, ValueError):
        return None
    return None if any(column.null_count for column in table.columns) else table


# ---------------------------------------------------------------------- row by row


def _limits_by_row(path: Path, columns: tuple[str, str]) -> tuple[Names, NDArray[np.int64]]:
    names: Names = {}
    limits: list[int] = []
    for line, (name, text) in _rows(path, columns):
        _id(path, line, columns[0], name)
        if name in names:
            raise _wrong(path, line, columns[0], f"{name!r} stands above already; give every {columns[0]} one row")
        if not _INTEGER.match(text) or int(text) < 0:
            raise _wrong(path, line, columns[1], f"{text!r} is no whole number of at least 0")
        names[name] = len(names)
        limits.append(min(int(text), EXACT))
    if not names:
        raise BadInput(f"{path}: there is a header but nothing below it; write one row for each {columns[0]}")
    return names, np.array(limits, np.int64)


def _edges_by_row(
    path: Path, names: tuple[str, ...], tasks: Names, workers: Names
) -> tuple[NDArray[np.int32], NDArray[np.int32], list[NDArray[Any]]]:
    lines: dict[tuple[int, int], int] = {}
    columns: list[list[int | float]] = [[] for _ in names]
    for line, (task, worker, *texts) in _rows(path, (*PAIR_COLUMNS, *names)):
        pair = _known(path, line, "task", task, tasks), _known(path, line, "worker", worker, workers)
        if pair in lines:
            problem = f"task {task!r} and worker {worker!r} stand in line {lines[pair]} already"
            raise _wrong(path, line, "worker", problem)
        lines[pair] = line
        for column, name, text in zip(columns, names, texts, strict=True):
            column.append(_number(path, line, name, text))
    ends = np.array(list(lines), np.int32).reshape(-1, 2)
    numbers = [np.array(one, np.int64 if all(isinstance(n, int) for n in one) else np.float64) for one in columns]
    return ends[:, 0].copy(), ends[:, 1].copy(), numbers


def _known(path: Path, line: int, column: str, name: str, known: Names) -> int:
    _id(path, line, column, name)
    if name not in known:
        raise _wrong(
            path, line, column, f"no {column} {name!r} in the file of {column}s; add it there or drop the edge"
        )
    return known[name]


def _id(path: Path, line: int, column: str, name: str) -> None:
    if not name:
        raise _wrong(path, line, column, f"the {column} is empty; give it a value or delete the row")


def _number(path: Path, line: int, column: str, text: str) -> int | float:
    number: int | float = math.nan
    with contextlib.suppress(ValueError):
        number = int(text) if _INTEGER.match(text) else float(text)
    if not abs(number) <= EXACT:
        raise _wrong(path, line, column, f"{text!r} is not a finite number within +-2^53")
    return number


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, Sequence[str]]]:
    if os.fspath(path).lower().endswith(".parquet"):
        return _parquet_rows(path, columns)
    return (
        (line, row)
        for lines, fields in lb.batches(os.fspath(path), columns)
        for line, row in zip(lines, zip(*fields, strict=True), strict=True)
    )


def _parquet_rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, Sequence[str]]]:
    try:
        import pyarrow as arrow  # noqa: PLC0415
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError:
        raise BadInput(
            f"{path}: reading Parquet needs pyarrow: pip install crowdproof[parquet], or save as .csv"
        ) from None
    try:
        table = parquet.read_table(path)
    except (arrow.ArrowException, OSError) as error:
        raise BadInput(f"{path}: not readable as Parquet ({str(error).splitlines()[0]}); write it again") from None
    missing = [column for column in columns if column not in table.column_names]
    if missing:
        raise BadInput(
            f"{path}: no column {missing[0]!r} among {', '.join(table.column_names)}; name the columns {', '.join(columns)}"
        )
    texts = [["" if v is None else str(v) for v in table.column(column).to_pylist()] for column in columns]
    return enumerate(zip(*texts, strict=True), 1)


def _wrong(path: Path, line: int, column: str, problem: str) -> BadInput:
    return lb.wrong(os.fspath(path), line, problem, column)
