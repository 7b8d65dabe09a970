"""The decision of record: invariants of weights and priors, the decision against a naive loop, recorded crowds."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from oracle.labels import accuracy, align_truth, example_answers, read_answers, read_truth
from oracle.protocol import scoring
from oracle.protocol.errors import BadInput
from oracle.verification.engine import infer
from oracle.verification.infer import dawid_skene, vote
from oracle.verification.record import (
    ONE,
    PRIOR_CAP,
    WEIGHT_CAP,
    Record,
    plain_rows,
    proba,
    quantise,
    record,
    weight_rows,
)


def naive_row(logs: list[float], own: int, cap: int) -> list[int]:
    """One row by the words of the docstring: pool the own entry with its highest rivals while they exceed the mean."""
    mean = sum(logs) / len(logs)
    row = [value - mean for value in logs]
    pool = [own]
    for rival in sorted((c for c in range(len(row)) if c != own), key=lambda c: -row[c]):
        if row[rival] > sum(row[c] for c in pool) / len(pool):
            pool.append(rival)
    level = sum(row[c] for c in pool) / len(pool)
    for c in pool:
        row[c] = level
    return [max(-cap, min(cap, round(value * ONE))) for value in row]


def naive_labels(task: Any, found: Record) -> list[int]:
    decided = []
    for t in range(len(found.priors)):
        rows = [found.row_weight[found.row[n]].tolist() for n in range(len(task)) if task[n] == t]
        decided.append(scoring.decide(found.priors[t].tolist(), rows))
    return decided


def simulated(seed: int, tasks: int, workers: int, classes: int) -> tuple[NDArray[np.int32], ...]:
    rng = np.random.default_rng(seed)
    pairs = rng.permutation(tasks * workers)[: max(1, tasks * workers // 2)]
    task, worker = pairs // workers, pairs % workers
    truth, skill = rng.integers(0, classes, tasks), rng.uniform(0.1, 0.98, workers)
    label = np.where(rng.random(len(task)) < skill[worker], truth[task], rng.integers(0, classes, len(task)))
    return task.astype(np.int32), worker.astype(np.int32), label.astype(np.int32)


# ---------------------------------------------------------------- rows


rows_of_logs = st.integers(1, 6).flatmap(
    lambda classes: st.lists(
        st.tuples(st.lists(st.floats(-30, 0), min_size=classes, max_size=classes), st.integers(0, classes - 1)),
        min_size=1,
        max_size=6,
    )
)


@settings(deadline=None, max_examples=150)
@given(rows_of_logs, st.sampled_from([1, ONE, WEIGHT_CAP]))
def test_weight_rows__any_likelihoods__keep_the_rules_and_equal_the_naive_row(rows: Any, cap: int) -> None:
    logs, own = np.array([row for row, _ in rows]), np.array([label for _, label in rows], np.int32)
    weight = weight_rows(logs, own, cap)
    assert weight.dtype == np.int32
    assert np.abs(weight).max() <= cap
    assert (np.take_along_axis(weight, own[:, None], 1) >= weight).all()
    for found, (row, label) in zip(weight, rows, strict=True):
        np.testing.assert_allclose(found, naive_row(row, label, cap), atol=1)


def test_weight_rows__row_that_keeps_the_rules__is_only_centred() -> None:
    logs = np.log([[0.9, 0.2, 0.1]])
    weight = weight_rows(logs, np.array([0], np.int32), WEIGHT_CAP)
    np.testing.assert_array_equal(weight, quantise(logs - logs.mean(), WEIGHT_CAP))


def test_weight_rows__worker_who_lies__counts_for_nothing() -> None:
    weight = weight_rows(np.log([[0.1, 0.9]]), np.array([0], np.int32), WEIGHT_CAP)
    assert weight.tolist() == [[0, 0]]


def test_weight_rows__bent_row__is_the_nearest_legal_one() -> None:
    """Least squares: no legal row drawn at random lies nearer."""
    rng = np.random.default_rng(0)
    logs = np.log([[0.2, 0.6, 0.5, 0.01]])
    bent = weight_rows(logs, np.array([0], np.int32), WEIGHT_CAP)[0] / ONE
    target = (logs - logs.mean())[0]
    best = float(((bent - target) ** 2).sum())
    for _ in range(2000):
        other = bent + rng.normal(0, 0.1, 4)
        other[0] = other.max()
        assert ((other - target) ** 2).sum() >= best - 1e-3


def test_weight_rows__sum__stays_centred_before_the_cap() -> None:
    logs = np.log([[0.2, 0.6, 0.5, 0.1], [0.7, 0.1, 0.1, 0.1]])
    weight = weight_rows(logs, np.array([0, 0], np.int32), 1 << 30)
    assert np.abs(weight.sum(1)).max() <= 2  # rounding only


# ---------------------------------------------------------------- the decision


def posterior_of(task: Any, worker: Any, label: Any, tasks: int, workers: int, classes: int) -> NDArray[np.float64]:
    return dawid_skene(task, worker, label, tasks, workers, classes).posterior


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 10_000),
    st.integers(1, 9),
    st.integers(1, 6),
    st.integers(1, 5),
    st.sampled_from([0, 1, ONE, WEIGHT_CAP]),
    st.booleans(),
)
def test_record__any_crowd__decides_as_the_naive_loop(
    seed: int, tasks: int, workers: int, classes: int, cap: int, fitted: bool
) -> None:
    task, worker, label = simulated(seed, tasks, workers, classes)
    crowd = (task, worker, label, tasks, workers, classes)
    found = record(*crowd, posterior_of(*crowd), weight_cap=cap, prior_cap=PRIOR_CAP, fitted=fitted)
    assert found.labels.tolist() == naive_labels(task, found)
    assert found.labels.dtype == np.int32
    assert np.abs(found.row_weight).max() <= max(cap, 0 if cap else ONE)
    assert np.abs(found.priors).max() <= PRIOR_CAP
    np.testing.assert_array_equal(found.row_worker[found.row], worker)
    np.testing.assert_array_equal(found.row_label[found.row], label)
    keys = list(zip(found.row_worker.tolist(), found.row_label.tolist(), strict=True))
    assert all(a < b for a, b in pairwise(keys))
    assert set(keys) == set(zip(worker.tolist(), label.tolist(), strict=True))
    for t in range(tasks):
        rows = found.row_weight[found.row[task == t]].tolist()
        assert found.confidence[t] == pytest.approx(scoring.confidence(found.priors[t].tolist(), rows))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000))
def test_record__answers_in_another_order__decides_the_same(seed: int) -> None:
    task, worker, label = simulated(seed, 9, 6, 3)
    posterior = posterior_of(task, worker, label, 9, 6, 3)
    order = np.random.default_rng(seed).permutation(len(task))
    first = record(task, worker, label, 9, 6, 3, posterior)
    again = record(task[order], worker[order], label[order], 9, 6, 3, posterior)
    for field in ("row_worker", "row_label", "row_weight", "priors", "scores", "labels"):
        np.testing.assert_array_equal(getattr(first, field), getattr(again, field))


def test_record__weight_cap_0__is_the_plain_vote() -> None:
    task, worker, label = simulated(3, 40, 9, 4)
    found = record(task, worker, label, 40, 9, 4, None, weight_cap=0)
    np.testing.assert_array_equal(found.labels, vote(task, label, 40, 4).argmax(1))
    assert not found.priors.any()
    np.testing.assert_array_equal(found.row_weight, plain_rows(found.row_label, 4))
    assert found.row_weight[0].tolist() == scoring.vote_row(4, int(found.row_label[0]))


def test_record__no_answers__decides_by_the_posterior_within_the_cap() -> None:
    posterior = [[0.2, 0.8], [0.999999, 0.000001]]
    empty = record([], [], [], 2, 0, 2, posterior)
    assert empty.labels.tolist() == [1, 0]
    np.testing.assert_allclose(empty.priors / ONE, [[-0.693147, 0.693147], [1, -1]], atol=1e-4)
    vote_only = record([], [], [], 2, 0, 3, None, weight_cap=0)
    assert vote_only.labels.tolist() == [0, 0]
    np.testing.assert_allclose(vote_only.confidence, 1 / 3)


def test_record__posterior_that_the_rows_can_say__is_said_by_the_rows() -> None:
    """One worker, whose label means its class with probability .8: the row says so, up to where it begins."""
    tasks = 400
    label = np.arange(tasks) % 2
    posterior = np.where(label[:, None] == 0, [[0.8, 0.2]], [[0.2, 0.8]])
    found = record(np.arange(tasks), np.zeros(tasks, int), label, tasks, 1, 2, posterior)
    said = (found.row_weight[:, 0] - found.row_weight[:, 1]) / ONE
    np.testing.assert_allclose(said, [np.log(4), -np.log(4)], atol=0.05)
    np.testing.assert_allclose(proba(found.scores), posterior, atol=1e-4)


def test_record__posterior_against_the_crowd__moves_a_verdict_by_the_prior_cap_at_most() -> None:
    task, worker, label = np.repeat(np.arange(40), 5), np.tile(np.arange(5), 40), np.repeat(np.arange(40) % 2, 5)
    posterior = np.where(label.reshape(40, 5)[:, :1] == 0, [[0.99, 0.01]], [[0.01, 0.99]])
    posterior[7] = posterior[7, ::-1]
    found = record(task, worker, label, 40, 5, 2, posterior)
    assert found.labels[7] == 7 % 2, "five good answers outweigh what the model says against them"
    assert np.abs(found.priors[7]).max() == PRIOR_CAP


def test_record__parts_of_a_voice__begin_smaller() -> None:
    task, worker, label = simulated(5, 60, 8, 2)
    crowd = (task, worker, label, 60, 8, 2)
    part = np.array([1, 1, 1, 1, 0.25, 0.25, 0.25, 0.25])
    whole = record(*crowd, posterior_of(*crowd), fitted=False)
    parted = record(*crowd, posterior_of(*crowd), part=part, fitted=False)
    np.testing.assert_allclose(parted.row_weight, whole.row_weight * part[whole.row_worker][:, None], atol=1)


def test_record__caps__hold_against_the_protocol_rules() -> None:
    answers = example_answers()
    crowd = (answers.task, answers.worker, answers.label, 45, 7, 4)
    posterior = posterior_of(*crowd)
    found = record(*crowd, posterior)
    assert np.abs(found.row_weight).max() <= WEIGHT_CAP
    assert np.abs(found.priors).max() <= PRIOR_CAP
    np.testing.assert_allclose(proba(found.scores).sum(1), 1)
    assert (found.labels == posterior.argmax(1)).mean() > 0.95


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"posterior": None}, "need posteriors"),
        ({"posterior": [[0.5, 0.5], [1, 0]]}, r"posterior: finite numbers of shape \(1, 2\)"),
        ({"posterior": [[np.nan, 0.5]]}, "posterior: finite"),
        ({"part": [1, 1]}, r"part: finite numbers of shape \(1,\)"),
        ({"weight_cap": -1}, "weight cap -1"),
        ({"weight_cap": 1 << 31}, "weight cap"),
        ({"prior_cap": -1}, "prior cap -1"),
        ({"task": [5]}, r"task\[0\] = 5"),
        ({"worker": [7]}, r"worker\[0\] = 7"),
        ({"label": [2]}, r"label\[0\] = 2"),
        ({"label": [0, 0]}, "differ in length"),
    ],
)
def test_record__bad_input__is_named(options: dict[str, Any], part: str) -> None:
    arguments: dict[str, Any] = {"task": [0], "worker": [0], "label": [0], "tasks": 1, "workers": 1, "classes": 2}
    with pytest.raises(BadInput, match=part):
        record(**{**arguments, "posterior": [[0.5, 0.5]], **options})


# ---------------------------------------------------------------- a recorded crowd


def test_record__rte__keeps_the_accuracy_and_every_verdict_of_the_engine(crowd_data: Path) -> None:
    answers, _ = read_answers(crowd_data / "rte" / "labels.csv")
    gold, _ = align_truth(answers, read_truth(crowd_data / "rte" / "truth.csv")[0])
    crowd = (answers.task, answers.worker, answers.label, 800, 164, 2)
    posterior = infer(*crowd).posterior
    found = record(*crowd, posterior)
    assert (accuracy(found.labels, gold) or 0) >= 0.92
    assert np.mean(found.labels != posterior.argmax(1)) <= 0.002
    assert found.labels.tolist() == naive_labels(answers.task, found)
    plain = record(*crowd, posterior, fitted=False)
    assert np.mean(plain.labels != posterior.argmax(1)) <= 0.02
