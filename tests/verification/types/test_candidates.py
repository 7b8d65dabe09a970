"""Candidates and the decision of record: against the sum by hand, within the caps, and where the crowd outvotes the model."""

import numpy as np
import pytest

from oracle.protocol import scoring
from oracle.verification.record import ONE, PRIOR_CAP, WEIGHT_CAP, weight_rows
from oracle.verification.types.answer import Consensus, Given
from oracle.verification.types.candidates import bins, clusters, of_record
from oracle.verification.types.catalogue import type_of
from tests.support.answers import crowd, engine
from tests.verification.types.test_text import KIND, SKILLS, TRUTHS, heard


def test_clusters__texts__consensus_and_near_answers_share_a_candidate() -> None:
    given = crowd(TRUTHS[:40], SKILLS, heard, 6)
    found = KIND.aggregate(given, engine)
    options = clusters(given, found, KIND)
    for task, group in enumerate(given.by_task()):
        some = options.value[task]
        assert some[options.best[task]] == found.value[task]
        assert some == sorted(some, key=str.encode)
        for n in group:
            far = [KIND.distance(given.value[n], one) for one in some]
            assert far[options.label[n]] <= KIND.near


def test_of_record__every_task__the_sum_of_rows_that_obey_the_rules() -> None:
    given = crowd(TRUTHS[:40], SKILLS, heard, 6)
    found = KIND.aggregate(given, engine)
    options = clusters(given, found, KIND)
    decided = of_record(given, found, options)
    rows = weight_rows(options.rows(given.worker, options.label, options.classes), options.label, WEIGHT_CAP)
    assert all(
        scoring.row_fault(_terms(options.classes), int(own), row.tolist()) is None
        for own, row in zip(options.label, rows, strict=True)
    )
    for task, group in enumerate(given.by_task()):
        lead = scoring.scores([0] * options.classes, rows[group].tolist())[: len(options.value[task])]
        if decided.label[task] != options.best[task]:
            assert lead[decided.label[task]] >= lead[options.best[task]] + PRIOR_CAP
    assert decided.parted < 10


def test_of_record__prior_cap_0_and_a_consensus_nobody_gave__the_crowd_wins() -> None:
    given = Given(np.zeros(3, np.int32), np.arange(3, dtype=np.int32), ["a b", "a b", "c d"], 2, 3)
    invented = Consensus(["x y", None], np.array([0.9, 0.0]), np.ones(3))
    options = clusters(given, invented, KIND)
    decided = of_record(given, invented, options, prior_cap=0)
    assert options.value[0][decided.label[0]] == "a b"
    assert (decided.parted, decided.confidence[1]) == (1, 0.0)
    assert options.value[0][of_record(given, invented, options, prior_cap=16 * ONE).label[0]] == "x y"


def test_bins__precise_workers__the_bin_of_the_value() -> None:
    kind = type_of("number")
    truths = np.random.default_rng(3).uniform(0, 100, 60).tolist()
    given = crowd(truths, [3.0] * 6 + [20.0] * 6, lambda t, s, luck: float(t + s * luck.standard_normal()), 5)
    found = kind.aggregate(given, engine)
    options = bins(given, found, 20)
    decided = of_record(given, found, options)
    assert decided.parted <= 15
    middles = np.array(options.value[0])[decided.label]
    assert np.abs(middles - np.array(found.value)).mean() < 1.5 * (middles.max() - middles.min()) / 20


def test_bins__everybody_says_the_same__that_number() -> None:
    kind = type_of("number")
    given = Given(np.zeros(3, np.int32), np.arange(3, dtype=np.int32), [5.0, 5.0, 5.0], 1, 3)
    found = kind.aggregate(given, engine)
    options = bins(given, found, 20)
    assert options.value[0][of_record(given, found, options).label[0]] == 5.0


def _terms(classes: int) -> scoring.Terms:
    zero = bytes(32)
    return scoring.Terms(classes, 1, 1, 1, 0, 0, WEIGHT_CAP, PRIOR_CAP, zero, zero)


@pytest.mark.parametrize("name", ["choice", "multi", "ranking", "spans", "boxes"])
def test_clusters__any_type__every_answer_has_a_candidate(name: str) -> None:
    kind = type_of(name)
    texts = {
        "choice": ["a", "a", "b"],
        "multi": ['["a"]', '["a","b"]', "[]"],
        "ranking": ['["a","b"]', '["b","a"]', '["a","b"]'],
        "spans": ["[]", '[{"start":0,"end":9}]', '[{"start":0,"end":10}]'],
        "boxes": ["[]", '[{"x":0,"y":0,"w":9,"h":9}]', '[{"x":0,"y":0,"w":10,"h":10}]'],
    }[name]
    given = Given(np.zeros(3, np.int32), np.arange(3, dtype=np.int32), [kind.read(text) for text in texts], 1, 3)
    found = kind.aggregate(given, engine)
    options = clusters(given, found, kind)
    assert len(options.value[0]) >= 2
    assert options.value[0][of_record(given, found, options).label[0]] == found.value[0]
