"""An ASGI application as an httpx transport: HTTP without a socket, for clients that are not async."""

import asyncio
from typing import Any

import httpx


class AppTransport(httpx.BaseTransport):
    """Hands each request to the application; what it raises comes back as a plain 500."""

    def __init__(self, app: Any) -> None:
        self._app = httpx.ASGITransport(app, raise_app_exceptions=False)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()

        async def ask() -> tuple[httpx.Response, bytes]:
            response = await self._app.handle_async_request(request)
            return response, await response.aread()

        response, body = asyncio.run(ask())
        return httpx.Response(response.status_code, headers=response.headers, stream=httpx.ByteStream(body))


def client_of(app: Any, **headers: str) -> httpx.Client:
    return httpx.Client(base_url="http://app", transport=AppTransport(app), headers=headers)
