"""The alarm of drift: what is planted is seen, what is not planted alarms as seldom as it says."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from oracle.models import drift

Float = NDArray[np.float64]
Int32 = NDArray[np.int32]
TASKS, NEW, GOLD = 600, 300, 150


def made(
    tasks: int, luck: np.random.Generator, shift: float = 0.0, wrong: float = 0.0, sure: float = 1.0
) -> tuple[Float, Int32]:
    """A model's chances, calibrated at first. `shift` of its inputs, share of `wrong` labels, `sure` too much of itself."""
    score = 1.5 * luck.normal(size=tasks) + shift
    yes = (luck.random(tasks) < 1 / (1 + np.exp(-score))) ^ (luck.random(tasks) < wrong)
    said = 1 / (1 + np.exp(-sure * score))
    return np.stack([1 - said, said], 1), yes.astype(np.int32)


def alarms(seed: int, **plant: float) -> set[str]:
    luck = np.random.default_rng(seed)
    before, now = made(TASKS, luck), made(NEW, luck, **plant)
    found = drift.signs(*before, now[0], now[0][:GOLD], now[1][:GOLD])
    return {one.what for one in found if one.alarms}


@pytest.mark.parametrize(
    ("plant", "what"),
    [({"shift": 1.5}, "P(class 2)"), ({"wrong": 0.5}, "accuracy"), ({"sure": 6.0}, "calibration")],
)
def test_signs__a_planted_shift__alarms_by_its_name(plant: dict[str, float], what: str) -> None:
    seen = [what in alarms(seed, **plant) for seed in range(20)]
    assert sum(seen) >= 19


def test_signs__no_shift__alarms_no_more_often_than_its_level() -> None:
    """At most 1 % of 400 worlds of the same size; binomial has more than 11 once in 1,000."""
    assert sum(bool(alarms(seed)) for seed in range(400)) <= 11


def test_stability_index__without_change__follows_chi_square() -> None:
    luck = np.random.default_rng(0)
    found = []
    for _ in range(500):
        index, bins = drift.stability_index(luck.random(1_000), luck.random(1_000))
        found.append(stats.chi2.sf(index / (2 / 1_000), bins - 1))
    assert 0.03 < np.mean(np.array(found) < 0.05) < 0.08


def test_stability_index__plain_sum__agrees() -> None:
    before, now = np.repeat([0.1, 0.5, 0.9], [50, 30, 20]), np.repeat([0.1, 0.5, 0.9], [20, 30, 50])
    index, bins = drift.stability_index(before, now)
    old, new = (np.array(x) / sum(x) for x in ([50.5, 30.5, 20.5], [20.5, 30.5, 50.5]))
    assert bins == 3 and index == pytest.approx(((new - old) * np.log(new / old)).sum())


def test_stability_index__the_same_everywhere__is_zero() -> None:
    assert drift.stability_index(np.full(50, 0.5), np.full(70, 0.5)) == (0.0, 1)
    index, _ = drift.stability_index(np.full(50, 0.5), np.full(70, 0.9))
    assert index > drift.LARGE  # what never occurred before is a change


def test_signs__a_certain_but_small_shift__is_no_alarm() -> None:
    """With enough tasks every shift is significant: the index must be large as well."""
    luck = np.random.default_rng(1)
    shifted: Callable[[float], Float] = lambda by: made(50_000, luck, shift=by)[0]  # noqa: E731
    before, gold = made(50_000, luck)
    (found,) = drift.signs(before, gold, shifted(0.3))
    assert found.chance < 1e-9 and not found.alarms and "small" in found.why
