"""What models are measured on: held-out sets and predictions, of CSV files, and as bytes of one form.

    held-out set   task,fold,label[,group]    known labels of tasks on which the model was not trained; `fold` for models by fold
    predictions    task,p:<class>,...         as `infer --proba` writes them; other columns are passed over
    new gold       task,label

A held-out set stands in the order of its tasks, so that the same rows have the same digest in whatever order they came. Whatever
is wrong raises BadInput with file and line: nobody is measured on less, or on other tasks, than the set says.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oracle import labels
from oracle.labels import wrong
from oracle.protocol.errors import BadInput

COLUMNS = ("task", "fold", "label", "group")
PROBABILITY = "p:"  # begins the column of a class
FEWEST = 10  # tasks of a fold: fewer give no interval
SLACK = 1e-3  # by which probabilities of a task may miss 1

Float = NDArray[np.float64]
Int32 = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Ascending by task, each once. `group`: all "" where there are none."""

    task: tuple[str, ...]  # G
    fold: tuple[str, ...]
    label: tuple[str, ...]
    group: tuple[str, ...]

    def data(self) -> bytes:
        out = io.StringIO()
        rows = zip(self.task, self.fold, self.label, self.group, strict=True)
        csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows([COLUMNS, *rows])
        return out.getvalue().encode()

    def gold(self, classes: Sequence[str]) -> Int32:
        """[G] in the order of `classes`, which hold all labels."""
        at = {name: i for i, name in enumerate(classes)}
        return np.array([at[label] for label in self.label], np.int32)


@dataclass(frozen=True, slots=True)
class Predictions:
    """P(class | task) [n, C]; each task once, rows add up to 1."""

    task: tuple[str, ...]
    classes: tuple[str, ...]
    chance: Float


def held_out(data: bytes) -> HeldOut:
    """Of the bytes that `HeldOut.data` made. Raises BadInput for any other."""
    try:
        header, *rows = csv.reader(io.StringIO(data.decode(), newline=""), strict=True)
        found = HeldOut(*zip(*rows, strict=True))
    except (UnicodeDecodeError, csv.Error, TypeError, ValueError):
        raise BadInput("not a held-out set") from None
    if tuple(header) != COLUMNS or list(found.task) != sorted(set(found.task)):
        raise BadInput("not a held-out set in the order of its tasks")
    return found


def read_held_out(file: Path) -> HeldOut:
    columns = COLUMNS if "group" in labels.read_header(file) else COLUMNS[:3]
    rows = []
    for line, row in _each_once(file, columns):
        if not all(row):
            raise wrong(str(file), line, "the field is empty", columns[row.index("")])
        rows.append((*row, "")[:4])
    if not rows:
        raise BadInput(f"{file}: there is a header but no task below it")
    found = HeldOut(*zip(*sorted(rows), strict=True))
    for fold in sorted(set(found.fold)):
        if (count := found.fold.count(fold)) < FEWEST:
            raise BadInput(f"{file}: fold {fold[:40]!r} has {count} tasks; at least {FEWEST}")
    return found


def read_predictions(file: Path, classes: Sequence[str] | None = None) -> Predictions:
    """`classes`: those that the columns must stand for; else they are what the columns say."""
    named = [name.removeprefix(PROBABILITY) for name in labels.read_header(file) if name.startswith(PROBABILITY)]
    if classes is not None and set(named) != set(classes):
        raise BadInput(f"{file}, line 1: columns for {_some(named)}, but the model has the classes {_some(classes)}")
    if len(named) < 2:
        raise BadInput(f"{file}, line 1: a column p:<class> for each of two or more classes is needed")
    order = tuple(classes) if classes is not None else labels.order_classes(named)
    tasks, rows = [], []
    for line, (task, *texts) in _each_once(file, ("task", *(PROBABILITY + name for name in order))):
        tasks.append(task)
        rows.append(_shares(file, line, order, texts))
    if not rows:
        raise BadInput(f"{file}: there is a header but no prediction below it")
    chance = np.array(rows)
    return Predictions(tuple(tasks), order, chance / chance.sum(1, keepdims=True))


def predictions_on(file: Path, held: HeldOut, classes: Sequence[str] | None = None) -> Predictions:
    """Predictions of exactly the tasks of the set, in its order."""
    found = read_predictions(file, classes)
    if strange := sorted(set(held.label) - set(found.classes)):
        raise BadInput(f"{file}, line 1: no column for the class {strange[0][:40]!r} of the held-out set")
    known, at = set(held.task), {task: i for i, task in enumerate(found.task)}
    for line, (task,) in _each_once(file, ("task",)):
        if task not in known:
            raise wrong(str(file), line, f"task {task[:60]!r} is not in the held-out set", "task")
    if missing := [task for task in held.task if task not in at]:
        raise BadInput(f"{file}: no prediction of task {missing[0][:60]!r}, and {len(missing) - 1} more")
    return Predictions(held.task, found.classes, found.chance[[at[task] for task in held.task]])


def read_gold(file: Path, tasks: Collection[str], classes: Sequence[str]) -> dict[str, int]:
    """task -> class, of a file task,label about these tasks."""
    found: dict[str, int] = {}
    for line, (task, label) in _each_once(file, labels.TRUTH_COLUMNS):
        if task not in tasks:
            raise wrong(str(file), line, f"there is no prediction of task {task[:60]!r}", "task")
        if label not in classes:
            raise wrong(str(file), line, f"label {label[:40]!r} is none of {_some(classes)}", "label")
        found[task] = classes.index(label)
    return found


def _each_once(file: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """(line, row), where no task comes twice."""
    seen: set[str] = set()
    for lines, fields in labels.batches(str(file), columns):
        for line, row in zip(lines, zip(*fields, strict=True), strict=True):
            if not row[0] or row[0] in seen:
                raise wrong(
                    str(file), line, f"task {row[0][:60]!r} stood above" if row[0] else "the task is empty", "task"
                )
            seen.add(row[0])
            yield line, row


def _shares(file: Path, line: int, classes: Sequence[str], texts: Sequence[str]) -> list[float]:
    found = []
    for name, text in zip(classes, texts, strict=True):
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not 0 <= value <= 1 + SLACK:
            raise wrong(str(file), line, f"{text[:40]!r} is no probability", PROBABILITY + name)
        found.append(value)
    if abs(sum(found) - 1) > SLACK:
        raise wrong(str(file), line, f"the probabilities add up to {sum(found):.6g}, not 1")
    return found


def _some(names: Sequence[str]) -> str:
    return ", ".join(repr(name[:40]) for name in names[:8]) or "no class"
