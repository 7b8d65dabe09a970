"""`crowdproof replay`: recorded answers bought one by one, by a policy; how good the verdicts are after each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle import labels as lb
from oracle.matching import replay as replaying
from oracle.protocol.errors import BadInput

BELOW = 0.005  # the target: the accuracy with all answers, less this
Float = NDArray[np.float64]


def replay(labels: Path, gold: Path, policy: str, mode: str, budget: int | None, seeds: int) -> dict[str, Any]:
    """The curve of a policy. Gold only scores: the policy sees the labels that it asked for and nothing else."""
    answers, notes = lb.read_answers(labels)
    truth, more = lb.align_truth(answers, lb.read_truth(gold)[0], str(gold))
    if not (truth != lb.NO_TRUTH).any():
        raise BadInput(f"{gold}: it knows no task of {labels}; nothing can be scored")
    sizes = len(answers.tasks), len(answers.workers), len(answers.classes)
    of = replaying.recording(answers.task, answers.worker, answers.label, *sizes)
    found = replaying.replay(of, sizes[2], policy, mode=mode, budget=budget, seeds=seeds)
    right = scored(found, truth)
    full = float(scored(replaying.all_answers(of, sizes[2]), truth)[0, -1])
    return {
        "policy": policy,
        "mode": mode,
        "seeds": seeds,
        "tasks": sizes[0],
        "answers": len(answers.label),
        "full_accuracy": full,
        "target": full - BELOW,
        "curve": curve(found.asked / sizes[0], right),
        **to_target(found.asked / sizes[0], right, full - BELOW),
        "notes": [*notes, *more],
    }


def scored(found: replaying.Replay, truth: NDArray[np.int32]) -> Float:
    """Accuracy [S, P] over the tasks with gold."""
    known = truth != lb.NO_TRUTH
    return np.asarray((found.verdicts[:, :, known] == truth[known]).mean(2))


def curve(each: Float, right: Float) -> list[dict[str, float]]:
    """Mean accuracy by answers a task, and between which the middle 90 % of the seeds lie."""
    low, high = np.quantile(right, (0.05, 0.95), axis=0)
    rows = zip(each.tolist(), right.mean(0).tolist(), low.tolist(), high.tolist(), strict=True)
    return [{"answers_per_task": e, "accuracy": a, "low": b, "high": c} for e, a, b, c in rows]


def to_target(each: Float, right: Float, target: float) -> dict[str, Any]:
    """Answers a task at the first look at which the mean over the seeds reaches the target."""
    there = np.flatnonzero(right.mean(0) >= target - 1e-12)
    return {"answers_to_target": float(each[there[0] if len(there) else -1]), "reached": bool(len(there))}


def text(d: dict[str, Any]) -> str:
    head = f"  {d['policy']}, {d['mode']}, {d['seeds']} seeds: accuracy with all {d['answers']:,} answers {d['full_accuracy']:.4f}"
    points = d["curve"][:: max(1, len(d["curve"]) // 20)]
    lines = [
        f"  {p['answers_per_task']:6.2f} answers a task  {p['accuracy']:.4f}  ({p['low']:.4f} to {p['high']:.4f})"
        for p in points
    ]
    word = "reached" if d["reached"] else "not reached"
    return "\n".join([head, *lines, f"  {d['target']:.4f} is {word} with {d['answers_to_target']:.2f} answers a task"])
