"""A member's HTTP interface against those who have no token, and bodies that no honest client sends: never a 5xx."""

import json
import random
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import httpx
import pytest

from api import member as module
from api.member import create_app
from oracle.adapters.car import write_car
from oracle.ports import Evidence
from oracle.protocol.cids import Codec, cid_of, from_digest
from oracle.protocol.plain import to_json
from tests.support.committee import Town
from tests.support.transport import client_of

TOKEN = "a token"
POSTS = ("/assignments", "/answers", "/proposals", "/reviews", "/signatures", "/blocks")


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    town = Town()
    town.ready_job()
    yield town
    town.close()


@pytest.fixture(scope="module")
def client(town: Town) -> httpx.Client:
    return connect(town)


def connect(town: Town) -> httpx.Client:
    node = town.nodes[0]
    return client_of(create_app(node.member, node.content, TOKEN), Authorization=f"Bearer {TOKEN}")


# ----------------------------------------------------------------------------------------------------------------- token


def test_health__without_a_token__is_ok(client: httpx.Client) -> None:
    response = client.get("/health", headers={"Authorization": ""})
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize(
    "given", [None, b"", b"Bearer", b"Bearer ", b"Bearer a toke", b"Bearer a tokenn", b"bearer a token", b"a token",
              b"Basic a token", b"Bearer \xe9\xff", b"Bearer a token\xc3\xa9"]
)  # fmt: skip
@pytest.mark.parametrize("path", [*POSTS, "/nothing"])
def test_post__without_the_token__is_401_and_a_problem(client: httpx.Client, path: str, given: bytes | None) -> None:
    headers = {} if given is None else {b"authorization": given}
    request = client.build_request("POST", path, content=b"{}", headers=headers)
    if given is None:
        del request.headers["authorization"]
    response = client.send(request)
    assert response.status_code == 401
    assert response.headers["content-type"] == "application/problem+json"
    assert TOKEN not in response.text


def test_post__without_the_token__reads_no_body(town: Town) -> None:
    read: list[int] = []

    def body() -> Iterator[bytes]:
        for _ in range(1_000):
            read.append(1)
            yield b"x" * 1_000

    import asyncio

    app = create_app(town.nodes[0].member, town.nodes[0].content, TOKEN)
    parts = body()
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": next(parts), "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/answers", "raw_path": b"/answers", "query_string": b"",
        "headers": [(b"content-type", b"application/json")], "http_version": "1.1", "scheme": "http",
        "server": ("member", 80), "client": None, "root_path": "", "asgi": {"version": "3.0"},
    }  # fmt: skip
    asyncio.run(app(scope, receive, send))
    assert sent[0]["status"] == 401
    assert read == []


def test_docs__are_not_served(client: httpx.Client) -> None:
    assert client.get("/docs").status_code == 404
    assert client.get("/openapi.json").status_code == 404


# ---------------------------------------------------------------------------------------------------------------- limits


@pytest.mark.parametrize("path", POSTS)
def test_post__body_over_the_limit__is_413(town: Town, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setattr(module, "MAX_JSON", 1_000)
    monkeypatch.setattr(module, "MAX_BLOCKS", 2_000)
    client = connect(town)
    most = 2_000 if path == "/blocks" else 1_000
    assert client.post(path, content=b" " * (most + 1)).status_code == 413
    assert client.post(path, content=(b" " * 100 for _ in range(most // 100 + 1))).status_code == 413
    assert client.post(path, content=b" " * most).status_code in (400, 422)


@pytest.mark.parametrize("length", ["-1", "x", "1e9", "9" * 5_000])
def test_post__senseless_length__is_413(client: httpx.Client, length: str) -> None:
    response = client.post("/answers", content=b"{}", headers={"Content-Length": length})
    assert response.status_code == 413


# --------------------------------------------------------------------------------------------------------------- hostile

BODIES: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"{",
    "deep lists": b"[" * 200_000,
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "deep inside a field": b'{"answers": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "a huge number": b'{"pairs": [[' + b"9" * 100_000 + b", 0, 1]]}",
    "numbers beyond 64 bits": b'{"pairs": [[18446744073709551616, 0, 1]]}',
    "the largest numbers": b'{"pairs": [[18446744073709551615, 18446744073709551615, 18446744073709551615]]}',
    "numbers beyond a database": b'{"pairs": [[1, 0, 9223372036854775808]]}',
    "NaN": b'{"pairs": [[NaN, Infinity, -Infinity]]}',
    "negative": b'{"pairs": [[-1, 0, 1]]}',
    "floats": b'{"pairs": [[1.0, 0, 1]]}',
    "booleans": b'{"pairs": [[true, false, true]]}',
    "texts": b'{"pairs": "abc"}',
    "a list": b"[1, 2, 3]",
    "null": b"null",
    "a text": b'"text"',
    "not UTF-8": b'{"pairs": "\xff\xfe"}',
    "lone surrogates": b'{"pairs": "\\ud800"}',
    "twice the same field": b'{"pairs": [], "pairs": [[1, 0, 1]]}',
    "an unknown field": b'{"pairs": [], "more": 1}',
    "nulls": b'{"answers": [null], "openings": [null]}',
    "zero bytes": b"\0" * 1_000,
}


@pytest.mark.parametrize("what", BODIES)
@pytest.mark.parametrize("path", POSTS)
def test_post__hostile_body__is_4xx_and_a_problem(client: httpx.Client, path: str, what: str) -> None:
    response = client.post(path, content=BODIES[what])
    assert 400 <= response.status_code < 500, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert set(response.json()) == {"type", "title", "status", "detail"}
    assert len(response.content) < 5_000


VALUES: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    1 << 63,
    1 << 64,
    1 << 300,
    "",
    "zz",
    "00",
    "0x",
    "ab" * 20,
    "ab" * 32,
    [],
    [[]],
    {},
]


def mutants(document: Any, luck: random.Random, count: int) -> Iterator[Any]:
    """The document with one place changed, at any depth."""
    for _ in range(count):
        copy = json.loads(json.dumps(document))
        holder: Any = copy
        while True:
            key = luck.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
            if not isinstance(holder[key], dict | list) or not holder[key] or luck.random() < 0.1:
                break
            holder = holder[key]
        if luck.random() < 0.2:
            del holder[key]
        else:
            holder[key] = luck.choice(VALUES)
        yield copy


def test_post__honest_bodies_with_one_place_changed__are_never_5xx(town: Town, client: httpx.Client) -> None:
    luck = random.Random(3)
    job = town.open_job(tasks=3)
    offers = town.offers(job, [(0, 1), (1, 1)])
    answers = [town.answer(offer) for offer in offers]
    proposal = town.all[0].propose(Evidence())
    assert proposal
    openings = ((job, 0, 1, b"\x01", bytes(32)),)
    honest: dict[str, Any] = {
        "/assignments": {"pairs": [[job, 0, 1], [job, 1, 2]]},
        "/answers": {"answers": to_json(answers)},
        "/proposals": to_json(Evidence(tuple(answers), openings)),
        "/reviews": to_json(proposal.header),
        "/signatures": to_json(proposal.header),
    }
    seen = set()
    for path, document in honest.items():
        for body in mutants(document, luck, 120):
            response = client.post(path, json=body)
            seen.add(response.status_code)
            assert response.status_code < 500, (path, body, response.text)
    assert {200, 400, 409} <= seen


# ---------------------------------------------------------------------------------------------------------------- blocks


def car(*blocks: bytes) -> bytes:
    from oracle.adapters.content import MemoryStore

    store, out = MemoryStore(), BytesIO()
    write_car(store, [store.put(block, Codec.RAW) for block in blocks], out)
    return out.getvalue()


def test_blocks__stored_and_asked_for__are_the_same(town: Town, client: httpx.Client) -> None:
    sent = car(b"a block")
    assert client.post("/blocks", content=sent).json() == {"roots": [cid_of(b"a block", Codec.RAW)]}
    found = client.get(f"/blocks/{cid_of(b'a block', Codec.RAW)}")
    assert (found.content, found.headers["content-type"]) == (sent, "application/vnd.ipld.car")


def test_blocks__every_byte_of_a_car_flipped__is_refused_and_never_5xx(client: httpx.Client) -> None:
    sent = car(b"another block")
    for position in range(len(sent)):
        broken = sent[:position] + bytes([sent[position] ^ 1]) + sent[position + 1 :]
        assert 400 <= client.post("/blocks", content=broken).status_code < 500, position


@pytest.mark.parametrize("root", ["x", "..", "%2e%2e%2fetc", "bafy", "a" * 5_000, "Qm" + "a" * 44])
def test_blocks__what_is_no_cid__is_4xx(client: httpx.Client, root: str) -> None:
    assert 400 <= client.get(f"/blocks/{root}").status_code < 500


def test_blocks__not_held__says_that_it_may_come(client: httpx.Client) -> None:
    response = client.get(f"/blocks/{from_digest(Codec.RAW, bytes(32))}")
    assert (response.status_code, response.json()["title"]) == (503, "ContentMissing")
