"""`crowdproof bench schedule`: how long jobs with an order take, beside the bounds, and what people who forget or give back cost.

Instances are drawn by seed: layered graphs, skills, calendars with a break. Every method has the same work and the same people.
The genetic algorithm and the ant colony of the literature search over orders of urgency for the same rolling horizon, with as many
timetables each.  (Holland 1975; Dorigo & Stuetzle 2004)
"""

import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from oracle.matching import graph as gr
from oracle.matching.schedule import Person, Timetable, Work, plan, roll

SKILLS = ("map", "speech", "text")
LARGE_TASKS, LARGE_PEOPLE = 1_000, 60
LOOKS = 200  # timetables that a search may make
RESERVE_S = 300


def run(tasks: int, people: int, seeds: int, seconds: float) -> dict[str, Any]:
    """Medians over seeds; `over_bound`: makespan / bound - 1, where the bound is the best that was proven."""
    rows = [_one(tasks, people, seed, seconds) for seed in range(seeds)]
    names = list(rows[0]["makespan"])
    return {
        "tasks": tasks,
        "people": people,
        "seeds": seeds,
        "critical_path": _median(row["critical_path"] for row in rows),
        "bound": _median(row["bound"] for row in rows),
        "makespan": {n: _median(row["makespan"][n] for row in rows) for n in names},
        "over_bound": {n: round(_median(row["makespan"][n] / row["bound"] - 1 for row in rows), 4) for n in names},
        "idle": {n: round(_median(row["idle"][n] for row in rows), 4) for n in names},
        "proven_optimal": sum(row["optimal"] for row in rows),
        "large": _large(),
    }


def text(d: dict[str, Any]) -> str:
    large = d["large"]
    lines = [
        f"  {d['tasks']} tasks, {d['people']} people, {d['seeds']} seeds: {_bounds(d)}",
        *(
            f"  {name:16} {d['makespan'][name]:8.0f} s  {d['over_bound'][name]:+7.1%} over the bound  {d['idle'][name]:6.1%} idle"
            for name in d["makespan"]
        ),
        f"  the plan is proven to be shortest in {d['proven_optimal']} of {d['seeds']}",
        f"  {large['tasks']} tasks, {large['people']} people: {_bounds(large)}",
        *(
            f"  {name:16} {one['makespan']:8.0f} s  {one['over_bound']:+7.1%} over the bound  {one['idle']:6.1%} idle"
            f"  {one['reassigned']} places given anew"
            for name, one in large["runs"].items()
        ),
    ]
    return "\n".join(lines)


def _bounds(d: dict[str, Any]) -> str:
    return f"critical path {d['critical_path']:.0f} s, bound {d['bound']:.0f} s"


def instance(tasks: int, people: int, seed: int) -> tuple[Work, list[Person]]:
    """A job whose tasks wait for some of the eight before them, three answers each at most, and people with two of three skills."""
    draw = random.Random(seed)
    ids = [f"t{i}" for i in range(tasks)]
    pairs = [(ids[a], ids[b]) for b in range(tasks) for a in range(max(0, b - 8), b) if draw.random() < 0.15]
    work = Work(
        gr.task_graph(ids, pairs),
        [draw.randint(20, 120) for _ in ids],
        [draw.randint(1, 3) for _ in ids],
        [draw.choice(("", "", *SKILLS)) for _ in ids],
    )
    span = sum(s * a for s, a in zip(work.seconds, work.answers, strict=True))
    crowd = [
        Person(frozenset(draw.sample(SKILLS, 2)), _calendar(draw, span, people)) for _ in range(people - len(SKILLS))
    ]
    return work, crowd + [
        Person(frozenset(SKILLS), ((0, 3 * span),)) for _ in SKILLS
    ]  # so that every task can be filled


def _calendar(draw: random.Random, span: int, people: int) -> tuple[tuple[int, int], ...]:
    come, pause = draw.randint(0, 60), max(200, span // (2 * people) + draw.randint(-50, 50))
    return (come, pause), (pause + 120, 3 * span)


def _one(tasks: int, people: int, seed: int, seconds: float) -> dict[str, Any]:
    work, crowd = instance(tasks, people, seed)
    best = plan(work, crowd, seconds=seconds, seed=seed)
    tables: dict[str, Timetable] = {
        "plan (CP-SAT)": best,
        "rolling horizon": roll(work, crowd),
        "genetic": genetic(work, crowd, random.Random(seed)),
        "ant colony": ants(work, crowd, random.Random(seed)),
        "first come": roll(work, crowd, priority=lambda t: t),
        "forgetful": roll(work, [replace(p, forgets=0.1, returns=0.1) for p in crowd], reserve=RESERVE_S, seed=seed),
    }
    path = gr.critical(work.graph, [float(s) for s in work.seconds]).length
    return {
        "critical_path": path,
        "bound": best.bound,
        "makespan": {name: table.makespan for name, table in tables.items()},
        "idle": {name: table.idle for name, table in tables.items()},
        "optimal": best.makespan <= best.bound,
    }


def _large() -> dict[str, Any]:
    work, crowd = instance(LARGE_TASKS, LARGE_PEOPLE, 0)
    troubled = [replace(p, forgets=0.1, returns=0.1) for p in crowd]
    began = time.process_time()
    runs = {"rolling horizon": roll(work, crowd)}
    spent = time.process_time() - began
    runs["forgetful"] = roll(work, troubled, reserve=RESERVE_S)
    path = gr.critical(work.graph, [float(s) for s in work.seconds]).length
    table = next(iter(runs.values()))
    return {
        "tasks": LARGE_TASKS,
        "people": LARGE_PEOPLE,
        "critical_path": path,
        "bound": table.bound,
        "seconds_per_place": round(spent / len(table.shifts), 6),
        "runs": {
            name: {
                "makespan": one.makespan,
                "over_bound": round(one.makespan / one.bound - 1, 4),
                "idle": round(one.idle, 4),
                "reassigned": sum(s.outcome != "answered" for s in one.shifts),
                "undone": len(one.undone),
            }
            for name, one in runs.items()
        },
    }


# ----------------------------------------------------------------------------------------------- the literature's searches


def genetic(work: Work, crowd: Sequence[Person], draw: random.Random, looks: int = LOOKS) -> Timetable:
    """Random keys as orders of urgency, the better half kept, uniform crossover, a tenth drawn anew."""
    size, many = len(work.seconds), 20
    people = [[draw.random() for _ in range(size)] for _ in range(many)]
    scored = sorted(((_table(work, crowd, keys), keys) for keys in people), key=lambda one: one[0].makespan)
    for _ in range(looks - many):
        mother, father = (draw.choice(scored[: many // 2])[1] for _ in range(2))
        child = [
            draw.random() if draw.random() < 0.1 else draw.choice(pair) for pair in zip(mother, father, strict=True)
        ]
        scored = sorted([*scored, (_table(work, crowd, child), child)], key=lambda one: one[0].makespan)[:many]
    return scored[0][0]


def ants(work: Work, crowd: Sequence[Person], draw: random.Random, looks: int = LOOKS) -> Timetable:
    """Pheromone on how early a task stands; the best order so far is laid down again, the rest evaporates."""
    size = len(work.seconds)
    trail = [1.0] * size
    best: Timetable | None = None
    for _ in range(looks):
        keys = [draw.expovariate(one) for one in trail]  # more pheromone, more urgent
        table = _table(work, crowd, keys)
        if best is None or table.makespan <= best.makespan:
            best = table
            rank = {t: i for i, t in enumerate(sorted(range(size), key=keys.__getitem__))}
            trail = [0.9 * one + 0.1 * (1 + 9 * (1 - rank[t] / size)) for t, one in enumerate(trail)]
    assert best is not None  # noqa: S101 - looks is positive
    return best


def _table(work: Work, crowd: Sequence[Person], keys: Sequence[float]) -> Timetable:
    urgent: Callable[[int], Any] = keys.__getitem__
    return roll(work, crowd, priority=urgent)


def _median(values: Any) -> float:
    return float(statistics.median(values))
