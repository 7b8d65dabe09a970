"""Vote and Dawid-Skene: naive references beside the kernels, laws that must hold, odd crowds, recorded crowds."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from oracle import labels
from oracle.labels import accuracy, align_truth, example_answers, example_consensus, read_answers, read_truth
from oracle.protocol.errors import BadInput
from oracle.verification.infer import CHECK, Fit, confusion, dawid_skene, log_confusion, vote
from tests.support.devices import DEVICES

Ints = NDArray[np.int32]
CATEGORICAL = [
    "adult2",
    "amazon_isbook",
    "bluebird",
    "dog",
    "face_sentiment",
    "labelme",
    "llm_human_cebab_aspects",
    "product",
    "rte",
    "sentiment_polarity",
    "sentiment_polarity_amt",
    "temp",
    "trec2011_systems",
    "tweets_mozafari",
    "weather_amt",
    "weather_cf",
    "web",
]


@dataclass(frozen=True)
class Crowd:
    task: Ints
    worker: Ints
    label: Ints
    tasks: int
    workers: int
    classes: int

    @property
    def arguments(self) -> tuple[Ints, Ints, Ints, int, int, int]:
        return self.task, self.worker, self.label, self.tasks, self.workers, self.classes


@st.composite
def crowds(draw: st.DrawFn) -> Crowd:
    tasks, workers, classes = draw(st.integers(1, 8)), draw(st.integers(1, 5)), draw(st.integers(1, 4))
    pairs = st.tuples(st.integers(0, tasks - 1), st.integers(0, workers - 1))
    chosen = draw(st.lists(pairs, unique=True, max_size=30))
    given_labels = draw(st.lists(st.integers(0, classes - 1), min_size=len(chosen), max_size=len(chosen)))
    array = np.array(chosen, np.int32).reshape(-1, 2)
    return Crowd(array[:, 0], array[:, 1], np.array(given_labels, np.int32), tasks, workers, classes)


def simulated(seed: int, tasks: int = 300, workers: int = 20, classes: int = 3, each: int = 5) -> tuple[Crowd, Ints]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, tasks).astype(np.int32)
    task = np.repeat(np.arange(tasks, dtype=np.int32), each)
    worker = np.concatenate([rng.choice(workers, each, replace=False) for _ in range(tasks)]).astype(np.int32)
    right = rng.random(len(task)) < rng.uniform(0.4, 0.95, workers)[worker]
    label = np.where(right, truth[task], rng.integers(0, classes, len(task))).astype(np.int32)
    return Crowd(task, worker, label, tasks, workers, classes), truth


def naive_vote(crowd: Crowd) -> list[list[float]]:
    shares = []
    for t in range(crowd.tasks):
        mine = [int(c) for u, c in zip(crowd.task, crowd.label, strict=True) if u == t]
        shares.append([(mine.count(c) + 1 / crowd.classes) / (len(mine) + 1) for c in range(crowd.classes)])
    return shares


def naive_dawid_skene(
    crowd: Crowd, pseudo: Any, known: dict[int, int], rounds: int
) -> tuple[Any, Any, Any, list[float]]:
    """The equations of the docstring, one answer at a time, on the dense K x C x C array."""
    answers = list(zip(crowd.task.tolist(), crowd.worker.tolist(), crowd.label.tolist(), strict=True))
    posterior = np.array(naive_vote(crowd))
    for t, c in known.items():
        posterior[t] = np.eye(crowd.classes)[c]
    trace = []
    for _ in range(rounds):
        theta = np.array([pseudo] * crowd.workers, float)
        prior = np.ones(crowd.classes)
        for t, i, c in answers:
            theta[i, :, c] += posterior[t]
        for t in {t for t, _, _ in answers}:
            prior += posterior[t]
        theta /= theta.sum(2, keepdims=True)
        prior /= prior.sum()
        objective = np.log(prior).sum() + sum((pseudo * np.log(theta[i])).sum() for i in range(crowd.workers))
        for t in range(crowd.tasks):
            joint = prior.copy()
            for u, i, c in answers:
                if u == t:
                    joint *= theta[i, :, c]
            objective += np.log(joint[known[t]] if t in known else joint.sum())
            posterior[t] = np.eye(crowd.classes)[known[t]] if t in known else joint / joint.sum()
        trace.append(objective)
    return posterior, theta, prior, trace


# ---------------------------------------------------------------- against the naive references


@settings(deadline=None, max_examples=80)
@given(crowds())
def test_vote__any_crowd__equals_the_naive_count(crowd: Crowd) -> None:
    np.testing.assert_allclose(vote(crowd.task, crowd.label, crowd.tasks, crowd.classes), naive_vote(crowd))


def test_vote__tie_or_no_answer__goes_to_the_lowest_class() -> None:
    shares = vote([0, 0, 2], [2, 1, 2], 3, 3)
    assert shares.argmax(1).tolist() == [1, 0, 2]
    assert shares[1].tolist() == pytest.approx([1 / 3] * 3)


@settings(deadline=None, max_examples=60)
@given(crowds(), st.data())
def test_dawid_skene__any_crowd__equals_the_naive_loop(crowd: Crowd, data: st.DataObject) -> None:
    choice = st.integers(-2, crowd.classes - 1)
    gold = data.draw(st.lists(choice, min_size=crowd.tasks, max_size=crowd.tasks))
    fit = dawid_skene(*crowd.arguments, gold=gold, max_iterations=CHECK + 2, tolerance=-np.inf)
    known = {t: c for t, c in enumerate(gold) if c >= 0}
    posterior, theta, prior, trace = naive_dawid_skene(crowd, fit.pseudo, known, CHECK + 2)
    np.testing.assert_allclose(fit.posterior, posterior, atol=1e-9)
    np.testing.assert_allclose(confusion(fit), theta, atol=1e-9)
    np.testing.assert_allclose(fit.prior, prior, atol=1e-12)
    np.testing.assert_allclose(fit.trace, [trace[CHECK - 1], trace[-1]], rtol=1e-9, atol=1e-9)


def test_dawid_skene__pooled_pseudo_answers__equal_the_naive_sum() -> None:
    crowd, _ = simulated(1, tasks=20)
    shares = np.array(naive_vote(crowd))
    pooled = np.eye(3) + np.full((3, 3), 1 / 3)
    for t, c in zip(crowd.task, crowd.label, strict=True):
        pooled[:, c] += shares[t]
    for strength in (3.0, 7.5):
        expected = strength * pooled / pooled.sum(1, keepdims=True)
        fit = dawid_skene(*crowd.arguments, strength=strength, max_iterations=1)
        np.testing.assert_allclose(fit.pseudo, expected)


# ---------------------------------------------------------------- laws


@settings(deadline=None, max_examples=60)
@given(crowds())
def test_dawid_skene__any_crowd__never_loses_log_posterior(crowd: Crowd) -> None:
    fit = dawid_skene(*crowd.arguments, tolerance=-np.inf, max_iterations=30)
    assert fit.iterations == 30
    assert (np.diff(fit.trace) >= -1e-9 * np.abs(fit.trace[:-1])).all()
    np.testing.assert_allclose(fit.posterior.sum(1), 1)
    np.testing.assert_allclose(confusion(fit).sum(2), 1)
    assert np.isfinite(fit.posterior).all()


def test_dawid_skene__answers_in_another_order__gives_the_same_bits() -> None:
    crowd, _ = simulated(2)
    order = np.random.default_rng(0).permutation(len(crowd.task))
    first = dawid_skene(*crowd.arguments)
    for _ in range(2):
        again = dawid_skene(crowd.task[order], crowd.worker[order], crowd.label[order], 300, 20, 3)
        assert again.posterior.tobytes() == first.posterior.tobytes()
        assert again.trace == first.trace


def test_dawid_skene__classes_renamed__renames_the_posterior() -> None:
    crowd, _ = simulated(3)
    rename = np.array([2, 0, 1], np.int32)
    first = dawid_skene(*crowd.arguments, max_iterations=20)
    other = dawid_skene(crowd.task, crowd.worker, rename[crowd.label], 300, 20, 3, max_iterations=20)
    np.testing.assert_allclose(other.posterior[:, rename], first.posterior, atol=1e-9)


def test_dawid_skene__simulated_crowd__beats_the_vote_and_finds_the_workers() -> None:
    crowd, truth = simulated(4, tasks=2000)
    fit = dawid_skene(*crowd.arguments)
    shares = vote(crowd.task, crowd.label, crowd.tasks, crowd.classes)
    voted, fitted = accuracy(shares.argmax(1), truth), accuracy(fit.posterior.argmax(1), truth)
    assert voted is not None
    assert fitted is not None
    assert fitted > voted
    assert fit.converged
    right = np.bincount(crowd.worker, crowd.label == truth[crowd.task], 20) / np.bincount(crowd.worker, minlength=20)
    found = np.diagonal(confusion(fit), axis1=1, axis2=2).mean(1)
    assert np.abs(found - right).max() < 0.06


@settings(deadline=None, max_examples=20)
@given(crowds())
def test_dawid_skene__device__says_the_same(crowd: Crowd) -> None:
    gold = np.where(np.arange(crowd.tasks) % 3 == 1, 0, -1)
    here, *others = (
        dawid_skene(*crowd.arguments, gold=gold, max_iterations=12, device=device) for device in ("cpu", *DEVICES)
    )
    for there in others:
        np.testing.assert_allclose(there.posterior, here.posterior, atol=1e-9)
        np.testing.assert_allclose(there.pair_count, here.pair_count, atol=1e-9)
        np.testing.assert_allclose(there.trace, here.trace, atol=1e-8)


# ---------------------------------------------------------------- odd crowds


def test_dawid_skene__no_answers_at_all__gives_the_flat_prior() -> None:
    fit = dawid_skene([], [], [], 3, 2, 4)
    np.testing.assert_allclose(fit.posterior, 0.25)
    assert dawid_skene([], [], [], 0, 0, 2).posterior.shape == (0, 2)


def test_dawid_skene__task_without_answers__gets_the_class_prior() -> None:
    crowd, _ = simulated(5)
    fit = dawid_skene(crowd.task, crowd.worker, crowd.label, 301, 20, 3)
    np.testing.assert_allclose(fit.posterior[300], fit.prior)
    bare = dawid_skene(*crowd.arguments)
    np.testing.assert_allclose(fit.posterior[:300], bare.posterior, atol=1e-12)  # and changes nothing else


def test_dawid_skene__one_class__is_certain() -> None:
    fit = dawid_skene([0, 0, 1], [0, 1, 1], [0, 0, 0], 2, 2, 1)
    assert fit.posterior.tolist() == [[1.0], [1.0]]
    assert fit.converged


def test_dawid_skene__class_that_nobody_named__stays_possible_but_unlikely() -> None:
    fit = dawid_skene([0, 0, 1, 1], [0, 1, 0, 1], [0, 0, 1, 1], 2, 2, 3)
    assert (fit.posterior[:, 2] < 0.2).all()
    assert (confusion(fit)[:, 2].argmax(1) == 2).all()


def test_dawid_skene__worker_seen_once__is_taken_for_an_average_one() -> None:
    crowd, _ = simulated(6)
    fit = dawid_skene(
        np.append(crowd.task, 0), np.append(crowd.worker, 20), np.append(crowd.label, 1), 300, 21, 3, strength=10
    )
    np.testing.assert_allclose(confusion(fit)[20], fit.pseudo / 10, atol=0.1)


def test_dawid_skene__gold__is_held_and_teaches() -> None:
    crowd, truth = simulated(7)
    liars = crowd.worker < 12  # more than half of the crowd rotates every label
    label = np.where(liars, (crowd.label + 1) % 3, crowd.label).astype(np.int32)
    gold = np.where(np.arange(300) < 60, truth, -1)
    without = dawid_skene(crowd.task, crowd.worker, label, 300, 20, 3)
    taught = dawid_skene(crowd.task, crowd.worker, label, 300, 20, 3, gold=gold)
    assert (taught.posterior[:60].argmax(1) == truth[:60]).all()
    assert (taught.posterior[:60].max(1) == 1).all()
    before = float(np.mean(without.posterior[60:].argmax(1) == truth[60:]))
    after = float(np.mean(taught.posterior[60:].argmax(1) == truth[60:]))
    assert after > 0.8 > before


def test_log_confusion__many_workers_and_classes__needs_no_dense_array() -> None:
    rng = np.random.default_rng(8)
    task, worker, label = rng.integers(0, 500, 5000), rng.integers(0, 4000, 5000), rng.integers(0, 500, 5000)
    fit = dawid_skene(task, worker, label, 500, 4000, 500, max_iterations=2)
    assert log_confusion(fit, [3999, 0], [499, 0]).shape == (2, 500)
    with pytest.raises(BadInput, match="free text"):
        confusion(fit)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (([0], [0], [2], 1, 1, 2), r"label\[0\] = 2"),
        (([0, 1], [0, 0], [0, 0], 1, 1, 2), r"task\[1\] = 1"),
        (([0], [-1], [0], 1, 1, 2), r"worker\[0\] = -1"),
        (([0.5], [0], [0], 1, 1, 2), "task: one dimension of integers"),
        (([[0]], [0], [0], 1, 1, 2), "task: one dimension"),
        (([0], [0, 0], [0], 1, 1, 2), "differ in length: 1, 2, 1"),
        (([], [], [], 1, 1, 0), "at least one class"),
        (([], [], [], 1 << 20, 1, 1 << 20), "free text"),
    ],
)
def test_dawid_skene__bad_arrays__are_named(arguments: Any, part: str) -> None:
    with pytest.raises(BadInput, match=part):
        dawid_skene(*arguments)


@pytest.mark.parametrize(("gold", "part"), [([0, 0], "one entry a task"), ([2], "class 2")])
def test_dawid_skene__bad_gold__is_named(gold: list[int], part: str) -> None:
    with pytest.raises(BadInput, match=part):
        dawid_skene([0], [0], [0], 1, 1, 2, gold=gold)


@pytest.mark.parametrize("strength", [0.0, -1.0, float("nan")])
def test_dawid_skene__bad_strength__is_named(strength: float) -> None:
    with pytest.raises(BadInput, match="strength"):
        dawid_skene([0], [0], [0], 1, 1, 2, strength=strength)


# ---------------------------------------------------------------- the 45 patients


def maximum_likelihood(counts: Any) -> tuple[Any, Any]:
    """The paper's own EM: no priors, from the vote shares. counts [patients, observers, classes]."""
    posterior = counts.sum(1) / counts.sum((1, 2))[:, None]
    for _ in range(200):
        prior = posterior.mean(0)
        theta = np.einsum("ic,ikl->kcl", posterior, counts)
        theta /= np.maximum(theta.sum(2, keepdims=True), 1e-300)
        logs = np.log(np.maximum(theta, 1e-300))
        score = np.log(prior) + np.einsum("ikl,kcl->ic", counts, logs)
        posterior = np.exp(score - score.max(1, keepdims=True))
        posterior /= posterior.sum(1, keepdims=True)
    return posterior, prior


def test_example_consensus__plain_maximum_likelihood__is_reproduced() -> None:
    answers = example_answers()
    consensus, _ = align_truth(answers, example_consensus())
    counts = np.zeros((45, 5, 4))
    np.add.at(counts, (answers.task, np.array([0, 0, 0, 1, 2, 3, 4])[answers.worker], answers.label), 1)
    posterior, prior = maximum_likelihood(counts)
    np.testing.assert_allclose(prior, [0.40, 0.42, 0.11, 0.07], atol=0.006)
    assert posterior.argmax(1).tolist() == consensus.tolist()
    split = {7: [0.98, 0.02, 0, 0], 35: [0, 0.95, 0.05, 0], 38: [0, 0.02, 0.98, 0]}
    for patient in range(1, 46):
        certain = np.eye(4)[consensus[patient - 1]]
        np.testing.assert_allclose(posterior[patient - 1], split.get(patient, certain), atol=0.006)


def test_dawid_skene__45_patients__agrees_with_the_consensus_but_for_two_patients() -> None:
    answers = example_answers()
    consensus, _ = align_truth(answers, example_consensus())
    fit = dawid_skene(answers.task, answers.worker, answers.label, 45, 7, 4)
    parted = np.flatnonzero(fit.posterior.argmax(1) != consensus) + 1
    assert parted.tolist() == [2, 3]  # oracle/data/SOURCE.md says why


# ---------------------------------------------------------------- recorded crowds


def crowd_of(crowd_data: Path, name: str) -> tuple[labels.Answers, Ints]:
    folder = crowd_data / name
    path = folder / "labels.csv"
    answers, _ = read_answers(path if path.exists() else folder / "labels.csv.gz")
    return answers, align_truth(answers, read_truth(folder / "truth.csv")[0])[0]


def fit_of(answers: labels.Answers) -> Fit:
    sizes = len(answers.tasks), len(answers.workers), len(answers.classes)
    return dawid_skene(answers.task, answers.worker, answers.label, *sizes)


def test_dawid_skene__rte__reaches_what_is_published(crowd_data: Path) -> None:
    answers, gold = crowd_of(crowd_data, "rte")
    assert (len(answers.tasks), len(answers.workers), len(answers.task)) == (800, 164, 8000)
    assert (accuracy(fit_of(answers).posterior.argmax(1), gold) or 0) >= 0.92


@pytest.mark.parametrize("name", CATEGORICAL)
def test_dawid_skene__recorded_crowd__is_no_worse_than_the_vote_by_much(crowd_data: Path, name: str) -> None:
    answers, gold = crowd_of(crowd_data, name)
    shares = vote(answers.task, answers.label, len(answers.tasks), len(answers.classes))
    voted, fitted = accuracy(shares.argmax(1), gold), accuracy(fit_of(answers).posterior.argmax(1), gold)
    assert voted is not None
    assert fitted is not None
    assert fitted >= voted - 0.02
