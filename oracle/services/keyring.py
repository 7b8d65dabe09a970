"""The keys of sealed jobs that a member has: its own part of what the requester wrapped, or what another member told.

A job's number -> its key, or None. Nothing is believed: a key is one only if the job's root names its hash. A requester who wraps
a job's key for some members alone keeps none of the others from reading: whoever has it tells it to the committee.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

from oracle.protocol.errors import ContentMissing
from oracle.protocol.jobkey import Wrapped, hash_of
from oracle.protocol.keys import Address
from oracle.protocol.state import Job
from oracle.services.books import Books


class Keyring:
    """Holds the keys of the jobs that were asked for, in memory; all can be had again. Safe between threads."""

    def __init__(
        self,
        books: Books,
        jobs: Callable[[], Mapping[int, Job]],
        unwrap: Callable[[Wrapped, Address], bytes | None],
    ) -> None:
        """`unwrap`: what the member's own key opens of a job's key that was wrapped by this requester."""
        self._books, self._jobs, self._unwrap = books, jobs, unwrap
        self._found: dict[int, tuple[Job, bytes]] = {}
        self._locked: dict[int, Job] = {}  # what the own key does not open is not tried again

    def key(self, number: int) -> bytes | None:
        """None also for a job that is not sealed, or whose manifest is not here."""
        job = self._jobs().get(number)
        if job is None:
            return None
        known = self._found.get(number)
        if known and known[0].terms == job.terms:
            return known[1]
        tried = self._locked.get(number)
        wrapped = None if tried and tried.terms == job.terms else self._wrapped(job)
        if wrapped is None:
            return None
        found = self._keep(number, job, self._unwrap(wrapped, job.requester))
        if found is None:
            self._locked[number] = job
        return found

    def keys(self, numbers: Iterable[int]) -> dict[int, bytes]:
        """Those that are known of these jobs."""
        return {number: key for number in numbers if (key := self.key(number))}

    def learn(self, number: int, key: bytes) -> None:
        """Keeps what another member told, if it is the job's key."""
        job = self._jobs().get(number)
        if job and self._wrapped(job):
            self._keep(number, job, key)

    def is_dark(self, number: int) -> bool:
        """Whether the job is sealed and its key unknown. Raises ContentMissing."""
        return self._books.job(self._jobs()[number].terms)[0].key is not None and self.key(number) is None

    def _wrapped(self, job: Job) -> Wrapped | None:
        with suppress(ContentMissing):
            return self._books.job(job.terms)[0].key
        return None

    def _keep(self, number: int, job: Job, key: bytes | None) -> bytes | None:
        wrapped = self._wrapped(job)
        if key is None or wrapped is None or hash_of(key) != wrapped.hash:
            return None
        self._found[number] = (job, key)
        return key
