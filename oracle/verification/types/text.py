"""Free text and transcriptions: answers laid word by word, a vote of weighted voices in each place, then the best whole.

1. Canonical words: NFKC, case folded; all but letters, digits, marks and inner apostrophes is space.
2. The answers of a task side by side (`words.Lattice`, ROVER), from the medoid outwards: places, each with the words there.
3. In each place a one-coin model: answer a is right with probability r_a, a wrong voice says one of `MISTAKES` other words,

       P(word w) ~ prod over a that say w of r_a MISTAKES / (1 - r_a),    and 1 for a word that nobody said

   r_a, by EM, is the share of right words in the answer, drawn to its worker's as if by `WEIGHT` words, and that to the crowd's
   likewise: a bad answer of a good worker counts little.
4. Candidates are the answers and the row of most probable words; the value is the one with the least expected loss, 1 - GLEU,
   over the answers weighted by the root of their odds r / (1 - r). A translation is so picked whole; a transcription is mostly
   the row.

The confidence is the product over the places of the value's words, with scores divided by the design effect 1 + SHARED (n - 1).

Fiscus (1997), ROVER, https://doi.org/10.1109/ASRU.1997.659110; one-coin: Dawid & Skene (1979), https://doi.org/10.2307/2346806;
minimum Bayes risk: Kumar & Byrne (2004), https://aclanthology.org/N04-1022; GLEU: Wu et al. (2016),
https://doi.org/10.48550/arXiv.1609.08144; the crowds: Pavlichenko et al. (2021), https://doi.org/10.48550/arXiv.2107.01091, and
Li & Fukumoto (2019), https://doi.org/10.18653/v1/D19-5904.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from oracle.verification.types import agreement
from oracle.verification.types.answer import AnswerType, Categorical, Consensus, Float, Given, Ints, Unreadable
from oracle.verification.types.words import Lattice, Words, apart, edits

MISTAKES = 2.0
WEIGHT = 20.0  # words
SHARED = 0.25  # correlation of the errors of two answers to one task
ITERATIONS = 15
MOST_CELLS = 1 << 19  # of a task's alignments; beyond it its answers are compared whole, not word by word
GRAMS = 4


def text(unit: str = "word") -> AnswerType:
    """The type of a text. `unit`: what errors are counted in, "word" or (in scripts without spaces) "character"."""
    split = partial(canonical, unit=unit)
    return AnswerType(
        name="text",
        read=read,
        write=str,
        aggregate=partial(aggregate, unit=unit),
        near=0.1,
        distance=lambda left, right: apart(split(left), split(right)),
        agreement=lambda given: agreement.by_distance(_replace(given, split), apart),
        measure="Krippendorff's alpha, edits as a share of the longer text's words",
        score=partial(score, unit=unit),
    )


def read(text: str) -> str:
    """The text itself, without the white space around it; it may be empty. Raises Unreadable for control characters."""
    text = text.strip()
    odd = next((c for c in text if unicodedata.category(c) == "Cc" and c not in "\n\r\t"), None)
    if odd is not None:
        raise Unreadable(f"{text[:40]!r} holds the control character {odd!r}; delete it")
    return text


def canonical(text: str, unit: str = "word") -> Words:
    """The words (or characters) that are compared."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'").replace("\u02bc", "'")
    kept = "".join(c if c == "'" or c.isalnum() or unicodedata.category(c)[0] == "M" else " " for c in folded)
    words = tuple(word for part in kept.split() if (word := part.strip("'")))
    return words if unit == "word" else tuple(" ".join(words))


def aggregate(given: Given, _: Categorical, unit: str = "word") -> Consensus:
    """The value is an answer as it was written where its words were chosen, else the words. Quality: share of right words.

    One more column: `canonical`, the words chosen.
    """
    split = {value: canonical(value, unit) for value in set(given.value)}
    words = [split[value] for value in given.value]
    groups = given.by_task()
    places = _places(words, groups)
    right, quality, chances = _one_coin(places, given)
    rows, row_chance, own_chance = _rows(places, chances, given)
    grams = {value: ngrams(value) for value in {*words, *rows}}
    odds = np.sqrt(right / (1 - right))  # [N]
    values: list[str | None] = []
    chosen: list[Words] = []
    confidence = np.zeros(given.tasks)
    for task, (group, row) in enumerate(zip(groups, rows, strict=True)):
        choice = _least_loss([(words[n], odds[n]) for n in group], row, grams)
        same = [n for n in group if words[n] == choice]
        joined = (" " if unit == "word" else "").join(choice)
        spoken = given.value[max(same, key=lambda n: (right[n], -n))] if same else joined
        values.append(spoken if len(group) else None)
        chosen.append(choice)
        confidence[task] = (own_chance[same[0]] if same else row_chance[task]) if len(group) else 0.0
    joint = " " if unit == "word" else ""
    return Consensus(values, confidence, quality, {"canonical": [joint.join(choice) for choice in chosen]})


def score(values: Sequence[str], known: Sequence[str], unit: str = "word") -> dict[str, float]:
    """Error rate: edits over the words of all known texts (`wer`; `cer` for characters); and the mean GLEU of a text."""
    pairs = [(canonical(value, unit), canonical(truth, unit)) for value, truth in zip(values, known, strict=True)]
    wrong = sum(edits(value, truth) for value, truth in pairs)
    rate = wrong / max(sum(len(truth) for _, truth in pairs), 1)
    likeness = float(np.mean([gleu(ngrams(value), ngrams(truth)) for value, truth in pairs]))
    return {"wer" if unit == "word" else "cer": rate, "gleu": likeness}


def ngrams(words: Words) -> Counter[Words]:
    """All runs of 1 to `GRAMS` words."""
    return Counter(words[i : i + n] for n in range(1, GRAMS + 1) for i in range(len(words) - n + 1))


def gleu(left: Counter[Words], right: Counter[Words]) -> float:
    """Common runs over the runs of the longer text: the lesser of precision and recall. Two empty texts are alike."""
    longer = max(left.total(), right.total())
    return (left & right).total() / longer if longer else 1.0


# ---------------------------------------------------------------- places, and who is right in them


@dataclass(frozen=True, slots=True)
class _Places:
    """P places of all tasks, in order, and the M different things said in them; E sayings, one for each answer and place."""

    task: Ints  # [P] ascending
    first: Ints  # [P] where a place's things begin
    thing: list[Words]  # [M] a word, () for none, or a whole text
    place: Ints  # [M]
    said: Ints  # [E] which thing
    by: Ints  # [E] which answer


def _places(words: list[Words], groups: Sequence[Ints]) -> _Places:
    thing: list[Words] = []
    task: list[int] = []
    first: list[int] = []
    place: list[int] = []
    said: list[int] = []
    by: list[int] = []
    for t, group in enumerate(groups):
        for column in zip(*_laid([words[n] for n in group]), strict=True):
            task.append(t)
            first.append(len(thing))
            index = {one: len(thing) + i for i, one in enumerate(sorted(set(column)))}
            thing.extend(index)
            place.extend([len(task) - 1] * len(index))
            said.extend([index[one] for one in column])
            by.extend(group.tolist())
    ints = [np.asarray(numbers, np.int64) for numbers in (task, first, place, said, by)]
    return _Places(ints[0], ints[1], thing, ints[2], ints[3], ints[4])


def _laid(answers: list[Words]) -> list[list[Words]]:
    """The answers over common places, from the medoid outwards."""
    if not answers:
        return []
    kinds = Counter(answers)
    if len(kinds) * max(len(words) for words in kinds) ** 2 > MOST_CELLS:
        return [[words] for words in answers]
    far = {one: {other: edits(one, other) for other in kinds} for one in kinds}
    medoid = min(kinds, key=lambda one: (sum(far[one][other] * n for other, n in kinds.items()), one))
    order = sorted(range(len(answers)), key=lambda i: (far[medoid][answers[i]], answers[i]))
    lattice = Lattice(answers[order[0]])
    for i in order[1:]:
        lattice.add(answers[i])
    rows: list[list[Words]] = [[] for _ in answers]
    for i, row in zip(order, lattice.rows, strict=True):
        rows[i] = [(word,) if word else () for word in row]
    return rows


def _one_coin(places: _Places, given: Given) -> tuple[Float, Float, Float]:
    """Share of right words of each answer [N] and worker [K], and the chance of each thing [M], tempered."""
    length = np.bincount(places.by, minlength=len(given.value))  # [N] places
    each = np.bincount(given.worker, length, given.workers)  # [K]
    many = np.bincount(places.said, minlength=len(places.thing))
    voices = np.add.reduceat(many, places.first)[places.place] if len(many) else many  # [M] answers in the place
    right = np.full(len(given.value), 0.8)
    for _ in range(ITERATIONS):
        weight = np.log(right * MISTAKES / (1 - right))  # [N]
        scores = np.bincount(places.said, weight[places.by], len(places.thing)).astype(np.float64)  # [M]
        hits = np.bincount(places.by, _softmax(places, scores)[places.said], len(given.value))  # [N]
        crowd = (hits.sum() + 1) / (length.sum() + 2)
        worker = (np.bincount(given.worker, hits, given.workers) + WEIGHT * crowd) / (each + WEIGHT)
        right = np.clip((hits + WEIGHT * worker[given.worker]) / (length + WEIGHT), 0.02, 0.98)
    return right, worker, _softmax(places, scores / (1 + SHARED * (voices - 1)))


def _softmax(places: _Places, scores: Float) -> Float:
    """Chances of the things of each place; what nobody said stands beside them with score 0."""
    if not len(scores):
        return scores
    top = np.maximum(np.maximum.reduceat(scores, places.first), 0)
    shares = np.exp(scores - top[places.place])
    total: Float = np.add.reduceat(shares, places.first) + np.exp(-top)
    return np.asarray(shares / total[places.place], np.float64)


def _rows(places: _Places, chances: Float, given: Given) -> tuple[list[Words], Float, Float]:
    """The most probable thing of each place in a row [T], the chance of the row [T], and of each answer [N]."""
    logs = np.log(np.maximum(chances, 1e-300))
    best = np.lexsort(
        (-np.arange(len(logs)), logs, places.place)
    )  # the last of each place is its best, ties to the first
    best = best[np.append(places.first[1:], len(logs)) - 1] if len(logs) else best
    words: list[list[str]] = [[] for _ in range(given.tasks)]
    for task, thing in zip(places.task.tolist(), best.tolist(), strict=True):
        words[task].extend(places.thing[thing])
    row = np.exp(np.bincount(places.task, logs[best], given.tasks))
    own = np.exp(np.bincount(places.by, logs[places.said], len(given.value)))
    return [tuple(one) for one in words], row, own


def _least_loss(voices: list[tuple[Words, float]], row: Words, grams: dict[Words, Counter[Words]]) -> Words:
    """The candidate with the most weighted GLEU to the answers; ties to the row, then to the first in order."""
    weight: Counter[Words] = Counter()
    for words, odds in voices:
        weight[words] += odds  # type: ignore[assignment] # a Counter adds whatever adds
    gains = {one: sum(w * gleu(grams[one], grams[other]) for other, w in weight.items()) for one in {*weight, row}}
    return min(gains, key=lambda one: (-gains[one], one != row, one))


def _replace(given: Given, split: partial[Words]) -> Given:
    known = {value: split(value) for value in set(given.value)}
    return replace(given, value=[known[value] for value in given.value])
