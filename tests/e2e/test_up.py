"""`crowdproof up`: a deployment that goes on by itself, with members that stop and lie; each process also runs alone."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from oracle.adapters import processes
from tests.support.commands import begin
from tests.support.traffic import Traffic

pytestmark = pytest.mark.sockets
WINDOW = 2


class Up:
    """A running `up`, and what it said."""

    def __init__(self, home: Path, *options: str) -> None:
        self.home, self._said = home, home.parent / f"{home.name}.jsonl"
        self.process = begin(self._said, "up", "--home", home, "--window", WINDOW, "--json", *options)

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._said.read_text().splitlines() if line.startswith("{")]

    def wait_for(self, what: str, seconds: float = 120) -> dict[str, Any]:
        """The first event in which these words are."""
        end = time.monotonic() + seconds
        while True:
            for event in self.events():
                if what in json.dumps(event):
                    return event
            assert self.process.poll() is None, self._said.read_text()
            assert time.monotonic() < end, (what, self._said.read_text())
            time.sleep(0.1)

    def signal(self, name: str, number: signal.Signals) -> None:
        os.kill(self.events()[0]["pids"][name], number)


@contextmanager
def running(home: Path, *options: str) -> Iterator[Up]:
    up = Up(home, *options)
    try:
        up.wait_for('"event": "up"')
        yield up
    finally:
        for name in up.events()[0]["pids"] if up.events() else ():
            with suppress(ProcessLookupError):
                up.signal(name, signal.SIGCONT)
        up.process.terminate()
        assert up.process.wait(60) == 128 + signal.SIGTERM


def whole(traffic: Traffic) -> bool:
    """What was debited was paid, to the unit, and the Market holds just what it owes."""
    oracle = traffic.oracle
    state = oracle.index.view().state
    held = oracle.chain.token_balance(oracle.deployment.token, oracle.deployment.market) // oracle.deployment.unit
    escrowed = sum(job.escrow - job.refunded for job in state.jobs.values())
    return sum(state.claimed.values()) == state.final_total and held == escrowed - state.final_total


def test_up__fresh_home__takes_a_job_to_its_pay_and_goes_on_where_it_was(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with running(home) as up, Traffic(home, 5) as traffic:
        assert set(up.events()[0]["pids"]) == {
            *(f"member-{n}" for n in range(1, 5)),
            "api",
            "indexer",
            "matcher",
            "settler",
            "relayer",
            "watcher",
        }
        traffic.register()
        traffic.finish(traffic.open_job(4, 3))
        traffic.claim()
        assert traffic.until(lambda: whole(traffic), 30) is None
        up.signal("settler", signal.SIGKILL)
        up.wait_for("settler ended (-9) and is started again")
        second = traffic.open_job(2, 2)
        traffic.work(second)
    with running(home) as up, Traffic(home, 5) as again:
        again.register()
        again.jobs = traffic.jobs
        again.finish(second)
        again.claim()
        assert again.until(lambda: whole(again), 30) is None
        status = httpx.get(f"{up.events()[0]['api']}/ready", timeout=10)
        assert status.status_code == 200, status.text


def test_up__one_member_stopped_then_two__waits_says_so_and_ends_when_one_returns(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with running(home) as up, Traffic(home, 4) as traffic:
        traffic.register()
        up.signal("member-2", signal.SIGSTOP)
        traffic.finish(traffic.open_job(3, 2))
        job = traffic.open_job(3, 2)
        up.signal("member-4", signal.SIGSTOP)
        with pytest.raises(TimeoutError):
            traffic.finish(job, 10)
        up.wait_for("member-4 waits: no answer")
        up.signal("member-2", signal.SIGCONT)
        traffic.finish(job)


def test_up__a_member_that_lies_in_everything__the_job_ends_right(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with running(home, "--without", "member-1") as up:
        crew = processes.Crew()
        port = httpx.URL(json.loads((home / "settings.json").read_text())["members"][0]).port
        crew.add("liar", "tests.support.lying:member", (home, 1), processes.bind(port), tmp_path / "liar.log")
        try:
            crew.wait_ready()
            with Traffic(home, 4) as traffic:
                traffic.register()
                job = traffic.open_job(4, 3)
                traffic.finish(job)
                traffic.claim()
                assert traffic.until(lambda: whole(traffic), 30) is None
                assert not [e for e in up.events() if "the audit found" in json.dumps(e)]
        finally:
            crew.stop()


def test_node__each_process_alone__together_they_are_a_deployment(tmp_path: Path) -> None:
    home = tmp_path / "home"
    roles = ("api", "member-3", "settler", "relayer")
    alone: list[subprocess.Popen[bytes]] = []
    with running(home, *(word for role in roles for word in ("--without", role))):
        try:
            for role in roles:
                name, _, number = role.partition("-")
                words = ("node", name, "--home", home, *(("--number", number) if number else ()))
                alone.append(begin(tmp_path / f"{role}.log", *words))
            with Traffic(home, 3) as traffic:
                traffic.steadily(lambda: traffic.api.get("/health"))
                traffic.register()
                traffic.finish(traffic.open_job(2, 2))
        finally:
            for process in alone:
                process.terminate()
            assert {process.wait(60) for process in alone} <= {0, 128 + signal.SIGTERM}
