"""The port `Referee`: calldata for the Referee and for Demands, and what the chain knows of demands.

Which Referee, and which Demands, is read from the Market and from the Referee: nobody need be told.
"""

from collections.abc import Sequence
from dataclasses import astuple
from typing import Any

from eth_abi.abi import decode as abi_decode
from eth_abi.abi import encode as abi_encode

from oracle.adapters.chain import RpcChain
from oracle.adapters.rpc import to_hex
from oracle.adapters.satellites import listed, pending
from oracle.ports import Call, Demanded, Posted
from oracle.protocol.deployment import Deployment
from oracle.protocol.epoch import TREES
from oracle.protocol.errors import BadInput
from oracle.protocol.evidence import TREE, Link, from_revealed, revealed
from oracle.protocol.faults import Kind
from oracle.protocol.hashing import keccak
from oracle.protocol.keys import Address
from oracle.protocol.leaves import Leaf
from oracle.protocol.refutations import Drop, Refutation
from oracle.protocol.state import Post

OPENING = "(bytes32,bytes32,bytes32,bytes32,bytes32,bytes)"
REVEALED = {
    "balances": "(uint32,address,uint64,bytes)",
    "weights": "(uint32,uint32,uint8,bytes)",
    "verdicts": f"(uint32,uint32,uint8,bytes,uint64,bytes,{OPENING}[])",
    "assignments": "(uint32,uint32,uint32,uint64,bytes32)",
}
NOBODY: Address = bytes(20)


class RefereeCalls:
    """For one deployment. Raises BadInput where it has no Referee: nobody can strike there."""

    def __init__(self, chain: RpcChain, deployment: Deployment) -> None:
        if deployment.referee == NOBODY:
            raise BadInput("this deployment has no Referee: its epochs cannot be refuted on chain")
        self._chain, self._deployment, self._interfaces = chain, deployment, chain.interfaces
        self._referee = deployment.referee
        self._demands: Address = self._view("Referee", self._referee, "demands")

    # --------------------------------------------------------------------------------------------------------- striking

    def refute(self, posted: Posted, refutation: Refutation, beneficiary: Address) -> Call:
        kind = refutation.kind
        args = (self._posted(posted, beneficiary), int(kind), listed(refutation.evidence))
        return self._strike(posted, kind, self._encode(kind.entry, *args))

    def drop(self, posted: Posted, drop: Drop, beneficiary: Address) -> Call:
        args = (self._posted(posted, beneficiary), astuple(drop.answer), listed(drop.receipt), listed(drop.leaf))
        return self._strike(posted, Kind.Dropped, self._encode("dropped", *args))

    def withheld(self, posted: Posted, tree: str, index: int, beneficiary: Address) -> Call:
        args = (self._posted(posted, beneficiary), TREE[tree], index)
        return self._strike(posted, Kind.Withheld, self._encode("withheld", *args))

    def trace(self, start: bytes, links: Sequence[Link]) -> Call:
        data = self._encode("trace", self._deployment.market, start, [astuple(link) for link in links])
        return Call(f"trace head {to_hex(start)}", self._referee, data)

    def is_traced(self, head: bytes) -> bool:
        return bool(self._view("Referee", self._referee, "isTraced", self._deployment.market, head))

    # ---------------------------------------------------------------------------------------------------------- demands

    def demand(self, posted: Posted, tree: str, index: int, bond: int) -> Call:
        data = self._interfaces.encode("Demands", "demand", self._pending(posted), TREE[tree], index)
        return Call(f"demand {_place(posted, tree, index)}", self._demands, data, value=bond)

    def reply(self, posted: Posted, tree: str, index: int, leaf: Leaf, proof: Sequence[bytes]) -> Call:
        shown = abi_encode([REVEALED[tree]], [revealed(leaf)])
        args = (self._pending(posted), TREE[tree], index, shown, list(proof))
        return Call(
            f"reveal {_place(posted, tree, index)}", self._demands, self._interfaces.encode("Demands", "reply", *args)
        )

    def collects(self, account: Address) -> list[tuple[Call, int]]:
        """What takes the rewards of strikes and the bonds that are this account's, and how many wei each."""
        committee = self._deployment.committee.address
        owed = [
            ("Committee", committee, "rewardOf", "the rewards of refutations"),
            ("Demands", self._demands, "creditOf", "the bonds of demands"),
        ]
        found = []
        for contract, place, function, what in owed:
            if amount := self._view(contract, place, function, account):
                data = self._interfaces.encode(contract, "collect")
                now = self._chain.latest().number
                found.append((Call(f"collect {what} ({amount} wei at block {now})", place, data), amount))
        return found

    def price(self, head: bytes) -> int:
        return int(self._view("Demands", self._demands, "priceOf", self._deployment.market, head))

    def demands(self, post: Post) -> list[Demanded]:
        """Every leaf of a posted epoch that was demanded, in the order of the demands."""
        (outcome,) = self._chain.outcomes([post.transaction])
        first = outcome.block if outcome else self._deployment.block
        asked = self._logs("LeafDemanded", first, post.epoch)
        shown = {(tree, index): leaf for tree, index, leaf in self._logs("LeafRevealed", first, post.epoch)}
        found = []
        for tree, index, *_ in asked:
            market = self._deployment.market
            place = self._view("Demands", self._demands, "demandId", market, post.head, tree, index)
            demander, bond, end, answered = self._view("Demands", self._demands, "demandOf", place)
            if end:  # else it was of an epoch of that number in a fork that is gone
                answer = shown.get((tree, index)) if answered else None
                leaf = None if answer is None else _leaf(TREES[tree], answer)
                found.append(Demanded(TREES[tree], index, demander, bond, end, answered, leaf))
        return found

    def _logs(self, event: str, first: int, epoch: int) -> list[tuple[Any, ...]]:
        """The plain fields of that event about the epoch."""
        indexed = (self._deployment.market, epoch)
        found = self._chain.events("Demands", self._demands, event, indexed, first)
        return [tuple(fields.values())[len(indexed) :] for fields in found]

    # ----------------------------------------------------------------------------------------------------------- inside

    def _strike(self, posted: Posted, kind: Kind, data: bytes) -> Call:
        header = posted.header
        what = f"refute epoch {header.epoch} after {to_hex(header.previous)}: {kind.name} ({keccak(data)[:8].hex()})"
        return Call(what, self._referee, data)

    def _encode(self, function: str, *args: Any) -> bytes:
        return self._interfaces.encode("Referee", function, *args)

    def _posted(self, posted: Posted, beneficiary: Address) -> tuple[Any, ...]:
        c = posted.committee
        return (
            *self._pending(posted),
            posted.debits,
            posted.signatures,
            list(c.members),
            list(c.seal_keys),
            c.quorum,
            beneficiary,
        )

    def _pending(self, posted: Posted) -> tuple[Any, ...]:
        return pending(self._deployment, posted)

    def _view(self, contract: str, place: Address, function: str, *args: Any) -> Any:
        reply = self._chain.call(place, self._interfaces.encode(contract, function, *args))
        with self._chain.rpc.reading(f"eth_call of {contract}"):
            return self._interfaces.output(contract, function, reply)


def _place(posted: Posted, tree: str, index: int) -> str:
    return f"leaf {index} of the {tree} of epoch {posted.header.epoch} after {to_hex(posted.header.previous)}"


def _leaf(tree: str, shown: bytes) -> Leaf:
    (words,) = abi_decode([REVEALED[tree]], shown)
    return from_revealed(tree, tuple(bytes.fromhex(w[2:]) if isinstance(w, str) else w for w in words))
