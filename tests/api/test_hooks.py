"""Webhooks: each event once and in order, signed, again until it is taken; and never to an address that is not public."""

import json
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from api import hooks
from api.hooks import Sender, address_of, check_url, fresh, is_public, signature
from oracle.adapters.database import SqlDatabase, memory_database
from oracle.ports import Block
from oracle.protocol.errors import BadInput
from oracle.protocol.events import EpochFinalised, JobClosed, Log

pytestmark = pytest.mark.sockets  # names are resolved; nothing is connected to
NOT_PUBLIC = """127.0.0.1 127.9.9.9 0.0.0.0 10.1.2.3 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 224.0.0.1 255.255.255.255
::1 :: fe80::1 fe80::1%eth0 fc00::1 fd00::1 ff02::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 64:ff9b::7f00:1 64:ff9b::a00:1
2002:7f00:1:: 2002:a00:1:: 2001:0:7f00:1::1 2001:db8::1 192.0.2.1 198.18.0.1"""
REFUSED = """http://example.org/x ftp://example.org file:///etc/passwd gopher://x https:// https://user:p@example.org/ x
javascript:alert(1) https://127.0.0.1/ https://127.1/ https://2130706433/ https://0x7f000001/ https://0177.0.0.1/
https://[::1]/ https://[::ffff:127.0.0.1]/ https://10.0.0.1/ https://169.254.169.254/latest/meta-data https://localhost/
https://0/"""


def world() -> tuple[SqlDatabase, Any]:
    """Three events: two of job 1, one of nobody."""
    database = memory_database()
    events = (JobClosed(1, 5), EpochFinalised(1, b"\1" * 32, 7), JobClosed(2, 6))
    database.extend(
        [Block(1, b"\1" * 32, b"\0" * 32, 9)], [Log(1, n, b"\2" * 32, 9, event) for n, event in enumerate(events)]
    )
    return database, SimpleNamespace(database=database, index=SimpleNamespace(advance=lambda: None))


class Listener:
    """Answers as told, in turn, and 200 after that."""

    def __init__(self, *answers: int) -> None:
        self.answers, self.heard = list(answers), []  # type: ignore[var-annotated]

    def __call__(self, request: httpx.Request) -> httpx.Response:
        status = self.answers.pop(0) if self.answers else 200
        if status == 0:
            raise httpx.ConnectError("nobody")
        self.heard.append((request, status))
        return httpx.Response(status, headers={"Location": "http://10.0.0.1/"} if status == 302 else {})


def test_round__events_of_a_job__in_order_signed_and_once() -> None:
    database, oracle = world()
    hook = fresh("aa", "http://127.0.0.1:9/x", ["JobClosed"], None, "-1.-1")
    database.put(hook)
    listener = Listener()
    sender = Sender(oracle, private=True, transport=httpx.MockTransport(listener))
    assert sender.round() == 2
    assert sender.round() == 0
    sent = [json.loads(request.content) for request, _ in listener.heard]
    assert [one["data"]["fields"]["job"] for one in sent] == [1, 2]
    for request, _ in listener.heard:
        named = request.headers
        expected = signature(
            hook.value["secret"], named["webhook-id"], int(named["webhook-timestamp"]), request.content
        )
        assert named["webhook-signature"] == expected
        assert named["host"] == "127.0.0.1:9"
    assert len({request.headers["webhook-id"] for request, _ in listener.heard}) == 2


@pytest.mark.parametrize("answer", [0, 500, 404, 302])
def test_round__not_taken__comes_again_with_the_same_id_and_nothing_is_passed_over(answer: int) -> None:
    database, oracle = world()
    hook = fresh("aa", "http://127.0.0.1:9/x", [], 1, "-1.-1")
    database.put(hook)
    listener = Listener(answer)
    sender = Sender(oracle, private=True, transport=httpx.MockTransport(listener))
    assert sender.round() == 0
    kept = database.kept(hooks.KIND, hook.name)
    assert kept
    assert (kept.value["failures"], kept.value["cursor"]) == (1, "-1.-1")
    assert sender.round() == 0  # not before its pause is over
    database.put(hooks.replace(kept, value={**kept.value, "next": 0.0}))
    assert sender.round() == 1
    ids = [request.headers["webhook-id"] for request, _ in listener.heard]
    assert len(set(ids)) == 1
    assert all(request.url.host == "127.0.0.1" for request, _ in listener.heard)  # nothing is followed


def test_round__gone_or_failed_too_often__rests_for_good() -> None:
    database, oracle = world()
    hook = fresh("aa", "http://127.0.0.1:9/x", [], None, "-1.-1")
    database.put(hook)
    Sender(oracle, private=True, transport=httpx.MockTransport(Listener(410))).round()
    kept = database.kept(hooks.KIND, hook.name)
    assert kept
    assert kept.value["next"] > 1e10


@pytest.mark.parametrize("address", NOT_PUBLIC.split())
def test_is_public__no_public_address__no(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1"])
def test_is_public__a_public_address__yes(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("url", REFUSED.split())
def test_check__private_or_strange__refused(url: str) -> None:
    with pytest.raises(BadInput, match="url"):
        address_of(check_url(url, private=False), private=False)
