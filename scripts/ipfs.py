"""An IPFS daemon for tests: offline, on loopback, on a free port, its repository in a folder that is thrown away.

An `ipfs` (Kubo) on PATH is used where there is one; else js-ipfs, at the versions of tests/support/jsipfs/package-lock.json, which
`install` puts into the user's cache (309 MB, some minutes, once). Neither ever joins the network.

usage: python -m scripts.ipfs install
       python -m scripts.ipfs run                 prints the address of its API, until Ctrl-C
       python -m scripts.ipfs run -- COMMAND ...  runs COMMAND beside it, with IPFS_API and IPFS_REPO set
"""

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from oracle.protocol.cids import digest_of

PINNED = Path(__file__).parent.parent / "tests" / "support" / "jsipfs"
VERSION = json.loads((PINNED / "package.json").read_text())["dependencies"]["ipfs"]
START_S = 90.0
STOP_S = 10.0


class DaemonFailed(Exception):
    """The daemon or its installation did not come up; says what it printed last."""


@dataclass(frozen=True, slots=True)
class Daemon:
    """One that runs. `api` is a multiaddr, `repo` the folder in which it keeps blocks and pins."""

    api: str
    repo: Path | None  # None for one that somebody else runs


def cache() -> Path:
    """Where `install` puts js-ipfs."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "crowdproof" / f"ipfs-{VERSION}"


def program() -> list[str] | None:
    """The command of the daemon that there is, if any."""
    if found := shutil.which("ipfs") or shutil.which("kubo"):
        return [found]
    return _installed() if shutil.which("node") and (cache() / ".done").exists() else None


def _installed() -> list[str]:
    return ["node", "--require", str(PINNED / "start.cjs"), str(cache() / "node_modules" / "ipfs" / "src" / "cli.js")]


def describe() -> str:
    """Which daemon the tests will use, in a line."""
    if api := os.environ.get("IPFS_API"):
        return f"{api} (IPFS_API)"
    command = program()
    if command is None:
        return "no daemon: its tests are skipped (IPFS_API names a running one, `make test-ipfs` installs one)"
    return f"js-ipfs {VERSION} in {cache()}" if command == _installed() else command[0]


def install() -> None:
    """Installs js-ipfs unless there is a daemon already. Packages run no scripts of theirs."""
    if program():
        return
    folder = cache()
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(PINNED / name, folder)
    print(f"installing js-ipfs {VERSION} into {folder} (some minutes, once)", file=sys.stderr)
    subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], cwd=folder, check=True)  # noqa: S607
    command = _installed()
    _init(command, folder / "repo", folder / "init.log")
    (folder / ".done").touch()


def block_file(daemon: Daemon, cid: str) -> Path:
    """The file of a block in the repository, named by the base32 of its hash."""
    if daemon.repo is None:
        raise DaemonFailed("the daemon's repository is elsewhere: set IPFS_REPO")
    name = base64.b32encode(b"\x12\x20" + digest_of(cid)).decode().rstrip("=")
    return next(daemon.repo.glob(f"blocks/*/{name}.data"))


@contextmanager
def running(folder: Path) -> Iterator[Daemon]:
    """A fresh daemon whose repository is `folder`/repo; it ends with the block. Raises DaemonFailed."""
    command = program()
    if command is None:
        raise DaemonFailed("there is no IPFS daemon: python -m scripts.ipfs install")
    repo, log = folder / "repo", folder / "daemon.log"
    if command == _installed():
        shutil.copytree(cache() / "repo", repo)  # making one takes seconds
    else:
        _init(command, repo, log)
    environment = _environment(repo) | {"CROWDPROOF_STDIN": "open"}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, "daemon", "--offline"], env=environment, stdin=subprocess.PIPE, stdout=out, stderr=out
        )
        try:
            yield Daemon(_wait(process, repo / "api", log), repo)
        finally:
            _stop(process)


def _environment(repo: Path) -> dict[str, str]:
    return os.environ | {"IPFS_PATH": str(repo), "IPFS_TELEMETRY": "off"}


def _init(command: Sequence[str], repo: Path, log: Path) -> None:
    """An empty repository whose daemon listens on one free port of loopback and knows nobody."""
    shutil.rmtree(repo, ignore_errors=True)
    made = subprocess.run(
        [*command, "init", "-e"], env=_environment(repo), capture_output=True, check=False, timeout=START_S
    )
    if made.returncode:
        log.write_bytes(made.stdout + made.stderr)
        raise DaemonFailed(f"{command[-1]} init: {_last(log)}")
    file = repo / "config"
    config = json.loads(file.read_text())
    addresses = config["Addresses"]
    addresses |= {"API": "/ip4/127.0.0.1/tcp/0", "Gateway": "", "Swarm": []}
    addresses |= {name: type(addresses[name])() for name in ("Delegates", "RPC") if name in addresses}  # js-ipfs
    config["Bootstrap"] = []
    config["Discovery"]["MDNS"]["Enabled"] = False
    file.write_text(json.dumps(config))


def _wait(process: subprocess.Popen[bytes], written: Path, log: Path) -> str:
    """The address, once the daemon answers on it."""
    deadline = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(FileNotFoundError, IndexError, httpx.HTTPError):
            api = written.read_text().strip().removesuffix("/http")
            _, _, host, _, port = api.split("/") if api.count("/") == 4 else [""] * 5
            if httpx.post(f"http://{host}:{port}/api/v0/version", trust_env=False).is_success:
                return api
        time.sleep(0.1)
    raise DaemonFailed(f"the daemon did not start: {_last(log)}")


def _last(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdin:
        process.stdin.close()


def _run(command: Sequence[str]) -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the folder goes then, too
    with tempfile.TemporaryDirectory(prefix="ipfs-") as folder, running(Path(folder)) as daemon:
        if command:
            environment = os.environ | {"IPFS_API": daemon.api, "IPFS_REPO": str(daemon.repo)}
            return subprocess.run(command, env=environment, check=False).returncode
        print(daemon.api, flush=True)
        with suppress(KeyboardInterrupt):
            while True:
                time.sleep(3600)
    return 0


def main(arguments: Sequence[str]) -> int:
    match list(arguments):
        case ["install"]:
            install()
            return 0
        case ["run"]:
            return _run([])
        case ["run", "--", *command] if command:
            return _run(command)
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
    except DaemonFailed as problem:
        sys.exit(str(problem))
