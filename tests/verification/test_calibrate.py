"""Temperature: fitted beside a naive search, drawn to 1, and worth it where a crowd is confidently wrong."""

import numpy as np
import pytest

from oracle.verification import judge
from oracle.verification.calibrate import LEAST, WIDTH, calibrated, temperature, tempered
from tests.verification.test_engine import crowd_of


def overconfident(seed: int, tasks: int) -> tuple[np.ndarray, np.ndarray]:
    """Posteriors that say P^3 where the truth is drawn from P."""
    rng = np.random.default_rng(seed)
    honest = rng.dirichlet([1, 1, 1], tasks)
    truth = np.array([rng.choice(3, p=row) for row in honest], np.int32)
    return tempered(honest, 3.0), truth


def test_temperature__posteriors_cubed__is_a_third() -> None:
    said, truth = overconfident(0, 4000)
    assert temperature(said, truth) == pytest.approx(1 / 3, rel=0.08)


def test_temperature__few_known__stays_near_one() -> None:
    said, truth = overconfident(1, 3)
    assert abs(np.log(temperature(said, truth))) < 2 * WIDTH
    assert temperature(said[:0], truth[:0]) == pytest.approx(1, abs=0.02)


def test_temperature__any__is_the_best_of_a_naive_search() -> None:
    said, truth = overconfident(2, 60)

    def worth(tau: float) -> float:
        total = -(np.log(tau) ** 2) / (2 * WIDTH**2)
        for row, z in zip(said, truth, strict=True):
            powers = [p**tau for p in row]
            total += np.log(powers[z] / sum(powers))
        return float(total)

    found = temperature(said, truth)
    assert all(worth(found) >= worth(found * step) - 1e-9 for step in (0.9, 0.95, 1.05, 1.1))


def test_calibrated__known_tasks__are_hidden_when_they_judge_and_stay_as_they_are() -> None:
    said, truth = overconfident(3, 200)
    known = np.where(np.arange(200) < 100, truth, -1).astype(np.int32)
    held = said.copy()
    held[:100] = np.eye(3)[truth[:100]]
    asked: list[np.ndarray] = []

    def judged(told: np.ndarray) -> np.ndarray:
        asked.append(told)
        return said

    found, tau = calibrated(held, known, judged)
    assert tau < 0.6
    assert [(told >= 0).sum() for told in asked] == [50, 50]
    assert ((asked[0] >= 0) ^ (asked[1] >= 0))[:100].all(), "each known task is hidden once"
    np.testing.assert_array_equal(found[:100], held[:100])
    np.testing.assert_allclose(found[100:], tempered(said, tau)[100:])


def test_calibrated__too_few_known__changes_nothing_and_asks_nothing() -> None:
    said, truth = overconfident(4, 50)
    known = np.where(np.arange(50) < LEAST - 1, truth, -1).astype(np.int32)
    found, tau = calibrated(said, known, lambda told: pytest.fail("asked"))
    assert tau == 1
    assert found is said


def test_believe__crowd_that_is_surely_wrong__gold_makes_the_rest_honest() -> None:
    """On a third of the tasks everybody is fooled the same way."""
    crowd, truth = crowd_of(5, 600, 30, 2, 5, (0.85, 0.95))
    fooled = np.random.default_rng(0).random(600) < 0.33
    label = np.where(fooled[crowd[0]], 1 - crowd[2], crowd[2]).astype(np.int32)
    answers = judge.crowd(crowd[0], crowd[1], label, *crowd[3:])
    gold = np.where(np.arange(600) < 60, truth, -1)
    told, alone = judge.believe(answers, gold=gold), judge.believe(answers)

    def loss(belief: judge.Belief) -> float:
        return float(-np.log(belief.posterior[np.arange(60, 600), truth[60:]]).mean())

    assert told.tau < 0.8
    assert alone.tau == 1
    assert loss(told) < loss(alone) - 0.05
