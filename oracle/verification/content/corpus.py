"""Checks of texts beside other texts: gibberish, the prompt said back, the same text for other tasks, and copied answers.

Answers of one job -> one Finding each. Texts are compared folded: NFKC, lower case, letters and digits only, one space
between words.
Deterministic: every hash and order is fixed. Nothing here knows a language; the job's own answers are the reference.
"""

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from oracle.verification.content.findings import MOST_EVIDENCE, Evidence, Finding

GRAM = 5  # characters of a shingle
LEAST_LENGTH = 30  # folded characters; a shorter text is not compared with those of other tasks
LEAST_LETTERS = 12  # folded characters; with fewer, how letters follow each other says nothing
ORDINARY = 20  # letters of the usual kind that are added to each text
MOST_WINDOWS = 300  # characters of a text in which repetition is looked for: long texts repeat themselves
LEAST_REFERENCE = 2_000  # characters by others; with fewer there is nothing to compare with
BANDS, ROWS = 16, 4  # of MinHash: a pair of similarity 0.9 is missed once in 10^7, one of 0.5 in three
COPYING = (0.5, 0.9)  # shares of the answers that a copier copies; both are tried
ITERATIONS = 50  # of the rates of agreement
MOST_MATCH = 0.95  # no match of two honest answers is taken for more certain than this
_SPLIT = re.compile(r"[^\w]+|_+")

Uint64: TypeAlias = NDArray[np.uint64]
Float: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Text:
    """One answer. `prompt`: what it answers, if that is a text."""

    id: str
    text: str
    task: str = ""
    worker: str = ""
    prompt: str = ""


def fold(text: str) -> str:
    """What two texts must share to be called the same."""
    return _SPLIT.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()


# ---------------------------------------------------------------------------------------------------------- gibberish


def gibberish(answers: Sequence[Text], threshold: float) -> list[Finding]:
    """Whether its letters follow each other as they do nowhere in the others' answers and the prompts.

        score = sum_i (-log2 P(x_i | x_i-2 x_i-1) - m) / (n + 20)        bits a character, x the folded text, a space at each end

    P is counted over all prompts and the answers of all other workers (so that no worker vouches for itself), the trigram backed
    off to the bigram and that to the letter, with one pseudo-count each; m is the median text's mean. Twenty ordinary letters are
    added to each text: a short one needs more to be conspicuous. Keys that are hit at random cost what they are worth, about
    log2 of how many there are, however many people hit them. A text is not judged if it is short, if the others wrote little, or
    in the letters of another script than theirs. Words in a senseless order are not found.
    """
    score, judged = _surprise(answers)
    words = (
        "its letters follow each other unlike those of the others' answers: {:+.2f} bits a character beyond the usual"
    )
    return [
        Finding("gibberish", "gibberish", s, threshold, words.format(s), (Evidence("bits", value=s),))
        if ok
        else Finding("gibberish", "gibberish", 0.0, threshold, "too short, or too little to compare with")
        for s, ok in zip(score.tolist(), judged.tolist(), strict=True)
    ]


def monotony(answer: Text, threshold: float) -> Finding:
    """Whether it says the same again and again. Score: the share of its 4-letter windows that stood in it before."""
    text = fold(answer.text)[:MOST_WINDOWS]
    windows = [text[i : i + 4] for i in range(len(text) - 3)]
    judged = len(windows) >= LEAST_LETTERS
    score = 1 - len(set(windows)) / len(windows) if judged else 0.0
    return Finding("monotony", "repeats-itself", score, threshold, f"{score:.0%} of it stood in it before")


def _surprise(answers: Sequence[Text]) -> tuple[Float, NDArray[np.bool_]]:
    """Scores [n] and which of them mean something [n]."""
    names = [a.worker or f"\0{a.id}" for a in answers]  # who has no name vouches for all but this text
    people = {name: i for i, name in enumerate(dict.fromkeys(names))}
    prompts = [f" {fold(p)} " for p in dict.fromkeys(a.prompt for a in answers) if p]
    bodies = [f" {fold(a.text)} " for a in answers]
    sizes = np.array([len(b) for b in bodies + prompts], np.int64)
    of = np.repeat(np.arange(len(sizes)), sizes)  # [M] the text of each letter
    own = np.array([*(people[name] for name in names), *[len(people)] * len(prompts)], np.int64)  # [texts]
    letter = _letters("".join(bodies + prompts))  # [M]
    bits = _bits(letter, of, own[of])  # [M]
    count, owner = sizes[: len(bodies)], own[: len(bodies)]
    mean = np.bincount(of, bits, len(sizes))[: len(bodies)] / count
    known = np.bincount(of, _others(letter, own[of]) > 0, len(sizes))[: len(bodies)] / count
    reference = len(letter) - np.bincount(own[of], minlength=len(people) + 1)[owner]
    judged = (count >= LEAST_LETTERS + 2) & (reference >= LEAST_REFERENCE) & (known >= 0.5)
    usual = float(np.median(mean[judged])) if judged.any() else 0.0
    return np.where(judged, (mean - usual) * count / (count + ORDINARY), 0.0), judged


def _letters(text: str) -> NDArray[np.int64]:
    """Its characters, numbered from 0."""
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    return np.asarray(np.unique(points, return_inverse=True)[1], np.int64)


def _bits(letter: NDArray[np.int64], of: NDArray[np.intp], owner: NDArray[np.int64]) -> Float:
    """-log2 P(letter | the two before it in its text), by what the texts of other owners have there. [M]"""
    size = int(letter.max(initial=0)) + 2
    begins = np.concatenate([[True], of[1:] != of[:-1]])
    before = np.where(begins, size - 1, np.roll(letter, 1))
    pair = (
        np.where(begins, size - 1, np.roll(letter, 2)) * size + before
    )  # before the first letter stands another text's space
    one = (_others(letter, owner) + 1) / (_others(np.zeros_like(letter), owner) + size)
    two = (_others(before * size + letter, owner) + one) / (_others(before, owner) + 1)
    return np.asarray(-np.log2((_others(pair * size + letter, owner) + two) / (_others(pair, owner) + 1)), np.float64)


def _others(key: NDArray[np.int64], owner: NDArray[np.int64]) -> Float:
    """How often each key stands in the texts of other owners. [M]; prompts have an owner of their own."""
    _, place, times = np.unique(key, return_inverse=True, return_counts=True)
    _, mine, own = np.unique(
        place.astype(np.int64) * (owner.max(initial=0) + 1) + owner, return_inverse=True, return_counts=True
    )
    return np.asarray(times[place] - own[mine], np.float64)


# --------------------------------------------------------------------------------------------------- near duplicates


def echo(answer: Text, threshold: float) -> Finding:
    """Whether it says its prompt back. Score: the share of the answer's 5-letter shingles that stand in the prompt."""
    mine, prompt = shingles(fold(answer.text)), shingles(fold(answer.prompt))
    judged = len(mine) > LEAST_LENGTH - GRAM and len(prompt) > 0
    score = len(mine & prompt) / len(mine) if judged else 0.0
    return Finding("echo", "prompt-repeated", score, threshold, f"{score:.0%} of it stands in the prompt")


def repeat(answers: Sequence[Text], threshold: float) -> list[Finding]:
    """Whether nearly the same text answers another task. Score: the highest Jaccard similarity of 5-letter shingles.

    Only texts of 30 letters and more are compared: a short answer may fit many tasks. Candidates by MinHash (Broder 1997,
    https://doi.org/10.1109/SEQUEN.1997.666900), the similarity itself is exact.
    """
    texts = [fold(a.text) for a in answers]
    sets = [shingles(t) if len(t) >= LEAST_LENGTH else frozenset[str]() for t in texts]
    best = [0.0] * len(answers)
    near: dict[int, list[tuple[float, str]]] = defaultdict(list)
    for i, j in sorted(_candidates(sets)):
        if answers[i].task == answers[j].task or (answers[i].prompt and answers[i].prompt == answers[j].prompt):
            continue
        alike = len(sets[i] & sets[j]) / len(sets[i] | sets[j])
        for one, other in ((i, j), (j, i)):
            best[one] = max(best[one], alike)
            if alike > threshold and len(near[one]) < MOST_EVIDENCE:
                near[one].append((alike, answers[other].id))
    return [
        Finding(
            "repeat",
            "same-text-for-another-task",
            best[i],
            threshold,
            f"{best[i]:.0%} like an answer to another task",
            tuple(Evidence("answer", of=name, value=alike) for alike, name in near[i]),
        )
        for i in range(len(answers))
    ]


def shingles(text: str) -> frozenset[str]:
    return frozenset(text[i : i + GRAM] for i in range(max(1, len(text) - GRAM + 1))) if text else frozenset()


def _candidates(sets: Sequence[frozenset[str]]) -> Iterator[tuple[int, int]]:
    """Pairs i < j whose MinHash signatures share a band; each pair once.

    Of many equal texts only neighbours are paired, and each with the first: work stays linear in the worst case.
    """
    found: set[tuple[int, int]] = set()
    buckets: dict[bytes, list[int]] = defaultdict(list)
    for i, one in enumerate(sets):
        if one:
            signature = _signature(one)
            for band in range(BANDS):
                buckets[bytes([band]) + signature[band * ROWS : (band + 1) * ROWS].tobytes()].append(i)
    for members in buckets.values():
        if len(members) <= 50:
            found.update(combinations(members, 2))
        else:
            found.update((members[0], other) for other in members[1:])
            found.update(pairwise(members))
    yield from found


_LUCK = np.random.default_rng(1997)
_MULTIPLY = _LUCK.integers(1, 1 << 63, BANDS * ROWS, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
_ADD = _LUCK.integers(0, 1 << 63, BANDS * ROWS, dtype=np.uint64)


def _signature(one: frozenset[str]) -> Uint64:
    """[BANDS * ROWS] the lowest hash of a shingle under each of as many hash functions."""
    points = np.frombuffer("".join(s.ljust(GRAM, "\0") for s in one).encode("utf-32-le", "surrogatepass"), np.uint32)
    key = np.zeros(len(one), np.uint64)
    for column in points.reshape(-1, GRAM).T.astype(np.uint64):
        key = _mix(key * np.uint64(0x9E3779B97F4A7C15) + column)
    low: Uint64 = _mix(key[:, None] * _MULTIPLY + _ADD).min(0)
    return low


def _mix(x: Uint64) -> Uint64:
    """The finaliser of splitmix64."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


# --------------------------------------------------------------------------------------------------------- copying


def copy(answers: Sequence[Text], threshold: float) -> list[Finding]:
    """Whether two workers give the same text to the same tasks more often than the answers explain.

    Two honest workers agree where both write what is asked: worker i does with probability s_i, and a task makes it d_t times as
    likely. So they give one text with p = s_i s_j d_t (at most 0.95), where s and d solve

        s_i = (sum_j y_ij + s) / (sum_j n_ij s_j + 1)        d_t = (e_t + 1) / (sum_i<j s_i s_j + 1)

    n_ij: tasks in common; y_ij: with the same text; e_t: pairs with the same text; s^2 = sum y / sum n. Each is taken without the
    pair's own answers. Able workers agree with all other able ones, copiers with each other. A pair of which one copies a share r
    of its answers has the same text with r + (1 - r) p. Score of each answer that the pair has in common: log of the mean over r of
    the likelihood ratio of all the tasks in common, less the log of how many pairs were looked at. Such a ratio has mean 1 where
    nobody copies, so by Markov's inequality log(1000) = 6.9 nats come by chance in one job of a thousand, if the model of chance
    holds; how often they come on honest crowds is measured. A short answer space needs no rule of its own: there s is high.
    """
    groups = _by_task(answers)
    rates = _Rates(groups)
    pairs: dict[tuple[str, str], list[tuple[str, bool, float]]] = defaultdict(list)
    for t, people in groups.items():
        for i, j in combinations(sorted(people), 2):
            pairs[i, j].append((t, people[i] == people[j], rates.chance(t, i, j)))
    scored = {pair: _ratio([(equal, p) for _, equal, p in seen]) - math.log(len(pairs)) for pair, seen in pairs.items()}
    best: dict[tuple[str, str], tuple[float, str]] = {}
    for pair, seen in sorted(pairs.items()):
        for t, equal, _ in seen:
            for own, other in (pair, pair[::-1]):
                if equal and (scored[pair], other) > best.get((t, own), (0.0, "")):
                    best[t, own] = (scored[pair], other)
    names = {(a.task, a.worker): a.id for a in answers}
    return [_copied(a, best.get((a.task, a.worker)), pairs, names, threshold) for a in answers]


def _copied(
    a: Text,
    best: tuple[float, str] | None,
    pairs: dict[tuple[str, str], list[tuple[str, bool, float]]],
    names: dict[tuple[str, str], str],
    threshold: float,
) -> Finding:
    if best is None:
        return Finding("copy", "copied", 0.0, threshold, "no other answer is the same, or chance explains it")
    score, other = best
    seen = pairs[min(a.worker, other), max(a.worker, other)]
    equal = sum(same for _, same, _ in seen)
    expected = sum(p for _, _, p in seen)
    words = f"the same text as {other[:80]!r} in {equal} of {len(seen)} common tasks, where {expected:.1f} are expected"
    shared = [Evidence("answer", of=names[t, other], value=p) for t, same, p in seen if same]
    shared.sort(key=lambda e: (e.of != names[a.task, other], e.value, e.of))
    return Finding("copy", "copied", score, threshold, words, tuple(shared[:MOST_EVIDENCE]))


def _by_task(answers: Iterable[Text]) -> dict[str, dict[str, str]]:
    """task -> worker -> folded text; an answer without a worker or a text takes no part. The last answer of a worker counts."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for a in answers:
        if a.worker and (text := fold(a.text)):
            found[a.task][a.worker] = text
    return found


class _Rates:
    """How often texts are equal, by pair, worker and task: s and d of `copy`."""

    def __init__(self, groups: dict[str, dict[str, str]]) -> None:
        self._groups = groups
        self._same = {t: Counter(people.values()) for t, people in groups.items()}
        equal, common = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
        for people in groups.values():
            for i, j in combinations(sorted(people), 2):
                common[i, j] += 1
                equal[i, j] += people[i] == people[j]
        self._equal, self._common = equal, common
        self._usual = math.sqrt((sum(equal.values()) + 1) / (sum(common.values()) + 2))
        self._fit()

    def _fit(self) -> None:
        workers = sorted({w for people in self._groups.values() for w in people})
        place = {w: k for k, w in enumerate(workers)}
        first, second = (np.array([place[pair[side]] for pair in self._common], np.int64) for side in (0, 1))
        common = np.array(list(self._common.values()), np.float64)
        equal = np.array([self._equal[pair] for pair in self._common], np.float64)

        def sums(left: Float, right: Float) -> Float:
            both = np.bincount(first, left, len(workers)) + np.bincount(second, right, len(workers))
            return np.asarray(both, np.float64)

        agreed = sums(equal, equal)  # [workers]
        able = np.full(len(workers), self._usual)
        for _ in range(ITERATIONS):
            wanted = (agreed + self._usual) / (sums(common * able[second], common * able[first]) + 1)
            able = np.sqrt(able * np.minimum(wanted, 1.0))  # the geometric mean: a plain step would swing
        met = sums(common * able[second], common * able[first])
        self._able = dict(zip(workers, able.tolist(), strict=True))
        self._agreed = dict(zip(workers, agreed.tolist(), strict=True))
        self._met = dict(zip(workers, met.tolist(), strict=True))
        self._total = {t: sum(self._able[w] for w in people) for t, people in self._groups.items()}
        self._squares = {t: sum(self._able[w] ** 2 for w in people) for t, people in self._groups.items()}
        self._pairs = {t: sum(n * (n - 1) // 2 for n in same.values()) for t, same in self._same.items()}

    def chance(self, t: str, i: str, j: str) -> float:
        """Probability that the two give the task the same text, from everybody else's answers."""
        people, same = self._groups[t], self._same[t]
        both, common = self._equal[i, j], self._common[i, j]
        mine, theirs = (
            min(1.0, (self._agreed[w] - both + self._usual) / (self._met[w] - common * self._able[o] + 1))
            for w, o in ((i, j), (j, i))
        )
        equal = self._pairs[t] - (same[people[i]] - 1) - (same[people[j]] - 1) + (people[i] == people[j])
        total = self._total[t] - self._able[i] - self._able[j]
        squares = self._squares[t] - self._able[i] ** 2 - self._able[j] ** 2
        task = (equal + 1) / (max(0.0, total**2 - squares) / 2 + 1)
        return float(min(MOST_MATCH, mine * theirs * task))


def _ratio(seen: Sequence[tuple[bool, float]]) -> float:
    """log of the mean over r of prod P(equal or not | copies r) / P(equal or not | chance)."""
    logs = [sum(math.log((r + (1 - r) * p) / p) if equal else math.log(1 - r) for equal, p in seen) for r in COPYING]
    top = max(logs)
    return top + math.log(sum(math.exp(x - top) for x in logs) / len(logs))
