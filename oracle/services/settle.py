"""From closed tasks to paid workers: propose, collect a quorum, post, finalise, relay registrations and claims.

The settler holds a key for gas and nothing else: what it may do is what the committee signed. Every step may be repeated at any
time, by any number of settlers, with the same effect. No single member can stop it: whoever lies, hangs or is gone is passed over.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from oracle.ports import (
    Call,
    Calls,
    Chain,
    ContentStore,
    Database,
    Evidence,
    Incomplete,
    Peer,
    Proposal,
    Registration,
    Signer,
    StoredAnswer,
)
from oracle.protocol import epoch as ep
from oracle.protocol import heads, trees
from oracle.protocol.cids import Codec, from_digest
from oracle.protocol.deployment import Deployment
from oracle.protocol.errors import ContentMissing, CrowdproofError, Refused, Retryable
from oracle.protocol.messages import Header, digest
from oracle.protocol.state import Post, State
from oracle.services import outbox
from oracle.services.books import Books
from oracle.services.draft import SEALED
from oracle.services.panel import Panel, Replies
from oracle.services.receive import signer_of
from oracle.telemetry import METRICS

T = TypeVar("T")

SHARINGS = 2  # of what opens a proposal's answers
ROUNDS = 4  # proposals of one member that may grow by evidence
REGISTRATIONS = 50  # a transaction
COUNTERS = 4  # of workers, in a slot of the Market
CLAIMS = 200  # a transaction
CLAIM_GAS = 10_000_000  # of a batch
CLAIM_WORKER, CLAIM_SLOT, CLAIM_STEP = (
    31_000,
    22_000,
    700,
)  # of a wallet without the token, of a slot that is fresh, of a hash
MARGIN_S = 60  # a signed wish must hold so much longer than now: it takes a while to be mined
PATIENCE_S = 600.0  # for the members' checks of an epoch
GRACE_S = 2.0  # for the evidence of those who come last


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
        """Makes the call once; once more if it was mined and reverted: it would not now, or the estimate refuses it."""
        attempt, number = call, 1
        while self._reverted(attempt):
            number += 1
            attempt = replace(call, what=f"{call.what} (attempt {number})")
        outbox.run(self.database, self.chain, self.signer, attempt, kind)

    def _reverted(self, call: Call) -> bool:
        known = self.database.sent(self.signer.address, what=call.what)
        return any(sent.outcome and not sent.outcome.succeeded for sent in known)


# ------------------------------------------------------------------------------------------------------------ epochs


def post_next(settler: Settler, state: State) -> bool:
    """Posts the next epoch if there is something to decide; False when there is nothing, or one is pending."""
    if state.pending():
        return False
    proposal, signatures = agree(settler, state)
    if proposal is None:
        return False
    settler.send(settler.calls.post_epoch(proposal.header, proposal.debits, signatures), "post")
    METRICS.epoch("posted")
    return True


def agree(settler: Settler, state: State) -> tuple[Proposal | None, list[bytes]]:
    """A proposal with a quorum of signatures, ascending by signer; (None, []) when a quorum has nothing to decide.

    Raises Retryable with every member's reason. Who proposes first changes from block to block.
    """
    quorum, idle = settler.deployment.committee.quorum, 0
    reasons: list[str] = []
    first = settler.chain.latest().number % len(settler.peers)
    for proposer in settler.peers[first:] + settler.peers[:first]:
        try:
            found = _agree_with(settler, state, proposer)
        except CrowdproofError as problem:
            reasons.append(str(problem))
            continue
        if found:
            return found
        idle += 1
    if idle >= quorum or not reasons:
        return None, []
    raise Retryable("no quorum for the next epoch: " + "; ".join(dict.fromkeys(reasons)))


def _agree_with(settler: Settler, state: State, proposer: Peer) -> tuple[Proposal, list[bytes]] | None:
    """One member's proposal, grown by what the others miss in it, with a quorum's signatures; None if it has nothing.

    Nobody signs before a quorum would: a member that signed a header which then fails may sign no other until that expires.
    Nor while evidence changes what is proposed, also when a quorum would do without: a liar among it may take its word back, and
    the honest rest, bound to what one of them refuses with reason, would fail again whenever the header expires.
    """
    evidence, quorum = Evidence(matches=_matches(settler, state)), settler.deployment.committee.quorum
    problems: list[CrowdproofError] = []
    decided = b""  # the verdicts that were proposed before the evidence grew
    for last in (False,) * (ROUNDS - 1) + (True,):
        proposal = _proposed(settler, proposer, evidence)
        if proposal is None:
            return None
        reviewed = _review(settler, state, proposer, proposal)
        problems = reviewed.problems
        settled = last or proposal.header.verdicts == decided or _grown(evidence, problems) == evidence
        if len(reviewed.found) >= quorum and settled:
            signed = _sign(settler, proposal)
            if len(signed.found) >= quorum:
                return proposal, [signed.found[signer] for signer in sorted(signed.found)][:quorum]
            problems = signed.problems
        grown = _grown(evidence, problems)
        if not grown.shared and any(isinstance(p, Refused) and p.code == SEALED for p in problems):
            grown = _share(settler, grown)
        if grown == evidence:
            break
        evidence, decided = grown, proposal.header.verdicts
    raise Retryable("; ".join(dict.fromkeys(map(str, problems))) or "the members' evidence does not end")


def _proposed(settler: Settler, proposer: Peer, evidence: Evidence) -> Proposal | None:
    """What it proposes, once it knows what the members have to say of answers whose keys are split."""
    for _ in range(SHARINGS):
        try:
            return proposer.propose(evidence)
        except Incomplete as problem:
            evidence = _grown(evidence, [problem])
        except Refused as problem:
            if problem.code != SEALED:
                raise
        evidence = _share(settler, evidence)
    return proposer.propose(evidence)


def _share(settler: Settler, evidence: Evidence) -> Evidence:
    """Hands every member the others' shares, and shows all of them what they hold apart."""
    for _ in range(SHARINGS):
        before, evidence = evidence, _grown(evidence, _exchange(settler, evidence.answers))
        if evidence == before:
            break
    return replace(evidence, shared=True)


def _exchange(settler: Settler, shown: Sequence[StoredAnswer]) -> list[CrowdproofError]:
    """Each learns what the others tell of tasks that a quorum holds alike; what they say against it."""
    panel, quorum = Panel(settler.peers), settler.deployment.committee.quorum

    def all_of(question: Callable[[Peer], T]) -> Replies[int, T]:
        return panel.ask(lambda peer: (id(peer), question(peer)), quorum, GRACE_S, PATIENCE_S)

    said = [one for one in all_of(lambda peer: peer.attest(shown)).found.values() if one]
    replies = all_of(lambda peer: peer.tell(shown, said))
    told = [shares for shares in replies.found.values() if shares]
    all_of(lambda peer: peer.learn(told))
    return replies.problems


def _matches(settler: Settler, state: State) -> tuple[bytes, ...]:
    """Those that no epoch has named yet."""
    named = settler.books.matches(state)
    return tuple(digest_ for _, digest_ in settler.database.matches() if digest_ not in named)


def _review(settler: Settler, state: State, proposer: Peer, proposal: Proposal) -> Replies[int, None]:
    if heads.debits_hash(proposal.debits) != proposal.header.debits:
        raise Refused("wrong-debits", "a proposal's debits are not those of its header")
    car = proposer.blocks(from_digest(Codec.DAG_CBOR, proposal.header.content))
    settler.put(car)

    def ask(peer: Peer) -> tuple[int, None]:
        if peer is not proposer:
            peer.store(car)
        try:
            peer.review(proposal.header)
        except ContentMissing:
            _bring_up(settler, state, proposal, peer)
            peer.review(proposal.header)
        return id(peer), None

    quorum = settler.deployment.committee.quorum
    return Panel(settler.peers).ask(ask, quorum, GRACE_S, PATIENCE_S)


def _sign(settler: Settler, proposal: Proposal) -> Replies[bytes, bytes]:
    message = digest(settler.deployment.domain(), proposal.header)

    def ask(peer: Peer) -> tuple[bytes, bytes]:
        signature = peer.approve(proposal.header)
        return signer_of(settler.deployment, message, signature), signature

    quorum = settler.deployment.committee.quorum
    return Panel(settler.peers).ask(ask, quorum, grace=0.0, patience=PATIENCE_S)


def _bring_up(settler: Settler, state: State, proposal: Proposal, peer: Peer) -> None:
    """Hands a member that was away the jobs and epochs that it missed, from whoever has them; nobody needs struck ones."""
    jobs = [state.jobs[debit.job].terms.manifest for debit in proposal.debits if debit.job in state.jobs]
    for content in [*jobs, *(post.content for post in state.unstruck())]:
        root = from_digest(Codec.DAG_CBOR, content)
        for other in settler.peers:
            try:
                peer.store(other.blocks(root))
                break
            except CrowdproofError:
                continue


def _grown(evidence: Evidence, problems: Sequence[CrowdproofError]) -> Evidence:
    answers, openings = dict.fromkeys(evidence.answers), dict.fromkeys(evidence.openings)
    gold = dict.fromkeys(evidence.gold)
    for problem in problems:
        if isinstance(problem, Incomplete):
            answers |= dict.fromkeys(problem.evidence.answers)
            openings |= dict.fromkeys(problem.evidence.openings)
            gold |= dict.fromkeys(problem.evidence.gold)
    return replace(evidence, answers=tuple(answers), openings=tuple(openings), gold=tuple(gold))


def finalise_pending(settler: Settler, state: State, now: int) -> bool:
    """Finalises the pending epoch once its window is over."""
    pending = state.pending()
    if pending is None or now < pending.posted_at + settler.deployment.window:
        return False
    settler.send(settler.calls.finalise_epoch(header_of_post(settler, pending), pending.signers), "finalise")
    METRICS.epoch("final")
    return True


def header_of_post(settler: Settler, post: Post) -> Header:
    """The header of a posted epoch, from its data."""
    epoch = settler.books.epoch(post.epoch, post.content)
    return ep.header_of(epoch, post.content, ep.roots_of(epoch))


# ------------------------------------------------------------------------------------------------------------ wishes


def register(settler: Settler, state: State) -> int:
    """Registers the wallets that asked for it, many to a transaction; how many. Wishes that are fulfilled or too old go."""
    until = settler.chain.latest().timestamp + MARGIN_S
    wishes = settler.database.registrations()
    due = {w.wallet: w for w in wishes if w.wallet not in state.worker_of and w.valid_until >= until}
    if over := {wish.wallet for wish in wishes} - due.keys():
        settler.database.drop_registrations(sorted(over))
    waiting = sorted(
        due.values(), key=lambda wish: wish.wallet
    )  # whoever was quicker: the same people, the same numbers
    return sum(_register(settler, part) for part in _parts(waiting, REGISTRATIONS))


def _register(settler: Settler, wishes: Sequence[Registration]) -> int:
    """Halves what the contract refuses, so that one bad wish keeps nobody else out."""
    try:
        settler.send(settler.calls.register_many(wishes), "register")
    except Refused:
        half = len(wishes) // 2
        return _register(settler, wishes[:half]) + _register(settler, wishes[half:]) if half else 0
    return len(wishes)


def pay(settler: Settler, state: State) -> int:
    """Relays the claims of those who ever asked for it, many to a transaction; how many. A wish stands for later epochs too."""
    final = state.final()
    if final is None:
        return 0
    epoch = settler.books.epoch(final.epoch, final.content)
    wanted = [w for w in sorted(settler.database.claims()) if w < len(epoch.balances)]
    due = [w for w in wanted if epoch.balances[w].cumulative > state.taken(w)]
    levels = trees.build(ep.leaves_of(epoch, "balances")) if due else []
    for part in batches(due, len(epoch.balances)):
        proven = settler.calls.claim_many([epoch.balances[w] for w in part], trees.multiproof(levels, part))
        settler.send(proven, "claim")
    return len(due)


def batches(workers: Sequence[int], size: int) -> list[list[int]]:
    """Ascending workers of a tree of `size`, neighbours together, as many as the Market takes and a transaction bears.

    Reckoned as if every wallet and every slot of counters were new, and every slot needed a proof of its own.
    """
    found: list[list[int]] = []
    apart = CLAIM_SLOT + CLAIM_STEP * trees.depth(size)
    gas, slot = 0, -1
    for worker in workers:
        cost = CLAIM_WORKER + (apart if worker // COUNTERS != slot else 0)
        if not found or gas + cost > CLAIM_GAS or len(found[-1]) == CLAIMS:
            found.append([])
            gas, cost = 0, CLAIM_WORKER + apart
        found[-1].append(worker)
        gas, slot = gas + cost, worker // COUNTERS
    return found


def _parts(items: Sequence[T], size: int) -> list[Sequence[T]]:
    return [items[i : i + size] for i in range(0, len(items), size)]
