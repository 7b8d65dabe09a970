"""`python -m tests.campaign.soak --minutes 30`: a deployment at work under random faults; money reconciled at every block.

Every few seconds one of: a process killed, a process stopped for a while, the chain killed, the chain reorganised above finality.
Meanwhile jobs are opened, answered, settled and claimed. One JSON document at the end; exit 1 when anything does not add up, or
memory or open files grow.
"""

import argparse
import json
import os
import re
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from random import Random
from typing import Any

from oracle.adapters import anvil
from oracle.adapters.rpc import Rpc, RpcError
from oracle.bootstrap import open_oracle
from oracle.config import Home
from oracle.protocol.errors import CrowdproofError
from oracle.protocol.hashing import keccak
from oracle.protocol.state import apply, fold
from tests.support.commands import begin
from tests.support.traffic import Traffic

DEPTH = 3  # blocks that make one final; a reorganisation is never deeper
WINDOW = 4
FAULT_S = (3.0, 9.0)
WORKERS = 8
GROWTH = {"memory": 1.15, "files": 1.10}  # that the last third of the run may have over the middle one


class Deployment:
    """A running `up` whose processes are known by name."""

    def __init__(self, home: Path) -> None:
        self.home, self.said = home, home.parent / f"up-{time.monotonic_ns()}.jsonl"
        self.process = begin(self.said, "up", "--home", home, "--window", WINDOW, "--json")

    def pids(self) -> dict[str, int]:
        """The newest of each process."""
        found: dict[str, int] = {}
        for line in self.said.read_text().splitlines():
            with suppress(ValueError):
                event = json.loads(line)
                found |= event.get("pids", {})
                again = re.match(r"(\S+) ended .* as process (\d+)", event.get("what", ""))
                found |= {again[1]: int(again[2])} if again else {}
        return found

    def stop(self) -> int:
        for pid in self.pids().values():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        self.process.terminate()
        return self.process.wait(60)


class Faults(threading.Thread):
    """One after another, until `ended`."""

    def __init__(self, deployment: Deployment, seed: int, ended: threading.Event) -> None:
        super().__init__(name="faults", daemon=True)
        self._up, self._random, self._ended = deployment, Random(seed), ended
        self.done: Counter[str] = Counter()

    def run(self) -> None:
        while not self._ended.wait(self._random.uniform(*FAULT_S)):
            name = self._random.choice(["kill", "kill", "stop", "chain", "reorganisation", "reorganisation"])
            with suppress(ProcessLookupError, CrowdproofError, OSError):
                getattr(self, f"_{name}")()
                self.done[name] += 1

    def _kill(self) -> None:
        os.kill(self._random.choice(sorted(self._up.pids().values())), signal.SIGKILL)

    def _stop(self) -> None:
        pid = self._random.choice(sorted(self._up.pids().values()))
        os.kill(pid, signal.SIGSTOP)
        self._ended.wait(self._random.uniform(1, 8))
        os.kill(pid, signal.SIGCONT)

    def _chain(self) -> None:
        running = anvil.status(self._up.home / "chain")
        if running:
            os.kill(running.pid, signal.SIGKILL)

    def _reorganisation(self) -> None:
        running = anvil.status(self._up.home / "chain")
        if running:
            with closing(Rpc(running.url, attempts=1)) as rpc:
                rpc.call("anvil_reorg", self._random.randint(1, DEPTH - 1), [])


class Ledger(threading.Thread):
    """At every final block: the Market holds what was escrowed less what was refunded and claimed, and owes no more."""

    def __init__(self, home: Path, ended: threading.Event) -> None:
        super().__init__(name="ledger", daemon=True)
        self._home, self._ended = home, ended
        self.blocks, self.forgotten = 0, 0
        self.faults: list[str] = []

    def run(self) -> None:
        with closing(open_oracle(Home(self._home))) as oracle:
            deployment = oracle.deployment
            state, seen = fold(deployment.digest(), []), deployment.block - 1
            while not self._ended.wait(0.2):
                try:
                    last = oracle.chain.latest().number - DEPTH
                    logs = oracle.chain.logs(deployment, seen + 1, last) if last > seen else []
                    held = [(n, _held(oracle, n)) for n in range(seen + 1, last + 1)]
                except CrowdproofError:
                    continue
                for number, balance in held:
                    for log in (log for log in logs if log.block == number):
                        apply(state, log)
                    if balance is None:
                        self.forgotten += 1
                    else:
                        self._check(number, state, balance // deployment.unit)
                seen = max(seen, last)

    def _check(self, number: int, state: Any, held: int) -> None:
        claimed = sum(state.claimed.values())
        owed = sum(job.escrow - job.refunded for job in state.jobs.values()) - claimed
        self.blocks += 1
        if held != owed or claimed > state.final_total:
            self.faults.append(f"block {number}: holds {held}, owes {owed}, claimed {claimed} of {state.final_total}")


def _held(oracle: Any, block: int) -> int | None:
    """What the Market has at a block; None where a chain that was started again has forgotten it."""
    deployment = oracle.deployment
    data = keccak(b"balanceOf(address)")[:4] + deployment.market.rjust(32, b"\0")
    asked = {"to": "0x" + deployment.token.hex(), "data": "0x" + data.hex()}
    try:
        return int(oracle.chain.rpc.call("eth_call", asked, hex(block)), 16)
    except RpcError:
        return None


class Sizes(threading.Thread):
    """Resident memory and open files of every process, sampled by name; processes that were killed begin anew."""

    def __init__(self, deployment: Deployment, ended: threading.Event) -> None:
        super().__init__(name="sizes", daemon=True)
        self._up, self._ended = deployment, ended
        self.samples: dict[str, list[tuple[float, int, int]]] = defaultdict(list)  # seconds, KiB, files

    def run(self) -> None:
        began = time.monotonic()
        while not self._ended.wait(5):
            for name, pid in self._up.pids().items():
                with suppress(OSError, StopIteration, ValueError):
                    status = Path(f"/proc/{pid}/status").read_text()
                    memory = int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])
                    files = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
                    self.samples[name].append((time.monotonic() - began, memory, files))

    def growth(self) -> dict[str, float]:
        """Median of all processes together in the last third over that in the middle third."""
        end = max((s[0] for samples in self.samples.values() for s in samples), default=0.0)
        found = {}
        for place, name in ((1, "memory"), (2, "files")):
            thirds = []
            for low, high in ((end / 3, 2 * end / 3), (2 * end / 3, end)):
                medians = [
                    statistics.median(s[place] for s in samples if low < s[0] <= high)
                    for samples in self.samples.values()
                    if any(low < s[0] <= high for s in samples)
                ]
                thirds.append(sum(medians))
            found[name] = round(thirds[1] / thirds[0], 3) if thirds[0] else 1.0
        return found


def soak(minutes: float, seed: int, home: Path) -> dict[str, Any]:
    began, ended = time.monotonic(), threading.Event()
    with ExitStack() as stack:
        first = Deployment(home)
        _wait(first)
        first.stop()
        settings = json.loads((home / "settings.json").read_text())
        (home / "settings.json").write_text(json.dumps(settings | {"depth": DEPTH}))
        deployment = Deployment(home)
        stack.callback(deployment.stop)
        _wait(deployment)
        faults, ledger, sizes = Faults(deployment, seed, ended), Ledger(home, ended), Sizes(deployment, ended)
        for thread in (faults, ledger, sizes):
            thread.start()
        stack.callback(ended.set)
        traffic = stack.enter_context(Traffic(home, WORKERS, seed))
        traffic.steadily(traffic.register, 300)
        jobs = 0
        while time.monotonic() - began < 60 * minutes:
            job = traffic.open_job(10, 4)
            traffic.finish(job, 900)
            jobs += 1
            if jobs % 3 == 0:
                traffic.claim(600)
        ended.set()
        faults.join()
        time.sleep(10)
        traffic.claim(600)
        state = traffic.oracle.index.view().state
        unpaid = state.final_total - sum(state.claimed.values())
        growth = sizes.growth()
        flat = all(growth[name] <= most for name, most in GROWTH.items())
        return {
            "ok": not ledger.faults
            and ledger.blocks > ledger.forgotten
            and unpaid == 0
            and flat
            and deployment.process.poll() is None,
            "minutes": round((time.monotonic() - began) / 60, 1),
            "seed": seed,
            "jobs": jobs,
            "epochs": state.last_epoch,
            "faults_injected": dict(faults.done),
            "blocks_reconciled": ledger.blocks,
            "blocks_forgotten": ledger.forgotten,
            "ledger_faults": ledger.faults[:5],
            "unpaid": unpaid,
            "growth": growth,
            "home": str(home),
        }


def _wait(deployment: Deployment) -> None:
    end = time.monotonic() + 180
    while '"up"' not in deployment.said.read_text():
        if deployment.process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(deployment.said.read_text())
        time.sleep(0.2)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    found = soak(asked.minutes, asked.seed, Path(tempfile.mkdtemp(prefix="crowdproof-soak-")) / "home")
    print(json.dumps(found))
    return 0 if found["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
