"""Classes in order, sets, orders, spans, boxes and forms: made crowds with known truth, naive votes beside, hostile answers."""

import json
from collections import Counter
from typing import Any

import numpy as np
import pytest

from oracle.protocol.errors import BadInput
from oracle.verification.types import boxes as bx
from oracle.verification.types import ranking as rk
from oracle.verification.types import spans as sp
from oracle.verification.types.answer import Given, Unreadable
from oracle.verification.types.catalogue import type_of
from oracle.verification.types.multi import jaccard
from tests.support.answers import Luck, aggregated, crowd, engine, random_answers, shuffled

LUCK = np.random.default_rng(11)
SKILLS = [0.95] * 7 + [0.75] * 7 + [0.2] * 8


def plain_vote(given: Given) -> list[Any]:
    """The most frequent whole answer; ties to the first in order."""
    return [
        min(Counter(given.value[n] for n in group).items(), key=lambda item: (-item[1], item[0]))[0]
        for group in given.by_task()
    ]


# ---------------------------------------------------------------- ordinal

LEVELS = [str(level) for level in LUCK.integers(1, 8, 150)]


def rated(truth: str, skill: float, luck: Luck) -> str:
    return str(int(np.clip(round(int(truth) + 4 * (1 - skill) * luck.standard_normal()), 1, 7)))


def test_ordinal__workers_of_different_skill__nearer_than_vote_median_and_random() -> None:
    kind = type_of("ordinal")
    given = crowd(LEVELS, SKILLS, rated, 6)
    ours = kind.score(aggregated(kind, given).value, LEVELS)
    middle = [str(int(np.median([int(given.value[n]) for n in group]))) for group in given.by_task()]
    for naive in (plain_vote(given), middle, random_answers(given)):
        assert ours["mae"] < 0.7 * kind.score(naive, LEVELS)["mae"]
    assert aggregated(kind, shuffled(given)).value == aggregated(kind, given).value


def test_ordinal__beside_the_engine_alone__the_order_brings_it_nearer_and_makes_it_surer_of_the_truth() -> None:
    """The number model must weigh as one voice: as wide as an interval that stands alone it adds hardly anything."""
    ours, alone = [], []
    for seed in range(4):
        luck = np.random.default_rng(100 + seed)
        levels = luck.integers(1, 8, 150)
        given = crowd([str(level) for level in levels], SKILLS, rated, 6, seed)
        found = aggregated(type_of("ordinal"), given)
        mine = np.array([list(json.loads(row).values()) for row in found.columns["probabilities"]])
        said = engine(given.task, given.worker, np.array([int(v) - 1 for v in given.value], np.int32), 150, 22, 7)
        for scores, posterior in ((ours, mine), (alone, said)):
            middle = (posterior.cumsum(1) < 0.5).sum(1)
            loss = -np.log(posterior[np.arange(150), levels - 1].clip(1e-6))
            scores.append((np.abs(middle + 1 - levels).mean(), loss.mean()))
    error, loss = np.mean(ours, 0) / np.mean(alone, 0)
    assert error < 0.85
    assert loss < 0.85


def test_ordinal__named_levels__their_order_counts() -> None:
    kind = type_of({"type": "ordinal", "classes": ["low", "middle", "high"]})
    given = Given(np.zeros(4, np.int32), np.arange(4, dtype=np.int32), ["low", "low", "high", "high"], 1, 4)
    assert aggregated(kind, given).value == ["middle"]
    assert kind.score(["low"], ["high"]) == {"accuracy": 0.0, "mae": 2.0}
    with pytest.raises(Unreadable, match="none of the classes"):
        kind.read("huge")


# ---------------------------------------------------------------- several labels

ANIMALS = ("ant", "bee", "cat", "dog", "eel")
SETS = [
    tuple(a for a, p in zip(ANIMALS, (0.1, 0.3, 0.5, 0.5, 0.7), strict=True) if LUCK.random() < p) for _ in range(150)
]


def ticked(truth: tuple[str, ...], skill: float, luck: Luck) -> tuple[str, ...]:
    return tuple(a for a in ANIMALS if (a in truth) == (luck.random() < 0.5 + skill / 2))


def majority(given: Given) -> list[tuple[str, ...]]:
    found = []
    for group in given.by_task():
        counts = Counter(label for n in group for label in given.value[n])
        found.append(tuple(label for label in ANIMALS if 2 * counts[label] > len(group)))
    return found


def test_multi__workers_of_different_skill__better_sets_than_majority_and_random() -> None:
    kind = type_of("multi")
    given = crowd(SETS, SKILLS, ticked, 6)
    found = aggregated(kind, given)
    ours = kind.score(found.value, SETS)
    naive = kind.score(majority(given), SETS)
    assert kind.score(random_answers(given), SETS)["f1"] < naive["f1"]
    assert 1 - ours["f1"] < 0.6 * (1 - naive["f1"])
    assert ours["accuracy"] > naive["accuracy"] + 0.1
    assert abs(found.confidence.mean() - ours["accuracy"]) < 0.1
    assert set(json.loads(found.columns["probabilities"][0])) == set(ANIMALS)


def test_multi__nobody_ticks_anything__the_empty_set() -> None:
    kind = type_of("multi")
    given = Given(np.zeros(2, np.int32), np.arange(2, dtype=np.int32), [(), ()], 1, 2)
    assert aggregated(kind, given).value == [()]
    assert jaccard((), ()) == 1


# ---------------------------------------------------------------- orders

ITEMS = ("a", "b", "c", "d", "e")
ORDERS = [tuple(LUCK.permutation(ITEMS).tolist()) for _ in range(100)]


def ordered(truth: tuple[str, ...], skill: float, luck: Luck) -> tuple[str, ...]:
    if luck.random() > skill:
        return tuple(luck.permutation(truth).tolist())
    noisy = np.arange(len(truth)) + 0.8 * luck.standard_normal(len(truth))
    return tuple(truth[i] for i in np.argsort(noisy))


def borda(given: Given) -> list[tuple[str, ...]]:
    found = []
    for group in given.by_task():
        places: Counter[str] = Counter()
        for n in group:
            places.update({name: i for i, name in enumerate(given.value[n])})
        found.append(tuple(sorted(places, key=lambda name: (places[name], name))))
    return found


def test_ranking__workers_who_guess__better_orders_than_borda_and_random() -> None:
    kind = type_of("ranking")
    given = crowd(ORDERS, SKILLS, ordered, 6)
    found = aggregated(kind, given)
    ours, naive = kind.score(found.value, ORDERS), kind.score(borda(given), ORDERS)
    assert kind.score(random_answers(given), ORDERS)["tau"] < naive["tau"]
    assert 1 - ours["tau"] < 0.7 * (1 - naive["tau"])
    assert found.quality[:14].min() > found.quality[14:].max()
    right = np.array([v == t for v, t in zip(found.value, ORDERS, strict=True)])
    assert found.confidence[right].mean() > found.confidence[~right].mean()


def test_ranking__pairs_over_a_job__one_order_of_all_items() -> None:
    kind = type_of({"type": "ranking", "items": "job"})
    names = tuple(f"item{i:02}" for i in range(12))
    luck = np.random.default_rng(4)
    pairs = [tuple(names[i] for i in sorted(luck.choice(12, 2, replace=False))) for _ in range(200)]

    def compared(truth: tuple[str, ...], skill: float, luck: Luck) -> tuple[str, ...]:
        gap = names.index(truth[1]) - names.index(truth[0])
        sure = skill / (1 + np.exp(-0.7 * gap)) + (1 - skill) / 2
        return truth if luck.random() < sure else truth[::-1]

    given = crowd(pairs, SKILLS, compared, 3)
    ours, naive = kind.score(aggregated(kind, given).value, pairs), kind.score(plain_vote(given), pairs)
    apart = kind.score(aggregated(type_of("ranking"), given).value, pairs)
    assert ours["accuracy"] > naive["accuracy"] + 0.05
    assert ours["accuracy"] > apart["accuracy"] + 0.05


def test_ranking__many_against_one__likelihood_as_the_formula_says() -> None:
    """At the fit the gradient of the log posterior vanishes: checked against differences of the formula itself."""
    given = crowd(ORDERS[:10], SKILLS, ordered, 6)
    pairs = rk._pairs(given, shared=False)
    score, _, meant = rk._fit(pairs, given.workers)

    def posterior(s: np.ndarray) -> float:
        h = meant[pairs.by]
        chance = h / (1 + np.exp(s[pairs.under] - s[pairs.over])) + (1 - h) / 2
        return float((pairs.weight * np.log(chance)).sum() - rk.PRIOR * (s**2).sum() / 2)

    for i in range(pairs.items):
        step = np.zeros(pairs.items)
        step[i] = 1e-4
        assert abs(posterior(score + step) - posterior(score - step)) / 2e-4 < 1e-3


def test_kendall__by_hand() -> None:
    assert rk.kendall(("a", "b", "c"), ("a", "b", "c")) == 1
    assert rk.kendall(("a", "b", "c"), ("c", "b", "a")) == -1
    assert rk.kendall(("a", "b", "c"), ("b", "a", "c")) == pytest.approx(1 / 3)
    assert rk.kendall(("a", "b"), ("c", "a")) is None


# ---------------------------------------------------------------- spans

TEXT = 200


def made_spans(luck: Luck) -> sp.Spans:
    starts = sorted(luck.choice(range(0, TEXT, 20), 4, replace=False).tolist())
    return tuple((s, s + int(luck.integers(5, 18)), str(luck.choice(["PER", "ORG"]))) for s in starts)


def marked(truth: sp.Spans, skill: float, luck: Luck) -> sp.Spans:
    """Misses spans, moves their ends, mistakes labels, and marks what is none."""
    said = []
    for start, end, label in truth:
        if luck.random() > 0.3 + 0.7 * skill:
            continue
        wide = int(luck.random() > skill) * int(luck.integers(1, 3))
        other = {"PER": "ORG", "ORG": "PER"}[label]
        said.append((start, end + wide, other if luck.random() > 0.4 + 0.6 * skill else label))
    free = [s for s in range(0, TEXT, 20) if all(s >= end + 3 or s + 4 <= start for start, end, _ in said)]
    said += [(s, s + 4, "PER") for s in free if luck.random() > 0.6 + 0.4 * skill]
    return tuple(sorted(said))


TEXTS = [made_spans(LUCK) for _ in range(80)]


def test_spans__workers_of_different_skill__better_than_vote_and_random() -> None:
    kind = type_of({"type": "spans", "labels": ["PER", "ORG"]})
    given = crowd(TEXTS, SKILLS, marked, 6)
    ours = kind.score(aggregated(kind, given).value, TEXTS)
    exact = [
        tuple(sorted(s for s, n in Counter(s for i in group for s in given.value[i]).items() if 2 * n > len(group)))
        for group in given.by_task()
    ]
    assert kind.score(random_answers(given), TEXTS)["f1"] < ours["f1"] - 0.2
    assert 1 - ours["f1"] < 0.6 * (1 - kind.score(exact, TEXTS)["f1"])
    assert aggregated(kind, shuffled(given)).value == aggregated(kind, given).value


def test_spans__neighbours_of_one_label__kept_apart_where_the_voices_end_one() -> None:
    kind = type_of("spans")
    two, one = ((0, 5, "X"), (5, 9, "X")), ((0, 9, "X"),)
    worker = np.arange(3, dtype=np.int32)
    assert aggregated(kind, Given(np.zeros(3, np.int32), worker, [two, two, one], 1, 3)).value == [two]
    assert aggregated(kind, Given(np.zeros(3, np.int32), worker, [two, one, one], 1, 3)).value == [one]


def test_spans__marked_by_a_minority__left_out() -> None:
    kind = type_of("spans")
    sure, more = ((0, 5, "X"),), ((0, 5, "X"), (7, 9, "X"))
    given = Given(np.zeros(3, np.int32), np.arange(3, dtype=np.int32), [sure, sure, more], 1, 3)
    assert aggregated(kind, given).value == [sure]


# ---------------------------------------------------------------- boxes


def made_boxes(luck: Luck) -> bx.Boxes:
    corners = [(x, y) for x in (0, 150, 300) for y in (0, 150, 300)]
    chosen = luck.choice(len(corners), 4, replace=False)
    return tuple(
        sorted(
            (
                x + 20.0,
                y + 20.0,
                x + float(luck.integers(60, 120)),
                y + float(luck.integers(60, 120)),
                str(luck.choice(["car", "dog"])),
            )
            for x, y in (corners[i] for i in chosen)
        )
    )


def boxed(truth: bx.Boxes, skill: float, luck: Luck) -> bx.Boxes:
    said = []
    for left, top, right, bottom, label in truth:
        if luck.random() > 0.3 + 0.7 * skill:
            continue
        a, b, c, d = np.array([left, top, right, bottom]) + 8 * (1 - skill) * luck.standard_normal(4)
        said.append((a, b, c, d, {"car": "dog", "dog": "car"}[label] if luck.random() > 0.4 + 0.6 * skill else label))
    if luck.random() > skill:
        x, y = luck.uniform(500, 900, 2)
        said.append((x, y, x + 50, y + 50, "car"))
    return tuple(sorted(said))


PICTURES = [made_boxes(LUCK) for _ in range(60)]


def test_boxes__workers_of_different_skill__better_than_medoid_and_random() -> None:
    kind = type_of("boxes")
    given = crowd(PICTURES, SKILLS, boxed, 6)
    ours = kind.score(kind.aggregate(given, engine).value, PICTURES)
    medoid = []
    for group in given.by_task():
        answers = [given.value[n] for n in group]
        medoid.append(max(answers, key=lambda mine: sum(bx.likeness(mine, other) for other in answers)))
    for naive in (kind.score(medoid, PICTURES), kind.score(random_answers(given), PICTURES)):
        assert 1 - ours["f1"] < 0.75 * (1 - naive["f1"])
        assert ours["overlap"] > naive["overlap"]


def test_boxes__who_draws_wide__is_drawn_back() -> None:
    kind = type_of("boxes")
    truth = [((100.0 * i, 0.0, 100.0 * i + 50, 50.0, "car"),) for i in range(30)]

    def wide(box: bx.Boxes, skill: float, luck: Luck) -> bx.Boxes:
        out = 6 * (1 - skill)
        a, b, c, d = np.array(box[0][:4]) + np.array([-out, -out, out, out]) + luck.standard_normal(4)
        return ((a, b, c, d, "car"),)

    given = crowd(truth, [1.0] * 9 + [0.0] * 3, wide, 6)
    found = kind.aggregate(given, engine).value
    median = [(*np.median([given.value[n][0][:4] for n in group], 0), "car") for group in given.by_task()]
    off = [np.abs(np.array(v[0][:4]) - t[0][:4]).mean() for v, t in zip(found, truth, strict=True)]
    plain = [np.abs(np.array(v[:4]) - t[0][:4]).mean() for v, t in zip(median, truth, strict=True)]
    assert np.mean(off) < np.mean(plain) * 1.1


def test_overlaps__by_hand() -> None:
    assert bx.overlaps([(0, 0, 2, 2)], [(1, 1, 3, 3), (0, 0, 2, 2), (5, 5, 6, 6)]).tolist() == [[1 / 7, 1.0, 0.0]]


# ---------------------------------------------------------------- forms


def test_form__two_fields__each_by_its_own_type() -> None:
    kind = type_of({"type": "form", "fields": {"colour": {"type": "choice"}, "size": "number"}})
    value = [kind.read(text) for text in ('{"colour":"red","size":3}', '{"colour":"red","size":"5"}', '{"size":4}')]
    given = Given(np.array([0, 0, 1], np.int32), np.array([0, 1, 0], np.int32), value, 3, 2)
    found = aggregated(kind, given)
    assert found.value[0]["colour"] == "red"
    assert found.value[0]["size"] == pytest.approx(4, abs=0.2)
    assert set(found.value[1]) == {"size"}
    assert found.value[2] is None
    assert set(found.columns) == {"confidence:colour", "confidence:size"}
    assert kind.score([{"size": 4.0}], [{"colour": "red", "size": 5.0}]) == {
        "size.mae": 1.0,
        "size.rmse": 1.0,
        "size.r": 0.0,
    }


# ---------------------------------------------------------------- hostile answers and types

DEEP = "[" * 100_000
WRONG = [
    ("multi", "cat", "JSON"),
    ("multi", '"cat"', "the whole"),
    ("multi", '["cat","cat"]', "non-unique"),
    ("multi", "[1]", "string"),
    ("multi", DEEP, "JSON"),
    ("multi", json.dumps([str(i) for i in range(1001)]), "maxItems 1000"),
    ("ranking", '["a"]', "short"),
    ("ranking", '["a","a"]', "non-unique"),
    ("spans", '[{"start":5,"end":5}]', "empty"),
    ("spans", '[{"start":0,"end":5},{"start":4,"end":6}]', "overlap"),
    ("spans", '[{"start":-1,"end":5}]', "minimum"),
    ("spans", '[{"start":0,"end":5,"x":1}]', "Additional"),
    ("spans", '[{"start":0,"start":1,"end":5}]', "twice"),
    ("boxes", '[{"x":0,"y":0,"w":0,"h":1}]', "minimum"),
    ("boxes", '[{"x":NaN,"y":0,"w":1,"h":1}]', "NaN"),
    ("boxes", '[{"x":1e400,"y":0,"w":1,"h":1}]', "maximum"),
    ("ordinal", "1.5", "whole number"),
    ('{"type":"form","fields":{"a":"number"}}', '{"b":1}', "no field"),
    ('{"type":"form","fields":{"a":"number"}}', '{"a":[1]}', "no number"),
    ('{"type":"spans","labels":["PER"]}', '[{"start":0,"end":5,"label":"ORG"}]', "none of the labels"),
    ('{"type":"multi","classes":["a"]}', '["b"]', "none of the classes"),
]


@pytest.mark.parametrize(("words", "text", "reason"), WRONG)
def test_read__hostile_answer__unreadable_with_reason(words: str, text: str, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        type_of(words).read(text)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("colour", "no type of answer"),
        ("{", "not readable as JSON"),
        ('{"type":"number","low":5,"high":5}', "not below"),
        ('{"type":"number","step":5}', "Additional"),
        ('{"type":"ordinal","classes":["a"]}', "classes"),
        ('{"type":"form"}', "fields"),
        ('{"type":"form","fields":{}}', "fields"),
        ('{"type":"form","fields":{"a":{"type":"form","fields":{"b":"text"}}}}', "holds no form"),
        ('{"type":"form","fields":{"a":"colour"}}', "field 'a'"),
        ('{"type":[1]}', "no type of answer"),
        (DEEP.replace("[", '{"a":'), "JSON"),
    ],
)
def test_type_of__wrong_words__bad_input(words: str, reason: str) -> None:
    with pytest.raises(BadInput, match=reason):
        type_of(words)


@pytest.mark.parametrize("name", ["choice", "multi", "ordinal", "number", "ranking", "text", "spans", "boxes"])
def test_every_type__one_answer_and_a_task_without__value_and_none(name: str) -> None:
    kind = type_of(name)
    text = {
        "multi": '["a"]',
        "ranking": '["a","b"]',
        "spans": '[{"start":1,"end":2}]',
        "boxes": '[{"x":1,"y":2,"w":3,"h":4}]',
    }.get(name, "5")
    value = kind.read(text)
    found = aggregated(kind, Given(np.array([0], np.int32), np.array([1], np.int32), [value], 2, 2))
    assert found.value == [value, None]
    assert found.confidence[1] == 0
    assert kind.agreement(Given(np.array([0], np.int32), np.array([1], np.int32), [value], 2, 2)) is None
