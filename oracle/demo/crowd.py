"""The recorded workers, each with a wallet of its own: they register, seal, sign and send over HTTP, as any bot would.

Only this module holds worker keys, and only for the demo: they come from a seed. What a worker signed is in its journal before it
is sent, and sent again as it is: a second answer to a task would be refused.
"""

import json
import os
import secrets
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import httpx
from coincurve import PrivateKey

from oracle.adapters.peers import error_of
from oracle.protocol import leaves, messages, trees
from oracle.protocol.deployment import Deployment
from oracle.protocol.errors import Fatal, Retryable
from oracle.protocol.hashing import keccak
from oracle.protocol.keys import address_of, recover, sign
from oracle.protocol.messages import Answer, Claim, Register
from oracle.protocol.sealing import commitment, seal

BATCH = 100
AT_ONCE = 3  # workers that send at the same time
FAR = 86_400 * 365
Count = Callable[[int, int], None]  # done, total


def wallet(seed: str, name: str) -> PrivateKey:
    """A key from the demo's seed; the same seed gives the same wallets."""
    return PrivateKey(keccak(f"crowdproof demo {seed} {name}".encode()))


@dataclass(frozen=True, slots=True)
class Api:
    """The public API as a worker sees it. `until`: block time until which signed wishes hold."""

    client: httpx.Client
    deployment: Deployment
    until: int

    def get(self, path: str, **query: Any) -> Any:
        return self._ask("GET", path, params=query)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        return self._ask("POST", path, json=body)

    def _ask(self, method: str, path: str, **content: Any) -> Any:
        try:
            response = self.client.request(method, path, **content)
        except httpx.HTTPError as problem:
            raise Retryable(f"the API does not answer: {type(problem).__name__}") from problem
        if not response.is_success:
            raise error_of(response)
        return response.json()


class Journal:
    """What the workers signed and what was promised to them, durable when a method returns. Safe between threads.

    FOLDER/answers.jsonl: an answer a line, as it is sent; FOLDER/receipts.jsonl: {answers: their digests, receipt}.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._answers, self._receipts = folder / "answers.jsonl", folder / "receipts.jsonl"
        self._lock = Lock()
        self._signed = {(a["job"], a["task"], a["worker"]): a for a in _lines(self._answers)}
        self._receipted = {digest for line in _lines(self._receipts) for digest in line["answers"]}

    def signed(self, job: int, task: int, worker: int) -> dict[str, Any] | None:
        return self._signed.get((job, task, worker))

    def has_receipt(self, digest: bytes) -> bool:
        return "0x" + digest.hex() in self._receipted

    def sign(self, answers: Sequence[dict[str, Any]]) -> None:
        with self._lock:
            _append(self._answers, answers)
            self._signed |= {(a["job"], a["task"], a["worker"]): a for a in answers}

    def receive(self, digests: Sequence[bytes], receipt: dict[str, Any]) -> None:
        named = ["0x" + digest.hex() for digest in digests]
        with self._lock:
            _append(self._receipts, [{"answers": named, "receipt": receipt}])
            self._receipted.update(named)


def _lines(file: Path) -> list[Any]:
    """Each whole line; one that a kill cut off is cut off here too."""
    if not file.exists():
        return []
    whole, _, rest = file.read_bytes().rpartition(b"\n")
    if rest:
        os.truncate(file, len(whole) + 1 if whole else 0)
    return [json.loads(line) for line in whole.splitlines()]


def _append(file: Path, items: Iterable[Any]) -> None:
    with file.open("ab") as out:
        out.write("".join(json.dumps(item) + "\n" for item in items).encode())
        out.flush()
        os.fsync(out.fileno())


def register(api: Api, keys: Sequence[PrivateKey], count: Count) -> None:
    """Each wallet signs its wish to be registered; a relayer pays."""
    domain = api.deployment.workers_domain()

    def wish(position: int) -> int:
        address = address_of(keys[position])
        signature = sign(keys[position], messages.digest(domain, Register(address, address, 0, api.until)))
        api.post("/registrations", _body(wallet=address, key=address, validUntil=api.until, signature=signature))
        return 1

    _each(range(len(keys)), wish, len(keys), count)


def answer_all(
    api: Api,
    keys: Sequence[PrivateKey],
    numbers: Sequence[int],
    labels: dict[tuple[int, int], int],
    job: int,
    journal: Journal,
    count: Count,
    workers: Collection[int] | None = None,
) -> None:
    """Every worker, or those of these numbers, fetches its assignments and answers them.

    labels: (position of the worker, task) -> label.
    """

    def work(position: int) -> int:
        return _work(api, keys[position], numbers[position], position, labels, job, journal)

    asked = [i for i, number in enumerate(numbers) if workers is None or number in workers]
    _each(asked, work, len(labels), count)


def _each(items: Iterable[int], do: Callable[[int], int], total: int, count: Count) -> None:
    """A few at the same time. `do` gives how much was done; the first error ends it all."""
    done = 0
    with ThreadPoolExecutor(AT_ONCE) as threads:
        try:
            for amount in threads.map(do, items):
                done += amount
                count(done, total)
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            raise


def _work(
    api: Api,
    key: PrivateKey,
    number: int,
    position: int,
    labels: dict[tuple[int, int], int],
    job: int,
    journal: Journal,
) -> int:
    offers = api.get(f"/workers/{number}/assignments", job=job)
    for start in range(0, len(offers), BATCH):
        part = offers[start : start + BATCH]
        known = [journal.signed(job, offer["task"], number) for offer in part]
        answers = [
            a or _answer(api.deployment, key, o, labels[position, o["task"]]) for a, o in zip(known, part, strict=True)
        ]
        digests = [_digest(api.deployment, offer, a) for offer, a in zip(part, answers, strict=True)]
        if all(map(journal.has_receipt, digests)):
            continue
        journal.sign([answer for answer, before in zip(answers, known, strict=True) if before is None])
        receipt = api.post("/answers", {"answers": answers})
        check_receipt(api.deployment, digests, receipt)
        journal.receive(digests, receipt)
    return len(offers)


def _answer(deployment: Deployment, key: PrivateKey, offer: dict[str, Any], label: int) -> dict[str, Any]:
    """The answer to send."""
    job, task, worker = offer["job"], offer["task"], offer["worker"]
    payload, salt = bytes([label]), secrets.token_bytes(32)
    bound = commitment(job, task, worker, payload, salt)
    envelope = seal(deployment.committee.seal_keys, bound, payload, salt)
    answer = _body(job=job, task=task, worker=worker, key=0, commitment=bound, sealHash=keccak(envelope))
    signature = sign(key, _digest(deployment, offer, answer))
    return answer | _body(signature=signature, envelope=envelope, expiry=offer["expiry"], assignedBy=offer["signature"])


def _digest(deployment: Deployment, offer: dict[str, Any], answer: dict[str, Any]) -> bytes:
    """What the worker signs, and what a receipt is for."""
    terms, bound, seal_hash = (
        bytes.fromhex(text[2:]) for text in (offer["terms"], answer["commitment"], answer["sealHash"])
    )
    message = Answer(answer["job"], terms, answer["task"], answer["worker"], bound, seal_hash)
    return messages.digest(deployment.domain(), message)


def check_receipt(deployment: Deployment, answers: Sequence[bytes], receipt: dict[str, Any]) -> None:
    """Raises Fatal unless a quorum signed for exactly these answers: the worker trusts no API."""
    root = trees.root([leaves.receipt_leaf(answer) for answer in answers])
    message = messages.digest(deployment.domain(), messages.Receipt(root, len(answers)))
    signers = {recover(message, bytes.fromhex(signature[2:])) for signature in receipt["signatures"]}
    if len(signers & set(deployment.committee.members)) < deployment.committee.quorum:
        raise Fatal("the API gave a receipt that no quorum of the committee signed")


def claim(api: Api, keys: Sequence[PrivateKey], numbers: Sequence[int], count: Count) -> None:
    """Each worker with something to claim asks the relayer for it."""

    def ask(position: int) -> int:
        balance = api.get(f"/workers/{numbers[position]}/balance")
        if int(balance["claimable"]):
            wish = Claim(numbers[position], balance["units"], api.until)
            signature = sign(keys[position], messages.digest(api.deployment.domain(), wish))
            body = _body(worker=wish.worker, cumulative=wish.cumulative, validUntil=api.until, signature=signature)
            api.post("/claims", body)
        return 1

    _each(range(len(keys)), ask, len(keys), count)


def _body(**fields: Any) -> dict[str, Any]:
    return {name: "0x" + value.hex() if isinstance(value, bytes) else value for name, value in fields.items()}
