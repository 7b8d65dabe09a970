"""`crowdproof bench learn`: what the learned prior does to the decision of record, and whether it would have shipped.

Of each set: the decision without it, with it as it ships (by hidden answers, without gold), and with it forced. Five folds of
tasks, so each task's prior comes from a network that never saw its answers; two seeds. Gold only scores.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle import labels as lb
from oracle.bench.crowds import recorded, texts_file
from oracle.verification import learn as learning
from oracle.verification.embed import read_texts, task_vectors
from oracle.verification.infer import Fit, dawid_skene
from oracle.verification.record import Record, proba, record

SEEDS = (0, 1)
FLOOR = 1e-6


def learned(data: Path, sets: Sequence[str], cache: Path | None) -> dict[str, Any]:
    """Scores of each set with and without the learned prior."""
    return {"folds": learning.FOLDS, "seeds": list(SEEDS), "sets": {name: _set(data / name, cache) for name in sets}}


def text(d: dict[str, Any]) -> str:
    lines = [
        "  set              text   accuracy: without, shipped, forced   log-loss: the same        gain (se) of a hidden answer"
    ]
    for name, one in d["sets"].items():
        for run in one["runs"]:
            ways = [one["without"], run["shipped"], run["forced"]]
            accuracy, loss = ("  ".join(f"{way[what]:.4f}" for way in ways) for what in ("accuracy", "log_loss"))
            lines.append(
                f"  {name:16} {'yes' if one['text'] else 'no':4}   {accuracy}   {loss}   {run['gain']:+.5f} ({run['error']:.5f})"
                f" {'ships' if run['ships'] else 'does not ship'}, {run['seconds']:.0f} s"
            )
    return "\n".join(lines)


def _set(folder: Path, cache: Path | None) -> dict[str, Any]:
    answers, gold = recorded(folder)
    arrays = (answers.task, answers.worker, answers.label)
    sizes = (len(answers.tasks), len(answers.workers), len(answers.classes))
    fit = dawid_skene(*arrays, *sizes)
    base = record(*arrays, *sizes, fit.posterior, fitted=False)
    vectors = _vectors(folder, answers.tasks, cache)
    return {
        "text": vectors is not None,
        "tasks": len(answers.tasks),
        "without": _scored(base, gold),
        "runs": [_run(answers, fit, base, vectors, gold, seed) for seed in SEEDS],
    }


def _run(
    answers: lb.Answers, fit: Fit, base: Record, vectors: NDArray[np.float32] | None, gold: NDArray[np.int32], seed: int
) -> dict[str, Any]:
    begin = time.process_time()
    found = learning.learn(answers.task, answers.worker, answers.label, fit, vectors, seed=seed)
    forced = replace(found, ships=True)
    return {
        "seed": seed,
        "seconds": time.process_time() - begin,
        "gain": found.gain,
        "error": found.error,
        "ships": found.ships,
        "shipped": _scored(learning.with_priors(base, learning.priors(found, base)), gold),
        "forced": _scored(learning.with_priors(base, learning.priors(forced, base)), gold),
    }


def _scored(decided: Record, gold: NDArray[np.int32]) -> dict[str, float]:
    """Over the tasks with gold; log-loss with natural logarithm, probabilities clipped at 1e-6."""
    known = np.flatnonzero(gold >= 0)
    chance = proba(decided.scores)[known, gold[known]]
    return {
        "accuracy": float((decided.labels[known] == gold[known]).mean()),
        "log_loss": float(-np.log(np.maximum(chance, FLOOR)).mean()),
    }


def _vectors(folder: Path, tasks: Sequence[str], cache: Path | None) -> NDArray[np.float32] | None:
    file = texts_file(folder)
    if file is None:
        return None
    texts = read_texts(file)
    return task_vectors([texts.get(task, []) for task in tasks], cache)
