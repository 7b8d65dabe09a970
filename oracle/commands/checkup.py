"""What can be broken in a home, each looked at apart: a check names one trouble, and passes over what another names.

Nothing is changed: databases are opened read-only, and only a store is written to, one block that is taken away again.
"""

import json
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path

import httpx

from oracle.adapters import anvil
from oracle.adapters.chain import RpcChain
from oracle.adapters.content import FolderStore
from oracle.adapters.contracts import Interfaces
from oracle.adapters.database import REVISION, SqlDatabase
from oracle.adapters.deployer import read_deployment_file
from oracle.adapters.rpc import to_hex
from oracle.adapters.signer import list_keystores, load_keystore
from oracle.bootstrap import MEMBER, open_content, open_database
from oracle.commands.doctor import Broken, Check, Passed
from oracle.config import Home, Settings, only_one
from oracle.ports import ContentStore
from oracle.protocol import epoch as ep
from oracle.protocol import manifest as mf
from oracle.protocol.cids import Cid, Codec, cid_of
from oracle.protocol.deployment import NOBODY, Deployment
from oracle.protocol.errors import BadInput, ChainUnavailable, ContentMissing, CrowdproofError, WrongChain
from oracle.protocol.keys import checksum
from oracle.protocol.pages import Source
from oracle.protocol.state import State, fold

LEAST_FREE = 200 << 20  # bytes
LEAST_FILES = 1_000  # that the disk can still hold
ASKED_S = 2.0  # for the word of a process
STALE_S, AHEAD_S = 900, 60  # by which the newest block may differ from this machine's clock
SQLITE = "sqlite:///"
BACKUP = "restore it from a backup (`crowdproof restore`)"


@dataclass(frozen=True)
class Checkup:
    """Holds what several checks look at."""

    home: Home

    def checks(self) -> Iterator[Check]:
        yield "disk", self.disk
        if not self.home.deployment.exists() and not self.home.has_settings():
            return
        yield "settings", self.check_settings
        yield "deployment", self.check_deployment
        yield "secrets", self.secrets
        yield "keys", self.keys
        yield "databases", self.databases
        yield "store", self.store
        yield "blocks", self.blocks
        yield "chain", self.chain
        yield "contracts on chain", self.contracts
        yield "index", self.index
        yield "clock", self.clock
        yield "outbox", self.outbox
        yield "processes", self.processes
        yield "ports of the home", self.ports
        yield "pid files", self.pid_files

    # ------------------------------------------------------------------------------------------------------ files

    def disk(self) -> str:
        free, disk = shutil.disk_usage(self.home.path).free, os.statvfs(self.home.path)
        if free < LEAST_FREE:
            raise Broken(f"only {free >> 20} MiB are free under {self.home.path}", f"make room: {LEAST_FREE >> 20} MiB")
        if disk.f_files and disk.f_favail < LEAST_FILES:
            raise Broken(f"the disk of {self.home.path} can hold no more files", "delete files: each block is one")
        return f"{free >> 20:,} MiB are free"

    def check_settings(self) -> str:
        try:
            settings = self.home.settings()
        except BadInput as problem:
            raise Broken(str(problem), f"{BACKUP}, or write it anew: endpoint, depth, addresses") from None
        return f"{len(settings.members)} members, depth {settings.depth}"

    def check_deployment(self) -> str:
        try:
            found, _ = read_deployment_file(self.home.deployment)
        except BadInput as problem:
            raise Broken(str(problem), BACKUP) from None
        return f"Market {checksum(found.market)} on chain {found.chain_id}"

    def secrets(self) -> str:
        for name in ("token", "password"):
            file = self.home.path / name
            if not file.exists() and any(self.home.path.rglob("keys/*.json")):
                raise Broken(f"{file} is missing", f"{BACKUP}; without the password no keystore opens")
            if file.exists() and not file.read_bytes().strip():
                raise Broken(f"{file} is empty", BACKUP)
            if file.exists():
                _require_private(file)
        if self.home.path.stat().st_mode & 0o022:
            raise Broken(f"others may write to {self.home.path}", f"chmod go-w {self.home.path}")
        return "token and password are the owner's alone"

    def keys(self) -> str:
        files = sorted(self.home.path.rglob("keys/*.json"))
        for file in files:
            _require_private(file)
            if file.stem not in dict(list_keystores(file.parent)):
                raise Broken(f"{file} is no keystore", BACKUP)
        for number in self._members():
            self._opens(number)
        return f"{len(files)} keystores"

    def _opens(self, number: int) -> None:
        """Passed over without the password: `secrets` says that."""
        file = self.home.member(number).keys / f"{MEMBER}.json"
        if not file.exists():
            raise Broken(f"member {number} has no keystore {file}", BACKUP)
        secret = self.home.path / "password"
        password = secret.read_text("utf-8").strip() if secret.exists() else ""
        if not password:
            return
        try:
            signer = load_keystore(file, password)
        except BadInput as problem:
            raise Broken(str(problem), f"bring back the HOME/password of that key, or {BACKUP}") from None
        with suppress(Passed):
            if signer.address not in self._deployment.committee.members:
                raise Broken(f"the key in {file} is no member of the committee", "put back the key that is one")

    # -------------------------------------------------------------------------------------------------- databases

    def databases(self) -> str:
        numbers = (None, *self._members())
        for number in numbers:
            self._check_database(number)
        return f"{len(numbers)} whole, of revision {REVISION}"

    def _check_database(self, number: int | None) -> None:
        """The oracle's, or a member's."""
        try:
            url = self.home.database(number).url
        except BadInput:
            raise Passed("settings.json is broken") from None
        if url.startswith(SQLITE):
            _check_sqlite(_who(number), Path(url.removeprefix(SQLITE)))
        else:
            self._server(number)

    def _server(self, number: int | None) -> None:
        """That a database server answers."""
        name = _who(number)
        try:
            with closing(open_database(self.home, number)) as database:
                database.claims()
        except CrowdproofError as problem:
            mend = "start the server, or mend `database` in settings.json or CROWDPROOF_DATABASE"
            raise Broken(f"the database of {name}: {problem}", mend) from None

    # ------------------------------------------------------------------------------------------------------ store

    def store(self) -> str:
        if self._settings.content:
            return self._daemon()
        count = 0
        for folder in self._stores():
            if not folder.is_dir():
                raise Broken(f"the store {folder} is missing", f"mount its disk, or {BACKUP}")
            if not folder.stat().st_mode & 0o200:
                raise Broken(f"the store {folder} is write-protected", f"chmod u+w {folder}")
            content = FolderStore(folder)
            try:
                content.require_writable()
            except CrowdproofError as problem:
                raise Broken(str(problem), "then look again") from None
            broken = [f"{file}: {what}" for file, what in content.verify_all()]
            if broken:
                copy = f"delete them and copy them from another member's store, or {BACKUP}"
                raise Broken(f"{folder}: " + "; ".join(broken[:3]) + f" ({len(broken)} in all)", copy)
            count += 1
        return f"every block of {count} stores is what its name says"

    def _daemon(self) -> str:
        try:
            open_content(self.home).has(cid_of(b"", Codec.RAW))
        except CrowdproofError as problem:
            raise Broken(str(problem), "start the IPFS daemon, or mend `content` in settings.json") from None
        return "the IPFS daemon answers"

    def blocks(self) -> str:
        """Whether each store holds what the epochs of the chain, and the jobs that they decide, are made of."""
        state = self._state
        stores = [None] if self._settings.content else [folder for folder in self._stores() if folder.is_dir()]
        for folder in stores:
            content = open_content(self.home) if folder is None else FolderStore(folder)
            missing = _missing(content, state)
            if missing:
                where = folder or "the IPFS daemon"
                what = f"{where} lacks {len(missing)} blocks of posted epochs, the first {missing[0]}"
                raise Broken(what, f"copy them from another member's store, or {BACKUP}")
        return f"{len(state.posts)} epochs are held whole"

    # ------------------------------------------------------------------------------------------------------ chain

    def chain(self) -> str:
        if self._url is None:
            if self._awake:
                raise Broken("the home's local chain is stopped while its processes run", "crowdproof chain start")
            _check_saved(self.home.chain)
            return "the home's local chain is stopped; what needs it starts it"
        with self._chain() as chain:
            try:
                return f"{chain.rpc.endpoint} is at block {chain.latest().number}"
            except WrongChain as problem:
                raise Broken(str(problem), "mend `rpc` in settings.json, or the deployment.json") from None
            except ChainUnavailable as problem:
                raise Broken(str(problem), "start the node, or mend `rpc` in settings.json") from None

    def contracts(self) -> str:
        found = self._deployment
        names = {"Market": found.market, "Workers": found.workers, "token": found.token}
        names |= {"Committee": found.committee.address, "Referee": found.referee}
        names |= {"Disputes": found.disputes, "Hatch": found.hatch}
        names = {name: address for name, address in names.items() if address != NOBODY}
        with self._reached() as chain:
            codes = chain.rpc.batch([("eth_getCode", [to_hex(address), "latest"]) for address in names.values()])
        gone = [
            f"{name} {checksum(names[name])}" for name, code in zip(names, codes, strict=True) if code in ("0x", None)
        ]
        if gone:
            what = f"there is no code at {', '.join(gone)}"
            raise Broken(what, f"the chain was reset, or it is another with the same id: deploy again, or {BACKUP}")
        return f"{len(names)} have code"

    def index(self) -> str:
        """Whether the chain still has what was read of it."""
        newest = self._newest
        if newest < 0:
            return "no block is indexed yet"
        if self._url is None:
            return f"indexed up to block {newest}"
        with self._reached() as chain:
            head = chain.latest().number
        if head < newest:
            what = f"the chain is at block {head}, behind block {newest} that was indexed"
            mend = "a node that catches up: wait; a local chain that lost blocks: `crowdproof up` makes them anew"
            raise Broken(what, mend)
        return f"indexed up to block {newest} of {head}"

    def clock(self) -> str:
        if self._url is None:
            raise Passed("the chain is stopped")
        with self._reached() as chain:
            if anvil.is_local(self._url):
                return "a local chain has its own time"
            late = int(time.time()) - chain.latest().timestamp
        if late < -AHEAD_S:
            raise Broken(f"this machine's clock is {-late} s behind the newest block", "set the clock (NTP)")
        if late > STALE_S:
            what = f"the newest block is {late} s old by this machine's clock"
            raise Broken(what, "set the clock (NTP), or name a node that follows its chain in settings.json")
        return f"the newest block is {late} s old"

    def outbox(self) -> str:
        waiting = []
        with self._oracle_database() as database:
            for name, address in list_keystores(self.home.keys):
                waiting += [
                    f"{sent.what!r} of {name} (nonce {sent.nonce})" for sent in database.sent(address, None, True)
                ]
        if waiting:
            what = f"{len(waiting)} transactions are not mined: " + ", ".join(waiting[:3])
            raise Broken(what, "`crowdproof up` sends them until they are; look again in a minute")
        return "every transaction has its outcome"

    # -------------------------------------------------------------------------------------------------- processes

    def processes(self) -> str:
        """Whether all run, if one of them does."""
        if not self._awake:
            return "none runs: `crowdproof up` starts them"
        silent = [f"{name} at {url}" for name, url in self._served() if self._answers[url] == "silent"]
        if silent:
            what = f"not answering: {', '.join(silent)}"
            raise Broken(what, "`crowdproof up` starts what died; HOME/logs says why")
        return f"{len(self._answers)} answer"

    def ports(self) -> str:
        taken = [f"{url} of {name}" for name, url in self._served() if self._answers[url] == "foreign"]
        if taken:
            mend = "stop the program that answers there, or choose another port in settings.json"
            raise Broken(f"another program listens at {', '.join(taken)}", mend)
        return "none is taken by another program"

    def pid_files(self) -> str:
        for file in sorted(self.home.path.rglob("*.pid")):
            running = anvil.status(self.home.chain) if file.name == "anvil.pid" else _alive(file)
            if not running:
                raise Broken(f"{file} names a process that is not there any more", f"rm {file}")
        return "none is left over"

    # ----------------------------------------------------------------------------------------- what several need

    @cached_property
    def _settings(self) -> Settings:
        try:
            return self.home.settings()
        except BadInput:
            raise Passed("settings.json is broken") from None

    @cached_property
    def _deployment(self) -> Deployment:
        try:
            return read_deployment_file(self.home.deployment)[0]
        except BadInput:
            raise Passed("deployment.json is broken") from None

    def _members(self) -> list[int]:
        """Those that live in this home; the others are elsewhere, with their own."""
        try:
            urls = self._settings.members
        except Passed:
            return []
        here = (self.home.path / "members").is_dir()
        return [number for number, url in enumerate(urls, 1) if here and _is_loopback(url)]

    def _stores(self) -> list[Path]:
        return [self.home.store, *(self.home.member(number).store for number in self._members())]

    def _oracle_database(self) -> closing[SqlDatabase]:
        """Opened only if that changes nothing."""
        try:
            self._check_database(None)
            return closing(open_database(self.home))
        except (Broken, CrowdproofError):
            raise Passed("the database is broken") from None

    @cached_property
    def _state(self) -> State:
        with self._oracle_database() as database:
            return fold(self._deployment.digest(), database.logs())

    @cached_property
    def _newest(self) -> int:
        with self._oracle_database() as database:
            newest = database.blocks(1)
        return newest[-1].number if newest else -1

    @cached_property
    def _url(self) -> str | None:
        """None: the home's own chain, which is stopped."""
        rpc = self._settings.rpc
        if not (self.home.chain / "chain.json").exists():
            return rpc
        try:
            running = anvil.status(self.home.chain)
        except BadInput as problem:
            raise Broken(str(problem), BACKUP) from None
        except ChainUnavailable as problem:
            raise Broken(str(problem), "crowdproof chain stop, then crowdproof chain start") from None
        return running.url if running else None

    def _chain(self) -> closing[RpcChain]:
        return closing(RpcChain(self._url or "", Interfaces({}), self._deployment.chain_id, timeout=5, attempts=1))

    def _reached(self) -> closing[RpcChain]:
        """For the checks that need the chain; `chain` says why when there is none."""
        try:
            if self._url is None:
                raise Passed("the chain is stopped")
            with self._chain() as chain:
                chain.latest()
        except (Broken, CrowdproofError):
            raise Passed("the chain is not reached") from None
        return self._chain()

    def _served(self) -> list[tuple[str, str]]:
        """(who, URL) of the API and the members that live here."""
        found = [(f"member {number}", self._settings.members[number - 1]) for number in self._members()]
        return [*found, *([("the API", self._settings.api)] if self._settings.api else [])]

    @cached_property
    def _answers(self) -> dict[str, str]:
        """By URL: ours, silent, foreign."""
        with httpx.Client(timeout=ASKED_S, trust_env=False) as client:
            return {url: _answer(client, url) for _, url in self._served()}

    @cached_property
    def _awake(self) -> bool:
        """Whether anything of this home runs."""
        if "ours" in self._answers.values():
            return True
        try:
            with only_one(self.home.path / "lock", "", patience_s=0.0):
                return False
        except BadInput:
            return True


def _who(number: int | None) -> str:
    return "the oracle" if number is None else f"member {number}"


def _require_private(file: Path) -> None:
    mode = file.stat().st_mode & 0o777
    if mode & 0o077:
        raise Broken(f"others may read {file} (mode {mode:04o})", f"chmod 600 {file}; it may be known: make a new one")


def _check_sqlite(name: str, file: Path) -> None:
    restored = f"stop {name} and {BACKUP}; do not start it on a new one, it would forget what it signed"
    if not file.exists():
        raise Broken(f"the database of {name}, {file}, is missing", restored)
    if not file.stat().st_mode & 0o200 or not os.access(file.parent, os.W_OK):
        raise Broken(f"the database of {name}, {file}, is write-protected", f"chmod u+w {file}")
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=10)) as connection:
            (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
            if verdict != "ok":
                raise Broken(f"the database of {name}, {file}, is damaged: {' '.join(verdict.split())}", restored)
            revision = [row[0] for row in connection.execute("SELECT version_num FROM alembic_version")]
    except sqlite3.Error as problem:
        raise Broken(f"the database of {name}, {file}, is damaged: {problem}", restored) from None
    if revision != [REVISION]:
        found = ", ".join(map(str, revision)) or "none"
        mend = "older: the next start brings it up; newer: use the crowdproof that wrote it"
        raise Broken(f"the database of {name}, {file}, has revision {found}, not {REVISION}", mend)


def _check_saved(folder: Path) -> None:
    """That a stopped local chain can start again: its settings, and one whole copy of its state."""
    reset = f"{BACKUP}; `crowdproof chain reset` begins an empty chain, without the contracts"
    if not _is_json(folder / "chain.json", ("port", "chain_id", "genesis")):
        raise Broken(f"{folder / 'chain.json'} is damaged", reset)
    states = [file for file in (folder / "state.json", folder / "state.kept.json") if file.exists()]
    if states and not any(_is_json(file, ("blocks",)) for file in states):
        raise Broken(f"no copy of the chain's state in {folder} is whole", reset)


def _is_json(file: Path, fields: tuple[str, ...]) -> bool:
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and all(field in content for field in fields)


def _missing(content: ContentStore, state: State) -> list[Cid]:
    missing: list[Cid] = []

    def get(cid: Cid) -> bytes:
        try:
            return content.get(cid)
        except ContentMissing:
            missing.append(cid)
            raise

    source = Source(get, lambda _: None)
    decided = set()
    for post in state.posts.values():
        epoch, _ = ep.load(source, post.epoch, post.content)
        decided |= {verdict.job for verdict in epoch.verdicts} if epoch else set()
    for job in decided & state.jobs.keys():
        mf.load_job(source, 0, state.jobs[job].terms)
    return missing


def _answer(client: httpx.Client, url: str) -> str:
    try:
        response = client.get(f"{url}/health")
        return "ours" if response.status_code == 200 and response.json().get("status") == "ok" else "foreign"
    except httpx.RemoteProtocolError:
        return "foreign"
    except httpx.HTTPError:
        return "silent"
    except (ValueError, AttributeError):
        return "foreign"


def _is_loopback(url: str) -> bool:
    host = httpx.URL(url).host
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


def _alive(file: Path) -> bool:
    try:
        os.kill(int(file.read_text()), 0)
    except (OSError, ValueError, OverflowError):
        return False
    return True
