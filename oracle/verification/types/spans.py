"""Spans of a text, each with a label: named entities, highlights.

The ends of all spans of a task cut its text into pieces; for each piece and label that anybody marked there is a question of
yes or no, which the engine answers with all workers of the task (who did not mark it said no). Pieces with a probability above
one half are joined to spans; between two of them there is an end if more of the voices for both, weighted by their odds, ended
a span there than went through.

The confidence is the product over the questions of a task. Reduction to pieces, as of tokens in Simpson & Gurevych (2019),
https://doi.org/10.18653/v1/D19-1101, and Nguyen et al. (2017), https://doi.org/10.18653/v1/P17-1028; F1 of exact spans: Tjong
Kim Sang & De Meulder (2003), https://aclanthology.org/W03-0419; agreement as in Braylan, Alonso & Lease (2022),
https://doi.org/10.1145/3485447.3512242.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import numpy as np
from scipy.special import logit

from oracle.verification.types import agreement
from oracle.verification.types.answer import AnswerType, Categorical, Consensus, Given, Int32, Unreadable
from oracle.verification.types.documents import MOST_ITEMS, NAME, parsed, written

MOST_LENGTH = 1_000_000_000  # characters of a text
_END = {"type": "integer", "minimum": 0, "maximum": MOST_LENGTH}
_SPAN = {
    "type": "object",
    "properties": {"start": _END, "end": _END, "label": NAME},
    "required": ["start", "end"],
    "additionalProperties": False,
}
_SCHEMA = {"type": "array", "items": _SPAN, "maxItems": MOST_ITEMS}
_EXAMPLE = '[{"start":0,"end":5,"label":"PER"}]'

Span = tuple[int, int, str]  # start, end (not in it), label
Spans = tuple[Span, ...]


def spans(labels: Sequence[str] | None = None) -> AnswerType:
    """Any number of spans, labelled with one of `labels` or with whatever was answered; offsets count characters from 0."""
    return AnswerType(
        name="spans",
        read=partial(read, labels=labels),
        write=write,
        aggregate=aggregate,
        near=0.1,
        distance=lambda left, right: 1 - overlap(left, right),
        agreement=lambda given: agreement.by_distance(given, lambda left, right: 1 - overlap(left, right)),
        measure="Krippendorff's alpha, 1 - F1 of the characters marked",
        score=score,
    )


def read(text: str, labels: Sequence[str] | None = None) -> Spans:
    """A JSON list of spans, in any order. Raises Unreadable: an empty span, two of one label that overlap, another label."""
    found = sorted((s["start"], s["end"], s.get("label", "")) for s in parsed(text, _SCHEMA, _EXAMPLE))
    for start, end, label in found:
        if end <= start:
            raise Unreadable(f"{text[:40]!r}: the span {start}..{end} is empty; its end lies behind its start")
        if labels is not None and label not in labels:
            raise Unreadable(
                f"{text[:40]!r}: {label[:40]!r} is none of the labels ({', '.join(labels)[:200]}); correct it"
            )
    for name in {label for _, _, label in found}:
        for left, right in pairwise(span for span in found if span[2] == name):
            if right[0] < left[1]:
                raise Unreadable(f"{text[:40]!r}: two spans {name[:40]!r} overlap at {right[0]}; join them")
    return tuple(found)


def write(value: Spans) -> str:
    """JSON, by start."""
    return written([{"start": a, "end": b, **({"label": label} if label else {})} for a, b, label in value])


def aggregate(given: Given, engine: Categorical) -> Consensus:
    """Quality: the mean probability of the worker's yes and no."""
    groups = given.by_task()
    pieces = [_pieces([given.value[n] for n in group]) for group in groups]  # of each task
    first = np.cumsum([0, *map(len, pieces)])
    task, worker, said = [], [], []
    for t, group in enumerate(groups):
        for q, piece in enumerate(pieces[t]):
            task += [first[t] + q] * len(group)
            worker += given.worker[group].tolist()
            said += [int(covers(given.value[n], piece)) for n in group]
    columns: list[Int32] = [np.array(column, np.int32) for column in (task, worker, said)]
    chance = engine(columns[0], columns[1], columns[2], int(first[-1]), given.workers, 2)[:, 1] if task else np.zeros(0)
    right = np.where(columns[2] == 1, chance[columns[0]], 1 - chance[columns[0]])
    quality = (np.bincount(columns[1], right, given.workers) + 1) / (
        np.bincount(columns[1], minlength=given.workers) + 2
    )
    values: list[Spans | None] = []
    confidence = np.zeros(given.tasks)
    for t, group in enumerate(groups):
        sure = chance[first[t] : first[t + 1]]
        kept = [piece for piece, p in zip(pieces[t], sure, strict=True) if p > 0.5]
        voices = [(given.value[n], quality[given.worker[n]]) for n in group]
        values.append(_joined(kept, voices) if len(group) else None)
        confidence[t] = np.maximum(sure, 1 - sure).prod() if len(group) else 0.0
    return Consensus(values, confidence, quality)


def covers(value: Spans, piece: Span) -> bool:
    """Is the piece inside a span of its label?"""
    return any(start <= piece[0] and piece[1] <= end and label == piece[2] for start, end, label in value)


def overlap(left: Spans, right: Spans) -> float:
    """F1 of the characters marked, label by label; two empty answers are alike."""
    total = sum(end - start for start, end, _ in (*left, *right))
    both = sum(max(0, min(a[1], b[1]) - max(a[0], b[0])) for a in left for b in right if a[2] == b[2])
    return 2 * both / total if total else 1.0


def score(values: Sequence[Spans], known: Sequence[Spans]) -> dict[str, float]:
    """Precision, recall and F1 of exact spans over all tasks, and the mean F1 of characters."""
    pairs = list(zip(values, known, strict=True))
    both = sum(len({*v} & {*k}) for v, k in pairs)
    found, truth = sum(len(v) for v, _ in pairs), sum(len(k) for _, k in pairs)
    return {
        "precision": both / found if found else 1.0,
        "recall": both / truth if truth else 1.0,
        "f1": 2 * both / (found + truth) if found + truth else 1.0,
        "characters": float(np.mean([overlap(v, k) for v, k in pairs])),
    }


def _pieces(values: Sequence[Spans]) -> list[Span]:
    """What anybody marked with a label, cut wherever anybody's span of that label begins or ends."""
    found = []
    for label in sorted({span[2] for value in values for span in value}):
        marked = [span for value in values for span in value if span[2] == label]
        cuts = sorted({end for span in marked for end in span[:2]})
        whole = {(a, b) for a, b in pairwise(cuts) if any(s <= a and b <= e for s, e, _ in marked)}
        found += [(a, b, label) for a, b in sorted(whole)]
    return found


def _joined(kept: Sequence[Span], voices: Sequence[tuple[Spans, float]]) -> Spans:
    found: list[Span] = []
    for start, end, label in kept:
        if found and found[-1][2] == label and found[-1][1] == start and not _ends(start, label, voices):
            found[-1] = (found[-1][0], end, label)
        else:
            found.append((start, end, label))
    return tuple(sorted(found))


def _ends(at: int, label: str, voices: Sequence[tuple[Spans, float]]) -> bool:
    """Do the voices with a span on both sides of `at` end one there, rather than go through?"""
    balance = 0.0
    for value, quality in voices:
        mine = [span for span in value if span[2] == label]
        weight = float(logit(np.clip(quality, 0.51, 0.99)))
        if any(start < at < end for start, end, _ in mine):
            balance -= weight
        elif any(end == at for _, end, _ in mine) and any(start == at for start, _, _ in mine):
            balance += weight
    return balance > 0
