"""A requester and a crowd on a deployment that `crowdproof up` runs: jobs, wallets, answers, claims, all over the API."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any, Self

import httpx

from oracle import local, publishing
from oracle.adapters import anvil
from oracle.adapters.signer import KeySigner
from oracle.bootstrap import open_oracle
from oracle.config import Home
from oracle.demo import crowd
from oracle.protocol.errors import CrowdproofError
from oracle.protocol.keys import address_of
from oracle.protocol.leaves import Task
from oracle.protocol.manifest import check_manifest
from oracle.services import outbox

CLASSES = ["no", "yes"]
ACCURACY = 0.85


class Traffic:
    """Holds wallets and the open connections. Everything that fails is tried again: the deployment may be under attack."""

    def __init__(self, home: Path, workers: int, seed: int = 1) -> None:
        self.home, self._random = Home.at(home), Random(seed)
        self._stack = ExitStack()
        self.oracle = open_oracle(self.home)
        self._stack.callback(self.oracle.close)
        client = httpx.Client(base_url=self.home.settings().api, timeout=60, trust_env=False)
        self.api = crowd.Api(self._stack.enter_context(client), self.oracle.deployment, 1 << 40)
        self.keys = [crowd.wallet(f"traffic {seed} {home}", f"worker {i}") for i in range(workers)]
        self.requester = local.key(self.home, "traffic")
        self._deployer = KeySigner(anvil.dev_key(0))
        self._journal = crowd.Journal(home / "crowd")
        self.numbers: list[int] = []
        self.jobs: dict[int, dict[tuple[int, int], int]] = {}  # job -> (worker's position, task) -> label

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def steadily(self, do: Callable[[], Any], seconds: float = 120.0) -> Any:
        """Does it until it works."""
        end = time.monotonic() + seconds
        while True:
            try:
                return do()
            except CrowdproofError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.3)

    def register(self) -> None:
        """Returns when every wallet has its number."""
        addresses = [address_of(key) for key in self.keys]

        def step() -> None:
            known = self.oracle.index.view().state.worker_of
            missing = [k for k, a in zip(self.keys, addresses, strict=True) if a not in known]
            if missing:
                crowd.register(self.api, missing, lambda *_: None)
                self.until(lambda: set(addresses) <= self.oracle.index.view().state.worker_of.keys(), 20)

        self.steadily(step)
        state = self.oracle.index.view().state
        self.numbers = [state.worker_of[address] for address in addresses]

    def open_job(self, tasks: int, answers: int, life: int = 86_400) -> int:
        """A funded job; its number."""
        manifest = check_manifest(
            {
                "version": 1,
                "title": f"traffic {len(self.jobs)} {self._random.random()}",
                "instructions": "yes or no?",
                "answer": {"type": "choice", "classes": CLASSES},
                "redundancy": {"most": answers, "least": 1},
                "reward": {"base": "10000", "bonus": "2500"},
                "feeBps": 250,
                "deadline": self.oracle.chain.latest().timestamp + life,
                "assignmentSeconds": 86_400,
            },
            "traffic",
        )
        items = [Task(i, f"task {i}", None) for i in range(tasks)]
        number: int = self.steadily(lambda: self._fund(manifest, items))
        truth = [self._random.randrange(2) for _ in range(tasks)]
        self.jobs[number] = {
            (w, t): truth[t] if self._random.random() < ACCURACY else 1 - truth[t]
            for w in range(len(self.keys))
            for t in range(tasks)
        }
        return number

    def _fund(self, manifest: Any, items: list[Task]) -> int:
        oracle, purse = self.oracle, self.requester
        terms = publishing.store(oracle, manifest, items, "traffic")
        amount = terms.escrow() * oracle.deployment.unit
        gift = oracle.calls.transfer(oracle.deployment.token, purse.address, amount, f"terms {terms.hash().hex()}")
        local.give_coin(
            self.home, self.home.settings().rpc, oracle.deployment, self._deployer, {"traffic": purse.address}
        )
        outbox.run(oracle.database, oracle.chain, self._deployer, gift, "setup")
        return publishing.fund(oracle, purse, terms, manifest.deadline)

    def work(self, job: int) -> int:
        """Every worker answers what it is offered now; how many answers that were."""
        done = 0

        def count(so_far: int, _: int) -> None:
            nonlocal done
            done = so_far

        crowd.answer_all(self.api, self.keys, self.numbers, self.jobs[job], job, self._journal, count)
        return done

    def finish(self, job: int, seconds: float = 180.0) -> None:
        """Works on the job until every task has a final verdict."""
        tasks = self.oracle.index.view().state.jobs[job].terms.tasks

        def step() -> bool:
            try:
                self.work(job)
                found = self.api.get(f"/jobs/{job}/verdicts", limit=1000)
            except CrowdproofError:
                return False
            return len(found) == tasks and all(verdict["status"] == "final" for verdict in found)

        self.until(step, seconds)

    def claim(self, seconds: float = 60.0) -> None:
        """Every worker asks for its money, and has it when this returns."""

        def paid() -> bool:
            try:
                crowd.claim(self.api, self.keys, self.numbers, lambda *_: None)
                return all(int(self.api.get(f"/workers/{n}/balance")["claimable"]) == 0 for n in self.numbers)
            except CrowdproofError:
                return False

        self.until(paid, seconds)

    def until(self, holds: Callable[[], bool], seconds: float) -> None:
        end = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > end:
                raise TimeoutError(f"not so after {seconds} s: {holds}")
            time.sleep(0.3)
