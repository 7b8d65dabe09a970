"""How many answers one member accepts in a second: checked, stored durably, receipted, a hundred to an HTTP request.

The member is the process that a deployment runs (uvicorn on a socket, SQLite with synchronous=FULL, a committee of four, a real
chain). Everything that is sent is made beforehand. In each round, at the same time of a noisy machine, the same signatures are
recovered by coincurve alone on one core: the ratio of the two says what the member costs beyond the cryptography.
"""

import http.client
import json
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median
from typing import Any

import httpx
from coincurve import PrivateKey, PublicKey

from oracle.demo import crowd
from oracle.demo.run import SEED
from oracle.ports import OfferedAssignment, StoredAnswer
from oracle.protocol import leaves, messages, trees
from oracle.protocol.deployment import Deployment
from oracle.protocol.errors import Fatal
from oracle.protocol.hashing import keccak
from oracle.protocol.keys import recover, sign
from oracle.protocol.messages import Answer, Receipt
from oracle.protocol.plain import to_json
from oracle.protocol.sealing import commitment, seal

BATCH = 100
AT_ONCE = 10  # requests on their way at the same time


@dataclass(frozen=True, slots=True)
class Batch:
    """What is sent and, for the bare recovery, each answer's digest with its signature as libsecp256k1 takes it."""

    body: bytes
    digests: list[bytes]
    signatures: list[bytes]


def prepare(
    deployment: Deployment,
    offers: Sequence[OfferedAssignment],
    keys: dict[int, PrivateKey],
    body: Callable[[Sequence[StoredAnswer]], bytes] = lambda a: json.dumps({"answers": to_json(a)}).encode(),
) -> list[Batch]:
    """The batches that answer `offers`, by worker; keys: worker -> key; `body`: as they are sent, to a member by default."""
    by_worker: dict[int, list[OfferedAssignment]] = {}
    for offer in offers:
        by_worker.setdefault(offer.worker, []).append(offer)
    return [
        _batch(deployment, keys[worker], own[at : at + BATCH], body)
        for worker, own in by_worker.items()
        for at in range(0, len(own), BATCH)
    ]


def _batch(
    deployment: Deployment,
    key: PrivateKey,
    offers: Sequence[OfferedAssignment],
    body: Callable[[Sequence[StoredAnswer]], bytes],
) -> Batch:
    answers = [answer(deployment, key, offer) for offer in offers]
    compact = [made.signature[:64] + bytes([made.signature[64] - 27]) for made, _ in answers]
    return Batch(body([made for made, _ in answers]), [digest for _, digest in answers], compact)


def answer(deployment: Deployment, key: PrivateKey, o: OfferedAssignment) -> tuple[StoredAnswer, bytes]:
    """A sealed answer to an offer, and its digest."""
    payload, salt = b"\x01", os.urandom(32)
    bound = commitment(o.job, o.task, o.worker, payload, salt)
    envelope = seal(deployment.committee.seal_keys, bound, payload, salt)
    message = Answer(o.job, o.terms, o.task, o.worker, bound, keccak(envelope))
    digest = messages.digest(deployment.domain(), message)
    sealed = (bound, message.seal_hash, sign(key, digest), envelope)
    return StoredAnswer(o.job, o.task, o.worker, 0, *sealed, o.expiry, o.signature), digest


def wallets(numbers: Sequence[int]) -> dict[int, PrivateKey]:
    """The keys of the demo's workers by their numbers on chain."""
    return {number: crowd.wallet(SEED, f"worker {i}") for i, number in enumerate(numbers)}


def measure(url: str, token: str, deployment: Deployment, rounds: Sequence[Sequence[Batch]]) -> dict[str, Any]:
    """Sends each round's batches to the member at `url`; medians over the rounds, all but the first, which warms up."""
    address = httpx.URL(url)
    accepted, recovered = [], []
    for batches in rounds:
        many = sum(len(batch.digests) for batch in batches)
        recovered.append(many / timed(lambda: recover_all(batches)))  # noqa: B023 - called at once
        replies: list[bytes] = []
        accepted.append(many / timed(lambda: replies.extend(send_all(address, token, batches))))  # noqa: B023
        for batch, reply in zip(batches, replies, strict=True):
            _check(deployment, batch, json.loads(reply))
    ratios = [one / other for one, other in zip(accepted, recovered, strict=True)]
    return {
        "answers_per_second": round(median(accepted[1:]), 1),
        "recoveries_per_second": round(median(recovered[1:]), 1),
        "ratio_to_recovery": round(median(ratios[1:]), 4),
        "ratios": [round(ratio, 4) for ratio in ratios[1:]],
    }


def timed(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def recover_all(batches: Sequence[Batch]) -> None:
    """On one thread, so on one core."""
    for batch in batches:
        for digest, signature in zip(batch.digests, batch.signatures, strict=True):
            PublicKey.from_signature_and_message(signature, digest, hasher=None)


def send_all(address: httpx.URL, token: str, batches: Sequence[Batch]) -> list[bytes]:
    """Some requests at a time, each connection one after the other; the replies in order."""

    def work(first: int) -> list[bytes]:
        connection = http.client.HTTPConnection(address.host, address.port or 80, timeout=120)
        try:
            return [_post(connection, token, batch.body) for batch in batches[first::AT_ONCE]]
        finally:
            connection.close()

    replies: list[bytes] = [b""] * len(batches)
    with ThreadPoolExecutor(AT_ONCE) as threads:
        for first, found in enumerate(threads.map(work, range(AT_ONCE))):
            replies[first::AT_ONCE] = found
    return replies


def _post(connection: http.client.HTTPConnection, token: str, body: bytes) -> bytes:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    connection.request("POST", "/answers", body, headers)
    response = connection.getresponse()
    reply = response.read()
    if response.status not in (200, 201):
        raise Fatal(f"the server answered {response.status}: {reply[:300]!r}")
    return reply


def _check(deployment: Deployment, batch: Batch, reply: dict[str, Any]) -> None:
    """Raises Fatal unless the reply is a receipt of exactly this batch by a member."""
    root = trees.root([leaves.receipt_leaf(digest) for digest in batch.digests])
    message = messages.digest(deployment.domain(), Receipt(root, len(batch.digests)))
    if recover(message, bytes.fromhex(reply["signature"])) not in deployment.committee.members:
        raise Fatal("the member gave no receipt for what it was sent")
