"""A committee member over HTTP: the port `Peer`, and the problem documents (RFC 9457) that carry refusals both ways.

A member may be broken or hostile: every reply is bounded and typed, and whatever does not fit is Retryable, never a crash.
"""

import json
import ssl
from collections import deque
from collections.abc import Sequence
from contextlib import closing
from functools import cache
from threading import Lock
from typing import Any, TypeVar

import httpx

from oracle.ports import (
    Appraisal,
    Evidence,
    Holding,
    Incomplete,
    OfferedAssignment,
    Proposal,
    Shares,
    SignedWish,
    StoredAnswer,
)
from oracle.protocol.cids import Cid
from oracle.protocol.credentials import SignedBandKey
from oracle.protocol.errors import BadInput, ContentMissing, CrowdproofError, Fatal, Refused, Retryable
from oracle.protocol.messages import Header
from oracle.protocol.plain import from_json, to_json

T = TypeVar("T")

TIMEOUT_S = 120.0
PROBE_S = 3.0
MOST_JSON = 1 << 26  # bytes of a reply
MOST_BLOCKS = 1 << 29  # the blocks of an epoch
JSON = {"Content-Type": "application/json"}
_TURN, _WRITTEN = Lock(), deque[tuple[Sequence[StoredAnswer], bytes]](maxlen=4)


@cache
def _authorities() -> ssl.SSLContext:
    """Read once for all members: it takes a twentieth of a second."""
    return httpx.create_ssl_context()


class HttpPeer:
    """Speaks to one member; `token` says that it is the oracle of the same operator that asks."""

    def __init__(self, url: str, token: str, transport: httpx.BaseTransport | None = None) -> None:
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": "identity"}
        alone = httpx.Limits(max_keepalive_connections=0)  # a reply that came twice would answer the next question
        self._wire = transport or httpx.HTTPTransport(limits=alone, verify=_authorities())

    def close(self) -> None:
        self._wire.close()

    def assign(self, pairs: Sequence[tuple[int, int, int]]) -> list[OfferedAssignment]:
        self._probe()
        return self._post("/assignments", {"pairs": to_json(pairs)}, list[OfferedAssignment], "assignments")

    def appraise(self, pairs: Sequence[tuple[int, int, int]]) -> Appraisal:
        self._probe()
        return self._post("/appraisals", {"pairs": to_json(pairs)}, Appraisal, "appraisal")

    def accept(self, answers: Sequence[StoredAnswer]) -> bytes:
        reply = self._ask("POST", "/answers", MOST_JSON, content=_written(answers), headers=JSON)
        return self._read(reply, bytes, "signature", "/answers")

    def propose(self, evidence: Evidence) -> Proposal | None:
        self._probe()
        found: list[Proposal] = self._post("/proposals", to_json(evidence), list[Proposal], "proposals")
        return found[0] if found else None

    def review(self, header: Header) -> None:
        self._post("/reviews", to_json(header), bool, "agreed")

    def approve(self, header: Header) -> bytes:
        return self._post("/signatures", to_json(header), bytes, "signature")

    def attest(self, shown: Sequence[StoredAnswer]) -> Holding | None:
        found: list[Holding] = self._post("/holdings", {"answers": to_json(shown)}, list[Holding], "holdings")
        return found[0] if found else None

    def tell(self, shown: Sequence[StoredAnswer], holdings: Sequence[Holding]) -> Shares | None:
        body = {"answers": to_json(shown), "holdings": to_json(holdings)}
        found: list[Shares] = self._post("/shares", body, list[Shares], "shares")
        return found[0] if found else None

    def learn(self, told: Sequence[Shares]) -> None:
        self._ask("PUT", "/shares", MOST_JSON, json={"shares": to_json(told)})

    def band_keys(self, job: int) -> list[SignedBandKey]:
        return self._read(self._ask("GET", f"/bands/{job}", MOST_JSON), list[SignedBandKey], "keys", "/bands")

    def certify(self, wish: SignedWish) -> bytes:
        return self._post("/bands", to_json(wish), bytes, "signed")

    def blocks(self, root: Cid) -> bytes:
        return self._ask("GET", f"/blocks/{root}", MOST_BLOCKS)

    def store(self, car: bytes) -> None:
        self._ask("POST", "/blocks", MOST_JSON, content=car)

    def is_alive(self, seconds: float) -> bool:
        """Whether the member's process answers in time."""
        try:
            self._ask("GET", "/health", MOST_JSON, seconds)
        except CrowdproofError:
            return False
        return True

    def _probe(self) -> None:
        """For questions on which others wait: a member that hangs costs them seconds, not the whole time."""
        try:
            self._ask("GET", "/health", MOST_JSON, PROBE_S)
        except CrowdproofError as problem:
            raise Retryable(str(problem)) from None

    def _post(self, path: str, body: Any, kind: type[T], field: str) -> T:
        """The one field that a route answers with."""
        return self._read(self._ask("POST", path, MOST_JSON, json=body), kind, field, path)

    def _read(self, reply: bytes, kind: type[T], field: str, path: str) -> T:
        try:
            return from_json(kind, json.loads(reply)[field], field)
        except (ValueError, TypeError, KeyError, RecursionError, BadInput) as problem:
            raise Retryable(f"member {self._url} answers nonsense to {path}: {str(problem)[:200]}") from None

    def _ask(self, method: str, path: str, most: int, seconds: float = TIMEOUT_S, **content: Any) -> bytes:
        """Straight to the wire: no proxy, redirect or cookie belongs between members, and a client costs as much again."""
        headers = self._headers | content.pop("headers", {})
        within = {"timeout": httpx.Timeout(seconds).as_dict()}
        request = httpx.Request(method, self._url + path, headers=headers, extensions=within, **content)
        return exchange(self._wire, request, most, self._url, "member ")


def exchange(wire: httpx.BaseTransport, request: httpx.Request, most: int, url: str, what: str = "") -> bytes:
    """The reply of the server at `url`, of at most so many bytes. Raises what its problem document stands for, or Retryable."""
    body = bytearray()
    try:
        with closing(wire.handle_request(request)) as response:
            for part in response.iter_raw():
                body += part
                if len(body) > most:
                    raise Retryable(f"{what}{url} answers {request.url.path} with more than {most} bytes")
    except (httpx.HTTPError, httpx.StreamError) as problem:
        raise Retryable(f"{what}{url} does not answer: {type(problem).__name__}") from problem
    if response.is_success:
        return bytes(body)
    raise error_in(response.status_code, bytes(body), url)


def _written(answers: Sequence[StoredAnswer]) -> bytes:
    """A batch as it travels: every member is sent the same, so it is written once."""
    with _TURN:
        for known, body in _WRITTEN:
            if known is answers:
                return body
        body = json.dumps({"answers": to_json(answers)}, separators=(",", ":")).encode()
        _WRITTEN.append((answers, body))
        return body


def problem_of(error: CrowdproofError) -> tuple[int, dict[str, Any]]:
    """(status, problem document) of an error that is to cross HTTP."""
    statuses: list[tuple[type[CrowdproofError], int]] = [
        (BadInput, 400),
        (Refused, 409),
        (Retryable, 503),
        (Fatal, 500),
    ]
    status = next((status for kind, status in statuses if isinstance(error, kind)), 500)
    code = error.code if isinstance(error, Refused) else type(error).__name__
    document = {"type": f"urn:crowdproof:{code}", "title": code, "status": status, "detail": str(error)}
    if isinstance(error, Incomplete):
        document["evidence"] = to_json(error.evidence)
    return status, document


def error_of(response: httpx.Response) -> CrowdproofError:
    """The error that a response's problem document stands for."""
    return error_in(response.status_code, response.content, f"{response.request.url.host}:{response.request.url.port}")


def error_in(status: int, body: bytes, who: str) -> CrowdproofError:
    """The error that a problem document stands for: a rule (404, 409), what we sent (4xx), or the other side's trouble."""
    try:
        document = json.loads(body)
        code, detail = str(document["title"]), str(document["detail"])
        if code == "incomplete":
            return Incomplete(detail, from_json(Evidence, document["evidence"], "evidence"))
    except (ValueError, KeyError, TypeError, RecursionError, BadInput):
        return Retryable(f"{who} answered {status}")
    if status in (404, 409):
        return Refused(code, detail)
    if code == ContentMissing.__name__:
        return ContentMissing(detail)
    return BadInput(detail) if 400 <= status < 500 and status not in (408, 429) else Retryable(detail)
