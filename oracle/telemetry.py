"""What a process tells its operator: a log of JSON Lines, metrics for Prometheus, and whether it is ready.

Nothing here can hold a secret or an answer. A field is a number, a short text or a name of 20 or 32 bytes; whatever else is given
is replaced by what kind of thing it was. In a text every run longer than an address (a key, a token, a signature, an envelope) is
cut to its first characters, and a URL to its scheme, host and port. Metrics are counts; the values of a label are few.

Logging and counting never raise: what cannot be written is lost, and `crowdproof_log_lines_lost_total` says how much.
"""

import json
import logging
import re
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, TypeAlias

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from oracle.protocol.errors import BadInput, CrowdproofError

Field: TypeAlias = bool | int | float | str | bytes | None
Ready: TypeAlias = Callable[[], list[str]]  # what a process waits for, in words; nothing: it is ready

MOST_BYTES, KEPT_FILES = 8 << 20, 3  # of one log file; older ones beside it
MOST_TEXT = 500  # characters of a field
MOST_VALUES = 64  # of one label: peers may send codes of their own
PATIENCE_S = 2.0  # for all checks of one look
FRESH_S = 1.0  # for which a look is good
_RUN = re.compile(r"[A-Za-z0-9_+=-]{43,}")  # longer than 0x and an address
_LAST_RUN = re.compile(r"[A-Za-z0-9_+=-]*\Z")
_KEPT = 10  # characters of such a run: enough to find it again, too few to use it
_URL = re.compile(r"(\b[a-z][a-z0-9+.-]*://)(?:[^\s/@]*@)?([^\s/?#@]+)[^\s]*", re.IGNORECASE)
_LOGGER = logging.getLogger("crowdproof")


# ------------------------------------------------------------------------------------------------------------------ log


def configure(process: str, file: Path | None = None, level: int = logging.INFO) -> None:
    """All logs of this process, also those of libraries, as JSON Lines on stderr or in a file of bounded size."""
    handler: logging.Handler = logging.StreamHandler(sys.stderr)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        handler = _File(file, maxBytes=MOST_BYTES, backupCount=KEPT_FILES, encoding="utf-8", delay=True)
    handler.setFormatter(_Lines(process))
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    _LOGGER.setLevel(level)
    METRICS.process(process)


def log(event: str, level: int = logging.INFO, **fields: Field) -> None:
    """One line: `event` is a fixed word or two, what differs goes into the fields."""
    if _LOGGER.isEnabledFor(level):
        _LOGGER.log(level, event, extra={"crowdproof_fields": fields})


def problem(event: str, error: BaseException, **fields: Field) -> None:
    """An error that does not end the process: ours by its text, made for a person, any other by its place in the code too."""
    level = logging.WARNING if isinstance(error, CrowdproofError) else logging.ERROR
    if _LOGGER.isEnabledFor(level):
        _LOGGER.log(level, event, extra={"crowdproof_fields": fields}, exc_info=error)


def clean(value: object) -> Field:
    """What may be written of a value."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -(1 << 63) <= value < 1 << 64 else f"<integer of {value.bit_length()} bits>"
    if isinstance(value, float):
        return value if value - value == 0 else str(value)
    if isinstance(value, str):
        return _clean_text(value)
    if isinstance(value, bytes) and len(value) == 20:
        return "0x" + value.hex()
    if isinstance(value, bytes) and len(value) == 32:
        return f"0x{value.hex()}"[:_KEPT] + "…"
    return f"<{len(value)} bytes>" if isinstance(value, bytes) else f"<{type(value).__name__}>"


def _clean_text(text: str) -> str:
    """Cleaned before it is cut to its length: half a secret is too short to be seen as one."""
    read = text[: 8 * MOST_TEXT]
    if len(read) < len(text):
        read = _LAST_RUN.sub("", read)
    spaced = " ".join(read.split())
    cleaned = _RUN.sub(lambda run: run.group()[:_KEPT] + "…", _URL.sub(r"\1\2", spaced))
    return cleaned if len(cleaned) <= MOST_TEXT else cleaned[:MOST_TEXT] + "…"


class _Lines(logging.Formatter):
    """{time, level, process, event, ...fields}; a library's own words are the field `text` of the event `library`."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        fields = getattr(record, "crowdproof_fields", None)
        if fields is None:
            event, fields = "library", {"logger": record.name, "text": record.getMessage()}
        else:
            event = record.getMessage()
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            fields = fields | {"error": type(error).__name__, "problem": str(error)}
            if not isinstance(error, CrowdproofError):
                fields |= {"at": _place(error)}
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "process": self._process,
            "event": _clean_text(event),
        }
        return json.dumps(line | {name: clean(value) for name, value in fields.items() if name not in line})


def _place(error: BaseException) -> str:
    """The last calls: file, line, function; no source text and no values."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    return " > ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames)


class _File(RotatingFileHandler):
    """A log that cannot be written, on a full disk, is lost and counted."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 - the library's name
        METRICS.lost.inc()

    def _open(self) -> Any:
        stream = super()._open()
        with suppress(OSError):
            Path(self.baseFilename).chmod(0o600)
        return stream


# -------------------------------------------------------------------------------------------------------------- metrics


class Metrics:
    """The counts of one process, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._seen: dict[str, set[str]] = {}
        r = self.registry
        self._process = Info("crowdproof_process", "What this process is", registry=r)
        ProcessCollector(namespace="crowdproof", registry=r)
        self._requests = Counter("crowdproof_requests", "HTTP requests", ["route", "status"], registry=r)
        self._seconds = Histogram("crowdproof_request_seconds", "Time of an HTTP request", ["route"], registry=r)
        self._answers = Counter("crowdproof_answers", "Answers, accepted or refused by code", ["outcome"], registry=r)
        self._refusals = Counter("crowdproof_refusals", "Requests that a rule refused", ["code"], registry=r)
        self.receipts = Counter("crowdproof_receipts", "Receipts signed or collected", registry=r)
        self._epochs = Counter("crowdproof_epochs", "Headers, by what was done with them", ["step"], registry=r)
        self.waiting = Gauge("crowdproof_outbox_waiting", "Transactions sent and not yet mined", registry=r)
        self._sent = Counter("crowdproof_transactions", "Transactions with an outcome", ["kind", "outcome"], registry=r)
        self._head = Gauge("crowdproof_chain_head_block", "Newest block of the endpoint", registry=r)
        self._indexed = Gauge("crowdproof_indexed_block", "Newest block that is indexed", registry=r)
        self._lag = Gauge("crowdproof_index_lag_blocks", "Blocks from there to the head", registry=r)
        self._blocks = Counter("crowdproof_store_blocks", "Blocks of content written", registry=r)
        self._bytes = Counter("crowdproof_store_bytes", "Bytes of content written", registry=r)
        self._ticks = Counter("crowdproof_loop_ticks", "Rounds of a loop", ["role"], registry=r)
        self._errors = Counter("crowdproof_loop_errors", "Rounds that failed", ["role", "error"], registry=r)
        self.lost = Counter("crowdproof_log_lines_lost", "Lines of the log that could not be written", registry=r)

    def process(self, name: str) -> None:
        self._process.info({"process": name})

    def request(self, route: str, status: int, seconds: float) -> None:
        """`route`: the template, never the path itself: there are as many as the application has, whoever asks."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def answers(self, outcome: str, count: int = 1) -> None:
        """`outcome`: accepted, or the code of a refusal."""
        self._answers.labels(self._few("outcome", outcome)).inc(count)

    def refusal(self, code: str) -> None:
        self._refusals.labels(self._few("code", code)).inc()

    def epoch(self, step: str) -> None:
        """`step`: proposed, reviewed, signed, posted, final."""
        self._epochs.labels(self._few("step", step)).inc()

    def transaction(self, kind: str, outcome: str) -> None:
        """`outcome`: succeeded, reverted."""
        self._sent.labels(self._few("kind", kind), self._few("outcome", outcome)).inc()

    def chain(self, head: int, indexed: int) -> None:
        self._head.set(head)
        self._indexed.set(indexed)
        self._lag.set(max(0, head - indexed))

    def stored(self, blocks: int, size: int) -> None:
        self._blocks.inc(blocks)
        self._bytes.inc(size)

    def tick(self, role: str, error: BaseException | None = None) -> None:
        """One round of a loop, and what ended it early."""
        self._ticks.labels(self._few("role", role)).inc()
        if error is not None:
            self._errors.labels(self._few("role", role), self._few("error", type(error).__name__)).inc()

    def page(self) -> bytes:
        """What Prometheus reads."""
        return generate_latest(self.registry)

    def _few(self, label: str, value: str) -> str:
        """The value while there are few of that label: others send codes too, and each is memory that is never given back."""
        seen = self._seen.setdefault(label, set())
        if value in seen:
            return value
        if len(seen) >= MOST_VALUES or len(value) > 60:
            return "other"
        seen.add(value)
        return value


METRICS = Metrics()
PAGE_TYPE = CONTENT_TYPE_LATEST


# ---------------------------------------------------------------------------------------------------------------- ready


class Readiness:
    """What a process waits for. Each check runs on a thread of its own: one that hangs is named, and not started again.

    `checks`: name -> raises, with the reason, while it is not so. A look is kept for a second, whoever asks.
    """

    def __init__(self, checks: Mapping[str, Callable[[], object]], patience_s: float = PATIENCE_S) -> None:
        self._checks = [_Check(name, look) for name, look in checks.items()]
        self._patience_s = patience_s
        self._turn = threading.Lock()
        self._good_until = 0.0
        self._waits: list[str] = []

    def __call__(self) -> list[str]:
        with self._turn:
            if time.monotonic() >= self._good_until:
                self._waits = self._look()
                self._good_until = time.monotonic() + FRESH_S
            return list(self._waits)

    def _look(self) -> list[str]:
        for check in self._checks:
            check.start()
        end = time.monotonic() + self._patience_s
        found = [check.result(max(0.0, end - time.monotonic()), self._patience_s) for check in self._checks]
        return [what for what in found if what]


class _Check:
    def __init__(self, name: str, look: Callable[[], object]) -> None:
        self._name, self._run = name, look
        self._thread: threading.Thread | None = None
        self._found: str | None = None

    def start(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._look, name=f"ready {self._name}", daemon=True)
            self._thread.start()

    def result(self, seconds: float, patience_s: float) -> str | None:
        if self._thread:
            self._thread.join(seconds)
            if self._thread.is_alive():
                return f"{self._name}: no answer within {patience_s:g} s"
        return self._found

    def _look(self) -> None:
        try:
            self._run()
            self._found = None
        except Exception as error:
            words = str(error) if isinstance(error, CrowdproofError) else f"{type(error).__name__}: {error}"
            self._found = f"{self._name}: {_clean_text(words)}"


def readiness_document(waits: list[str]) -> tuple[int, dict[str, Any]]:
    """(HTTP status, body) of /ready."""
    return (503, {"ready": False, "waits": waits}) if waits else (200, {"ready": True, "waits": []})


# ------------------------------------------------------------------------------------------------- a listener of its own


class Listener:
    """/health, /ready and /metrics on loopback, for a process that serves nothing else."""

    def __init__(self, listening: socket.socket, ready: Ready) -> None:
        class Handler(_Handler):
            look = staticmethod(ready)

        self._server = ThreadingHTTPServer(listening.getsockname()[:2], Handler, bind_and_activate=False)
        self._server.socket.close()
        self._server.socket = listening
        self._server.daemon_threads = True
        self.port: int = listening.getsockname()[1]
        self._thread = threading.Thread(target=self._server.serve_forever, name="telemetry", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def serve(at: int | socket.socket, ready: Ready) -> Listener:
    """Serves at a port of loopback (0: a free one) or a socket that is bound already, until `close`."""
    if not isinstance(at, int):
        return Listener(at, ready)
    try:
        return Listener(socket.create_server(("127.0.0.1", at)), ready)
    except (OSError, OverflowError) as error:
        raise BadInput(f"port {at} of loopback cannot be used for /health and /metrics ({error})") from None


class _Handler(BaseHTTPRequestHandler):
    look: Ready
    timeout = 5.0  # a client that says nothing holds no thread
    server_version, sys_version = "crowdproof", ""

    def do_GET(self) -> None:
        if self.path == "/health":
            self._reply(200, b'{"status": "ok"}')
        elif self.path == "/ready":
            status, document = readiness_document(self.look())
            self._reply(status, json.dumps(document).encode())
        elif self.path == "/metrics":
            self._reply(200, METRICS.page(), PAGE_TYPE)
        else:
            self._reply(404, b"{}")

    def _reply(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Not on stderr."""
