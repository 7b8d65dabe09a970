"""The ledger of all posted epochs and the manifests of jobs, read from the content store and kept."""

from contextlib import suppress

from oracle.ports import ContentStore
from oracle.protocol import epoch as ep
from oracle.protocol import ledger as lg
from oracle.protocol import manifest as mf
from oracle.protocol.cids import Cid, Codec, decode, from_digest
from oracle.protocol.epoch import Epoch
from oracle.protocol.errors import ContentMissing, CrowdproofError
from oracle.protocol.leaves import Task
from oracle.protocol.ledger import Ledger
from oracle.protocol.manifest import Manifest
from oracle.protocol.pages import Source
from oracle.protocol.state import State
from oracle.protocol.terms import Terms
from oracle.services import matches


def source(content: ContentStore) -> Source:
    """A store as the protocol reads it; damage is not looked at, only refused."""
    return Source(content.get, _nothing)


def _nothing(_: Cid) -> None:
    return None


class Books:
    """Caches what the content digests of the chain stand for; everything in it can be read again. Safe between threads."""

    def __init__(self, content: ContentStore) -> None:
        self._source = source(content)
        self._epochs: dict[bytes, Epoch] = {}
        self._jobs: dict[Terms, tuple[Manifest, list[Task]]] = {}
        self._folded: tuple[list[tuple[int, bytes]], Ledger] = ([], Ledger())

    def epoch(self, number: int, digest: bytes) -> Epoch:
        """An epoch's data. Raises ContentMissing, also when the store holds something else."""
        if digest not in self._epochs:
            epoch, faults = ep.load(self._source, number, digest)
            if epoch is None:
                raise ContentMissing(f"the data of epoch {number} is not in the store: {faults[0]}")
            self._epochs[digest] = epoch
        return self._epochs[digest]

    def job(self, terms: Terms) -> tuple[Manifest, list[Task]]:
        """A job's manifest and tasks, which are those of its terms. Raises ContentMissing."""
        if terms not in self._jobs:
            manifest, tasks, faults = mf.load_job(self._source, 0, terms)
            if manifest is None or faults:
                raise ContentMissing(f"the manifest or the tasks of a job are not in the store: {faults[0].what}")
            if len(manifest.classes) != terms.classes:
                raise ContentMissing("what the terms of a job name as its manifest has other classes than they")
            self._jobs[terms] = (manifest, tasks)
        return self._jobs[terms]

    def matches(self, state: State) -> set[bytes]:
        """Digests of the matches that epochs which stand have named. A card that cannot be read names none."""
        found: set[bytes] = set()
        for post in state.unstruck():
            with suppress(CrowdproofError):
                model = self.epoch(post.epoch, post.content).model
                found.update(matches.linked(decode(self._source.read(from_digest(Codec.DAG_CBOR, model)))))
        return found

    def ledger(self, state: State) -> Ledger:
        """What all posted epochs have settled, not to be changed; folded again only when a post was added or struck.

        The data of a struck epoch is not asked for: it may have been struck because nobody gives it.
        """
        posts = [(post.epoch, post.content) for post in state.unstruck()]
        folded, ledger = self._folded
        if folded != posts:
            ledger = Ledger()
            for number, content in posts:
                lg.apply(ledger, self.epoch(number, content))
            self._folded = (posts, ledger)
        return ledger
