"""What a demo plays: recorded answers as a job, cut to the protocol's limits before anything is started."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from oracle.labels import (
    Answers,
    Truth,
    align_truth,
    example_answers,
    example_consensus,
    first_answers,
    read_answers,
    read_truth,
)
from oracle.protocol.errors import BadInput
from oracle.protocol.free import payload_of
from oracle.protocol.leaves import Task
from oracle.protocol.manifest import Manifest, check_manifest
from oracle.protocol.terms import MAX_ANSWERS, MAX_CLASSES

MOST_WORKERS = 20_000


@dataclass(frozen=True, slots=True)
class Recording:
    """`said`: (worker's position, task) -> label, or the text of a free answer; `gold`: class by task, negative where unknown;

    `consensus`: likewise; `asked`: of free answers, as in a manifest, and `truth` the texts that are known to be right.
    """

    answers: Answers
    said: dict[tuple[int, int], int | str]
    gold: np.ndarray | None
    consensus: np.ndarray | None
    notes: list[str] = field(default_factory=list)
    asked: dict[str, Any] | None = None
    truth: Truth | None = None

    @property
    def redundancy(self) -> int:
        return int(np.bincount(self.answers.task).max())

    def tasks(self) -> list[Task]:
        return [Task(i, name, None) for i, name in enumerate(self.answers.tasks)]

    def manifest(
        self,
        title: str,
        base: int,
        bonus: int,
        fee_bps: int,
        deadline: int,
        where: str = "the demo's manifest",
        confidence: float | None = None,
        seal: str = "members",
        visibility: str = "public",
    ) -> Manifest:
        """The job that asks for exactly these answers, or until each task is sure; amounts in the token's smallest unit."""
        stop = {} if confidence is None else {"confidence": confidence}
        sealed = ({} if seal == "members" else {"seal": seal}) | {"visibility": visibility}
        return check_manifest(
            {
                "version": 1,
                "title": title,
                "instructions": "Answer the item as well as you can.",
                "answer": {"type": "free", "asked": self.asked}
                if self.asked
                else {"type": "choice", "classes": list(self.answers.classes)},
                "redundancy": {"most": self.redundancy, "least": 1, **stop},
                "reward": {"base": str(base), "bonus": str(bonus)},
                "feeBps": fee_bps,
                "deadline": deadline,
                "assignmentSeconds": 86_400 * 7,
                **sealed,
            },
            where,
        )


def load(labels: Path | None, gold: Path | None, words: str = "") -> Recording:
    """The files, or the 45 patients of Dawid & Skene (1979). Raises BadInput naming file, line and column.

    words: of a type of free answers; empty for choices.
    """
    if words:
        return _free(labels, gold, words)
    if labels is None:
        if gold is not None:
            raise BadInput("--gold needs --labels: the built-in example has no gold")
        answers = example_answers()
        return _recording("the example", answers, None, align_truth(answers, example_consensus())[0], [])
    answers, notes = read_answers(labels)
    known = None
    if gold is not None:
        truth, more = read_truth(gold)
        known, unmatched = align_truth(answers, truth, str(gold))
        notes = [*notes, *more, *unmatched]
    return _recording(str(labels), answers, known, None, notes)


def _free(labels: Path | None, gold: Path | None, words: str) -> Recording:
    """Each label is the text of an answer. Raises BadInput for one that is none of the type."""
    from oracle.verification.types.answer import Unreadable  # noqa: PLC0415 - loads scipy, for free answers only
    from oracle.verification.types.catalogue import asked_of, type_of  # noqa: PLC0415

    if labels is None:
        raise BadInput("--type needs --labels: the built-in example is a choice")
    kind = type_of(words, "--type")
    answers, notes = read_answers(labels, empty=kind.name == "text")
    for text in answers.classes:
        try:
            kind.read(text)
            payload_of(text)
        except (Unreadable, BadInput) as problem:
            raise BadInput(f"{labels}: {text[:40]!r} is no answer: {problem}") from None
    truth, more = read_truth(gold) if gold else (None, [])
    asked = asked_of(words, "--type")
    found = Recording(answers, {}, None, None, [*notes, *more], asked, truth)
    return _checked(str(labels), found)


def _recording(
    where: str, answers: Answers, gold: np.ndarray | None, consensus: np.ndarray | None, notes: list[str]
) -> Recording:
    """Raises BadInput for what would be no job."""
    if not 2 <= len(answers.classes) <= MAX_CLASSES:
        raise BadInput(f"{where}: the labels name {len(answers.classes)} classes; a job has 2 to {MAX_CLASSES}")
    return _checked(where, Recording(answers, {}, gold, consensus, notes))


def _checked(where: str, recording: Recording) -> Recording:
    """Cut to the protocol's limits, with what each worker said. Raises BadInput for what would be no job."""
    kept, dropped = first_answers(recording.answers, MAX_ANSWERS)
    notes = recording.notes
    if dropped:
        notes = [
            *notes,
            f"{dropped} answers beyond the first {MAX_ANSWERS} of a task are left out (a limit of the protocol)",
        ]
    if len(kept.workers) > MOST_WORKERS:
        raise BadInput(f"{where}: {len(kept.workers)} workers are more than the {MOST_WORKERS} that the demo plays")
    rows = zip(kept.worker.tolist(), kept.task.tolist(), kept.label.tolist(), strict=True)
    texts = kept.classes if recording.asked else None
    said = {(worker, task): texts[label] if texts else label for worker, task, label in rows}
    found = replace(recording, answers=kept, said=said, notes=notes)
    found.manifest("a check", 1, 0, 0, 1, where)
    return found
