"""Models that label beside people: what they share counts once, whatever their number."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from oracle.protocol.errors import BadInput
from oracle.verification import judge
from oracle.verification.judge import Crowd, believe, crowd, decide
from oracle.verification.machines import together

TASKS, PEOPLE, MACHINES = 400, 20, 8
MODELS = np.arange(PEOPLE, PEOPLE + MACHINES)


def mixed(seed: int = 1, shared: float = 0.75, own: float = 0.95) -> tuple[Crowd, NDArray[np.int64]]:
    """Three people a task, four in five right; machines that copy one opinion, right three times of four, with own slips."""
    luck = np.random.default_rng(seed)
    truth = luck.integers(0, 2, TASKS)
    opinion = np.where(luck.random(TASKS) < shared, truth, 1 - truth)
    rows = []
    for t in range(TASKS):
        rows += [(t, w, truth[t] if luck.random() < 0.8 else 1 - truth[t]) for w in luck.choice(PEOPLE, 3, False)]
        rows += [(t, int(m), opinion[t] if luck.random() < own else 1 - opinion[t]) for m in MODELS]
    task, worker, label = np.array(rows, np.int32).T
    return crowd(task, worker, label, TASKS, PEOPLE + MACHINES, 2), truth


def log_loss(posterior: NDArray[np.float64], truth: NDArray[np.int64]) -> float:
    return float(-np.log(posterior[np.arange(len(truth)), truth]).mean())


def test_believe__machines_that_err_together__are_one_voice_and_the_people_outvote_it() -> None:
    of, truth = mixed()
    apart, one = believe(of, merging=False), believe(of, machines=MODELS)
    assert (one.posterior.argmax(1) == truth).mean() > (apart.posterior.argmax(1) == truth).mean() + 0.05
    assert log_loss(one.posterior, truth) < 0.7 * log_loss(apart.posterior, truth)
    assert one.machines is not None
    assert one.machines.workers == tuple(MODELS.tolist())
    assert not one.rings


def test_together__each_with_its_own_confusion__beats_their_majority() -> None:
    """Two good ones and six that guess: the majority is noise, the engine hears the two."""
    luck = np.random.default_rng(3)
    truth = luck.integers(0, 2, TASKS)
    right = np.where(np.arange(MACHINES) < 3, 0.95, 0.55)
    task, worker = (grid.ravel().astype(np.int32) for grid in np.meshgrid(range(TASKS), range(MACHINES), indexing="ij"))
    label = np.where(luck.random(len(task)) < right[worker], truth[task], 1 - truth[task]).astype(np.int32)
    found = together(task, worker, label, TASKS, MACHINES, 2, range(MACHINES))
    assert found is not None
    majority = (label.reshape(TASKS, MACHINES).mean(1) > 0.5).astype(int)
    assert (found.labels == truth).mean() > (majority == truth).mean() + 0.05


def test_believe__one_machine_or_none_that_answers__changes_nothing() -> None:
    of, _ = mixed()
    without = believe(of).posterior
    assert (believe(of, machines=[PEOPLE]).posterior == without).all()
    people = of.worker < PEOPLE
    few = replace(of, task=of.task[people], worker=of.worker[people], label=of.label[people])
    assert (believe(few, machines=MODELS).posterior == believe(few).posterior).all()


def test_believe__machines_alone__are_heard_as_one_unsure_voice() -> None:
    of, _ = mixed()
    machine = of.worker >= PEOPLE
    only = replace(of, task=of.task[machine], worker=of.worker[machine], label=of.label[machine])
    found = believe(only, machines=MODELS)
    assert found.machines is not None
    assert (found.posterior.argmax(1) == found.machines.labels).mean() > 0.9
    assert found.posterior.max(1).max() < 0.95


def test_believe__order_of_answers__does_not_matter() -> None:
    of, _ = mixed()
    shuffled = np.random.default_rng(4).permutation(len(of.task))
    other = crowd(of.task[shuffled], of.worker[shuffled], of.label[shuffled], TASKS, of.workers, 2)
    assert np.allclose(believe(other, machines=MODELS[::-1]).posterior, believe(of, machines=MODELS).posterior)


def test_believe__gold__teaches_what_the_voice_is_worth_and_not_what_it_says() -> None:
    of, truth = mixed()
    gold = np.where(np.arange(TASKS) < 100, truth, -1)
    one, told = believe(of, machines=MODELS), believe(of, machines=MODELS, gold=gold)
    assert one.machines is not None
    assert told.machines is not None
    assert (told.machines.labels == one.machines.labels).all()
    assert (told.posterior[100:].argmax(1) == truth[100:]).mean() >= (
        one.posterior[100:].argmax(1) == truth[100:]
    ).mean() - 0.01


def test_merge__machines__each_answer_has_its_part_of_the_voice() -> None:
    of, _ = mixed()
    merged = believe(of, machines=MODELS).merged
    machine = of.worker >= PEOPLE
    assert np.allclose(merged.weight[machine], 1 / MACHINES)
    assert np.allclose(merged.part[PEOPLE:], 1 / MACHINES)
    assert np.allclose(merged.part[:PEOPLE], 1)
    assert len(merged.task) == (~machine).sum() + TASKS
    said = merged.label[merged.voice[machine]].reshape(TASKS, MACHINES)
    assert (said == said[:, :1]).all()


def test_decide__what_the_machines_could_turn__is_not_certified() -> None:
    of, _ = mixed(shared=0.97, own=0.99)
    belief = believe(of, machines=MODELS)
    decision = decide(belief)
    silent = replace(belief, machines=None)
    assert decision.certified.sum() < decide(silent).certified.sum()
    assert (decision.record.labels == belief.posterior.argmax(1)).mean() > 0.995


@pytest.mark.parametrize("machines", [[28], [-1, 3], [0, 99]])
def test_together__a_number_that_is_no_worker__is_refused(machines: list[int]) -> None:
    of, _ = mixed()
    with pytest.raises(BadInput, match="machines"):
        judge.believe(of, machines=machines)
