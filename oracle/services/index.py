"""Follows the chain: finalised blocks and their events -> database -> State. Resumes by itself; a reorganisation is undone.

Only blocks `depth` below the head are read. Each read is tied to the last by the parent's hash, so that an endpoint that forks or
forgets is noticed before anything is decided on it.
"""

from threading import Lock

from oracle.ports import Block, Chain, Database
from oracle.protocol import state as st
from oracle.protocol.deployment import Deployment
from oracle.protocol.errors import ChainUnavailable, Refused, WrongChain
from oracle.protocol.state import State

STEP = 2_000  # blocks a read
KEPT = 512  # block hashes compared when the chain has changed


class Index:
    """Holds the state that the database's events fold to. Threads take turns; processes may share one database."""

    def __init__(self, chain: Chain, database: Database, deployment: Deployment, depth: int) -> None:
        self._chain, self._database, self._deployment, self._depth = chain, database, deployment, depth
        self._turn = Lock()
        self._seen: Block | None = None
        self._reset()

    def advance(self) -> State:
        """Reads on to the newest finalised block. Raises ChainUnavailable (try again) or WrongChain."""
        with self._turn:
            self._check_chain()
            tip = self._common_tip()
            last = self._chain.latest().number - self._depth
            first = tip.number + 1 if tip else self._deployment.block
            while first <= last:
                upto = min(first + STEP - 1, last)
                tip = self._read(tip, first, upto)
                first = upto + 1
            self._fold()
            self._seen = tip
            return self.state

    @property
    def now(self) -> int:
        """Block time of the newest finalised block, in seconds; 0 before the first."""
        return self._seen.timestamp if self._seen else 0

    @property
    def block(self) -> int:
        """Number of the newest finalised block; -1 before the first."""
        return self._seen.number if self._seen else -1

    def _reset(self) -> None:
        self.state = State(self._deployment.digest())
        self._place = (-1, -1)
        self._seen = None

    def _check_chain(self) -> None:
        if (found := self._chain.chain_id()) != self._deployment.chain_id:
            raise WrongChain(
                f"the endpoint serves chain {found}, the deployment is on chain {self._deployment.chain_id}"
            )

    def _common_tip(self) -> Block | None:
        """The newest indexed block that the chain still has; what lies above it is forgotten, here too if another did it."""
        known = self._database.blocks(KEPT)
        if self._seen and self._seen not in known:
            self._reset()
        for block in reversed(known):
            there = self._chain.block(block.number)
            if there and there.hash == block.hash:
                if block != known[-1]:
                    self._forget(block.number)
                return block
        if known:
            self._forget(-1)
        return None

    def _forget(self, above: int) -> None:
        self._database.rewind(above)
        self._reset()

    def _read(self, tip: Block | None, first: int, last: int) -> Block:
        logs = self._chain.logs(self._deployment, first, last)
        numbers = sorted({log.block for log in logs} | {first, last})
        blocks = [self._block(number) for number in numbers]
        if tip and tip.number + 1 == first and blocks[0].parent != tip.hash:
            raise ChainUnavailable("the chain changed while it was read")
        try:
            self._database.extend(blocks, logs)
        except Refused:  # another process of this home was quicker
            blocks = [block for block in self._database.blocks(KEPT) if block.number <= last] or blocks
        return blocks[-1]

    def _block(self, number: int) -> Block:
        block = self._chain.block(number)
        if block is None:
            raise ChainUnavailable(f"the endpoint announced block {number} and does not have it")
        return block

    def _fold(self) -> None:
        for log in self._database.logs(self._place):
            st.apply(self.state, log)
            self._place = (log.block, log.index)
