"""Which processes run below another, or for a home, and whether they have ended; through /proc."""

import os
import time
from pathlib import Path


def children(pid: int) -> set[int]:
    """All processes below `pid`, by /proc."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if fields[0] != "Z":
                parents[int(entry.name)] = int(fields[1])
    found = {pid}
    while grown := {child for child, parent in parents.items() if parent in found} - found:
        found |= grown
    return found - {pid}


def with_home(home: Path) -> set[int]:
    """Every process whose words name the home: Anvil has left our tree."""
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                words = (entry / "cmdline").read_bytes().decode(errors="replace")
                if str(home) in words:
                    found.add(int(entry.name))
        except OSError:
            continue
    return found


def gone(pids: set[int], seconds: float = 10.0) -> bool:
    """Whether all these processes have ended, or end soon."""
    end = time.monotonic() + seconds
    while alive := {pid for pid in pids if _alive(pid)}:
        if time.monotonic() > end:
            return not alive
        time.sleep(0.05)
    return True


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
