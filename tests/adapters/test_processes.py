"""Ports are had before anything starts; a child that does not start says why."""

import importlib
import os
import signal
import socket
import time
from multiprocessing import forkserver
from pathlib import Path

import httpx
import pytest

from oracle.adapters import processes
from oracle.protocol.errors import BadInput, Fatal

pytestmark = pytest.mark.sockets


def test_bind__free_port__listens_without_nagle() -> None:
    with processes.bind() as listening, socket.create_connection(listening.getsockname()):
        assert processes.url_of(listening).startswith("http://127.0.0.1:")
        assert listening.proto == socket.IPPROTO_TCP  # by this asyncio sets TCP_NODELAY


@pytest.mark.parametrize("port", [-1, 65_536, 1 << 40])
def test_bind__no_port__refused(port: int) -> None:
    with pytest.raises(BadInput, match=str(port)):
        processes.bind(port)


def test_bind__taken_port__refused_naming_it() -> None:
    with processes.bind() as first:
        port = first.getsockname()[1]
        with pytest.raises(BadInput, match=f"port {port} cannot be used"):
            processes.bind(port)


def test_wait_ready__child_that_fails__tells_its_last_words(tmp_path: Path) -> None:
    crew = processes.Crew()
    child = crew.add("broken", "json:loads", ("{",), processes.bind(), tmp_path / "logs" / "broken.log")
    with pytest.raises(Fatal, match="broken did not start") as told:
        crew.wait_ready()
    assert "Error" in str(told.value)
    crew.stop()
    assert child.process.exitcode


def test_crew__killed_child__comes_back_on_its_port_and_it_is_said(tmp_path: Path) -> None:
    said: list[str] = []
    crew = processes.Crew(said.append)
    child = crew.add("echo", "tests.support.serving:health", (), processes.bind(), tmp_path / "echo.log")
    try:
        crew.wait_ready()
        crew.watch()
        url, first = child.url, child.pid
        os.kill(first, signal.SIGKILL)
        assert httpx.get(f"{url}/health", timeout=30).status_code == 200  # waits in the backlog meanwhile
        assert child.pid != first
        assert said == [f"echo ended (-9) and is started again as process {child.pid}"]
    finally:
        crew.stop()
    assert not child.process.is_alive()


def test_crew__stopped_child__is_named_and_not_started_again(tmp_path: Path) -> None:
    crew = processes.Crew()
    child = crew.add("echo", "tests.support.serving:health", (), processes.bind(), tmp_path / "echo.log")
    try:
        crew.wait_ready()
        os.kill(child.pid, signal.SIGSTOP)
        assert crew.waits() == {"echo": "no answer"}
        crew.tend()
        os.kill(child.pid, signal.SIGCONT)
        assert crew.waits() == {}
        assert child.deaths == 0
    finally:
        crew.stop()


def test_add__fork_server_killed__another_is_started(tmp_path: Path) -> None:
    crew = processes.Crew()
    try:
        crew.add("first", "tests.support.serving:health", (), processes.bind(), tmp_path / "first.log")
        crew.wait_ready()
        server = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
        os.kill(server, signal.SIGKILL)
        second = crew.add("second", "tests.support.serving:health", (), processes.bind(), tmp_path / "second.log")
        end = time.monotonic() + 30
        while httpx.get(f"{second.url}/health", timeout=30).status_code != 200:
            assert time.monotonic() < end
    finally:
        crew.stop()


def test_preloaded__each__is_a_module_that_loads() -> None:
    """The fork server says nothing of one that does not."""
    for name in (*processes.LATE, *processes.MODELS):
        assert importlib.import_module(name)
