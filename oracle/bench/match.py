"""`crowdproof bench match`: the auction beside OR-tools' flow, repairs beside solving anew, the checker, fairness, baselines.

Markets are made: redundancy 3, 50 candidates a task, capacity 5, value 1e6 * sigmoid(1 + 0.8 ability + 0.8 skill in the task's
category - 0.7 difficulty + 0.2 noise), all standard normal, 20 categories. Loose: 0.8 workers a task; tight: 0.6, supply equals
demand. CPU seconds of one thread from arrays to arrays, compilation excluded; every size in a process of its own.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.protocol.errors import BadInput, Fatal, Refused

REDUNDANCY, CANDIDATES, CAPACITY, CATEGORIES = 3, 50, 5, 20
MARKETS = {"loose": 0.8, "tight": 0.6}  # workers a task
GAP = 0.001
QUICK = {1_000: 5, 10_000: 5, 100_000: 1}  # tasks -> seeds
FULL = {1_000: 5, 10_000: 5, 100_000: 5}
LARGEST = 1_000_000
EVENTS = 300
CHURN = 0.001  # of the workers leave, as many come
MUTATIONS = 1_000
BIAS, MINORITY = 0.95, 0.3  # of the scores of so many workers
GINI = 0.11
PERIODS = 8  # of long-run income
SMALL = 1_000  # tasks of the baselines

Arrays = tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]


def _candidates(luck: np.random.Generator, tasks: int, workers: int) -> NDArray[np.int32]:
    """[tasks, CANDIDATES] different workers in each row. Raises BadInput where there are too few."""
    if workers < CANDIDATES:
        raise BadInput(f"{workers} workers are too few for {CANDIDATES} candidates a task: ask for a larger market")
    if workers < 10 * CANDIDATES:  # nearly every row of free draws would have a worker twice
        return np.argsort(luck.random((tasks, workers)), 1)[:, :CANDIDATES].astype(np.int32)
    worker, rows = np.empty((tasks, CANDIDATES), np.int32), np.arange(tasks)
    while len(rows):  # rows with a worker twice are drawn again
        worker[rows] = luck.integers(0, workers, (len(rows), CANDIDATES))
        in_order = np.sort(worker[rows], 1)
        rows = rows[(in_order[:, 1:] == in_order[:, :-1]).any(1)]
    return worker


def made(tasks: int, workers: int, seed: int) -> Arrays:
    """worker, task, value [E], capacity [K], redundancy [T]: the same every time."""
    luck = np.random.default_rng(seed)
    ability, difficulty = luck.standard_normal(workers), luck.standard_normal(tasks)
    skill, category = luck.standard_normal((workers, CATEGORIES)), luck.integers(0, CATEGORIES, tasks)
    worker = _candidates(luck, tasks, workers)
    value = np.empty((tasks, CANDIDATES), np.int32)
    for first in range(0, tasks, 10_000):
        part = slice(first, first + 10_000)
        who = worker[part]
        logit = 1 + 0.8 * ability[who] + 0.8 * skill[who, category[part, None]] - 0.7 * difficulty[part, None]
        value[part] = 1e6 / (1 + np.exp(-logit - 0.2 * luck.standard_normal(who.shape)))
    task = np.repeat(np.arange(tasks, dtype=np.int32), CANDIDATES)
    return worker.ravel(), task, value.ravel(), np.full(workers, CAPACITY), np.full(tasks, REDUNDANCY)


def market(kind: str, tasks: int, seed: int) -> Arrays:
    return made(tasks, int(MARKETS[kind] * tasks), seed)


def match(full: bool) -> dict[str, Any]:
    """Everything; `full` takes five seeds at 1e5 tasks, and 1e6."""
    sizes = FULL if full else QUICK
    found: dict[str, Any] = {
        kind: {str(tasks): _alone("size", kind, str(tasks), str(seeds)) for tasks, seeds in sizes.items()}
        for kind in MARKETS
    }
    if full:
        found["million"] = _million(found["loose"][str(max(sizes))])
    found["live"] = _alone("live", str(max(sizes)))
    found["checker"] = _alone("checker")
    found["fairness"] = _alone("fairness", "10000")
    found["baselines"] = _alone("baselines")
    found["not_measured"] = ["the bulk phase on CUDA: bench device"] + ([] if full else ["1e6 tasks: --full"])
    return found


def _alone(*arguments: str) -> Any:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "oracle.bench.match", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=False)  # noqa: S603
    if done.returncode:
        raise Fatal(
            f"the process for {' '.join(arguments)} ended with code {done.returncode}; was there memory enough?"
        )
    found = json.loads(done.stdout)
    print(f"{' '.join(arguments)}: {json.dumps(found)[:300]}", file=sys.stderr, flush=True)
    return found


def _million(smaller: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = _alone("largest", str(LARGEST))
    found["to_linear"] = found["ours_seconds"] / (smaller["ours_seconds"] * LARGEST / 100_000)
    return found


def _seconds(call: Callable[[], Any]) -> tuple[float, Any]:
    gc.collect()
    began = time.process_time()
    found = call()
    return time.process_time() - began, found


# ---------------------------------------------------------------------- beside OR-tools


def size(kind: str, tasks: int, seeds: int) -> dict[str, Any]:
    """Medians over the seeds; the certified and the true gap are the worst of them."""
    from oracle.matching import solve  # noqa: PLC0415 - numba

    solve.warm_up(np.zeros(1, np.int32))
    rows = [_beside(market(kind, tasks, seed)) for seed in range(seeds)]
    middle = {
        name: statistics.median(row[name] for row in rows)
        for name in ("ours_seconds", "or_tools_seconds", "wall_2_threads")
    }
    return {
        **middle,
        "times_faster": statistics.median(row["or_tools_seconds"] / row["ours_seconds"] for row in rows),
        "times_faster_wall_2_threads": statistics.median(row["or_tools_wall"] / row["wall_2_threads"] for row in rows),
        "certified_gap": max(row["certified"] for row in rows),
        "true_gap": max(row["true"] for row in rows),
        "seeds": seeds,
    }


def _beside(arrays: Arrays) -> dict[str, float]:
    from oracle.matching.certify import certify  # noqa: PLC0415
    from oracle.matching.solve import solve  # noqa: PLC0415

    ours, found = _seconds(lambda: solve(*arrays, gap=GAP))
    value, bound = certify(*arrays, np.flatnonzero(found.chosen), found.price)
    began = time.perf_counter()
    solve(*arrays, gap=GAP, threads=2)
    wall = time.perf_counter() - began
    began = time.perf_counter()
    theirs, best = _seconds(lambda: or_tools(*arrays))
    return {
        "ours_seconds": ours,
        "wall_2_threads": wall,
        "or_tools_seconds": theirs,
        "or_tools_wall": time.perf_counter() - began,
        "certified": (bound - value) / bound,
        "true": (best - value) / best,
    }


def or_tools(
    worker: NDArray[Any], task: NDArray[Any], value: NDArray[Any], capacity: NDArray[Any], redundancy: NDArray[Any]
) -> int:
    """The optimum by SimpleMinCostFlow: source -> tasks -> workers -> sink, empty places straight to the sink."""
    from ortools.graph.python import min_cost_flow  # noqa: PLC0415 - optional

    tasks, workers = len(redundancy), len(capacity)
    source, sink, flow = tasks + workers, tasks + workers + 1, min_cost_flow.SimpleMinCostFlow()
    add = flow.add_arcs_with_capacity_and_unit_cost
    every_task, every_worker = np.arange(tasks), np.arange(workers)
    add(np.full(tasks, source), every_task, redundancy, np.zeros(tasks, np.int64))
    add(task, worker + tasks, np.ones(len(worker), np.int64), -value.astype(np.int64))
    add(every_worker + tasks, np.full(workers, sink), capacity, np.zeros(workers, np.int64))
    add(every_task, np.full(tasks, sink), redundancy, np.zeros(tasks, np.int64))
    places = int(redundancy.sum())
    flow.set_nodes_supplies(np.array([source, sink]), np.array([places, -places]))
    if flow.solve() != flow.OPTIMAL:
        raise Fatal("OR-tools found no optimum")
    return -int(flow.optimal_cost())


def largest(tasks: int) -> dict[str, Any]:
    """One solve of a market too large for OR-tools here, with the peak of memory of the whole process, the market included."""
    from oracle.matching import solve  # noqa: PLC0415

    solve.warm_up(np.zeros(1, np.int32))
    arrays = market("loose", tasks, 0)
    before = _peak_mb()
    seconds, found = _seconds(lambda: solve.solve(*arrays, gap=GAP))
    return {
        "tasks": tasks,
        "edges": len(arrays[0]),
        "ours_seconds": seconds,
        "certified_gap": found.gap,
        "peak_mb": _peak_mb(),
        "peak_mb_before_solving": before,
    }


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# ---------------------------------------------------------------------- repairs


def live(tasks: int) -> dict[str, Any]:
    """Milliseconds of single events, and of a churn beside solving the same market anew."""
    from oracle.matching.live import Live  # noqa: PLC0415
    from oracle.matching.solve import solve, warm_up  # noqa: PLC0415

    arrays = market("loose", tasks, 0)
    warm_up(arrays[2])
    luck = np.random.default_rng(0)
    away = luck.choice(len(arrays[3]), len(arrays[3]) // 20, replace=False)
    _use(Live(*market("loose", 1_000, 0), away=[0]))
    crowd = Live(*arrays, gap=GAP, away=away)
    cold, _ = _seconds(lambda: solve(*arrays, gap=GAP))
    share = int(CHURN * len(arrays[3]))
    here = luck.permutation(np.setdiff1d(np.arange(len(arrays[3])), away))
    churn, _ = _seconds(lambda: crowd.churn(here[:share], away[:share]))
    after = crowd.gap()
    events = _events(crowd, here[share:], away[share:], tasks, luck)
    return {
        "cold_seconds": cold,
        "churn_seconds": churn,
        "churn_times_cheaper": cold / churn,
        "churned": 2 * share,
        "gap_after_churn": after,
        "events": events,
        "gap_after_events": crowd.gap(),
    }


def _use(crowd: Any) -> None:
    """Each event once, so that all is compiled."""
    crowd.arrive(0)
    crowd.leave(1)
    crowd.timed_out(0, crowd.holders(0)[0])
    crowd.answered(0, crowd.holders(0)[0])
    crowd.gap()


def _events(
    crowd: Any, here: NDArray[Any], away: NDArray[Any], tasks: int, luck: np.random.Generator
) -> dict[str, dict[str, float]]:
    def pair() -> tuple[int, int]:
        while not (held := crowd.holders(task := int(luck.integers(tasks)))):
            pass
        return task, held[0]

    return {
        "arrive": _each(crowd.arrive, ((int(who),) for who in away[:EVENTS])),
        "leave": _each(crowd.leave, ((int(who),) for who in here[:EVENTS])),
        "time_out": _each(crowd.timed_out, (pair() for _ in range(EVENTS))),
        "answer": _each(crowd.answered, (pair() for _ in range(EVENTS))),
    }


def _each(event: Callable[..., None], arguments: Iterable[tuple[int, ...]]) -> dict[str, float]:
    spent = []
    for one in arguments:
        began = time.process_time()
        event(*one)
        spent.append(1e3 * (time.process_time() - began))
    return {"p50_ms": float(np.quantile(spent, 0.5)), "p99_ms": float(np.quantile(spent, 0.99))}


# ---------------------------------------------------------------------- the checker


def checker(mutations: int = MUTATIONS) -> dict[str, int]:
    """Assignments and prices with a fault planted each; the checker must refuse all, and accept the one without."""
    from oracle.matching.certify import certify  # noqa: PLC0415
    from oracle.matching.solve import solve  # noqa: PLC0415

    arrays = market("loose", SMALL, 0)
    found = solve(*arrays, gap=GAP)
    taken, luck, refused = np.flatnonzero(found.chosen), np.random.default_rng(0), 0
    certify(*arrays, taken, found.price, found.value, found.bound)
    for n in range(mutations):
        edges, price = mutated(n, arrays, taken, found.price, luck)
        try:
            certify(*arrays, edges, price, found.value, found.bound)
        except Refused:
            refused += 1
    return {"mutations": mutations, "refused": refused}


def mutated(
    n: int, arrays: Arrays, taken: NDArray[Any], price: NDArray[Any], luck: np.random.Generator
) -> tuple[NDArray[Any], NDArray[Any]]:
    """The n-th kind of fault: an edge twice, one too many of a task or of a worker, none, a price that proves less or nothing."""
    worker, task, _, capacity, _ = arrays
    price = price.copy()
    full = np.flatnonzero(np.bincount(worker[taken], minlength=len(capacity)) == capacity)
    free = np.setdiff1d(np.arange(len(worker)), taken)
    faults: list[Callable[[], NDArray[Any]]] = [
        lambda: np.append(taken, luck.choice(taken)),
        lambda: np.append(taken, luck.choice(free)),
        lambda: np.append(taken[task[taken] != task[(edge := luck.choice(free[np.isin(worker[free], full)]))]], edge),
        lambda: np.delete(taken, luck.integers(len(taken))),
        lambda: np.append(taken, len(worker) + luck.integers(9)),
    ]
    kind = n % (len(faults) + 4)
    if kind < len(faults):
        return faults[kind](), price
    at = luck.integers(len(price))
    if kind == len(faults):
        price[at] = -1.0 - price[at]
    elif kind == len(faults) + 1:
        price[at] = luck.choice([np.nan, np.inf, -np.inf])
    elif kind == len(faults) + 2:
        price[at] += 2e6  # above every value: nobody's, and paid for
    else:
        price[luck.random(len(price)) < 0.5] = 0.0  # of one alone may prove more; of half, never
    return taken, price


# ---------------------------------------------------------------------- fairness


def fairness(tasks: int) -> dict[str, Any]:
    """What each rule costs, relative to the best assignment's value without it."""
    from oracle.matching import fairness as fair  # noqa: PLC0415
    from oracle.matching.solve import solve  # noqa: PLC0415

    arrays = market("loose", tasks, 0)
    worker, task, value, capacity, redundancy = arrays
    best = solve(*arrays, gap=GAP / 10)
    load = np.bincount(worker[best.chosen], minlength=len(capacity))
    group = np.random.default_rng(0).random(len(capacity)) < MINORITY
    biased = np.where(group[worker], (BIAS * value).astype(np.int32), value)
    unfair = solve(worker, task, biased, capacity, redundancy, gap=GAP)
    parity, _ = fair.parity(worker, task, biased, capacity, redundancy, group.astype(np.int64))
    floor, (spread, rules) = fair.fair(*arrays, fair.Rules(floor=1)), fair.spread(*arrays, GINI)

    def report(chosen: NDArray[np.bool_], got: NDArray[Any], worth: float) -> dict[str, float]:
        return {
            "cost": 1 - worth / best.bound,
            "gini": fair.gini(got),
            "idle": int((got == 0).sum()),
            "envy": fair.envy(worker, task, value, capacity, chosen),
        }

    biased_load = np.bincount(worker[unfair.chosen], minlength=len(capacity))
    return {
        "workers": len(capacity),
        "best": report(best.chosen, load, best.value),
        "floor_of_1": {**report(floor.chosen, floor.load, floor.value), "certified_gap": floor.gap},
        "load_spread": {
            **report(spread.chosen, spread.load, spread.value),
            "certified_gap": spread.gap,
            "load_cost": rules.load_cost,
        },
        "parity": {
            "bias": 1 - BIAS,
            "minority": MINORITY,
            "exposure_ratio_without": fair.exposure_ratio(biased_load, capacity, group),
            "exposure_ratio": fair.exposure_ratio(parity.load, capacity, group),
            "cost": 1 - parity.value / unfair.bound,
            "true_value_change": float(value[parity.chosen].sum() / value[unfair.chosen].sum() - 1),
            "certified_gap": parity.gap,
        },
        "income": _income(tasks),
    }


def _income(tasks: int) -> dict[str, float]:
    """Incomes after some periods of new tasks for the same workers, with and without a memory of who earned less."""
    from oracle.matching import fairness as fair  # noqa: PLC0415

    workers, totals = int(MARKETS["loose"] * tasks), {}
    for strength in (0.0, 0.1):
        income, worth = np.zeros(workers), 0.0
        for period in range(PERIODS):
            arrays = made(tasks // 4, workers, period)
            bonus = fair.owed(income, strength, float(arrays[2].mean()))
            found = fair.fair(*arrays, fair.Rules(bonus=bonus))
            income += found.load
            worth += found.value
        totals[strength] = fair.gini(income), worth
    return {
        "periods": PERIODS,
        "gini_without": totals[0.0][0],
        "gini": totals[0.1][0],
        "cost": 1 - totals[0.1][1] / totals[0.0][1],
    }


# ---------------------------------------------------------------------- baselines of the literature


def baselines() -> dict[str, dict[str, float]]:
    """Gap to the optimum and CPU seconds at 1e3 tasks, where they still end."""
    arrays = market("loose", SMALL, 0)
    best = or_tools(*arrays)
    found = {}
    for name, solver in (("greedy", greedy), ("genetic", genetic), ("ant_colony", ant_colony)):
        seconds, value = _seconds(partial(solver, *arrays))
        found[name] = {"gap": 1 - value / best, "seconds": seconds}
    return found


def _fill(order: NDArray[Any], arrays: Arrays) -> tuple[float, list[int]]:
    """Take edges in this order where both ends have room: its value and the edges."""
    worker, task, value, capacity, redundancy = arrays
    room, wanted, taken = capacity.tolist(), redundancy.tolist(), []
    for edge, w, t in zip(order.tolist(), worker[order].tolist(), task[order].tolist(), strict=True):
        if room[w] and wanted[t]:
            room[w] -= 1
            wanted[t] -= 1
            taken.append(edge)
    return float(value[taken].sum()), taken


def greedy(*arrays: Any) -> float:
    return _fill(np.argsort(-arrays[2], kind="stable"), arrays)[0]


def genetic(*arrays: Any, population: int = 20, generations: int = 25) -> float:
    """Keys of the edges' order evolve: uniform crossing, a little noise, the better half survives (random keys, Bean 1994)."""
    luck, value = np.random.default_rng(0), arrays[2] / arrays[2].max()
    keys = value + 0.05 * luck.standard_normal((population, len(value)))
    worth = np.array([_fill(np.argsort(-one), arrays)[0] for one in keys])
    for _ in range(generations):
        keys = keys[np.argsort(-worth)]
        worth = np.sort(worth)[::-1].copy()
        for child in range(population // 2, population):
            mother, father = luck.integers(0, population // 2, 2)
            keys[child] = np.where(luck.random(len(value)) < 0.5, keys[mother], keys[father])
            keys[child] += 0.01 * luck.standard_normal(len(value))
            worth[child] = _fill(np.argsort(-keys[child]), arrays)[0]
    return float(worth.max())


def ant_colony(*arrays: Any, ants: int = 10, rounds: int = 25) -> float:
    """Ants draw orders by value and pheromone; the best lays more on its edges (Dorigo and Gambardella 1997)."""
    luck, value = np.random.default_rng(0), arrays[2] / arrays[2].max()
    pheromone, best, best_taken = np.ones(len(value)), 0.0, []
    for _ in range(rounds):
        for _ in range(ants):
            key = 30 * value + np.log(pheromone) + 0.3 * luck.gumbel(size=len(value))
            worth, taken = _fill(np.argsort(-key), arrays)
            if worth > best:
                best, best_taken = worth, taken
        pheromone *= 0.9
        pheromone[best_taken] += 0.5
    return best


# ---------------------------------------------------------------------- telling


def text(d: dict[str, Any]) -> str:
    """The document for people."""
    rows = [_size_row(kind, tasks, one) for kind in MARKETS for tasks, one in d[kind].items()]
    if "million" in d:
        one = d["million"]
        rows.append(
            f"  loose, {one['tasks']:,} tasks: {one['ours_seconds']:.2f} s, {one['to_linear']:.2f} times linear, "
            f"{one['peak_mb']:,.0f} MB, certified {one['certified_gap']:.4%}"
        )
    live_, fair = d["live"], d["fairness"]
    events = "p99 of an event: " + ", ".join(f"{kind} {one['p99_ms']:.2f} ms" for kind, one in live_["events"].items())
    rows += [
        f"  {live_['churned']} workers come and go: {live_['churn_times_cheaper']:.0f} times cheaper than anew; {events}",
        f"  checker: {d['checker']['refused']:,} of {d['checker']['mutations']:,} mutations refused",
        _fairness_row(fair),
        "  at 1,000 tasks: "
        + ", ".join(f"{name} {one['gap']:.2%} in {one['seconds']:.2f} s" for name, one in d["baselines"].items()),
        *(f"  not measured: {one}" for one in d["not_measured"]),
    ]
    return "\n".join(rows)


def _fairness_row(fair: dict[str, Any]) -> str:
    best, floor, spread, parity, income = (fair[k] for k in ("best", "floor_of_1", "load_spread", "parity", "income"))
    return (
        f"  work for everyone costs {floor['cost']:.2%} (idle {best['idle']} -> {floor['idle']}); "
        f"Gini of load {best['gini']:.3f} -> {spread['gini']:.3f} {spread['cost']:.2%}; "
        f"exposure {parity['exposure_ratio_without']:.2f} -> {parity['exposure_ratio']:.2f} {parity['cost']:.2%}; "
        f"Gini of income {income['gini_without']:.3f} -> {income['gini']:.3f} {income['cost']:.2%}"
    )


def _size_row(kind: str, tasks: str, one: dict[str, Any]) -> str:
    return (
        f"  {kind}, {int(tasks):,} tasks: {one['ours_seconds']:.4f} s, OR-tools {one['or_tools_seconds']:.3f} s: "
        f"{one['times_faster']:.1f} times; gap certified {one['certified_gap']:.4%}, true {one['true_gap']:.4%}"
    )


def main(arguments: Sequence[str]) -> None:
    """A part in a process of its own; its findings as JSON."""
    name, *rest = arguments
    parts: dict[str, Callable[..., Any]] = {
        "size": lambda kind, tasks, seeds: size(kind, int(tasks), int(seeds)),
        "largest": lambda tasks: largest(int(tasks)),
        "live": lambda tasks: live(int(tasks)),
        "checker": checker,
        "fairness": lambda tasks: fairness(int(tasks)),
        "baselines": baselines,
    }
    print(json.dumps(parts[name](*rest)))


if __name__ == "__main__":
    main(sys.argv[1:])
