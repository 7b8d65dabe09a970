"""Crowds for a benchmark: recorded ones in folders, and made ones of any size in which most of a hundred answers each are right."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oracle import labels as lb
from oracle.demo.recording import Recording
from oracle.labels import Answers
from oracle.protocol.errors import BadInput

FILES = ("labels.csv", "labels.csv.gz")
TEXTS = ("tasks.csv", "tasks.csv.gz")

EACH = 100  # answers of a worker: one batch
TASK = 5  # answers of a task
CLASSES = ("no", "yes")
RIGHT = 0.85


def recorded(folder: Path) -> tuple[Answers, NDArray[np.int32]]:
    """The answers of a set, and its gold [T] of truth.csv (see oracle.labels). Raises BadInput."""
    file = next((folder / name for name in FILES if (folder / name).is_file()), None)
    if file is None:
        raise BadInput(f"{folder}: no {' or '.join(FILES)} there; --data names the folder of the crowds")
    answers, _ = lb.read_answers(file)
    gold, _ = lb.align_truth(answers, lb.read_truth(folder / "truth.csv")[0])
    return answers, gold


def texts_file(folder: Path) -> Path | None:
    """task,text of a set, where it has texts."""
    return next((folder / name for name in TEXTS if (folder / name).is_file()), None)


def crowd(answers: int) -> Recording:
    """So many answers, a multiple of 500; the same every time."""
    luck = np.random.default_rng(answers)
    task = np.arange(answers) // TASK
    worker = np.arange(answers) % (answers // EACH)
    truth = luck.integers(0, len(CLASSES), answers // TASK)
    label = np.where(luck.random(answers) < RIGHT, truth[task], 1 - truth[task])
    tasks, workers = (tuple(f"{kind}{i}" for i in range(1 + int(of[-1]))) for kind, of in (("t", task), ("w", worker)))
    found = Answers(tasks, workers, CLASSES, task.astype(np.int32), worker.astype(np.int32), label.astype(np.int32))
    rows = zip(worker.tolist(), task.tolist(), label.tolist(), strict=True)
    return Recording(found, {(w, t): one for w, t, one in rows}, None, None)
