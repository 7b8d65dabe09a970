"""keeper.py FOLDER COMMAND...: runs Anvil apart from whoever started it, and keeps a good copy of its state file.

Anvil rewrites state.json in place, once a second, while it goes on mining. Killed in the middle of that it leaves half
a file; and a dump taken while a block was mined can hold accounts that are one transaction ahead of the blocks. So each
dump that is whole and consistent is copied to state.kept.json by an atomic rename, and before Anvil starts, a state.json
that is not so is replaced by that copy. FOLDER/anvil.pid holds Anvil's pid while it runs; its removal is the last act.
FOLDER/keeper.lock is locked as long as this process lives. Exit 3: there is a state, but none that can be read. Only the
standard library: it must start fast and stay small.
"""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

LOOK_EVERY = 0.2  # seconds
UNREADABLE = 3


def main() -> int:
    folder = Path(sys.argv[1])
    if not restore(folder / "state.json", folder / "state.kept.json"):
        return UNREADABLE
    ready, told = os.pipe()
    if os.fork():
        os.close(told)
        os.read(ready, 1)  # until the pid file is there, or the child is gone
        return 0
    os.close(ready)
    os.setsid()
    alive = (folder / "keeper.lock").open("w")
    try:
        fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:  # another keeper is at work here
        return 0
    _detach(folder / "anvil.log")
    pid_file = folder / "anvil.pid"
    process = subprocess.Popen(sys.argv[2:], cwd=folder)  # noqa: S603 (oracle.adapters.anvil makes the words)
    write_whole(pid_file, str(process.pid).encode())
    os.write(told, b".")
    os.close(told)
    try:
        keep(process, folder / "state.json", folder / "state.kept.json")
    finally:
        pid_file.unlink(missing_ok=True)
    return 0


def restore(state: Path, kept: Path) -> bool:
    """Leaves the newest good state in `state`, or none for a new chain; False if there are only bad ones."""
    found, copy = _read(state), _read(kept)
    if is_consistent(parse(found)):
        return True
    if parse(copy) is not None:
        write_whole(state, copy)
        return True
    if parse(found) is None and (found or copy):
        return False
    if not found:
        state.unlink(missing_ok=True)
    return True


def keep(process: "subprocess.Popen[bytes]", state: Path, kept: Path) -> None:
    """Until Anvil ends. A dump is good if it is consistent, or the next one is the same, or it is that of a clean end."""
    good = seen = b""
    seen_at = 0
    running = True
    while running:
        try:
            process.wait(LOOK_EVERY)
            running = False
        except subprocess.TimeoutExpired:
            pass
        written_at = _written_at(state)
        if written_at == seen_at and running:
            continue
        dump = _read(state)
        settled = (dump == seen and running) or process.returncode == 0
        if dump != good and (is_consistent(content := parse(dump)) or (settled and content is not None)):
            write_whole(kept, dump)
            good = dump
        seen, seen_at = dump, written_at


def parse(dump: bytes) -> Any:
    """The dump's content, None unless it is whole."""
    if not dump.endswith(b"}"):
        return None
    try:
        content = json.loads(dump)
    except ValueError:
        return None
    return content if isinstance(content, dict) and "blocks" in content else None


def is_consistent(content: Any) -> bool:
    """Whether blocks, transactions and accounts are of one moment: each sender's nonce follows its last transaction."""
    try:
        nonces: dict[str, int] = {}
        for entry in content["transactions"]:
            sender, nonce = entry["info"]["from"], int(entry["info"]["nonce"])
            nonces[sender] = max(nonces.get(sender, 0), nonce + 1)
        accounts = content["accounts"]
        return (
            int(content["block"]["number"], 16) == content["best_block_number"]
            and sum(len(block["transactions"]) for block in content["blocks"]) == len(content["transactions"])
            and all(accounts[sender]["nonce"] == nonce for sender, nonce in nonces.items())
        )
    except (KeyError, TypeError, ValueError):
        return False


def write_whole(path: Path, data: bytes) -> None:
    """Readers see the old file or the new one, never a part."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    part.replace(path)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _written_at(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _detach(log: Path) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for source, target in ((null, 0), (out, 1), (out, 2)):
        os.dup2(source, target)


if __name__ == "__main__":
    sys.exit(main())
