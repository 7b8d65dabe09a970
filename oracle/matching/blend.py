"""The predictor of pairs that ships: a logistic blend of three simple models, each told by others who was right, never by gold.

    ds      sum_c P(z_t = c) theta[i, c, c]
    rasch   a_i - d_t: how able the worker, how hard the task
    mf      a_i - d_t + u_i . v_t, three factors: which tasks suit whom

The weights are learned from what the three say of a part of the answers that they have not seen. `crowdproof bench predict` holds
it against its parts, the base model and the graph network, which ranks a worker's tasks better but is no better calibrated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from oracle.matching import predict
from oracle.matching.predict import Float, Int, Pairs

PARTS = 4
LEAST = 1e-4
FACTORS = 3
STEPS = 150  # of Adam
SINGLES = ("ds", "rasch", "mf")


@dataclass(frozen=True, slots=True)
class Seen:
    """Answers that the model may look at."""

    task: Int
    worker: Int
    label: Int
    sizes: tuple[int, int, int]  # T, K, C

    def where(self, keep: NDArray[np.bool_]) -> Seen:
        return Seen(self.task[keep], self.worker[keep], self.label[keep], self.sizes)

    def fit(self) -> Pairs:
        return predict.fit(self.task, self.worker, self.label, *self.sizes)


@dataclass(frozen=True, slots=True)
class Blend:
    trial: dict[str, Float]  # [N] what each single model says of each answer seen, not having seen its part
    singles: dict[str, Float]  # [E] what each says of the pairs asked
    right: Float  # [E] the blend


def right(seen: Seen, worker: Int, task: Int, *, seed: int = 0) -> Float:
    """P(worker[e] answers task[e] right) [E]."""
    return blend(seen, (worker, task), seed).right


def blend(seen: Seen, pairs: tuple[Int, Int], seed: int) -> Blend:
    """Of the pairs (worker, task), from the answers seen."""
    told = predict.told_by_others(seen.fit(), seen.task, seen.worker, seen.label)
    part = parts(len(seen.task), seed)
    trial = {name: np.empty(len(part)) for name in SINGLES}
    for one in range(PARTS):
        mine = part == one
        for name, chance in singles(seen.where(~mine), (seen.worker[mine], seen.task[mine])).items():
            trial[name][mine] = chance
    found = singles(seen, pairs)
    weights = _logistic(_columns([trial[name] for name in SINGLES]), told)
    return Blend(trial, found, _sigmoid(_columns([found[name] for name in SINGLES]) @ weights))


def parts(answers: int, seed: int) -> Int:
    """[N] which part each answer belongs to."""
    return np.random.default_rng(seed).permutation(answers).astype(np.int64) % PARTS


def singles(seen: Seen, pairs: tuple[Int, Int]) -> dict[str, Float]:
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
    """Weights by Newton's method, drawn a little towards 0."""
    weights = np.zeros(features.shape[1])
    for _ in range(20):
        p = _sigmoid(features @ weights)
        slope = features.T @ (told - p) - weights
        weights = weights + np.linalg.solve(
            (features * (p * (1 - p))[:, None]).T @ features + np.eye(len(weights)), slope
        )
    return weights


def _columns(chances: Sequence[Float]) -> Float:
    """[n, 1 + models] a constant, and each model's logit."""
    return np.column_stack([np.ones(len(chances[0])), *map(logits, chances)])


def logits(chance: Float) -> Float:
    p = np.clip(chance, LEAST, 1 - LEAST)
    found: Float = np.log(p / (1 - p))
    return found


def _sigmoid(x: Float) -> Float:
    found: Float = 1 / (1 + np.exp(-x))
    return found
