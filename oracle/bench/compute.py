"""`crowdproof bench compute`: what workers on Ray cost and save beside one process, and whether their results are its bits.

Wall-clock medians, the two by turns, on crowds of `bench truth-speed` and on tight markets of `bench match` in towns of about
50,000 edges that share nobody: `match` with the gap 0.001, `optimum` with none. Both sides have run once before, so that nothing
is compiled under the clock. Start-up is paid once a command and counted apart; a call is a `map` of parts that do nothing.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from oracle.adapters.cluster import computing
from oracle.bench import match, truth_speed
from oracle.compute import LOCAL, Compute
from oracle.matching.parts import solve_apart
from oracle.matching.solve import warm_up
from oracle.verification import engine
from oracle.verification.infer import dawid_skene
from oracle.verification.learn import learn

TOWN = 50_000  # edges
MOST = {"optimum": 100_000, "learn": 100_000}  # edges, answers: beyond, minutes each
CALLS = 50
Work = Callable[[Compute], tuple[Any, ...]]  # by whom -> arrays that must be the same


def compute(sizes: Sequence[int], rounds: int, address: str) -> dict[str, Any]:
    """`pays_from`: the size from which on workers are quicker, once started, or null; `pays_from_start`: start-up counted too."""
    began = time.perf_counter()
    with computing(address) as cluster:
        cluster.map(_nothing, [()] * cluster.workers)
        start_up = time.perf_counter() - began
        call = statistics.median(_seconds(_nothings, cluster)[0] for _ in range(CALLS))
        works = {
            name: {
                str(size): _compared(name, size, make(size), cluster, rounds)
                for size in sizes
                if size <= MOST.get(name, size)
            }
            for name, make in WORKS.items()
        }
        workers = cluster.workers
    return {
        "workers": workers,
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "rounds": rounds,
        "start_up_seconds": start_up,
        "call_seconds": call,
        "works": works,
        "pays_from": {name: pays_from(rows, 0.0) for name, rows in works.items()},
        "pays_from_start": {name: pays_from(rows, start_up) for name, rows in works.items()},
        "equal": all(row["equal"] for rows in works.values() for row in rows.values()),
    }


def pays_from(rows: dict[str, dict[str, Any]], start_up: float) -> int | None:
    """The smallest size such that there and at every larger one workers with their start-up are quicker; None where at none."""
    return from_where({int(n): row["workers_seconds"] + start_up < row["local_seconds"] for n, row in rows.items()})


def from_where(quicker: dict[int, bool]) -> int | None:
    """The smallest size such that it holds there and at every larger one; None where at none."""
    found = None
    for size in sorted(quicker, reverse=True):
        if not quicker[size]:
            break
        found = size
    return found


def _compared(name: str, size: int, work: Work, cluster: Compute, rounds: int) -> dict[str, Any]:
    sides = {"local_seconds": LOCAL, "workers_seconds": cluster}
    here, there = (work(by) for by in sides.values())
    taken: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(rounds):
        for side, by in sides.items():
            taken[side].append(_seconds(work, by)[0])
    found: dict[str, Any] = {side: statistics.median(seconds) for side, seconds in taken.items()}
    found["ratio"] = found["workers_seconds"] / found["local_seconds"]
    found["equal"] = all(np.array_equal(one, other) for one, other in zip(here, there, strict=True))
    print(_row(name, size, found), file=sys.stderr, flush=True)
    return found


def _seconds(work: Work, by: Compute) -> tuple[float, Any]:
    began = time.perf_counter()
    found = work(by)
    return time.perf_counter() - began, found


def _nothings(cluster: Compute) -> tuple[Any, ...]:
    return tuple(cluster.map(_nothing, [()] * cluster.workers))


def _nothing() -> None:
    pass


# ---------------------------------------------------------------------- works


def _engine(answers: int) -> Work:
    given = crowd_of(answers)

    def work(by: Compute) -> tuple[Any, ...]:
        found = engine.infer(*given, compute=by)
        return found.posterior, found.state.tables, found.weights

    return work


def _dawid_skene(answers: int) -> Work:
    given = crowd_of(answers)

    def work(by: Compute) -> tuple[Any, ...]:
        found = dawid_skene(*given, compute=by)
        return found.posterior, found.pair_count, found.trace

    return work


def _learn(answers: int) -> Work:
    given = crowd_of(answers)
    fit = dawid_skene(*given)

    def work(by: Compute) -> tuple[Any, ...]:
        found = learn(given[0], given[1], given[2], fit, compute=by)
        return found.correction, found.right, found.difficulty, found.spam

    return work


def _match(gap: float, edges: int) -> Work:
    given = towns(edges)
    warm_up(given[2])

    def work(by: Compute) -> tuple[Any, ...]:
        found = solve_apart(*given, gap=gap, compute=by)
        return found.chosen, found.price, np.array([found.value, found.bound])

    return work


WORKS: dict[str, Callable[[int], Work]] = {
    "engine": _engine,
    "dawid-skene": _dawid_skene,
    "learn": _learn,
    "match": partial(_match, match.GAP),
    "optimum": partial(_match, 0.0),
}


def crowd_of(answers: int) -> tuple[Any, ...]:
    """The arrays and sizes of a made crowd."""
    crowd = truth_speed.made(answers)
    return crowd.task, crowd.worker, crowd.label, len(crowd.tasks), len(crowd.workers), len(crowd.classes)


def towns(edges: int) -> match.Arrays:
    """Tight markets of about TOWN edges side by side, in all as many edges as asked for."""
    count = max(1, edges // TOWN)
    markets = [match.market("tight", edges // count // match.CANDIDATES, seed) for seed in range(count)]
    people, tasks = (np.cumsum([0, *(len(one[k]) for one in markets)]) for k in (3, 4))
    worker = np.concatenate([one[0] + first for one, first in zip(markets, people[:-1], strict=True)])
    task = np.concatenate([one[1] + first for one, first in zip(markets, tasks[:-1], strict=True)])
    value, capacity, redundancy = (np.concatenate([one[k] for one in markets]) for k in (2, 3, 4))
    return worker, task, value, capacity, redundancy


# ---------------------------------------------------------------------- telling


def text(document: dict[str, Any]) -> str:
    """The document for people."""
    head = (
        f"{document['workers']} workers, {document['cores']} cores, load {document['load']:.1f}: "
        f"{document['start_up_seconds']:.1f} s to start, {document['call_seconds'] * 1e3:.1f} ms a call; "
        f"medians of {document['rounds']}"
    )
    rows = [_row(name, int(size), row) for name, sizes in document["works"].items() for size, row in sizes.items()]
    return "\n".join([head, *rows, *(_pays(name, document) for name in document["works"])])


def _row(name: str, size: int, row: dict[str, Any]) -> str:
    same = "the same bits" if row["equal"] else "NOT THE SAME"
    return (
        f"{name:>12} {size:>12,}: one process {row['local_seconds']:.3f} s, workers {row['workers_seconds']:.3f} s, "
        f"{row['ratio']:.2f} times; {same}"
    )


def _pays(name: str, document: dict[str, Any]) -> str:
    started, whole = (document[key][name] for key in ("pays_from", "pays_from_start"))
    if started is None:
        return f"{name:>12} never pays at these sizes"
    return f"{name:>12} pays from {started:,}; with start-up {'never at these sizes' if whole is None else f'from {whole:,}'}"
