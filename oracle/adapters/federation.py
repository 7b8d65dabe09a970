"""The server of a federation as its members reach it, over HTTP. Its replies are bounded; what is no reply is Retryable."""

from typing import Any

import httpx

from oracle.adapters.peers import error_in
from oracle.protocol.cids import decode
from oracle.protocol.errors import BadInput, Retryable

TIMEOUT_S = 60.0
MOST = 1 << 26  # bytes of a reply


class HttpFederation:
    """One server, at a URL."""

    def __init__(self, url: str, transport: httpx.BaseTransport | None = None) -> None:
        if not url.startswith(("http://", "https://")):
            raise BadInput(f"{url!r} is no address of a server: http://HOST:PORT is meant")
        self._url = url
        self._client = httpx.Client(base_url=url, timeout=TIMEOUT_S, trust_env=False, transport=transport)

    def close(self) -> None:
        self._client.close()

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
        body = bytearray()
        try:
            with self._client.stream(method, path, **content) as response:
                for part in response.iter_raw():
                    body += part
                    if len(body) > MOST:
                        raise Retryable(f"{self._url} answers {path} with more than {MOST} bytes")
        except (httpx.HTTPError, httpx.StreamError) as problem:
            raise Retryable(f"{self._url} does not answer: {type(problem).__name__}") from problem
        if response.is_success:
            return bytes(body)
        raise error_in(response.status_code, bytes(body), self._url)
