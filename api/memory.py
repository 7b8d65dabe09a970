"""Answers that hold until the chain's state changes: verdicts, balances and evidence, kept as they were sent.

Whoever asks again within one state gets the same bytes without their being made anew. The state is looked at as often as for any
other request, once for all who wait for it; what was kept under another state is forgotten at once.
"""

import asyncio
import re
from collections import OrderedDict
from types import SimpleNamespace

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.reader import Reader
from oracle.protocol.errors import CrowdproofError
from oracle.protocol.state import State

PROVEN = re.compile(
    r"/jobs/\d{1,10}/verdicts(/\d{1,10}(/evidence)?)?|/workers/\d{1,10}/balance|/epochs/\d{1,10}(/[a-z]+)?"
)
PRIVATE = "private"
MOST_BYTES = 64 << 20
MOST_OF_ONE = 1 << 18
COUNTED = SimpleNamespace(path="remembered")  # as the metrics name these requests


class Remembered:
    """Sits behind what adds headers and counts; a session changes nothing about what it keeps: answers of requests whose state

    says PRIVATE are not kept.
    """

    def __init__(self, app: ASGIApp, reader: Reader) -> None:
        self._app, self._reader = app, reader
        self._state: State | None = None
        self._look: asyncio.Task[State | None] | None = None
        self._kept: OrderedDict[str, tuple[Message, bytes]] = OrderedDict()
        self._bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or not PROVEN.fullmatch(scope["path"]):
            await self._app(scope, receive, send)
            return
        name = f"{scope['path']}?{scope['query_string'].decode('latin-1')}"
        state = self._reader.fresh() or await self._looked()
        if state is not None and state is self._state and (found := self._kept.get(name)):
            self._kept.move_to_end(name)
            scope["route"] = COUNTED
            begun, body = found
            await send({**begun, "headers": list(begun["headers"])})
            await send({"type": "http.response.body", "body": body})
            return
        await self._app(scope, receive, self._keeping(name, scope, state, send))

    async def _looked(self) -> State | None:
        """The state of now; None where it cannot be had, which the request itself then says."""
        if self._look is None or self._look.done():
            self._look = asyncio.create_task(run_in_threadpool(self._read))
        return await asyncio.shield(self._look)

    def _read(self) -> State | None:
        try:
            return self._reader.state()
        except CrowdproofError:
            return None

    def _keeping(self, name: str, scope: Scope, before: State | None, send: Send) -> Send:
        """Keeps what is sent, if it was made under one state."""
        begun: list[Message] = []

        async def noted(message: Message) -> None:
            if scope.get("state", {}).get(PRIVATE):
                pass
            elif message["type"] == "http.response.start" and message["status"] == 200:
                begun.append({**message, "headers": list(message["headers"])})
            elif begun and not message.get("more_body", False) and before is not None:
                self._keep(name, before, begun[0], message.get("body", b""))
            elif begun and message.get("more_body", False):
                begun.clear()
            await send(message)

        return noted

    def _keep(self, name: str, before: State, begun: Message, body: bytes) -> None:
        if self._reader.known is not before or len(body) > MOST_OF_ONE:
            return
        if before is not self._state:
            self._kept.clear()
            self._state, self._bytes = before, 0
        if name not in self._kept:
            self._kept[name] = (begun, body)
            self._bytes += len(body)
        while self._bytes > MOST_BYTES:
            self._bytes -= len(self._kept.popitem(last=False)[1][1])
