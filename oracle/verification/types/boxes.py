"""Boxes about the objects in a picture, each with a label.

1. Objects: starting from the answer most like the others, each answer's boxes are matched one to one (the most overlap in all)
   to the objects found so far; a box that overlaps its object by less than `SAME` is an object of its own.
2. Is it there? For each object a question of yes or no that the engine answers with all workers of the task.
3. Where? Each edge of an object is a number: how far outside the median edge, as a share of the median box's size, each worker
   drew it. Who draws wide is drawn back by his median offset, and the number model averages what is left, with a bias and a
   spread for each worker.
4. What? The engine once more, over the labels that its boxes bear.

The value holds the objects with a probability above one half; the confidence is the product over the objects.

Annotators of boxes: Welinder & Perona (2010), https://doi.org/10.1109/CVPRW.2010.5543189; the overlap of one half: Everingham
et al. (2010), https://doi.org/10.1007/s11263-009-0275-4; matching: Kuhn (1955), https://doi.org/10.1002/nav.3800020109.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import linear_sum_assignment

from oracle.verification.types import agreement
from oracle.verification.types import number as numbers
from oracle.verification.types.answer import AnswerType, Categorical, Consensus, Float, Given, Int32, Unreadable
from oracle.verification.types.documents import COORDINATE, MOST_ITEMS, NAME, parsed, written

FEW = 10
SAME = 0.5  # overlap (IoU) of two boxes of one object
_AT = {"type": "number", "minimum": -COORDINATE, "maximum": COORDINATE}
_SIZE = {"type": "number", "exclusiveMinimum": 0, "maximum": COORDINATE}
_BOX = {
    "type": "object",
    "properties": {"x": _AT, "y": _AT, "w": _SIZE, "h": _SIZE, "label": NAME},
    "required": ["x", "y", "w", "h"],
    "additionalProperties": False,
}
_SCHEMA = {"type": "array", "items": _BOX, "maxItems": MOST_ITEMS}
_EXAMPLE = '[{"x":10,"y":20,"w":30,"h":40,"label":"car"}]'
_OUTWARD = np.array([-1.0, -1.0, 1.0, 1.0])  # left, top, right, bottom

Box = tuple[float, float, float, float, str]  # left, top, right, bottom, label
Boxes = tuple[Box, ...]


def boxes(labels: Sequence[str] | None = None) -> AnswerType:
    """Any number of boxes, labelled with one of `labels` or with whatever was answered; x and y are the left upper corner."""
    return AnswerType(
        name="boxes",
        read=partial(read, labels=labels),
        write=write,
        aggregate=aggregate,
        near=0.25,
        distance=lambda left, right: 1 - likeness(left, right),
        agreement=lambda given: agreement.by_distance(given, lambda left, right: 1 - likeness(left, right)),
        measure="Krippendorff's alpha, 1 - F1 of the boxes matched, by their overlap",
        score=score,
    )


def read(text: str, labels: Sequence[str] | None = None) -> Boxes:
    """A JSON list of boxes, in any order. Raises Unreadable."""
    found: list[Box] = []
    for box in parsed(text, _SCHEMA, _EXAMPLE):
        label = box.get("label", "")
        if labels is not None and label not in labels:
            raise Unreadable(
                f"{text[:40]!r}: {label[:40]!r} is none of the labels ({', '.join(labels)[:200]}); correct it"
            )
        left, top = float(box["x"]), float(box["y"])
        found.append((left, top, left + box["w"], top + box["h"], label))
    return tuple(sorted(found))


def write(value: Boxes) -> str:
    """JSON, from left to right."""
    return written(
        [
            {"x": a, "y": b, "w": c - a, "h": d - b, **({"label": label} if label else {})}
            for a, b, c, d, label in sorted(value)
        ]
    )


@dataclass(slots=True)
class _Object:
    """One thing in one picture, and the boxes that were drawn about it."""

    task: int
    voices: dict[int, Box] = field(default_factory=dict)  # by the number of the answer

    def middle(self) -> Float:
        """The median of each edge. [4]"""
        return np.asarray(np.median([box[:4] for box in self.voices.values()], 0), np.float64)


def aggregate(given: Given, engine: Categorical) -> Consensus:
    """Quality: the mean probability of the worker's yes and no."""
    groups = given.by_task()
    objects = [one for t, group in enumerate(groups) for one in _objects(t, [(int(n), given.value[n]) for n in group])]
    asked = [(o, n) for o, one in enumerate(objects) for n in groups[one.task].tolist()]
    about = np.array([o for o, _ in asked], np.int32)
    worker = given.worker[[n for _, n in asked]] if asked else np.zeros(0, np.int32)
    said = np.array([n in objects[o].voices for o, n in asked], np.int32)
    chance = engine(about, worker, said, len(objects), given.workers, 2)[:, 1] if asked else np.zeros(0)
    right = np.where(said == 1, chance[about], 1 - chance[about])
    quality = (np.bincount(worker, right, given.workers) + 1) / (np.bincount(worker, minlength=given.workers) + 2)
    edges, labels = _edges(objects, given, engine), _labels(objects, given, engine)
    found: list[list[Box]] = [[] for _ in groups]
    confidence = np.array([float(len(group) > 0) for group in groups])
    for one, where, label, p in zip(objects, edges, labels, chance, strict=True):
        confidence[one.task] *= max(p, 1 - p)
        if p > 0.5:
            left, top, far, bottom = where.tolist()
            found[one.task].append((left, top, far, bottom, label))
    values = [tuple(sorted(some)) if len(group) else None for some, group in zip(found, groups, strict=True)]
    return Consensus(values, confidence, quality)


def overlaps(left: ArrayLike, right: ArrayLike) -> Float:
    """Intersection over union of all pairs of boxes (left, top, right, bottom). [A, B]"""
    a, b = np.asarray(left, np.float64).reshape(-1, 1, 4), np.asarray(right, np.float64).reshape(1, -1, 4)
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    both = np.maximum(sides, 0).prod(-1)
    sizes = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1)
    return np.asarray(both / (sizes - both), np.float64)


def matched(left: Boxes, right: Boxes) -> Float:
    """Overlaps above 0 of boxes of one label, matched one to one with the most overlap in all. [pairs]"""
    if not left or not right:
        return np.zeros(0)
    shares = overlaps([box[:4] for box in left], [box[:4] for box in right])
    shares = shares * (np.array([box[4] for box in left])[:, None] == np.array([box[4] for box in right])[None, :])
    pairs: Float = shares[linear_sum_assignment(-shares)]
    return pairs[pairs > 0]


def likeness(left: Boxes, right: Boxes) -> float:
    """2 x the overlap of matched boxes over the number of boxes; two empty answers are alike."""
    return float(2 * matched(left, right).sum() / (len(left) + len(right))) if left or right else 1.0


def score(values: Sequence[Boxes], known: Sequence[Boxes]) -> dict[str, float]:
    """Precision, recall and F1 of boxes that overlap a known one of their label by `SAME`, and the mean overlap of those."""
    pairs = list(zip(values, known, strict=True))
    hits = np.concatenate([np.zeros(0), *(matched(v, k) for v, k in pairs)])
    hits = hits[hits >= SAME]
    found, truth = sum(len(v) for v, _ in pairs), sum(len(k) for _, k in pairs)
    return {
        "precision": len(hits) / found if found else 1.0,
        "recall": len(hits) / truth if truth else 1.0,
        "f1": 2 * len(hits) / (found + truth) if found + truth else 1.0,
        "overlap": float(hits.mean()) if len(hits) else 0.0,
    }


def _objects(task: int, answers: list[tuple[int, Boxes]]) -> list[_Object]:
    """From the answer most like the others outwards; ties by its text, so that the order of the answers means nothing."""
    alike = [sum(likeness(mine, other) for _, other in answers) for _, mine in answers]
    order = sorted(range(len(answers)), key=lambda i: (-round(alike[i], 9), answers[i][1]))
    found: list[_Object] = []
    for n, value in (answers[i] for i in order):
        shares = (
            overlaps([box[:4] for box in value], np.array([one.middle() for one in found]))
            if found and value
            else np.zeros((len(value), 0))
        )
        mine, theirs = linear_sum_assignment(-np.where(shares >= SAME, shares, 0))
        place = {i: j for i, j in zip(mine.tolist(), theirs.tolist(), strict=True) if shares[i, j] >= SAME}
        new = []
        for i, box in enumerate(value):
            if i in place:
                found[place[i]].voices[n] = box
            else:
                new.append(_Object(task, {n: box}))
        found += new
    return found


def _edges(objects: Sequence[_Object], given: Given, engine: Categorical) -> list[Float]:
    """Left, top, right and bottom of each object. [4] each"""
    middles = [one.middle() for one in objects]
    sizes = [np.array([m[2] - m[0], m[3] - m[1]] * 2) for m in middles]
    task: list[int] = []
    worker: list[int] = []
    off: list[float] = []
    for o, one in enumerate(objects):
        for n, box in one.voices.items():
            outside = (np.array(box[:4]) - middles[o]) / sizes[o] * _OUTWARD
            task += range(4 * o, 4 * o + 4)
            worker += [int(given.worker[n])] * 4
            off += outside.tolist()
    if not off:
        return []
    off = _unbiased(np.array(worker, np.int32), np.array(off)).tolist()
    draws = Given(np.array(task, np.int32), np.array(worker, np.int32), off, 4 * len(objects), given.workers)
    moved = np.array(numbers.aggregate(draws, engine).value, np.float64).reshape(-1, 4)
    return [m + move * size * _OUTWARD for m, move, size in zip(middles, moved, sizes, strict=True)]


def _unbiased(worker: Int32, off: Float) -> Float:
    """Offsets less the worker's median one, which is drawn to 0 as if by `FEW` more: a minority that draws wide moves nothing."""
    order = np.argsort(worker, kind="stable")
    starts = np.flatnonzero(np.diff(worker[order], prepend=-1))
    level = off.copy()
    for mine in np.split(order, starts[1:]):
        level[mine] -= np.median(off[mine]) * len(mine) / (len(mine) + FEW)
    return level


def _labels(objects: Sequence[_Object], given: Given, engine: Categorical) -> list[str]:
    """The most probable label of each object."""
    said = [(o, int(given.worker[n]), box[4]) for o, one in enumerate(objects) for n, box in one.voices.items()]
    names = sorted({label for _, _, label in said})
    if len(names) < 2:
        return names * len(objects)
    place = {label: i for i, label in enumerate(names)}
    about, worker, label = (
        np.array(part, np.int32) for part in zip(*((o, w, place[x]) for o, w, x in said), strict=True)
    )
    posterior = engine(about, worker, label, len(objects), given.workers, len(names))
    return [names[i] for i in posterior.argmax(1).tolist()]
