"""Ports are had before anything starts; a child that does not start says why."""

import socket
from pathlib import Path

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
    child = processes.spawn("broken", "json:loads", ("{",), processes.bind(), tmp_path / "logs" / "broken.log")
    with pytest.raises(Fatal, match="broken did not start") as told:
        processes.wait_ready([child])
    assert "Error" in str(told.value)
    processes.stop([child])
    assert child.process.exitcode
