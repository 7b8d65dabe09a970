"""The task graph: circles and unknown tasks named with their place, what is released, how long it takes, what comes too late."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.matching.graph import Circle, UnknownTask, critical, held, inputs, late, levels, released, task_graph
from oracle.protocol.errors import BadInput

DIAMOND = [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")]


def test_task_graph__diamond__neighbours_and_order() -> None:
    graph = task_graph("abcde", DIAMOND)
    assert graph.before == {0: (), 1: (0,), 2: (0,), 3: (1, 2)}
    assert graph.after[0] == (1, 2)
    assert graph.order == (0, 1, 2, 3)
    assert levels(graph) == {0: 0, 1: 1, 2: 1, 3: 2}


def test_task_graph__unknown_task__is_named_with_its_place() -> None:
    with pytest.raises(UnknownTask, match=r"dependencies\.1: there is no task 'x'"):
        task_graph("ab", [("a", "b"), ("b", "x")])


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        ([("a", "a")], "'a' -> 'a'"),
        ([("a", "b"), ("b", "a")], "'a' -> 'b' -> 'a'"),
        ([("d", "a"), ("a", "b"), ("b", "c"), ("c", "a")], "'a' -> 'b' -> 'c' -> 'a'"),
    ],
)
def test_task_graph__circle__is_named_whole_with_a_pair_of_it(pairs: list[tuple[str, str]], words: str) -> None:
    with pytest.raises(Circle, match=words) as refused:
        task_graph("abcd", pairs)
    assert f"dependencies.{len(pairs) - 1}" in str(refused.value)


def test_task_graph__long_circle__is_cut_and_says_how_long() -> None:
    ids = [f"t{i}" for i in range(500)]
    with pytest.raises(Circle, match=r"500 tasks in all") as refused:
        task_graph(ids, list(itertools.pairwise([*ids, "t0"])))
    assert len(str(refused.value)) < 1_000


def test_task_graph__same_pair_twice__is_one() -> None:
    assert task_graph("ab", [("a", "b"), ("a", "b")]).before[1] == (0,)


def test_released__only_when_every_predecessor_is_decided_and_sure_enough() -> None:
    graph = task_graph("abcd", DIAMOND)
    assert released(graph, 0, {})
    assert not released(graph, 1, {})
    assert released(graph, 1, {0: 0.6})
    assert not released(graph, 1, {0: 0.6}, level=0.7)
    assert not released(graph, 3, {0: 1.0, 1: 1.0})
    assert released(graph, 3, {0: 1.0, 1: 1.0, 2: 0.9}, level=0.9)


def test_held__behind_an_unsure_verdict__names_what_holds_the_whole_chain() -> None:
    graph = task_graph("abcd", DIAMOND)
    assert held(graph, {0: 0.5}, 0.7) == {1: (0,), 2: (0,), 3: (0,)}
    assert held(graph, {0: 0.9, 2: 0.5}, 0.7) == {3: (2,)}
    assert held(graph, {0: 0.5}, 0.5) == {}


def test_inputs__of_decided_predecessors__by_their_ids() -> None:
    graph = task_graph("abcd", DIAMOND)
    assert inputs(graph, 3, {1: "cat"}) == {"b": "cat"}
    assert inputs(graph, 0, {1: "cat"}) == {}


def test_critical__diamond__longest_chain_and_slack() -> None:
    found = critical(task_graph("abcde", DIAMOND), [1, 5, 2, 1, 4])
    assert (found.length, found.path) == (7.0, (0, 1, 3))
    assert found.slack.tolist() == [0, 0, 3, 0, 3]


def test_critical__no_dependencies__the_longest_task() -> None:
    found = critical(task_graph("abc", []), [1, 9, 2])
    assert (found.length, found.path, found.slack.tolist()) == (9.0, (1,), [8, 0, 7])


@pytest.mark.parametrize("seconds", [[1, 2], [1, -1, 1], [1, float("nan"), 1], float("inf")])
def test_critical__what_is_no_duration__is_refused(seconds: object) -> None:
    with pytest.raises(BadInput, match="seconds"):
        critical(task_graph("abc", []), seconds)  # type: ignore[arg-type]


def test_late__deadline_that_cannot_be_kept__names_the_chain_before_it() -> None:
    graph = task_graph("abcd", DIAMOND)
    assert late(graph, 10, {}, now=0, end=30) == []
    assert [(one.task, one.finish, one.due) for one in late(graph, 10, {3: 29}, 0, 30)] == [
        (0, 10, 9),
        (1, 20, 19),
        (2, 20, 19),
        (3, 30, 29),
    ]
    assert [one.task for one in late(graph, 10, {1: 15}, 0, 100)] == [0, 1]


@st.composite
def graphs(draw: st.DrawFn) -> tuple[int, list[tuple[int, int]], list[int]]:
    size = draw(st.integers(1, 7))
    everything = list(itertools.combinations(range(size), 2))
    pairs = draw(st.lists(st.sampled_from(everything), unique=True)) if everything else []
    shuffled = draw(st.permutations(range(size)))
    seconds = draw(st.lists(st.integers(0, 9), min_size=size, max_size=size))
    return size, [(shuffled[a], shuffled[b]) for a, b in pairs], seconds


@given(graphs())
def test_critical__any_graph__is_the_longest_of_all_chains(
    given_: tuple[int, list[tuple[int, int]], list[int]],
) -> None:
    """Against every chain, one by one."""
    size, pairs, seconds = given_
    ids = [str(i) for i in range(size)]
    graph = task_graph(ids, [(str(a), str(b)) for a, b in pairs])
    chains: list[list[int]] = []

    def walk(chain: list[int]) -> None:
        chains.append(chain)
        for a, b in pairs:
            if a == chain[-1]:
                walk([*chain, b])

    for start in range(size):
        walk([start])
    found = critical(graph, seconds)
    assert found.length == max(sum(seconds[t] for t in c) for c in chains)
    assert found.length == sum(seconds[t] for t in found.path)
    through = [max(sum(seconds[t] for t in c) for c in chains if task in c) for task in range(size)]
    assert np.allclose(found.slack, found.length - np.array(through))
