"""What a member thinks of asking whom what, from the answers that it holds and may open: worth, and no label.

answers in the member's database -> Appraisal. The engine's opinion of an open job is kept until another answer comes. What leaves
says how much a pair is worth: so whoever matches learns which tasks are still doubtful and who is believed, before they close.

Gold is worth what it would be if nobody knew it: no value, no order and no closing tells it from other tasks. It is mixed in by
what is left out of a worker's candidates: `oracle.matching.mixing`.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from oracle.matching import mixing, value
from oracle.ports import Appraisal, Database, StoredAnswer
from oracle.protocol.ledger import Ledger
from oracle.protocol.state import Job, State
from oracle.services import draft, verify
from oracle.services.books import Books
from oracle.services.draft import Opened
from oracle.services.index import View
from oracle.services.vault import Vault
from oracle.services.verify import Opinion

MICRO = 1_000_000  # parts of a nat
HELD = 10  # tasks that a worker has open at a time
LEAST = 2  # answers with which a task can be sure: one worker alone would decide
Place = tuple[int, int, int]  # job, task, worker


@dataclass(frozen=True, slots=True)
class _Known:
    """What is stored of a job, and what is believed of it."""

    answered: dict[int, set[int]]  # task -> workers
    opinion: Opinion


class Appraiser:
    """Holds the last opinion of each job; safe between threads, which take turns."""

    def __init__(
        self, database: Database, books: Books, vault: Vault, opened: Callable[[StoredAnswer], Opened | None]
    ) -> None:
        self._database, self._books, self._vault, self._opened = database, books, vault, opened
        self._turn = Lock()
        self._labels: dict[Place, int | None] = {}  # None: does not open, names no class, or is free
        self._known: dict[int, tuple[int, _Known]] = {}  # job -> answers, what followed from them

    def appraise(self, view: View, ledger: Ledger, pairs: Sequence[Place]) -> Appraisal:
        """A worth for each pair, in their order."""
        worth = np.zeros(len(pairs), np.int64)
        answered: list[Place] = []
        for number in sorted({job for job, _, _ in pairs}):
            job, known = view.state.jobs[number], self._look(view, number)
            sure = self.sure(view, number)
            at = [
                i
                for i, (of, task, worker) in enumerate(pairs)
                if of == number and self._wanted(ledger, job, known, sure, (number, task, worker))
            ]
            at = self._mixed(job, number, known, pairs, at)
            worth[at] = _worth(known.opinion, [pairs[i] for i in at])
            open_ = sorted(task for task in known.answered if (number, task) not in ledger.decided)
            answered += [(number, task, w) for task in open_ for w in sorted(known.answered[task])]
        return Appraisal(tuple(worth.tolist()), tuple(answered))

    def sure(self, view: View, number: int) -> set[int]:
        """Tasks that need no more answers, by the confidence that the job's manifest names; none where it names none."""
        job = view.state.jobs[number]
        manifest, _ = self._books.job(job.terms)
        if manifest.confidence is None:
            return set()
        known = self._look(view, number)
        rows = known.opinion.row_of_task
        counts = [len(known.answered[task]) for task in rows]
        least = max(LEAST, manifest.least)
        found = value.is_sure(known.opinion.posterior, counts, least=least, level=manifest.confidence)
        return {task for task, row in rows.items() if found[row]}

    def _wanted(self, ledger: Ledger, job: Job, known: _Known, sure: set[int], place: Place) -> bool:
        number, task, worker = place
        there = known.answered.get(task, set())
        closed = task in sure or (number, task) in ledger.decided
        return not closed and worker not in there and len(there) < job.terms.answers

    def _mixed(self, job: Job, number: int, known: _Known, pairs: Sequence[Place], at: list[int]) -> list[int]:
        """Those of the pairs `at` that hold gold in its share; all of them in a job without gold that is known here."""
        gold = self._vault.gold(number, job)
        if not gold.openings:
            return at
        done = Counter(w for workers in known.answered.values() for w in workers)
        worker = np.array([pairs[i][2] for i in at], np.int64)
        is_gold = np.array([pairs[i][1] in gold.openings for i in at], bool)
        answered = np.array([done[w] for w in worker.tolist()], np.int64)
        asked = np.array([pairs[i] for i in at], "<u8").tobytes()
        keep = mixing.mixed(worker, is_gold, answered, HELD, gold.draw(asked))
        return [i for i, kept in zip(at, keep.tolist(), strict=True) if kept]

    def _look(self, view: View, number: int) -> _Known:
        job = view.state.jobs[number]
        with self._turn:
            answers = self._database.answers(number)
            size, known = self._known.get(number, (-1, None))
            if known is None or size != len(answers):
                known = self._think(view.state, job, answers)
                self._known[number] = (len(answers), known)
            return known

    def _think(self, state: State, job: Job, answers: Sequence[StoredAnswer]) -> _Known:
        answered: dict[int, set[int]] = {}
        counted = []
        for a in answers:
            answered.setdefault(a.task, set()).add(a.worker)
            label = self._label(job, a)
            if label is not None:
                counted.append((a.task, a.worker, label))
        return _Known(answered, verify.believe(job.terms.classes, counted, self._books.machines(state, job.terms)))

    def _label(self, job: Job, a: StoredAnswer) -> int | None:
        place = (a.job, a.task, a.worker)
        if place not in self._labels:
            opened = self._opened(a)
            fits = opened is not None and not job.terms.free and draft.is_answer(self._books, job.terms, opened[0])
            self._labels[place] = opened[0][0] if opened is not None and fits else None
        return self._labels[place]


def _worth(opinion: Opinion, pairs: Sequence[Place]) -> NDArray[np.int64]:
    """Information in millionths of a nat, at least one: what is wanted is wanted."""
    from oracle.matching import predict  # noqa: PLC0415 - numba loads for a second

    of = opinion.pairs
    rows = np.array([opinion.row_of_task.get(task, len(opinion.row_of_task)) for _, task, _ in pairs], np.int64)
    people = np.array([opinion.row_of_worker.get(w, len(opinion.row_of_worker)) for _, _, w in pairs], np.int64)
    found = value.information(of.posterior[rows], predict.row(of, people, rows))
    return np.maximum(np.rint(found * MICRO), 1).astype(np.int64)
