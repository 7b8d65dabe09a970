"""Fair assignments, each with its price in value: a floor of work, load spread, parity between groups, income balance.

Every rule is a cost of a worker's n-th place, which must not fall with n, in the unit of the values:

    c_j(n) = load_cost * (n - 1)  -  bonus_j  -  floor_bonus where n <= floor.

The auction maximises  sum of the chosen values - sum_j sum_{n <= load_j} c_j(n).  A worker asks for at least the cost of its next
place, and with prices p the assignment is proved as without costs, by

    D = sum_j sum_n max(0, p_j - c_j(n)) + sum_i the redundancy_i largest of max(0, w_ij - p_j).

Parity and balance choose `bonus`: the Lagrange multipliers of "each group gets its share" (Singh and Joachims 2018,
https://doi.org/10.1145/3219819.3220088) and the debt that is carried from round to round (drift plus penalty, Neely 2010,
https://doi.org/10.1007/978-3-031-79995-2).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oracle.matching import kernels
from oracle.matching.auction import COARSE, bid, everyone, open_floor, prices, taken
from oracle.matching.market import Float, Int64, Market, check
from oracle.protocol.errors import BadInput

PARITY = 0.02  # of an exposure ratio around 1, at which its multiplier rests
ROUNDS = 20  # of a multiplier at most


@dataclass(frozen=True, slots=True)
class Rules:
    """What fairness is wanted, in the unit of the values."""

    floor: int = 0  # places that everyone available gets first, where there is a task for it
    load_cost: float = 0.0  # by which a worker's next place costs more than the one before
    bonus: Float | None = None  # [K] for each place of a worker


@dataclass(frozen=True, slots=True)
class Fair:
    chosen: NDArray[np.bool_]  # [E]
    value: float  # of the chosen edges, without costs
    objective: float  # with them
    bound: float  # of the objective
    load: Int64  # [K]
    price: Float  # [K] of the workers; may be negative: a subsidy

    @property
    def gap(self) -> float:
        """What the objective may lack, relative to its bound."""
        return (self.bound - self.objective) / abs(self.bound) if self.bound else 0.0


def fair(
    worker: ArrayLike,
    task: ArrayLike,
    value: ArrayLike,
    capacity: ArrayLike,
    redundancy: ArrayLike,
    rules: Rules,
    gap: float = 0.001,
) -> Fair:
    """The best assignment under the costs of `rules`, to within about `gap`; the certificate says how near. Raises BadInput."""
    return _solve(check(worker, task, value, capacity, redundancy), rules, gap)


def _solve(market: Market, rules: Rules, gap: float) -> Fair:
    cost = costs(market, rules)
    reach = float(np.abs(cost).max(initial=0.0)) + float(market.value.max(initial=0))
    floor = open_floor(market, largest=4 * reach)
    floor.cost = np.rint(cost * floor.scale).astype(np.int32)
    able = market.capacity > 0
    floor.prices[able] = floor.cost[floor.slot[:-1][able]]
    floor.theta += -int(floor.prices.min(initial=0))  # the rows behind the fronts were bounded at price 0
    top = kernels.top(market.start, floor.rows, market.redundancy) / max(1, int(market.redundancy.sum()))
    everyone(floor)
    bid(market, floor, len(floor.queue), COARSE * max(1, int(gap * top)), kernels.INFINITE)
    return _told(market, taken(market, floor), prices(floor), cost, floor.slot, floor.load)


def costs(market: Market, rules: Rules) -> Float:
    """Of every place of every worker, by worker; raises BadInput where they would fall with the load."""
    if rules.floor < 0 or not rules.load_cost >= 0:
        raise BadInput(f"floor {rules.floor}, load cost {rules.load_cost}: neither may be negative")
    bonus = np.zeros(len(market.capacity)) if rules.bonus is None else np.asarray(rules.bonus, np.float64)
    if bonus.shape != market.capacity.shape or not np.isfinite(bonus).all():
        raise BadInput(f"bonus: {len(market.capacity)} finite numbers are needed, one for each worker")
    worker = np.repeat(np.arange(len(market.capacity)), market.capacity)
    nth = np.arange(len(worker)) - np.repeat(np.cumsum(market.capacity) - market.capacity, market.capacity)  # from 0
    most = 2 * float(market.value.max(initial=0))
    return np.asarray(rules.load_cost * nth - bonus[worker] - most * (nth < rules.floor))


def _told(market: Market, edges: Int64, price: Float, cost: Float, slot: Int64, load: Int64) -> Fair:
    value = market.value[edges].sum()
    worker = np.repeat(np.arange(len(load)), market.capacity)
    nth = np.arange(len(worker)) - slot[worker]
    most = int(market.redundancy.max(initial=0))
    tasks = kernels.bound(
        market.start,
        market.worker,
        market.value,
        market.redundancy,
        price,
        np.zeros_like(market.capacity),
        np.empty(most),
    )
    chosen = np.zeros(len(market.worker), np.bool_)
    chosen[edges if market.order is None else market.order[edges]] = True
    return Fair(
        chosen,
        value.item(),
        float(value - cost[nth < load[worker]].sum()),
        tasks + float(np.maximum(0.0, price[worker] - cost).sum()),
        load.copy(),
        price,
    )


# ---------------------------------------------------------------------- rules that are found


def spread(
    worker: ArrayLike,
    task: ArrayLike,
    value: ArrayLike,
    capacity: ArrayLike,
    redundancy: ArrayLike,
    most: float,
    gap: float = 0.001,
) -> tuple[Fair, Rules]:
    """The smallest load cost, to 2 %, whose loads have a Gini coefficient of at most `most`, with work for everyone.

    Where no cost reaches it, the largest value as cost.
    """
    market = check(worker, task, value, capacity, redundancy)
    low, high = 0.0, float(np.max(market.value, initial=0))
    rules = Rules(floor=1, load_cost=high)
    best = _solve(market, rules, gap)
    while high - low > high / 50:
        wanted = Rules(floor=1, load_cost=(low + high) / 2)
        found = _solve(market, wanted, gap)
        if gini(found.load[market.capacity > 0]) <= most:
            best, rules, high = found, wanted, wanted.load_cost
        else:
            low = wanted.load_cost
    return best, rules


def parity(
    worker: ArrayLike,
    task: ArrayLike,
    value: ArrayLike,
    capacity: ArrayLike,
    redundancy: ArrayLike,
    group: ArrayLike,
    rules: Rules | None = None,
    gap: float = 0.001,
) -> tuple[Fair, Rules]:
    """Multipliers under which every group of workers, `group` [K] from 0, gets the same exposure to within 2 %, if any do.

    Each group's multiplier in turn is halved between bounds until the group fares as the others together; twice around.
    """
    market, groups, rules = check(worker, task, value, capacity, redundancy), np.asarray(group), rules or Rules()
    base = np.zeros(len(groups)) if rules.bonus is None else rules.bonus
    bonus = np.zeros(int(groups.max(initial=0)) + 1)
    found = _solve(market, rules, gap)
    for one in (*range(1, len(bonus)), *range(1, len(bonus) if len(bonus) > 2 else 0)):
        low, high = (bonus[one] + sign * float(np.max(market.value, initial=0)) for sign in (-1, 1))
        for _ in range(ROUNDS):
            ratio = exposure_ratio(found.load, market.capacity, groups == one)
            if abs(ratio - 1) <= PARITY:
                break
            low, high = (bonus[one], high) if ratio < 1 else (low, bonus[one])
            bonus[one] = (low + high) / 2
            found = _solve(market, replace(rules, bonus=base + bonus[groups]), gap)
    return found, replace(rules, bonus=base + bonus[groups])


def owed(income: ArrayLike, strength: float, mean_value: float) -> Float:
    """The bonus [K] of the next round that balances incomes so far: what a worker lacks of the mean, relative to it."""
    earned = np.asarray(income, np.float64)
    return np.asarray(strength * mean_value * (earned.mean() - earned) / max(earned.mean(), 1e-12))


# ---------------------------------------------------------------------- measures


def gini(amounts: ArrayLike) -> float:
    """0 where all have the same, towards 1 where one has everything."""
    sorted_amounts = np.sort(np.asarray(amounts, np.float64))
    n, total = len(sorted_amounts), float(sorted_amounts.sum())
    return float((2 * np.arange(1, n + 1) - n - 1) @ sorted_amounts / (n * total)) if total > 0 else 0.0


def exposure_ratio(load: Int64, capacity: Int64, group: NDArray[np.bool_]) -> float:
    """Places that the group got for each that it offered, relative to the same of all others; 1 where there is no other."""
    ours, theirs = (float(load[part].sum()) / max(1, int(capacity[part].sum())) for part in (group, ~group))
    return ours / theirs if theirs > 0 else 1.0


def envy(worker: ArrayLike, task: ArrayLike, value: ArrayLike, capacity: ArrayLike, chosen: NDArray[np.bool_]) -> float:
    """Share of the available workers with justified envy: a free place, and a task given to somebody worth less and busier."""
    w, t, v, room = (np.asarray(column) for column in (worker, task, value, capacity))
    load = np.bincount(w[chosen], minlength=len(room))
    held = np.flatnonzero(chosen)
    order = held[np.lexsort((v[held], t[held]))]
    first = np.unique(t[order], return_index=True)[1]
    least, by = np.full(int(t.max(initial=-1)) + 1, np.inf), np.zeros(int(t.max(initial=-1)) + 1, np.int64)
    least[t[order[first]]], by[t[order[first]]] = v[order[first]], w[order[first]]
    envious = ~chosen & (load[w] < room[w]) & (v > least[t]) & (load[w] < load[by[t]])
    return len(np.unique(w[envious])) / max(1, int((room > 0).sum()))
