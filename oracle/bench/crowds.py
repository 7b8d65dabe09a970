"""Crowds of any size for a benchmark: recordings in which every worker gives a hundred answers and most are right."""

import numpy as np

from oracle.demo.recording import Recording
from oracle.labels import Answers

EACH = 100  # answers of a worker: one batch
TASK = 5  # answers of a task
CLASSES = ("no", "yes")
RIGHT = 0.85


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
