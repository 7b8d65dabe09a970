"""What a worker's machine must not forget: an answer that was signed goes out as it is, until there is a receipt for it."""

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any


class Journal:
    """What workers signed and what was promised to them, durable when a method returns. Safe between threads.

    FOLDER/answers.jsonl: an answer a line, as it is sent; FOLDER/receipts.jsonl: {answers: their digests, receipt}.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._answers, self._receipts = folder / "answers.jsonl", folder / "receipts.jsonl"
        self._lock = Lock()
        self._signed = {(a["job"], a["task"], a["worker"]): a for a in _lines(self._answers)}
        self._receipted = {digest for line in _lines(self._receipts) for digest in line["answers"]}

    def signed(self, job: int, task: int, worker: int) -> dict[str, Any] | None:
        return self._signed.get((job, task, worker))

    def has_receipt(self, digest: bytes) -> bool:
        return "0x" + digest.hex() in self._receipted

    def sign(self, answers: Sequence[dict[str, Any]]) -> None:
        with self._lock:
            _append(self._answers, answers)
            self._signed |= {(a["job"], a["task"], a["worker"]): a for a in answers}

    def receive(self, digests: Sequence[bytes], receipt: dict[str, Any]) -> None:
        named = ["0x" + digest.hex() for digest in digests]
        with self._lock:
            _append(self._receipts, [{"answers": named, "receipt": receipt}])
            self._receipted.update(named)


def _lines(file: Path) -> list[Any]:
    """Each whole line; one that a kill cut off is cut off here too."""
    if not file.exists():
        return []
    whole, _, rest = file.read_bytes().rpartition(b"\n")
    if rest:
        os.truncate(file, len(whole) + 1 if whole else 0)
    return [json.loads(line) for line in whole.splitlines()]


def _append(file: Path, items: Iterable[Any]) -> None:
    with file.open("ab") as out:
        out.write("".join(json.dumps(item) + "\n" for item in items).encode())
        out.flush()
        os.fsync(out.fileno())
