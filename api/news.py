"""New events of the chain, looked for once for all who wait for them: listeners of the stream, and webhooks.

A thread reads on while anybody waits; what it finds is kept for a while, so that a thousand listeners cost one reading.
"""

import asyncio
import time
from bisect import bisect_right

from oracle.bootstrap import Oracle
from oracle.protocol.errors import CrowdproofError
from oracle.protocol.events import Log
from oracle.telemetry import problem

LOOK_S = 0.5
KEPT = 5_000  # events
Place = tuple[int, int]  # block, index


class News:
    """Belongs to one event loop; `end` is the place of the newest event that was seen."""

    def __init__(self, oracle: Oracle) -> None:
        self._oracle = oracle
        self._kept: list[Log] = []
        self._places: list[Place] = []
        self._since: Place | None = None  # what is kept is complete after this place
        self.end: Place = (-1, -1)
        self._change: asyncio.Event | None = None
        self._task: asyncio.Task[None] | None = None

    async def after(self, place: Place, most: int) -> list[Log]:
        """Events behind `place`, ascending: from what is kept, else from the database."""
        self._begin()
        if self._since is None:
            await asyncio.to_thread(self._look)
        if self._since is not None and place >= self._since:
            first = bisect_right(self._places, place)
            return self._kept[first : first + most]
        found = await asyncio.to_thread(self._oracle.database.logs, place)
        return found[:most]

    async def wait(self, place: Place) -> None:
        """Until there is something behind `place`."""
        self._begin()
        while self.end <= place:
            change = self._change = self._change or asyncio.Event()
            await change.wait()

    def _begin(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._follow())

    async def _follow(self) -> None:
        while True:
            began = time.monotonic()
            if await asyncio.to_thread(self._look) and self._change:
                self._change.set()
                self._change = None
            await asyncio.sleep(max(0.0, LOOK_S - (time.monotonic() - began)))

    def _look(self) -> bool:
        """Reads on; whether there is news. After a reorganisation what is kept begins anew."""
        try:
            self._oracle.index.advance()
            if self._since is None:
                self._since = self._oracle.database.newest_log() or (-1, -1)
                self.end = self._since
                return False
            new = self._oracle.database.logs(self.end)
        except CrowdproofError as trouble:
            problem("feed", trouble)
            return False
        if not new:
            return False
        self._kept = (self._kept + new)[-KEPT:]
        self._places = [(log.block, log.index) for log in self._kept]
        if len(self._kept) == KEPT:
            self._since = self._places[0]
        self.end = self._places[-1]
        return True
