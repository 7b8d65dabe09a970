"""From closed tasks to paid workers: propose, collect a quorum, post, finalise, relay claims and refunds.

The settler holds a key for gas and nothing else: what it may do is what the committee signed. Every step may be repeated at any
time, by any number of settlers, with the same effect.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from oracle.ports import (
    Call,
    Calls,
    Chain,
    ClaimProof,
    ContentStore,
    Database,
    Evidence,
    Incomplete,
    Peer,
    Proposal,
    Signer,
)
from oracle.protocol import epoch as ep
from oracle.protocol import trees
from oracle.protocol.cids import Codec, from_digest
from oracle.protocol.deployment import Deployment
from oracle.protocol.errors import CrowdproofError, Refused, Retryable
from oracle.protocol.hashing import keccak
from oracle.protocol.keys import BadSignature, recover
from oracle.protocol.leaves import Balance
from oracle.protocol.messages import Header, digest
from oracle.protocol.state import Post, State
from oracle.services import outbox
from oracle.services.books import Books

T = TypeVar("T")

ROUNDS = 4  # proposals that may grow by evidence
REGISTRATIONS = 50  # a transaction
CLAIMS = 50


@dataclass(frozen=True, slots=True)
class Settler:
    """What settling needs: the outside world and the key that pays for gas. `put` keeps a CAR in `content`."""

    deployment: Deployment
    chain: Chain
    calls: Calls
    content: ContentStore
    database: Database
    signer: Signer
    peers: tuple[Peer, ...]
    books: Books
    put: Callable[[bytes], None]

    def send(self, call: Call, kind: str) -> None:
        outbox.run(self.database, self.chain, self.signer, call, kind)


def post_next(settler: Settler, state: State) -> bool:
    """Posts the next epoch if there is something to decide; False when there is nothing, or one is pending."""
    if state.pending():
        return False
    proposal, signatures = agree(settler)
    if proposal is None:
        return False
    call = settler.calls.post_epoch(proposal.header, proposal.debits, signatures)
    settler.send(call, "post")
    return True


def agree(settler: Settler) -> tuple[Proposal | None, list[bytes]]:
    """A proposal with a quorum of signatures, ascending by signer. Raises Retryable with every member's reason."""
    reasons: list[str] = []
    for proposer in settler.peers:
        evidence = Evidence()
        for _ in range(ROUNDS):
            try:
                proposal = proposer.propose(evidence)
                if proposal is None:
                    break
                signatures, evidence, reasons = _collect(settler, proposer, proposal, evidence)
            except CrowdproofError as problem:
                reasons.append(str(problem))
                break
            if len(signatures) >= settler.deployment.committee.quorum:
                return proposal, signatures[: settler.deployment.committee.quorum]
            if evidence == Evidence():
                break
    if reasons:
        raise Retryable("no quorum for the next epoch: " + "; ".join(dict.fromkeys(reasons)))
    return None, []


def _collect(
    settler: Settler, proposer: Peer, proposal: Proposal, known: Evidence
) -> tuple[list[bytes], Evidence, list[str]]:
    """(signatures ascending by signer, evidence for the next round, reasons of those who refused)."""
    root = from_digest(Codec.DAG_CBOR, proposal.header.content)
    car = proposer.blocks(root)
    settler.put(car)
    message = digest(settler.deployment.domain(), proposal.header)
    found: dict[bytes, bytes] = {}
    answers, openings, reasons = list(known.answers), list(known.openings), []
    for peer in settler.peers:
        try:
            if peer is not proposer:
                peer.store(car)
            signature = peer.approve(proposal.header)
            signer = recover(message, signature)
            if signer not in settler.deployment.committee.members:
                raise BadSignature("a member signed with a key that is not the committee's")
            found[signer] = signature
        except Incomplete as refusal:
            answers += [a for a in refusal.evidence.answers if a not in answers]
            openings += [o for o in refusal.evidence.openings if o not in openings]
            reasons.append(str(refusal))
        except (Refused, Retryable) as refusal:
            reasons.append(str(refusal))
    grown = Evidence(tuple(answers), tuple(openings))
    return [found[signer] for signer in sorted(found)], grown if grown != known else Evidence(), reasons


def finalise_pending(settler: Settler, state: State, now: int) -> bool:
    """Finalises the pending epoch once its window is over."""
    pending = state.pending()
    if pending is None or now < pending.posted_at + settler.deployment.window:
        return False
    settler.send(settler.calls.finalise_epoch(header_of_post(settler, pending), pending.signers), "finalise")
    return True


def header_of_post(settler: Settler, post: Post) -> Header:
    """The header of a posted epoch, from its data."""
    epoch = settler.books.epoch(post.epoch, post.content)
    return ep.header_of(epoch, post.content, ep.roots_of(epoch))


def register(settler: Settler, state: State) -> int:
    """Registers the wallets that asked for it, many to a transaction; how many."""
    wishes = [r for r in settler.database.registrations() if r.wallet not in state.worker_of]
    for part in _parts(wishes, REGISTRATIONS):
        settler.send(settler.calls.register_many(part), "register")
    return len(wishes)


def pay(settler: Settler, state: State) -> int:
    """Relays the claims that workers asked for, many to a transaction; how many."""
    final = state.final()
    if final is None:
        return 0
    epoch = settler.books.epoch(final.epoch, final.content)
    levels = trees.build(ep.leaves_of(epoch, "balances"))
    wanted = [w for w in sorted(settler.database.claims()) if w < len(epoch.balances)]
    due = [w for w in wanted if epoch.balances[w].cumulative > state.claimed.get(w, 0)]
    for part in _parts(due, CLAIMS):
        proofs = [_claim(epoch.balances[w], trees.proof(levels, w)) for w in part]
        settler.send(settler.calls.claim_many(proofs), "claim")
    return len(due)


def _claim(balance: Balance, proof: list[bytes]) -> ClaimProof:
    return ClaimProof(balance.worker, balance.wallet, balance.cumulative, keccak(balance.earnings), tuple(proof))


def _parts(items: Sequence[T], size: int) -> list[Sequence[T]]:
    return [items[i : i + size] for i in range(0, len(items), size)]
