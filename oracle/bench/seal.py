"""`crowdproof bench seal`: what either seal of an answer costs, in bytes and in time, by the size of the committee; and what it

costs to seal the verdicts of a job.

Times are medians: for a worker to seal; for a member to open alone, or to find its share; to join f+1 shares; to make the blocks of
many verdicts, and to read them.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from oracle.protocol import pages, sealing
from oracle.protocol.cids import cid_of
from oracle.protocol.hashing import ZERO, keccak
from oracle.protocol.leaves import Core, Opening, Status, Verdict
from oracle.protocol.pages import Source
from oracle.protocol.sealing import MEMBERS, THRESHOLD

SIZES = (4, 7, 13, 31)
PAYLOAD, SALT, KEY = b"\x01", bytes(range(32)), bytes(range(32, 64))
VERDICTS, ANSWERS = 1_000, 5


def seals(rounds: int) -> dict[str, Any]:
    committees = {str(size): _of(size, rounds) for size in SIZES}
    return {"rounds": rounds, "committees": committees, "verdicts": _records(max(1, rounds // 20))}


def _records(rounds: int) -> dict[str, Any]:
    """The blocks of the same verdicts, of a public job and of a sealed one."""
    tree = [_verdict(task) for task in range(VERDICTS)]
    found: dict[str, Any] = {"verdicts": VERDICTS, "answers": ANSWERS}
    for name, keys in (("public", {}), ("sealed", {1: KEY})):
        node, blocks = pages.pack(tree, keys)
        held = {cid_of(*block): block[0] for block in blocks}
        reader = Source(held.__getitem__, held.get, keys.get)
        if pages.read(reader, 1, "verdicts", node).values != tuple(tree):
            raise AssertionError("the verdicts are not read as they were written")
        found[name] = {
            "bytes": sum(map(len, held.values())),
            "pack_us": _median(rounds, lambda keys=keys: pages.pack(tree, keys)),  # type: ignore[misc]
            "read_us": _median(rounds, lambda at=reader, node=node: pages.read(at, 1, "verdicts", node)),  # type: ignore[misc]
        }
    return found


def _verdict(task: int) -> Verdict:
    """One of the usual size; what it says does not matter here."""
    hashes = [keccak(b"%d %d" % (task, i)) for i in range(ANSWERS)]
    cores = tuple(Core(worker, 0, 1, Status.COUNTED, worker, 1, task) for worker in range(ANSWERS))
    openings = tuple(Opening(h, h, PAYLOAD, SALT, ZERO, h + h + b"\x1b") for h in hashes)
    return Verdict(1, task, 1, (0, 0), 1_000, cores, openings)


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
    found = document["verdicts"]
    open_, dark = found["public"], found["sealed"]
    for name in ("public", "sealed"):
        one = found[name]
        times = f"made in {one['pack_us'] / 1e3:.1f} ms, read in {one['read_us'] / 1e3:.1f} ms"
        lines.append(
            f"  {found['verdicts']} verdicts of {found['answers']} answers, {name}: {one['bytes']:,} bytes, {times}"
        )
    lines.append(
        f"  sealed beside public: {dark['bytes'] / open_['bytes']:.3f} of the bytes, {dark['pack_us'] / open_['pack_us']:.2f} and"
        f" {dark['read_us'] / open_['read_us']:.2f} of the times"
    )
    return "\n".join(lines)
