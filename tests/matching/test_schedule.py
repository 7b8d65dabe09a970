"""Schedules: nobody at two places, nothing before what it waits for, what lapses given anew, bounds that hold, shortest plans."""

import itertools
import random
from collections import Counter

import pytest

from oracle.bench.schedule import ants, genetic, instance
from oracle.matching.graph import task_graph
from oracle.matching.schedule import NobodyCan, Person, Timetable, Work, bound, plan, roll
from oracle.protocol.errors import BadInput

ALWAYS = ((0, 100_000),)


def work(ids: str, pairs: list[tuple[str, str]], seconds: list[int], answers: int = 1, skill: str = "") -> Work:
    return Work(task_graph(ids, pairs), seconds, [answers] * len(ids), [skill] * len(ids))


def people(count: int, **more: float) -> list[Person]:
    return [Person(frozenset({"x"}), ALWAYS, **more) for _ in range(count)]


def require_sound(table: Timetable, of: Work, crowd: list[Person]) -> None:
    """Every rule, shift by shift."""
    answered = [s for s in table.shifts if s.outcome == "answered"]
    assert Counter(s.task for s in answered) == {t: n for t, n in enumerate(of.answers) if t not in table.undone}
    assert len({(s.task, s.person) for s in answered}) == len(answered)
    for p in range(len(crowd)):
        own = sorted((s.start, s.end) for s in table.shifts if s.person == p)
        assert all(a[1] <= b[0] for a, b in itertools.pairwise(own))
    for s in answered:
        assert s.end - s.start == of.seconds[s.task]
        assert any(a <= s.start and s.end <= b for a, b in crowd[s.person].calendar)
        assert not of.skill[s.task] or of.skill[s.task] in crowd[s.person].skills
        for before in of.graph.before.get(s.task, ()):
            assert max(o.end for o in answered if o.task == before) <= s.start
    assert table.makespan == max((s.end for s in answered), default=0)
    if not table.undone:
        assert table.makespan >= table.bound


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("trouble", [0.0, 0.15])
def test_roll__any_job__every_rule_is_kept_and_everything_is_done(seed: int, trouble: float) -> None:
    of, crowd = instance(25, 6, seed)
    crowd = [Person(p.skills, p.calendar, trouble, trouble) for p in crowd]
    table = roll(of, crowd, reserve=200, seed=seed)
    require_sound(table, of, crowd)
    assert table.undone == ()
    assert any(s.outcome != "answered" for s in table.shifts) == (trouble > 0)


def test_roll__longest_chain_first__meets_the_critical_path() -> None:
    of = work("abcd", [("b", "c"), ("c", "d")], [30, 10, 10, 10])
    table = roll(of, people(2))
    assert (table.makespan, table.bound, table.idle) == (30, 30, 0.0)
    assert roll(of, people(1)).makespan == 60
    assert roll(of, people(1)).bound == 60


def test_roll__urgent_chain_first__beats_first_come() -> None:
    of = work("abcde", [("c", "d"), ("d", "e")], [10] * 5)
    assert roll(of, people(2)).makespan == 30
    assert roll(of, people(2), priority=lambda t: t).makespan == 40


def test_roll__forgotten_place__runs_out_and_goes_to_somebody_else() -> None:
    crowd = [Person(frozenset(), ALWAYS, forgets=1.0), *people(1)]
    table = roll(work("a", [], [10]), crowd, reserve=60)
    assert [(s.person, s.outcome, s.end) for s in table.shifts] == [(0, "forgotten", 60), (1, "answered", 70)]


def test_roll__returned_place__is_free_at_once() -> None:
    crowd = [Person(frozenset(), ALWAYS, returns=1.0), *people(1)]
    assert roll(work("a", [], [10]), crowd, reserve=60, hesitate=5).makespan == 15


def test_roll__only_who_forgot_is_left__gets_it_again() -> None:
    table = roll(work("a", [], [10]), people(1, forgets=0.5), reserve=60, seed=3)
    assert {s.outcome for s in table.shifts} == {"forgotten", "answered"}
    assert table.undone == ()


def test_roll__calendars_end__says_what_is_undone() -> None:
    crowd = [Person(frozenset(), ((0, 25),))]
    table = roll(work("abc", [], [10, 10, 10]), crowd)
    assert table.undone == (2,)


@pytest.mark.parametrize("wrong", [((5, 5),), ((0, 10), (9, 20)), ((-1, 10),)])
def test_roll__calendar_that_is_none__is_refused_with_the_person(wrong: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(BadInput, match="person 1: the calendar"):
        roll(work("a", [], [1]), [*people(1), Person(frozenset(), wrong)])


@pytest.mark.parametrize(
    ("of", "words"),
    [
        (work("a", [], [10], answers=3), "wants 3 people with time; 2 can"),
        (work("a", [], [10], skill="y"), "with y; 0 can"),
        (work("a", [], [200_000]), "0 can"),
    ],
)
def test_roll__task_that_nobody_can_fill__is_named(of: Work, words: str) -> None:
    with pytest.raises(NobodyCan, match=f"'a' .*{words}"):
        roll(of, people(2))


def test_bound__work_shared_in_calendars__waits_for_the_break() -> None:
    crowd = [Person(frozenset(), ((0, 10), (100, 200))) for _ in range(2)]
    assert bound(work("abc", [], [10, 10, 10]), crowd) == 105


@pytest.mark.parametrize("seed", range(3))
def test_plan__small_job__no_longer_than_the_horizon_and_never_below_its_bound(seed: int) -> None:
    of, crowd = instance(8, 4, seed)
    table = plan(of, crowd, seconds=5)
    require_sound(table, of, crowd)
    assert table.bound <= table.makespan <= roll(of, crowd).makespan


def test_plan__where_the_horizon_is_greedy__waits_for_the_one_who_can() -> None:
    """Only the second can do c, which is long; greedy gives it a first."""
    of = Work(task_graph("abc", [("a", "c")]), [10, 10, 50], [1, 1, 1], ["", "", "y"])
    crowd = [Person(frozenset(), ((5, 1_000),)), Person(frozenset({"y"}), ((0, 1_000),))]
    table = plan(of, crowd, seconds=5)
    require_sound(table, of, crowd)
    assert table.makespan == table.bound == 60


def test_searches__same_number_of_looks__are_sound() -> None:
    of, crowd = instance(12, 5, 1)
    for search in (genetic, ants):
        table = search(of, crowd, random.Random(0), looks=30)
        require_sound(table, of, crowd)
        assert table.makespan <= roll(of, crowd, priority=lambda t: t).makespan * 1.5
