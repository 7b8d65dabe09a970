"""The same system on a PostgreSQL server and an IPFS daemon: the same verdicts, and several processes of a role share the work."""

from pathlib import Path

import pytest

from oracle.bootstrap import RELAYER, open_key
from oracle.config import Home
from scripts.ipfs import Daemon
from tests.e2e.test_up import running, whole
from tests.support.commands import begin, run
from tests.support.postgres import Server
from tests.support.traffic import Traffic

pytestmark = pytest.mark.sockets


def test_demo__on_postgresql_and_ipfs__same_verdicts_as_on_files(
    labels: Path, tmp_path: Path, postgres: Server, ipfs: Daemon
) -> None:
    embedded = run("demo", "--labels", labels, "--home", tmp_path / "files", "--json").document
    home = tmp_path / "servers"
    words = ("--labels", labels, "--home", home, "--database", postgres.tcp, "--ipfs", ipfs.api, "--json")
    found = run("demo", *words)
    assert found.document["audit"]["faults"] == []
    assert found.code == 0, found.err
    assert found.document["verdicts_digest"] == embedded["verdicts_digest"]
    assert not list(home.rglob("*.db"))
    assert not (home / "store").exists()
    assert not list(home.glob("members/*/store"))
    again = run("audit", "--home", home, "--json")
    assert again.code == 0, again.err
    assert again.document["epochs"] == 1
    resumed = run("demo", "--home", home, "--resume", "--json")
    assert resumed.document["verdicts_digest"] == embedded["verdicts_digest"]


def test_up__two_apis_and_two_settlers_on_one_postgresql__no_work_is_done_twice(
    tmp_path: Path, postgres: Server
) -> None:
    home = tmp_path / "home"
    more = []
    with running(home, "--database", postgres.tcp):
        try:
            more = [
                begin(tmp_path / f"{role}.log", "node", role, "--home", home, "--port", 0)
                for role in ("api", "settler", "settler", "relayer")
            ]
            with Traffic(home, 4) as traffic:
                traffic.register()
                for _ in range(2):
                    traffic.finish(traffic.open_job(4, 2))
                traffic.claim()
                traffic.until(lambda: whole(traffic), 30)
                relayer = open_key(Home(home), RELAYER).address
                sent = traffic.oracle.database.sent(relayer)
                kinds = [one.kind for one in sent]
                assert kinds.count("post") == kinds.count("finalise") == traffic.oracle.index.view().state.last_epoch
                assert all(one.outcome and one.outcome.succeeded for one in sent)
        finally:
            for process in more:
                process.terminate()
                process.wait(60)
