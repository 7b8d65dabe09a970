"""When a task whose answers have split keys is closed, and with which answers: for good, before anybody can read them.

Else whoever reads the others' answers could still choose its own. A member tells its shares only of what a quorum holds as it does
itself, and signs no other answers there; quorums meet in an honest member, so no other quorum signs them either.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from oracle.ports import Database, StoredAnswer
from oracle.protocol.cids import encode
from oracle.protocol.errors import Refused
from oracle.protocol.hashing import keccak
from oracle.protocol.leaves import Opening, Status, Verdict
from oracle.protocol.ledger import Ledger
from oracle.protocol.sealing import SCHEMES, THRESHOLD
from oracle.protocol.terms import Terms
from oracle.services import draft
from oracle.services.books import Books
from oracle.services.index import View
from oracle.services.rules import Pair

Bound = tuple[bytes, bytes]  # commitment, seal hash: what makes two answers the same


class Closing:
    """Holds a member's database, and where a worker is known to have signed two answers; it can be shown again."""

    def __init__(self, books: Books, database: Database, window: int) -> None:
        """`window`: of the deployment, in seconds."""
        self._books, self._database, self._window = books, database, window
        self._schemes: dict[bytes, int] = {}  # by manifest
        self.twice: set[tuple[int, int, int]] = set()  # job, task, worker

    def scheme(self, terms: Terms) -> int:
        """By which the job's manifest wants its answers sealed. Raises ContentMissing."""
        found = self._schemes.get(terms.manifest)
        if found is None:
            found = self._schemes[terms.manifest] = SCHEMES[self._books.job(terms)[0].seal]
        return found

    def is_split(self, view: View, number: int) -> bool:
        """Whether the job's manifest asks for it. Raises ContentMissing."""
        return self.scheme(view.state.jobs[number].terms) == THRESHOLD

    def takes_no_more(self, view: View, number: int, answers: int) -> bool:
        """Whether a task with so many answers is closed for good: full, or a window after the deadline, which members have to

        show each other what came in time.
        """
        job = view.state.jobs[number]
        return answers >= job.terms.answers or view.now >= job.deadline + self._window

    def held(self, view: View, ledger: Ledger) -> dict[Pair, tuple[tuple[bool, bytes], list[StoredAnswer]]]:
        """(job, task) -> (closed, hash of the answers), answers, of tasks that are full or past their deadline.

        An answer beside which its worker signed another counts as none, whichever of them it is.
        """
        found = {}
        answers = draft.ready(view, ledger, self._books, self._database, self._window)
        for number in [number for number in answers if self.is_split(view, number)]:
            for task, listed in answers[number].items():
                rows = [self._row(a) for a in listed]
                found[number, task] = (self.takes_no_more(view, number, len(listed)), keccak(encode(rows))), listed
        return found

    def _row(self, a: StoredAnswer) -> list[Any]:
        return [a.worker] if (a.job, a.task, a.worker) in self.twice else [a.worker, a.commitment, a.seal_hash]

    def changed(self, view: View, held: Mapping[Pair, Bound], verdicts: Sequence[Verdict]) -> set[Pair]:
        """(task, worker) where the verdicts of a job count another answer than what is `held` here.

        Raises Refused for one that came after its task was closed here.
        """
        found, places = set(), Counter(task for task, _ in held)
        for v in verdicts:
            for core, opening in zip(v.cores, v.openings, strict=True):
                own = held.get((v.task, core.worker))
                if own is None and self.takes_no_more(view, v.job, places[v.task]):
                    what = f"task {v.task} of job {v.job} was closed here without an answer of worker {core.worker}"
                    raise Refused("task-closed", what)
                if own and own != (opening.commitment, opening.seal_hash) and core.status is not Status.UNOPENED:
                    found.add((v.task, core.worker))
        return found

    def is_void(self, view: View, place: tuple[int, int, int], opening: Opening) -> bool:
        """Whether the worker is known to have signed another answer beside this one, in a job with split keys."""
        number, task, worker = place
        if not self.is_split(view, number):
            return False
        held = self._database.answered(number, {task}, {worker}).get((task, worker))
        return place in self.twice or (held is not None and held != (opening.commitment, opening.seal_hash))
