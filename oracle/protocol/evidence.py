"""What the Referee is shown: the structs of contracts/interfaces/IReferee.sol, and their making from an epoch's data.

epoch, index -> a leaf with its proof. Fields stand in the order of the structs, so that `astuple` is what the ABI encodes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from oracle.protocol import epoch as ep
from oracle.protocol import leaves, trees
from oracle.protocol.epoch import Epoch
from oracle.protocol.hashing import keccak
from oracle.protocol.keys import Address
from oracle.protocol.leaves import Balance, Opening, Verdict, WeightRow
from oracle.protocol.messages import Assignment, Header
from oracle.protocol.state import EpochStatus, Post
from oracle.protocol.terms import Terms

TREE = {name: number for number, name in enumerate(ep.TREES)}  # the enum Tree
Proof: TypeAlias = tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class VerdictLeaf:
    index: int
    job: int
    task: int
    label: int
    prior: bytes
    pay: int
    cores: bytes
    openings: bytes
    proof: Proof


@dataclass(frozen=True, slots=True)
class VerdictStub:
    index: int
    job: int
    task: int
    label: int
    prior_hash: bytes
    pay: int
    list_hash: bytes
    proof: Proof


@dataclass(frozen=True, slots=True)
class WeightLeaf:
    index: int
    job: int
    worker: int
    label: int
    row: bytes
    proof: Proof


@dataclass(frozen=True, slots=True)
class AssignmentLeaf:
    index: int
    job: int
    task: int
    worker: int
    expiry: int
    terms: bytes
    proof: Proof


@dataclass(frozen=True, slots=True)
class BalanceLeaf:
    index: int
    worker: int
    wallet: Address
    cumulative: int
    earnings: bytes
    proof: Proof


@dataclass(frozen=True, slots=True)
class BalanceStub:
    worker: int
    wallet: Address
    cumulative: int
    earnings_hash: bytes
    proof: Proof


@dataclass(frozen=True, slots=True)
class OpeningFields:
    commitment: bytes
    seal_hash: bytes
    payload_hash: bytes
    salt: bytes
    reason: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Link:
    """What is left of an epoch in the chain of heads."""

    digest: bytes
    signers: int
    struck: bool


@dataclass(frozen=True, slots=True)
class OldHeader:
    header: Header
    signers: int
    struck: bool
    links: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class JobTerms:
    requester: Address
    terms: Terms


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a fault needs; all else stays empty."""

    position: int = 0
    verdicts: tuple[VerdictLeaf, ...] = ()
    stubs: tuple[VerdictStub, ...] = ()
    openings: tuple[OpeningFields, ...] = ()
    rows: bytes = b""
    rows_proof: Proof = ()
    weights: tuple[WeightLeaf, ...] = ()
    assignments: tuple[AssignmentLeaf, ...] = ()
    balances: tuple[BalanceLeaf, ...] = ()
    previous: tuple[BalanceStub, ...] = ()
    older: tuple[OldHeader, ...] = ()
    jobs: tuple[JobTerms, ...] = ()


@dataclass(frozen=True, slots=True)
class AnswerFields:
    """The answer that a worker signed."""

    job: int
    terms: bytes
    task: int
    worker: int
    commitment: bytes
    seal_hash: bytes


@dataclass(frozen=True, slots=True)
class ReceiptFields:
    """A quorum's receipt, and where the answer stands in its batch."""

    root: bytes
    size: int
    index: int
    proof: Proof
    signatures: bytes


class Prover:
    """Proves the leaves of one epoch; its trees are built when they are first needed."""

    def __init__(self, epoch: Epoch) -> None:
        self.epoch = epoch
        self._levels: dict[str, trees.Levels] = {}

    def levels(self, tree: str) -> trees.Levels:
        if tree not in self._levels:
            self._levels[tree] = trees.build(ep.leaves_of(self.epoch, tree))
        return self._levels[tree]

    def proof(self, tree: str, index: int) -> Proof:
        return tuple(trees.proof(self.levels(tree), index))

    def verdict(self, index: int) -> VerdictLeaf:
        v = self.epoch.verdicts[index]
        prior, cores, openings = v.packed_prior(), v.packed_cores(), v.opening_hashes()
        return VerdictLeaf(index, v.job, v.task, v.label, prior, v.pay, cores, openings, self.proof("verdicts", index))

    def stub(self, index: int) -> VerdictStub:
        v = self.epoch.verdicts[index]
        prior, listed = keccak(v.packed_prior()), v.list_hash()
        return VerdictStub(index, v.job, v.task, v.label, prior, v.pay, listed, self.proof("verdicts", index))

    def weight(self, index: int) -> WeightLeaf:
        w = self.epoch.weights[index]
        return WeightLeaf(index, w.job, w.worker, w.label, w.packed(), self.proof("weights", index))

    def assignment(self, index: int) -> AssignmentLeaf:
        a = self.epoch.assignments[index]
        return AssignmentLeaf(index, a.job, a.task, a.worker, a.expiry, a.terms, self.proof("assignments", index))

    def balance(self, index: int) -> BalanceLeaf:
        b = self.epoch.balances[index]
        return BalanceLeaf(index, b.worker, b.wallet, b.cumulative, b.earnings, self.proof("balances", index))

    def balance_stub(self, index: int) -> BalanceStub:
        b = self.epoch.balances[index]
        return BalanceStub(b.worker, b.wallet, b.cumulative, keccak(b.earnings), self.proof("balances", index))

    def rows(self, indexes: Sequence[int]) -> tuple[bytes, Proof]:
        """The rows at these indexes, one after the other, and their one proof."""
        rows = b"".join([self.epoch.weights[index].packed() for index in indexes])
        return rows, tuple(trees.multiproof(self.levels("weights"), indexes)) if indexes else ()


def opening(value: Opening) -> OpeningFields:
    o = value
    return OpeningFields(o.commitment, o.seal_hash, o.payload_hash, o.salt, o.reason, o.signature)


def links(posts: Sequence[Post]) -> tuple[Link, ...]:
    """Posts in their order, as the chain of heads remembers them."""
    return tuple(Link(post.digest, post.signers, post.status is EpochStatus.STRUCK) for post in posts)


def revealed(value: leaves.Leaf) -> tuple[Any, ...]:
    """A leaf as a reply gives it: the values of the struct Revealed... of its tree."""
    match value:
        case Balance():
            return value.worker, value.wallet, value.cumulative, value.earnings
        case WeightRow():
            return value.job, value.worker, value.label, value.packed()
        case Assignment():
            return value.job, value.task, value.worker, value.expiry, value.terms
        case Verdict() as v:
            fields = [opening(o) for o in v.openings]
            shown = [(o.commitment, o.seal_hash, o.payload_hash, o.salt, o.reason, o.signature) for o in fields]
            return v.job, v.task, v.label, v.packed_prior(), v.pay, v.packed_cores(), shown
        case _:
            raise ValueError("no leaf of an epoch")


def from_revealed(tree: str, words: tuple[Any, ...]) -> leaves.Leaf:
    """The leaf that a reply gave; addresses as bytes. Of an opening's payload it holds the hash."""
    if tree == "balances":
        return leaves.balance_from(words)
    if tree == "weights":
        return leaves.weight_from(words)
    if tree == "assignments":
        return leaves.assignment_from(words)
    *plain, openings = words
    value = leaves.verdict_from([*plain, []])
    return replace(value, openings=tuple(Opening(o[0], o[1], b"", o[3], o[4], o[5], b"", o[2]) for o in openings))
