"""A stand-in for an IPFS daemon on loopback: Kubo's RPC as far as KuboStore uses it, and whatever a test makes it say.

It keeps blocks by their hash, writes none that it believes to hold, and removes none that is pinned, as the real ones do.
"""

import json
import re
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from oracle.protocol.cids import Codec, cid_of, digest_of

CODECS = {"raw": Codec.RAW, "dag-pb": Codec.DAG_PB, "dag-cbor": Codec.DAG_CBOR}


class Refusal(Exception):
    """What a daemon answers with a status of 500."""


@dataclass
class FakeDaemon:
    """Open to tests: `blocks` by digest, `pins` by CID, `asked`, all requests.

    `says` gives the reply to a path as raw bytes in parts, after which the connection ends.
    """

    blocks: dict[bytes, bytes] = field(default_factory=dict)
    pins: dict[str, str] = field(default_factory=dict)
    says: dict[str, Callable[[], Iterable[bytes]]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, list[str]]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._turn = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"daemon": self}))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def api(self) -> str:
        return f"/ip4/127.0.0.1/tcp/{self.port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]

    def reply(self, path: str, query: dict[str, list[str]], body: bytes) -> bytes:
        with self._turn:
            made = getattr(self, "_" + path.replace("/", "_"))(query, body)
        return made if isinstance(made, bytes) else json.dumps(made).encode()

    def _version(self, _: dict[str, list[str]], __: bytes) -> dict[str, Any]:
        return {"Version": "0.40.0", "Commit": "", "Repo": "18"}

    def _block_put(self, query: dict[str, list[str]], body: bytes) -> dict[str, Any]:
        data = body.split(b"\r\n\r\n", 1)[1].rsplit(b"\r\n--", 2)[0]
        cid = cid_of(data, CODECS[query["format"][0]])
        self.blocks.setdefault(digest_of(cid), data)
        return {"Key": cid, "Size": len(data)}

    def _block_get(self, query: dict[str, list[str]], _: bytes) -> bytes:
        return self._held(query["arg"][0])

    def _block_rm(self, query: dict[str, list[str]], _: bytes) -> dict[str, Any]:
        cid = query["arg"][0]
        if cid in self.pins:
            return {"Hash": cid, "Error": f"pinned: {self.pins[cid]}"}
        self.blocks.pop(digest_of(cid), None)
        return {"Hash": cid}

    def _pin_add(self, query: dict[str, list[str]], _: bytes) -> dict[str, Any]:
        kind = "direct" if query["recursive"] == ["false"] else "recursive"
        for cid in query["arg"]:
            self._held(cid)
            if kind == "direct" and self.pins.get(cid) == "recursive":
                raise Refusal(f"pin: {cid} already pinned recursively")
            self.pins[cid] = kind
        return {"Pins": query["arg"]}

    def _pin_rm(self, query: dict[str, list[str]], _: bytes) -> dict[str, Any]:
        for cid in query["arg"]:
            if self.pins.pop(cid, None) is None:
                raise Refusal("not pinned or pinned indirectly")
        return {"Pins": query["arg"]}

    def _pin_ls(self, query: dict[str, list[str]], _: bytes) -> dict[str, Any]:
        kind, names = query["type"][0], query.get("arg", list(self.pins))
        if missing := [name for name in names if self.pins.get(name) != kind and "arg" in query]:
            raise Refusal(f"path '{missing[0]}' is not pinned")
        return {"Keys": {name: {"Type": kind} for name in names if self.pins[name] == kind}}

    def _held(self, cid: str) -> bytes:
        if (data := self.blocks.get(digest_of(cid))) is None:
            raise Refusal(f"block was not found locally (offline): ipld: could not find {cid}")
        return data


class _Handler(BaseHTTPRequestHandler):
    daemon: FakeDaemon
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_POST(self) -> None:
        body, url = self._body(), urlsplit(self.path)
        path, query = url.path.removeprefix("/api/v0/"), parse_qs(url.query)
        self.daemon.asked.append((path, query))
        if path in self.daemon.says:
            self.close_connection = True
            with suppress(OSError):  # the client may have left
                for part in self.daemon.says[path]():
                    self.wfile.write(part)
                    self.wfile.flush()
            return
        try:
            status, reply = 200, self.daemon.reply(path, query, body)
        except Refusal as refusal:
            status, reply = 500, json.dumps({"Message": str(refusal), "Code": 0, "Type": "error"}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def log_message(self, *_: Any) -> None:
        pass


def http(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """A whole reply; a Content-Length among the headers replaces the right one."""
    stated = (
        []
        if any(re.match("content-length|transfer-encoding", h, re.IGNORECASE) for h in headers)
        else [f"Content-Length: {len(body)}"]
    )
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, *stated, "", ""]).encode() + body
