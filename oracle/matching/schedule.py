"""Who works when: places that are held for a while, given back or forgotten; and plans with skills and calendars.

Work (a task graph, times, how many answers, skills) and people (skills, calendars) -> a timetable. Pure; times are seconds.

    allowance   how many places somebody may hold who finished so many and let so many run out
    roll        the rolling horizon: whenever somebody is free, the place with the longest chain behind it; what runs out or is
                given back goes to somebody else
    plan        the best timetable that CP-SAT finds in a given time, and a bound that none beats (OR-tools, loaded when needed)
    bound       critical path, and the work shared by all: no timetable is shorter
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.matching.graph import TaskGraph, critical
from oracle.protocol.errors import BadInput

FORGIVEN = 4  # finished tasks for which one forgotten place is forgiven
Window = tuple[int, int]  # from, until
Float = NDArray[np.float64]


def allowance(most: int, finished: int, forgotten: int) -> int:
    """Places that a worker may hold at a time: `most`, halved for each that ran out beyond what its finished work forgives.

    What is given back in time costs nothing: it is not `forgotten`. One place stays, so that anybody can work the debt off.
    """
    debt = max(0, forgotten - 1 - finished // FORGIVEN)  # the first is an accident
    return max(1, most >> min(debt, most.bit_length()))


@dataclass(frozen=True, slots=True)
class Work:
    """Of each task: seconds for an answer, answers wanted (each by somebody else), the skill it needs ('' for none)."""

    graph: TaskGraph
    seconds: Sequence[int]  # [T]
    answers: Sequence[int]  # [T]
    skill: Sequence[str]  # [T]


@dataclass(frozen=True, slots=True)
class Person:
    """`calendar`: when it can work, ascending, apart. `forgets`, `returns`: shares of its places that run out, or come back."""

    skills: frozenset[str]
    calendar: tuple[Window, ...]
    forgets: float = 0.0
    returns: float = 0.0


@dataclass(frozen=True, slots=True)
class Shift:
    """A place, held by somebody from `start` to `end`; `outcome`: answered, returned or forgotten."""

    task: int
    person: int
    start: int
    end: int
    outcome: str


@dataclass(frozen=True, slots=True)
class Timetable:
    """`undone`: tasks that nobody is left to finish, ascending; `bound`: no timetable is shorter."""

    shifts: tuple[Shift, ...]
    makespan: int
    idle: float  # share of the available time, until the end, in which somebody who could work had nothing
    bound: float
    undone: tuple[int, ...] = ()


class NobodyCan(BadInput):
    """A task asks for more people, or another skill, than there are."""


def bound(work: Work, people: Sequence[Person]) -> float:
    """The longest chain; and when all the calendars together have given the time that the work takes."""
    need = float(sum(s * a for s, a in zip(work.seconds, work.answers, strict=True)))
    moments = sorted({m for p in people for window in p.calendar for m in window})
    shared = 0.0
    for now, then in pairwise(moments):
        at_work = sum(any(a <= now and then <= b for a, b in p.calendar) for p in people)
        if need <= at_work * (then - now):
            shared = now + (need / at_work if at_work else 0.0)
            break
        need -= at_work * (then - now)
    first = min((p.calendar[0][0] for p in people if p.calendar), default=0)
    return max(first + critical(work.graph, np.asarray(work.seconds, np.float64)).length, shared)


def check(work: Work, people: Sequence[Person]) -> None:
    """Raises NobodyCan for a task that cannot be filled, BadInput for columns of another length or times that are none."""
    size = len(work.graph.ids)
    if not len(work.seconds) == len(work.answers) == len(work.skill) == size:
        raise BadInput(f"work: seconds, answers and skill need one entry for each of {size} tasks")
    for p, person in enumerate(people):
        edges = [m for window in person.calendar for m in window]
        if any(a >= b for a, b in pairwise(edges)) or (edges and edges[0] < 0):
            raise BadInput(f"person {p}: the calendar {person.calendar} is not a list of windows that ascend")
    for t, name in enumerate(work.graph.ids):
        able = sum(_can(person, work, t) for person in people)
        if work.seconds[t] < 1 or work.answers[t] < 1:
            raise BadInput(f"task {name[:40]!r}: at least one answer of at least one second")
        if able < work.answers[t]:
            raise NobodyCan(
                f"task {name[:40]!r} wants {work.answers[t]} people with {work.skill[t] or 'time'}; {able} can"
            )


def _can(person: Person, work: Work, task: int) -> bool:
    fits = any(b - a >= work.seconds[task] for a, b in person.calendar)
    return fits and (not work.skill[task] or work.skill[task] in person.skills)


# ----------------------------------------------------------------------------------------------------- rolling horizon


@dataclass(slots=True)
class _Floor:
    """The state of a job under way."""

    open: list[int]  # [T] places to be given out
    missing: list[int]  # [T] answers still wanted
    waits: list[int]  # [T] predecessors that are not done
    ready: set[int] = field(default_factory=set)
    free: set[int] = field(default_factory=set)
    seen: set[tuple[int, int]] = field(default_factory=set)  # task, person: not to be asked
    lapsed: dict[int, set[int]] = field(default_factory=dict)  # task -> who forgot it or gave it back
    forgotten: dict[int, int] = field(default_factory=dict)


def roll(
    work: Work,
    people: Sequence[Person],
    *,
    reserve: int = 3600,
    hesitate: int = 30,
    priority: Callable[[int], Any] | None = None,
    seed: int = 0,
) -> Timetable:
    """Plays the job: who is free gets the ready place with the longest chain behind it, or the least `priority`.

    A place is reserved for `reserve` seconds; who gives it back does so after `hesitate`. Nobody answers a task twice; who forgot
    it or gave it back gets it again only when nobody else is left. Raises BadInput.
    """
    check(work, people)
    path = critical(work.graph, np.asarray(work.seconds, np.float64))
    urgent = priority or (lambda t: (path.latest[t], t))
    draw = random.Random(seed)
    before = [len(work.graph.before.get(t, ())) for t in range(len(work.seconds))]
    floor = _Floor(list(work.answers), list(work.answers), before, {t for t, n in enumerate(before) if not n})
    events: list[tuple[int, int, int, str, int]] = []  # time, number, person, what, task
    for p, person in enumerate(people):
        for start, _ in person.calendar:
            heapq.heappush(events, (start, len(events), p, "comes", -1))
    shifts: list[Shift] = []
    count = len(events)
    busy: set[int] = set()
    while events and any(floor.missing):
        now = events[0][0]
        while events and events[0][0] == now:
            _, _, p, what, task = heapq.heappop(events)
            _happened(work, floor, busy, p, what, task)
        for task, p in _dispatch(work, people, floor, busy, now, urgent):
            chance = draw.random()
            ill, back = people[p].forgets, people[p].returns
            outcome = "forgotten" if chance < ill else "returned" if chance < ill + back else "answered"
            end = now + {"forgotten": reserve, "returned": hesitate, "answered": work.seconds[task]}[outcome]
            shifts.append(Shift(task, p, now, end, outcome))
            count += 1
            heapq.heappush(events, (end, count, p, outcome, task))
    makespan = max((s.end for s in shifts if s.outcome == "answered"), default=0)
    undone = tuple(t for t, n in enumerate(floor.missing) if n)
    return Timetable(tuple(shifts), makespan, _idle(people, shifts, makespan), bound(work, people), undone)


def _happened(work: Work, floor: _Floor, busy: set[int], person: int, what: str, task: int) -> None:
    if what != "comes":
        busy.discard(person)
    if what in ("forgotten", "returned"):
        floor.open[task] += 1
        floor.ready.add(task)
        floor.lapsed.setdefault(task, set()).add(person)
        floor.forgotten[person] = floor.forgotten.get(person, 0) + (what == "forgotten")
    if what == "answered":
        floor.missing[task] -= 1
        if not floor.missing[task]:
            for later in work.graph.after.get(task, ()):
                floor.waits[later] -= 1
                if not floor.waits[later]:
                    floor.ready.add(later)


def _dispatch(
    work: Work, people: Sequence[Person], floor: _Floor, busy: set[int], now: int, urgent: Callable[[int], Any]
) -> list[tuple[int, int]]:
    """(task, person): the most urgent places first, each to whoever forgot least and has the fewest skills to spare."""
    left = {p: _until(person, now) for p, person in enumerate(people) if p not in busy and _until(person, now) > now}
    given: list[tuple[int, int]] = []
    for task in sorted(floor.ready, key=urgent):
        if not left:
            break
        if task in floor.lapsed and not _others(work, people, floor, task):
            floor.seen -= {(task, p) for p in floor.lapsed.pop(task)}
        able = [
            p
            for p, until in left.items()
            if (task, p) not in floor.seen
            and now + work.seconds[task] <= until
            and (not work.skill[task] or work.skill[task] in people[p].skills)
        ]
        able.sort(key=lambda p: (floor.forgotten.get(p, 0), len(people[p].skills), p))
        for p in able[: floor.open[task]]:
            given.append((task, p))
            floor.open[task] -= 1
            floor.seen.add((task, p))
            busy.add(p)
            del left[p]
        if not floor.open[task]:
            floor.ready.discard(task)
    return given


def _others(work: Work, people: Sequence[Person], floor: _Floor, task: int) -> bool:
    """Whether somebody is left who was never asked."""
    return any((task, p) not in floor.seen and _can(person, work, task) for p, person in enumerate(people))


def _until(person: Person, now: int) -> int:
    return next((b for a, b in person.calendar if a <= now < b), 0)


def _idle(people: Sequence[Person], shifts: Sequence[Shift], end: int) -> float:
    """Of the time in calendars until the end."""
    there = sum(max(0, min(b, end) - a) for p in people for a, b in p.calendar)
    worked = sum(max(0, min(s.end, b, end) - max(s.start, a)) for s in shifts for a, b in people[s.person].calendar)
    return 1 - worked / there if there else 0.0


# --------------------------------------------------------------------------------------------------------------- plans


def plan(work: Work, people: Sequence[Person], *, seconds: float = 10.0, seed: int = 0) -> Timetable:
    """The shortest timetable that CP-SAT finds in `seconds`, starting from `roll`'s; with the bound that it proves.

    An interval for each place and person who could take it, one of which is chosen; nobody at two places, nor outside the calendar;
    what waits begins when the last answer before it is in. Raises BadInput, also without OR-tools (extra `matching`).
    """
    start = roll(work, [Person(p.skills, p.calendar) for p in people])
    try:
        from ortools.sat.python import cp_model  # noqa: PLC0415 - it loads slowly, and few plan
    except ImportError:
        raise BadInput("a plan needs OR-tools: pip install 'crowdproof[matching]'") from None
    model: Any = cp_model.CpModel()
    horizon = max((b for p in people for _, b in p.calendar), default=0)
    end, chosen = _model(model, work, people, horizon)
    for shift in start.shifts:
        hinted = chosen[shift.task][shift.person]
        model.add_hint(hinted[0], True)
        model.add_hint(hinted[1], shift.start)
    model.minimize(end)
    solver: Any = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = seconds
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = seed
    status = solver.solve(model)
    proven = max(bound(work, people), float(solver.best_objective_bound))
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE) or (
        not start.undone and solver.value(end) >= start.makespan
    ):
        return replace(start, bound=proven)
    shifts = tuple(
        Shift(t, p, solver.value(begin), solver.value(begin) + work.seconds[t], "answered")
        for t, options in enumerate(chosen)
        for p, (taken, begin) in sorted(options.items())
        if solver.value(taken)
    )
    makespan = max(s.end for s in shifts)
    return Timetable(shifts, makespan, _idle(people, shifts, makespan), proven)


def _model(model: Any, work: Work, people: Sequence[Person], horizon: int) -> tuple[Any, list[dict[int, Any]]]:
    """(makespan, of each task: person -> (is it chosen, when it begins))."""
    end = model.new_int_var(0, horizon, "end")
    begins = [model.new_int_var(0, horizon, f"first {t}") for t in range(len(work.seconds))]
    done = [model.new_int_var(0, horizon, f"done {t}") for t in range(len(work.seconds))]
    chosen: list[dict[int, Any]] = []
    intervals: list[list[Any]] = [[] for _ in people]
    for t, length in enumerate(work.seconds):
        options: dict[int, Any] = {}
        for p, person in enumerate(people):
            if _can(person, work, t):
                taken, begin = model.new_bool_var(f"{t} by {p}"), model.new_int_var(0, horizon - length, f"{t} at {p}")
                intervals[p].append(model.new_optional_fixed_size_interval_var(begin, length, taken, f"{t}/{p}"))
                model.add(begin >= begins[t]).only_enforce_if(taken)
                model.add(done[t] >= begin + length).only_enforce_if(taken)
                options[p] = (taken, begin)
        model.add(sum(taken for taken, _ in options.values()) == work.answers[t])
        model.add(done[t] >= begins[t] + length)
        for one in work.graph.before.get(t, ()):
            model.add(begins[t] >= done[one])
        model.add(end >= done[t])
        chosen.append(options)
    for p, person in enumerate(people):
        edges = [0, *(m for window in person.calendar for m in window), horizon + 1]
        away = [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b > a]
        intervals[p] += [model.new_fixed_size_interval_var(a, b - a, f"away {p} {a}") for a, b in away]
        model.add_no_overlap(intervals[p])
    return end, chosen
