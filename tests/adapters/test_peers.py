"""A member over HTTP: everything comes back as it went, refusals with their code, and no reply can crash or flood the asker."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from api.member import create_app
from oracle.adapters import peers
from oracle.adapters.peers import HttpPeer, error_in, error_of, problem_of
from oracle.ports import Evidence, Incomplete
from oracle.protocol.cids import Codec, from_digest
from oracle.protocol.errors import (
    BadInput,
    ChainUnavailable,
    ContentMissing,
    CrowdproofError,
    Fatal,
    Refused,
    Retryable,
    WrongChain,
)
from oracle.protocol.sealing import THRESHOLD
from oracle.services import settle
from oracle.services.receive import Receiver
from tests.support.committee import Town, car_of
from tests.support.transport import AppTransport

TOKEN = "a token"


def over_http(town: Town) -> list[HttpPeer]:
    return [
        HttpPeer("http://member", TOKEN, AppTransport(create_app(node.member, node.content, TOKEN)))
        for node in town.nodes
    ]


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    town = Town()
    town.ready_job()
    yield town
    town.close()


def refused_by(ask: Callable[[], Any]) -> CrowdproofError:
    with pytest.raises(CrowdproofError) as refused:
        ask()
    return refused.value


# ------------------------------------------------------------------------------------------------------ the real thing


def test_peer__every_method__gives_what_the_member_gives(town: Town) -> None:
    peer, local = over_http(town)[0], town.peers[0]
    job = town.open_job(tasks=2)
    places = [(job, 0, 1), (job, 1, 2)]
    offers = peer.assign(places)
    assert offers == town.nodes[0].database.assignments(job)
    answers = [town.answer(offer, 1) for offer in offers]
    assert peer.accept(answers) == local.accept(answers)
    proposal = peer.propose(Evidence())
    assert proposal == local.propose(Evidence())
    assert proposal
    root = from_digest(Codec.DAG_CBOR, proposal.header.content)
    assert peer.blocks(root) == local.blocks(root)
    other = over_http(town)[1]
    other.store(peer.blocks(root))
    assert car_of(town.nodes[1].content, root) == peer.blocks(root)
    assert other.review(proposal.header) is None  # type: ignore[func-returns-value]
    assert other.approve(proposal.header) == town.peers[1].approve(proposal.header)
    peer.close()


def test_peer__shares_of_split_keys__go_as_they_come() -> None:
    town = Town()
    job = town.open_job(tasks=1, answers=1, seal="threshold")
    town.register(1)
    (offer,) = town.offers(job, [(0, 1)])
    peers_ = over_http(town)
    assert peers_[0].attest([]) is None
    assert peers_[0].tell([], []) is None
    town.give([town.answer(offer, 1, scheme=THRESHOLD)], to=[1, 2, 3])
    answer = town.nodes[1].database.answers(job)[0]
    said = [one for peer in peers_ if (one := peer.attest([answer]))]
    told = [shares for peer in peers_ if (shares := peer.tell([answer], said))]
    assert len(told) == 4  # the first had the answer from the question
    for peer in peers_:
        peer.learn(told)
    proposal, signatures = settle.agree(town.settler(peers_), town.state)
    assert proposal
    assert len(signatures) == 3
    town.close()


def test_peer__whole_epoch_over_http__reaches_a_quorum() -> None:
    town = Town()
    job = town.open_job(tasks=1, answers=4)
    town.register(4)
    asked = over_http(town)
    receiver = Receiver(town.deployment, town.database, asked)
    for lacking, offer in enumerate(town.offers(job, [(0, w) for w in (1, 2, 3, 4)])):
        answer = town.answer(offer)
        if lacking:
            town.give([answer], to={0, 1, 2, 3} - {lacking})
        else:
            assert len(receiver.receive([answer], offer.terms).signatures) == 4
    town.close_job(job)
    assert settle.post_next(town.settler(asked), town.state)  # evidence crosses HTTP both ways
    town.close()


def test_peer__nothing_to_propose__is_none() -> None:
    town = Town()
    assert over_http(town)[0].propose(Evidence()) is None
    town.close()


def test_peer__refusal__has_its_code_and_text(town: Town) -> None:
    refusal = refused_by(lambda: over_http(town)[0].assign([(77, 0, 1)]))
    assert isinstance(refusal, Refused)
    assert (refusal.code, str(refusal)) == ("no-such-job", "there is no job 77")


def test_peer__incomplete__brings_its_evidence() -> None:
    town = Town()
    job = town.open_job(tasks=1, answers=2)
    town.register(2)
    one, two = (town.answer(offer) for offer in town.offers(job, [(0, 1), (0, 2)]))
    town.give([one])
    town.give([two], to=[1, 2, 3])
    town.close_job(job)
    asked = over_http(town)
    proposal = asked[0].propose(Evidence())
    assert proposal
    asked[1].store(asked[0].blocks(from_digest(Codec.DAG_CBOR, proposal.header.content)))
    refusal = refused_by(lambda: asked[1].review(proposal.header))
    assert isinstance(refusal, Incomplete)
    assert refusal.evidence == Evidence(answers=(two,))
    town.close()


def test_peer__wrong_token__is_bad_input(town: Town) -> None:
    node = town.nodes[0]
    stranger = HttpPeer("http://member", "other", AppTransport(create_app(node.member, node.content, TOKEN)))
    assert isinstance(refused_by(lambda: stranger.propose(Evidence())), BadInput)


@pytest.mark.parametrize(
    ("error", "kind", "status"),
    [
        (BadInput("what you sent"), BadInput, 400),
        (Refused("task-closed", "no"), Refused, 409),
        (Incomplete("more", Evidence(openings=((1, 2, 3, b"\x01", bytes(32)),))), Incomplete, 409),
        (Retryable("later"), Retryable, 503),
        (ContentMissing("not here"), ContentMissing, 503),
        (ChainUnavailable("no chain"), Retryable, 503),
        (Fatal("broken"), Retryable, 500),
        (WrongChain("elsewhere"), Retryable, 500),
    ],
)
def test_problem_of__and_back__keeps_kind_code_and_text(
    error: CrowdproofError, kind: type[CrowdproofError], status: int
) -> None:
    given, document = problem_of(error)
    assert (given, document["status"], document["detail"]) == (status, status, str(error))
    back = error_in(given, json.dumps(document).encode(), "member")
    assert (type(back), str(back)) == (kind, str(error))
    if isinstance(error, Refused) and isinstance(back, Refused):
        assert back.code == error.code
    if isinstance(error, Incomplete) and isinstance(back, Incomplete):
        assert back.evidence == error.evidence


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, BadInput), (401, BadInput), (404, Refused), (408, Retryable), (409, Refused), (413, BadInput),
     (422, BadInput), (429, Retryable), (500, Retryable), (502, Retryable), (503, Retryable), (302, Retryable)],
)  # fmt: skip
def test_error_of__problem_document__depends_on_the_status(status: int, kind: type[CrowdproofError]) -> None:
    response = httpx.Response(status, json={"title": "t", "detail": "d"}, request=httpx.Request("GET", "http://m:1/"))
    assert type(error_of(response)) is kind


# ------------------------------------------------------------------------------------------------------- hostile members


def answering(body: bytes, status: int = 200, **headers: str) -> HttpPeer:
    def handle(_: httpx.Request) -> httpx.Response:
        return httpx.Response(status, content=body, headers=headers)

    return HttpPeer("http://member", TOKEN, httpx.MockTransport(handle))


METHODS: dict[str, Callable[[HttpPeer, Town], Any]] = {
    "assign": lambda p, t: p.assign([(1, 0, 1)]),
    "accept": lambda p, t: p.accept([]),
    "propose": lambda p, t: p.propose(Evidence()),
    "review": lambda p, t: p.review(some_header(t)),
    "approve": lambda p, t: p.approve(some_header(t)),
}


def some_header(town: Town) -> Any:
    proposal = town.peers[0].propose(Evidence())
    return replace(proposal.header, epoch=7)


JUNK = {
    "nothing": b"",
    "no JSON": b"<html>",
    "another type": b"[]",
    "null": b"null",
    "a number": b"7",
    "no field": b"{}",
    "a null field": b'{"signature": null, "assignments": null, "proposals": null, "agreed": null}',
    "wrong items": b'{"signature": 7, "assignments": [7], "proposals": [{}], "agreed": "yes"}',
    "no hex": b'{"signature": "zz", "assignments": [{}], "proposals": {}, "agreed": 1}',
    "too deep": b"[" * 100_000,
    "not UTF-8": b"\xff\xfe\xfd",
    "a huge number": b"1" * 10_000,
    "two proposals of nothing": b'{"proposals": [null, null], "signature": [], "assignments": {}, "agreed": []}',
}


@pytest.mark.parametrize("what", JUNK)
@pytest.mark.parametrize("method", METHODS)
def test_peer__reply_that_is_junk__is_retryable(town: Town, method: str, what: str) -> None:
    assert type(refused_by(lambda: METHODS[method](answering(JUNK[what]), town))) is Retryable


@pytest.mark.parametrize("what", JUNK)
@pytest.mark.parametrize("status", [400, 409, 500])
def test_peer__error_that_is_junk__is_retryable(what: str, status: int) -> None:
    assert type(refused_by(lambda: answering(JUNK[what], status).propose(Evidence()))) is Retryable


@pytest.mark.parametrize("evidence", [None, {}, {"answers": [1], "openings": []}, {"answers": [], "openings": [[1]]}])
def test_peer__incomplete_with_junk_for_evidence__is_retryable(evidence: Any) -> None:
    body = json.dumps({"title": "incomplete", "detail": "x", "evidence": evidence}).encode()
    assert type(refused_by(lambda: answering(body, 409).propose(Evidence()))) is Retryable


def test_peer__endless_reply__is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "MOST_JSON", 1_000)
    monkeypatch.setattr(peers, "MOST_BLOCKS", 2_000)
    sent = []

    def endless() -> Iterator[bytes]:
        for _ in range(1_000_000):
            sent.append(1)
            yield b"x" * 100

    def handle(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=endless())

    peer = HttpPeer("http://member", TOKEN, httpx.MockTransport(handle))
    assert "more than 1000 bytes" in str(refused_by(lambda: peer.propose(Evidence())))
    assert "more than 2000 bytes" in str(refused_by(lambda: peer.blocks(from_digest(Codec.RAW, bytes(32)))))
    assert len(sent) < 50


@pytest.mark.parametrize("problem", [httpx.ConnectError("x"), httpx.ReadTimeout("x"), httpx.RemoteProtocolError("x")])
def test_peer__member_that_does_not_answer__is_retryable(problem: httpx.HTTPError) -> None:
    def handle(_: httpx.Request) -> httpx.Response:
        raise problem

    peer = HttpPeer("http://member", TOKEN, httpx.MockTransport(handle))
    assert type(problem).__name__ in str(refused_by(lambda: peer.propose(Evidence())))


def test_peer__redirect__is_not_followed() -> None:
    assert type(refused_by(lambda: answering(b"", 302, Location="http://elsewhere/").propose(Evidence()))) is Retryable


def test_peer__token__is_in_no_text_of_an_error() -> None:
    assert TOKEN not in str(refused_by(lambda: answering(b"", 500).propose(Evidence())))
