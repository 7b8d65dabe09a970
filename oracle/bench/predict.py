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
import torch
from numpy.typing import NDArray

from oracle import labels as lb
from oracle.matching import gnn, predict
from oracle.matching.gnn import Seen
from oracle.protocol.errors import BadInput
from oracle.verification.layout import one_thread

FOLDS = 5
RIVALS = ("ds", "rasch", "mf", "blend")
LEAST = 1e-6
FACTORS = 3
STEPS = 150  # of Adam
Float = NDArray[np.float64]
Int = NDArray[np.int64]


def predictions(data: Path, sets: Sequence[str], seeds: int) -> dict[str, Any]:
    """Scores of each model on each set of a folder: SET/labels.csv and SET/truth.csv."""
    with one_thread():
        found = {name: _set(data / name, seeds) for name in sets}
    return {"folds": FOLDS, "seeds": seeds, "sets": found, **_wins(found)}


def _set(folder: Path, seeds: int) -> dict[str, Any]:
    files = [folder / name for name in ("labels.csv", "labels.csv.gz") if (folder / name).is_file()]
    if not files:
        raise BadInput(f"{folder}: there is no such set; --data names the folder of the crowds")
    answers, _ = lb.read_answers(files[0])
    truth, _ = lb.align_truth(answers, lb.read_truth(folder / "truth.csv")[0])
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
    """P(right) [E] of the pairs (worker, task), by every model, from the answers seen.

    The blend and the network learn from what the single models say of a part of the answers when they have not seen it.
    """
    told = predict.told_by_others(seen.fit(), seen.task, seen.worker, seen.label)
    part = gnn.parts(len(seen.task), seed)
    trial = {name: np.empty(len(part)) for name in RIVALS[:3]}
    for one in range(gnn.PARTS):
        mine = part == one
        for name, chance in _singles(seen.where(~mine), (seen.worker[mine], seen.task[mine])).items():
            trial[name][mine] = chance
    found = _singles(seen, pairs)
    weights = _logistic(_logits([trial[name] for name in RIVALS[:3]]), told)
    found["blend"] = _sigmoid(_with_one(_logits([found[name] for name in RIVALS[:3]])) @ weights)
    found["base"] = predict.right(seen.fit(), *pairs)
    extras = [chance for name in RIVALS[:3] for chance in (trial[name], found[name])]
    found["gnn"] = gnn.right(seen, *pairs, extras, seed=seed)
    return found


def _singles(seen: Seen, pairs: tuple[Int, Int]) -> dict[str, Float]:
    of = seen.fit()
    told = predict.told_by_others(of, seen.task, seen.worker, seen.label)
    posterior = predict.plain_posterior(of, seen.task, seen.worker, seen.label)
    diagonal = np.diagonal(of.confusion, axis1=1, axis2=2)
    return {
        "ds": (posterior[pairs[1]] * diagonal[pairs[0]]).sum(1),
        "rasch": factors(seen, told, pairs, 0),
        "mf": factors(seen, told, pairs, FACTORS),
    }


def factors(seen: Seen, told: Float, pairs: tuple[Int, Int], rank: int) -> Float:
    """sigmoid(m + a_i - d_t + u_i . v_t), by the penalised likelihood of `told`; Rasch (1960) with rank 0."""
    torch.manual_seed(0)
    who, what, target = (torch.from_numpy(column) for column in (seen.worker, seen.task, told))
    sizes = seen.sizes
    tables = [torch.zeros(n, dtype=torch.float64, requires_grad=True) for n in (1, sizes[1], sizes[0])]
    tables += [(0.1 * torch.randn(n, rank, dtype=torch.float64)).requires_grad_() for n in (sizes[1], sizes[0])]
    mean, ability, easy, u, v = tables

    def logit(i: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return mean + ability[i] + easy[t] + (u[i] * v[t]).sum(1)

    optimiser = torch.optim.Adam(tables, lr=0.05)
    for _ in range(STEPS):
        optimiser.zero_grad()
        loss: Any = torch.nn.functional.binary_cross_entropy_with_logits(logit(who, what), target, reduction="sum")
        loss = loss + 0.5 * (ability.square().sum() + easy.square().sum()) + u.square().sum() + v.square().sum()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        found: Float = torch.sigmoid(logit(*map(torch.from_numpy, pairs))).numpy()
    return found


# ---------------------------------------------------------------------- logistic regression


def _logistic(features: Float, told: Float) -> Float:
    """Weights, the constant first, by Newton's method; drawn a little towards 0."""
    x = _with_one(features)
    weights = np.zeros(x.shape[1])
    for _ in range(20):
        p = _sigmoid(x @ weights)
        slope = x.T @ (told - p) - weights
        weights = weights + np.linalg.solve((x * (p * (1 - p))[:, None]).T @ x + np.eye(len(weights)), slope)
    return weights


def _with_one(features: Float) -> Float:
    return np.column_stack([np.ones(len(features)), features])


def _logits(chances: Sequence[Float]) -> Float:
    p = np.clip(np.column_stack(chances), LEAST, 1 - LEAST)
    found: Float = np.log(p / (1 - p))
    return found


def _sigmoid(x: Float) -> Float:
    found: Float = 1 / (1 + np.exp(-x))
    return found


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
        good, bad = chance[mine & right], np.sort(chance[mine & ~right])
        below = (np.searchsorted(bad, good, "left") + np.searchsorted(bad, good, "right")) / 2
        ranked, pairs = ranked + float(below.sum()), pairs + len(good) * len(bad)
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
