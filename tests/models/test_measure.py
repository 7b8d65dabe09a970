"""Measures with intervals, gaps between groups, gains: beside plain arithmetic, and as right as they say."""

import numpy as np
import pytest
from numpy.typing import NDArray

from oracle.models import measure
from oracle.verification import scores

Float = NDArray[np.float64]


def made(tasks: int, seed: int, sharp: float = 2.0) -> tuple[Float, NDArray[np.int32]]:
    """Calibrated predictions of two classes, and gold that follows them."""
    luck = np.random.default_rng(seed)
    yes = 1 / (1 + np.exp(-sharp * luck.normal(size=tasks)))
    return np.stack([1 - yes, yes], 1), (luck.random(tasks) < yes).astype(np.int32)


def test_measures__a_few_tasks__are_plain_arithmetic() -> None:
    chance = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.7, 0.3]] * 5)
    gold = np.array([0, 1, 0, 1] * 5, np.int32)
    found = measure.measures(chance, gold)
    assert found.accuracy.mean == 0.5
    assert found.log_loss.mean == pytest.approx(-np.log([0.9, 0.6, 0.2, 0.3]).mean())
    assert found.auc is not None and found.auc.mean == pytest.approx(1 / 2)  # of 4 pairs: .6 > .1, .3 > .1
    assert found == measure.measures(chance, gold)  # by the seed
    assert measure.measures(chance, np.zeros(20, np.int32)).auc is None
    assert measure.measures(np.full((20, 3), 1 / 3), gold).auc is None


def test_measures__calibrated_predictions__intervals_hold_the_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    """95 % intervals over 40 samples: binomial(40, 0.95) is below 32 once in 7,000; ECE is 0 in truth."""
    monkeypatch.setattr(measure, "DRAWS", 250)
    whole, gold = made(200_000, 0)
    truth = {"accuracy": scores.right(whole, gold).mean(), "log_loss": scores.losses(whole, gold).mean()}
    truth |= {"auc": scores.auc(whole[:, 1], gold == 1), "ece": 0.0}
    held = dict.fromkeys(truth, 0)
    for seed in range(40):
        found = measure.measures(*made(200, seed + 1))
        for name, value in truth.items():
            one = getattr(found, name)
            held[name] += one.low <= value <= one.high
    assert all(count >= 32 for count in held.values()), held


def test_gap__small_groups__count_for_none() -> None:
    chance = np.tile([0.9, 0.1], (65, 1))
    gold = np.array([0] * 25 + [0] * 15 + [1] * 10 + [1] * 15, np.int32)
    groups = measure.by_group(chance, gold, ["a"] * 25 + ["b"] * 25 + ["c"] * 15)
    assert [(one.name, one.tasks, one.accuracy) for one in groups] == [("a", 25, 1.0), ("b", 25, 0.6), ("c", 15, 0.0)]
    assert measure.gap(groups) == pytest.approx(0.4)
    assert measure.gap(measure.by_group(chance, gold, [""] * 65)) is None


def test_gain__one_fold_is_better_and_one_worse__pairs_within_folds() -> None:
    """The folds differ by a nat; within each every task gains the same, so nothing is left to chance."""
    gold = np.zeros(40, np.int32)
    fold = ["0"] * 20 + ["1"] * 20
    before = np.repeat([[0.5, 0.5], [0.4, 0.6]], 20, 0)
    after = np.repeat([[0.9, 0.1], [0.3, 0.7]], 20, 0)
    found = measure.gain(before, after, gold, fold)
    mean = (np.log(0.9 / 0.5) + np.log(0.3 / 0.4)) / 2
    assert (found.mean, found.low, found.high) == pytest.approx((mean, mean, mean))


def test_gain__of_two_equal_models__is_seldom_above_zero() -> None:
    """2.5 % by its level: of 60, binomial has 7 or more once in 1,000; `bench models` tries 1,000."""
    wins = 0
    for seed in range(60):
        chance, gold = made(150, seed)
        luck = np.random.default_rng(1_000 + seed)
        one, two = (_blurred(chance, luck) for _ in range(2))
        wins += measure.gain(one, two, gold, [str(i % 2) for i in range(150)]).low > 0
    assert wins <= 6


def _blurred(chance: Float, luck: np.random.Generator) -> Float:
    score = np.log(chance[:, 1] / chance[:, 0]) + 0.5 * luck.normal(size=len(chance))
    yes = 1 / (1 + np.exp(-score))
    return np.stack([1 - yes, yes], 1)
