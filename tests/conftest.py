"""Unit tests cannot open a socket; those marked `sockets` talk to processes on loopback."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_socket import disable_socket, enable_socket, socket_allow_hosts

from scripts import ipfs as ipfs_daemon
from tests.support.postgres import ABSENT, Server, find_binaries, server

# Begun first, so that no worker is left with one of them alone at the end. All others keep their order, which tests/api needs.
LONG = (
    "e2e/test_up.py",
    "e2e/test_servers.py",
    "e2e/test_demo.py",
    "e2e/test_resume.py",
    "e2e/test_by_command.py",
    "e2e/test_early_stop.py",
    "bench/test_gas.py",
    "privacy/test_ledger.py",
)
CROWD = Path(__file__).parent.parent.parent / "shared" / "data" / "crowd"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    place = {Path(__file__).parent / name: number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: place.get(item.path, len(LONG)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Not in the header, which a quiet run does not print."""
    terminalreporter.write_line(f"ipfs: {ipfs_daemon.describe()}")
    terminalreporter.write_line(f"postgresql: {find_binaries() or ABSENT}")


def pytest_runtest_setup(item: pytest.Item) -> None:
    enable_socket()
    if item.get_closest_marker("sockets"):
        socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)
    else:
        disable_socket(allow_unix_socket=True)


def pytest_runtest_teardown(item: pytest.Item) -> None:
    enable_socket()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL of this run, by its unix socket also for tests that cannot open sockets; take a `schema()` each."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip(ABSENT)
    with server(binaries) as started:
        yield started


@pytest.fixture(scope="session")
def ipfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ipfs_daemon.Daemon]:
    """The daemon that IPFS_API names, or one of this run; what is in it already counts for nothing."""
    if api := os.environ.get("IPFS_API"):
        repo = os.environ.get("IPFS_REPO")
        yield ipfs_daemon.Daemon(api, Path(repo) if repo else None)
        return
    if ipfs_daemon.program() is None:
        pytest.skip(f"IPFS: {ipfs_daemon.describe()}")
    with ipfs_daemon.running(tmp_path_factory.mktemp("ipfs")) as started:
        yield started


@pytest.fixture(scope="session")
def crowd_data() -> Path:
    """The folder of recorded crowds beside a development checkout."""
    if not CROWD.is_dir():
        pytest.skip(f"{CROWD} is absent: the recorded crowds are not part of the project")
    return CROWD


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The built-in demo through the real command: its home and its document. For those who only look at it, or copy it."""
    from tests.support.commands import run

    home = tmp_path_factory.mktemp("finished") / "home"
    ended = run("demo", "--home", home, "--json")
    assert (ended.code, ended.err) == (0, "")
    return home, ended.document
