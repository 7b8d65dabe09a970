"""Backup and restore of a finished home: the copy is the home again; damaged, hostile or oversized archives give nothing."""

import hashlib
import io
import json
import random
import sqlite3
import tarfile
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from oracle.adapters import rest
from oracle.adapters.database import SqlDatabase
from oracle.adapters.rest import resting
from oracle.commands import backups, doctor
from oracle.commands.checkup import Checkup
from oracle.config import Home
from oracle.ports import Evidence
from oracle.protocol.errors import BadInput, CrowdproofError, Fatal, Refused
from oracle.services.index import Index
from oracle.services.member import Member
from tests.support.commands import Run
from tests.support.committee import Town

pytestmark = pytest.mark.sockets


@pytest.fixture(scope="module")
def archive(finished: tuple[Path, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the finished home; not to be changed."""
    file = tmp_path_factory.mktemp("backup") / "home.tar"
    backups.backup(finished[0], file)
    return file


def tree(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def nothing_left(folder: Path) -> bool:
    """Neither a home nor a piece of one."""
    return not any(folder.iterdir())


# ------------------------------------------------------------------------------------------------------------ the whole


def test_restore__a_backup__audit_and_doctor_are_content_and_it_is_the_home(
    inside: Run, finished: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    file, home = tmp_path / "home.tar", tmp_path / "new"
    made = inside("backup", "--home", finished[0], "--out", file, "--json")
    assert made.code == 0
    assert file.stat().st_mode & 0o777 == 0o600
    assert "password" in made.err
    restored = inside("restore", file, "--home", home, "--json")
    assert restored.code == 0
    assert restored.document["files"] == made.document["files"]
    assert all(file.stat().st_mode & 0o077 == 0 for file in home.rglob("*") if file.is_file())
    before, after = tree(finished[0]), tree(home)
    same = [name for name in after if not name.endswith((".db", "chain/state.json"))]
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    left_out = [name for name in before.keys() - after.keys() if not name.startswith(("chain/", "logs/"))]
    assert all(name.endswith(("lock", ".db-wal", ".db-shm")) for name in left_out), left_out
    assert {name for name in after if name.startswith("chain/")} == {"chain/chain.json", "chain/state.json"}
    audited = inside("audit", "--home", home, "--json")
    assert audited.code == 0
    assert {k: audited.document[k] for k in ("epochs", "verdicts", "answers")} == {
        "epochs": 1, "verdicts": 45, "answers": 315,
    }  # fmt: skip
    checks = [doctor._made(*check) for check in Checkup(Home(home)).checks()]
    assert [check for check in checks if not check["ok"]] == []


def test_restore__databases__hold_all_but_the_index(
    finished: tuple[Path, dict[str, Any]], archive: Path, tmp_path: Path
) -> None:
    backups.restore(archive, tmp_path / "new")
    for name in ("oracle.db", *(f"members/{n}/member.db" for n in range(1, 5))):
        before, after = (rows(folder / name) for folder in (finished[0], tmp_path / "new"))
        assert after.pop("blocks") == after.pop("logs") == []
        assert before.pop("blocks") and before.pop("logs")
        assert after == before


def rows(file: Path) -> dict[str, list[Any]]:
    with closing(sqlite3.connect(file)) as connection:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in names}  # noqa: S608


def test_backup__while_a_database_is_written__holds_one_moment_of_it(home: Path, tmp_path: Path) -> None:
    """Two rows are written in one transaction, over and over: the copy has both or none; a plain copy of the file had neither."""
    written, stop = threading.Event(), threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(home / "oracle.db", isolation_level=None)) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS pairs (n INTEGER)")
            number = 0
            while not stop.is_set():
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany("INSERT INTO pairs VALUES (?)", [(number,), (number,)])
                connection.execute("COMMIT")
                number += 1
                written.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert written.wait(10)
        backups.backup(home, tmp_path / "home.tar")
    finally:
        stop.set()
        writer.join()
    backups.restore(tmp_path / "home.tar", tmp_path / "new")
    found = rows(tmp_path / "new" / "oracle.db")["pairs"]
    assert found
    assert len(found) % 2 == 0


def test_backup__order__no_part_knows_less_than_those_before_it(home: Path, tmp_path: Path) -> None:
    backups.backup(home, tmp_path / "home.tar")
    with tarfile.open(tmp_path / "home.tar") as opened:
        names = [info.name for info in opened]
    places = [
        names.index("crowd/receipts.jsonl"),
        names.index("chain/state.json"),
        names.index("oracle.db"),
        names.index("members/1/member.db"),
        min(at for at, name in enumerate(names) if "store/" in name),
        names.index(backups.MANIFEST),
    ]
    assert places == sorted(places)
    assert places[-1] == len(names) - 1


def test_backup__without_the_password__opens_nothing_and_doctor_says_so(home: Path, tmp_path: Path) -> None:
    password = (home / "password").read_bytes()
    made = backups.backup(home, tmp_path / "home.tar", with_password=False)
    assert password not in (tmp_path / "home.tar").read_bytes()
    assert any("keep that apart" in note for note in made["notes"])
    restored = backups.restore(tmp_path / "home.tar", tmp_path / "new")
    assert any("put the password back" in note for note in restored["notes"])
    checks = {name: doctor._made(name, look) for name, look in Checkup(Home(tmp_path / "new")).checks()}
    assert [name for name, check in checks.items() if not check["ok"]] == ["secrets"]


def test_backup__postgresql_and_ipfs__says_what_is_not_in_it(home: Path, tmp_path: Path) -> None:
    settings = json.loads((home / "settings.json").read_text())
    changes = {"database": "postgresql://me:hunter2@db.example/x", "name": "one", "content": "/ip4/127.0.0.1/tcp/5001"}
    (home / "settings.json").write_text(json.dumps(settings | changes))
    notes = " ".join(backups.backup(home, tmp_path / "home.tar")["notes"])
    assert "pg_dump" in notes
    assert "IPFS" in notes
    assert "hunter2" not in notes


# -------------------------------------------------------------------------------------------------------------- refusals


def test_backup__of_no_home_or_over_a_file_or_into_the_home__is_bad_input(
    inside: Run, home: Path, tmp_path: Path
) -> None:
    (tmp_path / "there").write_text("mine")
    for place, out, words in (
        (tmp_path / "none", tmp_path / "a.tar", "nothing to back up"),
        (home, tmp_path / "there", "not overwritten"),
        (home, home / "a.tar", "lies in the home"),
        (home, tmp_path / "none" / "a.tar", "no folder"),
    ):
        ended = inside("backup", "--home", place, "--out", out)
        assert ended.is_clear()
        assert words in ended.err
    assert (tmp_path / "there").read_text() == "mine"


def test_backup__a_database_is_damaged__fatal_names_it_and_leaves_no_file(home: Path, tmp_path: Path) -> None:
    file = home / "members" / "2" / "member.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    whole = file.read_bytes()
    file.write_bytes(whole[:8192] + b"\xa5" * (len(whole) - 8192))
    (tmp_path / "out").mkdir()
    with pytest.raises(Fatal, match=r"members/2/member\.db.*keep the backups"):
        backups.backup(home, tmp_path / "out" / "home.tar")
    assert nothing_left(tmp_path / "out")


def test_backup__disk_is_full__fatal_and_leaves_no_file(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "out").mkdir()
    monkeypatch.setattr(backups.os, "fsync", full)
    with pytest.raises(Fatal, match="No space left"):
        backups.backup(home, tmp_path / "out" / "home.tar")
    assert nothing_left(tmp_path / "out")


def test_restore__into_a_used_folder__is_refused_and_it_stays(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(BadInput, match="in use"):
        backups.restore(archive, tmp_path)
    assert tree(tmp_path) == {"mine": b"mine"}


def test_restore__into_an_empty_folder__is_fine(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    assert backups.restore(archive, tmp_path / "new")["files"] > 50


def test_restore__cut_anywhere__is_refused_and_leaves_nothing(archive: Path, tmp_path: Path) -> None:
    whole, rng = archive.read_bytes(), random.Random(3)
    end = whole.rindex(backups.MANIFEST.encode())
    for length in (0, 1, 511, 512, 513, *(rng.randrange(end) for _ in range(12)), end + 600):
        broken = tmp_path / "broken.tar"
        broken.write_bytes(whole[:length])
        (tmp_path / "at").mkdir(exist_ok=True)
        with pytest.raises(BadInput, match=r"broken\.tar"):
            backups.restore(broken, tmp_path / "at" / "new")
        assert nothing_left(tmp_path / "at")


def test_restore__any_byte_changed__is_refused_or_changes_nothing(archive: Path, tmp_path: Path) -> None:
    """Some bytes of a tar mean nothing: padding. All others are covered by the manifest or by the header's own sum."""
    whole, rng = bytearray(archive.read_bytes()), random.Random(5)
    backups.restore(archive, tmp_path / "right")
    right, refused, broken = tree(tmp_path / "right"), 0, tmp_path / "broken.tar"
    for turn in range(30):
        place = rng.randrange(len(whole))
        whole[place] ^= 1 << rng.randrange(8)
        broken.write_bytes(whole)
        whole[place] = archive.read_bytes()[place]
        try:
            backups.restore(broken, tmp_path / f"new{turn}")
        except BadInput:
            refused += 1
            assert not (tmp_path / f"new{turn}").exists()
        else:
            assert tree(tmp_path / f"new{turn}") == right
    assert refused > 20


def test_restore__a_block_changed__names_the_file(archive: Path, tmp_path: Path) -> None:
    with tarfile.open(archive) as opened:
        block = next(info for info in opened if "members/3/store" in info.name)
    whole = bytearray(archive.read_bytes())
    whole[block.offset_data] ^= 1
    (tmp_path / "broken.tar").write_bytes(whole)
    with pytest.raises(BadInput, match=f"{block.name} is damaged"):
        backups.restore(tmp_path / "broken.tar", tmp_path / "new")


def test_restore__without_the_sums__a_changed_block_comes_through(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backups, "_check_manifest", lambda *_: "now")
    test: Callable[..., None] = test_restore__a_block_changed__names_the_file
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        test(archive, tmp_path)


def regular(name: str, data: bytes = b"x") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    return info, data


def special(name: str, kind: bytes, to: str = "") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, to
    return info, b""


def sparse() -> tuple[tarfile.TarInfo, bytes]:
    """A kilobyte that says that it stands for a terabyte of zeros."""
    info, data = regular("big", b"1\n1099511627776\n0\n".ljust(512, b"\0"))
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(1 << 40)}
    return info, data


HOSTILE: dict[str, tuple[tarfile.TarInfo, bytes]] = {
    "above the folder": regular("../evil"),
    "above, later": regular("store/../../evil"),
    "absolute": regular("/evil"),
    "hidden": regular(".ssh"),
    "a dot": regular("."),
    "backslashes": regular("..\\evil"),
    "a line break": regular("a\nb"),
    "too deep": regular("a/b/c/d/e"),
    "a very long name": regular("a" * 101),
    "a folder": special("folder", tarfile.DIRTYPE),
    "a symbolic link": special("link", tarfile.SYMTYPE, "/etc"),
    "a hard link": special("link", tarfile.LNKTYPE, "settings.json"),
    "a device": special("null", tarfile.CHRTYPE),
    "a pipe": special("pipe", tarfile.FIFOTYPE),
    "holes": sparse(),
}


def packed(
    file: Path, *entries: tuple[tarfile.TarInfo, bytes], sums: dict[str, str] | None = None, mode: str = "w"
) -> Path:
    """An archive with a manifest that fits what it holds."""
    sums = sums if sums is not None else {info.name: hashlib.sha256(data).hexdigest() for info, data in entries}
    manifest = json.dumps({"format": 1, "made": "now", "files": sums}).encode()
    with tarfile.open(file, mode, format=tarfile.PAX_FORMAT) as out:
        for info, data in [*entries, regular(backups.MANIFEST, manifest)]:
            out.addfile(info, io.BytesIO(data))
    return file


@pytest.mark.parametrize("kind", HOSTILE)
def test_restore__a_hostile_entry__is_refused_and_nothing_is_written(tmp_path: Path, kind: str) -> None:
    (tmp_path / "at").mkdir()
    file = packed(tmp_path / "evil.tar", regular("settings.json", b"{}"), HOSTILE[kind])
    with pytest.raises(BadInput, match=r"evil\.tar"):
        backups.restore(file, tmp_path / "at" / "new")
    assert nothing_left(tmp_path / "at")
    assert not (tmp_path / "evil").exists()


def test_restore__without_the_rule__a_path_leaves_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backups, "_require_plain", lambda *_: None)
    (tmp_path / "at").mkdir()
    backups.restore(packed(tmp_path / "evil.tar", HOSTILE["above the folder"]), tmp_path / "at" / "new")
    assert (tmp_path / "at" / "evil").exists()


def test_restore__a_file_twice_missing_or_too_many__is_refused(tmp_path: Path) -> None:
    one, other = regular("a", b"1"), regular("a", b"2")
    for entries, sums in (
        ([one, other], None),
        ([one], {"a": hashlib.sha256(b"1").hexdigest(), "b": "0"}),
        ([one], {}),
    ):
        with pytest.raises(BadInput, match=r"a' does not belong|is missing|not in the manifest"):
            backups.restore(packed(tmp_path / "evil.tar", *entries, sums=sums), tmp_path / "new")


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_restore__a_compressed_bomb__is_not_inflated(tmp_path: Path, mode: str) -> None:
    file = packed(tmp_path / "bomb.tar", regular("zeros", bytes(30_000_000)), mode=mode)
    with pytest.raises(BadInput, match="damaged"):
        backups.restore(file, tmp_path / "new")


def test_restore__not_enough_room__is_refused_before_anything_is_written(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backups, "LEFT_FREE", 1 << 60)
    with pytest.raises(BadInput, match="MiB free"):
        backups.restore(archive, tmp_path / "new")
    assert nothing_left(tmp_path)


def test_restore__a_manifest_of_another_version_or_that_is_none__is_refused(tmp_path: Path) -> None:
    for text in (b"{}", b"[]", b"\xff", json.dumps({"format": 2, "made": "", "files": {}}).encode()):
        with tarfile.open(tmp_path / "a.tar", "w") as out:
            info, data = regular(backups.MANIFEST, text)
            out.addfile(info, io.BytesIO(data))
        with pytest.raises(CrowdproofError):
            backups.restore(tmp_path / "a.tar", tmp_path / "new")


# ----------------------------------------------------------------------------------------------------- a member's rest


def test_restore__of_a_home_on_another_s_chain__its_members_rest(home: Path, tmp_path: Path) -> None:
    for file in (home / "chain").iterdir():
        file.unlink()
    backups.backup(home, tmp_path / "home.tar")
    restored = backups.restore(tmp_path / "home.tar", tmp_path / "new")
    assert all((tmp_path / "new" / "members" / str(n) / rest.MARKER).exists() for n in range(1, 5))
    assert any("sign nothing" in note for note in restored["notes"])


def test_restore__with_its_own_chain__nobody_rests(archive: Path, tmp_path: Path) -> None:
    backups.restore(archive, tmp_path / "new")
    assert list((tmp_path / "new").rglob(rest.MARKER)) == []


def test_resting__after_a_restore__refuses_until_block_time_says_so_also_after_a_restart(tmp_path: Path) -> None:
    resting(tmp_path, 4_500)(1_000)  # not restored: nothing to wait for
    (tmp_path / rest.MARKER).touch()
    for now in (1_000, 1_001, 5_500):
        with pytest.raises(Refused, match="restored from a backup") as refused:
            resting(tmp_path, 4_500)(now)
        assert refused.value.code == "restored"
    resting(tmp_path, 4_500)(5_501)
    assert not (tmp_path / rest.MARKER).exists()
    resting(tmp_path, 4_500)(1_000)


def test_member__restored_from_an_old_backup__signs_no_second_header_and_no_receipt_until_the_first_expired(
    tmp_path: Path,
) -> None:
    """It signed a header after the backup was made. With its old database it knows nothing of that."""
    assert rival(tmp_path, resting(marked(tmp_path), 4_500)) == ["restored", "restored"]


def test_member__restored_without_its_rest__signs_against_what_it_forgot(tmp_path: Path) -> None:
    assert rival(tmp_path, lambda now: None) == ["receipted", "signed"]


def marked(folder: Path) -> Path:
    (folder / rest.MARKER).touch()
    return folder


def rival(tmp_path: Path, asked: Callable[[int], None]) -> list[str]:
    """What a restored member says to an answer for a task in the header that it forgot, and to another header of the epoch."""
    town = Town()
    try:
        town.open_job(tasks=1, answers=2)
        town.register(3)
        answers = [town.answer(offer) for offer in town.offers(1, [(0, 1), (0, 2)])]
        node = town.nodes[0]
        node.member.accept(answers[:1])
        town.close_job(1)
        first = node.member.propose(Evidence())
        assert first
        old = SqlDatabase(f"sqlite:///{tmp_path}/old.db")
        old.add_answers(node.database.answers(1))
        node.member.approve(first.header)
        node.database.close()
        node.database = old
        index = Index(town.chain, old, town.deployment, 0)
        restored = Member(town.deployment, index, old, node.content, node.signer, asked)
        town.chain.mine(seconds=60)
        said = [tried(lambda: restored.accept(answers[:1]), "receipted")]
        second = restored.propose(Evidence())
        assert second
        assert second.header != first.header
        said.append(tried(lambda: restored.approve(second.header), "signed"))
        town.chain.mine_until(first.header.valid_until + 4_500)
        third = restored.propose(Evidence())
        assert third
        assert restored.approve(third.header)
        return said
    finally:
        town.close()


def tried(act: Callable[[], object], done: str) -> str:
    try:
        act()
    except Refused as refused:
        return refused.code
    return done
