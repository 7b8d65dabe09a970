"""Is a model that owners learn together as good as one of pooled data, what does it say of its records, and what can liars do?

Of each set: workers dealt out to owners of uneven size, a part of the tasks held out, AUC against gold there. Gold only scores:
settings are the plan's defaults. Pooled: the records of all owners in one place, the same steps. Poison: a fifth of the owners send
the opposite of what they learned, as long as the plan lets an update be ("opposite"), or train on turned labels ("flipped").

Membership: models are each trained on a random half of the tasks; a task's votes are likelier under a model that saw it than under
those that did not (Carlini et al. 2022, https://doi.org/10.1109/SP46214.2022.9833649). That difference is the score, and its AUC
over all models and tasks is told.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.bench.crowds import recorded, texts_file
from oracle.commands.federating import deal
from oracle.federated import simulate, train
from oracle.federated.plan import MEDIAN, Plan
from oracle.federated.train import Records
from oracle.labels import Answers
from oracle.protocol.errors import BadInput
from oracle.verification import scores
from oracle.verification.embed import WIDTH, read_texts, task_vectors

HELD_OUT = 0.3
LIARS = 0.2
GROUPS = 5
FLOOR = 1e-9
BOUNDS = {"pooled": 0.01, "private": 0.05, "membership": 0.55, "poison": 0.03}

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Crowd:
    answers: Answers
    vectors: Float32  # [T, E]
    gold: NDArray[np.int32]  # [T]
    of: NDArray[np.int64]  # [N] owner of the answer

    def records(self, tasks: Mask, owner: int | None = None) -> Records:
        """Of an owner, or of all in one place."""
        mine = tasks[self.answers.task] if owner is None else tasks[self.answers.task] & (self.of == owner)
        votes = _votes(self.answers, mine)
        rows = np.flatnonzero(votes.sum(1))
        return Records(self.vectors[rows], votes[rows] / votes[rows].sum(1, keepdims=True))

    def owners(self, tasks: Mask, count: int) -> list[Records]:
        return [self.records(tasks, owner) for owner in range(count)]


def federated(
    data: Path, sets: Sequence[str], owners: int, splits: int, shadows: int, cache: Path | None
) -> dict[str, Any]:
    """`splits`: ways to hold tasks out; `shadows`: models for the attack on membership, an even number."""
    if owners < 2 * GROUPS:
        raise BadInput(f"--owners: {owners}; at least {2 * GROUPS}, or there are no {GROUPS} groups of two")
    found = {name: _set(data / name, owners, splits, shadows, cache) for name in sets}
    return {"owners": owners, "splits": splits, "shadows": shadows, "bounds": BOUNDS, "sets": found} | {
        "ok": all(all(one["met"].values()) for one in found.values())
    }


def text(d: dict[str, Any]) -> str:
    rows = []
    for name, one in d["sets"].items():
        rows += [
            f"  {name}: {d['owners']} owners with {', '.join(map(str, one['records']))} records (noise {one['noise']:.2f} clips)"
        ]
        rows += [f"    {'AUC ' + what:44}{value:.4f}" for what, value in one["auc"].items()]
        rows += [f"    {'membership AUC, ' + what:44}{value:.4f}" for what, value in one["membership"].items()]
        rows += [f"    {'met' if met else 'MISSED':8}{what}" for what, met in one["met"].items()]
        rows += [f"    {one['cpu_s']:.0f} s of CPU", ""]
    return "\n".join(rows)


def _set(folder: Path, owners: int, splits: int, shadows: int, cache: Path | None) -> dict[str, Any]:
    before = time.process_time()
    crowd = _crowd(folder, owners, cache)
    runs = [_split(crowd, owners, seed) for seed in range(splits)]
    auc = {name: float(np.mean([run[name] for run in runs])) for name in runs[0]}
    alone = {name: auc.pop(name) for name in list(auc) if name.startswith("owner")}
    auc = {"best owner alone": max(alone.values()), **auc}
    membership = {
        "no noise": _membership(crowd, replace(_plan(crowd, owners), epsilon=0.0), shadows),
        "epsilon 8": _membership(crowd, _plan(crowd, owners), shadows),
    }
    everything = np.ones(len(crowd.answers.tasks), bool)
    return {
        "records": [len(one) for one in crowd.owners(everything, owners)],
        "noise": train.noise(_plan(crowd, owners)),
        "auc": auc,
        "alone": list(alone.values()),
        "membership": membership,
        "met": _met(auc, membership),
        "cpu_s": time.process_time() - before,
    }


def _met(auc: dict[str, float], membership: dict[str, float]) -> dict[str, bool]:
    worst = min(auc["median of groups, opposite"], auc["median of groups, flipped"])
    return {
        "within 0.01 of pooled": auc["federated"] >= auc["pooled"] - BOUNDS["pooled"],
        "above every owner alone": auc["federated"] > auc["best owner alone"],
        "epsilon 8 within 0.05 of pooled": auc["epsilon 8"] >= auc["pooled"] - BOUNDS["private"],
        "membership at most 0.55 with noise": membership["epsilon 8"] <= BOUNDS["membership"],
        "membership higher without noise": membership["no noise"] > membership["epsilon 8"] + 0.01,
        "liars cost at most 0.03 with the median": worst >= auc["federated"] - BOUNDS["poison"],
        "liars cost more without it": auc["mean, opposite"] < worst,
    }


def _crowd(folder: Path, owners: int, cache: Path | None) -> _Crowd:
    answers, gold = recorded(folder)
    file = texts_file(folder)
    if file is None:
        raise BadInput(f"{folder}: no tasks.csv or tasks.csv.gz there: this needs texts")
    if len(answers.classes) != 2:
        raise BadInput(f"{folder}: {len(answers.classes)} classes; AUC is told for two")
    texts = read_texts(file)
    each = [texts.get(task, []) for task in answers.tasks]
    vectors = task_vectors(each, cache)
    two = any(len(one) > 1 for one in each)
    found = vectors if two else np.ascontiguousarray(vectors[:, :WIDTH])
    return _Crowd(answers, found, gold, deal(answers, owners, 0)[answers.worker])


def _plan(crowd: _Crowd, owners: int) -> Plan:
    members = tuple((i + 1).to_bytes(20, "big") for i in range(owners))
    return Plan(members, crowd.vectors.shape[1])


def _split(crowd: _Crowd, owners: int, seed: int) -> dict[str, float]:
    luck = np.random.default_rng(seed)
    tasks = len(crowd.answers.tasks)
    held = np.zeros(tasks, bool)
    held[luck.permutation(tasks)[: int(tasks * HELD_OUT)]] = True
    private = _plan(crowd, owners)
    plan = replace(private, epsilon=0.0)
    robust = replace(plan, groups=GROUPS, rule=MEDIAN)
    mine = crowd.owners(~held, owners)
    liars = [int(i) for i in luck.permutation(owners)[: round(LIARS * owners)]]
    turned = [Records(one.text, one.share[:, ::-1].copy()) if i in liars else one for i, one in enumerate(mine)]

    def opposite(update: Float, _: int) -> Float:
        length = max(float(np.linalg.norm(update[:-1])), FLOOR)
        return np.append(-update[:-1] * (plan.bound / length), 1.0)

    def scored(model: Float32) -> float:
        rows = np.flatnonzero(held & (crowd.gold >= 0))
        return scores.auc(train.proba(plan, model, crowd.vectors[rows])[:, 1], crowd.gold[rows] == 1)

    bent: dict[str, Any] = {"liars": liars, "bend": opposite}
    models = {
        "pooled": simulate.alone(plan, crowd.records(~held), seed),
        "federated": simulate.plain(plan, mine, seed=seed),
        "epsilon 8": simulate.plain(private, mine, seed=seed),
        "median of groups, no liars": simulate.plain(robust, mine, seed=seed),
        "median of groups, opposite": simulate.plain(robust, mine, seed=seed, **bent),
        "median of groups, flipped": simulate.plain(robust, turned, seed=seed),
        "mean, opposite": simulate.plain(plan, mine, seed=seed, **bent),
        "mean, flipped": simulate.plain(plan, turned, seed=seed),
        **{f"owner {i}": simulate.alone(plan, one, seed) for i, one in enumerate(mine)},
    }
    return {name: scored(model) for name, model in models.items()}


def _membership(crowd: _Crowd, plan: Plan, shadows: int) -> float:
    tasks = len(crowd.answers.tasks)
    luck = np.random.default_rng(0)
    inside = np.zeros((shadows, tasks), bool)
    for pair in range(0, shadows, 2):
        inside[pair] = luck.random(tasks) < 0.5
        inside[pair + 1] = ~inside[pair]
    votes = _votes(crowd.answers, np.ones(len(crowd.answers.task), bool))
    likely = np.zeros((shadows, tasks))
    for m in range(shadows):
        model = simulate.plain(plan, crowd.owners(inside[m], len(plan.members)), seed=m)
        likely[m] = (votes * np.log(train.proba(plan, model, crowd.vectors) + FLOOR)).sum(1)
    gained = np.zeros_like(likely)
    for m in range(shadows):
        out = ~inside & (np.arange(shadows) != m)[:, None]  # [shadows, T]; another half lacks each task
        gained[m] = likely[m] - (likely * out).sum(0) / out.sum(0).clip(min=1)
    return scores.auc(gained.ravel(), inside.ravel())


def _votes(answers: Answers, mine: Mask) -> Float32:
    """[T, C]"""
    found = np.zeros((len(answers.tasks), len(answers.classes)), np.float32)
    np.add.at(found, (answers.task[mine], answers.label[mine]), 1)
    return found
