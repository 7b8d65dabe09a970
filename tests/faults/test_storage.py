"""Disks that are full, read-only, gone or damaged: nothing is signed that is not durable, it is said in our words, and it goes on.

Small file systems are mounted where that is allowed; elsewhere those tests are skipped, and limits of the process stand for them.
"""

import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from oracle.adapters.content import FolderStore, StoreUnavailable
from oracle.adapters.database import SqlDatabase
from oracle.ports import Evidence
from oracle.protocol.cids import Codec
from oracle.protocol.errors import ContentMissing, CrowdproofError, Fatal, Retryable
from tests.support.committee import Node, Town

ROOT = Path(__file__).parents[2]
MIB = 1 << 20


@contextmanager
def mounted(place: Path, size: int) -> Iterator[Path]:
    """A file system of `size` bytes, in memory."""
    place.mkdir()
    made = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    if os.geteuid() or subprocess.run(made, check=False, capture_output=True).returncode:  # noqa: S603
        pytest.skip("nothing can be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)  # noqa: S603, S607


def remount(place: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(place)], check=True)  # noqa: S603, S607


def fill(folder: Path) -> Path:
    """A file that takes all the room that is left."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as out:
        for size in (MIB, 4096, 1):
            try:
                while out.write(bytes(size)):
                    pass
            except OSError:
                continue
    return ballast


# --------------------------------------------------------------------------------------------------------------- store


def blocks(seed: int, count: int, size: int = 20_000) -> list[tuple[bytes, Codec]]:
    rng = random.Random(seed)
    return [(rng.randbytes(size), Codec.RAW) for _ in range(count)]


def test_put_many__disk_is_full__says_so_keeps_whole_blocks_only_and_goes_on_after(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", MIB) as disk:
        store = FolderStore(disk / "store")
        kept = store.put_many(blocks(1, 5))
        ballast = fill(disk)
        with pytest.raises(StoreUnavailable, match=r"disk/store: cannot write .*the disk is full: free some space"):
            store.put_many(blocks(2, 5))
        with pytest.raises(StoreUnavailable, match="disk is full"):
            store.require_writable()
        assert sorted(store.cids()) == sorted(kept)
        assert list(store.verify_all()) == list((disk / "store.tmp").iterdir()) == []
        ballast.unlink()
        assert all(store.get(cid) for cid in store.put_many(blocks(2, 5)))
        store.require_writable()


def test_put_many__written_in_place__a_full_disk_leaves_half_a_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other half: what the temporary folder is for."""

    def in_place(self: FolderStore, data: bytes) -> Path:
        target = self.path / "bafkreictn6yuaex6hm3jejakdzklfmdkelfwpeczdtxvy7kdb5v75uydma"
        with target.open("wb", buffering=0) as out:
            for at in range(0, len(data), 4096):
                out.write(data[at : at + 4096])
        return target

    with mounted(tmp_path / "disk", MIB) as disk:
        store = FolderStore(disk / "store")
        store.put_many(blocks(1, 1))
        ballast = fill(disk)
        os.truncate(ballast, ballast.stat().st_size - 8192)
        monkeypatch.setattr(FolderStore, "_stage", in_place)
        with pytest.raises(StoreUnavailable):
            store.put_many(blocks(2, 1))
        assert len(list(store.verify_all())) == 1


def test_put__read_only_file_system__says_so_reads_on_and_writes_again_later(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", MIB) as disk:
        store = FolderStore(disk / "store")
        cid = store.put(b"before", Codec.RAW)
        remount(disk, "ro")
        for act in (lambda: store.put(b"now", Codec.RAW), store.require_writable):
            with pytest.raises(StoreUnavailable, match=r"disk/store: cannot write .*mount it for writing"):
                act()
        assert store.get(cid) == b"before"
        remount(disk, "rw")
        assert store.get(store.put(b"now", Codec.RAW)) == b"now"


def test_put_and_get__store_is_gone__says_so_and_makes_no_new_one(tmp_path: Path) -> None:
    """A disk that is not mounted any more: an empty store in its place would hide that every block is missing."""
    store = FolderStore(tmp_path / "store")
    cid = store.put(b"a", Codec.RAW)
    (tmp_path / "store").rename(tmp_path / "away")
    for act in (lambda: store.put(b"b", Codec.RAW), lambda: store.get(cid), store.require_writable):
        with pytest.raises(StoreUnavailable, match="was there and is gone: mount its disk again"):
            act()
    assert not (tmp_path / "store").exists()
    (tmp_path / "away").rename(tmp_path / "store")
    assert store.get(cid) == b"a"
    assert store.get(store.put(b"b", Codec.RAW)) == b"b"


def test_put__store_is_gone_and_nobody_remembers__a_new_one_hides_it(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    cid = store.put(b"a", Codec.RAW)
    (tmp_path / "store").rename(tmp_path / "away")
    store._was_there = False
    store.put(b"b", Codec.RAW)
    with pytest.raises(ContentMissing):
        store.get(cid)


KILLED = """
import os, signal, sys
from pathlib import Path
from oracle.adapters.content import FolderStore
from oracle.protocol.cids import Codec
left, sync = int(sys.argv[2]), os.fsync
def killing(descriptor):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    sync(descriptor)
store = FolderStore(Path(sys.argv[1]))
os.fsync = killing
store.put_many((bytes([n]) * 50_000, Codec.RAW) for n in range(3))
"""


def python(script: str, *words: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", script, *map(str, words)]
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=120)  # noqa: S603


@pytest.mark.parametrize("sync", [1, 3, 5, 6])
def test_put_many__killed_at_a_sync__leaves_no_half_block(tmp_path: Path, sync: int) -> None:
    """Syncs of this call: two new folders, three files, the store's folder."""
    assert python(KILLED, tmp_path / "store", sync).returncode == -9
    store = FolderStore(tmp_path / "store")
    assert list(store.verify_all() if store.path.exists() else []) == []
    assert len(store.put_many((bytes([n]) * 50_000, Codec.RAW) for n in range(3))) == 3
    assert list(store.verify_all()) == []


LIMITED = """
import resource, sys
from pathlib import Path
from oracle.adapters.content import FolderStore
from oracle.adapters.database import SqlDatabase
from oracle.protocol.cids import Codec
from oracle.protocol.errors import CrowdproofError
database, store = SqlDatabase(f"sqlite:///{sys.argv[1]}/a.db"), FolderStore(Path(sys.argv[1]) / "store")
database.add_claims(range(10))
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
for name, write in (("store", lambda: store.put(bytes(400_000), Codec.RAW)),
                    ("database", lambda: [database.add_claims(range(n, n + 5000)) for n in range(10, 200_000, 5000)])):
    try:
        write()
    except CrowdproofError as problem:
        print(type(problem).__name__, problem)
print(len(database.claims()) % 5000)
"""


def test_writes__over_the_limit_of_a_file__are_refused_in_our_words(tmp_path: Path) -> None:
    ended = python(LIMITED, tmp_path)
    assert ended.returncode == 0, ended.stderr
    store, database, left = ended.stdout.splitlines()
    assert store.startswith(f"StoreUnavailable {tmp_path}/store: cannot write")
    assert "raise its limit" in store
    assert database.startswith(f"Fatal the database {tmp_path}/a.db cannot")
    assert left == "10"  # whole batches only


# -------------------------------------------------------------------------------------------------------------- member


@contextmanager
def member_on(disk: Path) -> Iterator[tuple[Town, Node, list[bytes]]]:
    """Member 0 of a town, its store and its database on `disk`, and the digests that it signs."""
    stores: list[Any] = [FolderStore(disk / "store")]
    town = Town(stores=[*stores, *(FolderStore(disk.parent / f"store{n}") for n in range(4))])
    node = town.nodes[0]
    node.database.close()
    node.database = SqlDatabase(f"sqlite:///{disk}/member.db")
    town.peers[0].member = node.restart()
    signed: list[bytes] = []
    sign = node.signer.sign
    node.signer.sign = lambda message: signed.append(message) or sign(message)  # type: ignore[method-assign, func-returns-value]
    try:
        yield town, node, signed
    finally:
        town.close()


def test_accept__disk_is_full__no_signature_and_after_room_is_made_it_is_receipted(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", 4 * MIB) as disk, member_on(disk) as (town, node, signed):
        town.open_job(tasks=9, answers=2)
        town.register(3)
        answers = [town.answer(offer) for offer in town.offers(1, [(t, w) for t in range(9) for w in (1, 2)])]
        node.member.accept(answers[:2])
        ballast = fill(disk)
        signed.clear()
        with pytest.raises(Fatal, match=r"disk/member\.db cannot .*free some space and start again, nothing is lost"):
            node.member.accept(answers[2:])
        assert signed == []
        assert [a.task for a in node.database.answers(1)] == [0, 0]
        ballast.unlink()
        node.member.accept(answers)
        assert len(signed) == 1
        again = SqlDatabase(f"sqlite:///{disk}/member.db")
        assert again.answers(1) == answers
        again.close()


def test_accept__a_database_that_only_says_that_it_wrote__signs_for_what_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other half: that the signature comes after the write is what the test above sees."""
    with mounted(tmp_path / "disk", 4 * MIB) as disk, member_on(disk) as (town, node, signed):
        town.open_job(tasks=9, answers=2)
        town.register(3)
        answers = [town.answer(offer) for offer in town.offers(1, [(t, w) for t in range(9) for w in (1, 2)])]
        fill(disk)
        signed.clear()
        monkeypatch.setattr(node.database, "add_answers", lambda answers: None)
        node.member.accept(answers)
        assert signed
        assert node.database.answers(1) == []


def test_propose_and_approve__disk_is_full__nothing_is_signed_and_it_goes_on_after(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", 4 * MIB) as disk, member_on(disk) as (town, node, signed):
        town.ready_job()
        ballast = fill(disk)
        signed.clear()
        with pytest.raises(StoreUnavailable, match="the disk is full"):
            node.member.propose(Evidence())
        ballast.unlink()
        proposal = node.member.propose(Evidence())
        assert proposal
        ballast = fill(disk)
        with pytest.raises(CrowdproofError, match=r"disk/member\.db cannot"):
            node.member.approve(proposal.header)
        assert signed == []
        ballast.unlink()
        assert node.database.signed() == []
        assert node.member.approve(proposal.header)
        assert len(node.database.signed()) == len(signed) == 1


def test_propose__store_is_gone__retryable_and_the_others_settle_without_it(tmp_path: Path) -> None:
    from oracle.services import settle

    (tmp_path / "disk").mkdir()
    with member_on(tmp_path / "disk") as (town, node, signed):
        town.ready_job()
        signed.clear()
        (tmp_path / "disk" / "store").rename(tmp_path / "disk" / "away")
        with pytest.raises(Retryable, match="was there and is gone"):
            node.member.propose(Evidence())
        assert settle.post_next(town.settler(), town.state)
        assert signed == []
        (tmp_path / "disk" / "away").rename(tmp_path / "disk" / "store")


def test_accept__read_only_disk__no_signature_and_our_words(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", 4 * MIB) as disk, member_on(disk) as (town, node, signed):
        town.open_job(tasks=3, answers=2)
        town.register(3)
        answers = [town.answer(offer) for offer in town.offers(1, [(0, 1), (1, 2)])]
        signed.clear()
        node.database.close()
        remount(disk, "ro")
        with pytest.raises(Fatal, match=r"disk/member\.db cannot be (written|opened)"):
            node.member.accept(answers)
        assert signed == []
        remount(disk, "rw")
        assert node.member.accept(answers)


# ------------------------------------------------------------------------------------------------------------ database


def looks(database: SqlDatabase) -> None:
    database.answers(1)
    database.logs()
    database.signed()
    database.assignments()
    database.blocks(10)
    database.add_claims([7])


def damaged_databases(tmp_path: Path, count: int) -> Iterator[Path]:
    """Bits flipped in the header, in single places and in many, of a member's database."""
    (tmp_path / "disk").mkdir()
    with member_on(tmp_path / "disk") as (town, node, _):
        town.ready_job(tasks=8)
        proposal = node.member.propose(Evidence())
        assert proposal
        node.member.approve(proposal.header)
    with closing(sqlite3.connect(tmp_path / "disk" / "member.db")) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    whole, rng = (tmp_path / "disk" / "member.db").read_bytes(), random.Random(11)
    for turn in range(count):
        broken = bytearray(whole)
        for _ in range(rng.choice([1, 1, 80])):
            broken[rng.randrange(100 if turn % 3 == 0 else len(broken))] ^= 1 << rng.randrange(8)
        folder = tmp_path / f"broken{turn}"
        folder.mkdir()
        (folder / "member.db").write_bytes(broken)
        yield folder / "member.db"
        shutil.rmtree(folder)


def test_database__random_bits_flipped__opens_whole_or_says_where_it_is_damaged(tmp_path: Path) -> None:
    words, fine = 0, 0
    for file in damaged_databases(tmp_path, 60):
        try:
            database = SqlDatabase(f"sqlite:///{file}")
            try:
                looks(database)
                fine += 1
            finally:
                database.close()
        except CrowdproofError as problem:
            words += str(file) in str(problem)
    assert words >= 10
    assert fine >= 10  # a byte of an answer, or of nothing: no sum covers it, the rules do


def test_database__a_flipped_bit_in_json__is_fatal_with_path_and_advice(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    with member_on(tmp_path / "disk") as (town, node, _):
        town.ready_job()
        node.member.propose(Evidence())
        with closing(sqlite3.connect(tmp_path / "disk" / "member.db")) as connection:
            connection.execute("UPDATE logs SET fields = substr(fields, 2)")
            connection.commit()
        with pytest.raises(Fatal, match=r"disk/member\.db is damaged: stop, and restore it from a backup"):
            node.database.logs()
