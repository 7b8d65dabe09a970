"""The audit: everything that the chain says was decided and paid, recomputed from an RPC endpoint and a content store alone.

It needs no database, no API and no key, and trusts none of the files that it reads.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

from oracle.ports import Chain, ContentStore
from oracle.protocol import audit, free, gold, heads
from oracle.protocol import epoch as ep
from oracle.protocol import ledger as lg
from oracle.protocol import manifest as mf
from oracle.protocol.cids import Cid, Codec, decode, from_digest
from oracle.protocol.deployment import Deployment
from oracle.protocol.epoch import Epoch
from oracle.protocol.errors import BadInput, ContentMismatch, CrowdproofError, Refused, WrongChain
from oracle.protocol.faults import Fault
from oracle.protocol.gold import Opening
from oracle.protocol.heads import Debit
from oracle.protocol.jobkey import Wrapped
from oracle.protocol.keys import recover
from oracle.protocol.leaves import Status, Verdict, is_sealed
from oracle.protocol.ledger import Ledger
from oracle.protocol.messages import Header, digest
from oracle.protocol.pages import Source
from oracle.protocol.state import EpochStatus, Post, State, fold
from oracle.services import candidates, matches

DecodePost = Callable[[bytes], tuple[Header, list[Debit], bytes]]


@runtime_checkable
class AuditedStore(Protocol):
    """A store whose damage can be looked at: a folder or a daemon, not a gateway."""

    shared: bool  # with what is none of this deployment's business

    def cids(self) -> Iterable[Cid]: ...
    def read_damaged(self, cid: Cid) -> bytes: ...
    def verify_all(self) -> Iterable[tuple[str, str]]: ...


@dataclass(slots=True)
class Report:
    """What was checked, and every fault; `ok` when there is none."""

    epochs: int = 0
    verdicts: int = 0
    answers: int = 0
    assignments: int = 0
    balances: int = 0
    jobs: int = 0
    blocks: int = 0
    matches: int = 0
    matched: int = 0  # assignments that a match names
    sealed: dict[int, int] = field(default_factory=dict)  # job -> verdicts that only who has its key can judge
    gold: int = 0  # tasks whose label the requester knew
    gap: float = 0.0  # the largest proven distance of a match from the optimum, relative to its bound
    total: int = 0  # units earned in final epochs, fees included
    claimed: int = 0
    faults: list[Fault] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.faults


def run(
    chain: Chain,
    content: ContentStore,
    deployment: Deployment,
    decode_post: DecodePost,
    keys: Mapping[bytes, bytes] | None = None,
) -> Report:
    """Audits the whole deployment up to the newest block. Raises what the chain raises, and Fatal when its events lie.

    keys: of sealed jobs, by their hashes. Of the other sealed jobs the report says how much was not for who audits.
    """
    _require_chain(chain, deployment)
    block = chain.latest().number
    state = fold(deployment.digest(), chain.logs(deployment, deployment.block, block))
    audited = _Audit(chain, content, deployment, decode_post, state, keys or {})
    ledger: Ledger | None = Ledger()
    for post in state.posts.values():
        ledger = audited.epoch(post, ledger)
    audited.jobs(whole=ledger is not None)
    if ledger is not None:
        audited.totals(block)
    audited.files()
    return audited.report


def _require_chain(chain: Chain, deployment: Deployment) -> None:
    if (found := chain.chain_id()) != deployment.chain_id:
        raise WrongChain(f"the endpoint serves chain {found}, the deployment is on chain {deployment.chain_id}")


class _Audit:
    """Holds what is audited and what was found."""

    def __init__(
        self,
        chain: Chain,
        content: ContentStore,
        deployment: Deployment,
        decode_post: DecodePost,
        state: State,
        keys: Mapping[bytes, bytes],
    ) -> None:
        self.report = Report(jobs=len(state.jobs))
        self._chain, self._content, self._deployment = chain, content, deployment
        self._decode_post, self._state = decode_post, state
        self._touched: set[str] = set()  # broken where they were needed: a better name than their file's
        self._decided: dict[int, int] = {}  # job -> the first epoch that decides a task of it
        self._asked: set[tuple[int, int, int]] = set()  # job, task, worker, by the matches
        self._matched: set[tuple[int, int, int]] = set()
        self._leaves: dict[int, frozenset[bytes]] = {}  # job -> those of its gold
        self._wrapped: dict[int, Wrapped | None] = {}  # job -> its key as its root has it
        self._keys = keys
        self._source = Source(self._read, self._damaged, self._key)

    def epoch(self, post: Post, ledger: Ledger | None) -> Ledger | None:
        """Checks one epoch and moves the ledger on; None when the data is too broken to go on with.

        A struck epoch broke a rule and gives nothing; its data may be withheld, so nobody asks for it.
        """
        self.report.epochs += 1
        term = self._state.term(post.epoch)
        committee = term.committee(self._deployment.committee.address) if term else self._deployment.committee
        header, faults = _header(replace(self._deployment, committee=committee), post, self._chain, self._decode_post)
        if post.status is EpochStatus.STRUCK:
            self.report.faults += faults
            return ledger
        epoch, broken = ep.load(self._source, post.epoch, post.content)
        self.report.faults += [*faults, *broken]
        if epoch is None:
            return None
        for verdict in epoch.verdicts:
            self._decided.setdefault(verdict.job, post.epoch)
        self.report.faults += [*self._dark(epoch), *self._model(epoch)]
        self._matched |= {(o.job, o.task, o.worker) for o in epoch.assignments} & self._asked
        if ledger is None:
            return None
        self._rules(post, epoch, ledger, header)
        lg.apply(ledger, epoch)
        return ledger

    def _key(self, number: int) -> bytes | None:
        wrapped = self._wrapped_of(number)
        return self._keys.get(wrapped.hash) if wrapped else None

    def _wrapped_of(self, number: int) -> Wrapped | None:
        if number not in self._wrapped:
            self._wrapped[number] = None  # while its manifest is read
            job = self._state.jobs.get(number)
            found = mf.load_job(self._source, 0, job.terms)[0] if job else None
            self._wrapped[number] = found.key if found else None
        return self._wrapped[number]

    def _dark(self, epoch: Epoch) -> Iterator[Fault]:
        """What stays sealed to who audits; a fault where its job is none that may be."""
        for verdict in epoch.verdicts:
            if is_sealed(verdict):
                self.report.sealed[verdict.job] = self.report.sealed.get(verdict.job, 0) + 1
        for number in sorted(epoch.sealed):
            if self._wrapped_of(number) is None:
                yield Fault(
                    epoch.epoch, "verdicts", None, f"records of job {number} are sealed, and it is no sealed job"
                )

    def _rules(self, post: Post, epoch: Epoch, ledger: Ledger, header: Header | None) -> None:
        report = self.report
        if header and ep.header_of(epoch, post.content, ep.roots_of(epoch)) != header:
            report.faults.append(Fault(post.epoch, "epoch", 0, "the data does not give the header that was signed"))
        report.faults += audit.check(epoch, self._state, self._deployment.domain(), ledger)
        report.verdicts += len(epoch.verdicts)
        report.answers += sum(len(verdict.cores) for verdict in epoch.verdicts)
        report.assignments += len(epoch.assignments)
        report.balances = len(epoch.balances)
        if post.status is EpochStatus.FINAL:
            report.total = epoch.total
        if post is self._state.final():
            report.faults += _claims(post, epoch, self._state)

    def _model(self, epoch: Epoch) -> list[Fault]:
        """The model card, each match that it names: who was asked, under limits that hold, and how far from the best; and the

        gold that it opens: tasks of this epoch, with the labels to which their jobs committed.
        """
        try:
            card = decode(self._source.read(from_digest(Codec.DAG_CBOR, epoch.model)))
            named, opened = matches.linked(card), gold.read_openings(self._source, card)
            candidates.check_named(epoch, self._state.jobs, free.read(self._source, card))
        except CrowdproofError as problem:
            return [Fault(epoch.epoch, "model", 0, f"the model card cannot be read: {problem}")]
        faults = [fault for index, one in enumerate(named) for fault in self._match(epoch, index, one)]
        decided = {(verdict.job, verdict.task) for verdict in epoch.verdicts}
        faults += [f for index, one in enumerate(opened) for f in self._gold(epoch, index, one, decided)]
        return faults + [
            f for index, verdict in enumerate(epoch.verdicts) for f in self._reasons(epoch, index, verdict)
        ]

    def _reasons(self, epoch: Epoch, index: int, verdict: Verdict) -> Iterator[Fault]:
        """Whether each rejected answer's reason is kept; whether it is a good one is for who arbitrates."""
        for core, opening in () if is_sealed(verdict) else zip(verdict.cores, verdict.openings, strict=True):
            if core.status is Status.REJECTED:
                try:
                    self._source.read(from_digest(Codec.DAG_CBOR, opening.reason))
                except CrowdproofError as problem:
                    what = f"why the answer of worker {core.worker} is rejected cannot be read: {problem}"
                    yield Fault(epoch.epoch, "verdicts", index, what)

    def _gold(self, epoch: Epoch, index: int, one: Opening, decided: Collection[tuple[int, int]]) -> Iterator[Fault]:
        """A job whose manifest cannot be read has a fault of its own."""
        job = self._state.jobs.get(one.job)
        try:
            gold.check(one, self._committed(one.job), job.terms.classes if job else 0, decided)
        except BadInput as problem:
            yield Fault(epoch.epoch, "gold", index, str(problem))
            return
        self.report.gold += 1

    def _committed(self, number: int) -> frozenset[bytes]:
        if number not in self._leaves:
            job = self._state.jobs.get(number)
            found = mf.load_job(self._source, 0, job.terms)[0] if job else None
            self._leaves[number] = gold.leaves_of(found.gold if found else ())
        return self._leaves[number]

    def _match(self, epoch: Epoch, index: int, digest_: bytes) -> Iterator[Fault]:
        try:
            match = matches.load(self._source, digest_)
            checked = matches.check(match, self._state)
        except CrowdproofError as problem:
            yield Fault(epoch.epoch, "matches", index, f"the match does not hold: {problem}")
            return
        self.report.matches += 1
        self.report.gap = max(self.report.gap, checked.gap)
        self._asked |= {(match.job, *pair) for pair in match.pairs}

    def jobs(self, whole: bool) -> None:
        """Manifest and tasks of every job that an epoch decides; nobody need keep what an undecided job names.

        whole: all epochs could be read; else every job is looked at.
        """
        for number, job in self._state.jobs.items():
            if whole and number not in self._decided:
                continue
            first = self._decided.get(number, min(self._state.posts, default=0))
            manifest, _, faults = mf.load_job(self._source, first, job.terms)
            self.report.faults += [Fault(f.epoch, f"{f.tree} of job {number}", f.index, f.what) for f in faults]
            if manifest and len(manifest.classes) != job.terms.classes:
                what = "its classes are not those of the terms"
                self.report.faults.append(Fault(first, f"manifest of job {number}", 0, what))

    def totals(self, block: int) -> None:
        """At that block the Market holds what is escrowed and not claimed or refunded (or more: anyone may give it tokens)."""
        report, state = self.report, self._state
        report.matched = len(self._matched)
        report.claimed = sum(state.claimed.values())
        final = state.final()
        number = final.epoch if final else 0
        if report.total != state.final_total:
            what = f"the chain's total is {state.final_total}, the data says {report.total}"
            report.faults.append(Fault(number, "balances", None, what))
        if report.claimed > report.total:
            what = f"{report.claimed} units are claimed of {report.total}"
            report.faults.append(Fault(number, "balances", None, what))
        jobs = state.jobs.values()
        owed = sum(job.escrow - job.refunded - job.awarded + job.returned for job in jobs) - report.claimed
        held = self._chain.token_balance(self._deployment.token, self._deployment.market, block)
        if held < owed * self._deployment.unit:
            what = f"the Market holds {held} of the token and owes {owed * self._deployment.unit}"
            report.faults.append(Fault(number, "balances", None, what))

    def files(self) -> None:
        """Every file of a folder, reachable or not; those that an epoch needed are named there."""
        if isinstance(self._content, AuditedStore) and not self._content.shared:
            self.report.blocks = sum(1 for _ in self._content.cids())
            for file, what in self._content.verify_all():
                if file not in self._touched:
                    self.report.faults.append(Fault(0, "store", None, f"{file}: {what}"))

    def _read(self, cid: Cid) -> bytes:
        try:
            return self._content.get(cid)
        except ContentMismatch:
            self._touched.add(cid)
            raise

    def _damaged(self, cid: Cid) -> bytes | None:
        try:
            return self._content.read_damaged(cid) if isinstance(self._content, AuditedStore) else None
        except CrowdproofError:
            return None


def _header(
    deployment: Deployment, post: Post, chain: Chain, decode_post: DecodePost
) -> tuple[Header | None, list[Fault]]:
    """The header in the post's calldata; its digest, its head and every signature under it.

    deployment: with the committee that was in office when it was posted.
    """

    def fault(what: str) -> Fault:
        return Fault(post.epoch, "header", 0, what)

    try:
        header, debits, signatures = decode_post(chain.calldata(post.transaction))
    except Refused as problem:
        return None, [fault(str(problem))]
    message = digest(deployment.domain(), header)
    faults = []
    if message != post.digest or header.content != post.content or header.previous != post.previous:
        faults.append(fault("the posted header is not the one that the event names"))
    if heads.debits_hash(debits) != header.debits:
        faults.append(fault("the posted debits are not those of the header"))
    if heads.posted(post.previous, message, post.signers) != post.head:
        faults.append(fault("the head does not follow from the head before it"))
    if header.valid_until < post.posted_at:
        faults.append(fault(f"it was posted at block time {post.posted_at}, after it had expired"))
    if header.configuration != deployment.configuration():
        faults.append(fault("the header is for another deployment or committee"))
    faults += [fault(what) for what in _signers(deployment, post, message, signatures)]
    return header, faults


def _signers(deployment: Deployment, post: Post, message: bytes, signatures: bytes) -> Iterator[str]:
    committee = deployment.committee
    found = set()
    for start in range(0, len(signatures), 65):
        try:
            found.add(recover(message, signatures[start : start + 65]))
        except Refused as problem:
            yield f"signature {start // 65}: {problem}"
    bitmap = sum(1 << i for i, member in enumerate(committee.members) if member in found)
    if len(found) < committee.quorum or not found <= set(committee.members) or bitmap != post.signers:
        yield f"{len(found)} signers are no quorum of the committee, or not those that the event names"


def _claims(post: Post, epoch: Epoch, state: State) -> Iterator[Fault]:
    for worker, claimed in state.claimed.items():
        if worker >= len(epoch.balances) or claimed > epoch.balances[worker].cumulative:
            yield Fault(post.epoch, "balances", worker, f"{claimed} units are claimed, more than was earned")
