"""Doctor: a finished home is broken in one way, and exactly the check that is meant for it fails, says what, and how to mend it."""

import json
import os
import shutil
import socket
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from oracle.adapters import anvil
from oracle.commands import checkup, doctor
from oracle.commands.checkup import Checkup
from oracle.config import Home
from tests.support.commands import Run
from tests.support.serving import served

pytestmark = pytest.mark.sockets


def found(home: Path) -> dict[str, dict[str, Any]]:
    """Every check of the home, by name."""
    return {name: doctor._made(name, look) for name, look in Checkup(Home(home)).checks()}


def only(home: Path, name: str) -> str:
    """What the one check that fails says, and how to mend it."""
    broken = {check["name"]: check for check in found(home).values() if not check["ok"]}
    assert set(broken) == {name}, broken
    assert broken[name]["mend"]
    return f"{broken[name]['what']} | {broken[name]['mend']}"


def largest(store: Path) -> Path:
    return max(store.iterdir(), key=lambda file: file.stat().st_size)


def flip(file: Path, place: int) -> None:
    with file.open("r+b") as opened:
        opened.seek(place)
        byte = opened.read(1)
        opened.seek(place)
        opened.write(bytes([byte[0] ^ 0xFF]))


def settled(home: Path, member: int | None = None) -> Path:
    """A database's file with all that was written in it: no WAL beside it."""
    file = home / "oracle.db" if member is None else home / "members" / str(member) / "member.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    return file


# ------------------------------------------------------------------------------------------------------------- nothing


def test_doctor__finished_home__every_check_is_ok_and_nothing_is_changed(home: Path) -> None:
    before = {file: file.read_bytes() for file in home.rglob("*") if file.is_file() and ".db" not in file.name}
    checks = found(home)
    assert [check for check in checks.values() if not check["ok"]] == []
    assert len(checks) == 16
    assert checks["blocks"]["what"] == "1 epochs are held whole"
    assert before == {file: file.read_bytes() for file in home.rglob("*") if file.is_file() and ".db" not in file.name}


def test_doctor__chain_is_running__looks_at_it_too(home: Path) -> None:
    anvil.start(home / "chain")
    checks = found(home)
    assert [check for check in checks.values() if not check["ok"]] == []
    assert checks["contracts on chain"]["what"] == "7 have code"
    assert " of " in checks["index"]["what"]


def test_doctor__through_the_command__names_what_and_how_to_mend_it(inside: Run, home: Path) -> None:
    (home / "token").chmod(0o644)
    ended = inside("doctor", "--home", home)
    assert ended.code == 1
    assert f"FAIL  secrets: others may read {home / 'token'} (mode 0644)" in ended.out
    assert f"mend: chmod 600 {home / 'token'}" in ended.out


# --------------------------------------------------------------------------------------------------------------- files


def write(name: str, text: str) -> Callable[[Path], Any]:
    return lambda home: (home / name).write_text(text)


def unlink(name: str) -> Callable[[Path], Any]:
    return lambda home: (home / name).unlink()


def swap_keys(home: Path) -> None:
    one, two = (home / "members" / number / "keys" / "member.json" for number in "12")
    shutil.copy(home / "keys" / "relayer.json", one)
    assert two.exists()


def older(home: Path) -> None:
    with closing(sqlite3.connect(home / "oracle.db")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
        connection.commit()


def fill_middle(home: Path) -> None:
    file = settled(home, 3)
    whole = file.read_bytes()
    file.write_bytes(whole[:8192] + b"\xa5" * 8192 + whole[16384:])


def cut_states(home: Path) -> None:
    for name in ("state.json", "state.kept.json"):
        os.truncate(home / "chain" / name, 100)


BREAKS: dict[str, tuple[Callable[[Path], Any], str, str]] = {
    "settings are cut off": (write("settings.json", '{"rpc": "http'), "settings", "settings.json"),
    "settings are gone": (unlink("settings.json"), "settings", "holds no deployment"),
    "deployment is no JSON": (write("deployment.json", "{]"), "deployment", "line 1, column 2"),
    "deployment is gone": (unlink("deployment.json"), "deployment", "there is no"),
    "password is gone": (unlink("password"), "secrets", "password is missing"),
    "password is empty": (write("password", " \n"), "secrets", "is empty"),
    "token is open": (lambda home: (home / "token").chmod(0o640), "secrets", "chmod 600"),
    "the home is open": (lambda home: home.chmod(0o777), "secrets", "chmod go-w"),
    "a keystore is open": (lambda home: (home / "keys/relayer.json").chmod(0o644), "keys", "relayer.json (mode 0644)"),
    "a keystore is cut off": (write("keys/requester.json", '{"version": 3'), "keys", "requester.json is no keystore"),
    "a member's keystore is gone": (unlink("members/2/keys/member.json"), "keys", "member 2 has no keystore"),
    "another password": (write("password", "another"), "keys", "member.json does not open"),
    "a member's key is another": (swap_keys, "keys", "no member of the committee"),
    "database is gone": (unlink("oracle.db"), "databases", "oracle.db, is missing"),
    "a member's database is gone": (unlink("members/4/member.db"), "databases", "would forget what it signed"),
    "database header is damaged": (lambda home: flip(settled(home), 3), "databases", "not a database"),
    "a page of a member's database is damaged": (fill_middle, "databases", "of member 3"),
    "database is older": (older, "databases", "revision 0001, not"),
    "database is write-protected": (lambda home: settled(home).chmod(0o444), "databases", "chmod u+w"),
    "a block is damaged": (lambda home: flip(largest(home / "store"), 100), "store", "hash to"),
    "a member's block is damaged": (lambda home: flip(largest(home / "members/1/store"), 9), "store", "members/1/store"),
    "a strange file in the store": (write("store/notes.txt", "x"), "store", "notes.txt"),
    "the store is gone": (lambda home: shutil.rmtree(home / "members/3/store"), "store", "members/3/store is missing"),
    "the store is write-protected": (lambda home: (home / "store").chmod(0o555), "store", "chmod u+w"),
    "a block of an epoch is missing": (lambda home: largest(home / "store").unlink(), "blocks", "lacks 1 blocks"),
    "a member lacks a block": (lambda home: largest(home / "members/2/store").unlink(), "blocks", "members/2/store"),
    "a pid file is left": (write("chain/anvil.pid", "1"), "pid files", "rm "),
    "a pid file of ours is left": (write("settler.pid", "4194300"), "pid files", "settler.pid"),
    "the chain's state is cut off": (cut_states, "chain", "no copy of the chain's state"),
    "a chain file is damaged": (write("chain/chain.json", "{"), "chain", "chain.json is damaged"),
}  # fmt: skip


@pytest.mark.parametrize("way", BREAKS)
def test_doctor__one_thing_broken__that_check_alone_fails(home: Path, way: str) -> None:
    brk, name, words = BREAKS[way]
    brk(home)
    said = only(home, name)
    assert words in said
    assert str(home) in said or name == "deployment"


def test_doctor__disk_nearly_full__says_how_much_is_needed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkup, "LEAST_FREE", 1 << 60)
    assert "MiB are free" in only(home, "disk")


def test_doctor__store_on_a_read_only_file_system__says_so(home: Path) -> None:
    with read_only(home / "store"):
        assert "read-only" in only(home, "store")


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """The folder, bound to itself read-only; only root can."""
    bound = ["mount", "--bind", str(folder), str(folder)]
    if os.geteuid() or subprocess.run(bound, check=False, capture_output=True).returncode:  # noqa: S603
        pytest.skip("nothing can be mounted here")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], check=True)  # noqa: S603, S607
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)  # noqa: S603, S607


# ------------------------------------------------------------------------------------------------- chain and processes


def change_settings(home: Path, **changes: Any) -> None:
    file = home / "settings.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def without_chain(home: Path) -> None:
    """A home whose chain is somebody else's."""
    shutil.rmtree(home / "chain")


def test_doctor__endpoint_is_down__chain_fails(home: Path) -> None:
    without_chain(home)
    change_settings(home, rpc=f"http://127.0.0.1:{free_port()}")
    assert "not reached" in only(home, "chain")


def test_doctor__another_chain__says_both_ids(home: Path, tmp_path: Path) -> None:
    other = anvil.start(tmp_path / "other")
    try:
        without_chain(home)
        change_settings(home, rpc=other.url)
        assert str(other.chain_id) in only(home, "chain")
    finally:
        anvil.stop(tmp_path / "other")


def test_doctor__chain_of_the_same_id_without_our_contracts__contracts_fail(home: Path) -> None:
    saved = json.loads((home / "chain" / "chain.json").read_text())
    for name in ("state.json", "state.kept.json"):
        (home / "chain" / name).unlink()
    chain = anvil.start(home / "chain")
    for _ in range(30):
        anvil.warp(chain.url, 1)
    assert chain.chain_id == saved["chain_id"]
    said = only(home, "contracts on chain")
    assert "Market" in said


def test_doctor__chain_behind_the_index__says_by_how_much(home: Path) -> None:
    with closing(sqlite3.connect(home / "oracle.db")) as connection:
        connection.execute("UPDATE blocks SET number = number + 1000 WHERE number = (SELECT max(number) FROM blocks)")
        connection.commit()
    anvil.start(home / "chain")
    assert "behind block 10" in only(home, "index")


@pytest.mark.parametrize(("seconds", "words"), [(-3_600, "clock is 3"), (7_200, "s old by this machine's clock")])
def test_doctor__clock_off__on_a_chain_of_its_own_time(
    home: Path, monkeypatch: pytest.MonkeyPatch, seconds: int, words: str
) -> None:
    chain = anvil.start(home / "chain")
    monkeypatch.setattr(anvil, "is_local", lambda url: False)
    newest = Checkup(Home(home))._reached()
    with newest as opened:
        moment = opened.latest().timestamp
    monkeypatch.setattr(checkup.time, "time", lambda: moment + seconds)
    assert words in only(home, "clock")
    assert chain.url


def test_doctor__transaction_without_an_outcome__is_named(home: Path) -> None:
    with closing(sqlite3.connect(home / "oracle.db")) as connection:
        newest = "rowid = (SELECT max(rowid) FROM outbox WHERE kind = 'post')"
        connection.execute(f"UPDATE outbox SET block = NULL, succeeded = NULL, gas = NULL WHERE {newest}")  # noqa: S608
        connection.commit()
    said = only(home, "outbox")
    assert "1 transactions are not mined" in said
    assert "of relayer" in said


def test_doctor__some_processes_answer_and_others_not__names_the_silent(home: Path) -> None:
    with served(lambda _: b'{"status": "ok"}') as one, served(lambda _: b'{"status": "ok"}') as two, hanging() as three:
        dead = f"http://127.0.0.1:{free_port()}"
        change_settings(home, members=[one, dead, two, three], api=one)
        anvil.start(home / "chain")
        said = only(home, "processes")
    assert f"member 2 at {dead}, member 4 at {three}" in said


def test_doctor__processes_run_and_the_chain_does_not__chain_fails(home: Path) -> None:
    with served(lambda _: b'{"status": "ok"}') as one:
        change_settings(home, members=[one] * 4, api=one)
        assert "stopped while its processes run" in only(home, "chain")


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}"])
def test_doctor__port_taken_by_another_program__is_named(home: Path, body: bytes) -> None:
    with served(lambda _: body) as other:
        change_settings(home, api=other)
        assert f"{other} of the API" in only(home, "ports of the home")


def test_doctor__database_server_is_down__says_so_without_the_password(home: Path) -> None:
    url = f"postgresql://crowdproof:hunter2@127.0.0.1:{free_port()}/crowdproof"
    change_settings(home, database=url, name="home1")
    said = only(home, "databases")
    assert "127.0.0.1" in said
    assert "hunter2" not in said


def test_doctor__ipfs_daemon_is_down__says_so(home: Path) -> None:
    change_settings(home, content=f"/ip4/127.0.0.1/tcp/{free_port()}/http")
    assert "start the IPFS daemon" in only(home, "store")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def hanging() -> Iterator[str]:
    """Takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
