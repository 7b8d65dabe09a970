"""Judging: what reaches the model, what the terms fix, and that the weights of record are within them."""

from dataclasses import replace

import pytest

from oracle.protocol import scoring
from oracle.protocol.cids import decode, encode
from oracle.protocol.epoch import Listed
from oracle.protocol.hashing import ZERO
from oracle.protocol.leaves import Opening, Status, unopened
from oracle.protocol.terms import NAT, NO_LABEL, Terms
from oracle.services import verify

TERMS = Terms(3, 10, 5, 1_000, 300, 250, 6 * NAT, NAT, bytes(32), bytes(32))
Lists = dict[int, tuple[Listed, ...]]


def said(worker: int, label: int) -> Listed:
    opening = Opening(bytes(32), bytes(32), bytes([label]), b"\x01" * 32, ZERO, bytes(65))
    return Listed(worker, 0, label, Status.COUNTED, opening)


def silent(worker: int) -> Listed:
    return Listed(worker, 0, NO_LABEL, Status.UNOPENED, unopened(bytes(32), bytes(32), bytes(65), b"x"))


def lists(*tasks: dict[int, int]) -> Lists:
    """worker -> label by task, numbered 0, 2, 4, ...: task numbers have gaps."""
    return {2 * t: tuple(said(w, label) for w, label in answers.items()) for t, answers in enumerate(tasks)}


CROWD = lists(*({1: t % 3, 5: t % 3, 9: t % 3, 70: 0} for t in range(9)))


def test_judge__crowd_with_a_spammer__follows_those_who_agree_within_the_caps() -> None:
    found = verify.judge(1, TERMS, CROWD)
    assert found.labels == {2 * t: t % 3 for t in range(9)}
    assert set(found.rows) == {(w, label) for w in (1, 5, 9) for label in range(3)} | {(70, 0)}
    for (_, label), row in found.rows.items():
        assert scoring.row_fault(TERMS, label, row) is None
    assert all(scoring.prior_fault(TERMS, prior) is None for prior in found.priors.values())
    spread = {w: max(found.rows[w, 0]) - min(found.rows[w, 0]) for w in (1, 70)}
    assert spread[70] < spread[1] / 2


def test_judge__labels__are_those_that_the_integers_give() -> None:
    found = verify.judge(1, TERMS, CROWD)
    for task, answers in CROWD.items():
        rows = [found.rows[a.worker, a.label] for a in answers]
        assert scoring.decide(found.priors[task], rows) == found.labels[task]


def test_judge__order_of_the_tasks__does_not_matter() -> None:
    turned = dict(reversed(list(CROWD.items())))
    assert verify.judge(1, TERMS, turned) == verify.judge(1, TERMS, CROWD)


def test_judge__weight_cap_0__is_the_plain_vote() -> None:
    terms = replace(TERMS, weight_cap=0, prior_cap=0)
    found = verify.judge(1, terms, lists({1: 2, 5: 2, 9: 0}, {1: 1, 5: 2}))
    assert found.labels == {0: 2, 2: 1}  # the tie goes to the lowest
    assert all(list(row) == scoring.vote_row(3, label) for (_, label), row in found.rows.items())
    assert set(found.priors.values()) == {(0, 0, 0)}
    assert found.card["method"] == "vote"


def test_judge__weight_cap_0_under_a_prior_cap__still_has_no_prior() -> None:
    found = verify.judge(1, replace(TERMS, weight_cap=0), CROWD)
    assert set(found.priors.values()) == {(0, 0, 0)}


@pytest.mark.parametrize("cap", [0, 6 * NAT])
def test_judge__unopened_answers__count_for_nothing(cap: int) -> None:
    terms = replace(TERMS, weight_cap=cap)
    with_silent = {t: (*answers, silent(99)) for t, answers in CROWD.items()}
    assert verify.judge(1, terms, with_silent) == verify.judge(1, terms, CROWD)


@pytest.mark.parametrize("cap", [0, 6 * NAT])
def test_judge__no_counted_answer_at_all__decides_by_the_prior(cap: int) -> None:
    found = verify.judge(1, replace(TERMS, weight_cap=cap), {0: (silent(1), silent(2)), 3: (silent(1),)})
    assert found.rows == {}
    assert found.labels == {0: 0, 3: 0}
    assert all(scoring.prior_fault(TERMS, prior) is None for prior in found.priors.values())


@pytest.mark.parametrize("cap", [0, 6 * NAT])
def test_judge__one_answer__is_the_label(cap: int) -> None:
    assert verify.judge(1, replace(TERMS, weight_cap=cap), lists({3: 2})).labels == {0: 2}


def test_model_card__judgements__is_a_block_that_says_method_and_sizes() -> None:
    card = verify.model_card([verify.judge(4, TERMS, CROWD)])
    assert decode(encode(card)) == card
    job = card["jobs"][0]
    assert {name: job[name] for name in ("job", "method", "tasks", "answers", "rings", "weight_cap", "prior_cap")} == {
        "job": 4, "method": "engine", "tasks": 9, "answers": 36, "rings": [], "weight_cap": 6 * NAT, "prior_cap": NAT,
    }  # fmt: skip
    assert job["certified"] == 9
    assert "vote share" in job["voices"]


def test_judge__with_what_was_decided_before__hears_who_was_right_and_judges_only_the_new() -> None:
    """Workers 1 and 2 agreed with everybody on twenty tasks, 3 and 4 with nobody; the new task is two against two."""
    terms = replace(TERMS, classes=2)
    before = lists(*({w: t % 2 if w not in (3, 4) else 1 - t % 2 for w in range(1, 8)} for t in range(20)))
    new = {41: lists({1: 1, 2: 1, 3: 0, 4: 0})[0]}
    alone, known = verify.judge(1, terms, new), verify.judge(1, terms, new, before)
    assert alone.labels == {41: 0}  # a tie goes to the lowest
    assert known.labels[41] == 1
    assert known.card["tasks"] == 1
    assert known.card["known_tasks"] == 20


def test_judge__machines__are_one_voice_on_the_card_and_in_the_verdicts() -> None:
    """Three models that say the same wrong label on every third task do not outvote two people."""
    tasks = lists(*({1: 0, 5: 0, **dict.fromkeys((7, 8, 9), 2 if t % 3 == 0 else 0)} for t in range(12)))
    apart, one = verify.judge(1, TERMS, tasks), verify.judge(1, TERMS, tasks, machines={7, 8, 9, 400})
    assert apart.labels[0] == 2
    assert set(one.labels.values()) == {0}
    assert one.card["machines"] == [7, 8, 9]
    assert "machines" not in apart.card
    assert (
        verify.judge(1, replace(TERMS, weight_cap=0, prior_cap=0), tasks, machines={7, 8, 9}).labels[0] == 2
    )  # a vote is a vote


def test_believe__machines__are_one_voice_while_the_job_is_open() -> None:
    counted = [(t, w, 2 if w > 5 and t % 3 == 0 else 0) for t in range(12) for w in (1, 5, 7, 8, 9)]
    assert verify.believe(3, counted).posterior[0].argmax() == 2
    assert verify.believe(3, counted, {7, 8, 9}).posterior[0].argmax() == 0
