"""Checks beside other texts: naive references for the counts, planted copies and gibberish found, honest agreement left alone."""

import math
import random
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.bench.content import _NOISE
from oracle.verification.content import corpus
from oracle.verification.content.corpus import Text, copy, echo, fold, gibberish, monotony, repeat, shingles

WORDS = """
the of and to in that was his he it with is for as had you not be her on at by which have or from this him but all she
they were my are me one their so an said them we who would been will no when there if more out up into do any your what
has man could other than our some very time upon about may its only now like little then can made should did us such
great before must two these see know over
""".split()  # noqa: SIM905


def sentence(luck: random.Random, words: int = 12) -> str:
    return " ".join(luck.choice(WORDS) for _ in range(words))


def honest(tasks: int = 40, each: int = 5, workers: int = 20, seed: int = 1, slip: float = 0.05) -> list[Text]:
    """A crowd that transcribes: each writes the task's sentence with slips of its own."""
    luck = random.Random(seed)
    found = []
    for t in range(tasks):
        line = sentence(luck).split()
        for w in luck.sample(range(workers), each):
            text = " ".join(luck.choice(WORDS) if luck.random() < slip else word for word in line)
            found.append(Text(f"{t}/{w}", text, f"t{t}", f"w{w}"))
    return found


# ---------------------------------------------------------------------- gibberish


def naive_bits(answers: list[Text], which: int) -> float:
    """Mean cost of one answer's characters, one at a time, by dictionaries."""
    alphabet = {c for a in answers for c in f" {fold(a.text)} "}
    one, two, three, c1, c2, total = Counter[str](), Counter[str](), Counter[str](), Counter[str](), Counter[str](), 0
    for a in answers:
        if a.worker != answers[which].worker:
            padded = "<<" + f" {fold(a.text)} "
            for i in range(2, len(padded)):
                total += 1
                one[padded[i]] += 1
                two[padded[i - 1 : i + 1]] += 1
                three[padded[i - 2 : i + 1]] += 1
                c1[padded[i - 1]] += 1
                c2[padded[i - 2 : i]] += 1
    padded = "<<" + f" {fold(answers[which].text)} "
    bits = 0.0
    for i in range(2, len(padded)):
        p1 = (one[padded[i]] + 1) / (total + len(alphabet) + 1)
        p2 = (two[padded[i - 1 : i + 1]] + p1) / (c1[padded[i - 1]] + 1)
        # the first letter of a text stands after the mark "nothing before" alone, whatever stood before that
        p3 = (three[padded[i - 2 : i + 1]] + p2) / (c2[padded[i - 2 : i]] + 1)
        bits -= math.log2(p3)
    return bits / (len(padded) - 2)


def test_surprise__a_crowd__as_counted_by_hand() -> None:
    answers = honest(tasks=12, each=4, workers=6, seed=3)
    score, judged = corpus._surprise(answers)
    assert judged.all()
    means = np.array([naive_bits(answers, i) for i in range(len(answers))])
    sizes = np.array([len(fold(a.text)) + 2 for a in answers])
    assert score == pytest.approx((means - np.median(means)) * sizes / (sizes + corpus.ORDINARY))


@pytest.mark.parametrize("name", [n for n in _NOISE if "again" not in n])
def test_gibberish__planted_in_an_honest_crowd__is_found_alone(name: str) -> None:
    luck = random.Random(4)
    crowd = honest(tasks=200)
    bad = [Text(f"bad {i}", _NOISE[name](luck), f"t{i}", f"bad {i}") for i in range(10)]
    findings = gibberish([*crowd, *bad], 1.5)
    assert not any(f.fails for f in findings[: len(crowd)])
    assert sum(f.fails for f in findings[len(crowd) :]) >= 8


def test_gibberish__by_one_worker_again_and_again__does_not_vouch_for_itself() -> None:
    bad = [Text(f"bad {i}", "qzx kvj wqx zzk jqv xkq", f"t{i}", "bad") for i in range(100)]
    findings = gibberish([*honest(), *bad], 1.5)
    assert all(f.fails for f in findings[-100:])


def test_gibberish__too_little_to_compare_with__is_not_judged() -> None:
    findings = gibberish([Text("a", "qzx kvj wqx zzk jqv xkq", "t", "w"), Text("b", "an honest answer", "t", "v")], 1.5)
    assert not any(f.fails for f in findings)


def test_gibberish__another_script__is_left_to_the_language_check() -> None:
    other = Text("ru", "все люди рождаются свободными и равными", "t0", "ru")
    assert not gibberish([*honest(), other], 1.5)[-1].fails


def test_monotony__one_syllable__is_found_and_speech_is_not() -> None:
    assert monotony(Text("a", "bla bla bla bla bla bla bla"), 0.6).fails
    assert monotony(Text("a", "aaaaaaaaaaaaaaaaaaaaaaa"), 0.6).fails
    assert not monotony(Text("a", "no no no"), 0.6).fails
    assert not monotony(Text("a", "He came here at 10 o'clock, and left at 11 o'clock."), 0.6).fails


# ---------------------------------------------------------------------- near duplicates


def test_echo__the_prompt_said_back__fails_also_with_a_word_changed() -> None:
    prompt = "Describe in your own words what happens to the two men in the story that you have just read."
    assert echo(Text("a", prompt.upper(), prompt=prompt), 0.9).fails
    assert echo(Text("a", prompt + "!", prompt=prompt), 0.9).score == 1.0
    assert not echo(
        Text("a", "They quarrel over a horse, and the younger leaves the village for ever.", prompt=prompt), 0.9
    ).fails
    assert not echo(Text("a", "read.", prompt=prompt), 0.9).fails  # too short to be an echo
    assert not echo(Text("a", prompt), 0.9).fails


def test_repeat__for_another_task__names_the_other_answer() -> None:
    crowd = honest()
    again = replace(crowd[0], id="again", task="other", text=crowd[0].text + "!")
    findings = repeat([*crowd, again], 0.9)
    assert [f.fails for f in findings] == [f is findings[0] or f is findings[-1] for f in findings]
    assert findings[-1].evidence[0].of == crowd[0].id
    assert findings[0].evidence[0].of == "again"


def test_repeat__same_task_short_or_same_prompt__passes() -> None:
    line = "a sentence that is long enough to be compared"
    same_task = [Text("a", line, "t", "w"), Text("b", line, "t", "v")]
    short = [Text("a", "not sure", "t", "w"), Text("b", "not sure", "u", "v")]
    same_prompt = [Text("a", line, "t", "w", "p"), Text("b", line, "u", "v", "p")]
    for pair in (same_task, short, same_prompt):
        assert not any(f.fails for f in repeat(pair, 0.9))


def test_repeat__ten_thousand_equal_texts__stays_linear() -> None:
    line = "a sentence that is long enough to be compared"
    findings = repeat([Text(str(i), line, f"t{i}", f"w{i}") for i in range(10_000)], 0.9)
    assert all(f.fails for f in findings)


@given(st.lists(st.text("abcde ", min_size=30, max_size=60), min_size=2, max_size=8))
@settings(max_examples=100, deadline=None)
def test_repeat__near_texts__as_by_all_pairs(lines: list[str]) -> None:
    lines = [*lines, lines[0] + "x"]
    texts = [fold(line) for line in lines]
    findings = repeat([Text(str(i), line, f"t{i}") for i, line in enumerate(lines)], 0.9)
    for i, one in enumerate(texts):
        alike = [
            len(shingles(one) & shingles(o)) / len(shingles(one) | shingles(o))
            for j, o in enumerate(texts)
            if j != i and len(one) >= corpus.LEAST_LENGTH and len(o) >= corpus.LEAST_LENGTH
        ]
        assert findings[i].fails == (max(alike, default=0.0) > 0.9)


# ---------------------------------------------------------------------- copies


def ring(crowd: list[Text], tasks: int, seed: int = 2) -> list[Text]:
    luck = random.Random(seed)
    lines = {a.task: a.text for a in crowd}
    chosen = luck.sample(sorted(lines), tasks)
    wrong = {t: " ".join(word + "x" if i % 5 == 0 else word for i, word in enumerate(lines[t].split())) for t in chosen}
    return [Text(f"{t}/{name}", wrong[t], t, name) for t in chosen for name in ("ring a", "ring b")]


def test_copy__a_ring_in_an_honest_crowd__is_found_and_nobody_else() -> None:
    crowd = honest(tasks=100)
    findings = copy([*crowd, *ring(crowd, 10)], 7.0)
    assert not any(f.fails for f in findings[: len(crowd)])
    assert all(f.fails for f in findings[len(crowd) :])
    last = findings[-1]
    assert "10 of 10 common tasks" in last.words
    assert last.evidence[0].of.endswith("/ring a")
    assert len(last.evidence) == 10


def test_copy__a_short_answer_space__explains_that_all_say_the_same() -> None:
    luck = random.Random(3)
    crowd = [
        Text(f"{t}/{w}", luck.choice(["yes", "yes", "yes", "no"]), f"t{t}", f"w{w}")
        for t in range(60)
        for w in luck.sample(range(12), 6)
    ]
    assert not any(f.fails for f in copy(crowd, 7.0))


def test_copy__two_flawless_workers_among_sloppy_ones__are_not_copiers() -> None:
    luck = random.Random(9)
    crowd = []
    for t in range(30):
        line = sentence(luck, 8).split()
        for w in range(6):
            slip = 0.0 if w < 3 else 0.3
            crowd.append(
                Text(
                    f"{t}/{w}",
                    " ".join(luck.choice(WORDS) if luck.random() < slip else x for x in line),
                    f"t{t}",
                    f"w{w}",
                )
            )
    assert not any(f.fails for f in copy(crowd, 7.0))


def test_copy__one_pair_on_one_task__has_nothing_to_compare_with() -> None:
    pair = [Text("a", "a sentence as long as any", "t", "w"), Text("b", "a sentence as long as any", "t", "v")]
    assert not any(f.fails for f in copy(pair, 7.0))


def test_copy__order_of_the_answers__does_not_matter() -> None:
    crowd = honest(tasks=30)
    crowd += ring(crowd, 8)
    shuffled = list(crowd)
    random.Random(1).shuffle(shuffled)
    again = {a.id: f for a, f in zip(shuffled, copy(shuffled, 7.0), strict=True)}
    for a, f in zip(crowd, copy(crowd, 7.0), strict=True):
        assert again[a.id].score == pytest.approx(f.score)
        assert again[a.id].fails == f.fails


def test_copy__one_pair__scores_as_by_hand() -> None:
    crowd = honest(tasks=25, workers=9)
    crowd += ring(crowd, 6)
    groups = corpus._by_task(crowd)
    rates = corpus._Rates(groups)
    able, pairs = rates._able, {(i, j) for people in groups.values() for i in people for j in people if i < j}

    def shared(i: str, j: str) -> list[bool]:
        return [people[i] == people[j] for people in groups.values() if i in people and j in people]

    usual = math.sqrt((sum(sum(shared(*p)) for p in pairs) + 1) / (sum(len(shared(*p)) for p in pairs) + 2))

    def rate(i: str, without: str) -> float:
        others = [j for j in able if j not in (i, without)]
        agreed = sum(sum(shared(i, j)) for j in others)
        met = sum(len(shared(i, j)) * able[j] for j in others)
        return min(1.0, (agreed + usual) / (met + 1))

    for i in able:  # what the fit found solves its equations
        assert able[i] == pytest.approx(rate(i, ""), rel=1e-3)
    i, j = "ring a", "ring b"
    chances = []
    for people in groups.values():
        if i in people and j in people:
            rest = [(x, y) for x in people for y in people if x < y and not {x, y} & {i, j}]
            equal = sum(people[x] == people[y] for x, y in rest)
            task = (equal + 1) / (sum(able[x] * able[y] for x, y in rest) + 1)
            chances.append(min(0.95, rate(i, j) * rate(j, i) * task))
    logs = [sum(math.log((r + (1 - r) * p) / p) for p in chances) for r in (0.5, 0.9)]
    wanted = math.log((math.exp(logs[0]) + math.exp(logs[1])) / 2) - math.log(len(pairs))
    assert copy(crowd, 7.0)[-1].score == pytest.approx(wanted)
