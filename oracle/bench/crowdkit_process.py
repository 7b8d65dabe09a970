"""Runs in crowd-kit's own environment, where nothing of ours is installed. See crowdkit.py, which starts it.

usage: fit JOBS.npz FOUND.npz     posteriors of each job by Dawid-Skene and by one-coin Dawid-Skene, default options
       speed JOBS.npz ITERATIONS  CPU seconds of that many iterations of Dawid-Skene, printed as JSON
"""

import json
import resource
import sys
import time
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
from crowdkit.aggregation import DawidSkene, OneCoinDawidSkene

METHODS = {"crowdkit_ds": DawidSkene, "crowdkit_onecoin": OneCoinDawidSkene}


def main(command: str, *arguments: str) -> None:
    {"fit": fit, "speed": speed}[command](*arguments)


def fit(given: str, out: str) -> None:
    found: dict[str, Any] = {}
    failed: dict[int, dict[str, str]] = {}
    with np.load(given) as jobs:
        for i in range(sum(name.endswith("/size") for name in jobs)):
            for name, method in METHODS.items():
                print(f"crowd-kit: job {i}, {name}", file=sys.stderr, flush=True)
                try:
                    found[f"{i}/{name}"] = posterior(method(), table(jobs, i), *jobs[f"{i}/size"][[0, 2]])
                except (ArithmeticError, MemoryError, ValueError, LookupError) as error:
                    failed.setdefault(i, {})[name] = f"{type(error).__name__}: {error}"[:200]
    np.savez(out, about=json.dumps({"failed": failed, **versions()}), **found)


def speed(given: str, iterations: str) -> None:
    with np.load(given) as jobs:
        answers = table(jobs, 0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    fitted = DawidSkene(n_iter=int(iterations), tol=-np.inf).fit(answers)
    seconds = time.process_time() - began
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    done = len(fitted.loss_history_)
    print(json.dumps({"cpu_seconds": seconds, "iterations": done, "grown_mb": grown / 1024, **versions()}))


def table(jobs: Any, i: int) -> pd.DataFrame:
    return pd.DataFrame({name: jobs[f"{i}/{name}"] for name in ("task", "worker", "label")})


def posterior(method: Any, answers: pd.DataFrame, tasks: int, classes: int) -> np.ndarray:
    """[T, C]; a task that crowd-kit says nothing about has no answers and gets the uniform."""
    shares = method.fit_predict_proba(answers).reindex(index=range(tasks), columns=range(classes), fill_value=0.0)
    found = shares.to_numpy(np.float64)
    if wrong := int((~np.isfinite(found)).any(axis=1).sum()):
        raise ValueError(f"{wrong} tasks have no finite posterior")
    return np.where(found.sum(axis=1, keepdims=True) > 0, found, 1 / classes)


def versions() -> dict[str, str]:
    return {name: version(name) for name in ("crowd-kit", "scikit-learn", "pandas", "numpy")}


if __name__ == "__main__":
    main(*sys.argv[1:])
