"""The page: files of api/web, served as they are, with a policy under which no other script runs.

`/` is the shell; everything below /web/ is a file of the package, named by its digest for caches.
"""

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, Request, Response

from api.reader import NotFound

WEB = Path(__file__).parent.parent / "web"
SHELL = "index.html"
KINDS = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
}
SQUEEZED = (".js", ".css", ".html", ".json", ".svg", ".txt", ".map")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; font-src 'self'; "
    "connect-src 'self' http://127.0.0.1:* http://localhost:* https:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; manifest-src 'self'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


@dataclass(frozen=True, slots=True)
class File:
    plain: bytes
    packed: bytes
    kind: str
    tag: str


def router() -> APIRouter:
    routes = APIRouter(include_in_schema=False)

    @routes.get("/")
    def shell(request: Request) -> Response:
        return _response(request, SHELL)

    @routes.get("/web/{name:path}")
    def file(request: Request, name: str) -> Response:
        return _response(request, name)

    return routes


def _response(request: Request, name: str) -> Response:
    found = _read(name)
    headers = {**HEADERS, "ETag": found.tag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    if found.tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    packed = bool(found.packed) and "gzip" in request.headers.get("accept-encoding", "")
    if packed:
        headers["Content-Encoding"] = "gzip"
    return Response(found.packed if packed else found.plain, media_type=found.kind, headers=headers)


def _read(name: str) -> File:
    """Raises NotFound for what is no file below api/web."""
    parts = name.split("/")
    place = WEB.joinpath(*parts)
    if (
        not all(part and not part.startswith(".") and part.isascii() and "\0" not in part for part in parts)
        or not place.is_file()
    ):
        raise NotFound(f"there is no /web/{name[:100]}")
    stamp = place.stat()
    return _load(place, stamp.st_mtime_ns, stamp.st_size)


_KEPT: dict[Path, tuple[int, int, File]] = {}


def _load(place: Path, changed: int, size: int) -> File:
    known = _KEPT.get(place)
    if known and known[:2] == (changed, size):
        return known[2]
    plain = place.read_bytes()
    kind = KINDS.get(place.suffix) or mimetypes.guess_type(place.name)[0] or "application/octet-stream"
    packed = gzip.compress(plain, mtime=0) if place.suffix in SQUEEZED and len(plain) > 500 else b""
    found = File(plain, packed, kind, '"' + hashlib.sha256(plain).hexdigest()[:32] + '"')
    _KEPT[place] = (changed, size, found)
    return found
