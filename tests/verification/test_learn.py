"""The learned prior: it finds what texts say, stays out where they say nothing, never sees gold, and is the same every time."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from oracle.protocol.errors import BadInput
from oracle.verification import learn as learning
from oracle.verification.infer import Fit, dawid_skene, log_confusion
from oracle.verification.learn import learn, priors, with_priors
from oracle.verification.record import PRIOR_CAP, record

TASKS, WORKERS, CLASSES, EACH = 240, 12, 2, 3


def crowd(
    seed: int = 0, right: float = 0.7, told: float = 0.9
) -> tuple[tuple[np.ndarray, ...], np.ndarray, np.ndarray, Fit]:
    """Answers, truth, and texts that tell the truth so often; three answers a task."""
    luck = np.random.default_rng(seed)
    truth = luck.integers(0, CLASSES, TASKS)
    task = np.repeat(np.arange(TASKS), EACH).astype(np.int32)
    worker = np.concatenate([luck.choice(WORKERS, EACH, replace=False) for _ in range(TASKS)]).astype(np.int32)
    label = np.where(luck.random(len(task)) < right, truth[task], 1 - truth[task]).astype(np.int32)
    says = np.where(luck.random(TASKS) < told, truth, 1 - truth)
    text = luck.normal(size=(TASKS, 8)).astype(np.float32)
    text[:, 0] += 3 * (2 * says - 1)
    return (task, worker, label), truth, text, dawid_skene(task, worker, label, TASKS, WORKERS, CLASSES)


def right(labels: np.ndarray, truth: np.ndarray) -> float:
    return float((labels == truth).mean())


def test_learn__texts_that_tell__ships_and_decides_better() -> None:
    answers, truth, text, fit = crowd()
    base = record(*answers, TASKS, len(fit.worker_count), CLASSES, fit.posterior, fitted=False)
    found = learn(*answers, fit, text)
    better = with_priors(base, priors(found, base))
    assert found.ships
    assert right(better.labels, truth) > right(base.labels, truth) + 0.05
    assert np.abs(better.priors).max() <= PRIOR_CAP


def test_learn__texts_that_tell_nothing__changes_no_verdict() -> None:
    answers, _, text, fit = crowd()
    text = np.random.default_rng(9).normal(size=text.shape).astype(np.float32)
    base = record(*answers, TASKS, len(fit.worker_count), CLASSES, fit.posterior, fitted=False)
    for vectors in (text, None):
        found = learn(*answers, fit, vectors)
        assert not found.ships
        assert (with_priors(base, priors(found, base)).scores == base.scores).all()


def test_learn__answers_of_a_task__do_not_reach_its_own_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the answers of one fold replaced, what is learned for it from texts alone stays the same."""
    seen: list[torch.Tensor] = []
    train = learning._train

    def watched(crowd: learning._Crowd, targets: learning._Targets, mine: torch.Tensor, seed: int) -> learning._Net:
        inside = mine[crowd.task]
        torn = replace(
            crowd, label=torch.where(inside, crowd.label, 0), evidence=torch.where(inside[:, None], crowd.evidence, 0.0)
        )
        nets = [train(c, targets, mine, seed) for c in (crowd, torn)]
        seen.extend(n.by_text.weight.detach() for n in nets)
        return nets[0]

    monkeypatch.setattr(learning, "_train", watched)
    answers, _, text, fit = crowd()
    learn(*answers, fit, text, folds=2)
    assert len(seen) == 4
    for one, other in zip(seen[::2], seen[1::2], strict=True):
        assert torch.allclose(one, other, atol=0.02)


def test_learn__same_seed__same_bits() -> None:
    answers, _, text, fit = crowd()
    one, two, other = (learn(*answers, fit, text, seed=seed) for seed in (3, 3, 4))
    assert (one.correction == two.correction).all()
    assert (one.right == two.right).all()
    assert (one.correction != other.correction).any()


def test_learn__heads__tell_right_from_wrong_and_lookers_from_guessers() -> None:
    luck = np.random.default_rng(2)
    answers, truth, text, _ = crowd(right=0.9)
    task, worker, label = answers
    guesses = worker < 3
    label = np.where(guesses, luck.integers(0, 2, len(label)), label).astype(np.int32)
    fit = dawid_skene(task, worker, label, TASKS, WORKERS, CLASSES)
    found = learn(task, worker, label, fit, text)
    correct = label == truth[task]
    assert found.right[correct].mean() > found.right[~correct].mean() + 0.05
    assert found.spam[:3].min() > found.spam[3:].max()
    assert ((found.difficulty >= 0) & (found.difficulty <= 1)).all()


def test_evidence__of_an_answer__is_the_fit_without_it() -> None:
    (task, worker, label), _, _, fit = crowd()
    found = learning._evidence(task, worker, label, fit)
    n = 17
    own = fit.posterior[task[n]]
    pair = int(np.flatnonzero((fit.pair_worker == worker[n]) & (fit.pair_label == label[n]))[0])
    counts, totals = fit.pair_count.copy(), fit.worker_count.copy()
    counts[pair] -= own
    totals[worker[n]] -= own
    without = replace(fit, pair_count=counts, worker_count=totals)
    assert found[n] == pytest.approx(log_confusion(without, worker[n : n + 1], label[n : n + 1])[0])


def test_targets__posterior_of_an_answer__as_by_hand() -> None:
    (task, worker, label), _, text, fit = crowd()
    people = learning._crowd(task, worker, label, fit, text)
    found = learning._targets(people).right
    for n in range(0, len(task), 50):
        score = np.log(fit.prior).copy()
        for m in np.flatnonzero(task == task[n]):
            score += people.evidence[m].numpy() if m != n else 0
        chance = np.exp(score - score.max())
        assert float(found[n]) == pytest.approx(chance[label[n]] / chance.sum(), rel=1e-4)


def test_principal__wide_vectors__keep_their_distances() -> None:
    luck = np.random.default_rng(4)
    flat = luck.normal(size=(50, 10)) @ luck.normal(size=(10, 300))  # ten dimensions, spread over three hundred
    found = learning._principal(torch.from_numpy(flat)).numpy()
    before, after = (((a[:, None] - a[None]) ** 2).sum(-1) for a in (flat, found))
    assert found.shape == (50, learning.AXES)
    assert after / after.max() == pytest.approx(before / before.max(), abs=1e-5)


@pytest.mark.parametrize("text", [np.zeros((3, 4)), np.full((TASKS, 2), np.nan), np.zeros(TASKS)])
def test_learn__vectors_that_do_not_fit__are_bad_input(text: np.ndarray) -> None:
    answers, _, _, fit = crowd()
    with pytest.raises(BadInput, match="one finite vector a task"):
        learn(*answers, fit, text)


def test_learn__too_few_tasks_or_no_answer__is_bad_input() -> None:
    answers, _, _, fit = crowd()
    with pytest.raises(BadInput, match="folds"):
        learn(*answers, fit, folds=TASKS + 1)
    with pytest.raises(BadInput, match="no answer"):
        learn([], [], [], fit)


def test_learn__any_classes__answers_seen_once__runs() -> None:
    task, worker, label = (np.array(v, np.int32) for v in ([0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5], [0, 1, 2, 0, 1, 2]))
    found = learn(task, worker, label, dawid_skene(task, worker, label, 7, 6, 4), folds=3)
    assert np.isfinite(found.correction).all()
    assert found.correction.shape == (7, 4)
