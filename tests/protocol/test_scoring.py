"""The decision of record, pay, terms, and that an escrow covers whatever its job can come to."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.protocol import epoch as ep
from oracle.protocol import leaves, scoring
from oracle.protocol.errors import BadInput
from oracle.protocol.leaves import Core, Status, Verdict
from oracle.protocol.terms import MAX_AMOUNT, MAX_CAP, NAT, Terms, check_terms
from tests.support.epochs import fill

TERMS = Terms(3, 5, 4, 1000, 300, 250, 6 * NAT, NAT, fill("tasks"), fill("manifest"))
VOTE = replace(TERMS, weight_cap=0, prior_cap=0)
weights = st.integers(-MAX_CAP, MAX_CAP)


@st.composite
def sums(draw: st.DrawFn) -> tuple[list[int], list[list[int]]]:
    classes = draw(st.integers(2, 6))
    row = st.lists(weights, min_size=classes, max_size=classes)
    return draw(row), draw(st.lists(row, max_size=6))


@given(sums())
def test_decide__any_scores__is_the_first_of_the_highest(given_: tuple[list[int], list[list[int]]]) -> None:
    prior, rows = given_
    score = np.array([prior, *rows]).sum(axis=0)
    assert scoring.scores(prior, rows) == score.tolist()
    assert scoring.decide(prior, rows) == int(np.argmax(score))  # numpy too takes the first
    exact = np.exp((score - score.max()) / NAT)
    assert math.isclose(scoring.confidence(prior, rows), exact.max() / exact.sum(), rel_tol=1e-12)
    assert 1 / len(prior) - 1e-12 <= scoring.confidence(prior, rows) <= 1


def test_decide__ties__go_to_the_lowest() -> None:
    assert scoring.decide([0, 0, 0], []) == 0
    assert scoring.decide([0, 5, 5], []) == 1
    assert scoring.decide([0, 0, 0], [[0, 1, 0], [0, 0, 1]]) == 1
    assert scoring.decide([-1, 0, 0], [[1, 0, 0]]) == 0
    assert scoring.confidence([0, 0], []) == 0.5


def test_scores__the_most_that_caps_and_answers_allow__fit_int32() -> None:
    assert 65 * MAX_CAP < 2**31


@pytest.mark.parametrize(
    ("label", "row", "fault"),
    [
        (1, (-5, 10, -5), None),
        (1, (10, 10, 10), None),
        (0, (6 * NAT, -6 * NAT, 0), None),
        (0, (6 * NAT + 1, 0, 0), "cap"),
        (0, (0, -6 * NAT - 1, 0), "cap"),
        (1, (11, 10, 0), "against its own label"),
        (1, (0, 10), "2 weights for 3"),
        (1, (0, 10, 0, 0), "4 weights for 3"),
        (1, (), "0 weights"),
    ],
)
def test_row_fault__each_rule__at_its_boundary(label: int, row: tuple[int, ...], fault: str | None) -> None:
    found = scoring.row_fault(TERMS, label, row)
    assert found is None if fault is None else fault in str(found)


def test_row_fault__a_job_fixed_to_the_vote__takes_the_plain_row_only() -> None:
    for label in range(3):
        row = scoring.vote_row(3, label)
        assert row == [NAT * (c == label) for c in range(3)]
        assert scoring.row_fault(VOTE, label, tuple(row)) is None
        assert "plain vote" in str(scoring.row_fault(VOTE, (label + 1) % 3, row))
        assert "plain vote" in str(scoring.row_fault(VOTE, label, [2 * w for w in row]))


@pytest.mark.parametrize(
    ("terms", "prior", "fault"),
    [
        (TERMS, (NAT, -NAT, 0), None),
        (TERMS, (NAT + 1, 0, 0), f"cap of {NAT}"),
        (TERMS, (0, -NAT - 1, 0), "cap"),
        (TERMS, (0, 0), "2 classes instead of 3"),
        (VOTE, (0, 0, 0), None),
        (VOTE, (0, 1, 0), "cap of 0"),
        (replace(VOTE, prior_cap=5), (0, 1, 0), "cap of 0"),
    ],
)
def test_prior_fault__each_rule__at_its_boundary(terms: Terms, prior: tuple[int, ...], fault: str | None) -> None:
    found = scoring.prior_fault(terms, prior)
    assert found is None if fault is None else fault in str(found)


def test_pay__agreeing_and_not__earns_bonus_or_base() -> None:
    assert [scoring.pay(TERMS, label, 1) for label in range(3)] == [1000, 1300, 1000]


# --------------------------------------------------------------------------------------------------------------- terms


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"classes": 1}, "classes"),
        ({"classes": 65}, "classes"),
        ({"tasks": 0}, "tasks"),
        ({"tasks": (1 << 24) + 1}, "tasks"),
        ({"answers": 0}, "answers"),
        ({"answers": 65}, "answers"),
        ({"base": -1}, "base"),
        ({"base": MAX_AMOUNT + 1}, "base"),
        ({"bonus": MAX_AMOUNT + 1}, "bonus"),
        ({"base": 0, "bonus": 0}, "base and terms.bonus"),
        ({"fee_bps": 10_001}, "fee_bps"),
        ({"fee_bps": -1}, "fee_bps"),
        ({"weight_cap": MAX_CAP + 1}, "weight_cap"),
        ({"prior_cap": MAX_CAP + 1}, "prior_cap"),
        ({"weight_cap": 0, "prior_cap": 1}, "prior_cap"),
        ({"classes": 3.0}, "classes"),
        ({"answers": True}, "answers"),
        ({"fee_bps": None}, "fee_bps"),
        ({"base": MAX_AMOUNT}, "escrow"),
    ],
)
def test_check_terms__each_rule_broken__names_the_field(change: dict[str, Any], name: str) -> None:
    check_terms(TERMS)
    with pytest.raises(BadInput, match=name):
        check_terms(replace(TERMS, **change))


def test_check_terms__the_largest_escrow__is_taken_and_one_more_is_not() -> None:
    edge = replace(TERMS, tasks=1, answers=1, base=MAX_AMOUNT, bonus=0, fee_bps=0)
    check_terms(edge)
    with pytest.raises(BadInput, match="64 bits"):
        check_terms(replace(edge, bonus=1))
    with pytest.raises(BadInput, match="64 bits"):
        check_terms(replace(edge, fee_bps=1))


@given(st.integers(0, 2**64 - 1), st.integers(0, 10_000))
def test_fee__any_pay__is_rounded_down(pay: int, bps: int) -> None:
    fee = replace(TERMS, fee_bps=bps).fee(pay)
    assert fee * 10_000 <= pay * bps < (fee + 1) * 10_000


# -------------------------------------------------------------------------------------------------------- conservation


@st.composite
def histories(draw: st.DrawFn) -> tuple[Terms, list[list[Verdict]]]:
    """A job, its tasks with any answers in any epochs (some never decided)."""
    tasks, answers = draw(st.integers(1, 12)), draw(st.integers(1, 5))
    base, bonus = draw(st.integers(0, 50)), draw(st.integers(1, 50))
    terms = replace(TERMS, tasks=tasks, answers=answers, base=base, bonus=bonus, fee_bps=draw(st.integers(0, 10_000)))
    epochs: list[list[Verdict]] = [[] for _ in range(draw(st.integers(1, 6)))]
    for task in range(tasks):
        number = draw(st.integers(0, answers))
        cores = tuple(
            Core(worker, 0, draw(st.integers(0, 2)), draw(st.sampled_from(Status)), 0, 1, 0)
            for worker in range(1, number + 1)
        )
        if number:
            verdict = Verdict(1, task, draw(st.integers(0, 2)), (0, 0, 0), 0, cores, ())
            epochs[draw(st.integers(0, len(epochs) - 1))].append(verdict)
    return terms, epochs


@settings(max_examples=300)
@given(histories())
def test_settle__a_jobs_tasks_over_any_epochs__takes_no_more_than_the_escrow(
    history: tuple[Terms, list[list[Verdict]]],
) -> None:
    terms, epochs = history
    spent = 0
    for verdicts in epochs:
        debits, earned, total = ep.settle({1: terms}, verdicts)
        assert [d.job for d in debits] == ([1] if verdicts else [])
        pay = sum(d.pay for d in debits)
        assert total == pay + sum(terms.fee(d.pay) for d in debits)
        assert total == sum(units for list_ in earned.values() for _, units in list_)  # nothing appears or is lost
        assert all(d.last == len(verdicts) - 1 for d in debits)
        for worker, list_ in earned.items():
            places = [index for index, _ in list_]
            assert places == sorted(set(places)), worker
        spent += total
    assert spent <= terms.escrow()


def test_settle__every_answer_agrees_in_one_epoch__takes_the_whole_escrow() -> None:
    cores = tuple(Core(worker, 0, 1, Status.COUNTED, 0, 1, 0) for worker in range(1, 5))
    verdicts = [Verdict(1, task, 1, (0, 0, 0), 0, cores, ()) for task in range(5)]
    assert ep.settle({1: TERMS}, verdicts)[2] == TERMS.escrow()


def test_settle__a_fee_of_zero__is_no_earning_of_the_treasury() -> None:
    core = Core(1, 0, 0, Status.COUNTED, 0, 1, 0)
    verdicts = [Verdict(1, 0, 0, (0, 0, 0), 0, (core,), ())]
    for terms in (replace(TERMS, fee_bps=0), replace(TERMS, base=1, bonus=0, fee_bps=9999)):
        assert ep.settle({1: terms}, verdicts)[1][0] == []


def test_settle__two_jobs__pays_each_by_its_own_terms_and_the_treasury_by_job() -> None:
    cheap = replace(TERMS, base=10, bonus=0, fee_bps=1000)
    one = Core(1, 0, 0, Status.COUNTED, 0, 1, 0)
    gone = leaves.uncounted(2, 0, Status.UNOPENED, 1, 1)
    verdicts = [
        Verdict(1, 0, 0, (0, 0, 0), 0, (one, gone), ()),
        Verdict(1, 2, 1, (0, 0, 0), 0, (one,), ()),
        Verdict(2, 0, 0, (0, 0, 0), 0, (one,), ()),
    ]
    debits, earned, total = ep.settle({1: TERMS, 2: cheap}, verdicts)
    assert [(d.job, d.pay, d.last) for d in debits] == [(1, 2300, 1), (2, 10, 2)]
    assert earned[1] == [(0, 1300), (1, 1000), (2, 10)]
    assert earned[0] == [(1, 57), (2, 1)]
    assert 2 not in earned
    assert total == 2300 + 57 + 10 + 1
