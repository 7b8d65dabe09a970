"""The whole system, played by the real command: two demos at once, chains that die, signals, and inputs that are wrong."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from oracle.adapters import anvil
from oracle.config import Home
from oracle.demo.play import STAGES, Options, play
from tests.support.commands import Run, finish, start
from tests.support.watching import children, gone, with_home

pytestmark = pytest.mark.sockets
linux = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc")
DIGEST = "bae557359dba979f471ac926f238c5ceb91223c2ff925eb5d5a11cd603ed891e"  # of the built-in crowd, seed 1


def test_demo__built_in_crowd__document_is_whole_and_adds_up(finished: tuple[Path, dict[str, Any]]) -> None:
    home, found = finished
    assert (found["tasks"], found["workers"], found["answers"]) == (45, 7, 315)
    assert found["accuracy"] is None
    assert found["agreement"] >= 42 / 45  # another model's opinion, no gold
    assert found["committee"] == {"members": 4, "quorum": 3}
    assert found["epochs"] == found["audit"]["epochs"] == 1
    assert found["transactions"] <= 50
    assert {"deploy", "open", "register", "post", "finalise", "claim", "per_answer"} <= found["gas"].keys()
    money = {name: found[name] for name in ("escrowed", "debited", "paid", "claimable", "refunded")}
    assert all(type(amount) is int for amount in money.values())
    assert money["debited"] == money["paid"] + money["claimable"]
    assert money["escrowed"] == money["debited"] + money["refunded"]
    assert money["claimable"] == 0 < found["fee"]
    assert found["audit"]["ok"] is True
    assert set(found["seconds"]) == {"load", *STAGES, "total"}
    assert found["verdicts_digest"] == DIGEST
    assert found["home"] == str(home)


@linux
def test_demo__two_at_once_one_on_a_fixed_port__both_end_right_and_leave_no_process(
    labels: Path, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    first = start("demo", "--labels", labels, "--home", tmp_path / "a", "--port", port)
    second = start("demo", "--labels", labels, "--home", tmp_path / "b", "--json")
    seen: set[int] = set()
    while first.poll() is None and second.poll() is None:
        seen |= children(first.pid) | children(second.pid)
        time.sleep(0.1)
    shown, document = finish(first), finish(second)
    assert (shown.code, document.code) == (0, 0)
    assert shown.err == document.err == ""
    assert "12 tasks" in shown.out
    assert "no fault" in shown.out
    assert document.document["verdicts_digest"] in shown.out
    assert f'"http://127.0.0.1:{port}"' in (tmp_path / "a" / "settings.json").read_text()
    assert len(seen) >= 10  # members, APIs, and what they are forked from
    assert gone(seen | with_home(tmp_path))


def test_demo__chain_killed_before_every_stage_from_fund_on__same_verdicts_and_audit_ok(
    labels: Path, tmp_path: Path
) -> None:
    undisturbed = play(Home(tmp_path / "calm"), Options(labels))
    killed = []

    def kill(stage: str) -> None:
        running = anvil.status(tmp_path / "killed" / "chain")
        if STAGES.index(stage) >= STAGES.index("fund") and running:
            os.kill(running.pid, signal.SIGKILL)
            killed.append(stage)

    disturbed = play(Home(tmp_path / "killed"), Options(labels), between=kill)
    assert killed == list(STAGES[STAGES.index("fund") :])
    assert disturbed["audit"]["ok"]
    assert disturbed["verdicts_digest"] == undisturbed["verdicts_digest"]
    money = ("escrowed", "debited", "paid", "claimable", "refunded")
    assert {name: disturbed[name] for name in money} == {name: undisturbed[name] for name in money}
    assert disturbed["transactions"] == undisturbed["transactions"]


def test_demo__on_a_chain_that_runs_already__leaves_it_running(labels: Path, tmp_path: Path) -> None:
    chain = anvil.start(tmp_path / "other")
    try:
        found = play(Home(tmp_path / "home"), Options(labels, rpc=chain.url))
        assert found["audit"]["ok"]
        assert anvil.status(tmp_path / "other") == chain
        assert not (tmp_path / "home" / "chain").exists()
    finally:
        anvil.stop(tmp_path / "other")


def wait_for_api(process: subprocess.Popen[str], home: Path) -> None:
    end = time.monotonic() + 120
    while not (home / "logs" / "api.log").exists() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.02)


@linux
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_demo__stopped_by_a_signal__ends_all_that_it_started(
    labels: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    home = tmp_path / "home"
    process = start("demo", "--labels", labels, "--home", home, "--json")
    wait_for_api(process, home)
    pids = children(process.pid) | with_home(home)
    assert len(pids) >= 5
    process.send_signal(number)
    ended = finish(process)
    assert ended.code == code
    assert "Traceback" not in ended.err
    assert gone(pids | with_home(home))


@linux
def test_demo__killed_outright__its_processes_leave_and_the_chain_keeps_its_state(labels: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    process = start("demo", "--labels", labels, "--home", home, "--json")
    wait_for_api(process, home)
    below = children(process.pid)
    process.kill()
    finish(process)
    try:
        assert gone(below - with_home(home / "chain"), 20)
    finally:
        assert anvil.stop(home / "chain")


@linux
def test_demo__a_stage_fails__ends_all_that_it_started(labels: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    seen: set[int] = set()

    def fail(stage: str) -> None:
        if stage == "register":
            seen.update(with_home(home))
            raise RuntimeError("a planted fault")

    with pytest.raises(RuntimeError, match="planted"):
        play(Home(home), Options(labels), between=fail)
    assert seen
    assert gone(seen)
    assert anvil.status(home / "chain") is None


def test_demo__used_folder__exit_2_and_nothing_touched(inside: Run, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    ended = inside("demo", "--home", tmp_path, "--json")
    assert ended.is_clear()
    assert str(tmp_path) in ended.err
    assert [file.name for file in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (b"task,worker\nt1,w1\n", "label"),
        (b"task,worker,label\nt1,w1\n", "line 2"),
        (b"", "empty"),
        (b"task,worker,label\nt1,w1,\xff\n", "UTF-8"),
        (b"task,worker,label\n", "no answer"),
        (b"task,worker,label\nt1,w1,0\nt1,w2,0\n", "classes"),
    ],
)
def test_demo__bad_labels__exit_2_with_the_place_and_no_folder(
    inside: Run, tmp_path: Path, text: bytes, place: str
) -> None:
    file, home = tmp_path / "labels.csv", tmp_path / "home"
    file.write_bytes(text)
    ended = inside("demo", "--labels", file, "--home", home)
    assert ended.is_clear()
    assert str(file) in ended.err
    assert place in ended.err
    assert not home.exists()


def test_demo__bad_gold__exit_2_with_the_place_and_no_folder(inside: Run, labels: Path, tmp_path: Path) -> None:
    gold, home = tmp_path / "gold.csv", tmp_path / "home"
    gold.write_text("task,label\nt1,0\nt2\n")
    ended = inside("demo", "--labels", labels, "--gold", gold, "--home", home)
    assert ended.is_clear()
    assert f"{gold}, line 3" in ended.err
    assert not home.exists()


def test_demo__port_is_taken__exit_2_naming_it_and_nothing_written(inside: Run, labels: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        ended = inside("demo", "--labels", labels, "--home", tmp_path / "home", "--port", port)
    assert ended.is_clear()
    assert str(port) in ended.err
    assert not (tmp_path / "home").exists()


def test_demo__rpc_is_down__exit_2_and_nothing_written(inside: Run, labels: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    ended = inside("demo", "--labels", labels, "--home", tmp_path / "home", "--rpc", url)
    assert ended.is_clear()
    assert url in ended.err
    assert not (tmp_path / "home").exists()
