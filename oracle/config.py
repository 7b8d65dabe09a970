"""Where a deployment's state lies and how its processes find each other: one folder, read once.

HOME/deployment.json   contracts and constants         HOME/store/        blocks, and nothing else
HOME/settings.json     endpoint, depth, addresses      HOME/oracle.db     index, assignments, receipts, outbox
                       (or a PostgreSQL and a Kubo that take the place of the .db files and of the stores)
HOME/keys/             encrypted keystores             HOME/members/N/    a member's store, database and keystore
HOME/chain/            the local chain, if it is ours  HOME/token, password   secrets, 0600
"""

import fcntl
import json
import os
import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from oracle.protocol.errors import BadInput
from oracle.protocol.plain import from_json, to_json

DEFAULT = Path("~/.crowdproof")
EMBEDDED = {"database": "", "content": "", "name": ""}  # settings that may be left out


@dataclass(frozen=True, slots=True)
class Settings:
    """`depth`: blocks below the head that count as final; `members`, `api`: where they listen.

    `database`: URL of a PostgreSQL server's database, `name` begins this home's schemas in it; `content`: address of a Kubo RPC.
    Empty: SQLite files and folders of blocks in the home.
    """

    rpc: str
    depth: int
    members: tuple[str, ...]
    api: str
    database: str = ""
    content: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class DatabasePlace:
    """Where one process's tables are."""

    url: str
    schema: str | None = None


@dataclass(frozen=True, slots=True)
class Home:
    """The folder of one deployment."""

    path: Path

    @staticmethod
    def at(path: Path | None) -> "Home":
        """The given folder, else CROWDPROOF_HOME, else ~/.crowdproof."""
        return Home((path or Path(os.environ.get("CROWDPROOF_HOME") or DEFAULT)).expanduser().resolve())

    @staticmethod
    def fresh() -> "Home":
        """A folder of its own among the temporary ones, not made yet."""
        return Home(Path(tempfile.gettempdir()).resolve() / f"crowdproof-demo-{secrets.token_hex(4)}")

    def require_unused(self) -> None:
        """Raises BadInput if something lies there already."""
        try:
            used = self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir()))
        except OSError as problem:
            raise BadInput(f"--home {self.path}: cannot be read ({problem.strerror})") from None
        if used:
            raise BadInput(f"--home {self.path} is in use: choose a fresh folder, or leave --home out")

    def create(self) -> None:
        """Makes the folder. Raises BadInput where that is impossible."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as problem:
            raise BadInput(f"--home {self.path}: cannot be made ({problem.strerror})") from None

    @property
    def store(self) -> Path:
        return self.path / "store"

    @property
    def chain(self) -> Path:
        return self.path / "chain"

    @property
    def keys(self) -> Path:
        return self.path / "keys"

    @property
    def deployment(self) -> Path:
        return self.path / "deployment.json"

    def database(self, member: int | None = None) -> DatabasePlace:
        """The oracle's tables, or those of a member. CROWDPROOF_DATABASE, or the file that CROWDPROOF_DATABASE_FILE names,

        stands above the settings: it may hold a password.
        """
        settings = self.settings() if self.has_settings() else None
        url = _from_environment("CROWDPROOF_DATABASE") or (settings.database if settings else "")
        if url and settings:
            return DatabasePlace(
                url, f"{settings.name}_oracle" if member is None else f"{settings.name}_member_{member}"
            )
        file = self.path / "oracle.db" if member is None else self.member(member).path / "member.db"
        return DatabasePlace(f"sqlite:///{file}")

    def has_settings(self) -> bool:
        return (self.path / "settings.json").exists()

    def member(self, number: int) -> "MemberHome":
        return MemberHome(self.path / "members" / str(number))

    def settings(self) -> Settings:
        """Raises BadInput when the folder is no home or its settings are broken."""
        file = self.path / "settings.json"
        try:
            found = json.loads(file.read_text("utf-8"))
            return from_json(Settings, EMBEDDED | found if isinstance(found, dict) else found, str(file))
        except FileNotFoundError:
            raise BadInput(
                f"{self.path} holds no deployment: run `crowdproof demo --home {self.path}` or deploy"
            ) from None
        except (OSError, ValueError) as problem:
            raise BadInput(f"{file}: cannot be read: {problem}") from None

    def write_settings(self, settings: Settings) -> None:
        """Only its owner reads it: an address may hold a password."""
        write_atomically(self.path / "settings.json", json.dumps(to_json(settings), indent=1) + "\n", 0o600)

    def secret(self, name: str) -> str:
        """The secret in HOME/`name`, made when it is first asked for; only its owner can read the file."""
        file = self.path / name
        if not file.exists():
            write_atomically(file, secrets.token_urlsafe(32), 0o600)
        return file.read_text("utf-8").strip()


@dataclass(frozen=True, slots=True)
class MemberHome:
    path: Path

    @property
    def store(self) -> Path:
        return self.path / "store"

    @property
    def keys(self) -> Path:
        return self.path / "keys"


def _from_environment(name: str) -> str:
    """A variable, or what stands in the file that NAME_FILE names. Raises BadInput where that cannot be read."""
    file = os.environ.get(f"{name}_FILE")
    if not file:
        return os.environ.get(name, "")
    try:
        return Path(file).read_text("utf-8").strip()
    except OSError as problem:
        raise BadInput(f"{name}_FILE: {file} cannot be read ({problem.strerror})") from None


@contextmanager
def only_one(file: Path, otherwise: str, patience_s: float = 20.0) -> Iterator[None]:
    """Holds the lock FILE until the block or the process ends. Raises BadInput with `otherwise` if another keeps it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + patience_s
    with file.open("w") as held:
        while True:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise BadInput(otherwise) from None
                time.sleep(0.05)
        yield


def write_atomically(file: Path, text: str, mode: int = 0o644) -> None:
    """The whole text or the old file, whatever happens."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    part.replace(file)
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)  # the name too
    finally:
        os.close(folder)
