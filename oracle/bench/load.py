"""An open-loop load from a process of its own: requests leave at their times, however late the answers to others are.

Latency is counted from the time at which a request was due, so a server that stalls is charged for all that had to wait. Plain
asyncio streams, because the generator shares the machine with what it measures. Also holds many listeners of an event stream.
"""

import asyncio
import multiprocessing
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

CONNECTIONS = 128
PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Result:
    """Seconds, status and body by request; the status is 0 where nothing came."""

    seconds: list[float]
    statuses: list[int]
    bodies: list[bytes]
    late: float  # seconds by which the generator itself was late, at most: above a few hundredths it was too slow


def offered(host: str, port: int, requests: Sequence[bytes], rate: float, keep: bool = False) -> Result:
    """Each request once, `rate` a second. `keep`: bodies are wanted."""
    found: Result = _apart(_offer, host, port, list(requests), rate, keep)
    return found


def listened(
    host: str, port: int, path: str, listeners: int, seconds: float, begun: Callable[[], object]
) -> dict[str, Any]:
    """Holds listeners of an event stream; `begun` is called once all are connected, and what it causes is awaited by each."""
    found: dict[str, Any] = _apart(_listen, host, port, path, listeners, seconds, halfway=begun)
    return found


def request(method: str, path: str, host: str, body: bytes = b"", token: str = "") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Accept: application/json"]
    lines += [f"Authorization: Bearer {token}"] if token else []
    lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"] if body else []
    return "\r\n".join([*lines, "", ""]).encode() + body


def _apart(
    work: Callable[..., Coroutine[Any, Any, Any]], *arguments: Any, halfway: Callable[[], object] | None = None
) -> Any:
    """`work` in a fresh process."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_enter, args=(theirs, work, arguments), daemon=True)
    process.start()
    theirs.close()
    try:
        if halfway:
            ours.recv()
            halfway()
        found = ours.recv()
    finally:
        ours.close()
        process.join(10)
        if process.is_alive():
            process.terminate()
    if isinstance(found, BaseException):
        raise found
    return found


def _enter(pipe: Connection, work: Callable[..., Coroutine[Any, Any, Any]], arguments: tuple[Any, ...]) -> None:
    try:
        pipe.send(asyncio.run(work(pipe, *arguments)))
    except BaseException as problem:  # told to whoever waits
        pipe.send(RuntimeError(f"{type(problem).__name__}: {problem}"))


# ------------------------------------------------------------------------------------------------------------ requests


async def _offer(_: Connection, host: str, port: int, requests: list[bytes], rate: float, keep: bool) -> Result:
    free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _number in range(CONNECTIONS):
        free.put_nowait(await asyncio.open_connection(host, port))
    seconds, statuses, bodies = [0.0] * len(requests), [0] * len(requests), [b""] * len(requests)
    began, late = time.perf_counter() + 0.2, 0.0

    async def one(number: int, due: float) -> None:
        reader, writer = await free.get()
        if reader.at_eof():  # the server has closed what was idle for long
            writer.close()
            reader, writer = await asyncio.open_connection(host, port)
        try:
            writer.write(requests[number])
            status, body = await asyncio.wait_for(_answer(reader), PATIENCE_S)
            statuses[number] = status
            if keep:
                bodies[number] = body
            free.put_nowait((reader, writer))
        except (OSError, ValueError, TimeoutError, asyncio.IncompleteReadError):
            writer.close()
            free.put_nowait(await asyncio.open_connection(host, port))
        seconds[number] = time.perf_counter() - due

    async with asyncio.TaskGroup() as group:
        for number in range(len(requests)):
            due = began + number / rate
            pause = due - time.perf_counter()
            if pause > 0:
                await asyncio.sleep(pause)
            late = max(late, time.perf_counter() - due)
            group.create_task(one(number, due))
    return Result(seconds, statuses, bodies, late)


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return int(head.split(b" ", 2)[1]), await reader.readexactly(length)


# ----------------------------------------------------------------------------------------------------------- listeners


async def _listen(pipe: Connection, host: str, port: int, path: str, listeners: int, seconds: float) -> dict[str, Any]:
    asked = request("GET", path, host)
    opened = [await _opened(host, port, asked) for _ in range(listeners)]
    pipe.send("connected")
    end = time.perf_counter() + seconds
    found = await asyncio.gather(*(_hear(reader, end) for reader, _ in opened))
    for _, writer in opened:
        writer.close()
    heard = sorted(first for first, _ in found if first)
    return {
        "listeners": listeners,
        "held": sum(alive for _, alive in found),
        "heard": len(heard),
        "spread_ms": round((heard[-1] - heard[0]) * 1_000, 1) if heard else None,
    }


async def _opened(host: str, port: int, asked: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(asked)
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
    if b" 200 " not in head.split(b"\r\n")[0]:
        raise ValueError(f"the stream answers {head[:60]!r}")
    return reader, writer


async def _hear(reader: asyncio.StreamReader, end: float) -> tuple[float, bool]:
    """(when the first event came, whether the stream was open until the end)."""
    first = 0.0
    while (left := end - time.perf_counter()) > 0:
        try:
            data = await asyncio.wait_for(reader.read(1 << 16), left)
        except TimeoutError:
            return first, True
        if not data:
            return first, False
        if b"\nevent: " in data and not first:
            first = time.perf_counter()
    return first, True
