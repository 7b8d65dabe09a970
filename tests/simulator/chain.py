"""The chain of a simulation: blocks that carry their state, reorganisations above finality, and the contracts' checks.

A block's view is one object for all who look at it: the fold over the events (real code) runs once a block.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from oracle.ports import Block
from oracle.protocol import events as ev
from oracle.protocol import heads
from oracle.protocol import state as st
from oracle.protocol.deployment import Deployment
from oracle.protocol.errors import ChainUnavailable, Refused
from oracle.protocol.events import Event, Log
from oracle.protocol.hashing import ZERO
from oracle.protocol.state import State
from oracle.services.index import View, _copy
from tests.support.chain import GENESIS
from tests.support.market import Market

DEPTH = 4  # blocks below the newest that are final


@dataclass(frozen=True)
class Transaction:
    """A post or a finalisation in the mempool; `data` is what the Market runs."""

    hash: bytes
    data: bytes


@dataclass(frozen=True)
class Mined:
    block: Block
    view: View
    transactions: tuple[Transaction, ...]


class Contracts(Market):
    """The fake Market over the state that the chain has folded already."""

    def state(self) -> State:
        chain: Any = self.chain
        state: State = chain.state
        return state


class SimChain:
    """`state` and `now` are those of the block that is being made, else of the newest."""

    run: Any = None
    balances: Any = None

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.state, self.now, self._made = State(deployment.digest()), GENESIS, 0
        self.mined: list[Mined] = []
        self._sent: dict[bytes, bytes] = {}
        self.market = Contracts(self, deployment)  # type: ignore[arg-type]
        self._append(())

    @property
    def tip(self) -> Mined:
        return self.mined[-1]

    @property
    def finalised(self) -> int:
        """Number of the newest block that no reorganisation reaches."""
        return max(len(self.mined) - 1 - DEPTH, 0)

    def mine(self, seconds: int, transactions: Sequence[Transaction] = (), events: Sequence[Event] = ()) -> Mined:
        """A block with what of the transactions does not revert, then with these events."""
        self.now = self.tip.block.timestamp + seconds
        if transactions or events:
            self.state = _copy(self.state)
        included = []
        for transaction in transactions:
            try:
                found = self.market.run(transaction.data)
            except Refused:
                continue
            self._sent[transaction.hash] = transaction.data
            self._apply(transaction.hash, found)
            included.append(transaction)
        self._apply(ZERO, events)
        return self._append(tuple(included))

    def strike(self, seconds: int) -> Mined:
        return self.mine(seconds, events=[ev.EpochStruck(self.state.last_epoch, heads.struck(self.state.head))])

    def reorganise(self, depth: int) -> list[Transaction]:
        """Drops the newest blocks, never a final one; returns what stood in them."""
        depth = min(depth, len(self.mined) - 1 - self.finalised)
        dropped = self.mined[len(self.mined) - depth :]
        del self.mined[len(self.mined) - depth :]
        self.state, self.now = self.tip.view.state, self.tip.block.timestamp
        return [transaction for mined in dropped for transaction in mined.transactions]

    def transaction(self, data: bytes) -> Transaction:
        return Transaction(sha256(b"transaction" + data).digest(), data)

    def _apply(self, transaction: bytes, events: Sequence[Event]) -> None:
        for event in events:
            st.apply(self.state, Log(len(self.mined), 0, transaction, self.now, event))

    def _append(self, transactions: tuple[Transaction, ...]) -> Mined:
        self._made += 1
        parent = self.mined[-1].block.hash if self.mined else ZERO
        block = Block(len(self.mined), sha256(parent + self._made.to_bytes(8, "big")).digest(), parent, self.now)
        self.mined.append(Mined(block, View(self.state, block.number, self.now), transactions))
        return self.tip

    # ------------------------------------------------------------------------ what the contracts and the settler ask for

    def calldata(self, transaction: bytes) -> bytes:
        return self._sent[transaction]

    def latest(self) -> Block:
        return self.tip.block


class SimIndex:
    """A member's index: the newest final block, or `lag` blocks below, and never back."""

    def __init__(self, chain: SimChain) -> None:
        self.chain, self.lag, self.down, self._seen = chain, 0, False, 0

    def view(self, good_s: float = 0.0) -> View:  # every look here is new
        if self.down:
            raise ChainUnavailable("connection refused")
        self._seen = max(self._seen, self.chain.finalised - self.lag)
        return self.chain.mined[self._seen].view

    @property
    def state(self) -> State:
        return self.chain.mined[self._seen].view.state
