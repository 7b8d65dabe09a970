"""`crowdproof bench models`: how often the rules of the registry are wrong, on made worlds where the truth is known.

Promotion: a candidate as good as the model in use (both know the truth with noise of one size), and one that is better. Drift: a
world that has not changed, and three that have. Each seed is another world.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.models import drift, measure

FOLDS = 5
Float = NDArray[np.float64]
Int32 = NDArray[np.int32]
DRIFTS: dict[str, dict[str, float]] = {
    "nothing changed": {},
    "inputs shifted": {"shift": 1.5},
    "labels turned": {"turned": 0.4},
    "too sure": {"sure": 4.0},
}


def rules(tasks: int, seeds: int) -> dict[str, Any]:
    """Shares of the seeds. `ok`: no more false alarms and false promotions than the rules allow, by three standard errors."""
    promoted = {name: _share(seeds, _promotes(tasks, noise)) for name, noise in (("equal", 0.5), ("better", 0.1))}
    alarms = {name: _share(seeds, _alarms(tasks, plant)) for name, plant in DRIFTS.items()}
    allowed = {level: level + 3 * float(np.sqrt(level * (1 - level) / seeds)) for level in (0.025, drift.LEVEL)}
    ok = promoted["equal"] <= allowed[0.025] and alarms["nothing changed"] <= allowed[drift.LEVEL]
    return {"tasks": tasks, "seeds": seeds, "promoted": promoted, "alarms": alarms, "ok": ok}


def text(d: dict[str, Any]) -> str:
    rows = [f"  {d['tasks']} held-out tasks, {d['tasks'] // 2} new ones with labels; share of {d['seeds']} worlds"]
    rows += [f"    promoted, {'a candidate that is ' + name:32}{value:.3f}" for name, value in d["promoted"].items()]
    rows += [f"    alarm, {name:35}{value:.3f}" for name, value in d["alarms"].items()]
    return "\n".join(rows)


def _share(seeds: int, happens: Callable[[np.random.Generator], bool]) -> float:
    return float(np.mean([happens(np.random.default_rng(seed)) for seed in range(seeds)]))


def _promotes(tasks: int, noise: float) -> Callable[[np.random.Generator], bool]:
    """The model in use sees the truth's log-odds with noise 0.5, the candidate with `noise`."""
    fold = [str(i % FOLDS) for i in range(tasks)]

    def promotes(luck: np.random.Generator) -> bool:
        score, gold = _world(tasks, luck)
        used, candidate = (_chance(score + size * luck.normal(size=tasks)) for size in (0.5, noise))
        return measure.gain(used, candidate, gold, fold).low > 0

    return promotes


def _alarms(tasks: int, plant: dict[str, float]) -> Callable[[np.random.Generator], bool]:
    def alarms(luck: np.random.Generator) -> bool:
        score, gold = _world(tasks, luck)
        new, truth = _world(tasks // 2, luck, plant.get("shift", 0.0), plant.get("turned", 0.0))
        now = _chance(plant.get("sure", 1.0) * new)
        return any(one.alarms for one in drift.signs(_chance(score), gold, now, now, truth))

    return alarms


def _world(tasks: int, luck: np.random.Generator, shift: float = 0.0, turned: float = 0.0) -> tuple[Float, Int32]:
    """(log-odds of the second class, what is true)"""
    score = 1.5 * luck.normal(size=tasks) + shift
    right = luck.random(tasks) < 1 / (1 + np.exp(-score))
    return score, (right ^ (luck.random(tasks) < turned)).astype(np.int32)


def _chance(score: Float) -> Float:
    yes = 1 / (1 + np.exp(-score))
    return np.stack([1 - yes, yes], 1)
