"""Rings: scores against naive references, planted rings of each kind, honest crowds left alone, laws, odd input."""

from collections import Counter
from dataclasses import dataclass
from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from oracle.protocol.errors import BadInput
from oracle.verification import rings as rg
from oracle.verification.rings import COPIES, Ring, gold_questions, gold_sentence, merge, rings

Ints = NDArray[np.int64]
Arrays = tuple[Ints, Ints, Ints, int, int, int]


@dataclass(frozen=True)
class Crowd:
    task: Ints
    worker: Ints
    label: Ints
    tasks: int
    workers: int
    classes: int
    truth: Ints

    @property
    def arrays(self) -> Arrays:
        return self.task, self.worker, self.label, self.tasks, self.workers, self.classes


def people(
    luck: np.random.Generator,
    tasks: int = 300,
    workers: int = 40,
    classes: int = 3,
    each: int = 6,
    experts: float = 0.0,
    spam: float = 0.0,
    hard: float = 0.0,
) -> Crowd:
    """Honest workers of all skills. On hard tasks all but experts fall for the same wrong label more often than not."""
    truth = luck.integers(0, classes, tasks)
    decoy = (truth + luck.integers(1, classes, tasks)) % classes
    task = np.repeat(np.arange(tasks), each)
    worker = np.concatenate([luck.choice(workers, each, replace=False) for _ in range(tasks)])
    skill = luck.uniform(0.55, 0.95, workers)
    skill[: int(workers * experts)] = 0.99
    fooled = (luck.random(tasks) < hard)[task] & (skill[worker] < 0.99)
    right = luck.random(len(task)) < np.where(fooled, 0.45, skill[worker])
    wrong = np.where(fooled, decoy[task], (truth[task] + luck.integers(1, classes, len(task))) % classes)
    label = np.where(right, truth[task], wrong)
    label = np.where(worker >= workers * (1 - spam), luck.integers(0, classes, len(task)), label)
    return Crowd(task, worker, label, tasks, workers, classes, truth)


def with_ring(
    crowd: Crowd,
    luck: np.random.Generator,
    share: float,
    members: int,
    noise: float = 0.0,
    key: Ints | None = None,
) -> Crowd:
    """`members` more workers, with `share` of all answers, who answer from one key but for the noise."""
    key = luck.integers(0, crowd.classes, crowd.tasks) if key is None else key
    many = round(len(crowd.task) * share / (1 - share) / members)
    task = np.concatenate([luck.choice(crowd.tasks, many, replace=False) for _ in range(members)])
    label = np.where(luck.random(len(task)) < noise, luck.integers(0, crowd.classes, len(task)), key[task])
    return Crowd(
        np.concatenate((crowd.task, task)),
        np.concatenate((crowd.worker, crowd.workers + np.repeat(np.arange(members), many))),
        np.concatenate((crowd.label, label)),
        crowd.tasks,
        crowd.workers + members,
        crowd.classes,
        crowd.truth,
    )


def merging(found: tuple[Ring, ...]) -> list[tuple[int, ...]]:
    return [ring.workers for ring in found if ring.merges]


# ---------------------------------------------------------------- against the naive references


def naive_gain(crowd: Crowd, role: Ints, side: int, kappa: float, worker: int) -> float:
    """Sum over the worker's answers of log P(label | the others of the side) - log share of the label."""
    a = (1 - kappa) / kappa
    answers = list(zip(crowd.task.tolist(), crowd.worker.tolist(), crowd.label.tolist(), strict=True))
    total = Counter(label for _, _, label in answers)
    gain = 0.0
    for task, who, label in answers:
        if who == worker:
            others = [x for t, i, x in answers if t == task and role[i] == side and i != worker]
            share = (total[label] + 1 / crowd.classes) / (len(answers) + 1)
            gain += log((others.count(label) + a * share) / (len(others) + a)) - log(share)
    return gain


def naive_kappas(crowd: Crowd, role: Ints) -> tuple[float, float, float]:
    """Inside, outside, across: on tasks that both sides answered, mean agreement of pairs beyond chance."""
    said: list[list[list[int]]] = [[[] for _ in range(crowd.tasks)] for _ in range(3)]
    for task, who, label in zip(crowd.task, crowd.worker, crowd.label, strict=True):
        said[role[who]][task].append(int(label))
    both = [t for t in range(crowd.tasks) if said[1][t] and said[2][t]]

    def chance(side: int, other: int) -> float:
        shares = [Counter(x for t in both for x in said[s][t]) for s in (side, other)]
        return sum(shares[0][c] * shares[1][c] for c in range(crowd.classes)) / shares[0].total() / shares[1].total()

    def kappa(side: int, other: int) -> float:
        weights, rates = [], []
        for t in both:
            n, m = len(said[side][t]), len(said[other][t])
            pairs = [(i, j) for i in range(n) for j in range(m) if side != other or i != j]
            if pairs:
                weights.append(n * m / (n + m) if side != other else n - 1)
                rates.append(np.mean([said[side][t][i] == said[other][t][j] for i, j in pairs]))
        return float((np.average(rates, weights=weights) - chance(side, other)) / (1 - chance(side, other)))

    return kappa(1, 1), kappa(2, 2), kappa(1, 2)


def test_gains_and_agreements__any_roles__equal_the_naive_sums() -> None:
    luck = np.random.default_rng(3)
    crowd = with_ring(people(luck, tasks=60, workers=10), luck, 0.4, 6, noise=0.1)
    role = luck.integers(0, 3, crowd.workers)
    table = rg._crowd(
        crowd.task.astype(np.int32),
        crowd.worker.astype(np.int32),
        crowd.label.astype(np.int32),
        crowd.tasks,
        crowd.workers,
        crowd.classes,
    )
    inside, outside = rg._said(table, role == rg.INSIDE), rg._said(table, role == rg.OUTSIDE)
    inner, outer, across = naive_kappas(crowd, role)
    seen = rg._Agreements(0.6, 0.3, 0.1, 0.0, 0.2)
    gains = rg._gains(table, role, inside, outside, seen)
    for worker in range(crowd.workers):
        assert gains[worker, rg.INSIDE] == pytest.approx(naive_gain(crowd, role, 1, 0.6, worker))
        assert gains[worker, rg.OUTSIDE] == pytest.approx(naive_gain(crowd, role, 2, 0.3, worker))
    found = rg._agreements(inside, outside)
    if found is not None:
        assert (found.inside, found.outside) == pytest.approx((inner, outer))
        assert found.shared == pytest.approx(across / (inner * outer) ** 0.5)


def test_agreements__a_ring_and_the_rest__equal_the_naive_means() -> None:
    luck = np.random.default_rng(4)
    crowd = with_ring(people(luck, tasks=80, workers=12), luck, 0.4, 6, noise=0.1)
    role = np.where(np.arange(crowd.workers) < 12, rg.OUTSIDE, rg.INSIDE)
    arrays = (crowd.task.astype(np.int32), crowd.worker.astype(np.int32), crowd.label.astype(np.int32))
    table = rg._crowd(*arrays, crowd.tasks, crowd.workers, crowd.classes)
    found = rg._agreements(rg._said(table, role == rg.INSIDE), rg._said(table, role == rg.OUTSIDE))
    assert found is not None
    inner, outer, across = naive_kappas(crowd, role)
    assert (found.inside, found.outside) == pytest.approx((inner, outer))
    assert found.shared == pytest.approx(across / (inner * outer) ** 0.5)
    assert found.least_shared < found.shared < found.most_shared


# ---------------------------------------------------------------- planted rings


@pytest.mark.parametrize(
    ("share", "members", "noise"),
    [(0.35, 15, 0.0), (0.5, 25, 0.0), (0.35, 15, 0.1), (0.35, 15, 0.2), (0.2, 8, 0.0), (0.35, 300, 0.0)],
    ids=["third", "half", "noise-10", "noise-20", "fifth", "tiny-accounts"],
)
def test_rings__a_shared_key__its_members_and_hardly_anybody_else(share: float, members: int, noise: float) -> None:
    luck = np.random.default_rng(5)
    crowd = with_ring(people(luck), luck, share, members, noise)
    (ring,) = [ring for ring in rings(*crowd.arrays) if ring.merges]
    planted = set(range(40, 40 + members))
    assert len(planted & set(ring.workers)) >= 0.95 * members
    assert len(set(ring.workers) - planted) <= 2
    assert (ring.kind == COPIES) == (noise == 0)
    assert f"{len(ring.workers)} workers" in ring.reason


def test_rings__three_keys__three_rings() -> None:
    luck = np.random.default_rng(6)
    crowd = people(luck, tasks=600)
    for members in (8, 9, 10):
        crowd = with_ring(crowd, luck, 0.16, members)
    found = merging(rings(*crowd.arrays))
    assert sorted(found) == [tuple(range(40, 48)), tuple(range(48, 57)), tuple(range(57, 67))]


def test_rings__wrong_on_every_task_together__one_ring() -> None:
    luck = np.random.default_rng(7)
    crowd = people(luck)
    crowd = with_ring(crowd, luck, 0.35, 12, key=(crowd.truth + 1) % crowd.classes)
    (found,) = merging(rings(*crowd.arrays))
    assert set(range(40, 52)) <= set(found)
    assert len(found) <= 14


def test_rings__noisy_majority__gold_tells_who_is_the_ring() -> None:
    luck = np.random.default_rng(8)
    crowd = with_ring(people(luck), luck, 0.6, 30, noise=0.2)
    known = np.full(crowd.tasks, -1)
    known[:30] = crowd.truth[:30]
    (found,) = merging(rings(*crowd.arrays, known=known))
    assert len(set(found) & set(range(40, 70))) >= 28
    assert len(set(found) & set(range(40))) <= 2
    known[:30] = (
        np.bincount(  # gold that says the opposite turns the verdict: the people are the ring
            crowd.task[crowd.worker >= 40] * 3 + crowd.label[crowd.worker >= 40], minlength=900
        )
        .reshape(300, 3)[:30]
        .argmax(1)
    )
    (found,) = merging(rings(*crowd.arrays, known=known))
    assert len(set(found) & set(range(40))) >= 25


# ---------------------------------------------------------------- honest crowds


@pytest.mark.parametrize(
    "kind",
    [
        {},
        {"classes": 2},
        {"hard": 0.3},
        {"experts": 0.3},
        {"experts": 0.3, "hard": 0.3},
        {"experts": 0.2, "spam": 0.6},
        {"spam": 0.5},
        {"each": 3},
        {"each": 40, "tasks": 100, "hard": 0.3},
    ],
    ids=lambda kind: ",".join(f"{k}={v}" for k, v in kind.items()) or "plain",
)
def test_rings__honest_crowd__nobody_is_merged(kind: dict[str, float]) -> None:
    for seed in range(4):
        crowd = people(np.random.default_rng(seed), **kind)  # type: ignore[arg-type]
        assert merging(rings(*crowd.arrays)) == []


def test_crossed__groups_made_by_the_agreement_that_they_are_tested_for__are_not_apart() -> None:
    for seed in range(4):
        luck = np.random.default_rng(seed)
        crowd = people(luck, tasks=200, workers=200, classes=2, each=10, hard=0.3)
        arrays = (crowd.task.astype(np.int32), crowd.worker.astype(np.int32), crowd.label.astype(np.int32))
        table = rg._crowd(*arrays, crowd.tasks, crowd.workers, crowd.classes)
        role = luck.integers(1, 3, crowd.workers)
        for _ in range(10):  # let luck split an honest crowd in two camps
            inside, outside = rg._said(table, role == rg.INSIDE), rg._said(table, role == rg.OUTSIDE)
            seen = rg._Agreements(0.5, 0.5, 0.0, 0.0, 0.0)
            role = rg._roles(table, rg._gains(table, role, inside, outside, seen), role)
        lucky = rg._agreements(rg._said(table, role == rg.INSIDE), rg._said(table, role == rg.OUTSIDE))
        assert lucky is not None
        assert lucky.most_shared < rg.SCHOOLS
        crossed, _ = rg._crossed(table, role, lucky)
        assert crossed is None or crossed.most_shared > rg.SCHOOLS


def test_rings__constant_and_random_spam__nobody_is_merged() -> None:
    luck = np.random.default_rng(9)
    crowd = people(luck)
    for noise in (0.0, 1.0):
        spammed = with_ring(crowd, luck, 0.5, 20, noise, key=np.zeros(crowd.tasks, np.int64))
        assert merging(rings(*spammed.arrays)) == []


# ---------------------------------------------------------------- laws


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 1000))
def test_rings__order_of_answers__changes_nothing(seed: int) -> None:
    luck = np.random.default_rng(seed)
    crowd = with_ring(people(luck, tasks=120, workers=20), luck, 0.35, 8)
    order = luck.permutation(len(crowd.task))
    again = (crowd.task[order], crowd.worker[order], crowd.label[order], *crowd.arrays[3:])
    assert rings(*again) == rings(*crowd.arrays) == rings(*crowd.arrays)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 1000))
def test_rings__other_numbers__the_same_ring(seed: int) -> None:
    luck = np.random.default_rng(seed)
    crowd = with_ring(people(luck, tasks=150, workers=20), luck, 0.4, 8)
    tasks, workers = luck.permutation(crowd.tasks), luck.permutation(crowd.workers)
    labels = luck.permutation(crowd.classes)
    other = rings(tasks[crowd.task], workers[crowd.worker], labels[crowd.label], *crowd.arrays[3:])
    (found,), (renamed,) = merging(rings(*crowd.arrays)), merging(other)
    assert len(set(workers[list(found)].tolist()) ^ set(renamed)) <= 1  # a half of the tasks is another one now


@st.composite
def anything(draw: st.DrawFn) -> Arrays:
    tasks, workers, classes = draw(st.integers(1, 6)), draw(st.integers(1, 6)), draw(st.integers(1, 4))
    rows = draw(
        st.lists(
            st.tuples(st.integers(0, tasks - 1), st.integers(0, workers - 1), st.integers(0, classes - 1)), max_size=40
        )
    )
    columns = np.array(rows, np.int64).reshape(-1, 3)
    return columns[:, 0], columns[:, 1], columns[:, 2], tasks, workers, classes


@settings(deadline=None, max_examples=60)
@given(anything(), st.booleans())
def test_rings__tiny_crowds_of_any_shape__a_defined_result(crowd: Arrays, with_gold: bool) -> None:
    known = np.zeros(crowd[3], np.int64) if with_gold else None
    assert all(isinstance(ring, Ring) for ring in rings(*crowd, known=known))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"known": [0, 0]}, "one entry a task"),
        ({"known": [7, 0, 0]}, "class 7 is none of 0..1"),
        ({"task": [0, 1, 5]}, r"task\[2\] = 5"),
        ({"label": [0.5, 0, 0]}, "integers needed"),
        ({"worker": [0, 1]}, "differ in length"),
    ],
)
def test_rings__bad_input__says_what(change: dict[str, list[int]], message: str) -> None:
    good: dict[str, object] = {"task": [0, 1, 2], "worker": [0, 1, 0], "label": [0, 1, 1]}
    with pytest.raises(BadInput, match=message):
        rings(**{**good, **change}, tasks=3, workers=2, classes=2)  # type: ignore[arg-type]


# ---------------------------------------------------------------- merging


def a_ring(*workers: int, kind: str = COPIES) -> Ring:
    return Ring(workers, kind, 10.0, 1.0, 0.5, 0.0, 9, 0.0, "")


@settings(deadline=None, max_examples=80)
@given(anything(), st.data())
def test_merge__any_crowd_and_rings__equals_the_naive_merge(crowd: Arrays, data: st.DataObject) -> None:
    task, worker, label, _, workers, classes = crowd
    shuffled = data.draw(st.permutations(range(workers)))
    cut = data.draw(st.integers(0, workers))
    groups = [shuffled[:cut], shuffled[cut:]]
    found = [a_ring(*sorted(group)) for group in groups if len(group) > 1]
    merged = merge(task, worker, label, found, workers, classes)
    speaker = {i: min(ring.workers) for ring in found for i in ring.workers}
    naive: dict[tuple[int, int], list[int]] = {}
    alone = []
    for t, i, x in zip(task.tolist(), worker.tolist(), label.tolist(), strict=True):
        if i in speaker:
            naive.setdefault((t, speaker[i]), []).append(x)
        else:
            alone.append((t, i, x))
    voices = [(t, i, max(range(classes), key=lambda c, xs=xs: (xs.count(c), -c))) for (t, i), xs in naive.items()]
    assert Counter(zip(*(a.tolist() for a in (merged.task, merged.worker, merged.label)), strict=True)) == Counter(
        alone + voices
    )
    for n, voice in enumerate(merged.voice.tolist()):
        i = int(worker[n])
        assert (merged.task[voice], merged.worker[voice]) == (task[n], speaker.get(i, i))
        assert merged.agrees[n] == (merged.label[voice] == label[n])
    np.testing.assert_allclose(np.bincount(merged.voice, merged.weight, len(merged.task)), 1.0)
    for i in range(workers):
        mine = merged.weight[worker == i]
        assert merged.speaker[i] == speaker.get(i, i)
        assert merged.part[i] == pytest.approx(mine.mean() if len(mine) else 0.0)


def test_merge__without_rings_that_merge__leaves_the_answers_as_they_are() -> None:
    crowd = people(np.random.default_rng(0), tasks=20)
    for found in ((), (a_ring(1, 2, 3, kind=rg.SUSPECTED),)):
        merged = merge(crowd.task, crowd.worker, crowd.label, found, crowd.workers, crowd.classes)
        for new, old in zip((merged.task, merged.worker, merged.label), crowd.arrays[:3], strict=True):
            np.testing.assert_array_equal(new, old)
        assert merged.agrees.all()
        np.testing.assert_array_equal(merged.weight, 1.0)


# ---------------------------------------------------------------- gold questions


def test_gold_questions__without_honest_errors__is_the_closed_form() -> None:
    unseen = 1 - 0.75 * (
        1 - 0.8**5 - 5 * 0.2 * 0.8**4
    )  # of four classes, no two of five answers by the ring, or it is right
    assert gold_questions(0.2, 0.01, 5, 4) == int(np.ceil(np.log(0.01) / np.log(unseen)))


def test_gold_questions__simulated__are_wrong_no_more_often_than_promised() -> None:
    luck = np.random.default_rng(1)
    share, delta, redundancy, classes, error = 0.35, 0.05, 5, 4, 0.2
    many = gold_questions(share, delta, redundancy, classes, error=error)

    def marks(ring: float, jobs: int = 4000) -> Ints:
        shape = (jobs, many, redundancy)
        key = luck.integers(0, classes, shape[:2])  # the truth is class 0
        honest = np.where(luck.random(shape) < error, luck.integers(1, classes, shape), 0)
        answers = np.where(luck.random(shape) < ring, key[..., None], honest)
        same = np.stack([(answers == c).sum(2) >= 2 for c in range(1, classes)]).any(0)
        return np.asarray(same.sum(1))

    clean, ringed = marks(0.0), marks(share)
    mistakes = [max((clean >= cut).mean(), (ringed < cut).mean()) for cut in range(many + 1)]
    assert min(mistakes) <= delta
    assert f"{many} gold questions" in gold_sentence(share, delta, redundancy, classes, error=error)


@pytest.mark.parametrize("change", [{"share": 0.0}, {"delta": 1.0}, {"redundancy": 1}, {"classes": 1}, {"error": 1.0}])
def test_gold_questions__impossible__is_refused(change: dict[str, float]) -> None:
    good: dict[str, float] = {"share": 0.2, "delta": 0.01, "redundancy": 5, "classes": 4, "error": 0.1}
    with pytest.raises(BadInput):
        gold_questions(**{**good, **change})  # type: ignore[arg-type]
