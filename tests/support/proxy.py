"""A TCP proxy for HTTP that breaks exchanges on purpose: what a network, a load balancer or a dying server can do to one.

`FaultProxy(port, seed, faults)` listens on a free port of loopback and passes on to `port`. Each exchange (a request and its
reply) draws one fault or none by the seed; what was drawn is counted. An exchange asked of it one at a time gives the same
faults again for the same seed.
"""

import asyncio
import json
import random
import socket
import struct
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from threading import Thread
from typing import Any

HOST = "127.0.0.1"
LOST_OR_DOUBLED = ("drop_request", "drop_reply", "cut_reply", "request_twice", "request_again_later", "reply_twice")
OTHERS = ("slow", "overtaken", "dribble", "stale_first", "garbage")


def evenly(share: float, others: float = 0.0) -> dict[str, float]:
    """The chance of each fault: `share` of the exchanges are lost or doubled, of `others` something else goes wrong."""
    lost = {name: share / len(LOST_OR_DOUBLED) for name in LOST_OR_DOUBLED}
    return lost | {name: others / len(OTHERS) for name in OTHERS}


class FaultProxy:
    """Runs in a thread of its own from `with` to the end of it.

    drop_request: the connection is reset, the server never hears of it     drop_reply: the server acts, nobody hears of that
    cut_reply: half of the reply, then the end      request_twice: the server acts twice; one of the replies comes
    request_again_later: the same request again, after some others           reply_twice: a second copy behind the reply
    slow: waits a moment          overtaken: waits until other connections had their exchange
    dribble: a few bytes at a time          stale_first: the reply that went before on this connection comes again, first
    garbage: some bytes of the reply are others
    """

    def __init__(
        self, port: int, seed: int, faults: Mapping[str, float], counts: Callable[[bytes], int] = lambda _: 1
    ) -> None:
        self._upstream, self._random, self._counts = port, random.Random(seed), counts
        self.faults = dict(faults)
        self.drawn: Counter[str] = Counter()
        self.calls = 0
        self._later: list[tuple[int, bytes]] = []
        self._previous: dict[asyncio.StreamWriter, bytes] = {}
        self._finished = asyncio.Condition()
        self._handlers: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def __enter__(self) -> "FaultProxy":
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="fault proxy", daemon=True)
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._serve, HOST, 0))
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _close(self) -> None:
        self._server.close()
        for handler in self._handlers:
            handler.cancel()
        await asyncio.gather(*self._handlers, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._handlers.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                while await self._exchange(reader, writer):
                    pass
        except asyncio.CancelledError:
            pass
        finally:
            self._handlers.discard(task)
            self._previous.pop(writer, None)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and what becomes of it; False when the connection is of no more use."""
        request = await _message(reader)
        fault = self._draw()
        self.calls += self._counts(request.partition(b"\r\n\r\n")[2])
        if fault == "drop_request":
            return _reset(writer)
        if fault == "slow":
            await asyncio.sleep(0.02)
        if fault == "overtaken":
            await self._let_others()
        reply = await self._forward(request)
        if fault == "request_twice":
            reply = self._random.choice([reply, await self._forward(request)])
        if fault == "request_again_later":
            self._later.append((self._random.randint(1, 8), request))
        await self._ended()
        return await self._answer(writer, fault, reply)

    async def _answer(self, writer: asyncio.StreamWriter, fault: str, reply: bytes) -> bool:
        if fault == "drop_reply":
            return _reset(writer)
        if fault == "cut_reply":
            writer.write(reply[: self._random.randrange(len(reply))])
            await writer.drain()
            return False
        if fault == "garbage":
            reply = self._garbled(reply)
        if fault == "dribble":
            step = 1 + len(reply) // 20
            for at in range(0, len(reply), step):
                writer.write(reply[at : at + step])
                await writer.drain()
                await asyncio.sleep(0.001)
        else:
            before = self._previous.get(writer, b"") if fault == "stale_first" else b""
            writer.write(before + reply * (2 if fault == "reply_twice" else 1))
            await writer.drain()
        self._previous[writer] = reply
        return True

    def _draw(self) -> str:
        kind = self._random.choices([*self.faults, "none"], [*self.faults.values(), 1 - sum(self.faults.values())])[0]
        self.drawn[kind] += 1
        return kind

    def _garbled(self, reply: bytes) -> bytes:
        """The head stays: damage there is noticed by the client's HTTP at once."""
        head, gap, body = reply.partition(b"\r\n\r\n")
        at = self._random.randrange(max(1, len(body) - 4))
        return head + gap + body[:at] + b'\x00}]"' + body[at + 4 :] if len(body) > 4 else reply

    async def _let_others(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.05), self._finished:
                await self._finished.wait()

    async def _ended(self) -> None:
        """One exchange more is over: time for what was to come later."""
        due = [request for left, request in self._later if left <= 1]
        self._later = [(left - 1, request) for left, request in self._later if left > 1]
        for request in due:
            await self._forward(request)
        async with self._finished:
            self._finished.notify_all()

    async def _forward(self, request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(HOST, self._upstream)
        try:
            writer.write(request)
            await writer.drain()
            return await _message(reader)
        finally:
            writer.close()


def json_rpc_calls(body: bytes) -> int:
    """How many calls a JSON-RPC request holds."""
    asked = json.loads(body)
    return len(asked) if isinstance(asked, list) else 1


async def _message(reader: asyncio.StreamReader) -> bytes:
    """A whole HTTP message as it came; its body has a length or comes in chunks."""
    head = await reader.readuntil(b"\r\n\r\n")
    fields = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:] if b":" in line)
    if b"chunked" in fields.get(b"transfer-encoding", b""):
        body = b""
        while not body.endswith(b"\r\n0\r\n\r\n") and body != b"0\r\n\r\n":
            body += await reader.readuntil(b"\r\n")
        return head + body
    return head + await reader.readexactly(int(fields.get(b"content-length", b"0")))


def _reset(writer: asyncio.StreamWriter) -> bool:
    """Ends a connection as a crash would, without a farewell."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    return False
