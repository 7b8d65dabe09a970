"""Child processes that serve HTTP on loopback: forked from one warm process, each with a socket that is already bound.

A port is bound before anything starts, so no other program can take it in between. What the children need is loaded once, in a
process of its own and while other work goes on, and shared by all (the standard library's fork server). A child leaves when its
parent, however that ends, is gone.
"""

import importlib
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import httpx

from oracle.protocol.errors import BadInput, Fatal

START_S = 120.0
STOP_S = 10.0
_CONTEXT = multiprocessing.get_context("forkserver")


def bind(port: int = 0) -> socket.socket:
    """A listening socket on loopback; port 0 takes a free one. Raises BadInput naming a port that is taken."""
    # named as TCP, or asyncio leaves Nagle's algorithm on for the connections: then each reply waits 40 ms for an acknowledgement
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
    except (OSError, OverflowError) as problem:
        listening.close()
        why = getattr(problem, "strerror", None) or "a port is a number from 0 to 65535"
        raise BadInput(f"port {port} cannot be used ({why}): choose another with --port, or 0 for a free one") from None
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
    process: ForkServerProcess


def warm(modules: Sequence[str]) -> None:
    """Begins to load `modules` for the children to come, in another process; returns at once."""
    _CONTEXT.set_forkserver_preload(list(modules))
    forkserver.ensure_running()


def spawn(name: str, target: str, arguments: tuple[Any, ...], listening: socket.socket, log: Path) -> Child:
    """Runs `target` ("module:function") with the arguments and the socket, in a process of its own."""
    log.parent.mkdir(parents=True, exist_ok=True)
    process = _CONTEXT.Process(target=_enter, args=(target, arguments, listening, log), name=name, daemon=True)
    process.start()
    child = Child(name, url_of(listening), log, process)
    listening.close()
    return child


def wait_ready(children: Sequence[Child]) -> None:
    """Returns when all answer /health. Raises Fatal with the log's last lines when one does not."""
    deadline = time.monotonic() + START_S
    with httpx.Client(timeout=5, trust_env=False) as client:
        for child in children:
            while not _healthy(client, child):
                if not child.process.is_alive() or time.monotonic() > deadline:
                    raise Fatal(f"{child.name} did not start; {child.log} ends with:\n{_last_words(child.log)}")
                time.sleep(0.02)


def stop(children: Sequence[Child]) -> None:
    """Asks all to leave, then makes those that do not."""
    for child in children:
        child.process.terminate()
    end = time.monotonic() + STOP_S
    for child in children:
        child.process.join(max(0.1, end - time.monotonic()))
        if child.process.is_alive():
            child.process.kill()
            child.process.join()


def _enter(target: str, arguments: tuple[Any, ...], listening: socket.socket, log: Path) -> None:
    """In the child."""
    with log.open("ab") as out:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
    os.setsid()  # Ctrl-C in the terminal is for the parent, which then ends us in order
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    module, function = target.split(":")
    getattr(importlib.import_module(module), function)(*arguments, listening)


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _healthy(client: httpx.Client, child: Child) -> bool:
    with suppress(httpx.HTTPError):
        return client.get(f"{child.url}/health").status_code == 200
    return False


def _last_words(log: Path) -> str:
    try:
        return log.read_text("utf-8", "replace")[-2000:]
    except OSError:
        return "(nothing: it never ran)"
