"""Unit tests cannot open a socket; those marked `sockets` talk to processes on loopback."""

from pathlib import Path

import pytest
from pytest_socket import disable_socket, enable_socket, socket_allow_hosts

CROWD = Path(__file__).parent.parent.parent / "shared" / "data" / "crowd"


def pytest_runtest_setup(item: pytest.Item) -> None:
    enable_socket()
    if item.get_closest_marker("sockets"):
        socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)
    else:
        disable_socket(allow_unix_socket=True)


def pytest_runtest_teardown(item: pytest.Item) -> None:
    enable_socket()


@pytest.fixture(scope="session")
def crowd_data() -> Path:
    """The folder of recorded crowds beside a development checkout."""
    if not CROWD.is_dir():
        pytest.skip(f"{CROWD} is absent: the recorded crowds are not part of the project")
    return CROWD
