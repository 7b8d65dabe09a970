"""Child processes that serve HTTP on loopback: forked from one warm process, each with a socket that is already bound.

A port is bound before anything starts, so no other program can take it in between. What the children need is loaded once, in a
process of its own and while other work goes on, and shared by all (the standard library's fork server). A child that dies is
started again on the port that it had: who connects meanwhile waits. A child leaves when its parent, however that ends, is gone.
"""

import importlib
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import forkserver
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import httpx

from oracle.protocol.errors import BadInput, Fatal

START_S = 120.0
STOP_S = 10.0
TEND_S = 0.2  # between two looks at who is dead
ASK_S = 4.0  # between two looks at what they wait for
START_LOOK_S = 0.5  # for a first answer: who connects to a dead child's port waits
QUIET_S = 5.0  # in which a child that is well answers
STEADY_S = 10.0  # a child that lived so long is started again at once
LONGEST_PAUSE_S = 30.0
FORKS = 10  # tries to start a process
MOST_DEATHS = 5  # at the start, before its trouble is taken for its own
MODELS = ["oracle.verification.record", "oracle.matching.solve", "oracle.matching.warm"]
LATE = [  # what libraries load at their first use, which is in every child
    "Crypto.Hash.keccak",
    "cryptography.hazmat.backends.openssl.backend",
    "httpcore",
    "pydantic.v1",
    "uvicorn.loops.uvloop",
    "uvicorn.protocols.http.httptools_impl",
]
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


@dataclass(slots=True)
class Child:
    """A process of ours and what it takes to run it again; `log` holds what it printed."""

    name: str
    target: str  # "module:function", called with the arguments and the socket
    arguments: tuple[Any, ...]
    listening: socket.socket
    url: str
    log: Path
    process: ForkServerProcess
    deaths: int = 0
    began: float = field(default_factory=time.monotonic)
    seen: float = 0.0  # alive

    @property
    def pid(self) -> int:
        return self.process.pid or 0


def warm(modules: Sequence[str], judging: bool = True) -> None:
    """Begins to load `modules` for the children to come, and the models of those that judge; elsewhere, and returns at once."""
    forks = sys.platform == "linux"  # elsewhere a process that has loaded numba is not to be forked
    models = MODELS if judging and forks else []
    _CONTEXT.set_forkserver_preload([*modules, *LATE, *models, "oracle.adapters.frozen"])
    forkserver.ensure_running()


class Crew:
    """Children that are looked after: the dead are started again, later and later if they die at once; who waits is named."""

    def __init__(self, say: Callable[[str], None] = lambda _: None) -> None:
        self._say = say
        self._children: list[Child] = []
        self._turn = threading.RLock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._said: dict[str, str] = {}
        self._asked: dict[str, str] = {}

    def add(self, name: str, target: str, arguments: tuple[Any, ...], listening: socket.socket, log: Path) -> Child:
        """Runs `target` in a process of its own."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with self._turn:
            process = _run(name, target, arguments, listening, log)
            child = Child(name, target, arguments, listening, url_of(listening), log, process)
            self._children.append(child)
        return child

    def wait_ready(self) -> None:
        """Returns when all answer /health. Raises Fatal with the log's last lines for one that does not."""
        deadline = time.monotonic() + START_S
        with _client(START_LOOK_S) as client:
            for child in list(self._children):
                while not _healthy(client, child):
                    self.tend()
                    if child.deaths > MOST_DEATHS or time.monotonic() > deadline:
                        raise Fatal(f"{child.name} did not start; {child.log} ends with:\n{_last_words(child.log)}")
                    time.sleep(0.02)

    def watch(self) -> None:
        """Tends and asks in a thread of its own, until `stop`."""
        self._thread = threading.Thread(target=self._watch, name="crew", daemon=True)
        self._thread.start()

    def tend(self) -> None:
        """Starts the dead again."""
        with self._turn:
            for child in self._children:
                if child.process.is_alive():
                    child.seen = time.monotonic()
                elif not self._ended.is_set():
                    self._revive(child)

    def pids(self) -> dict[str, int]:
        return {child.name: child.pid for child in self._children}

    def waits(self) -> dict[str, str]:
        """What each waits for that does not get on with its work: name -> words."""
        with _client() as client:
            found = {child.name: _wait_of(client, child) for child in list(self._children) if not self._ended.is_set()}
        return {name: words for name, words in found.items() if words}

    def stop(self) -> None:
        """Asks all to leave, then makes those that do not."""
        self._ended.set()
        with self._turn:
            for child in self._children:
                child.process.terminate()
            end = time.monotonic() + STOP_S
            for child in self._children:
                child.process.join(max(0.1, end - time.monotonic()))
                if child.process.is_alive():
                    child.process.kill()
                    child.process.join()
                child.listening.close()
        if self._thread:
            self._thread.join()

    def _watch(self) -> None:
        asked = time.monotonic()
        while not self._ended.wait(TEND_S):
            try:
                self.tend()
                if time.monotonic() - asked > ASK_S:
                    self._tell(self.waits())
                    asked = time.monotonic()
            except OSError as problem:  # no process or no file can be had just now
                self._say(f"this machine is short of something: {problem}")

    def _tell(self, waits: dict[str, str]) -> None:
        """Says what changed; who is only busy may wait at one look."""
        lasting = {name: words for name, words in waits.items() if name in self._asked}
        self._asked = waits
        if self._ended.is_set():
            return
        for name in sorted(lasting.keys() | self._said.keys()):
            if lasting.get(name) != self._said.get(name):
                self._say(f"{name} waits: {lasting[name]}" if name in lasting else f"{name} goes on")
        self._said = lasting

    def _revive(self, child: Child) -> None:
        now = time.monotonic()
        steady = child.seen - child.began > STEADY_S
        pause = 0.0 if steady or not child.deaths else min(TEND_S * 2**child.deaths, LONGEST_PAUSE_S)
        if now - child.began < pause:
            return
        child.deaths = 1 if steady else child.deaths + 1
        ended = child.process.exitcode
        child.process = _run(child.name, child.target, child.arguments, child.listening, child.log)
        child.began = now
        self._say(f"{child.name} ended ({ended}) and is started again as process {child.pid}")


def _run(name: str, target: str, arguments: tuple[Any, ...], listening: socket.socket, log: Path) -> ForkServerProcess:
    """The fork server may be killed as everything else: the next try starts another. Raises OSError when none can be had."""
    for left in reversed(range(FORKS)):
        process = _CONTEXT.Process(target=_enter, args=(target, arguments, listening, log), name=name, daemon=True)
        try:
            process.start()
            break
        except (EOFError, OSError) as problem:
            if not left:
                raise OSError(f"{name} cannot be started: {problem or type(problem).__name__}") from problem
            time.sleep(TEND_S)
    return process


def _client(seconds: float = QUIET_S) -> httpx.Client:
    return httpx.Client(timeout=seconds, trust_env=False)


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


def _wait_of(client: httpx.Client, child: Child) -> str:
    try:
        response = client.get(f"{child.url}/ready")
        return "; ".join(map(str, response.json()["waits"])) if response.status_code == 503 else ""
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return "no answer"


def _last_words(log: Path) -> str:
    try:
        return log.read_text("utf-8", "replace")[-2000:]
    except OSError:
        return "(nothing: it never ran)"
