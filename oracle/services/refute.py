"""The remedy: looks at a posted epoch as anybody can, and does what strikes it.

chain, a copy of the content, receipts -> `Finding` -> a transaction: the cheapest proof of a fault, the demand for a leaf that is
not there, the strike for one that was withheld, or the answer to a demand. Trusts no store: what is not committed is not there.
Every step may be repeated by any number of refuters; the first one is rewarded.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from oracle.ports import (
    Call,
    Chain,
    ContentStore,
    Database,
    Demanded,
    Posted,
    Referee,
    Signer,
    StoredReceipt,
)
from oracle.protocol import epoch as ep
from oracle.protocol import heads, leaves, refutations, trees
from oracle.protocol.deployment import Deployment
from oracle.protocol.epoch import Epoch
from oracle.protocol.errors import BadInput, ContentMissing, CrowdproofError, Refused
from oracle.protocol.evidence import Prover, ReceiptFields, links
from oracle.protocol.faults import Fault, Kind
from oracle.protocol.heads import Debit
from oracle.protocol.jobkey import Keys, no_keys
from oracle.protocol.keys import Address
from oracle.protocol.messages import Answer, Header, digest
from oracle.protocol.refutations import Case, Refutation
from oracle.protocol.state import EpochStatus, Post, State
from oracle.services import outbox
from oracle.services.books import Books, source

KINDS = 6  # proofs of which the gas is asked, of the cheapest kinds by size
LINKS = 2_000  # headers that one transaction links; for more, heads are traced first
ANYBODY: Address = bytes(19) + b"\1"  # who would be rewarded, where nobody sends
DemandPlace = tuple[str, int]
DecodePost = Callable[[bytes], tuple[Header, list[Debit], bytes]]


@dataclass(frozen=True, slots=True)
class Purse:
    """Who pays and is rewarded, and the outbox of its transactions."""

    database: Database
    signer: Signer


@dataclass(frozen=True, slots=True)
class Refuter:
    """What refuting needs. Without a purse nothing is sent; `rewarded`: who would be, where another sends."""

    deployment: Deployment
    chain: Chain
    referee: Referee
    content: ContentStore
    decode_post: DecodePost
    purse: Purse | None = None
    rewarded: Address = ANYBODY
    keys: Keys = no_keys

    @property
    def beneficiary(self) -> Address:
        return self.purse.signer.address if self.purse else self.rewarded

    def send(self, call: Call, kind: str) -> tuple[bytes, int]:
        """The transaction and its gas, once it is mined. Raises Refused if it reverts, BadInput without a purse."""
        if not self.purse:
            raise BadInput("a key is needed to send this")
        database, signer = self.purse.database, self.purse.signer
        outcome = outbox.run(database, self.chain, signer, call, kind)
        return database.sent(signer.address, what=call.what)[0].transaction, outcome.gas


@dataclass(slots=True)
class Finding:
    """What was found about an epoch, and what was done. `missing`: leaves that the store does not give."""

    epoch: int
    faults: list[Fault] = field(default_factory=list)
    missing: list[DemandPlace] = field(default_factory=list)
    did: str = "nothing"  # nothing, would strike, struck, demanded, waits, too late
    what: str = "the epoch stands"
    transaction: str | None = None
    gas: int | None = None
    call: Call | None = None  # what strikes it, or demands the leaf

    @property
    def stands(self) -> bool:
        return not self.faults and not self.missing


@dataclass(frozen=True, slots=True)
class Seen:
    """A posted epoch as far as it can be seen. `case`: with all its data; else `missing` says what is not there."""

    post: Post
    posted: Posted
    case: Case | None
    faults: list[Fault]
    missing: list[DemandPlace]
    demands: list[Demanded]


# ----------------------------------------------------------------------------------------------------------------- looking


def look(refuter: Refuter, state: State, post: Post) -> Seen:
    """Reads everything about an epoch. Raises ContentMissing when an epoch before it cannot be read."""
    posted = posted_of(refuter, state, post)
    demands = refuter.referee.demands(post)
    epoch, broken = _load(refuter, post, demands)
    if epoch is None or not refutations.is_whole(posted.header, epoch):
        missing = list(dict.fromkeys(refutations.missing(posted.header, epoch, broken)))
        return Seen(post, posted, None, list(refutations.rootless(posted.header)), missing, demands)
    if hidden := _hidden(refuter, state, epoch):
        return Seen(post, posted, None, list(refutations.rootless(posted.header)), hidden, demands)
    case = _case(refuter, state, post, posted, epoch)
    return Seen(post, posted, case, list(refutations.find(case)), [], demands)


def _hidden(refuter: Refuter, state: State, epoch: Epoch) -> list[DemandPlace]:
    """Leaves whose records are sealed, of jobs that do not say they are: withheld, and to be demanded."""
    books = Books(refuter.content)

    def is_open(number: int) -> bool:
        with suppress(ContentMissing):
            return number not in state.jobs or not books.job(state.jobs[number].terms)[0].is_sealed
        return True

    jobs = {number for number in epoch.sealed if is_open(number)}
    sealable: list[tuple[str, int, leaves.WeightRow | leaves.Verdict]]
    sealable = [("weights", index, one) for index, one in enumerate(epoch.weights)]
    sealable += [("verdicts", index, one) for index, one in enumerate(epoch.verdicts)]
    return [(tree, index) for tree, index, one in sealable if leaves.is_sealed(one) and one.job in jobs]


def posted_of(refuter: Refuter, state: State, post: Post) -> Posted:
    """What was posted, from the transaction that posted it."""
    header, debits, signatures = refuter.decode_post(refuter.chain.calldata(post.transaction))
    if digest(refuter.deployment.domain(), header) != post.digest:
        raise Refused("no-post", f"the transaction of epoch {post.epoch} does not post the header that the event names")
    term = state.term(post.epoch)  # who signed; the members may have changed since
    committee = term.committee(refuter.deployment.committee.address) if term else refuter.deployment.committee
    return Posted(header, post.signers, heads.pack_debits(debits), signatures, committee)


def data_of(refuter: Refuter, post: Post) -> Epoch | None:
    """An epoch's data as the store gives it; None where it does not."""
    return ep.load(source(refuter.content, refuter.keys), post.epoch, post.content)[0]


def _load(refuter: Refuter, post: Post, demands: Sequence[Demanded]) -> tuple[Epoch | None, list[Fault]]:
    known: dict[str, dict[int, leaves.Leaf]] = {}
    for demand in demands:
        if demand.answer is not None:
            known.setdefault(demand.tree, {})[demand.index] = demand.answer
    return ep.load(source(refuter.content, refuter.keys), post.epoch, post.content, known)


def _case(refuter: Refuter, state: State, post: Post, posted: Posted, epoch: Epoch) -> Case:
    books = Books(refuter.content, refuter.keys)
    before = replace(state, posts={number: p for number, p in state.posts.items() if number < post.epoch})

    def header_of(number: int) -> Header:
        return posted_of(refuter, state, state.posts[number]).header

    def data_of(number: int) -> Epoch:
        return books.epoch(number, state.posts[number].content)

    whole = replace(epoch, debits=tuple(heads.unpack_debits(posted.debits)))  # what was posted counts
    ledger, domain = books.ledger(before), refuter.deployment.domain()
    return Case(posted.header, whole, state, ledger, domain, header_of, data_of)


# ------------------------------------------------------------------------------------------------------------------ acting


def refute(
    refuter: Refuter,
    state: State,
    now: int,
    post: Post,
    receipts: Sequence[tuple[Answer, StoredReceipt]] = (),
    dry: bool = False,
) -> Finding:
    """Looks at the epoch and, unless `dry`, does what there is to do about it at block time `now`."""
    seen = look(refuter, state, post)
    finding = Finding(post.epoch, list(seen.faults), seen.missing)
    if dark := seen.case.epoch.sealed if seen.case else ():
        jobs = ", ".join(map(str, sorted(dark)))
        finding.what = f"the epoch stands as far as you may read it: sealed jobs are not for you ({jobs})"
    drops = list(_drops(refuter, seen, receipts))
    finding.faults += [fault for fault, _ in drops]
    if finding.stands:
        return finding
    if post.status is not EpochStatus.PENDING:
        finding.did, finding.what = "too late", f"the epoch is {post.status.value}: nothing strikes it now"
        return finding
    calls = [call for _, call in drops]
    cheapest = _cheapest(refuter, seen, calls, dry) if finding.faults else None
    if cheapest:
        _strike(refuter, finding, cheapest, dry)
    else:
        _demand(refuter, seen, finding, now, dry)
    return finding


def _strike(refuter: Refuter, finding: Finding, found: tuple[int, Call], dry: bool) -> None:
    gas, call = found
    finding.did, finding.what, finding.gas, finding.call = "would strike", call.what, gas, call
    if not dry:
        _sent(refuter, finding, call, "refute")
        finding.did = "struck"


def _sent(refuter: Refuter, finding: Finding, call: Call, kind: str) -> None:
    transaction, finding.gas = refuter.send(call, kind)
    finding.transaction, finding.what = "0x" + transaction.hex(), call.what


def _cheapest(refuter: Refuter, seen: Seen, more: Sequence[Call], dry: bool) -> tuple[int, Call] | None:
    """(gas, call) of the cheapest proof that the Referee takes. Raises what it said where it takes none."""
    calls = [*more, *_proofs(refuter, seen, dry)]
    problem: CrowdproofError | None = None
    found: list[tuple[int, Call]] = []
    for call in sorted(calls, key=lambda c: len(c.data))[:KINDS]:
        try:
            found.append((refuter.chain.estimate(refuter.beneficiary, call), call))
        except Refused as refusal:
            problem = refusal
    if not found and problem:
        raise problem
    return min(found, key=lambda one: one[0], default=None)


def _proofs(refuter: Refuter, seen: Seen, dry: bool) -> Iterator[Call]:
    """One proof of each kind of fault: the first that was found, which stands for all its like."""
    kinds = {fault.kind: fault for fault in reversed(seen.faults) if fault.kind is not None}
    for kind, fault in kinds.items():
        if seen.case is None:
            proof: Refutation | None = Refutation(fault, kind, refutations.of_header(fault))
        elif proof := refutations.refute(seen.case, fault):
            proof = _shortened(refuter, seen.case, proof, dry)
        if proof:
            yield refuter.referee.refute(seen.posted, proof, refuter.beneficiary)


def _shortened(refuter: Refuter, case: Case, proof: Refutation, dry: bool) -> Refutation:
    """The proof with at most LINKS headers in a row: what is older is traced first, in transactions of its own."""
    if not proof.evidence.older or len(proof.evidence.older[0].links) <= LINKS:
        return proof
    old, posts, last = proof.evidence.older[0], case.state.posts, case.header.epoch
    oldest = last - len(old.links)  # the epoch after the old one
    first, end = last - LINKS, last + 1
    while True:
        if not dry and not refuter.referee.is_traced(posts[first].previous):
            chain = links([posts[number] for number in range(first, end)])
            refuter.send(refuter.referee.trace(posts[first].previous, chain), "trace")
        if first - oldest <= LINKS:
            break
        first, end = first - LINKS, first
    shorter = replace(old, links=old.links[: first - oldest])
    return replace(proof, evidence=replace(proof.evidence, older=(shorter,)))


# ---------------------------------------------------------------------------------------------------------------- receipts


def _drops(
    refuter: Refuter, seen: Seen, receipts: Sequence[tuple[Answer, StoredReceipt]]
) -> Iterator[tuple[Fault, Call]]:
    """R5: what a quorum receipted and this epoch's verdict does not list."""
    if seen.case is None:
        return
    for answer, receipt in receipts:
        drop = refutations.dropped(seen.case, answer, receipt_fields(refuter.deployment, answer, receipt))
        if drop:
            what = f"the receipted answer of worker {answer.worker} is not listed"
            fault = Fault(seen.post.epoch, "verdicts", drop.leaf.index, what, Kind.Dropped)
            yield fault, refuter.referee.drop(seen.posted, drop, refuter.beneficiary)


def receipt_fields(deployment: Deployment, answer: Answer, receipt: StoredReceipt) -> ReceiptFields:
    """Raises BadInput for a receipt that is for other answers."""
    receipted = digest(deployment.domain(), answer)
    if receipted not in receipt.digests:
        raise BadInput("the receipt is not for this answer")
    index = receipt.digests.index(receipted)
    levels = trees.build([leaves.receipt_leaf(one) for one in receipt.digests])
    proof = tuple(trees.proof(levels, index))
    return ReceiptFields(receipt.root, len(receipt.digests), index, proof, b"".join(receipt.signatures))


def receipts_of(
    deployment: Deployment, state: State, epoch: Epoch, answers: Database, receipts: Database
) -> Iterator[tuple[Answer, StoredReceipt]]:
    """Of the tasks that an epoch decides, the answers of one database, not listed, with their receipts in another."""
    listed = {(v.job, v.task): {core.worker for core in v.cores} for v in epoch.verdicts}
    for job in sorted({job for job, _ in listed} & state.jobs.keys()):
        terms = state.jobs[job].terms.hash()
        for a in answers.answers(job):
            if a.worker not in listed.get((a.job, a.task), {a.worker}):
                answer = Answer(a.job, terms, a.task, a.worker, a.commitment, a.seal_hash)
                receipt = receipts.receipt_of(digest(deployment.domain(), answer))
                if receipt:
                    yield answer, receipt


# ----------------------------------------------------------------------------------------------------------------- demands


def demands_end(post: Post, window: int) -> int:
    """The first second in which no leaf of the epoch can be demanded any more."""
    return post.posted_at + -(-window // 3)


def _demand(refuter: Refuter, seen: Seen, finding: Finding, now: int, dry: bool) -> None:
    """R6: strikes for a leaf that was withheld; else waits for one that was demanded; else demands the next."""
    asked = {(demand.tree, demand.index): demand for demand in seen.demands}
    unanswered = [demand for demand in asked.values() if not demand.answered]
    if overdue := [demand for demand in unanswered if now >= demand.replies_end]:
        tree, index = overdue[0].tree, overdue[0].index
        finding.faults.append(Fault(finding.epoch, tree, index, "the leaf was demanded and withheld", Kind.Withheld))
        call = refuter.referee.withheld(seen.posted, tree, index, refuter.beneficiary)
        _strike(refuter, finding, (refuter.chain.estimate(refuter.beneficiary, call), call), dry)
        return
    end = demands_end(seen.post, refuter.deployment.window)
    wanted = next((place for place in seen.missing if place not in asked), None)
    if wanted and now < end and not unanswered:
        bond = refuter.referee.price(seen.post.head)
        call = refuter.referee.demand(seen.posted, *wanted, bond)
        finding.did, finding.what, finding.call = "would demand", f"{call.what}, with a bond of {bond} wei", call
        if not dry:
            _sent(refuter, finding, call, "demand")
            finding.did = "demanded"
    elif unanswered:
        until = unanswered[0].replies_end
        finding.did, finding.what = "waits", f"{len(unanswered)} demanded leaves may be shown until block time {until}"
    else:
        finding.did = "too late"
        finding.what = f"data is missing, and no leaf can be demanded since block time {end}"


def reply(refuter: Refuter, state: State, now: int) -> list[str]:
    """Shows on chain what was demanded of the pending epoch and lies in the store; what was shown, in words."""
    post = state.pending()
    if post is None:
        return []
    due = [d for d in refuter.referee.demands(post) if not d.answered and now < d.replies_end]
    epoch = data_of(refuter, post) if due else None
    if epoch is None:
        return []
    posted, prover, shown = posted_of(refuter, state, post), Prover(epoch), []
    for demand in due:
        try:
            leaf = getattr(epoch, demand.tree)[demand.index]
            if leaves.is_sealed(leaf):  # for who has the job's key
                continue
            proof = prover.proof(demand.tree, demand.index)
            call = refuter.referee.reply(posted, demand.tree, demand.index, leaf, proof)
            refuter.send(call, "reply")
            shown.append(call.what)
        except (IndexError, Refused):  # not in this data, or another was quicker
            continue
    return shown


def collect(refuter: Refuter) -> int:
    """Takes the rewards and bonds that are the signer's; how many wei."""
    total = 0
    for call, amount in refuter.referee.collects(refuter.beneficiary):
        refuter.send(call, "collect")
        total += amount
    return total
