"""Payloads of tasks that only their workers may read: sealed under a key of the job, opened task by task.

job key, task -> a key for that task alone, so that one worker's payload opens no other. What is stored, and committed by the job's
terms, is {"sealed": bytes}. Source: HKDF-SHA256 (RFC 5869), ChaCha20-Poly1305 (RFC 8439); each key seals one payload once, so the
nonce is zero.
"""

from collections.abc import Sequence
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from oracle.protocol.cids import decode, encode
from oracle.protocol.errors import BadInput, Refused
from oracle.protocol.leaves import Task

KEY = 32
FIELD = "sealed"
_NONCE = bytes(12)


def seal_tasks(tasks: Sequence[Task], key: bytes) -> list[Task]:
    """The tasks as everybody may see them. A key is for one job: never use it for other payloads under the same numbers."""
    return [Task(task.task, task.id, {FIELD: _seal(key, task)}) for task in tasks]


def is_sealed(payload: Any) -> bool:
    return isinstance(payload, dict) and payload.keys() == {FIELD} and isinstance(payload[FIELD], bytes)


def task_key(key: bytes, task: int) -> bytes:
    info = b"crowdproof.payload" + task.to_bytes(4, "big")
    derived: bytes = HKDF(algorithm=SHA256(), length=KEY, salt=None, info=info).derive(key)
    return derived


def open_payload(task: Task, key: bytes) -> Any:
    """The payload that was sealed under the job's key. Raises Refused where it was not."""
    if not is_sealed(task.payload):
        return task.payload
    try:
        plain = ChaCha20Poly1305(task_key(key, task.task)).decrypt(_NONCE, task.payload[FIELD], task.id.encode())
    except InvalidTag:
        raise Refused("wrong-payload-key", f"the payload of task {task.task} is sealed under another key") from None
    return decode(plain)


def _seal(key: bytes, task: Task) -> bytes:
    if len(key) != KEY:
        raise BadInput(f"a key for payloads has {KEY} bytes")
    sealed: bytes = ChaCha20Poly1305(task_key(key, task.task)).encrypt(_NONCE, encode(task.payload), task.id.encode())
    return sealed
