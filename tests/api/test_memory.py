"""What is kept between requests: the same bytes within one state, nothing of another, and one look at the chain for all."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from api.memory import Remembered
from oracle.protocol.errors import ChainUnavailable
from oracle.protocol.state import State

VERDICT = "/jobs/1/verdicts/2"


class Sight:
    """A reader whose looks at the chain take a while, and are counted."""

    def __init__(self) -> None:
        self.known, self.looks, self.is_fresh, self.down = State(b""), 0, False, False

    def fresh(self) -> State | None:
        return self.known if self.is_fresh else None

    def state(self) -> State:
        self.looks += 1
        time.sleep(0.05)
        if self.down:
            raise ChainUnavailable("no chain")
        return self.known


class Maker:
    """The application behind: counts what it makes, and says under which state."""

    def __init__(self, sight: Sight) -> None:
        self.sight, self.made, self.status = sight, 0, 200
        self.meanwhile: Callable[[], None] = lambda: None

    async def __call__(self, _: Scope, __: Receive, send: Send) -> None:
        self.made += 1
        body = f"{id(self.sight.known)}".encode()
        self.meanwhile()
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": body})


@pytest.fixture
def sight() -> Sight:
    return Sight()


@pytest.fixture
def maker(sight: Sight) -> Maker:
    return Maker(sight)


@pytest.fixture
def app(sight: Sight, maker: Maker) -> Remembered:
    reader: Any = sight
    return Remembered(maker, reader)


def run(app: Remembered, *paths: str) -> list[bytes]:
    """Asked at the same time."""

    async def one(path: str) -> bytes:
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "GET", "path": path, "query_string": b""}
        await app(scope, _nothing, send)
        return b"".join(message.get("body", b"") for message in sent)

    async def all_of_them() -> list[bytes]:
        return await asyncio.gather(*map(one, paths))

    return asyncio.run(all_of_them())


async def _nothing() -> Message:
    return {"type": "http.request"}


def test_get__again_within_one_state__is_not_made_again(app: Remembered, maker: Maker) -> None:
    assert run(app, VERDICT) == run(app, VERDICT)
    assert maker.made == 1


def test_get__when_the_last_look_is_old__looks_once_for_all_who_wait(app: Remembered, sight: Sight) -> None:
    run(app, *[f"/jobs/1/verdicts/{task}" for task in range(50)])
    assert sight.looks == 1


def test_get__when_the_last_look_is_good__asks_nobody(app: Remembered, sight: Sight) -> None:
    sight.is_fresh = True
    run(app, VERDICT, VERDICT)
    assert sight.looks == 0


def test_get__under_another_state__is_made_again(app: Remembered, sight: Sight, maker: Maker) -> None:
    run(app, VERDICT)
    sight.known = State(b"")
    assert run(app, VERDICT) == [f"{id(sight.known)}".encode()]
    assert maker.made == 2


def test_get__made_while_the_state_changed__is_not_kept(app: Remembered, sight: Sight, maker: Maker) -> None:
    def change() -> None:
        sight.known = State(b"")

    maker.meanwhile = change
    run(app, VERDICT)
    maker.meanwhile = lambda: None
    assert run(app, VERDICT) == [f"{id(sight.known)}".encode()]


@pytest.mark.parametrize("status", [404, 503])
def test_get__a_refusal__is_not_kept(app: Remembered, maker: Maker, status: int) -> None:
    maker.status = status
    run(app, VERDICT)
    run(app, VERDICT)
    assert maker.made == 2


def test_get__without_a_chain__is_for_the_route_to_refuse(app: Remembered, sight: Sight, maker: Maker) -> None:
    run(app, VERDICT)
    sight.down = True
    run(app, VERDICT)
    assert maker.made == 2


def test_get__of_what_changes_without_the_chain__is_never_kept(app: Remembered, sight: Sight, maker: Maker) -> None:
    run(app, "/work", "/work")
    assert (maker.made, sight.looks) == (2, 0)


def test_get__whose_asker_has_gone__leaves_the_look_to_the_others(app: Remembered, sight: Sight) -> None:
    async def two() -> None:
        scope = {"type": "http", "method": "GET", "path": VERDICT, "query_string": b""}

        async def send(_: Message) -> None:
            pass

        gone = asyncio.create_task(app(scope, _nothing, send))
        stays = asyncio.create_task(app(scope, _nothing, send))
        await asyncio.sleep(0.01)
        gone.cancel()
        await stays

    asyncio.run(two())
    assert sight.looks == 1
