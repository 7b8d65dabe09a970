"""Differentially private statistics of a job: answers, query -> noisy numbers, and what they cost. Noise by OpenDP.

Neighbouring are data with and without all answers of one worker. Of each worker at most `most` answers count, chosen by a hash of
their tasks, so that one worker moves no count by more than that. Verdicts, classes, epochs and groups' names are public: agreement
is with the verdict that stands, and everything is counted in cells that are known beforehand.

    count      x + discrete Laplace, scale most / epsilon            (epsilon, 0)
               x + discrete Gaussian, sigma most / sqrt(2 rho)       where rho + 2 sqrt(rho log(1/delta)) = epsilon
    mean       (noisy sum of values on a grid, noisy count), half of epsilon each
    quantile   permute-and-flip over a grid (McKenna and Sheldon 2020, https://arxiv.org/abs/2010.12603)
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from hashlib import blake2b
from typing import Any

from oracle.privacy.budget import NANO, Cost, fraction, nano
from oracle.protocol.errors import BadInput, Refused

HISTOGRAM, MEAN, QUANTILE, AGREEMENT, QUALITY = KINDS = ("histogram", "mean", "quantile", "agreement", "quality")
LEAST_WORKERS = 10  # with fewer nothing is released
LEAST_ANSWERS = 20.0  # noisy, of a group; a smaller one is not shown
MOST_CELLS = 10_000
GRID = 1_000  # steps between the bounds of a mean or a quantile
_FIELDS = {"of", "epsilon", "delta", "most", "by", "bounds", "quantile", "groups", "epochs", "name", "classes"}


@dataclass(frozen=True, slots=True)
class Row:
    """One counted answer. `agrees`: with the verdict; `epoch`: in which it was decided; `group`: of its worker."""

    worker: str
    task: str
    label: str
    agrees: bool | None = None
    epoch: int = 0
    group: str = ""


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked. `most`: answers of one worker that count; `name` tells apart what is asked twice on purpose."""

    of: str
    epsilon: int
    delta: float
    most: int
    by_epoch: bool
    bounds: tuple[float, float]
    quantile: float
    groups: tuple[str, ...]
    classes: tuple[str, ...]
    epochs: tuple[int, int] | None
    name: str

    def document(self) -> dict[str, Any]:
        """The same for the same question, however it was written."""
        parts: dict[str, Any] = {"of": self.of, "epsilon": self.epsilon / NANO, "delta": self.delta, "most": self.most}
        if self.of in (MEAN, QUANTILE):
            parts["bounds"] = list(self.bounds)
        if self.of == QUANTILE:
            parts["quantile"] = self.quantile
        if self.of == QUALITY:
            parts["groups"] = list(self.groups)
        if self.classes:
            parts["classes"] = list(self.classes)
        if self.by_epoch:
            parts["by"] = "epoch"
        if self.epochs:
            parts["epochs"] = list(self.epochs)
        return parts | ({"name": self.name} if self.name else {})

    def within(self, first: int, last: int) -> "Query":
        """The same of these epochs at most."""
        low, high = self.epochs or (first, last)
        return replace(self, epochs=(max(low, first), min(high, last)))


def read_query(document: Any, where: str = "query") -> Query:
    """Raises BadInput naming the field."""
    if not isinstance(document, dict) or document.keys() - _FIELDS:
        wrong = ", ".join(sorted(map(str, document.keys() - _FIELDS))) if isinstance(document, dict) else "no object"
        raise BadInput(f"{where}: {wrong[:80]}; a query has {', '.join(sorted(_FIELDS))}")
    of = document.get("of")
    if of not in KINDS:
        raise BadInput(f"{where}.of: one of {', '.join(KINDS)}")
    epsilon, delta = (
        nano(document.get("epsilon"), f"{where}.epsilon"),
        fraction(document.get("delta", 0), f"{where}.delta"),
    )
    if delta and of == QUANTILE:
        raise BadInput(f"{where}.delta: a quantile needs none")
    most = _whole(document.get("most", 1), 1, 1_000, f"{where}.most")
    by = document.get("by")
    if by not in (None, "epoch") or (by and of not in (HISTOGRAM, AGREEMENT)):
        raise BadInput(f"{where}.by: `epoch`, of a histogram or of agreement")
    bounds = _bounds(document.get("bounds"), f"{where}.bounds") if of in (MEAN, QUANTILE) else (0.0, 0.0)
    quantile = document.get("quantile", 0.5)
    if isinstance(quantile, bool) or not isinstance(quantile, int | float) or not 0 <= quantile <= 1:
        raise BadInput(f"{where}.quantile: 0 to 1, like 0.5 for the median")
    groups, classes = (_texts(document.get(field, []), f"{where}.{field}") for field in ("groups", "classes"))
    if of == QUALITY and not groups:
        raise BadInput(f"{where}.groups: name each group; the names are public")
    name = document.get("name", "")
    if not isinstance(name, str) or len(name) > 200:
        raise BadInput(f"{where}.name: a text of at most 200 characters")
    epochs = document.get("epochs")
    if epochs is not None and (not isinstance(epochs, list) or len(epochs) != 2):
        raise BadInput(f"{where}.epochs: [first, last]")
    ends = (
        (_whole(epochs[0], 0, 1 << 40, f"{where}.epochs"), _whole(epochs[1], 0, 1 << 40, f"{where}.epochs"))
        if epochs
        else None
    )
    return Query(of, epsilon, delta, most, by == "epoch", bounds, float(quantile), groups, classes, ends, name)


def cost(query: Query) -> Cost:
    """Epsilon and delta as asked; an epsilon-DP release is epsilon^2 / 2 zCDP (Bun and Steinke 2016, proposition 1.4)."""
    epsilon = query.epsilon / NANO
    parts = 2 if query.of == MEAN else 1  # of the same size
    each, delta = epsilon / parts, query.delta / parts
    return Cost(query.epsilon, query.delta, parts * (rho(each, delta) if delta else each**2 / 2))


def rho(epsilon: float, delta: float) -> float:
    """zCDP that implies (epsilon, delta): rho + 2 sqrt(rho log(1/delta)) = epsilon."""
    log = math.log(1 / delta)
    return (math.sqrt(log + epsilon) - math.sqrt(log)) ** 2


def run(query: Query, rows: Iterable[Row], classes: Sequence[str], epochs: Sequence[int] = ()) -> dict[str, Any]:
    """The noisy answer. Raises Refused for data of too few workers, BadInput where the query does not fit the data."""
    chosen = bounded(query, rows)
    if len({row.worker for row in chosen}) < LEAST_WORKERS:
        raise Refused(
            "too-few-workers", f"fewer than {LEAST_WORKERS} workers have answered: nothing of them is released"
        )
    if query.of in (MEAN, QUANTILE):
        return (_mean if query.of == MEAN else _quantile)(query, [_value(row, query.bounds) for row in chosen])
    if query.of == QUALITY:
        return _quality(query, chosen)
    return _by_epoch(query, chosen, classes, epochs)


def bounded(query: Query, rows: Iterable[Row]) -> list[Row]:
    """At most `most` answers of each worker in the query's epochs: which, depends on nobody else's."""
    by_worker: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if query.epochs is None or query.epochs[0] <= row.epoch <= query.epochs[1]:
            by_worker[row.worker].append(row)
    return [row for own in by_worker.values() for row in sorted(own, key=_place)[: query.most]]


def _place(row: Row) -> bytes:
    return blake2b(f"{row.worker}\0{row.task}".encode(), digest_size=16).digest()


# -------------------------------------------------------------------------------------------------------------- counts


def _by_epoch(query: Query, rows: Sequence[Row], classes: Sequence[str], epochs: Sequence[int]) -> dict[str, Any]:
    names = list(query.classes or classes) if query.of == HISTOGRAM else ["agrees", "differs"]
    if not names:
        raise BadInput("query.classes: name the labels to count: which of them were given is not known before")
    times = list(epochs) if query.by_epoch else [None]
    cells = {(time, name): i for i, (time, name) in enumerate((t, n) for t in times for n in names)}
    counts = _counted(query, cells, ((row.epoch if query.by_epoch else None, _named(query, row)) for row in rows))
    found = [_shown(query, names, counts[i * len(names) : (i + 1) * len(names)]) for i in range(len(times))]
    return (
        {"epochs": [{"epoch": t, **one} for t, one in zip(times, found, strict=True)]} if query.by_epoch else found[0]
    )


def _named(query: Query, row: Row) -> str:
    return row.label if query.of == HISTOGRAM else "agrees" if row.agrees else "differs"


def _shown(query: Query, names: Sequence[str], counts: Sequence[int]) -> dict[str, Any]:
    if query.of == HISTOGRAM:
        return {"counts": dict(zip(names, counts, strict=True))}
    return {"answers": sum(counts), "agreement": _share(counts)}


def _quality(query: Query, rows: Sequence[Row]) -> dict[str, Any]:
    names = ("agrees", "differs")
    cells = {(group, name): i for i, (group, name) in enumerate((g, n) for g in query.groups for n in names)}
    counts = _counted(query, cells, ((row.group, "agrees" if row.agrees else "differs") for row in rows))
    pairs = {group: counts[2 * i : 2 * i + 2] for i, group in enumerate(query.groups)}
    shown = {group: pair for group, pair in pairs.items() if sum(pair) >= LEAST_ANSWERS}
    return {
        "groups": {group: {"answers": sum(pair), "agreement": _share(pair)} for group, pair in shown.items()},
        "too_small": [group for group in query.groups if group not in shown],
    }


def _share(pair: Sequence[int]) -> float | None:
    """Of two noisy counts; None where noise is all there is."""
    return min(1.0, max(0.0, pair[0] / sum(pair))) if sum(pair) >= 1 else None


def _counted(query: Query, cells: dict[Any, int], places: Iterable[Any]) -> list[int]:
    """Answers in each cell, with noise; what is in no cell is not counted."""
    if not 0 < len(cells) <= MOST_CELLS:
        raise BadInput(f"the query has {len(cells)} cells; 1 to {MOST_CELLS:,}")
    exact = [0] * len(cells)
    for place in places:
        if (at := cells.get(place)) is not None:
            exact[at] += 1
    return noisy_counts(exact, query.most, query.epsilon / NANO, query.delta)


def noisy_counts(exact: Sequence[int], sensitivity: int, epsilon: float, delta: float = 0.0) -> list[int]:
    """Counts of which one worker moves `sensitivity` at most, all cells together. The claim is checked by OpenDP's own map."""
    return [int(one) for one in counting(sensitivity, epsilon, delta)(list(exact))]


@cache
def counting(sensitivity: int, epsilon: float, delta: float) -> Callable[[list[int]], list[int]]:
    """The mechanism, whose privacy is checked before it is used."""
    dp = opendp()
    domain = dp.vector_domain(dp.atom_domain(T="i64"))
    if delta:
        claim = rho(epsilon, delta)
        scale = sensitivity / math.sqrt(2 * claim) * (1 + 1e-9)
        made = dp.m.make_gaussian(domain, dp.l2_distance(T="f64"), scale=scale)
        reached = made.map(float(sensitivity))
    else:
        claim, scale = epsilon, sensitivity / epsilon * (1 + 1e-9)
        made = dp.m.make_laplace(domain, dp.l1_distance(T="i64"), scale=scale)
        reached = made.map(sensitivity)
    _require(reached, claim)
    return made  # type: ignore[no-any-return]


def _require(reached: float, claim: float) -> None:
    if not reached <= claim * (1 + 1e-6):
        raise Refused(
            "claim", f"the mechanism reveals {reached}, more than the {claim} that is claimed: nothing is released"
        )


# -------------------------------------------------------------------------------------------------------------- numbers


def _mean(query: Query, values: Sequence[float]) -> dict[str, Any]:
    low, high = query.bounds
    step, middle, half = (high - low) / GRID, (low + high) / 2, GRID // 2
    steps = sum(round((value - middle) / step) for value in values)
    epsilon, delta = query.epsilon / NANO / 2, query.delta / 2
    (total,) = noisy_counts([steps], query.most * half, epsilon, delta)
    (count,) = noisy_counts([len(values)], query.most, epsilon, delta)
    mean = middle + step * total / max(count, 1)
    return {"mean": min(high, max(low, mean)), "answers": count}


def _quantile(query: Query, values: Sequence[float]) -> dict[str, Any]:
    return {
        "quantile": query.quantile,
        "value": selecting(query.bounds, query.quantile, query.most, query.epsilon / NANO)(list(values)),
    }


@cache
def selecting(bounds: tuple[float, float], alpha: float, most: int, epsilon: float) -> Callable[[list[float]], float]:
    dp = opendp()
    low, high = bounds
    candidates = [low + (high - low) * i / GRID for i in range(GRID + 1)]

    def made(scale: float) -> Any:
        space = dp.vector_domain(dp.atom_domain(T="f64", nan=False)), dp.symmetric_distance()
        return dp.m.make_private_quantile(*space, dp.max_divergence(), candidates, alpha, scale)

    found = made(dp.binary_search_param(made, d_in=most, d_out=epsilon, T=float))
    _require(found.map(most), epsilon)
    return lambda values: float(found(values))


def _value(row: Row, bounds: tuple[float, float]) -> float:
    """Within the bounds, so that nobody's answer weighs more; what is no number is the lowest that there can be."""
    try:
        value = float(row.label)
    except ValueError:
        value = bounds[0]
    return min(bounds[1], max(bounds[0], value)) if value == value else bounds[0]  # noqa: PLR0124 - NaN


@cache
def opendp() -> Any:
    """OpenDP with the features that its proofs of these mechanisms name. Raises BadInput where it is not installed."""
    try:
        import opendp.prelude as dp  # noqa: PLC0415 - an extra, and seconds to load
    except ImportError:
        raise BadInput("this needs the extra `privacy`: pip install 'crowdproof[privacy]'") from None
    dp.enable_features("contrib")
    return dp


def _bounds(value: Any, where: str) -> tuple[float, float]:
    fits = isinstance(value, list) and len(value) == 2 and all(type(v) in (int, float) and abs(v) < 1e15 for v in value)
    if not fits or not value[0] < value[1]:
        raise BadInput(
            f"{where}: [lowest, highest] that a value can have; it is public, so take it from the question, not the data"
        )
    return float(value[0]), float(value[1])


def _texts(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > 1_000 or not all(isinstance(one, str) and one for one in value):
        raise BadInput(f"{where}: a list of names")
    if len(set(value)) != len(value):
        raise BadInput(f"{where}: a name stands twice")
    return tuple(value)


def _whole(value: Any, least: int, most: int, where: str) -> int:
    if type(value) is not int or not least <= value <= most:
        raise BadInput(f"{where}: a whole number from {least} to {most:,}")
    return int(value)
