"""Training at a member: clipped, noised by what the plan may spend, and only on records that can be trained on."""

from typing import Any

import numpy as np
import pytest

from oracle.federated import train
from oracle.federated.plan import read_plan
from oracle.federated.train import Records
from oracle.protocol.errors import BadInput
from tests.support.federation import WIDTH, a_plan, made

MEMBERS = [f"0x{i + 1:040x}" for i in range(6)]
FINE: dict[str, Any] = {"members": MEMBERS, "width": 8}


def test_noise__of_a_plan__spends_epsilon_and_hardly_less() -> None:
    pytest.importorskip("opacus")
    plan = a_plan(4, epsilon=8.0, rounds=20)
    noise = train.noise(plan)
    whole = train.spent(plan, noise, plan.rounds * plan.steps)
    assert 7.9 < whole <= 8.0
    assert train.spent(plan, noise, plan.steps) < whole
    assert train.spent(plan, 0.0, 1) == float("inf") and train.spent(plan, 0.0, 0) == 0


@pytest.mark.parametrize("length", [1.0, 1e4])
def test_update__one_record_more__moves_it_by_a_clip_at_most(length: float) -> None:
    pytest.importorskip("opacus")
    plan = a_plan(4, epsilon=8.0, steps=1, sample=1.0, clip=0.5, rate=1.0, bound=1e3)
    base = made(1, size=100)[0]
    text = base.text.copy()
    text[7] *= length
    turned = base.share.copy()
    turned[7] = turned[7, ::-1]
    start = train.begin(plan)
    one, two = (train.update(plan, start, Records(text, share), 1e-9, seed=1) for share in (base.share, turned))
    moved = float(np.linalg.norm(one - two))
    assert 0 < moved <= 2 * plan.clip * plan.rate / (plan.sample * 100) + 1e-6


def test_update__with_noise__has_as_much_as_it_says() -> None:
    pytest.importorskip("opacus")
    plan = a_plan(4, epsilon=8.0, steps=1, sample=1.0, rate=1.0, bound=1e3)
    mine, start, noise = made(1, size=100)[0], train.begin(plan), 3.0
    found = np.array([train.update(plan, start, mine, noise, seed)[:-1] for seed in range(60)])
    assert found.std(0).mean() == pytest.approx(noise * plan.clip * plan.rate / 100, rel=0.1)
    assert (train.update(plan, start, mine, noise) != train.update(plan, start, mine, noise)).any()  # the system's luck


def test_update__too_long__is_cut_to_the_bound() -> None:
    plan = a_plan(4, bound=0.05)
    found = train.update(plan, train.begin(plan), made(1)[0], 0.0, seed=0)
    assert np.linalg.norm(found[:-1]) == pytest.approx(0.05 * found[-1])
    assert found[-1] == pytest.approx(0.4)  # 40 records of the 100 from which a member counts fully


@pytest.mark.parametrize(
    ("text", "share", "why"),
    [
        (np.full((3, WIDTH), np.nan), np.ones((3, 2)), "text: row 0 holds NaN"),
        (np.ones((3, WIDTH + 1)), np.ones((3, 2)), f"text: the plan takes rows of {WIDTH} numbers"),
        (np.ones((3, WIDTH)), np.ones((3, 5)), "share: the plan takes rows of 2 numbers"),
        (np.ones((1, WIDTH)), np.ones((1, 2)), "1 records: at least two"),
    ],
)
def test_check__records_that_cannot_be_trained_on__says_why(text: Any, share: Any, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        train.check(Records(text, share), a_plan(4))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"epsilon": -1}, "plan.epsilon: -1 is not a number from 0 to 20"),
        ({"epsilon": float("nan")}, "plan.epsilon: nan"),
        ({"epsilon": True}, "plan.epsilon: True"),
        ({"delta": 0}, "plan.delta: noise is Gaussian"),
        ({"rounds": 1.5}, "plan.rounds: 1.5 is not a whole number"),
        ({"sample": 0}, "plan.sample: 0"),
        ({"groups": 4, "rule": "mean"}, "plan.groups: 4"),
        ({"groups": 3}, ""),
        ({"groups": 2, "rule": "median"}, "a median of 2 groups"),
        ({"rule": "best"}, "plan.rule: one of mean, median"),
        ({"threshold": 3}, "plan.threshold: 3; more than half of the 6"),
        ({"members": MEMBERS[:1]}, "plan.members: a list of 2"),
        ({"members": [*MEMBERS, MEMBERS[0]]}, "a wallet stands there twice"),
        ({"members": [*MEMBERS, "0x12"]}, r"plan.members\[6\]: '0x12' is no wallet"),
        ({"width": 60_000}, "at most 100000"),
        ({"colour": 1}, "'colour' is no field"),
    ],
)
def test_read_plan__one_field_wrong__names_it(change: dict[str, Any], why: str) -> None:
    if not why:
        assert read_plan(FINE | change).groups == 3
        return
    with pytest.raises(BadInput, match=why):
        read_plan(FINE | change)


@pytest.mark.parametrize("bad", [[], None, "plan", {"members": MEMBERS}])
def test_read_plan__no_plan__says_so(bad: Any) -> None:
    with pytest.raises(BadInput, match="plan"):
        read_plan(bad)
