"""Small markets for properties, and what holds of any assignment."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

Arrays = tuple[Any, Any, Any, Any, Any]


@st.composite
def markets(draw: st.DrawFn, most: int = 6, value: int = 1000) -> Arrays:
    """worker, task, value, capacity, redundancy: up to `most` of each end, in any order of edges."""
    workers, tasks = draw(st.integers(1, most)), draw(st.integers(1, most))
    pairs = st.tuples(st.integers(0, workers - 1), st.integers(0, tasks - 1))
    edges = draw(st.lists(pairs, unique=True, min_size=1, max_size=workers * tasks))
    values = draw(st.lists(st.integers(-value // 10, value), min_size=len(edges), max_size=len(edges)))
    limits = [draw(st.lists(st.integers(0, 4), min_size=n, max_size=n)) for n in (workers, tasks)]
    ends = np.array(edges, np.int32)
    return ends[:, 0], ends[:, 1], np.array(values, np.int64), np.array(limits[0]), np.array(limits[1])


def crowd(tasks: int, workers: int, each: int, capacity: int, redundancy: int, seed: int = 0) -> Arrays:
    """A market of so many candidates a task, ids shuffled, values that share terms of tasks and workers."""
    luck = np.random.default_rng(seed)
    worker = np.concatenate([luck.choice(workers, each, replace=False) for _ in range(tasks)]).astype(np.int32)
    task = np.repeat(np.arange(tasks, dtype=np.int32), each)
    z = luck.normal(size=workers)[worker] - luck.normal(size=tasks)[task] + luck.normal(size=len(task))
    value = (1e6 / (1 + np.exp(-1 - z))).astype(np.int64)
    mixed = luck.permutation(len(task))
    return worker[mixed], task[mixed], value[mixed], np.full(workers, capacity), np.full(tasks, redundancy)


def islands(count: int, capacity: int, redundancy: int, seed: int = 0) -> Arrays:
    """So many crowds that share nobody, mixed; some workers have no place, some pairs are worth less than nothing."""
    of = [crowd(40, 30, 8, capacity, redundancy, 1000 * seed + n) for n in range(count)]
    worker, task = (np.concatenate([one[k] + size * n for n, one in enumerate(of)]) for k, size in ((0, 30), (1, 40)))
    value, places, wanted = (np.concatenate([one[k] for one in of]) for k in (2, 3, 4))
    luck = np.random.default_rng(seed)
    mixed = luck.permutation(len(worker))
    value[luck.integers(0, len(value), 30)] = -5
    places[luck.integers(0, len(places), 5)] = 0
    return worker[mixed], task[mixed], value[mixed], places, wanted


def optimum(arrays: Arrays) -> int:
    """By OR-tools' SimpleMinCostFlow."""
    from oracle.bench.match import or_tools

    worker, task, value, capacity, redundancy = arrays
    useful = value >= 0
    return or_tools(worker[useful], task[useful], value[useful], capacity, redundancy)
