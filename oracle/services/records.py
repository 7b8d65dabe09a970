"""What a worker did in all jobs, by epochs that stand; what a job may ask of it, and the bands that say it without a name."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from oracle.protocol.leaves import Status
from oracle.protocol.state import State
from oracle.services.books import Books

QUALIFICATION = re.compile(r"(agreement|answers) *>= *(\d+(?:\.\d+)?)")


@dataclass(frozen=True, slots=True)
class Record:
    """Counted answers, and those that agree with the verdict."""

    answers: int = 0
    agreeing: int = 0

    @property
    def agreement(self) -> float:
        return self.agreeing / self.answers if self.answers else 0.0

    def reaches(self, other: "Record") -> bool:
        return self.answers >= other.answers and self.agreement >= other.agreement


# Few and wide: the more workers share a band, the less it says about any of them.
BANDS = {1: Record(10, 7), 2: Record(50, 40), 3: Record(200, 180)}


def records_of(books: Books, state: State) -> dict[int, Record]:
    """Each worker's record; anyone can recompute it."""
    answers: Counter[int] = Counter()
    agreeing: Counter[int] = Counter()
    for post in state.unstruck():
        for verdict in books.epoch(post.epoch, post.content).verdicts:
            for core in verdict.cores:
                if core.status is Status.COUNTED:
                    answers[core.worker] += 1
                    agreeing[core.worker] += core.label == verdict.label
    return {worker: Record(count, agreeing[worker]) for worker, count in answers.items()}


def qualified(record: Record, wanted: Iterable[str]) -> bool:
    """Whether a record meets every `answers>=N` and `agreement>=SHARE`; what is not of this form is for people to read."""
    for match in filter(None, map(QUALIFICATION.fullmatch, wanted)):
        if {"answers": float(record.answers), "agreement": record.agreement}[match[1]] < float(match[2]):
            return False
    return True
