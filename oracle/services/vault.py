"""What a member knows of the gold of jobs: unsealed once a job, kept in memory, and said of nothing that is not decided.

a job's parts, the member's key -> openings by task, and the secret from which all members draw alike. Whoever was sealed out, or
joined the committee later, knows none, and learns it task by task from what epochs open.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from oracle.protocol import gold
from oracle.protocol.gold import Opening
from oracle.protocol.hashing import keccak
from oracle.protocol.state import Job
from oracle.services.books import Books


@dataclass(frozen=True, slots=True)
class Gold:
    """Of one job. `secret`: empty where nothing was unsealed."""

    secret: bytes
    openings: dict[int, Opening]

    def draw(self, asked: bytes) -> random.Random:
        """The same at every member for the same question, and foreseen by nobody else."""
        return random.Random(keccak(self.secret + asked))


class Vault:
    """Holds what was unsealed; safe between threads, which at worst unseal twice."""

    def __init__(self, books: Books, unseal: Callable[[bytes, bytes], tuple[bytes, bytes] | None]) -> None:
        self._books, self._unseal = books, unseal
        self._known: dict[tuple[int, bytes, bytes], Gold] = {}

    def gold(self, number: int, job: Job) -> Gold:
        """Raises ContentMissing."""
        name = (number, job.requester, job.terms.hash())
        if name not in self._known:
            self._known[name] = self._open(number, job)
        return self._known[name]

    def _open(self, number: int, job: Job) -> Gold:
        secret = b""
        openings: dict[int, Opening] = {}
        for part in self._books.job(job.terms)[0].gold:
            if found := gold.unsealed(part, number, job.requester, job.terms.classes, self._unseal):
                secret += found[0]
                openings |= {one.task: one for one in found[1] if one.task < job.terms.tasks}
        return Gold(secret, openings)
