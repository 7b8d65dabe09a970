"""What a demo plays: recorded answers as a job, cut to the protocol's limits before anything is started."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from oracle.labels import (
    Answers,
    align_truth,
    example_answers,
    example_consensus,
    first_answers,
    read_answers,
    read_truth,
)
from oracle.protocol.errors import BadInput
from oracle.protocol.leaves import Task
from oracle.protocol.manifest import Manifest, check_manifest
from oracle.protocol.terms import MAX_ANSWERS, MAX_CLASSES

MOST_WORKERS = 20_000


@dataclass(frozen=True, slots=True)
class Recording:
    """`labels`: (worker's position, task) -> label; `gold`: class by task, negative where unknown; `consensus`: likewise."""

    answers: Answers
    labels: dict[tuple[int, int], int]
    gold: np.ndarray | None
    consensus: np.ndarray | None
    notes: list[str] = field(default_factory=list)

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
                "instructions": "Choose the class that fits the item best.",
                "answer": {"type": "choice", "classes": list(self.answers.classes)},
                "redundancy": {"most": self.redundancy, "least": 1, **stop},
                "reward": {"base": str(base), "bonus": str(bonus)},
                "feeBps": fee_bps,
                "deadline": deadline,
                "assignmentSeconds": 86_400 * 7,
                **sealed,
            },
            where,
        )


def load(labels: Path | None, gold: Path | None) -> Recording:
    """The files, or the 45 patients of Dawid & Skene (1979). Raises BadInput naming file, line and column."""
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


def _recording(
    where: str, answers: Answers, gold: np.ndarray | None, consensus: np.ndarray | None, notes: list[str]
) -> Recording:
    """Raises BadInput for what would be no job."""
    kept, dropped = first_answers(answers, MAX_ANSWERS)
    if dropped:
        notes = [
            *notes,
            f"{dropped} answers beyond the first {MAX_ANSWERS} of a task are left out (a limit of the protocol)",
        ]
    if not 2 <= len(kept.classes) <= MAX_CLASSES:
        raise BadInput(f"{where}: the labels name {len(kept.classes)} classes; a job has 2 to {MAX_CLASSES}")
    if len(kept.workers) > MOST_WORKERS:
        raise BadInput(f"{where}: {len(kept.workers)} workers are more than the {MOST_WORKERS} that the demo plays")
    rows = zip(kept.worker.tolist(), kept.task.tolist(), kept.label.tolist(), strict=True)
    found = Recording(kept, {(worker, task): label for worker, task, label in rows}, gold, consensus, notes)
    found.manifest("a check", 1, 0, 0, 1, where)
    return found
