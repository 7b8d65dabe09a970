"""`crowdproof bench stop`: how many answers are bought if a task that is sure gets no more, and what that costs in accuracy.

In rounds: every open task asks one more worker, the one whose answer is worth most (or, to compare, any); the engine judges; a task
that is sure (`value.is_sure` at its default level) is closed. Verdicts are the engine's, on what was bought and on everything. Also
how often the verdicts that were sure are right, beside the level. Gold only scores.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle import labels as lb
from oracle.bench.crowds import recorded
from oracle.matching import predict
from oracle.matching.value import LEVEL, is_sure, value
from oracle.verification.engine import infer

TIES = 1e-9  # nats under which two pairs are worth the same
Float = NDArray[np.float64]


def stops(data: Path, sets: Sequence[str], seeds: int) -> dict[str, Any]:
    return {"level": LEVEL, "seeds": seeds, "sets": {name: _set(data / name, seeds) for name in sets}}


def _set(folder: Path, seeds: int) -> dict[str, Any]:
    answers, truth = recorded(folder)
    began = time.process_time()
    everything = np.ones(len(answers.label), bool)
    full = lb.accuracy(judged(answers, everything).argmax(1), truth)
    found: dict[str, Any] = {"answers": len(answers.label), "full_accuracy": full}
    for way, choosing in (("any_worker", False), ("worth_most", True)):
        runs = [_run(answers, truth, choosing, np.random.default_rng(seed)) for seed in range(seeds)]
        found[way] = {measure: float(np.mean([run[measure] for run in runs])) for measure in runs[0]}
    print(f"{folder.name}: {time.process_time() - began:.0f} CPU s", file=sys.stderr, flush=True)
    return found


def _run(answers: lb.Answers, truth: NDArray[np.int32], choosing: bool, luck: np.random.Generator) -> dict[str, float]:
    bought = buy(answers, choosing, luck)
    posterior = judged(answers, bought)
    sure = is_sure(posterior, _counts(answers, bought)) & (truth != lb.NO_TRUTH)
    right = posterior.argmax(1) == truth
    return {
        "bought": float(bought.mean()),
        "accuracy": float(right[truth != lb.NO_TRUTH].mean()),
        "sure": float(sure.mean()),
        "right_where_sure": float(right[sure].mean()) if sure.any() else 1.0,
    }


def buy(answers: lb.Answers, choosing: bool, luck: np.random.Generator) -> NDArray[np.bool_]:
    """Which answers [N] are bought until every task is sure or has no more. Knows no truth."""
    bought = np.zeros(len(answers.label), bool)
    still = np.ones(len(answers.tasks), bool)
    while True:
        left = np.flatnonzero(~bought & still[answers.task])
        if not len(left):
            return bought
        order = np.lexsort((luck.random(len(left)), -_worth(answers, bought, left, choosing), answers.task[left]))
        first = np.diff(answers.task[left[order]], prepend=-1) != 0
        bought[left[order[first]]] = True
        still &= ~is_sure(judged(answers, bought), _counts(answers, bought))


def _worth(answers: lb.Answers, bought: NDArray[np.bool_], left: NDArray[np.intp], choosing: bool) -> Float:
    if not choosing or not bought.any():
        return np.zeros(len(left))
    of = predict.fit(*_bought(answers, bought), *_sizes(answers))
    found: Float = np.round(value(of.posterior, of.confusion, answers.worker[left], answers.task[left]) / TIES)
    return found


def judged(answers: lb.Answers, bought: NDArray[np.bool_]) -> Float:
    """[T, C] the engine's posterior of the answers bought."""
    return infer(*_bought(answers, bought), *_sizes(answers)).posterior


def _bought(answers: lb.Answers, bought: NDArray[np.bool_]) -> tuple[lb.Int32, lb.Int32, lb.Int32]:
    return answers.task[bought], answers.worker[bought], answers.label[bought]


def _counts(answers: lb.Answers, bought: NDArray[np.bool_]) -> NDArray[np.intp]:
    return np.bincount(answers.task[bought], minlength=len(answers.tasks))


def _sizes(answers: lb.Answers) -> tuple[int, int, int]:
    return len(answers.tasks), len(answers.workers), len(answers.classes)


def text(d: dict[str, Any]) -> str:
    lines = [f"  tasks close when their verdict is {d['level']:.0%} sure ({d['seeds']} seeds)"]
    for name, one in d["sets"].items():
        cells = (
            f"{way.replace('_', ' ')}: {found['bought']:.1%} bought, "
            f"{100 * (found['accuracy'] - one['full_accuracy']):+.2f} points, sure ones right {found['right_where_sure']:.3f}"
            for way in ("any_worker", "worth_most")
            if (found := one[way])
        )
        lines.append(f"  {name:16} all {one['full_accuracy']:.4f};  " + ";  ".join(cells))
    return "\n".join(lines)
