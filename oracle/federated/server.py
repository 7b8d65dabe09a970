"""The server of a federation: keeps the rounds going, adds up what it may see, and names every model in the store.

All that it hears is written to a journal before it is acted on; its state is the fold of that journal, so that a server that was
killed goes on where it was. It learns sums of groups, and nothing of a single member but that it took part.

A round's block: {plan, previous, number, attempt, before, after, groups: [{members, came, sum, why}]}, `sum` being the digest of
the group's sum (or null): whoever is shown the journal can repeat `combine`. The CID's digest of a model is what an epoch can name.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.federated import masks, rounds, train
from oracle.federated.combine import combine
from oracle.federated.plan import Plan
from oracle.federated.rounds import Message, Round, Start, Total, read_message
from oracle.ports import ContentStore
from oracle.protocol.cids import Cid, Codec, Link, decode, encode
from oracle.protocol.errors import BadInput, Refused

ATTEMPTS = 5  # at a round, before the federation gives up
RECORD_LIMIT = 1 << 25  # bytes
Float32 = NDArray[np.float32]


class Server:
    """Safe between threads. `journal` is this server's alone. Raises BadInput for a journal of another plan."""

    def __init__(
        self, plan: Plan, store: ContentStore, journal: Path, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.plan, self._store, self._journal, self._clock = plan, store, journal, clock
        self._turn = threading.RLock()
        self._plan_cid = store.put(plan.block(), Codec.DAG_CBOR)
        self.model, self.failed = train.begin(plan), ""
        self._last = self.model  # with what the round before began
        self.ended: list[Cid] = []  # blocks of the rounds
        self.refusals: list[dict[str, Any]] = []  # since this process began
        self._begin(1, 1)
        self._whole = 0  # bytes of the journal that count
        for self._whole, record in read_journal(journal):
            self._replay(record)
        self._since = clock()
        self._go_on()

    # ---------------------------------------------------------------- what members ask

    def view(self) -> dict[str, Any]:
        """What the round is about and wants, the same for all."""
        with self._turn:
            if self.over:
                return {"phase": rounds.DONE, "rounds": len(self.ended), "failed": self.failed}
            start = self.round.start
            asked = [start.plan, start.number, start.attempt, start.before, start.previous]
            waits = [m for m in range(len(self.plan.members)) if self.round.waits_for(m)]
            found = {"phase": self.round.phase, "start": asked, "waits": waits, **self.round.view()}
            return found | ({"model": train.packed(self.model)} if self.round.phase == rounds.VECTORS else {})

    def take(self, data: bytes) -> None:
        """A message of a member. Raises BadInput or Refused with the reason; then nothing has changed."""
        with self._turn:
            try:
                message = read_message(data)
                if self.over:
                    raise Refused("over", self.failed or "the federation has done its rounds")
                if not self.round.check(message):
                    return
            except (BadInput, Refused) as problem:
                self.refusals.append({"round": self.round.start.number, "why": str(problem)})
                raise
            self._write(["said", data])
            self.round.add(message)
            self._moved()

    def tick(self) -> None:
        """To be called now and then: ends a phase whose time is up. A round begins when a quorum is there, however late."""
        with self._turn:
            late = not self.over and self._clock() - self._since > self.plan.patience
            if late and (self.round.phase != rounds.KEYS or len(self.round.took_part(rounds.KEYS)) >= self.plan.quorum):
                self._write(["closed"])
                self.round.close()
                self._moved()

    @property
    def over(self) -> bool:
        return bool(self.failed) or len(self.ended) >= self.plan.rounds

    # ---------------------------------------------------------------- inside

    def _moved(self) -> None:
        self._since = self._clock()
        self._go_on()

    def _go_on(self) -> None:
        """Ends a round that is done or void, and begins the next."""
        if self.over:
            return
        if self.round.phase == rounds.DONE:
            try:
                self._finish(self.round.totals())
            except Refused as problem:
                self._again(str(problem))
        elif self.round.phase == rounds.VOID:
            self._again(self.round.why)

    def _finish(self, totals: list[Total]) -> None:
        after, why = combine(self.plan, self._last, self.model, totals)
        start, model = self.round.start, self._store.put(train.packed(after), Codec.RAW)
        groups = [
            {
                "members": list(total.members),
                "came": list(total.came),
                "sum": None if total.words is None else hashlib.sha256(masks.pack(total.words)).digest(),
                "why": fault,
            }
            for total, fault in zip(totals, why, strict=True)
        ]
        block = {
            "plan": Link(start.plan),
            "previous": Link(start.previous) if start.previous else None,
            "number": start.number,
            "attempt": start.attempt,
            "before": Link(start.before),
            "after": Link(model),
            "groups": groups,
        }
        self.ended.append(self._store.put(encode(block), Codec.DAG_CBOR))
        self._last, self.model = self.model, after
        self._begin(start.number + 1, 1)

    def _again(self, why: str) -> None:
        start = self.round.start
        self.refusals.append({"round": start.number, "why": why})
        if start.attempt >= ATTEMPTS:
            self.failed = f"round {start.number} failed {ATTEMPTS} times, at last: {why}"
            return
        self._begin(start.number, start.attempt + 1)

    def _begin(self, number: int, attempt: int) -> None:
        before = self._store.put(train.packed(self.model), Codec.RAW)
        previous = self.ended[-1] if self.ended else None
        self.round = Round(self.plan, Start(self._plan_cid, number, attempt, before, previous))

    def _write(self, record: list[Any]) -> None:
        data = _framed(encode(record))
        if not self._whole:
            data = _framed(encode(["plan", Link(self._plan_cid)])) + data
        with self._journal.open("r+b" if self._journal.exists() else "wb") as file:
            file.truncate(self._whole)  # a record that was cut off while it was written goes
            file.seek(self._whole)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        self._whole += len(data)

    def _replay(self, record: Any) -> None:
        match record:
            case ["plan", Link() as plan]:
                if plan.cid != self._plan_cid:
                    raise BadInput(f"{self._journal} belongs to plan {plan.cid}: give this plan another home")
            case ["said", bytes() as data]:
                message: Message = read_message(data)
                if self.round.check(message):
                    self.round.add(message)
                    self._go_on()
            case ["closed"]:
                self.round.close()
                self._go_on()
            case _:
                raise BadInput(f"{self._journal} holds a record of an unknown kind")


def read_journal(path: Path) -> Iterator[tuple[int, Any]]:
    """(byte at which it ends, record); a last one that was cut off is left out, for nobody was answered yet."""
    if not path.exists():
        return
    with path.open("rb") as file:
        while True:
            at = file.tell()
            size = int.from_bytes(file.read(4), "big")
            data, digest = file.read(size if size <= RECORD_LIMIT else 0), file.read(8)
            if not size or len(digest) < 8:
                return
            if hashlib.sha256(data).digest()[:8] != digest:
                raise BadInput(f"{path} is damaged at byte {at}")
            yield file.tell(), decode(data)


def _framed(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data + hashlib.sha256(data).digest()[:8]
