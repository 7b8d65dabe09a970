"""`crowdproof bench seal`: what either seal of an answer costs, in bytes and in time, by the size of the committee.

Times are medians in microseconds: for a worker to seal; for a member to open alone, or to find its share; to join f+1 shares.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from oracle.protocol import sealing
from oracle.protocol.sealing import MEMBERS, THRESHOLD

SIZES = (4, 7, 13, 31)
PAYLOAD, SALT = b"\x01", bytes(range(32))


def seals(rounds: int) -> dict[str, Any]:
    return {"rounds": rounds, "committees": {str(size): _of(size, rounds) for size in SIZES}}


def _of(members: int, rounds: int) -> dict[str, Any]:
    keys = [X25519PrivateKey.generate() for _ in range(members)]
    public = [key.public_key().public_bytes_raw() for key in keys]
    bound = sealing.commitment(1, 2, 3, PAYLOAD, SALT)
    alone = sealing.seal(public, bound, PAYLOAD, SALT, MEMBERS)
    split = sealing.seal(public, bound, PAYLOAD, SALT, THRESHOLD)
    found = [sealing.share(key, at, members, bound, split) for at, key in enumerate(keys)]
    shares = {at: share for at, share in enumerate(found) if share}
    if sealing.joined(shares, members, bound, split) != (PAYLOAD, SALT):
        raise AssertionError("a seal does not open")
    return {
        "together": sealing.together(members),
        "members": {
            "bytes": len(alone),
            "seal_us": _median(rounds, lambda: sealing.seal(public, bound, PAYLOAD, SALT, MEMBERS)),
            "open_us": _median(rounds, lambda: sealing.unseal(keys[0], 0, members, bound, alone)),
        },
        "threshold": {
            "bytes": len(split),
            "seal_us": _median(rounds, lambda: sealing.seal(public, bound, PAYLOAD, SALT, THRESHOLD)),
            "share_us": _median(rounds, lambda: sealing.share(keys[0], 0, members, bound, split)),
            "join_us": _median(rounds, lambda: sealing.joined(shares, members, bound, split)),
        },
    }


def _median(rounds: int, work: Callable[[], object]) -> float:
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return round(1e6 * statistics.median(times), 1)


def text(document: dict[str, Any]) -> str:
    lines = [f"an answer's seal, medians of {document['rounds']}"]
    for size, one in document["committees"].items():
        alone, split = one["members"], one["threshold"]
        lines.append(
            f"  {size} members: each alone {alone['bytes']} bytes, seal {alone['seal_us']} us, open {alone['open_us']} us;"
            f" {one['together']} together {split['bytes']} bytes, seal {split['seal_us']} us, share {split['share_us']} us,"
            f" join {split['join_us']} us"
        )
    return "\n".join(lines)
