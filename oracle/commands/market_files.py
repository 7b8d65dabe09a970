"""A market as files: workers `worker,capacity`, tasks `task,redundancy`, edges `task,worker,value`; assignments and prices back.

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
EDGE_COLUMNS = ("task", "worker", "value")
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


def read_market(workers: Path, tasks: Path, edges: Path) -> Files:
    """Raises BadInput with file, line and column."""
    worker_names, capacity = _read_limits(workers, WORKER_COLUMNS)
    task_names, redundancy = _read_limits(tasks, TASK_COLUMNS)
    task, worker, value = _read_edges(edges, task_names, worker_names)
    return Files(worker_names, task_names, capacity, redundancy, worker, task, value)


def read_pairs(path: Path, market: Files) -> tuple[NDArray[np.int64], str]:
    """The edges that an assignment takes, and what is wrong with it, if something is: a pair that is no edge, or stands twice."""
    number = {pair: e for e, pair in enumerate(zip(market.task.tolist(), market.worker.tolist(), strict=True))}
    taken: dict[int, int] = {}
    for line, (task, worker) in _rows(path, PAIR_COLUMNS):
        edge = number.get((market.tasks.get(task, -1), market.workers.get(worker, -1)))
        if edge is None:
            return _numbers(taken), f"{path}, line {line}: task {task!r} and worker {worker!r} are no edge"
        if edge in taken:
            return _numbers(taken), f"{path}, line {line}: the pair stands in line {taken[edge]} too"
        taken[edge] = line
    return _numbers(taken), ""


def _numbers(taken: dict[int, int]) -> NDArray[np.int64]:
    return np.fromiter(taken, np.int64, len(taken))


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


def _read_edges(path: Path, tasks: Names, workers: Names) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[Any]]:
    table = _arrow(path, EDGE_COLUMNS[:2], EDGE_COLUMNS[2:])
    if table is not None:
        value = table.column("value").to_numpy()
        task, worker = (_codes(table.column(name), known) for name, known in (("task", tasks), ("worker", workers)))
        clean = value.dtype.kind in "iuf" and (not len(value) or -EXACT <= value.min() <= value.max() <= EXACT)
        if clean and not (len(task) and min(task.min(), worker.min()) < 0) and not _twice(task, worker, len(workers)):
            return task, worker, value if value.dtype.kind == "f" else value.astype(np.int64)
    return _edges_by_row(path, tasks, workers)


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
    path: Path, tasks: Names, workers: Names
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[Any]]:
    lines: dict[tuple[int, int], int] = {}
    values: list[int | float] = []
    for line, (task, worker, text) in _rows(path, EDGE_COLUMNS):
        pair = _known(path, line, "task", task, tasks), _known(path, line, "worker", worker, workers)
        if pair in lines:
            raise _wrong(
                path, line, "worker", f"task {task!r} and worker {worker!r} stand in line {lines[pair]} already"
            )
        lines[pair] = line
        values.append(_value(path, line, text))
    ends = np.array(list(lines), np.int32).reshape(-1, 2)
    whole = all(isinstance(value, int) for value in values)
    return ends[:, 0].copy(), ends[:, 1].copy(), np.array(values, np.int64 if whole else np.float64)


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


def _value(path: Path, line: int, text: str) -> int | float:
    number: int | float = math.nan
    with contextlib.suppress(ValueError):
        number = int(text) if _INTEGER.match(text) else float(text)
    if not abs(number) <= EXACT:
        raise _wrong(path, line, "value", f"{text!r} is not a finite number within +-2^53")
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
