"""Child processes that serve HTTP on loopback: started with a socket that is already bound, ended with their parent.

A port is bound before the child starts, so no other program can take it in between; the child holds the read end of a pipe and
leaves when the parent, however it ends, lets go of the other.
"""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from oracle.protocol.errors import BadInput, Fatal

START_S = 90.0


def bind(port: int = 0) -> socket.socket:
    """A listening socket on loopback; port 0 takes a free one. Raises BadInput naming a port that is taken."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
    except OSError as problem:
        raise BadInput(
            f"port {port} cannot be used ({problem.strerror}): choose another with --port, or 0 for a free one"
        ) from None
    listening.listen(256)
    return listening


def url_of(listening: socket.socket) -> str:
    return f"http://127.0.0.1:{listening.getsockname()[1]}"


@dataclass(frozen=True, slots=True)
class Child:
    """A process of ours; `log` holds what it printed."""

    name: str
    url: str
    log: Path
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        """Asks it to leave, then makes it."""
        if self.process.stdin:
            self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def spawn(name: str, arguments: Sequence[str], listening: socket.socket, log: Path) -> Child:
    """`python -m oracle.cli ARGUMENTS --socket FD`, serving on `listening`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    descriptor = listening.fileno()
    os.set_inheritable(descriptor, True)
    command = [sys.executable, "-m", "oracle.cli", *arguments, "--socket", str(descriptor)]
    with log.open("ab") as out:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and arguments
            command, stdin=subprocess.PIPE, stdout=out, stderr=out, pass_fds=(descriptor,)
        )
    child = Child(name, url_of(listening), log, process)
    listening.close()
    return child


def wait_ready(children: Sequence[Child]) -> None:
    """Returns when all answer /health. Raises Fatal with the log's last lines when one does not."""
    deadline = time.monotonic() + START_S
    for child in children:
        while not _healthy(child):
            if child.process.poll() is not None or time.monotonic() > deadline:
                tail = child.log.read_text("utf-8", "replace")[-2000:]
                raise Fatal(f"{child.name} did not start; {child.log} ends with:\n{tail}")
            time.sleep(0.05)


def leave_with_parent() -> None:
    """In the child: ends the process when the parent's end of standard input closes."""

    def watch() -> None:
        while sys.stdin.buffer.read(4096):
            pass
        os.kill(os.getpid(), 15)

    threading.Thread(target=watch, daemon=True).start()


def _healthy(child: Child) -> bool:
    try:
        return httpx.get(f"{child.url}/health", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False
