"""`crowdproof bench types`: numbers and texts of recorded crowds, as `infer --type` finds them, beside plain baselines.

A folder of sets, each with labels.csv, truth.csv and SOURCE.md, whose line `| kind | numeric |` or `| kind | text |` says what
it holds; other kinds are passed over. Defaults only, the same for every set. `r_by_scale` is the mean of Pearson's r over the
scales where task ids read SCALE:ID (one scale otherwise): the estimate itself knows of no scales.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from oracle import labels as lb
from oracle.commands import typed
from oracle.protocol.errors import BadInput
from oracle.verification.types import number, text
from oracle.verification.types.answer import AnswerType, Consensus, Given
from oracle.verification.types.words import Lattice, Words, edits

KINDS: dict[str, Callable[[], AnswerType]] = {"numeric": number.number, "text": text.text}
_KIND = re.compile(r"^\|\s*kind\s*\|\s*(\w+)", re.MULTILINE)

Methods = dict[str, Callable[[Given], Sequence[Any]]]


def types(data: Path) -> dict[str, Any]:
    """The figures of every numeric and text set below `data`. Raises BadInput if there is none."""
    sets = {}
    for folder in sorted(path for path in data.iterdir() if path.is_dir()) if data.is_dir() else []:
        source = folder / "SOURCE.md"
        found = _KIND.search(source.read_text("utf-8")) if source.is_file() else None
        if found and found[1] in KINDS:
            sets[folder.name] = one_set(folder, found[1])
    if not sets:
        raise BadInput(
            f"{data}: no set of kind {' or '.join(KINDS)} in it; each needs labels.csv, truth.csv and SOURCE.md"
        )
    return {"sets": sets}


def one_set(folder: Path, kind_name: str) -> dict[str, Any]:
    """Ours and the baselines on one set."""
    kind = KINDS[kind_name]()
    answers, _ = lb.read_answers(folder / "labels.csv", empty=kind.name == "text")
    truth, _ = lb.read_truth(folder / "truth.csv")
    given = typed.read_given(answers, kind, str(folder / "labels.csv"))
    known = typed.read_known(truth, kind, str(folder / "truth.csv"))
    begun = time.process_time()
    found = kind.aggregate(given, typed.engine)
    seconds = time.process_time() - begun
    methods: Methods = {"ours": lambda _: found.value, **(NUMBER if kind.name == "number" else TEXT)}
    figures = {}
    for name, method in methods.items():
        values = method(given)
        figures[name] = typed.score(kind, answers.tasks, values, known)
        if kind.name == "number":
            figures[name]["r_by_scale"] = _by_scale(answers.tasks, values, known)
    if kind.name == "number":
        figures["ours"]["truth_inside"] = _inside(answers.tasks, found, known)
    if kind.name == "text":
        figures |= _bounds(given, answers.tasks, known)
    return {
        "type": kind.name,
        "tasks": given.tasks,
        "workers": given.workers,
        "answers": len(given.value),
        "agreement": kind.agreement(given),
        "cpu_seconds": seconds,
        "mean_confidence": float(found.confidence.mean()),
        "figures": figures,
    }


def text_of(d: dict[str, Any]) -> str:
    lines = []
    for name, one in d["sets"].items():
        lines.append(f"  {name}: {one['type']}, {one['answers']:,} answers, {one['cpu_seconds']:.1f} s of CPU")
        for method, figures in one["figures"].items():
            words = "  ".join(f"{key} {value:.4f}" for key, value in figures.items() if key != "tasks")
            lines.append(f"    {method:<18} {words}")
    return "\n".join(lines)


# ---------------------------------------------------------------- baselines


def _each(given: Given, pick: Callable[[list[Any]], Any]) -> list[Any]:
    return [pick([given.value[n] for n in group]) if len(group) else None for group in given.by_task()]


def _medoid(answers: list[str]) -> str:
    words = [text.canonical(answer) for answer in answers]
    far = [sum(edits(one, other) for other in words) for one in words]
    return answers[far.index(min(far))]


def _rover(answers: list[str]) -> str:
    """One voice, one vote in each place."""
    words = [text.canonical(answer) for answer in answers]
    lattice = Lattice(text.canonical(_medoid(answers)))
    rest: Counter[Words] = Counter(words) - Counter([text.canonical(_medoid(answers))])
    for one in rest.elements():
        lattice.add(one)
    return " ".join(word for slot in lattice.slots if (word := max(slot, key=lambda w: slot[w])))


NUMBER: Methods = {
    "mean": lambda given: _each(given, lambda some: float(np.mean(some))),
    "median": lambda given: _each(given, lambda some: float(np.median(some))),
}
TEXT: Methods = {
    "medoid": lambda given: _each(given, _medoid),
    "rover, one vote each": lambda given: _each(given, _rover),
}


def _bounds(given: Given, tasks: Sequence[str], known: dict[str, str]) -> dict[str, dict[str, float]]:
    """A random answer, in the mean over all of them, and the best answer of each task, that only gold can pick."""
    drawn = best = words = 0.0
    for task, group in zip(tasks, given.by_task(), strict=True):
        if task in known and len(group):
            truth = text.canonical(known[task])
            wrong = [edits(text.canonical(given.value[n]), truth) for n in group]
            drawn, best, words = drawn + sum(wrong) / len(wrong), best + min(wrong), words + len(truth)
    return {"random answer": {"wer": drawn / words}, "best answer": {"wer": best / words}} if words else {}


def _inside(tasks: Sequence[str], found: Consensus, known: dict[str, float]) -> float:
    """How often the truth lies in the 90 % interval."""
    hits = [
        low <= known[task] <= high
        for task, low, high in zip(tasks, found.columns["low"], found.columns["high"], strict=True)
        if task in known
    ]
    return float(np.mean(hits))


def _by_scale(tasks: Sequence[str], values: Sequence[Any], known: dict[str, float]) -> float:
    scales: dict[str, list[tuple[float, float]]] = {}
    for task, value in zip(tasks, values, strict=True):
        if task in known:
            scales.setdefault(task.rpartition(":")[0], []).append((value, known[task]))
    return float(np.mean([number.score(*zip(*pairs, strict=True))["r"] for pairs in scales.values()]))
