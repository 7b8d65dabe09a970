"""Checks of texts beside other texts: gibberish, the prompt said back, the same text for other tasks, and copied answers.

Answers of one job -> one Finding each. Texts are compared folded: NFKC, lower case, letters and digits only, one space between words.
Deterministic: every hash and order is fixed. Nothing here knows a language; the job's own answers are the reference.
"""

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from oracle.verification.content.findings import MOST_EVIDENCE, Evidence, Finding

GRAM = 5  # characters of a shingle
LEAST_LENGTH = 30  # folded characters; a shorter text is not compared with those of other tasks
LEAST_LETTERS = 12  # folded characters; with fewer, how letters follow each other says nothing
LEAST_REFERENCE = 2_000  # characters by others; with fewer there is nothing to compare with
BANDS, ROWS = 16, 4  # of MinHash: a pair of similarity 0.9 is missed once in 10^7, one of 0.5 in three
COPYING = (0.5, 0.9)  # shares of the answers that a copier copies; both are tried
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
    """Whether letters follow each other as in the others' answers and in the prompts.

        score = 1/n sum_i log2 P(x_i) / P(x_i | x_i-2 x_i-1)        bits a character, x the folded text with a space at each end

    P is counted over all prompts and the answers of all other workers (so a worker does not vouch for itself), the trigram backed
    off to the bigram and that to the letter, with one pseudo-count each. In text that people write, what stood before makes a
    letter likelier: the score is well below 0. Where it is above 0, knowing what stood before only misleads: keys were hit at
    random. A text is not judged if it is short, if the others wrote little, or in the letters of another script than theirs.
    """
    score, judged = _surprise(answers)
    words = "how its letters follow each other is compared with the others' answers: {:+.2f} bits a character (text is below 0)"
    return [
        Finding("gibberish", "gibberish", s, threshold, words.format(s), (Evidence("bits", value=s),))
        if ok
        else Finding("gibberish", "gibberish", 0.0, max(threshold, 0.0), "too short, or too little to compare with")
        for s, ok in zip(score.tolist(), judged.tolist(), strict=True)
    ]


def _surprise(answers: Sequence[Text]) -> tuple[Float, NDArray[np.bool_]]:
    """Scores [n] and which of them mean something [n]."""
    names = [a.worker or f"\0{a.id}" for a in answers]  # who has no name vouches for all but this text
    people = {name: i for i, name in enumerate(dict.fromkeys(names))}
    prompts = [f" {fold(p)} " for p in dict.fromkeys(a.prompt for a in answers) if p]
    bodies = [f" {fold(a.text)} " for a in answers]
    owner = np.repeat(
        [people[name] for name in names] + [len(people)] * len(prompts), [len(b) for b in bodies + prompts]
    )
    of = np.repeat(np.arange(len(bodies) + len(prompts)), [len(b) for b in bodies + prompts])  # [M] text of each letter
    point = np.frombuffer("".join(bodies + prompts).encode("utf-32-le", "surrogatepass"), np.uint32)
    alphabet, letter = np.unique(point, return_inverse=True)
    size = len(alphabet) + 1
    begins = np.concatenate([[True], of[1:] != of[:-1]])  # the first letter of a text has nothing before it
    second = np.concatenate([[False], begins[:-1]])
    before = np.where(begins, size - 1, np.roll(letter, 1)).astype(np.int64)
    earlier = np.where(begins | second, size - 1, np.roll(letter, 2)).astype(np.int64)
    context1, context2 = before, earlier * size + before
    own = owner.astype(np.int64)
    one = (_others(letter, own) + 1) / (_others(np.zeros_like(letter), own) + size)
    two = (_others(context1 * size + letter, own) + one) / (_others(context1, own) + 1)
    three = (_others(context2 * size + letter, own) + two) / (_others(context2, own) + 1)
    gain = np.log2(one / three)
    sizes = np.bincount(of, minlength=len(bodies) + len(prompts))[: len(bodies)]
    score = np.bincount(of, gain, len(sizes))[: len(bodies)] / np.maximum(sizes, 1)
    known = np.bincount(of, _others(letter, own) > 0, len(sizes))[: len(bodies)] / np.maximum(sizes, 1)
    reference = len(letter) - np.bincount(own, minlength=len(people) + 1)[[people[name] for name in names]]
    judged = (sizes >= LEAST_LETTERS + 2) & (reference >= LEAST_REFERENCE) & (known >= 0.5)
    return np.where(judged, score, 0.0), judged


def _others(key: NDArray[np.int64], owner: NDArray[np.int64]) -> Float:
    """How often each key stands in the texts of other owners. [M]; prompts have an owner of their own."""
    _, place, times = np.unique(key, return_inverse=True, return_counts=True)
    _, mine, own = np.unique(
        place.astype(np.int64) * (owner.max() + 1) + owner, return_inverse=True, return_counts=True
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
            found.update(zip(members, members[1:], strict=False))
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

    Two honest workers agree because both write what is asked. With m_i the share of the others' answers that worker i's equal, m the
    crowd's mean and m_t the task's, chance and skill give two workers the same text with

        p = m_i m_j m_t / m^2

    (each share without the pair's own answers, shrunk to m; at most 0.95), and a pair of which one copies a share r of its answers with
    r + (1 - r) p. Score of each answer that the pair has in common: log of the mean over r of the likelihood ratio of all answers that
    the two gave to the same tasks, less the log of how many pairs were looked at. A ratio has mean 1 where nobody copies, so by
    Markov's inequality a score of log(1000) = 6.9 nats comes once in a thousand jobs by chance, if the model of chance holds; how
    often it comes on honest crowds is measured. Short answer spaces need no rule of their own: there m, and so p, is high.
    """
    groups = _by_task(answers)
    same = {t: Counter(text for text in people.values()) for t, people in groups.items()}
    rates = _Rates(groups, same)
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
    words = f"the same text as {other[:80]!r} in {equal} of {len(seen)} common tasks, where {expected:.1f} are expected: {score:.1f} nats"
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
    """How often texts are equal, by crowd, worker and task; each rate can be had without the answers of one pair."""

    def __init__(self, groups: dict[str, dict[str, str]], same: dict[str, Counter[str]]) -> None:
        self._groups, self._same = groups, same
        self._equal: Counter[str] = Counter()
        self._pairs: Counter[str] = Counter()
        self._with: Counter[tuple[str, str]] = Counter()
        self._common: Counter[tuple[str, str]] = Counter()
        self._task: dict[str, int] = {}
        for t, people in groups.items():
            self._task[t] = sum(n * (n - 1) // 2 for n in same[t].values())
            for i, text in people.items():
                self._equal[i] += same[t][text] - 1
                self._pairs[i] += len(people) - 1
            for i, j in combinations(sorted(people), 2):
                self._common[i, j] += 1
                self._with[i, j] += people[i] == people[j]
        self._mean = (sum(self._equal.values()) + 1) / (sum(self._pairs.values()) + 2)

    def chance(self, t: str, i: str, j: str) -> float:
        """Probability that the two give the task the same text, from everybody else's answers."""
        people, same, m = self._groups[t], self._same[t], self._mean
        both, common = self._with[i, j], self._common[i, j]
        mine, theirs = ((self._equal[w] - both + m) / (self._pairs[w] - common + 1) for w in (i, j))
        equal = self._task[t] - (same[people[i]] - 1) - (same[people[j]] - 1) + (people[i] == people[j])
        others = (len(people) - 2) * (len(people) - 3) // 2
        task = (equal + m) / (others + 1)
        return min(MOST_MATCH, mine * theirs * task / m**2)


def _ratio(seen: Sequence[tuple[bool, float]]) -> float:
    """log of the mean over r of prod P(equal or not | copies r) / P(equal or not | chance)."""
    logs = [sum(math.log((r + (1 - r) * p) / p) if equal else math.log(1 - r) for equal, p in seen) for r in COPYING]
    top = max(logs)
    return top + math.log(sum(math.exp(x - top) for x in logs) / len(logs))
