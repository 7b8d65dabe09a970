"""What a job asks of people, from its words: language, domain, skills, difficulty, time, needs, and what is wrong with it.

Instructions, classes, payloads (and, where they are known: a language, vectors of texts, what earlier tasks took) -> Understanding.
Pure: whoever calls brings the sentence model and the checks of texts; without the model words are compared (`words_alike`), and
without history the estimates are those of the literature with the wide interval that a cold start deserves.

    time        reading + choosing + looking: words / 238 a minute (Brysbaert 2019, https://doi.org/10.1016/j.jml.2019.104047),
                0.5 s log2(C + 1) for C classes after 2 s (Hick 1952, https://doi.org/10.1080/17470215208416600), 3 s for a picture;
                30 s for a free answer, which is a guess
    difficulty  share of answers expected to be wrong; of the K nearest earlier tasks, drawn to the cold value by PULL of them
    interval    nine in ten: quantiles of the neighbours when there are PULL of them or more, else COLD around the estimate
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vectors = Callable[[Sequence[str]], NDArray[np.float32]]  # unit vectors of distinct texts, [n, D]

WORDS_PER_SECOND = 238 / 60
DECIDE_S, BIT_S, LOOK_S, WRITE_S = 2.0, 0.5, 3.0, 30.0
COLD_TIME = 2.5  # a cold estimate is right within this factor, we suppose
COLD_WRONG, COLD_SPREAD = 0.15, (0.02, 0.5)  # of answers, over the public crowds that we know
NEAREST, PULL = 10, 5
ALIKE = 0.85  # cosine at which two classes mean the same
SAMPLE = 200  # tasks that are looked at
SHOWN = 20  # warnings of one kind
WAYS_OUT = re.compile(
    r"\b(none|other|neither|unclear|uncertain|unsure|cannot|can't|don't know|unknown|no|both|empty|off)\b",
    re.IGNORECASE,
)
VAGUE = re.compile(
    r"\b(appropriate|suitable|as needed|if necessary|reasonable|etc|and so on|good enough|properly)\b", re.IGNORECASE
)
LINK = re.compile(r"https?://\S+", re.IGNORECASE)
KINDS = {
    "image": r"\.(png|jpe?g|gif|webp|tiff?)$",
    "audio": r"\.(mp3|wav|ogg|flac|m4a)$",
    "video": r"\.(mp4|webm|mov)$",
}


@dataclass(frozen=True, slots=True)
class Known:
    """An earlier task, and what it took."""

    text: str
    seconds: float
    wrong: float  # share of its answers


@dataclass(frozen=True, slots=True)
class Subject:
    """A domain: how it is described, and the skills that it asks for."""

    name: str
    describes: str
    skills: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Estimate:
    """`low` to `high` should hold nine in ten; `like`: earlier tasks that it comes from, 0 for a cold start."""

    value: float
    low: float
    high: float
    like: int = 0


@dataclass(frozen=True, slots=True)
class Warned:
    """`code` is for programs; `where`: a field of the manifest, or the id of a task."""

    code: str
    where: str
    words: str


@dataclass(frozen=True, slots=True)
class Understanding:
    language: str | None  # ISO 639-1, where it is known
    answer: str  # what is asked for: yes or no, one of a scale, one of several, a comparison, or free
    domains: tuple[tuple[str, float], ...]  # likeness in -1..1, best first
    skills: tuple[str, ...]
    needs: tuple[str, ...]  # text, image, audio, video, link
    seconds: Estimate
    difficulty: Estimate
    warnings: tuple[Warned, ...]
    model: str  # what compared the texts


def understand(
    title: str,
    instructions: str,
    classes: Sequence[str],
    tasks: Sequence[tuple[str, Any]],
    subjects: Sequence[Subject],
    *,
    vectors: Vectors | None = None,
    language: Callable[[str], str | None] = lambda _: None,
    personal: Callable[[str], Sequence[str]] = lambda _: (),
    history: Sequence[Known] = (),
) -> Understanding:
    """tasks: (id, payload); classes: none where answers are free. `language` names that of a text; `personal` the kinds of personal

    data in it.
    """
    looked = _spread(tasks)
    texts = [(name, text_of(payload)) for name, payload in looked]
    alike = likeness(vectors)
    parts = [title, instructions, ", ".join(classes), *(text for _, text in texts[:20])]
    close = alike(parts, [s.describes for s in subjects]) if subjects else np.zeros((len(parts), 0))
    close = np.vstack([close[:3], close[3:].mean(0, keepdims=True)] if texts else [close]).mean(0)
    order = sorted(range(len(subjects)), key=lambda i: (-close[i], subjects[i].name))
    domains = tuple((subjects[i].name, round(float(close[i]), 3)) for i in order)
    needs = tuple(sorted({need for _, payload in looked for need in _needs(payload)})) or ("nothing",)
    whole = [text for _, text in texts] or [""]
    spoken = language(" ".join((instructions, *whole[:20])))
    return Understanding(
        spoken,
        _answer(classes),
        domains,
        subjects[order[0]].skills if order else (),
        needs,
        _seconds(whole, len(classes), needs, history, alike),
        _difficulty(whole, history, alike),
        tuple(_warnings(title, instructions, classes, looked, texts, alike, language, personal)),
        "words" if vectors is None else "sentence model",
    )


def text_of(payload: Any) -> str:
    """All words of a payload, without links; of hostile depth as much as there is."""
    found: list[str] = []
    waiting = [payload]
    while waiting and len(found) < 1_000:
        part = waiting.pop()
        if isinstance(part, Mapping):
            waiting += reversed(list(part.values()))
        elif isinstance(part, list | tuple):
            waiting += reversed(part)
        elif isinstance(part, str):
            found.append(LINK.sub("", part)[:20_000])
    return " ".join(found).strip()


def likeness(vectors: Vectors | None) -> Callable[[Sequence[str], Sequence[str]], NDArray[np.float64]]:
    """Texts, texts -> how alike each pair is, [n, m]: the cosine of their vectors, or of their words."""
    if vectors is None:
        return words_alike
    embed = vectors

    def alike(one: Sequence[str], two: Sequence[str]) -> NDArray[np.float64]:
        distinct = sorted({*one, *two})
        place = {text: i for i, text in enumerate(distinct)}
        rows = np.asarray(embed(distinct), np.float64)
        found: NDArray[np.float64] = rows[[place[t] for t in one]] @ rows[[place[t] for t in two]].T
        return found

    return alike


def words_alike(one: Sequence[str], two: Sequence[str]) -> NDArray[np.float64]:
    """Cosine of word counts, words of four letters or more cut to six so that forms of a word are one."""
    bags = [[Counter(w[:6] for w in re.findall(r"\w{4,}", text.lower())) for text in texts] for texts in (one, two)]
    sizes = [[math.sqrt(sum(n * n for n in bag.values())) or 1.0 for bag in side] for side in bags]
    return np.array(
        [
            [sum(n * b[w] for w, n in a.items()) / (sizes[0][i] * sizes[1][j]) for j, b in enumerate(bags[1])]
            for i, a in enumerate(bags[0])
        ]
    ).reshape(len(one), len(two))


# ----------------------------------------------------------------------------------------------------------- estimates


def _seconds(
    texts: Sequence[str], classes: int, needs: Sequence[str], history: Sequence[Known], alike: Callable[..., Any]
) -> Estimate:
    looks = LOOK_S * sum(need in ("image", "audio", "video", "link") for need in needs)
    read = float(np.median([len(text.split()) for text in texts])) / WORDS_PER_SECOND
    answer = DECIDE_S + BIT_S * math.log2(classes + 1) if classes else WRITE_S
    cold = read + answer + looks
    near = _near(texts, history, alike)
    if not near:
        return Estimate(round(cold, 1), round(cold / COLD_TIME, 1), round(cold * COLD_TIME, 1))
    ratios = np.array([k.seconds / (len(k.text.split()) / WORDS_PER_SECOND + cold - read) for k in near])
    pulled = math.exp((np.log(ratios).sum() + 0.0) / (len(near) + PULL))
    low, high = np.quantile(ratios, [0.05, 0.95]) if len(near) >= PULL else (pulled / COLD_TIME, pulled * COLD_TIME)
    low, high = min(low, pulled), max(high, pulled)
    return Estimate(round(cold * pulled, 1), round(cold * float(low), 1), round(cold * float(high), 1), len(near))


def _difficulty(texts: Sequence[str], history: Sequence[Known], alike: Callable[..., Any]) -> Estimate:
    near = _near(texts, history, alike)
    wrong = np.array([k.wrong for k in near])
    value = float((wrong.sum() + PULL * COLD_WRONG) / (len(near) + PULL))
    low, high = np.quantile(wrong, [0.05, 0.95]) if len(near) >= PULL else COLD_SPREAD
    return Estimate(round(value, 3), round(min(float(low), value), 3), round(max(float(high), value), 3), len(near))


def _near(texts: Sequence[str], history: Sequence[Known], alike: Callable[..., Any]) -> list[Known]:
    """The earlier tasks that are most like these."""
    if not history:
        return []
    close = alike(list(texts), [k.text for k in history]).mean(0)
    return [history[i] for i in np.argsort(-close, kind="stable")[:NEAREST]]


def _answer(classes: Sequence[str]) -> str:
    if not classes:
        return "free"
    low = {c.lower() for c in classes}
    if {"yes", "no"} <= low or {"true", "false"} <= low or {"0", "1"} == low:
        return "yes or no"
    if len(low) > 2 and all(re.fullmatch(r"-?\d+", c) for c in classes):
        return "scale"
    return "comparison" if {"first", "second"} <= low else "choice"


def _needs(payload: Any) -> Iterator[str]:
    if text_of(payload):
        yield "text"
    for link in _links(payload):
        path = re.sub(r"[?#].*$", "", link).lower()
        yield next((kind for kind, ending in KINDS.items() if re.search(ending, path)), "link")


def _links(payload: Any) -> list[str]:
    if isinstance(payload, str):
        return LINK.findall(payload[:20_000])[:20]
    inner = payload.values() if isinstance(payload, Mapping) else payload if isinstance(payload, list | tuple) else ()
    return [link for part in list(inner)[:50] if isinstance(part, str) for link in _links(part)]


# ------------------------------------------------------------------------------------------------------------ warnings


def _warnings(
    title: str,
    instructions: str,
    classes: Sequence[str],
    looked: Sequence[tuple[str, Any]],
    texts: Sequence[tuple[str, str]],
    alike: Callable[..., Any],
    language: Callable[[str], str | None],
    personal: Callable[[str], Sequence[str]],
) -> Iterator[Warned]:
    yield from _unclear(instructions, classes, alike)
    spoken = language(instructions)
    for name, kinds in ((n, personal(text)) for n, text in [("title", title), ("instructions", instructions), *texts]):
        if kinds:
            yield Warned(
                "personal-data", name, f"holds what looks like {', '.join(kinds)}: take it out, it becomes public"
            )
    foreign = [(n, found) for n, text in texts if (found := language(text)) not in (None, spoken) and spoken]
    for name, found in foreign[:SHOWN]:
        yield Warned("language", name, f"reads as {found}, the instructions as {spoken}")
    for name, payload in [(n, p) for n, p in looked if p in (None, "", [], {})][:SHOWN]:
        yield Warned("empty", name, f"has no payload ({payload!r}): its id is all that a worker sees")


def _unclear(instructions: str, classes: Sequence[str], alike: Callable[..., Any]) -> Iterator[Warned]:
    if classes:
        close = alike(list(classes), list(classes))
        for one, two in np.argwhere(np.triu(close >= ALIKE, 1)).tolist():
            yield Warned("ambiguous", "answer.classes", f"{classes[one]!r} and {classes[two]!r} say nearly the same")
    if len(instructions.split()) < 8:
        yield Warned("ambiguous", "instructions", "are shorter than a sentence: say what to look at and how to decide")
    elif classes and not any(c.lower() in instructions.lower() for c in classes):
        yield Warned("ambiguous", "instructions", "name none of the classes: say when each is right")
    if vague := sorted({m.lower() for m in VAGUE.findall(instructions)}):
        yield Warned("ambiguous", "instructions", f"leave open what is meant by: {', '.join(vague)}")
    binary = _answer(classes) == "yes or no" or len(classes) == 2
    if classes and not binary and not any(WAYS_OUT.search(c) for c in classes):
        yield Warned(
            "ambiguous", "answer.classes", "have no way out (none of these, cannot tell): who is unsure guesses"
        )


def _spread(tasks: Sequence[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Up to SAMPLE, evenly over the job."""
    if len(tasks) <= SAMPLE:
        return list(tasks)
    return [tasks[i * len(tasks) // SAMPLE] for i in range(SAMPLE)]
