"""Explanations add up to the decision, name what is odd, and agree with naive counts."""

import numpy as np
import pytest

from oracle.verification import explain, judge
from oracle.verification.record import ONE
from tests.verification.test_engine import crowd_of


def judged(seed: int = 3) -> tuple[judge.Belief, judge.Decision]:
    crowd, _ = crowd_of(seed, 60, 9, 3, 4)
    belief = judge.believe(judge.crowd(*crowd))
    return belief, judge.decide(belief)


def test_why_verdict__every_task__adds_up_to_its_lead() -> None:
    belief, decision = judged()
    for task in range(60):
        why = explain.why_verdict(belief, decision, task)
        assert why.verdict == decision.record.labels[task]
        assert why.lead >= 0
        assert why.lead == pytest.approx(why.prior_moved + sum(one.moved for one in why.answers))
        assert why.scores == pytest.approx((decision.record.scores[task] / ONE).tolist())
        assert len(why.answers) == (belief.crowd.task == task).sum()
        moved = [abs(one.moved) for one in why.answers]
        assert moved == sorted(moved, reverse=True)


def test_why_verdict__without_those_who_would_flip_it__another_class_wins() -> None:
    belief, decision = judged()
    flips = [task for task in range(60) if decision.certificate.voices[task] == 1]
    assert flips, "a small crowd has verdicts that hang on one voice"
    for task in flips:
        why = explain.why_verdict(belief, decision, task)
        rival = int(decision.certificate.rival[task])
        row = decision.record.row_weight[decision.record.row[belief.crowd.task == task]]
        left = decision.record.scores[task] - row
        assert (left[:, rival] >= left[:, why.verdict]).any()
        assert not why.certified
        assert f"class {rival} would win" in why.reason


def test_why_worker__liar_and_expert__are_told_apart_with_their_reasons() -> None:
    """Worker 0 always says class 2; worker 1 is always right."""
    truth = np.arange(90) % 3
    rng = np.random.default_rng(0)
    task, worker = np.repeat(np.arange(90), 5), np.tile(np.arange(5), 90)
    label = np.where(rng.random(450) < 0.85, truth[task], rng.integers(0, 3, 450))
    label = np.where(worker == 0, 2, np.where(worker == 1, truth[task], label))
    belief = judge.believe(judge.crowd(task, worker, label, 90, 5, 3))
    constant, expert = explain.why_worker(belief, 0), explain.why_worker(belief, 1)
    assert constant.quality < 0.5
    assert expert.quality > 0.85
    assert constant.low <= constant.quality <= constant.high
    assert (constant.overused, constant.answers) == (2, 90)
    assert constant.overuse == pytest.approx(2 / 3, abs=0.1)
    assert constant.right_by_class[2] > 0.9
    assert constant.right_by_class[0] < 0.1


def test_why_job__made_crowd__names_hardest_and_confused() -> None:
    """Class 1 is taken for class 0 a third of the time, and nothing else goes wrong."""
    rng = np.random.default_rng(1)
    truth = np.arange(120) % 3
    task, worker = np.repeat(np.arange(120), 7), np.tile(np.arange(7), 120)
    label = np.where((truth[task] == 1) & (rng.random(840) < 0.33), 0, truth[task])
    belief = judge.believe(judge.crowd(task, worker, label, 120, 7, 3))
    job = explain.why_job(belief, judge.decide(belief))
    assert job.confused[0][:2] == (1, 0)
    assert job.confused[0][2] == pytest.approx(0.33, abs=0.06)
    assert set(job.hardest) <= set(np.flatnonzero(truth == 1).tolist()) | set(np.flatnonzero(truth == 0).tolist())
    assert job.agreement is not None
    assert 0.6 < job.agreement < 1
    assert job.hardest[0] == int(belief.posterior.max(1).argmin())


def test_wilson__known_values__are_met() -> None:
    assert explain.wilson(0, 0) == (0.0, 1.0)
    low, high = explain.wilson(8, 10)
    assert (low, high) == (pytest.approx(0.4902, abs=1e-3), pytest.approx(0.9433, abs=1e-3))


def test_why_verdict__dissent__names_the_voices_that_say_another_class() -> None:
    belief, decision = judged()
    said = {}
    for task in range(60):
        why = explain.why_verdict(belief, decision, task)
        said[task] = why.dissent
        named = zip(belief.inference.voices, belief.inference.labels[:, task], strict=True)
        assert why.dissent == tuple(name for name, label in named if label != why.verdict)
    assert any(said.values()), "some verdict has a dissenter"
    assert not all(said.values()), "and some has none"


def test_why_worker__one_answer__is_neither_perfect_nor_worthless() -> None:
    crowd, _ = crowd_of(3, 60, 9, 3, 4, (0.9, 0.95))
    task, worker, label = (np.append(a, b) for a, b in zip(crowd[:3], (60, 9, 1), strict=True))
    why = explain.why_worker(judge.believe(judge.crowd(task, worker, label, 61, 10, 3)), 9)
    assert why.answers == 1
    assert 0.4 < why.quality < 0.7


def test_why_job__workers_all_alike__spread_is_less_than_the_luck_of_few_answers() -> None:
    """Thirty answers each, right with probability 0.8: shares of right answers scatter by 0.07 by luck alone."""
    luck = np.random.default_rng(4)
    quality = luck.binomial(30, 0.8, 400) / 30
    assert quality.std() > 0.06
    assert explain._spread(np.full(400, 30, np.int32), quality) < 0.03
    unlike = luck.binomial(30, luck.uniform(0.5, 1, 400)) / 30
    assert explain._spread(np.full(400, 30, np.int32), unlike) == pytest.approx(0.5 / 12**0.5, abs=0.03)


def test_why_job__tasks_without_answers__are_not_called_hard() -> None:
    crowd, _ = crowd_of(5, 30, 9, 3, 4)
    belief = judge.believe(judge.crowd(*crowd[:3], 40, *crowd[4:]))
    job = explain.why_job(belief, judge.decide(belief), most=35)
    assert len(job.hardest) == 30
    assert max(job.hardest) < 30
