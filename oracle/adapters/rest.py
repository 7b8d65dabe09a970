"""After a restore a member rests: what it signed after the backup was made it has forgotten, but others may still hold it.

A marker file -> Refused until block time says that every header it may have signed has expired. The time is counted from the
first look after the restore, and survives restarts.
"""

import os
from collections.abc import Callable
from pathlib import Path

from oracle.protocol.errors import Fatal, Refused

MARKER = "restored"  # beside the member's database; empty until the first look


def resting(folder: Path, seconds: int) -> Callable[[int], None]:
    """What to ask before a receipt or a header is signed, with the block time: raises Refused while the member rests.

    `seconds`: how long a header can be valid, as the member may see it.
    """
    file = folder / MARKER
    if not file.exists():
        return lambda now: None  # noqa: ARG005
    return lambda now: _rest(file, seconds, now)


def _rest(file: Path, seconds: int, now: int) -> None:
    try:
        until = file.read_text("utf-8").strip()
    except FileNotFoundError:
        return
    if not until:
        until = str(now + seconds)
        _keep(file, until)
    if not until.isdecimal():
        raise Fatal(f"{file} is damaged: empty it, and the member rests from now on")
    if now <= int(until):
        what = f"this member was restored from a backup: it signs nothing up to block time {until}, {int(until) - now} s from now"
        raise Refused("restored", what)
    file.unlink(missing_ok=True)


def _keep(file: Path, until: str) -> None:
    """On the disk before anybody is told: counted from a later look, the rest would only be longer."""
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    with part.open("w", encoding="utf-8") as out:
        out.write(until)
        out.flush()
        os.fsync(out.fileno())
    part.replace(file)
