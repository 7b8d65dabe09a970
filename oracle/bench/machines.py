"""`crowdproof bench machines`: people and models that label the same tasks, and what hearing the models as one voice is worth.

Of each task so many answers of people are kept, at random; the truth is what the majority of the hidden ones says (ties are not
scored). The same people, with the models beside them as if each knew nothing of the others, and as one voice.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle import labels as lb
from oracle.protocol.errors import BadInput
from oracle.verification import judge, scores

KEPT = (1, 2, 3)  # answers of people to a task
Int32 = NDArray[np.int32]
Mask = NDArray[np.bool_]


def machines(folder: Path, prefix: str, seeds: int) -> dict[str, Any]:
    """`prefix`: of the names of workers that are models."""
    answers, _ = lb.read_answers(folder / "labels.csv")
    models = np.array([name.startswith(prefix) for name in answers.workers])
    if models.sum() < 2 or models.all():
        raise BadInput(f"{folder}: workers whose names begin with {prefix!r} must be some, and not all")
    runs = {str(kept): [_run(answers, models, kept, seed) for seed in range(seeds)] for kept in KEPT}
    return {
        "set": folder.name,
        "seeds": seeds,
        "machines": int(models.sum()),
        "kept": {
            kept: {way: {m: float(np.mean([one[way][m] for one in all_])) for m in all_[0][way]} for way in all_[0]}
            for kept, all_ in runs.items()
        },
    }


def _run(answers: lb.Answers, models: Mask, kept: int, seed: int) -> dict[str, dict[str, float]]:
    human = ~models[answers.worker]
    shown = _some(answers.task, human, kept, np.random.default_rng(seed))
    counts = np.zeros((len(answers.tasks), len(answers.classes)), np.int64)
    np.add.at(counts, (answers.task[human & ~shown], answers.label[human & ~shown]), 1)
    truth, top = counts.argmax(1), np.sort(counts, 1)
    scored = top[:, -1] > top[:, -2]
    named = np.flatnonzero(models)
    ways: dict[str, tuple[Mask, NDArray[np.intp]]] = {
        "people": (shown, named[:0]),
        "machines": (~human, named),
        "each a voice": (shown | ~human, named[:0]),
        "one voice": (shown | ~human, named),
    }
    return {way: _scored(answers, of, together, truth, scored) for way, (of, together) in ways.items()}


def _some(task: Int32, human: Mask, kept: int, luck: np.random.Generator) -> Mask:
    """So many answers of people to each task."""
    order = luck.permutation(np.flatnonzero(human))
    order = order[np.argsort(task[order], kind="stable")]
    first = np.searchsorted(task[order], task[order])
    shown = np.zeros(len(task), bool)
    shown[order[np.arange(len(order)) - first < kept]] = True
    return shown


def _scored(
    answers: lb.Answers, of: Mask, together: NDArray[np.intp], truth: NDArray[np.intp], scored: Mask
) -> dict[str, float]:
    sizes = (len(answers.tasks), len(answers.workers), len(answers.classes))
    crowd = judge.crowd(answers.task[of], answers.worker[of], answers.label[of], *sizes)
    posterior = judge.believe(crowd, machines=together).posterior[scored]
    gold = truth[scored].astype(np.int32)
    right = scores.right(posterior, gold)
    return {
        "accuracy": float(right.mean()),
        "log_loss": float(scores.losses(posterior, gold).mean()),
        "ece": scores.calibration_error(posterior.max(1), right),
    }


def text(d: dict[str, Any]) -> str:
    lines = [
        f"{d['set']}: {d['machines']} machines, {d['seeds']} seeds; accuracy, log-loss, ECE against the hidden people"
    ]
    for kept, ways in d["kept"].items():
        for way, one in ways.items():
            lines.append(f"  {kept} of people, {way}: {one['accuracy']:.4f}, {one['log_loss']:.3f}, {one['ece']:.3f}")
    return "\n".join(lines)
