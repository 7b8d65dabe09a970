"""The recorded workers, each with a wallet of its own: they register, seal, sign and send over HTTP, as any bot would.

Only this module holds worker keys, and only for the demo: they come from a seed. What a worker signed is in its journal before it
is sent, and sent again as it is: a second answer to a task would be refused.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
from coincurve import PrivateKey

from api.client import Client, Worker, check_receipt
from api.client import register as enrol
from api.journal import Journal
from oracle.protocol.deployment import Deployment
from oracle.protocol.hashing import keccak

__all__ = ["Api", "Journal", "answer_all", "check_receipt", "claim", "register", "wallet"]

BATCH = 100
AT_ONCE = 3  # workers that send at the same time
FAR = 86_400 * 365
Count = Callable[[int, int], None]  # done, total


def wallet(seed: str, name: str) -> PrivateKey:
    """A key from the demo's seed; the same seed gives the same wallets."""
    return PrivateKey(keccak(f"crowdproof demo {seed} {name}".encode()))


class Api:
    """The public API as workers see it, each signed in by itself. `until`: block time until which signed wishes hold."""

    def __init__(self, client: httpx.Client, deployment: Deployment, until: int) -> None:
        self.client, self.deployment, self.until = client, deployment, until
        self.visitor = Client(str(client.base_url), client)
        self._workers: dict[bytes, Worker] = {}

    def get(self, path: str, **query: Any) -> Any:
        return self.visitor.get(path, **query)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        return self.visitor.post(path, body)

    def worker(self, key: PrivateKey, number: int) -> Worker:
        """Signed in once; a session that has run out since is made anew."""
        own = self._workers.get(key.secret)
        if own is None or own.client.get("/auth/session")["wallet"] is None:
            own = self._workers[key.secret] = Worker(self.visitor.sign_in(key), self.deployment, key, number)
        return own


def register(api: Api, keys: Sequence[PrivateKey], count: Count) -> None:
    """Each wallet signs its wish to be registered; a relayer pays."""

    def wish(position: int) -> int:
        enrol(api.visitor, api.deployment, keys[position], api.until)
        return 1

    _each(range(len(keys)), wish, len(keys), count)


def answer_all(
    api: Api,
    keys: Sequence[PrivateKey],
    numbers: Sequence[int],
    said: dict[tuple[int, int], int | str],
    job: int,
    journal: Journal,
    count: Count,
    workers: Collection[int] | None = None,
) -> None:
    """Every worker, or those of these numbers, fetches its assignments and answers them.

    said: (position of the worker, task) -> label, or the text of a free answer.
    """

    def work(position: int) -> int:
        return _work(api, keys[position], numbers[position], position, said, job, journal)

    asked = [i for i, number in enumerate(numbers) if workers is None or number in workers]
    _each(asked, work, len(said), count)


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
    said: dict[tuple[int, int], int | str],
    job: int,
    journal: Journal,
) -> int:
    worker = api.worker(key, number)
    offers = worker.assignments(job)
    for start in range(0, len(offers), BATCH):
        part = offers[start : start + BATCH]
        known = [journal.signed(job, offer["task"], number) for offer in part]
        answers = [a or worker.answer(o, said[position, o["task"]]) for a, o in zip(known, part, strict=True)]
        digests = [worker.digest(offer, a) for offer, a in zip(part, answers, strict=True)]
        if all(map(journal.has_receipt, digests)):
            continue
        journal.sign([answer for answer, before in zip(answers, known, strict=True) if before is None])
        receipt = worker.client.post("/answers", {"answers": answers})
        check_receipt(api.deployment, digests, receipt)
        journal.receive(digests, receipt)
    return len(offers)


def claim(api: Api, keys: Sequence[PrivateKey], numbers: Sequence[int], count: Count) -> None:
    """Each worker with something to claim asks the relayer for it."""

    def ask(position: int) -> int:
        Worker(api.visitor, api.deployment, keys[position], numbers[position]).claim(api.until)
        return 1

    _each(range(len(keys)), ask, len(keys), count)
