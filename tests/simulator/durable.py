"""What a simulated member keeps: the ports Database (its part that a member uses) and ContentStore, in plain dictionaries.

A test holds `Memory` equal to the real database. `fail` plants a crash into the next write: before it, or after it is durable.
"""

import re
from base64 import b32encode
from bisect import insort
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from oracle.ports import Kept, OfferedAssignment, SignedHeader, StoredAnswer
from oracle.protocol.cids import Cid, Codec, cid_of, parse
from oracle.protocol.errors import ContentMissing, Refused

_LINK = re.compile(rb"\xd8\x2a\x58\x25\x00(.{36})", re.DOTALL)
name_of = lru_cache(1 << 16)(cid_of)


class Crashed(BaseException):
    """The process ends here: whatever it was doing, only what is written stays."""


@dataclass
class Memory:
    offers: dict[tuple[int, int, int], OfferedAssignment] = field(default_factory=dict)
    stored: dict[int, dict[tuple[int, int], StoredAnswer]] = field(default_factory=dict)
    headers: list[SignedHeader] = field(default_factory=list)
    fail: str = ""

    def kept_of(self, kind: str, owner: str | None = None) -> list[Kept]:
        return []

    def add_assignments(self, offers: Sequence[OfferedAssignment]) -> None:
        self._crash("before")
        self.offers.update({(o.job, o.task, o.worker): o for o in offers})
        self._crash("after")

    def assignments(
        self, job: int | None = None, worker: int | None = None, tasks: Collection[int] | None = None
    ) -> list[OfferedAssignment]:
        wanted = [o for o in self.offers.values() if job in (None, o.job) and worker in (None, o.worker)]
        wanted = [o for o in wanted if tasks is None or o.task in tasks]
        return sorted(wanted, key=lambda o: (o.job, o.task, o.worker))

    def add_answers(self, answers: Sequence[StoredAnswer]) -> None:
        self._crash("before")
        fresh: dict[tuple[int, int, int], StoredAnswer] = {}
        for a in answers:
            if (a.job, a.task, a.worker) in fresh or (a.task, a.worker) in self.stored.get(a.job, ()):
                raise Refused("duplicate-answer", "stored already")
            fresh[a.job, a.task, a.worker] = a
        for a in answers:
            self.stored.setdefault(a.job, {})[a.task, a.worker] = a
        self._crash("after")

    def answers(self, job: int) -> list[StoredAnswer]:
        return [answer for _, answer in sorted(self.stored.get(job, {}).items())]

    def answered(
        self, job: int, tasks: Collection[int], workers: Collection[int] | None = None
    ) -> dict[tuple[int, int], tuple[bytes, bytes]]:
        stored = [(at, a) for at, a in self.stored.get(job, {}).items() if at[0] in tasks]
        return {at: (a.commitment, a.seal_hash) for at, a in stored if workers is None or at[1] in workers}

    def places(self, job: int, tasks: Collection[int]) -> dict[int, int]:
        return Counter(task for task, _ in self.stored.get(job, ()) if task in tasks)

    def add_signed(self, header: SignedHeader, now: int | None = None) -> None:
        self._crash("before")
        others = [s.valid_until for s in self.headers if s.epoch == header.epoch and s.digest != header.digest]
        if now is not None and others and max(others) >= now:
            raise Refused("already-signed", "another header of the epoch is signed and valid")
        if header not in self.headers:
            insort(self.headers, header, key=lambda s: (s.epoch, s.valid_until, s.digest))
        self._crash("after")

    def signed(self, since: int = 0) -> list[SignedHeader]:
        return [header for header in self.headers if header.valid_until >= since]

    def _crash(self, moment: str) -> None:
        if self.fail == moment:
            self.fail = ""
            raise Crashed


@dataclass
class Blocks:
    """The bytes of every block of a run, and what lies below each."""

    data: dict[Cid, bytes] = field(default_factory=dict)
    below: dict[Cid, frozenset[Cid]] = field(default_factory=dict)


@dataclass
class Store:
    """Blocks by CID. The bytes are shared by all stores of a run; which ones are `held` is each store's own."""

    shared: Blocks
    held: set[Cid] = field(default_factory=set)

    def put(self, data: bytes, codec: Codec) -> Cid:
        cid = name_of(data, codec)
        self.shared.data[cid] = data
        self.held.add(cid)
        return cid

    def put_many(self, blocks: Iterable[tuple[bytes, Codec]]) -> list[Cid]:
        return [self.put(data, codec) for data, codec in blocks]

    def get(self, cid: Cid) -> bytes:
        if cid not in self.held:
            raise ContentMissing(f"the store does not hold {cid}")
        return self.shared.data[cid]

    def has(self, cid: Cid) -> bool:
        return cid in self.held

    def below(self, root: Cid) -> frozenset[Cid]:
        """Everything below a root, as it would travel in a CAR. Raises ContentMissing."""
        found = self.shared.below.get(root)
        if found is None:
            found = frozenset((root,)).union(*map(self.below, links(root, self.get(root))))
            self.shared.below[root] = found
        if not found <= self.held:
            raise ContentMissing(f"the store does not hold all below {root}")
        return found

    def holds(self, root: Cid) -> bool:
        try:
            return bool(self.below(root))
        except ContentMissing:
            return False


def links(cid: Cid, data: bytes) -> list[Cid]:
    """The blocks to which a block links: in dag-cbor a link is tag 42 around 37 bytes, a zero and the CID."""
    found = _LINK.findall(data) if parse(cid)[0] is Codec.DAG_CBOR else []
    return [Cid("b" + b32encode(binary).decode().lower().rstrip("=")) for binary in found]
