"""A committee member over HTTP: the port `Peer`, and the problem documents (RFC 9457) that carry refusals both ways."""

from collections.abc import Sequence
from typing import Any

import httpx

from oracle.ports import Evidence, Incomplete, OfferedAssignment, Proposal, StoredAnswer
from oracle.protocol.cids import Cid
from oracle.protocol.errors import BadInput, CrowdproofError, Fatal, Refused, Retryable
from oracle.protocol.messages import Header
from oracle.protocol.plain import from_json, to_json

TIMEOUT_S = 120.0


class HttpPeer:
    """Speaks to one member; `token` says that it is the oracle of the same operator that asks."""

    def __init__(self, url: str, token: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=TIMEOUT_S, headers={"Authorization": f"Bearer {token}"})
        self._url = url

    def assign(self, pairs: Sequence[tuple[int, int, int]]) -> list[OfferedAssignment]:
        reply = self._post("/assignments", {"pairs": to_json(pairs)})
        return from_json(list[OfferedAssignment], reply["assignments"], "assignments")

    def accept(self, answers: Sequence[StoredAnswer]) -> bytes:
        reply = self._post("/answers", {"answers": to_json(answers)})
        return from_json(bytes, reply["signature"], "signature")

    def propose(self, evidence: Evidence) -> Proposal | None:
        reply = self._post("/proposals", to_json(evidence))
        return from_json(Proposal, reply["proposal"], "proposal") if reply["proposal"] else None

    def approve(self, header: Header) -> bytes:
        return from_json(bytes, self._post("/signatures", to_json(header))["signature"], "signature")

    def blocks(self, root: Cid) -> bytes:
        return self._ask("GET", f"/blocks/{root}").content

    def store(self, car: bytes) -> None:
        self._ask("POST", "/blocks", content=car)

    def _post(self, path: str, body: Any) -> dict[str, Any]:
        try:
            reply: dict[str, Any] = self._ask("POST", path, json=body).json()
        except ValueError as problem:
            raise Retryable(f"member {self._url} answered no JSON") from problem
        return reply

    def _ask(self, method: str, path: str, **content: Any) -> httpx.Response:
        try:
            response = self._client.request(method, path, **content)
        except httpx.HTTPError as problem:
            raise Retryable(f"member {self._url} does not answer: {type(problem).__name__}") from problem
        if response.is_success:
            return response
        raise error_of(response)


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
    """The error that a problem document stands for."""
    try:
        document = response.json()
        code, detail = str(document["title"]), str(document["detail"])
    except (ValueError, KeyError, TypeError):
        return Retryable(f"{response.request.url.host}:{response.request.url.port} answered {response.status_code}")
    if code == "incomplete":
        return Incomplete(detail, from_json(Evidence, document.get("evidence"), "evidence"))
    if response.status_code == 409:
        return Refused(code, detail)
    return BadInput(detail) if response.status_code == 400 else Retryable(detail)
