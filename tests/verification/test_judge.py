"""The whole judgement: what is certified, whose silence is tried, how loud a ring is on record."""

from dataclasses import replace

import numpy as np
import pytest

from oracle.verification import judge
from oracle.verification.engine import History
from oracle.verification.record import record
from oracle.verification.rings import COPIES, SUSPECTED, Ring, merge
from tests.verification.test_engine import crowd_of


def ring(workers: tuple[int, ...], kind: str, answers: int) -> Ring:
    return Ring(workers, kind, 10.0, 0.9, 0.5, 0.1, answers, 10.0, "for a test")


def believed(seed: int = 3) -> judge.Belief:
    crowd, _ = crowd_of(seed, 60, 9, 3, 5)
    return judge.believe(judge.crowd(*crowd), merging=False)


def test_decide__record_that_cannot_say_what_the_engine_says__is_not_certified() -> None:
    """The engine is made to say what nobody answered, beyond what the caps let the integers say."""
    belief = believed()
    turned = np.roll(belief.posterior, 1, axis=1)
    decision = judge.decide(replace(belief, posterior=turned), weight_cap=1 << 16, prior_cap=0)
    parted = decision.record.labels != turned.argmax(1)
    assert parted.sum() > 20
    assert (decision.agrees == ~parted).all()
    assert not decision.certified[parted].any()
    assert decision.certificate.certified[parted].any(), "the integers alone would have been sure of some"
    assert decision.reason(int(np.flatnonzero(parted)[0])) == "the decision of record and the engine part"


def test_decide__suspected_minority__is_silenced_and_a_suspected_majority_is_not() -> None:
    belief = believed()

    def turned(workers: tuple[int, ...]) -> bool:
        answers = int(np.isin(belief.crowd.worker, workers).sum())
        suspected = replace(belief, rings=(ring(workers, SUSPECTED, answers),))
        decision = judge.decide(suspected)
        assert not decision.certified[decision.certificate.group == 0].any()
        return bool((decision.certificate.group == 0).any())

    assert turned((0, 1, 2, 3)), "four of nine carry some verdict"
    assert not turned((0, 1, 2, 3, 4, 5)), "without six of nine nothing is left to compare with"


def test_decide__merged_ring__each_member_has_its_part_of_the_voice_on_record() -> None:
    crowd, _ = crowd_of(7, 80, 9, 3, 9)  # everybody answers everything
    task, worker, label, _, workers, classes = crowd
    for copier in (1, 2):
        label[worker == copier] = label[worker == 0]
    of = judge.crowd(*crowd)
    found = (ring((0, 1, 2), COPIES, 240),)
    merged = merge(task, worker, label, found, workers, classes)
    belief = replace(believed(), crowd=of, rings=found, merged=merged, posterior=judge.believe(of).posterior)
    quiet = judge.decide(belief, fitted=False).record
    loud = record(*of.arrays, belief.posterior, fitted=False)
    member = np.isin(quiet.row_worker, (0, 1, 2))
    np.testing.assert_allclose(3 * quiet.row_weight[member], loud.row_weight[member], atol=3)
    np.testing.assert_array_equal(quiet.row_weight[~member], loud.row_weight[~member])


@pytest.mark.parametrize("merging", [True, False])
def test_believe__copies__are_one_voice_unless_that_is_not_wanted(merging: bool) -> None:
    """A random key in six names against five honest workers."""
    luck = np.random.default_rng(0)
    truth, key = luck.integers(0, 3, 300), luck.integers(0, 3, 300)
    task, worker = np.repeat(np.arange(300), 11), np.tile(np.arange(11), 300)
    honest = np.where(luck.random(3300) < 0.8, truth[task], luck.integers(0, 3, 3300))
    label = np.where(worker < 6, key[task], honest)
    belief = judge.believe(judge.crowd(task, worker, label, 300, 11, 3), merging=merging)
    right = (belief.posterior.argmax(1) == truth).mean()
    assert right > 0.85 if merging else right < 0.6
    assert bool(belief.rings) == merging


def test_believe__gold__is_told_to_the_search_for_rings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which of two worlds is the true one only known answers say (test_rings); here that they arrive."""
    crowd, truth = crowd_of(3, 60, 9, 3, 4)
    gold = np.where(np.arange(60) < 10, truth, -1)
    told = []
    monkeypatch.setattr(judge, "rings", lambda *_, known: told.append(known) or ())
    judge.believe(judge.crowd(*crowd), gold=gold)
    np.testing.assert_array_equal(told[0], gold)


def test_believe__history__is_told_to_the_engine() -> None:
    crowd, _ = crowd_of(3, 60, 9, 3, 4)
    liar = History(np.array([0, 0, 0]), np.array([0, 1, 2]), 50 * np.array([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]]))
    alone, told = (judge.believe(judge.crowd(*crowd), history=known).posterior for known in (None, liar))
    assert np.abs(alone - told).max() > 0.05
