"""Numbers: against the mean where workers differ, laws that must hold, odd answers, a recorded crowd."""

from pathlib import Path

import numpy as np
import pytest

from oracle import labels as lb
from oracle.commands.typed import read_given
from oracle.verification.types.answer import Given, Unreadable
from oracle.verification.types.number import fit, hard, number, read, score, write
from tests.support.answers import Luck, aggregated, crowd, engine, shuffled

KIND = number()
TRUTHS = np.random.default_rng(7).uniform(0, 100, 150).tolist()
SKILLS = [2.0] * 8 + [8.0] * 8 + [40.0] * 6  # spreads


def spread(truth: float, skill: float, luck: Luck) -> float:
    return float(truth + skill * luck.standard_normal())


def naive_mean(given: Given) -> list[float]:
    return [float(np.mean([given.value[n] for n in group])) for group in given.by_task()]


def test_aggregate__workers_of_different_spread__nearer_than_mean_and_median() -> None:
    given = crowd(TRUTHS, SKILLS, spread, 7)
    ours = score(aggregated(KIND, given).value, TRUTHS)["mae"]
    mean = score(naive_mean(given), TRUTHS)["mae"]
    median = score([float(np.median([given.value[n] for n in g])) for g in given.by_task()], TRUTHS)["mae"]
    assert ours < 0.7 * mean
    assert ours < 0.9 * median


def test_fit__bias_stretch_and_spread__found_again() -> None:
    luck = np.random.default_rng(5)
    bias, stretch = luck.normal(0, 0.5, 12), luck.uniform(0.3, 1.7, 12)
    bias, stretch = bias - bias.mean(), stretch / stretch.mean()
    truth = luck.standard_normal(400)
    task, worker = (part.ravel().astype(np.int32) for part in np.meshgrid(np.arange(400), np.arange(12), indexing="ij"))
    x = bias[worker] + stretch[worker] * truth[task] + 0.3 * luck.standard_normal(len(task))
    found = fit(Given(task, worker, x.tolist(), 400, 12), x, biased=True, stretched=True)
    assert np.abs(found.bias - bias).max() < 0.1
    assert np.abs(found.stretch - stretch).max() < 0.1
    assert np.sqrt(found.spread) == pytest.approx(0.3, abs=0.05)
    assert np.corrcoef(found.value, truth)[0, 1] > 0.99


def of_hard_tasks(seed: int, shared: float, answers: int = 7) -> tuple[Given, np.ndarray, np.ndarray]:
    """Answers to 500 tasks, their truths and how hard each is; half of the tasks are five times as hard as the others.

    `shared` is the correlation of two errors in one task.
    """
    luck, tasks, workers = np.random.default_rng(seed), 500, 25
    truth, hard, skill = (
        luck.uniform(0, 100, tasks),
        np.where(np.arange(tasks) % 2, 5.0, 1.0),
        luck.uniform(2, 6, workers),
    )
    task = np.repeat(np.arange(tasks, dtype=np.int32), answers)
    worker = np.concatenate([luck.choice(workers, answers, replace=False) for _ in range(tasks)]).astype(np.int32)
    together, alone = luck.standard_normal(tasks)[task], luck.standard_normal(len(task))
    off = hard[task] * skill[worker] * (np.sqrt(shared) * together + np.sqrt(1 - shared) * alone)
    return Given(task, worker, (truth[task] + off).tolist(), tasks, workers), truth, hard


def covered(given: Given, truth: np.ndarray) -> np.ndarray:
    found = aggregated(KIND, given)
    return (np.asarray(found.columns["low"]) <= truth) & (truth <= np.asarray(found.columns["high"]))


def test_aggregate__errors_shared_in_tasks__interval_holds_the_truth_as_often_as_it_says() -> None:
    """At the correlation that it allows for; easy tasks and hard ones alike."""
    hits, hard = [], []
    for seed in range(3):
        given, truth, how_hard = of_hard_tasks(seed, 0.5)
        hits.append(covered(given, truth))
        hard.append(how_hard > 1)
    hit, is_hard = np.concatenate(hits), np.concatenate(hard)
    assert 0.86 < hit.mean() < 0.97
    assert 0.83 < hit[is_hard].mean() < 0.97
    assert 0.83 < hit[~is_hard].mean() < 0.97


@pytest.mark.parametrize("shared", [0.0, 0.3])
def test_aggregate__errors_less_alike__interval_holds_more(shared: float) -> None:
    given, truth, _ = of_hard_tasks(5, shared)
    assert covered(given, truth).mean() > 0.9


def test_aggregate__one_more_answer__falls_into_the_interval_as_often_as_it_says() -> None:
    """It can be checked without gold: an answer that was hidden, however much the others err together."""
    given, _, _ = of_hard_tasks(6, 0.8, answers=8)
    hidden = np.arange(len(given.value)) % 8 == 7
    value = np.array(given.value)
    rest = Given(given.task[~hidden], given.worker[~hidden], value[~hidden].tolist(), given.tasks, given.workers)
    assert 0.85 < covered(rest, value[hidden]).mean() < 0.95


def test_aggregate__harder_tasks__have_the_wider_intervals() -> None:
    given, truth, hard = of_hard_tasks(7, 0.25)
    found = aggregated(KIND, given)
    width, off = np.asarray(found.columns["high"]) - found.columns["low"], np.abs(np.array(found.value) - truth)
    assert np.median(width[hard > 1]) > 2 * np.median(width[hard == 1])
    sure = found.confidence > np.median(found.confidence)
    assert off[sure].mean() < 0.6 * off[~sure].mean()


def test_hard__squares_of_known_law__finds_scale_and_hardness_again() -> None:
    luck = np.random.default_rng(8)
    true, d = 2.0 * 6 / luck.chisquare(6, 1500), np.full(1500, 5)
    found, freedom = hard(true * luck.chisquare(5, 1500), d)
    assert 9 < freedom[0] < 14, "nu is 6, and each task has 5 of its own"
    assert np.mean(found) == pytest.approx(2.0 * 6 / (6 - 2), rel=0.2)
    assert np.corrcoef(np.log(found), np.log(true))[0, 1] > 0.6


def test_hard__tasks_with_one_answer__are_as_hard_as_the_rest() -> None:
    found, freedom = hard(np.array([0.0, 0.0]), np.array([0, -1]))
    assert found.tolist() == [1, 1]
    assert (freedom > 0).all()


def test_aggregate__same_answers_moved_and_scaled__value_moves_along() -> None:
    given = crowd(TRUTHS, SKILLS, spread, 5)
    moved = Given(given.task, given.worker, [1000 + 7 * y for y in given.value], given.tasks, given.workers)
    assert np.allclose(aggregated(KIND, moved).value, 1000 + 7 * np.array(aggregated(KIND, given).value))
    assert np.allclose(aggregated(KIND, shuffled(given)).value, aggregated(KIND, given).value)


def test_aggregate__slips_of_the_keyboard__do_not_carry_the_others() -> None:
    given = crowd(TRUTHS, SKILLS[:16], spread, 5)
    clean = score(aggregated(KIND, given).value, TRUTHS)["mae"]
    slips = [int(np.flatnonzero(given.worker == worker)[0]) for worker in range(16)]
    for n in slips:
        given.value[n] = 1e6
    found, hit = aggregated(KIND, given).value, set(given.task[slips].tolist())
    rest = [t for t in range(len(TRUTHS)) if t not in hit]
    assert score([found[t] for t in rest], [TRUTHS[t] for t in rest])["mae"] < 3 * clean
    assert max(abs(found[t] - TRUTHS[t]) for t in hit) < 500


@pytest.mark.parametrize("value", [[5.0], [3.0, 3.0, 3.0], [0.0, 1e100], [-1e100, 1e100, 0.0]])
def test_aggregate__odd_crowds__a_value_within_the_answers(value: list[float]) -> None:
    given = Given(np.zeros(len(value), np.int32), np.arange(len(value), dtype=np.int32), value, 2, len(value))
    found = aggregated(KIND, given)
    assert min(value) <= found.value[0] <= max(value)
    assert found.value[1] is None
    assert found.confidence[1] == 0


@pytest.mark.parametrize(
    "text", ["", "abc", "nan", "inf", "1,5", "1_0", "0x10", "\u0661", "1e400", "1" * 400, "--1", "1.2.3"]
)
def test_read__no_number__unreadable(text: str) -> None:
    with pytest.raises(Unreadable):
        read(text)


@pytest.mark.parametrize(("text", "value"), [("5", 5.0), (" -3.50 ", -3.5), ("+.5", 0.5), ("1e3", 1000.0), ("0", 0.0)])
def test_read__numbers__and_back(text: str, value: float) -> None:
    assert read(text) == value
    assert read(write(value)) == value


def test_read__outside_the_scale__unreadable() -> None:
    assert number(0, 10).read("10") == 10
    with pytest.raises(Unreadable, match=r"outside 0 \.\. 10"):
        number(0, 10).read("10.1")


def test_snow_affect__beside_the_mean__smaller_error_and_r_not_lower(crowd_data: Path) -> None:
    answers, _ = lb.read_answers(crowd_data / "snow_affect" / "labels.csv")
    truth, _ = lb.read_truth(crowd_data / "snow_affect" / "truth.csv")
    given = read_given(answers, KIND, "labels.csv")
    known = [float(truth.labels[task]) for task in answers.tasks]
    ours, mean = score(KIND.aggregate(given, engine).value, known), score(naive_mean(given), known)
    assert mean["mae"] == pytest.approx(12.02, abs=0.01)
    assert ours["mae"] <= 12.0
    assert ours["r"] >= mean["r"]
    assert covered(given, np.array(known)).mean() > 0.88
