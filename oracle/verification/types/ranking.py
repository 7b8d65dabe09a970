"""Orders of things, best first: two compared, or many; whole orders or parts of one.

Every answer is read as its pairs (a before b). Worker i says so with probability

    P(a before b) = h_i sigma(s_a - s_b) + (1 - h_i) / 2,      s ~ N(0, 1 / PRIOR),    h_i with a Beta(4, 1) prior

Bradley-Terry scores s and a share h of answers that mean something: who orders by chance has h near 0. A pair of an order of n
items weighs 2 / n, so that an order counts as n - 1 comparisons. Fitted by EM, the scores by Newton steps in each round. Where
`items` is "job" an item is the same in every task, and all tasks speak about its score; by default a task's items are its own.

Confidence: the product over neighbours of P(s_a > s_b), normal about the fit with the curvature there.

Bradley & Terry (1952), https://doi.org/10.1093/biomet/39.3-4.324; workers who guess: Chen et al. (2013),
https://doi.org/10.1145/2433396.2433420; breaking orders into pairs: Azari Soufiani et al. (2013), Generalized method-of-moments
for rank aggregation (NeurIPS); Kendall (1938), https://doi.org/10.1093/biomet/30.1-2.81.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy.sparse import coo_matrix, diags_array
from scipy.sparse.linalg import spsolve
from scipy.special import expit, ndtr

from oracle.protocol.errors import BadInput
from oracle.verification.types.answer import AnswerType, Categorical, Consensus, Float, Given, Ints
from oracle.verification.types.documents import NAME, parsed, written

PRIOR = 0.1  # precision of a score
ITERATIONS = 50
MOST_PAIRS = 1 << 24
MOST_RANKED = 200
_SCHEMA = {"type": "array", "items": NAME, "uniqueItems": True, "minItems": 2, "maxItems": MOST_RANKED}

Order = tuple[str, ...]


def ranking(items: str = "task") -> AnswerType:
    """An order of two or more items. `items`: "task" if a name means something else in each task, "job" if it means the same."""
    return AnswerType(
        name="ranking",
        read=read,
        write=written,
        aggregate=partial(aggregate, shared=items == "job"),
        near=0.0,
        distance=lambda left, right: (1 - (kendall(left, right) or 0.0)) / 2,
        agreement=agreement_of,
        measure="Krippendorff's alpha of the pairs, chance one half (mean Kendall's tau of two answers)",
        score=score,
    )


def read(text: str) -> Order:
    """A JSON list of different items, best first. Raises Unreadable."""
    return tuple(parsed(text, _SCHEMA, '["best","second","third"]'))


def aggregate(given: Given, _: Categorical, shared: bool = False) -> Consensus:
    """One more column, `scores`: of the task's items, as JSON. Quality: h, the share of answers that are no guess."""
    pairs = _pairs(given, shared)
    score, sharp, quality = _fit(pairs, given.workers)
    values: list[Order | None] = []
    confidence = np.zeros(given.tasks)
    scores = []
    for task, names in enumerate(pairs.items_of):
        order = sorted(names, key=lambda name: (-score[names[name]], name.encode()))
        places = np.array([names[name] for name in order], np.int64)
        gap, error = -np.diff(score[places]), np.sqrt(1 / sharp[places][1:] + 1 / sharp[places][:-1])
        values.append(tuple(order) or None)
        confidence[task] = ndtr(gap / error).prod() if order else 0.0
        scores.append(written({name: round(float(score[names[name]]), 6) for name in order}))
    return Consensus(values, confidence, quality, {"scores": scores})


def agreement_of(given: Given) -> float | None:
    """1 - 2 x the share of pairs that two answers to one task order differently; each answer weighs alike."""
    shares = []
    for group in given.by_task():
        values = [given.value[n] for n in group]
        shares += [tau for i, a in enumerate(values) for b in values[:i] if (tau := kendall(a, b)) is not None]
    return float(np.mean(shares)) if shares else None


def kendall(left: Order, right: Order) -> float | None:
    """Kendall's tau over the items that stand in both; None below two."""
    place = {name: i for i, name in enumerate(right)}
    ranks = np.array([place[name] for name in left if name in place])
    if len(ranks) < 2:
        return None
    signs = np.sign(ranks[None, :] - ranks[:, None])[np.triu_indices(len(ranks), 1)]
    return float(signs.mean())


def score(values: Sequence[Order], known: Sequence[Order]) -> dict[str, float]:
    """Share of exact orders, and the mean Kendall's tau over the tasks with two items in common."""
    taus = [tau for v, k in zip(values, known, strict=True) if (tau := kendall(v, k)) is not None]
    exact = [tuple(name for name in v if name in k) == k for v, k in zip(values, known, strict=True)]
    return {"accuracy": float(np.mean(exact)), "tau": float(np.mean(taus)) if taus else 0.0}


# ---------------------------------------------------------------- noisy Bradley-Terry


@dataclass(frozen=True, slots=True)
class _Pairs:
    """P pairs: worker `by` put item `over` before item `under`, with a weight; items of all tasks are numbered through."""

    over: Ints  # [P] in 0..I-1
    under: Ints
    by: Ints
    weight: Float
    items: int
    items_of: list[dict[str, int]]  # [T] names of a task's items


def _pairs(given: Given, shared: bool) -> _Pairs:
    count = sum(len(value) * (len(value) - 1) // 2 for value in given.value)
    if count > MOST_PAIRS:
        raise BadInput(f"the orders hold {count:,} pairs, more than {MOST_PAIRS:,}; rank fewer items in a task")
    items: dict[Any, int] = {}
    items_of: list[dict[str, int]] = [{} for _ in range(given.tasks)]
    over, under, by = ([np.zeros(0, np.int64)] for _ in range(3))
    weight = [np.zeros(0)]
    for task, worker, value in zip(given.task.tolist(), given.worker.tolist(), given.value, strict=True):
        for name in value:
            items_of[task][name] = items.setdefault(name if shared else (task, name), len(items))
        places = np.array([items_of[task][name] for name in value])
        first, second = np.triu_indices(len(places), 1)
        over.append(places[first])
        under.append(places[second])
        by.append(np.full(len(first), worker))
        weight.append(np.full(len(first), 2 / len(places)))
    first, second, third = (np.concatenate(part) for part in (over, under, by))
    return _Pairs(first, second, third, np.concatenate(weight), len(items), items_of)


def _fit(pairs: _Pairs, workers: int) -> tuple[Float, Float, Float]:
    """Scores [I], their curvature [I] (one by one) and each worker's h [K]."""
    score, meant = np.zeros(pairs.items), np.full(workers, 0.8)
    many = np.bincount(pairs.by, pairs.weight, workers)
    curve = np.full(pairs.items, PRIOR)
    for _ in range(ITERATIONS):
        before = score
        agrees = expit(score[pairs.over] - score[pairs.under])  # [P]
        h = meant[pairs.by]
        sure = h * agrees / (h * agrees + (1 - h) / 2)  # P(the answer is meant)
        meant = (np.bincount(pairs.by, pairs.weight * sure, workers) + 3) / (many + 4)
        pull, bend = pairs.weight * sure * (1 - agrees), pairs.weight * sure * agrees * (1 - agrees)
        gradient = _by_item(pairs, pull, -pull) - PRIOR * score
        curve = _by_item(pairs, bend, bend) + PRIOR
        across = coo_matrix((bend, (pairs.over, pairs.under)), (pairs.items, pairs.items)).tocsr()
        step = spsolve((diags_array(curve) - across - across.T).tocsc(), gradient)
        score = score + np.clip(step, -1, 1)
        if np.abs(score - before).max(initial=0) < 1e-6:
            break
    return score, curve, meant


def _by_item(pairs: _Pairs, over: Float, under: Float) -> Float:
    total = np.bincount(pairs.over, over, pairs.items) + np.bincount(pairs.under, under, pairs.items)
    return total.astype(np.float64)
