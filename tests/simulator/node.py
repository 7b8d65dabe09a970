"""One simulated member: the real `Member` over what it owns, which may crash and be restarted from what is durable."""

from typing import TYPE_CHECKING, Any

from oracle.ports import Evidence, OfferedAssignment, Proposal, StoredAnswer
from oracle.protocol.cids import Cid
from oracle.protocol.errors import Retryable
from oracle.protocol.messages import Header
from oracle.services.member import Member
from tests.simulator.chain import SimIndex
from tests.simulator.durable import Crashed, Memory, Store

if TYPE_CHECKING:
    from tests.simulator.world import World


class Node:
    """`member` is None while the process is down. A request is a method of this name with an underscore."""

    def __init__(self, world: "World", position: int) -> None:
        self.world, self.position = world, position
        self.signer = world.cast.signers[position]
        self.database, self.content = Memory(), Store(world.blocks)
        self.index = SimIndex(world.chain)
        self.member: Member | None = None
        self.restart()

    def restart(self) -> None:
        self.database.fail = ""
        resources: Any = (self.index, self.database, self.content, self.signer)
        self.member = Member(self.world.cast.deployment, *resources)

    def serve(self, what: str, *arguments: Any) -> Any:
        """Answers a request, or dies on it."""
        try:
            return getattr(self, "_" + what)(*arguments)
        except Crashed:
            self.member = None
            self.world.note("crashed", self.position)
            raise Retryable("the connection broke") from None

    def _member(self) -> Member:
        if self.member is None:
            raise Retryable("connection refused")
        return self.member

    def _assign(self, pairs: list[tuple[int, int, int]]) -> list[OfferedAssignment]:
        return self._member().assign(pairs)

    def _accept(self, answers: tuple[StoredAnswer, ...]) -> bytes:
        return self._member().accept(answers)[1]

    def _propose(self, evidence: Evidence) -> Proposal | None:
        return self._member().propose(evidence)

    def _review(self, header: Header) -> None:
        self._member().review(header)

    def _approve(self, header: Header) -> bytes:
        return self._member().approve(header)

    def _blocks(self, root: Cid) -> frozenset[Cid]:
        self._member()
        return self.content.below(root)

    def _store(self, car: frozenset[Cid]) -> None:
        self._member()
        self.content.held |= car
