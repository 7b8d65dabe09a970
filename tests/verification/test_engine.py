"""The engine: each model beside a naive loop, the mean of voices, gold, history, odd crowds, laws that must hold."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import digamma

from oracle.labels import accuracy, align_truth, read_answers, read_truth
from oracle.protocol.errors import BadInput
from oracle.verification import engine, layout
from oracle.verification.engine import Form, History, State, Voice, design_effect, infer, tempered
from tests.support.devices import DEVICES

Crowd = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32], int, int, int]


def crowd_of(
    seed: int, tasks: int, workers: int, classes: int, each: int, skill: tuple[float, float] = (0.4, 0.95)
) -> tuple[Crowd, NDArray[np.int32]]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, tasks).astype(np.int32)
    task = np.repeat(np.arange(tasks, dtype=np.int32), each)
    worker = np.concatenate([rng.choice(workers, each, replace=False) for _ in range(tasks)]).astype(np.int32)
    right = rng.random(len(task)) < rng.uniform(*skill, workers)[worker]
    label = np.where(right, truth[task], rng.integers(0, classes, len(task))).astype(np.int32)
    return (task, worker, label, tasks, workers, classes), truth


def misled(seed: int) -> tuple[Crowd, NDArray[np.int32]]:
    """Two schools of workers; each fails together on a kind of task of its own."""
    rng = np.random.default_rng(seed)
    tasks, workers, classes, each = 2000, 30, 4, 5
    truth = rng.integers(0, classes, tasks).astype(np.int32)
    school, kind = rng.integers(0, 2, workers), np.where(rng.random(tasks) < 0.3, rng.integers(0, 2, tasks), -1)
    task = np.repeat(np.arange(tasks, dtype=np.int32), each)
    worker = np.concatenate([rng.choice(workers, each, replace=False) for _ in range(tasks)]).astype(np.int32)
    right = rng.random(len(task)) < rng.uniform(0.75, 0.95, workers)[worker]
    label = np.where(right, truth[task], (truth[task] + rng.integers(1, classes, len(task))) % classes)
    fooled = (kind[task] == school[worker]) & (rng.random(len(task)) < 0.8)
    return (
        task,
        worker,
        np.where(fooled, (truth[task] + 1) % classes, label).astype(np.int32),
        tasks,
        workers,
        4,
    ), truth


# ---------------------------------------------------------------- naive references: one answer at a time


def naive_share(crowd: Crowd) -> NDArray[np.float64]:
    task, _, label, tasks, _, classes = crowd
    share = np.full((tasks, classes), 1 / classes)
    for t, c in zip(task, label, strict=True):
        share[t, c] += 1
    return share / share.sum(1, keepdims=True)


def naive_counts(crowd: Crowd, q: NDArray[np.float64]) -> NDArray[np.float64]:
    """[K, truth, label]"""
    task, worker, label, _, workers, classes = crowd
    counts = np.zeros((workers, q.shape[1], classes))
    for t, i, c in zip(task, worker, label, strict=True):
        counts[i, :, c] += q[t]
    return counts


def naive_crowd(crowd: Crowd, passes: int, learned: bool) -> NDArray[np.float64]:
    task, worker, label, tasks, _, classes = crowd
    q = naive_share(crowd)
    for _ in range(passes):
        counts = naive_counts(crowd, q)
        shape = counts.sum(0) + 1 / classes + np.eye(classes)
        pseudo = classes * shape / shape.sum(1, keepdims=True)
        logs = digamma(counts + pseudo) - digamma(counts.sum(2) + pseudo.sum(1))[:, :, None]
        answered = sorted(set(task.tolist()))
        seen = q[answered].sum(0) + 1
        prior = digamma(seen) - digamma(seen.sum()) if learned else np.zeros(classes)
        score = np.tile(prior, (tasks, 1))
        for t, i, c in zip(task, worker, label, strict=True):
            score[t] += logs[i, :, c]
        q = np.exp(score - score.max(1, keepdims=True))
        q /= q.sum(1, keepdims=True)
    return q


def naive_coin(crowd: Crowd, passes: int) -> NDArray[np.float64]:
    task, worker, label, tasks, _, classes = crowd
    q, strength = naive_share(crowd), 4.0
    for _ in range(passes):
        counts = naive_counts(crowd, q)
        given, right = counts.sum((1, 2)), np.array([np.trace(table) for table in counts])
        mean = (right.sum() + 1) / (given.sum() + 2)
        for _ in range(engine.STEPS):
            gain = sum(
                mean * (digamma(r + strength * mean) - digamma(strength * mean))
                + (1 - mean) * (digamma(n - r + strength * (1 - mean)) - digamma(strength * (1 - mean)))
                for n, r in zip(given, right, strict=True)
            )
            loss = sum(digamma(n + strength) - digamma(strength) for n in given)
            strength = min(max(strength * gain / max(loss, 1e-12), engine.WEAKEST), engine.STRONGEST)
        errors = counts.sum(0) + 1 / classes
        np.fill_diagonal(errors, 0)
        errors /= errors.sum(1, keepdims=True)
        score = np.zeros((tasks, classes))
        for t, i, c in zip(task, worker, label, strict=True):
            for truth in range(classes):
                hit = truth == c
                n = right[i] + strength * mean if hit else given[i] - right[i] + strength * (1 - mean)
                score[t, truth] += digamma(n) - digamma(given[i] + strength)
                score[t, truth] += 0 if hit else math.log(errors[truth, c])
        q = np.exp(score - score.max(1, keepdims=True))
        q /= q.sum(1, keepdims=True)
    return q


def voice_alone(crowd: Crowd, voice: Voice, passes: int, monkeypatch: pytest.MonkeyPatch) -> NDArray[np.float64]:
    """The posterior of one model after some passes, before it is tempered."""
    monkeypatch.setattr(engine, "ITERATIONS", passes)
    monkeypatch.setattr(engine, "TOLERANCE", 0.0)
    laid = layout.lay_out(*crowd)
    begin = engine._started(laid, engine.shares(laid.votes), voice)
    table = engine._fit(laid, [begin], ((4.0, 3.0),), None, None, (voice,)).tables[0]
    return layout.floats(layout.of_classes(table, crowd[5]))


@pytest.mark.parametrize("passes", [1, 5])
@pytest.mark.parametrize("learned", [False, True])
def test_infer__crowd_voice__equals_the_naive_loop(passes: int, learned: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    crowd, _ = crowd_of(3, 12, 6, 3, 4)
    found = voice_alone(crowd, Voice(Form.CROWD, learned), passes, monkeypatch)
    np.testing.assert_allclose(found, naive_crowd(crowd, passes, learned), atol=1e-9)


@pytest.mark.parametrize("passes", [1, 5])
def test_infer__coin_voice__equals_the_naive_loop(passes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    crowd, _ = crowd_of(4, 12, 6, 3, 4)
    found = voice_alone(crowd, Voice(Form.COIN, learned=False), passes, monkeypatch)
    np.testing.assert_allclose(found, naive_coin(crowd, passes), atol=1e-7)


def test_infer__subtypes_of_one_kind__are_a_confusion_with_a_fixed_prior(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one kind, a Dirichlet(4 on the diagonal, 1 off it) around each row."""
    crowd, _ = crowd_of(5, 12, 6, 3, 4)
    found = voice_alone(crowd, Voice(Form.SUBTYPES, learned=False), 1, monkeypatch)
    task, worker, label, tasks, _, classes = crowd
    counts = naive_counts(crowd, naive_share(crowd))
    pseudo = np.full((classes, classes), engine.OTHER) + np.eye(classes) * (engine.OWN - engine.OTHER)
    logs = digamma(counts + pseudo) - digamma(counts.sum(2) + pseudo.sum(1))[:, :, None]
    score = np.zeros((tasks, classes))
    for t, i, c in zip(task, worker, label, strict=True):
        score[t] += logs[i, :, c]
    expected = np.exp(score - score.max(1, keepdims=True))
    np.testing.assert_allclose(found, expected / expected.sum(1, keepdims=True), atol=1e-9)


def test_infer__workers_who_err_together__are_heard_by_the_subtypes(monkeypatch: pytest.MonkeyPatch) -> None:
    gains = []
    for seed in range(2):
        crowd, truth = misled(seed)
        kinds = voice_alone(crowd, Voice(Form.SUBTYPES, learned=True, kinds=3), 60, monkeypatch)
        single = voice_alone(crowd, Voice(Form.CROWD, learned=True), 60, monkeypatch)
        gains.append((kinds.argmax(1) == truth).mean() - (single.argmax(1) == truth).mean())
    assert np.mean(gains) > 0.01, "models in which workers are independent given the class cannot see it"


# ---------------------------------------------------------------- the mean of the voices


def test_infer__simulated_crowds__beat_the_vote_and_are_honest() -> None:
    gains = []
    for seed in range(4):
        crowd, truth = crowd_of(seed, 400, 25, 3, 5, (0.0, 0.9))
        found, vote = infer(*crowd), naive_share(crowd)
        gains.append((found.posterior.argmax(1) == truth).mean() - (vote.argmax(1) == truth).mean())
        log_loss = -np.log(np.clip(found.posterior[np.arange(400), truth], 1e-6, 1)).mean()
        assert log_loss < -np.log(vote[np.arange(400), truth]).mean()
    assert np.mean(gains) > 0.01


def test_infer__weights__sum_to_one_and_hear_every_voice() -> None:
    crowd, _ = crowd_of(7, 100, 10, 3, 5)
    found = infer(*crowd)
    assert found.weights.sum() == pytest.approx(1)
    assert len(found.weights) == len(found.voices) == len(engine.VOICES) + 1
    assert found.weights[-1] == pytest.approx(1 / len(found.weights)), "the vote share has its even part"
    assert (found.weights > 0).all()
    np.testing.assert_allclose(found.posterior.sum(1), 1)


def test_infer__no_models__is_the_smoothed_share_of_who_varies() -> None:
    crowd, _ = crowd_of(8, 30, 6, 3, 4)
    task, worker, label, tasks, _, classes = crowd
    all_labels = (np.bincount(label, minlength=classes) + 1) / (len(label) + classes)
    heard = np.full((tasks, classes), 1 / classes)
    for t, i, c in zip(task, worker, label, strict=True):
        mine = np.bincount(label[worker == i], minlength=classes) + engine.FEW * all_labels
        mine = mine / mine.sum()
        entropy = [-(p * np.log(p)).sum() for p in (mine, all_labels)]
        heard[t, c] += min(1, entropy[0] / entropy[1])
    np.testing.assert_allclose(infer(*crowd, voices=()).posterior, heard / heard.sum(1, keepdims=True), atol=1e-12)


def test_infer__half_of_the_answers_always_say_the_same__are_not_heard() -> None:
    """As many answers again, all of them class 0, from as many workers: who varies is still believed."""
    crowd, truth = crowd_of(21, 300, 20, 2, 5, (0.6, 0.95))
    constant = (crowd[0], crowd[1] + 20, np.zeros_like(crowd[2]))
    spammed = [np.concatenate(pair) for pair in zip(crowd[:3], constant, strict=True)]
    clean = (infer(*crowd).posterior.argmax(1) == truth).mean()
    found = infer(*spammed, 300, 40, 2)
    assert (found.posterior.argmax(1) == truth).mean() > clean - 0.02


def test_design_effect__answers__follow_kish_up_to_the_most() -> None:
    effect = design_effect(np.array([0.0, 1.0, 2.0, 11.0, 1000.0]))
    np.testing.assert_allclose(effect, [1, 1, 1 + engine.RHO, 1 + 10 * engine.RHO, engine.MOST], rtol=1e-6)


def test_tempered__effect_of_two__is_the_root() -> None:
    said = tempered(np.array([[0.8, 0.2], [1.0, 0.0]]), np.array([2.0, 2.0]))
    root = np.sqrt([0.8, 0.2])
    np.testing.assert_allclose(said[0], root / root.sum(), rtol=1e-6)
    np.testing.assert_allclose(said[1], [1, 0], atol=1e-6)


def test_infer__more_answers_that_agree__make_it_surer_but_never_certain() -> None:
    def confidence(each: int) -> float:
        tasks = 40
        task, worker = np.repeat(np.arange(tasks), each), np.tile(np.arange(each), tasks)
        return float(infer(task, worker, task % 2, tasks, each, 2).posterior.max(1).mean())

    few, some, many = confidence(2), confidence(8), confidence(40)
    assert 0.5 < few < some <= many < 1


# ---------------------------------------------------------------- what is known


def test_infer__gold__is_held_and_teaches() -> None:
    """Three of five workers turn every label round: without gold theirs is the truth."""
    truth = np.arange(200) % 2
    task, worker = np.repeat(np.arange(200), 5), np.tile(np.arange(5), 200)
    label = np.where(worker < 3, 1 - truth[task], truth[task])
    gold, held = np.where(np.arange(200) < 20, truth, -1), np.arange(200) < 20
    taught, alone = (infer(task, worker, label, 200, 5, 2, gold=known).posterior for known in (gold, None))
    np.testing.assert_allclose(taught[held, truth[held]], 1)
    assert (alone.argmax(1) == truth).mean() == 0
    assert (taught.argmax(1) == truth).mean() == 1


def test_infer__gold_among_kinds__keeps_its_class(monkeypatch: pytest.MonkeyPatch) -> None:
    crowd, truth = crowd_of(9, 50, 12, 3, 3)
    gold = np.where(np.arange(50) % 2 == 0, truth, -1)
    found = infer(*crowd, gold=gold, voices=(Voice(Form.SUBTYPES, learned=True, kinds=3),))
    np.testing.assert_allclose(found.posterior[::2][np.arange(25), truth[::2]], 1)


def test_infer__history__tells_who_is_to_be_believed() -> None:
    """Two against one on every task; the one was right on a hundred tasks before, the two on as many wrong."""
    task, worker, tasks = np.repeat(np.arange(30), 3), np.tile([0, 1, 2], 30), 30
    label = np.stack((np.arange(30) % 2, 1 - np.arange(30) % 2, 1 - np.arange(30) % 2), 1).ravel()
    before = History(
        np.array([0, 0, 1, 1, 2, 2], np.int32),
        np.array([0, 1, 0, 1, 0, 1], np.int32),
        np.array([[50.0, 2], [2, 50], [26, 26], [26, 26], [26, 26], [26, 26]]),
    )
    alone = infer(task, worker, label, tasks, 3, 2).posterior.argmax(1)
    told = infer(task, worker, label, tasks, 3, 2, history=before).posterior.argmax(1)
    assert (alone == 1 - np.arange(30) % 2).all()
    assert (told == np.arange(30) % 2).all()


def test_infer__history_of_labels_not_given_here__counts_in_the_totals() -> None:
    """Answers of class 1 were all wrong before; the worker now only says 0."""
    crowd = ([0, 0], [0, 1], [0, 1], 1, 2, 2)
    good = History(np.array([0, 0], np.int32), np.array([0, 1], np.int32), np.array([[40.0, 0], [0, 40]]))
    bad = History(np.array([0, 0], np.int32), np.array([0, 1], np.int32), np.array([[40.0, 40], [0, 0]]))
    trusted = infer(*crowd, history=good).posterior[0, 0]
    doubted = infer(*crowd, history=bad).posterior[0, 0]
    assert trusted > doubted


def test_infer__start_from_an_earlier_run__settles_sooner_on_the_same() -> None:
    crowd, _ = crowd_of(11, 600, 30, 3, 4)
    first = crowd[0] < 594
    whole, before = infer(*crowd), infer(*(column[first] for column in crowd[:3]), 594, *crowd[4:])
    again = infer(*crowd, start=before.state)
    assert again.iterations < whole.iterations
    assert (again.posterior.argmax(1) == whole.posterior.argmax(1)).mean() > 0.98


# ---------------------------------------------------------------- odd crowds


def test_infer__no_answers_at_all__knows_nothing() -> None:
    np.testing.assert_allclose(infer([], [], [], 3, 0, 4).posterior, 0.25)


def test_infer__task_without_answers__is_least_sure() -> None:
    found = infer([0, 0, 1, 1], [0, 1, 0, 1], [1, 1, 1, 1], 3, 2, 2).posterior
    assert found[2].max() < found[0].max()


def test_infer__one_class__is_certain() -> None:
    np.testing.assert_allclose(infer([0, 1], [0, 1], [0, 0], 2, 2, 1).posterior, 1)


def test_infer__class_that_nobody_named__stays_possible_but_unlikely() -> None:
    crowd, _ = crowd_of(12, 50, 8, 2, 4)
    found = infer(*crowd[:5], 3).posterior
    assert (found[:, 2] > 0).all()
    assert found[:, 2].mean() < 0.2


def test_infer__worker_seen_once__is_taken_for_an_average_one() -> None:
    crowd, _ = crowd_of(13, 100, 8, 2, 5, (0.9, 0.95))
    task, worker, label = (np.append(a, b).astype(np.int32) for a, b in zip(crowd[:3], (100, 8, 1), strict=True))
    found = infer(task, worker, label, 101, 9, 2)
    assert found.posterior[100].argmax() == 1
    assert 0.6 < found.posterior[100, 1] < 0.97


def test_infer__answers_in_another_order__gives_the_same_bits() -> None:
    crowd, _ = crowd_of(14, 80, 9, 3, 4)
    order = np.random.default_rng(0).permutation(len(crowd[0]))
    first, again = infer(*crowd), infer(*(column[order] for column in crowd[:3]), *crowd[3:])
    np.testing.assert_array_equal(first.posterior, again.posterior)
    np.testing.assert_array_equal(first.weights, again.weights)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 5), st.integers(1, 4))
def test_infer__any_small_crowd__is_finite_and_sums_to_one(seed: int, tasks: int, workers: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    pairs = rng.permutation(tasks * workers)[: rng.integers(0, tasks * workers + 1)]
    crowd = (pairs // workers, pairs % workers, rng.integers(0, classes, len(pairs)), tasks, workers, classes)
    found = infer(*crowd)
    assert np.isfinite(found.posterior).all()
    np.testing.assert_allclose(found.posterior.sum(1), 1)
    assert (found.independent <= np.bincount(pairs // workers, minlength=tasks)).all()


def test_infer__single_precision__says_nearly_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    crowd, _ = crowd_of(15, 800, 40, 4, 5)
    double = infer(*crowd)
    monkeypatch.setattr(layout, "SINGLE_FROM", 1)
    single = infer(*crowd)
    np.testing.assert_allclose(single.posterior, double.posterior, atol=2e-3)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("single_from", [1, 1 << 16])
def test_infer__device__says_the_same(single_from: int, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With gold, history, tasks without answers and every model; the same bits each time."""
    monkeypatch.setattr(layout, "SINGLE_FROM", single_from)
    (task, worker, label, _, workers, classes), truth = crowd_of(16, 300, 30, 3, 4)
    gold = np.where(np.arange(302) < 20, np.append(truth, (0, 0)), -1)
    before = History(np.array([0, 0], np.int32), np.array([0, 1], np.int32), np.array([[40.0, 3, 1], [0, 20, 2]]))
    here, there, again = (
        infer(task, worker, label, 302, workers, classes, gold=gold, history=before, device=by)
        for by in ("cpu", device, device)
    )
    np.testing.assert_array_equal(again.posterior, there.posterior)
    np.testing.assert_allclose(there.posterior, here.posterior, atol=1e-4)
    assert there.iterations == here.iterations
    np.testing.assert_array_equal(there.labels, here.labels)


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"task": [1]}, r"task\[0\] = 1"),
        ({"worker": [-1]}, r"worker\[0\] = -1"),
        ({"label": [2]}, r"label\[0\] = 2"),
        ({"label": [0, 1]}, "differ in length"),
        ({"classes": 0, "label": []}, "."),
        ({"gold": [0, 1]}, "gold: one entry a task"),
        ({"gold": [2]}, "gold: class 2"),
        ({"start": State(np.zeros((1, 3), np.float32), ())}, "start: the state of a run on at most 1 tasks"),
        ({"start": State(np.zeros((2, 20), np.float32), ())}, "start: the state of a run on at most 1 tasks"),
    ],
)
def test_infer__bad_input__is_named(options: dict[str, Any], part: str) -> None:
    arguments: dict[str, Any] = {"task": [0], "worker": [0], "label": [0], "tasks": 1, "workers": 1, "classes": 2}
    with pytest.raises(BadInput, match=part):
        infer(**{**arguments, **options})


# ---------------------------------------------------------------- recorded crowds


@pytest.mark.parametrize("name", ["rte", "bluebird", "labelme", "temp"])
def test_infer__recorded_crowd__is_more_honest_than_the_vote(crowd_data: Path, name: str) -> None:
    answers, _ = read_answers(crowd_data / name / "labels.csv")
    gold, _ = align_truth(answers, read_truth(crowd_data / name / "truth.csv")[0])
    crowd = (
        answers.task,
        answers.worker,
        answers.label,
        len(answers.tasks),
        len(answers.workers),
        len(answers.classes),
    )
    found, share = infer(*crowd), naive_share(crowd)
    known = gold >= 0
    losses = [-np.log(np.clip(p[known, gold[known]], 1e-6, 1)).mean() for p in (found.posterior, share)]
    assert losses[0] < losses[1]
    hits = [accuracy(p.argmax(1), gold) or 0 for p in (found.posterior, share)]
    assert hits[0] >= hits[1] - 0.01
