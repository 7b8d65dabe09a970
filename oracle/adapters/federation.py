"""The server of a federation as its members reach it, over HTTP. Its replies are bounded; what is no reply is Retryable."""

from typing import Any

import httpx

from oracle.adapters.peers import exchange
from oracle.protocol.cids import decode
from oracle.protocol.errors import BadInput, Retryable

TIMEOUT_S = 60.0
MOST = 1 << 26  # bytes of a reply


class HttpFederation:
    """One server, at a URL."""

    def __init__(self, url: str, transport: httpx.BaseTransport | None = None) -> None:
        if not url.startswith(("http://", "https://")):
            raise BadInput(f"{url!r} is no address of a server: http://HOST:PORT is meant")
        self._url = url.rstrip("/")
        self._wire = transport or httpx.HTTPTransport()

    def close(self) -> None:
        self._wire.close()

    def view(self) -> dict[str, Any]:
        """What the round wants. Raises Retryable."""
        try:
            found = decode(self._ask("GET", "/round"))
        except BadInput as problem:
            raise Retryable(f"{self._url} answers what is no round: {problem}") from None
        if not isinstance(found, dict):
            raise Retryable(f"{self._url} answers what is no round")
        return found

    def send(self, message: bytes) -> None:
        """Raises Refused or BadInput with the server's reason."""
        self._ask("POST", "/messages", content=message)

    def _ask(self, method: str, path: str, **content: Any) -> bytes:
        within = {"timeout": httpx.Timeout(TIMEOUT_S).as_dict()}
        headers = {"Accept-Encoding": "identity"}
        request = httpx.Request(method, self._url + path, headers=headers, extensions=within, **content)
        return exchange(self._wire, request, MOST, self._url)
