"""Answers from a worker to the committee and back: fan out, collect a quorum of signatures, keep the receipt.

The answers are durable at each member that signs, and the receipt is durable here, before the worker sees it.
"""

from collections.abc import Sequence

from oracle.ports import Database, Peer, StoredAnswer, StoredReceipt
from oracle.protocol import leaves, trees
from oracle.protocol.deployment import Deployment
from oracle.protocol.errors import CrowdproofError, Fatal, Refused, Retryable
from oracle.protocol.keys import BadSignature, recover
from oracle.protocol.messages import Answer, Receipt, digest
from oracle.services.panel import Panel

GRACE_S = 1.0  # for members beyond the quorum
PATIENCE_S = 30.0


class Receiver:
    """Asks the members of a deployment; safe between threads."""

    def __init__(self, deployment: Deployment, database: Database, peers: Sequence[Peer]) -> None:
        self._deployment, self._database, self._panel = deployment, database, Panel(peers)

    def receive(self, answers: Sequence[StoredAnswer], terms: bytes) -> StoredReceipt:
        """A quorum's receipt for a batch of one job's answers. Raises Refused (a rule) or Retryable (send it again)."""
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
