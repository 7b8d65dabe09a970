"""Follows the chain: finalised blocks and their events -> database -> State. Resumes by itself; a reorganisation is undone.

Only blocks `depth` below the head are read. What is read is tied to what was read by parent hashes, and the end of each read is
looked at twice, so that an endpoint that forks, forgets or lags is noticed before anything is decided on its word. A missing log
shows when the events that follow do not fit; then everything is forgotten and read again.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from threading import Lock
from time import monotonic

from oracle.ports import Block, Chain, Database
from oracle.protocol import state as st
from oracle.protocol.deployment import Deployment
from oracle.protocol.errors import ChainUnavailable, Fatal, Refused, WrongChain
from oracle.protocol.events import Log
from oracle.protocol.state import State, Worker

STEP = 2_000  # blocks a read
KEPT = 512  # block hashes compared when the chain has changed
TRIES = 10  # when another process was quicker


@dataclass(frozen=True, slots=True)
class View:
    """What the chain says at one finalised block: nobody changes it any more. `block` is -1 and `now` 0 before the first."""

    state: State
    block: int
    now: int  # block time, seconds


class _Overtaken(ChainUnavailable):
    """Another process changed the database while this one read."""


class Index:
    """Holds the state that the database's events fold to. Threads take turns; processes may share one database."""

    def __init__(
        self,
        chain: Chain,
        database: Database,
        deployment: Deployment,
        depth: int,
        check: Callable[[State], None] = lambda _: None,
    ) -> None:
        """`check` raises what keeps a new state from being shown."""
        self._check = check
        self._chain, self._database, self._deployment, self._depth = chain, database, deployment, depth
        self._turn = Lock()
        self._head: Block | None = None  # of the chain, when all was read
        self._began = -1.0  # when the last whole read began
        self._reset()

    def view(self, good_s: float = 0.0) -> View:
        """Reads on to the newest finalised block. Raises ChainUnavailable (try again), WrongChain or Fatal (lies).

        Who waited for its turn takes what was read meanwhile, if that read began after it had asked, or less than `good_s` before.
        """
        wanted = monotonic() - good_s
        with self._turn:
            if wanted < self._began:
                return self._view
            began = monotonic()
            view = self._read_on()
            self._began = began
            return view

    def _read_on(self) -> View:
        for _ in range(TRIES):
            with suppress(_Overtaken):
                return self._follow(self._chain.latest())
        raise ChainUnavailable("other processes change the same database all the time; try again")

    def advance(self) -> State:
        """The state of `view`."""
        return self.view().state

    @property
    def state(self) -> State:
        """That of the newest view, without asking the chain."""
        return self._view.state

    @property
    def now(self) -> int:
        """Block time of the newest finalised block that was looked at, in seconds; 0 before the first."""
        return self._view.now

    @property
    def block(self) -> int:
        """Its number; -1 before the first."""
        return self._view.block

    def _follow(self, head: Block) -> View:
        if head == self._head and self._database.blocks(1) == [self._seen]:
            return self._view  # nothing has happened, on the chain or in the database
        self._check_chain()
        tip = self._common_tip(head)
        first = tip.number + 1 if tip else self._deployment.block
        while first <= (last := min(first + STEP - 1, head.number - self._depth)):
            tip = self._read(tip, first, last)
            first = tip.number + 1
        if tip and tip != self._seen:
            self._fold(tip)
        self._head = head
        return self._view

    def _reset(self) -> None:
        self._view = View(State(self._deployment.digest()), -1, 0)
        self._place = (-1, -1)
        self._seen: Block | None = None
        self._head = None
        self._began = -1.0

    def _check_chain(self) -> None:
        found, ours = self._chain.chain_id(), self._deployment.chain_id
        if found != ours:
            raise WrongChain(f"the endpoint serves chain {found}, the deployment is on chain {ours}")

    # ------------------------------------------------------------------------------------------- what is still true

    def _common_tip(self, head: Block) -> Block | None:
        """The newest indexed block that the chain still has; what lies above it is forgotten, here too if another did it."""
        known = self._database.blocks(KEPT)
        if self._seen and self._seen not in known:
            self._reset()
        known = self._linked(known)
        below = [block for block in known if block.number <= head.number]
        for block in reversed(below):
            there = head if block.number == head.number else self._block(block.number)
            if there.hash == block.hash:
                if block != known[-1]:
                    self._undo(block, below, head, known[-1])
                return block
        if known and not below:
            raise _behind(head, known[-1])
        if known:
            self._forget(-1)
        return None

    def _linked(self, known: list[Block]) -> list[Block]:
        """Cuts off what another process wrote on top of a fork that a third had undone."""
        for one, two in pairwise(known):
            if two.number == one.number + 1 and two.parent != one.hash:
                self._forget(one.number)
                return [block for block in known if block.number <= one.number]
        return known

    def _undo(self, common: Block, below: list[Block], head: Block, newest: Block) -> None:
        """Forgets what the chain replaced. An endpoint that only lacks our newest blocks has replaced nothing: it lags."""
        if common == below[-1] and newest.number > head.number:
            raise _behind(head, newest)
        self._forget(common.number)

    def _forget(self, above: int) -> None:
        self._database.rewind(above)
        self._reset()

    # --------------------------------------------------------------------------------------------------- what is new

    def _read(self, tip: Block | None, first: int, last: int) -> Block:
        """Stores blocks first..last with their events; the newest block that is stored then."""
        end = self._block(last)
        logs = self._chain.logs(self._deployment, first, last)
        blocks = [self._block(number) for number in sorted({log.block for log in logs} | {first, last})]
        _require_one_chain([tip, *blocks] if tip else blocks, end, logs)
        try:
            self._database.extend(blocks, logs)
        except Refused:  # another process of this home was quicker
            raise _Overtaken("another process read these blocks first") from None
        return end

    def _block(self, number: int) -> Block:
        block = self._chain.block(number)
        if block is None:
            raise ChainUnavailable(f"the endpoint announced block {number} and does not have it")
        return block

    def _fold(self, tip: Block) -> None:
        """Moves on a copy, so that a view never changes. Events that do not fit are forgotten: they may be an old lie."""
        logs = [log for log in self._database.logs(self._place) if log.block <= tip.number]
        if tip not in self._database.blocks(KEPT):
            raise _Overtaken("another process undid a reorganisation")
        state = _copy(self._view.state) if logs else self._view.state
        try:
            for log in logs:
                st.apply(state, log)
        except Fatal:  # an event may be missing, altered, or both: here or long ago
            self._forget(-1)
            raise
        self._check(state)
        if logs:
            self._place = (logs[-1].block, logs[-1].index)
        self._seen, self._view = tip, View(state, tip.number, tip.timestamp)


def _require_one_chain(blocks: list[Block], end: Block, logs: list[Log]) -> None:
    """Raises ChainUnavailable unless all was read from one chain, and at times that can be."""
    for one, two in pairwise(blocks):
        if two.number == one.number + 1 and two.parent != one.hash:
            raise ChainUnavailable(f"the chain changed while it was read: block {two.number} has another parent")
        if two.timestamp < one.timestamp:
            raise ChainUnavailable(f"the endpoint dates block {two.number} before block {one.number}")
    if blocks[-1] != end:
        raise ChainUnavailable(f"the chain changed while it was read: there are two blocks {end.number}")
    times = {block.number: block.timestamp for block in blocks}
    if wrong := [log for log in logs if times.get(log.block) != log.timestamp]:
        raise ChainUnavailable(f"the endpoint dates an event of block {wrong[0].block} otherwise than the block")


def _behind(head: Block, newest: Block) -> ChainUnavailable:
    return ChainUnavailable(f"the endpoint is at block {head.number}, behind block {newest.number} that it had before")


def _copy(state: State) -> State:
    return replace(
        state,
        jobs={number: replace(job) for number, job in state.jobs.items()},
        workers={n: Worker(w.wallet, list(w.keys), set(w.revoked)) for n, w in state.workers.items()},
        worker_of=dict(state.worker_of),
        posts={number: replace(post) for number, post in state.posts.items()},
        claimed=dict(state.claimed),
        frozen=dict(state.frozen),
        hatched=set(state.hatched),
        terms=list(state.terms),
    )
