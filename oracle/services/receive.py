"""Answers from a worker to the committee and back: fan out, collect a quorum of signatures, keep the receipt.

The answers are durable at each member that signs, and the receipt is durable here, before the worker sees it.
"""

from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

from oracle.ports import Database, Peer, StoredAnswer, StoredReceipt
from oracle.protocol import leaves, trees
from oracle.protocol.deployment import Deployment
from oracle.protocol.errors import CrowdproofError, Refused, Retryable
from oracle.protocol.keys import BadSignature, recover
from oracle.protocol.messages import Answer, Receipt, digest

GRACE_S = 1.0  # for members beyond the quorum


class Receiver:
    """Holds the threads on which members are asked at the same time."""

    def __init__(self, deployment: Deployment, database: Database, peers: Sequence[Peer]) -> None:
        self._deployment, self._database, self._peers = deployment, database, peers
        self._threads = ThreadPoolExecutor(4 * len(peers), thread_name_prefix="member")

    def receive(self, answers: Sequence[StoredAnswer], terms: bytes) -> StoredReceipt:
        """A quorum's receipt for a batch of one job's answers. Raises Refused (a rule) or Retryable (send it again)."""
        domain = self._deployment.domain()
        digests = tuple(
            digest(domain, Answer(a.job, terms, a.task, a.worker, a.commitment, a.seal_hash)) for a in answers
        )
        receipt = Receipt(trees.root([leaves.receipt_leaf(d) for d in digests]), len(digests))
        message = digest(domain, receipt)
        signatures: dict[bytes, bytes] = {}
        problems: list[CrowdproofError] = []
        waiting = {self._threads.submit(peer.accept, answers) for peer in self._peers}
        while waiting:
            enough = len(signatures) >= self._deployment.committee.quorum
            done, waiting = wait(waiting, GRACE_S if enough else None, FIRST_COMPLETED)
            for asked in done:
                try:
                    signature = asked.result()
                    signatures[self._member(message, signature)] = signature
                except CrowdproofError as problem:
                    problems.append(problem)
            if enough and not done:
                break  # a slow member holds nobody up
        if len(signatures) < self._deployment.committee.quorum:
            raise self._why(problems)
        stored = StoredReceipt(receipt.root, digests, tuple(signatures[signer] for signer in sorted(signatures)))
        self._database.add_receipt(stored)
        return stored

    def _member(self, message: bytes, signature: bytes) -> bytes:
        signer = recover(message, signature)
        if signer not in self._deployment.committee.members:
            raise BadSignature("a receipt is signed by no member")
        return signer

    def _why(self, problems: Sequence[CrowdproofError]) -> CrowdproofError:
        refusals = [p for p in problems if isinstance(p, Refused) and not isinstance(p, BadSignature)]
        faults = len(self._deployment.committee.members) - self._deployment.committee.quorum
        by_answer = [p for p in problems if isinstance(p, Refused)]
        if len(by_answer) > faults:  # more than the dishonest: at least one honest member says no
            return (refusals or by_answer)[0]
        return Retryable("no quorum of members: " + "; ".join(dict.fromkeys(map(str, problems))))
