"""Tasks that wait for others: a directed graph without circles, what of it may be asked now, and how long it takes at least.

Ids and pairs (before, after) -> TaskGraph; with what is decided -> the tasks that are free; with times -> critical path, slack, and
whether deadlines can be kept. Pure. Tasks are numbered as in the job; times are seconds.

    a pair is (before, after): `after` is asked only when `before` is decided, with enough confidence
    slack: by how much a task may be late without making the whole late          (Kelley & Walker 1959, critical path method)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oracle.protocol.errors import BadInput

Float = NDArray[np.float64]
NAMED = 20  # tasks that a message about a circle names


class UnknownTask(BadInput):
    """A pair names a task that the job does not have."""


class Circle(BadInput):
    """Tasks wait for each other."""


@dataclass(frozen=True, slots=True)
class TaskGraph:
    """`before`, `after`: neighbours of each task that has any, ascending; `order`: those tasks, each after all it waits for."""

    ids: tuple[str, ...]
    before: Mapping[int, tuple[int, ...]]
    after: Mapping[int, tuple[int, ...]]
    order: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Critical:
    """When each task can begin at the earliest and must at the latest, if the whole is to take no longer than `length`."""

    length: float
    path: tuple[int, ...]  # the first of the longest chains
    earliest: Float  # [T] start
    latest: Float  # [T] start

    @property
    def slack(self) -> Float:
        return self.latest - self.earliest


@dataclass(frozen=True, slots=True)
class Late:
    """A task that cannot keep its deadline, or the one of a task that waits for it."""

    task: int
    finish: float  # at the earliest
    due: float  # at the latest


def task_graph(ids: Sequence[str], pairs: Sequence[Sequence[str]], where: str = "dependencies") -> TaskGraph:
    """The graph of `pairs` of ids. Raises UnknownTask with the pair's place, Circle with the tasks and a pair of the circle."""
    number = {name: t for t, name in enumerate(ids)}
    place: dict[tuple[int, int], int] = {}
    for position, (one, two) in enumerate(pairs):
        for name in (one, two):
            if name not in number:
                raise UnknownTask(f"{where}.{position}: there is no task {name[:80]!r}; name a task of the job")
        place.setdefault((number[one], number[two]), position)
    if not place:
        return TaskGraph(tuple(ids), {}, {}, ())
    import networkx as nx  # noqa: PLC0415 - it loads for half a second, and few jobs have tasks that wait

    graph: Any = nx.DiGraph(list(place))
    try:
        order = tuple(nx.lexicographical_topological_sort(graph))
    except nx.NetworkXUnfeasible:
        raise _circle(graph, ids, place, where) from None
    return TaskGraph(
        tuple(ids),
        {t: tuple(sorted(graph.predecessors(t))) for t in order},
        {t: tuple(sorted(graph.successors(t))) for t in order},
        order,
    )


def _circle(graph: Any, ids: Sequence[str], place: Mapping[tuple[int, int], int], where: str) -> Circle:
    import networkx as nx  # noqa: PLC0415

    edges = [(edge[0], edge[1]) for edge in nx.find_cycle(graph)]
    names = [repr(ids[t][:40]) for t in (*(one for one, _ in edges), edges[0][0])]
    if len(names) > NAMED:
        names = [*names[: NAMED - 1], f"... ({len(edges)} tasks in all)", names[-1]]
    last = place[edges[-1]]
    return Circle(f"{where}.{last}: tasks wait for each other: {' -> '.join(names)}; leave out one of these pairs")


def released(graph: TaskGraph, task: int, confidence: Mapping[int, float], level: float = 0.0) -> bool:
    """Whether the task may be asked. confidence: of each decided task; `level`: what a predecessor's verdict needs."""
    return all(confidence.get(one, -1.0) >= level for one in graph.before.get(task, ()))


def held(graph: TaskGraph, confidence: Mapping[int, float], level: float) -> dict[int, tuple[int, ...]]:
    """Tasks that are never released as things are: those behind a verdict that is final and not sure enough, with what holds them.

    The chain of a held task is held too, by the same verdicts.
    """
    found: dict[int, tuple[int, ...]] = {}
    for t in graph.order:
        unsure = {one for one in graph.before[t] if confidence.get(one, 1.0) < level}
        above = {root for one in graph.before[t] for root in found.get(one, ())}
        if unsure | above:
            found[t] = tuple(sorted(unsure | above))
    return found


def inputs(graph: TaskGraph, task: int, labels: Mapping[int, Any]) -> dict[str, Any]:
    """What the decided predecessors of a task hand to it, by their ids: shown to its workers beside its own payload."""
    return {graph.ids[one]: labels[one] for one in graph.before.get(task, ()) if one in labels}


# --------------------------------------------------------------------------------------------------------------- times


def critical(graph: TaskGraph, seconds: ArrayLike) -> Critical:
    """The longest chain, where task t takes `seconds[t]` and as many as like may be worked on at the same time.

    seconds [T], or one number for all. Raises BadInput naming the task for what is no duration.
    """
    times = _seconds(graph, seconds)
    earliest, behind = np.zeros_like(times), times.copy()  # behind: from a task's start to the end of its longest chain
    for t in graph.order:
        earliest[t] = max((earliest[one] + times[one] for one in graph.before[t]), default=0.0)
    for t in reversed(graph.order):
        behind[t] = times[t] + max((behind[two] for two in graph.after[t]), default=0.0)
    length = float((earliest + behind).max())
    path = [int(behind.argmax())]
    while nexts := graph.after.get(path[-1], ()):
        path.append(max(nexts, key=lambda two: (behind[two], -two)))
    return Critical(length, tuple(path), earliest, length - behind)


def late(graph: TaskGraph, seconds: ArrayLike, deadline: Mapping[int, float], now: float, end: float) -> list[Late]:
    """Tasks that cannot be finished in time, ascending. deadline: of some tasks; `end`: of the whole job.

    A task is due before the latest start of each that waits for it.
    """
    times = _seconds(graph, seconds)
    due = np.full(len(times), float(end))
    for t, moment in deadline.items():
        due[t] = min(due[t], float(moment))
    for t in reversed(graph.order):
        due[t] = min([due[t], *(due[two] - times[two] for two in graph.after[t])])
    finish = now + critical(graph, times).earliest + times
    return [Late(int(t), float(finish[t]), float(due[t])) for t in np.flatnonzero(finish > due)]


def levels(graph: TaskGraph) -> dict[int, int]:
    """How many tasks stand one before the other ahead of each task that has neighbours."""
    found: dict[int, int] = {}
    for t in graph.order:
        found[t] = 1 + max((found[one] for one in graph.before[t]), default=-1)
    return found


def chain(graph: TaskGraph, tasks: Iterable[int]) -> str:
    """Tasks in words, for people."""
    return " -> ".join(graph.ids[t][:40] for t in tasks)


def _seconds(graph: TaskGraph, seconds: ArrayLike) -> Float:
    given = np.asarray(seconds, np.float64)
    if given.shape not in ((), (len(graph.ids),)):
        raise BadInput(f"seconds: one number, or one for each of {len(graph.ids)} tasks, not an array of {given.shape}")
    times = np.broadcast_to(given, (len(graph.ids),)).copy()
    wrong = np.flatnonzero(~((times >= 0) & np.isfinite(times)))
    if wrong.size:
        raise BadInput(f"seconds: task {graph.ids[wrong[0]][:80]!r} takes {times[wrong[0]]}; 0 or more are needed")
    return times
