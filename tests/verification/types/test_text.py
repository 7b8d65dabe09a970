"""Texts: edit distance and alignment against the plain ones, consensus against medoid and random answers, recorded crowds."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from oracle import labels as lb
from oracle.commands.typed import read_given, read_known
from oracle.commands.typed import score as scored
from oracle.verification.types import text as texts
from oracle.verification.types.answer import Given, Unreadable
from oracle.verification.types.text import canonical, gleu, ngrams, read, score, text
from oracle.verification.types.words import Lattice, apart, edits
from tests.support.answers import Luck, aggregated, crowd, engine, random_answers, shuffled

KIND = text()
WORDS = [f"w{i}" for i in range(400)]
SENTENCES = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=9).map(tuple)
TRUTHS = [" ".join(np.random.default_rng(t).choice(WORDS, 12)) for t in range(80)]
SKILLS = [0.97] * 8 + [0.85] * 8 + [0.4] * 8


def heard(truth: str, skill: float, luck: Luck) -> str:
    """Each word is heard with probability `skill`; else it is missed, mistaken or doubled."""
    said = []
    for word in truth.split():
        fault = 3 if luck.random() < skill else luck.integers(0, 3)
        said += {0: [], 1: [f"{word}x{luck.integers(0, 3)}"], 2: [word, word], 3: [word]}[int(fault)]
    return " ".join(said)


def levenshtein(left: tuple[str, ...], right: tuple[str, ...]) -> int:
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        above, row[0] = row[0], i
        for j, b in enumerate(right, 1):
            above, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, above + (a != b))
    return row[-1]


def medoids(given: Given) -> list[str]:
    found = []
    for group in given.by_task():
        answers = [given.value[n] for n in group]
        far = [sum(levenshtein(canonical(a), canonical(b)) for b in answers) for a in answers]
        found.append(answers[int(np.argmin(far))])
    return found


@settings(max_examples=300, deadline=None)
@drawn(SENTENCES, SENTENCES)
def test_edits__any_words__as_the_table_says(left: tuple[str, ...], right: tuple[str, ...]) -> None:
    assert edits(left, right) == levenshtein(left, right) == edits(right, left)
    assert 0 <= apart(left, right) <= 1
    assert 0 <= gleu(ngrams(left), ngrams(right)) <= 1


def test_edits__longer_than_a_machine_word__as_the_table_says() -> None:
    luck = np.random.default_rng(0)
    left, right = (tuple(luck.choice(["a", "b", "c"], 150).tolist()) for _ in range(2))
    assert edits(left, right) == levenshtein(left, right)


@settings(max_examples=200, deadline=None)
@drawn(st.lists(SENTENCES, min_size=1, max_size=5))
def test_lattice__any_sequences__every_row_reads_back(sentences: list[tuple[str, ...]]) -> None:
    lattice = Lattice(sentences[0])
    for one in sentences[1:]:
        lattice.add(one)
    assert [tuple(word for word in row if word) for row in lattice.rows] == sentences
    for at, slot in enumerate(lattice.slots):
        assert slot == {
            word: [row[at] for row in lattice.rows].count(word) for word in {row[at] for row in lattice.rows}
        }


@settings(max_examples=200, deadline=None)
@drawn(SENTENCES, SENTENCES)
def test_lattice__two_sequences__as_many_differing_places_as_edits(
    left: tuple[str, ...], right: tuple[str, ...]
) -> None:
    lattice = Lattice(left)
    lattice.add(right)
    assert sum(len(slot) > 1 for slot in lattice.slots) == edits(left, right)


def test_aggregate__workers_of_different_skill__fewer_errors_than_medoid_and_random() -> None:
    given = crowd(TRUTHS, SKILLS, heard, 6)
    ours = score(aggregated(KIND, given).value, TRUTHS)["wer"]
    medoid = score(medoids(given), TRUTHS)["wer"]
    assert medoid < score(random_answers(given), TRUTHS)["wer"]
    assert ours < 0.5 * medoid


def test_aggregate__good_worker_against_two_bad_ones__the_good_one_counts() -> None:
    given = crowd(TRUTHS, SKILLS, heard, 6)
    found = aggregated(KIND, given)
    assert found.quality[:8].min() > found.quality[8:16].max() > found.quality[8:16].min() > found.quality[16:].max()
    last = len(TRUTHS)
    more = [(0, "alpha beta"), (17, "gamma delta"), (18, "gamma delta")]
    task = np.append(given.task, [last] * 3).astype(np.int32)
    worker = np.append(given.worker, [w for w, _ in more]).astype(np.int32)
    wider = Given(task, worker, [*given.value, *(value for _, value in more)], last + 1, given.workers)
    assert aggregated(KIND, wider).value[last] == "alpha beta"


def test_aggregate__confidence__higher_where_right_and_not_too_high() -> None:
    found = aggregated(KIND, crowd(TRUTHS * 3, SKILLS, heard, 4))
    right = np.array([value == truth for value, truth in zip(found.value, TRUTHS * 3, strict=True)])
    assert found.confidence[right].mean() > found.confidence[~right].mean() + 0.2
    assert found.confidence.mean() < right.mean() + 0.05  # errors are independent here, which it does not believe


def test_aggregate__order_of_answers__means_nothing() -> None:
    given = crowd(TRUTHS[:30], SKILLS, heard, 5)
    assert aggregated(KIND, shuffled(given)).columns["canonical"] == aggregated(KIND, given).columns["canonical"]


def test_aggregate__answer_chosen_whole__comes_back_as_written() -> None:
    given = Given(np.zeros(3, np.int32), np.arange(3, dtype=np.int32), ["Hello, World!", "hello world", "help"], 2, 3)
    found = aggregated(KIND, given)
    assert found.value == ["Hello, World!", None]
    assert found.columns["canonical"] == ["hello world", ""]


@pytest.mark.parametrize("answers", [[""], ["", ""], ["", "a"], ["..."], ["a " * 3000, "b " * 3000, "a " * 3000]])
def test_aggregate__empty_and_endless_texts__one_of_them(answers: list[str]) -> None:
    given = Given(np.zeros(len(answers), np.int32), np.arange(len(answers), dtype=np.int32), answers, 1, len(answers))
    value = KIND.aggregate(given, engine).value[0]
    assert canonical(value) in {canonical(answer) for answer in answers}


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("It's  a 'test' — of Ex-Clerks.", ("it's", "a", "test", "of", "ex", "clerks")),
        ("don\u2019t", ("don't",)),
        ("\uff28\uff45\uff4c\uff4c\uff4f", ("hello",)),
        ("\u0939\u093f\u0928\u094d\u0926\u0940", ("\u0939\u093f\u0928\u094d\u0926\u0940",)),
        ("STRASSE stra\u00dfe", ("strasse", "strasse")),
    ],
)
def test_canonical__scripts_and_marks__words(written: str, words: tuple[str, ...]) -> None:
    assert canonical(written) == words


def test_score__characters__cer() -> None:
    assert text("character").score(["\u6771\u4eac\u90fd"], ["\u6771\u4eac"]) == {"cer": 0.5, "gleu": pytest.approx(0.5)}


def test_score__known_values__by_hand() -> None:
    assert score(["the cat sat", "a"], ["the cat sat down", "b c"]) == {
        "wer": 3 / 6,
        "gleu": pytest.approx((6 / 10 + 0) / 2),
    }


def test_read__control_characters__unreadable() -> None:
    assert read(" a\nb ") == "a\nb"
    with pytest.raises(Unreadable, match="control character"):
        read("a\x07b")


@pytest.mark.parametrize(
    ("name", "metric", "most"), [("crowdwsa_t1", "gleu", None), ("crowdspeech_dev_clean", "wer", 0.055)]
)
def test_recorded_crowds__beside_the_medoid__better(
    crowd_data: Path, name: str, metric: str, most: float | None
) -> None:
    answers, _ = lb.read_answers(crowd_data / name / "labels.csv", empty=True)
    truth, _ = lb.read_truth(crowd_data / name / "truth.csv")
    given, known = read_given(answers, KIND, name), read_known(truth, KIND, name)
    ours = scored(KIND, answers.tasks, texts.aggregate(given, engine).value, known)[metric]
    plain = scored(KIND, answers.tasks, medoids(given) if name == "crowdwsa_t1" else ["x"] * given.tasks, known)[metric]
    assert ours <= most if most else ours > plain
