"""The ledger of all posted epochs, read from the content store and folded once each."""

from oracle.ports import ContentStore
from oracle.protocol import epoch as ep
from oracle.protocol import ledger as lg
from oracle.protocol import manifest as mf
from oracle.protocol.cids import Cid
from oracle.protocol.epoch import Epoch
from oracle.protocol.errors import ContentMissing, Fatal
from oracle.protocol.leaves import Task
from oracle.protocol.ledger import Ledger
from oracle.protocol.manifest import Manifest
from oracle.protocol.pages import Source
from oracle.protocol.state import EpochStatus, State
from oracle.protocol.terms import Terms


def source(content: ContentStore) -> Source:
    """A store as the protocol reads it; damage is not looked at, only refused."""
    return Source(content.get, _nothing)


def _nothing(_: Cid) -> None:
    return None


class Books:
    """Caches what the content digests of the chain stand for; everything in it can be read again."""

    def __init__(self, content: ContentStore) -> None:
        self._source = source(content)
        self._epochs: dict[bytes, Epoch] = {}
        self._jobs: dict[bytes, tuple[Manifest, list[Task]]] = {}
        self._folded: list[tuple[int, bytes, bool]] = []
        self._ledger = Ledger()

    def epoch(self, number: int, digest: bytes) -> Epoch:
        """An epoch's data. Raises ContentMissing, or Fatal when the store holds something else."""
        if digest not in self._epochs:
            epoch, faults = ep.load(self._source, number, digest)
            if epoch is None:
                raise ContentMissing(f"the data of epoch {number} is not in the store: {faults[0]}")
            self._epochs[digest] = epoch
        return self._epochs[digest]

    def job(self, terms: Terms) -> tuple[Manifest, list[Task]]:
        """A job's manifest and tasks. Raises ContentMissing."""
        if terms.manifest not in self._jobs:
            manifest, tasks, faults = mf.load_job(self._source, 0, terms)
            if manifest is None or faults:
                raise ContentMissing(f"the manifest or the tasks of a job are not in the store: {faults[0].what}")
            if len(manifest.classes) != terms.classes:
                raise Fatal("a manifest has other classes than the terms that name it")
            self._jobs[terms.manifest] = (manifest, tasks)
        return self._jobs[terms.manifest]

    def ledger(self, state: State) -> Ledger:
        """What all posted epochs have settled; folded again only when a post was added or struck."""
        posts = [(post.epoch, post.content, post.status is EpochStatus.STRUCK) for post in state.posts.values()]
        if self._folded != posts:
            ledger = Ledger()
            for number, content, struck in posts:
                lg.apply(ledger, self.epoch(number, content), struck)
            self._folded, self._ledger = posts, ledger
        return self._ledger
