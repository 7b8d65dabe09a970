"""`crowdproof bench predict`: will this worker answer this task right? On answers that were held out, beside the usual models.

Five folds of a set's answers, for each seed. Every model learns from the other four folds alone; where it needs to know who
was right, it is told how likely that is by all others at the task (leave-one-out posteriors), never gold. Gold scores: log-loss
over the held-out answers with a known truth, and the AUC within a worker (which of the tasks suit him), by the pairs it ranks.

    ds      sum_c P(z_t = c) theta[i, c, c]                              rasch   a_i - d_t
    mf      a_i - d_t + u_i . v_t, three factors                         blend   logistic, of those three
    base    as ds, where a task may be hard (oracle.matching.predict)    gnn     a graph network's residual on base
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle import labels as lb
from oracle.bench.crowds import recorded
from oracle.matching import blend as blending
from oracle.matching import gnn, predict
from oracle.matching.blend import Seen
from oracle.verification import scores
from oracle.verification.embed import one_thread

FOLDS = 5
RIVALS = ("ds", "rasch", "mf", "blend")
LEAST = 1e-6
Float = NDArray[np.float64]
Int = NDArray[np.int64]


def predictions(data: Path, sets: Sequence[str], seeds: int) -> dict[str, Any]:
    """Scores of each model on each set of a folder: SET/labels.csv and SET/truth.csv."""
    with one_thread():
        found = {name: _set(data / name, seeds) for name in sets}
    return {"folds": FOLDS, "seeds": seeds, "sets": found, **_wins(found)}


def _set(folder: Path, seeds: int) -> dict[str, Any]:
    answers, truth = recorded(folder)
    began = time.process_time()
    runs = [_scored(answers, truth, held_out(answers, seed)) for seed in range(seeds)]
    print(f"{folder.name}: {time.process_time() - began:.0f} CPU s", file=sys.stderr, flush=True)
    return {
        name: {measure: float(np.mean([run[name][measure] for run in runs])) for measure in runs[0][name]}
        for name in runs[0]
    }


def held_out(answers: lb.Answers, seed: int) -> dict[str, Float]:
    """What each model says of each answer [N] when it has not seen it."""
    luck = np.random.default_rng(seed)
    fold = luck.permutation(len(answers.label)) % FOLDS
    sizes = len(answers.tasks), len(answers.workers), len(answers.classes)
    task, worker, label = (column.astype(np.int64) for column in (answers.task, answers.worker, answers.label))
    everything = Seen(task, worker, label, sizes)
    said: dict[str, Float] = {}
    for one in range(FOLDS):
        hidden = fold == one
        pairs = everything.worker[hidden], everything.task[hidden]
        for name, chance in models(everything.where(~hidden), pairs, seed).items():
            said.setdefault(name, np.empty(len(fold)))[hidden] = chance
    return said


def models(seen: Seen, pairs: tuple[Int, Int], seed: int) -> dict[str, Float]:
    """P(right) [E] of the pairs (worker, task), by every model, from the answers seen."""
    found = blending.blend(seen, pairs, seed)
    extras = [chance for name in blending.SINGLES for chance in (found.trial[name], found.singles[name])]
    network = gnn.right(seen, *pairs, extras, seed=seed)
    return {**found.singles, "blend": found.right, "base": predict.right(seen.fit(), *pairs), "gnn": network}


# ---------------------------------------------------------------------- scores


def _scored(answers: lb.Answers, truth: NDArray[np.int32], said: Mapping[str, Float]) -> dict[str, dict[str, float]]:
    known = np.flatnonzero(truth[answers.task] != lb.NO_TRUTH)
    right = answers.label[known] == truth[answers.task[known]]
    return {
        name: {"log_loss": log_loss(right, chance[known]), "auc": within(answers.worker[known], right, chance[known])}
        for name, chance in said.items()
    }


def log_loss(right: NDArray[np.bool_], chance: Float) -> float:
    p = np.clip(chance, LEAST, 1 - LEAST)
    return float(-np.where(right, np.log(p), np.log1p(-p)).mean())


def within(worker: NDArray[np.int32], right: NDArray[np.bool_], chance: Float) -> float:
    """The share of pairs (a right answer, a wrong one) of one worker that are ranked so; a tie counts half."""
    ranked = pairs = 0.0
    for one in np.unique(worker):
        mine = worker == one
        won, there = scores.ranked(chance[mine], right[mine])
        ranked, pairs = ranked + won, pairs + there
    return ranked / pairs if pairs else 0.5


def _wins(sets: Mapping[str, Any]) -> dict[str, Any]:
    """Each model of ours against the best rival of each set: log-loss relative to it, AUC less it."""
    found: dict[str, Any] = {}
    for ours in ("base", "gnn"):
        if not all(ours in one for one in sets.values()):
            continue
        gaps = {}
        for name, one in sets.items():
            best = min(RIVALS, key=lambda rival: one[rival]["log_loss"])
            gaps[name] = {
                "best": best,
                "log_loss": one[ours]["log_loss"] / one[best]["log_loss"] - 1,
                "auc": one[ours]["auc"] - one[best]["auc"],
            }
        found[ours] = gaps
    return {"against_best": found}


def text(d: dict[str, Any]) -> str:
    lines = [f"  held-out answers, {d['folds']} folds x {d['seeds']} seeds: log-loss / AUC within a worker"]
    for name, one in d["sets"].items():
        cells = (f"{model} {s['log_loss']:.4f}/{s['auc']:.3f}" for model, s in one.items())
        lines.append(f"  {name:16}" + "  ".join(cells))
    for ours, gaps in d["against_best"].items():
        cells = (
            f"{name} {100 * gap['log_loss']:+.1f} %/{gap['auc']:+.3f} ({gap['best']})" for name, gap in gaps.items()
        )
        lines.append(f"  {ours} less the best of {', '.join(RIVALS)}: " + ", ".join(cells))
    return "\n".join(lines)
