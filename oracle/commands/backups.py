"""`crowdproof backup` and `restore`: a home in one file, made while its processes run, and a home made from such a file.

home -> FILE.tar (plain tar, the manifest of SHA-256 last) -> another home. What is copied fits together by its order: a later part
may know more than those before it, never less. Workers' journals, then the chain, the oracle's database, the members', then the
stores, whose blocks never change. The index is left out, being a copy of the chain. The archive appears whole or not at all.

What an old backup breaks is liveness: the outbox gives no nonce twice; where the chain has one that the restored database does not
know, it stops with Fatal instead of paying again. A restored member rests until what it may have signed and forgotten has expired.
"""

import hashlib
import json
import os
import re
import shutil
import sqlite3
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import oracle
from oracle.adapters.rest import MARKER
from oracle.config import Home
from oracle.protocol.cids import CidMalformed, parse
from oracle.protocol.errors import BadInput, Fatal

MANIFEST = "crowdproof-backup.json"
FORMAT = 1
CHUNK = 1 << 20
MOST_MANIFEST = 1 << 30
LEFT_FREE = 64 << 20  # bytes that a restore leaves on the disk
CHAIN_PATIENCE_S = 10.0  # until a chain that has just begun has kept a state
PASSING = {"logs", "lock"}  # of the top: not kept
_TRANSIENT = re.compile(r".*(\.pid|\.part|\.sock|-wal|-shm|-journal|\.tmp)|lock|restored")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}(/[A-Za-z0-9_][A-Za-z0-9._-]{0,99}){0,3}")
SQLITE = b"SQLite format 3\0"


# --------------------------------------------------------------------------------------------------------------- backup


def backup(home: Path | None, out: Path, with_password: bool = True) -> dict[str, Any]:
    """Raises BadInput for what is no home, and for a file that exists; Fatal if something of the home cannot be copied."""
    place, file = Home.at(home), out.expanduser().absolute()
    if not place.deployment.exists():
        raise BadInput(f"{place.path} holds no deployment: there is nothing to back up")
    if file.exists() or file.is_symlink():
        raise BadInput(f"--out {file} exists already and is not overwritten: choose another name")
    if file.resolve().is_relative_to(place.path):
        raise BadInput(f"--out {file} lies in the home: choose a folder on another disk")
    with _whole(file) as opened, tempfile.TemporaryDirectory(dir=file.parent, prefix=".crowdproof-") as scratch:
        archive = _Archive(tarfile.TarFile(fileobj=opened, mode="w", format=tarfile.GNU_FORMAT))
        for name, source in _parts(place, Path(scratch), with_password):
            archive.add(name, source)
        archive.close()
    size = file.stat().st_size
    return {"file": str(file), "files": len(archive.sums), "bytes": size, "notes": _notes(place, with_password)}


def backup_text(document: dict[str, Any]) -> str:
    first = f"  {document['files']} files, {document['bytes']:,} bytes in {document['file']}"
    return "\n".join([first, *(f"  - {note}" for note in document["notes"])])


@dataclass
class _Archive:
    """The tar under way, with the sums of what is in it."""

    tar: tarfile.TarFile
    sums: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, source: Path) -> None:
        """Exactly as many bytes as the file has now; a file that shrinks meanwhile is an error of tarfile."""
        with source.open("rb") as opened:
            info = tarfile.TarInfo(name)
            info.size, info.mode = os.fstat(opened.fileno()).st_size, 0o600
            reading = _Hashed(opened)
            self.tar.addfile(info, reading)
        self.sums[name] = reading.sum.hexdigest()

    def close(self) -> None:
        made = datetime.now(UTC).isoformat(timespec="seconds")
        manifest = {"format": FORMAT, "crowdproof": oracle.__version__, "made": made, "files": self.sums}
        text = json.dumps(manifest, indent=0).encode()
        info = tarfile.TarInfo(MANIFEST)
        info.size, info.mode = len(text), 0o600
        self.tar.addfile(info, BytesIO(text))
        self.tar.close()


class _Hashed:
    def __init__(self, opened: IO[bytes]) -> None:
        self._opened, self.sum = opened, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._opened.read(size)
        self.sum.update(data)
        return data


def _parts(home: Home, scratch: Path, with_password: bool) -> Iterator[tuple[str, Path]]:
    """(name in the archive, file that holds it), in the order that the module's first lines tell."""
    left_out = PASSING | {"chain", "store"} | (set() if with_password else {"password"})
    databases = []
    for file in sorted(_files(home.path, left_out)):
        name = file.relative_to(home.path).as_posix()
        if _is_sqlite(file):
            databases.append((name, file))
        elif _NAME.fullmatch(name):  # a restore takes no other, and we give none
            yield name, file
    yield from _chain(home)
    for name, file in sorted(databases, key=lambda one: ("/" in one[0], one)):  # the oracle's, then the members'
        yield name, _copied(file, scratch)
    for store in (home.store, home.path / "models" / "store", *sorted(home.path.glob("members/*/store"))):
        yield from _blocks(home, store)


def _files(folder: Path, left_out: set[str]) -> Iterator[Path]:
    """Regular files, symbolic links and temporary ones left out; of the stores of members and models none."""
    for entry in folder.iterdir():
        if entry.name in left_out or entry.is_symlink() or _TRANSIENT.fullmatch(entry.name):
            continue
        if entry.is_dir():
            yield from _files(entry, {"store"})
        elif entry.is_file():
            yield entry


def _blocks(home: Home, store: Path) -> Iterator[tuple[str, Path]]:
    """Listed now, after the databases were copied: it holds all that they name."""
    for file in sorted(store.iterdir()) if store.is_dir() else []:
        try:
            parse(file.name)
        except CidMalformed:
            continue
        if file.is_file() and not file.is_symlink():
            yield file.relative_to(home.path).as_posix(), file


def _is_sqlite(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(len(SQLITE)) == SQLITE


def _chain(home: Home) -> Iterator[tuple[str, Path]]:
    """A local chain's newest whole state, as it would survive a kill: Anvil rewrites its own file in place."""
    saved = home.chain / "chain.json"
    if not saved.exists():
        return
    yield "chain/chain.json", saved
    end = time.monotonic() + CHAIN_PATIENCE_S
    states = (home.chain / "state.kept.json", home.chain / "state.json")
    while not (whole := [file for file in states if _is_state(file)]):
        if time.monotonic() > end:
            raise Fatal(f"no backup was made: there is no whole state of the chain in {home.chain}")
        time.sleep(0.1)
    yield "chain/state.json", whole[0]


def _is_state(file: Path) -> bool:
    try:
        return "blocks" in json.loads(file.read_bytes())
    except (OSError, ValueError, TypeError):
        return False


def _copied(database: Path, scratch: Path) -> Path:
    """By SQLite's own backup: one moment of a database that others go on writing. Without the index."""
    copy = scratch / "copy.db"
    copy.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(database, timeout=30)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")
            (verdict,) = target.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise sqlite3.DatabaseError(verdict)
            target.execute("DELETE FROM logs")
            target.execute("DELETE FROM blocks")
            target.commit()
    except sqlite3.Error as problem:
        kept = "keep the backups that you have, and see `crowdproof doctor`"
        what = " ".join(str(problem).split())
        raise Fatal(f"no backup was made: {database} cannot be copied ({what}): {kept}") from problem
    return copy


@contextmanager
def _whole(file: Path) -> Iterator[IO[bytes]]:
    """A file that appears under its name when all of it is on the disk, for its owner alone."""
    if not file.parent.is_dir():
        raise BadInput(f"--out {file}: there is no folder {file.parent}")
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        with os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as opened:
            yield opened
            opened.flush()
            os.fsync(opened.fileno())
        part.replace(file)
        _sync(file.parent)
    except OSError as problem:
        raise Fatal(f"{file}: no backup was made: {problem}") from problem
    finally:
        part.unlink(missing_ok=True)


def _notes(home: Home, with_password: bool) -> list[str]:
    settings = home.settings() if home.has_settings() else None
    notes = []
    if with_password:
        notes.append("it holds HOME/password, which opens the keystores in it: keep it where only you can read it")
    else:
        notes.append("HOME/password is not in it: keep that apart, without it no keystore opens")
    if settings and not home.database().url.startswith("sqlite:"):
        notes.append("the tables are in PostgreSQL and not in it: take pg_dump of that database before each backup")
    if settings and settings.content:
        notes.append("the blocks are in the IPFS daemon and not in it: back up its repository after each backup")
    return notes


# -------------------------------------------------------------------------------------------------------------- restore


def restore(file: Path, home: Path) -> dict[str, Any]:
    """Makes the home from an archive, or nothing. Raises BadInput for a folder in use and for an archive with any fault."""
    place = Home(home.expanduser().absolute())
    place.require_unused()
    if not file.is_file():
        raise BadInput(f"there is no file {file}")
    _require_room(file, place.path.parent)
    unpacked = Path(tempfile.mkdtemp(dir=place.path.parent, prefix=".crowdproof-restore-"))
    try:
        sums = _unpack(file, unpacked)
        made = _check_manifest(file, unpacked, sums)
        resting = _mark(unpacked)
        os.sync()
        unpacked.replace(place.path)
        _sync(place.path.parent)
    except OSError as problem:
        raise Fatal(f"{place.path}: nothing was restored: {problem.strerror or problem}") from problem
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)
    return {"home": str(place.path), "files": len(sums) - 1, "made": made, "notes": _warnings(place, resting)}


def restore_text(document: dict[str, Any]) -> str:
    first = f"  {document['files']} files in {document['home']}, as of {document['made']}"
    return "\n".join([first, *(f"  - {note}" for note in document["notes"])])


def _require_room(file: Path, folder: Path) -> None:
    if not folder.is_dir():
        raise BadInput(f"there is no folder {folder} to restore into")
    size, free = file.stat().st_size, shutil.disk_usage(folder).free
    if size + LEFT_FREE > free:
        raise BadInput(f"{folder} has {free >> 20} MiB free, the archive needs {(size + LEFT_FREE) >> 20}")


def _unpack(file: Path, folder: Path) -> dict[str, str]:
    """Name -> SHA-256 of what was written. A plain tar holds no more than its own bytes: there is nothing to inflate."""
    sums: dict[str, str] = {}
    last = "the beginning"
    try:
        with tarfile.open(file, "r:") as archive:
            for info in archive:
                _require_plain(file, info, sums)
                last = info.name
                sums[last] = _written(archive, info, folder / info.name)
                archive.members = []  # type: ignore[attr-defined]  # else each header stays in memory
    except (tarfile.TarError, EOFError, UnicodeError, ValueError, OverflowError) as problem:
        raise BadInput(f"{file} is damaged after {last}: {problem}") from None
    return sums


def _require_plain(file: Path, info: tarfile.TarInfo, seen: dict[str, str]) -> None:
    """A regular file under a plain name, once: no path leaves the folder, no link, no device, no holes that unfold."""
    plain = info.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and info.sparse is None and not info.pax_headers
    if not plain:
        raise BadInput(f"{file}: {info.name[:120]!r} is no plain file: this is no backup of ours, or it was changed")
    if not _NAME.fullmatch(info.name) or info.name in seen:
        raise BadInput(f"{file}: the name {info.name[:120]!r} does not belong in a backup")


def _written(archive: tarfile.TarFile, info: tarfile.TarInfo, target: Path) -> str:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    source, found, left = archive.extractfile(info), hashlib.sha256(), info.size
    if source is None:
        raise tarfile.ReadError(f"{info.name} has no content")
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        while left:
            data = source.read(min(CHUNK, left))
            if not data:
                raise tarfile.ReadError(f"{info.name} is cut off")
            found.update(data)
            out.write(data)
            left -= len(data)
    return found.hexdigest()


def _check_manifest(file: Path, folder: Path, sums: dict[str, str]) -> str:
    """When it was made. Raises BadInput naming a file that is not what the manifest says, or not there, or too many."""
    path = folder / MANIFEST
    try:
        if path.stat().st_size > MOST_MANIFEST:
            raise ValueError("it is too large")
        manifest = json.loads(path.read_bytes())
        wanted, made = dict(manifest["files"]), str(manifest["made"])
        known = manifest["format"] == FORMAT
    except FileNotFoundError:
        last = list(sums)[-1] if sums else "the beginning"
        raise BadInput(f"{file} is cut off or damaged after {last}: its manifest is missing") from None
    except (ValueError, KeyError, TypeError, RecursionError) as problem:
        raise BadInput(f"{file}: {MANIFEST} is damaged: {problem}") from None
    if not known:
        raise BadInput(f"{file} was made by another version of crowdproof: restore it with that")
    path.unlink()
    found = {name: digest for name, digest in sums.items() if name != MANIFEST}
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            raise BadInput(f"{file}: {name} is {_fault(name, wanted, found)}")
    return made


def _fault(name: str, wanted: dict[str, str], found: dict[str, str]) -> str:
    if name not in found:
        return "missing"
    return "damaged: its bytes are not those of the manifest" if name in wanted else "not in the manifest"


def _mark(folder: Path) -> bool:
    """Makes members rest where their chain went on without them; a local chain went back with its home."""
    if (folder / "chain" / "chain.json").exists():
        return False
    members = [keys.parent for keys in folder.glob("members/*/keys")]
    for member in members:
        (member / MARKER).touch(mode=0o600)
    return bool(members)


def _warnings(home: Home, resting: bool) -> list[str]:
    notes = ["run no second copy of this home: two outboxes or two members with the same keys stop each other"]
    if resting:
        notes.append("its members sign nothing until every header that they may have signed since has expired (90 min)")
        notes.append("a sender whose chain has transactions that this backup does not know stops: give it a new key")
    if not (home.path / "password").exists():
        notes.append(f"put the password back: {home.path / 'password'}, mode 0600")
    return notes


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
