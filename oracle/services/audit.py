"""The audit: everything that the chain says was decided and paid, recomputed from an RPC endpoint and a content store alone.

It needs no database, no API and no key, and trusts none of the files that it reads.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from oracle.ports import Chain, ContentStore
from oracle.protocol import audit, heads
from oracle.protocol import epoch as ep
from oracle.protocol import ledger as lg
from oracle.protocol import manifest as mf
from oracle.protocol.cids import Cid, Codec, decode, from_digest
from oracle.protocol.deployment import Deployment
from oracle.protocol.epoch import Epoch
from oracle.protocol.errors import ContentMismatch, CrowdproofError, Refused
from oracle.protocol.heads import Debit
from oracle.protocol.keys import recover
from oracle.protocol.ledger import Ledger
from oracle.protocol.messages import Header, digest
from oracle.protocol.pages import Fault, Source
from oracle.protocol.state import EpochStatus, Post, State, fold

DecodePost = Callable[[bytes], tuple[Header, list[Debit], bytes]]


class AuditedStore(ContentStore, Protocol):
    """A store whose damage can be looked at."""

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
    total: int = 0  # units earned in final epochs, fees included
    claimed: int = 0
    faults: list[Fault] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.faults


def run(chain: Chain, content: ContentStore, deployment: Deployment, decode_post: DecodePost) -> Report:
    """Audits the whole deployment up to the newest block."""
    state = fold(deployment.digest(), chain.logs(deployment, deployment.block, chain.latest().number))
    report, touched = Report(jobs=len(state.jobs)), set[str]()
    source = _source(content, touched)
    _jobs(report, source, state)
    ledger: Ledger | None = Ledger()
    for post in state.posts.values():
        ledger = _epoch(report, source, state, deployment, post, ledger, chain, decode_post)
    if ledger is not None:
        report.faults += _totals(report, state, chain, deployment)
    report.faults += _files(report, content, touched)
    return report


def _source(content: ContentStore, touched: set[str]) -> Source:
    """Remembers which blocks were found broken where they were needed: they have a better name than their file's."""

    def read(cid: Cid) -> bytes:
        try:
            return content.get(cid)
        except ContentMismatch:
            touched.add(cid)
            raise

    def damaged(cid: Cid) -> bytes | None:
        try:
            look = getattr(content, "read_damaged", None)
            return look(cid) if look else None
        except CrowdproofError:
            return None

    return Source(read, damaged)


def _jobs(report: Report, source: Source, state: State) -> None:
    first = min(state.posts, default=0)
    for number, job in state.jobs.items():
        manifest, _, faults = mf.load_job(source, first, job.terms)
        report.faults += [Fault(f.epoch, f"{f.tree} of job {number}", f.index, f.what) for f in faults]
        if manifest and len(manifest.classes) != job.terms.classes:
            report.faults.append(Fault(first, f"manifest of job {number}", 0, "its classes are not those of the terms"))


def _epoch(
    report: Report,
    source: Source,
    state: State,
    deployment: Deployment,
    post: Post,
    ledger: Ledger | None,
    chain: Chain,
    decode_post: DecodePost,
) -> Ledger | None:
    """Checks one epoch and moves the ledger on; None when the data is too broken to go on with."""
    report.epochs += 1
    header, faults = _header(deployment, post, chain, decode_post)
    epoch, broken = ep.load(source, post.epoch, post.content)
    faults += broken
    if epoch is None or ledger is None:
        report.faults += faults
        return None
    faults += _model(source, epoch)
    if ep.header_of(epoch, post.content, ep.roots_of(epoch)) != header:
        faults.append(Fault(post.epoch, "epoch", 0, "the data does not give the header that was signed"))
    faults += audit.check(epoch, state, deployment.domain(), ledger)
    report.faults += faults
    report.verdicts += len(epoch.verdicts)
    report.answers += sum(len(verdict.cores) for verdict in epoch.verdicts)
    report.assignments += len(epoch.assignments)
    report.balances = len(epoch.balances)
    lg.apply(ledger, epoch, post.status is EpochStatus.STRUCK)
    if post.status is EpochStatus.FINAL:
        report.total = epoch.total
        report.faults += _claims(post, epoch, state)
    return ledger


def _header(
    deployment: Deployment, post: Post, chain: Chain, decode_post: DecodePost
) -> tuple[Header | None, list[Fault]]:
    """The header in the post's calldata; its digest, its head and every signature under it."""

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


def _model(source: Source, epoch: Epoch) -> list[Fault]:
    try:
        decode(source.read(from_digest(Codec.DAG_CBOR, epoch.model)))
    except CrowdproofError as problem:
        return [Fault(epoch.epoch, "model", 0, f"the model card cannot be read: {problem}")]
    return []


def _claims(post: Post, epoch: Epoch, state: State) -> Iterator[Fault]:
    for worker, claimed in state.claimed.items():
        if post is state.final() and (worker >= len(epoch.balances) or claimed > epoch.balances[worker].cumulative):
            yield Fault(post.epoch, "balances", worker, f"{claimed} units are claimed, more than was earned")


def _totals(report: Report, state: State, chain: Chain, deployment: Deployment) -> Iterator[Fault]:
    """The Market holds what is escrowed and not yet claimed or refunded (or more: anyone may give it tokens)."""
    report.claimed = sum(state.claimed.values())
    number = state.last_epoch
    if report.total != state.final_total:
        yield Fault(number, "balances", None, f"the chain's total is {state.final_total}, the data says {report.total}")
    paid_in = sum(job.escrow - job.refunded for job in state.jobs.values())
    held = chain.token_balance(deployment.token, deployment.market)
    if held < (paid_in - report.claimed) * deployment.unit:
        yield Fault(number, "balances", None, f"the Market holds {held}, less than it owes")


def _files(report: Report, content: ContentStore, touched: set[str]) -> Iterator[Fault]:
    """Every file of a folder, reachable or not; those that an epoch needed are named there."""
    verify = getattr(content, "verify_all", None)
    count = getattr(content, "cids", None)
    report.blocks = sum(1 for _ in count()) if count else 0
    for file, what in verify() if verify else ():
        if file not in touched:
            yield Fault(0, "store", None, f"{file}: {what}")
