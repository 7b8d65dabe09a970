"""Answers from a worker to the committee and back: fan out, collect a quorum of signatures, keep the receipt.

The answers are durable at each member that signs, and the receipt is durable here, before the worker sees it. Small batches that
come while others are on their way go together: one question to each member, one receipt for all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Event, Lock

from oracle.ports import Database, Peer, StoredAnswer, StoredReceipt
from oracle.protocol import leaves, trees
from oracle.protocol.deployment import Deployment
from oracle.protocol.errors import CrowdproofError, Fatal, Refused, Retryable
from oracle.protocol.keys import BadSignature, recover
from oracle.protocol.messages import Answer, Receipt, digest
from oracle.services.panel import Panel
from oracle.telemetry import log

GRACE_S = 0.25  # for members beyond the quorum: whoever hangs delays each flight by so much
PATIENCE_S = 30.0
SMALL, TOGETHER = 20, 200  # answers of a batch that waits for others, and of all that go together


@dataclass(eq=False, slots=True)
class _Waiting:
    """A small batch. `woken`: it leads the next flight, has its receipt, or must go alone: something in its company was refused."""

    answers: Sequence[StoredAnswer]
    terms: bytes
    leads: bool = False
    receipt: StoredReceipt | None = None
    woken: Event = field(default_factory=Event)


class Receiver:
    """Asks the members of a deployment; safe between threads."""

    def __init__(self, deployment: Deployment, database: Database, peers: Sequence[Peer]) -> None:
        self._deployment, self._database, self._panel = deployment, database, Panel(peers)
        self._lock, self._flying = Lock(), False
        self._waiting: list[_Waiting] = []

    def receive(self, answers: Sequence[StoredAnswer], terms: bytes) -> StoredReceipt:
        """A quorum's receipt for a batch of one job's answers, or for them and others.

        Raises Refused (a rule) or Retryable (send it again); nobody is refused for what another sent.
        """
        if len(answers) > SMALL:
            return self._receive(answers, terms)
        own = _Waiting(answers, terms)
        with self._lock:
            self._waiting.append(own)
            self._start()
        if not own.woken.wait(PATIENCE_S + GRACE_S):
            with self._lock:  # in flight with a company that is late, or not called yet
                self._waiting = [one for one in self._waiting if one is not own]
        if own.leads:
            self._fly(own)
        return own.receipt or self._receive(answers, terms)

    def _start(self) -> None:
        """Wakes who is to lead the next flight, where none is on its way. Under the lock."""
        if self._waiting and not self._flying:
            self._flying = True
            leader = self._waiting.pop(0)
            leader.leads = True
            leader.woken.set()

    def _fly(self, leader: _Waiting) -> None:
        """The leader's batch and those that can go with it; who flies alone hears its own reason, others go alone then."""
        company = self._company(leader)
        try:
            found = self._receive([answer for one in company for answer in one.answers], leader.terms)
            for one in company:
                one.receipt = found
        except CrowdproofError as problem:
            if len(company) == 1:
                raise
            log("parted", answers=len(company), what=str(problem))
        finally:
            with self._lock:
                self._flying = False
                self._start()
            for one in company[1:]:
                one.woken.set()

    def _company(self, leader: _Waiting) -> list[_Waiting]:
        with self._lock:
            company, size = [leader], len(leader.answers)
            for one in list(self._waiting):
                if one.terms == leader.terms and size + len(one.answers) <= TOGETHER:
                    company.append(one)
                    size += len(one.answers)
                    self._waiting.remove(one)
            return company

    def _receive(self, answers: Sequence[StoredAnswer], terms: bytes) -> StoredReceipt:
        domain, quorum = self._deployment.domain(), self._deployment.committee.quorum
        digests = tuple(
            digest(domain, Answer(a.job, terms, a.task, a.worker, a.commitment, a.seal_hash)) for a in answers
        )
        receipt = Receipt(trees.root([leaves.receipt_leaf(d) for d in digests]), len(digests))
        message = digest(domain, receipt)

        def ask(peer: Peer) -> tuple[bytes, bytes]:
            signature = peer.accept(answers)
            return signer_of(self._deployment, message, signature), signature

        replies = self._panel.ask(ask, quorum, GRACE_S, PATIENCE_S)
        if len(replies.found) < quorum:
            raise self._why(replies.problems)
        stored = StoredReceipt(receipt.root, digests, tuple(replies.found[signer] for signer in sorted(replies.found)))
        self._database.add_receipt(stored, [(a.job, a.task, a.worker) for a in answers])
        return stored

    def _why(self, problems: Sequence[CrowdproofError]) -> CrowdproofError:
        """A refusal when more say no than can be dishonest: then it is an honest member's too, or one of its kind."""
        refusals = [problem for problem in problems if isinstance(problem, Refused)]
        faults = len(self._deployment.committee.members) - self._deployment.committee.quorum
        if len(refusals) > faults:
            codes = [refusal.code for refusal in refusals]
            return max(refusals, key=lambda refusal: codes.count(refusal.code))
        return Retryable("no quorum of members: " + "; ".join(dict.fromkeys(map(str, problems))))


def signer_of(deployment: Deployment, message: bytes, signature: bytes) -> bytes:
    """The member that signed. Raises Fatal for a signature that is no member's: whoever sent it is broken or lies."""
    try:
        signer = recover(message, signature)
    except BadSignature as problem:
        raise Fatal(f"a member answered with what is no signature: {problem}") from None
    if signer not in deployment.committee.members:
        raise Fatal("a member signed something else, or with a key that is not the committee's")
    return signer
