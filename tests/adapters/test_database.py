"""One suite for all databases (`database`), then what only a file can suffer: damage, full disks, a lock held by others.

What only a server can suffer is in test_database_postgres.py.
"""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, Table, delete, event, insert, inspect

from oracle.adapters import database as adapter
from oracle.adapters.database import METADATA, REVISION, SqlDatabase, memory_database
from oracle.adapters.migrations import configuration, upgrade
from oracle.ports import (
    Block,
    OfferedAssignment,
    Outcome,
    Proposal,
    Registration,
    Sent,
    SignedHeader,
    StoredAnswer,
    StoredReceipt,
)
from oracle.protocol.errors import BadInput, Fatal, Refused, Retryable
from oracle.protocol.events import JobClosed, JobRefunded, Log
from oracle.protocol.heads import Debit
from oracle.protocol.messages import Header

MAX64 = (1 << 64) - 1
ALICE, BOB = b"\xaa" * 20, b"\xbb" * 20


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def block(number: int) -> Block:
    return Block(number, word(number + 1), word(number), MAX64 - number)


def log(number: int, index: int, amount: int = MAX64) -> Log:
    return Log(number, index, word(7), MAX64, JobRefunded(number, amount))


def answer(job: int, task: int, worker: int) -> StoredAnswer:
    commitment = word(job * 10_000 + task * 100 + worker)
    return StoredAnswer(job, task, worker, 1, commitment, word(2), b"\0" * 65, b"\0envelope\xff", MAX64, b"\1" * 65)


def offer(job: int, task: int, worker: int, expiry: int = MAX64) -> OfferedAssignment:
    return OfferedAssignment(job, task, worker, expiry, word(3), b"\2" * 65)


def sent(nonce: int, what: str | None = None) -> Sent:
    return Sent(nonce, what or f"post epoch {nonce}", "post", word(nonce), b"\x02raw" + word(nonce))


def file_url(folder: Path) -> str:
    return f"sqlite:///{folder / 'crowdproof.db'}"


Place = tuple[str, str | None]  # URL, schema
Opened = Callable[[Place], SqlDatabase]


@pytest.fixture
def opened() -> Iterator[Opened]:
    """Opens a place; closed when the test ends."""
    with ExitStack() as stack:
        yield lambda place: stack.enter_context(closing(SqlDatabase(*place)))


@pytest.fixture(params=["file", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Of a database that several processes can open."""
    if request.param == "file":
        return file_url(tmp_path), None
    server = request.getfixturevalue("postgres")
    return server.url, server.schema()


@pytest.fixture(params=["file", "memory", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlDatabase]:
    if request.param == "postgresql":
        server = request.getfixturevalue("postgres")
        opened = SqlDatabase(server.url, server.schema())
    else:
        opened = SqlDatabase(file_url(tmp_path)) if request.param == "file" else memory_database()
    yield opened
    opened.close()


# --------------------------------------------------------------------------------------------------------------- index


def test_blocks__more_asked_than_indexed__gives_all_ascending(database: SqlDatabase) -> None:
    database.extend([block(3), block(4), block(5)], [])
    assert database.blocks(2) == [block(4), block(5)]
    assert database.blocks(9) == [block(3), block(4), block(5)]


def test_logs__unordered_with_the_largest_integers__come_back_ascending_and_equal(database: SqlDatabase) -> None:
    other = Log(1, 5, word(1), 0, JobClosed(2, MAX64))
    database.extend([block(1), block(2)], [log(2, 0), other, log(1, 2)])
    assert database.logs() == [log(1, 2), other, log(2, 0)]


@pytest.mark.parametrize(("after", "places"), [((1, 2), [(1, 5), (2, 0)]), ((1, 9), [(2, 0)]), ((2, 0), [])])
def test_logs__after_a_place__gives_those_behind_it(
    database: SqlDatabase, after: tuple[int, int], places: list[tuple[int, int]]
) -> None:
    database.extend([block(1), block(2)], [log(1, 2), log(1, 5), log(2, 0)])
    assert [(found.block, found.index) for found in database.logs(after)] == places


@pytest.mark.parametrize("number", [3, 4])
def test_extend__block_not_above_the_newest__is_refused_and_nothing_is_stored(
    database: SqlDatabase, number: int
) -> None:
    database.extend([block(4)], [log(4, 0)])
    with pytest.raises(Refused) as refusal:
        database.extend([block(number), block(5)], [log(5, 0)])
    assert refusal.value.code == "known-block"
    assert (database.blocks(9), database.logs()) == ([block(4)], [log(4, 0)])


def test_extend__a_log_twice__is_refused_and_nothing_is_stored(database: SqlDatabase) -> None:
    with pytest.raises(Refused, match="twice"):
        database.extend([block(4)], [log(4, 0), log(4, 0)])
    assert database.blocks(9) == []


def test_rewind__in_the_middle__forgets_blocks_and_logs_above(database: SqlDatabase) -> None:
    database.extend([block(n) for n in range(5)], [log(n, 0) for n in range(5)])
    database.rewind(2)
    assert database.blocks(9) == [block(0), block(1), block(2)]
    assert database.logs() == [log(0, 0), log(1, 0), log(2, 0)]
    database.extend([block(3)], [log(3, 1)])
    assert database.logs((2, 0)) == [log(3, 1)]


# ------------------------------------------------------------------------------------------------ assignments, answers


def test_assignments__by_job_worker_or_both__gives_theirs_in_order(database: SqlDatabase) -> None:
    database.add_assignments([offer(2, 0, 1), offer(1, 1, 2), offer(1, 1, 1), offer(1, 0, 2)])
    assert database.assignments() == [offer(1, 0, 2), offer(1, 1, 1), offer(1, 1, 2), offer(2, 0, 1)]
    assert database.assignments(job=1) == [offer(1, 0, 2), offer(1, 1, 1), offer(1, 1, 2)]
    assert database.assignments(worker=1) == [offer(1, 1, 1), offer(2, 0, 1)]
    assert database.assignments(job=1, worker=1) == [offer(1, 1, 1)]


def test_assignments__of_tasks__gives_theirs_in_order(database: SqlDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    database.add_assignments([offer(2, 1, 1), offer(1, 3, 2), offer(1, 2, 1), offer(1, 1, 2), offer(1, 4, 1)])
    for chunk in (1, 5_000):
        monkeypatch.setattr("oracle.adapters.database.CHUNK", chunk)
        assert database.assignments(job=1, tasks={3, 1, 9}) == [offer(1, 1, 2), offer(1, 3, 2)]
        assert database.assignments(tasks={1, 2}) == [offer(1, 1, 2), offer(1, 2, 1), offer(2, 1, 1)]
        assert database.assignments(job=1, tasks=set()) == []


def test_answered__of_some_workers__gives_theirs_alone(database: SqlDatabase) -> None:
    database.add_answers([answer(1, 2, 7), answer(1, 2, 8), answer(1, 3, 7), answer(2, 2, 7)])
    assert database.answered(1, {2, 3}, {7}).keys() == {(2, 7), (3, 7)}
    assert database.answered(1, {2}, {8, 9}).keys() == {(2, 8)}
    assert database.answered(1, {2}, set()) == {}


def test_places__of_tasks__counts_their_answers(database: SqlDatabase) -> None:
    database.add_answers([answer(1, 2, 7), answer(1, 2, 8), answer(1, 3, 7), answer(2, 2, 7)])
    assert database.places(1, {2, 3, 4}) == {2: 2, 3: 1}
    assert database.places(1, ()) == {}


def test_add_assignments__a_pair_again__replaces(database: SqlDatabase) -> None:
    database.add_assignments([offer(1, 0, 2, 10), offer(1, 0, 3, 10)])
    database.add_assignments([offer(1, 0, 2, 20), offer(1, 0, 2, 30)])
    assert database.assignments() == [offer(1, 0, 2, 30), offer(1, 0, 3, 10)]


def test_answers__stored_in_any_order__come_back_by_task_and_worker(database: SqlDatabase) -> None:
    database.add_answers([answer(1, 10, 2), answer(1, 9, 3), answer(2, 0, 0), answer(1, 9, 1)])
    assert database.answers(1) == [answer(1, 9, 1), answer(1, 9, 3), answer(1, 10, 2)]
    assert database.answers(3) == []


@pytest.mark.parametrize("batch", [[(1, 7), (2, 7)], [(3, 7), (3, 7)]], ids=["stored", "twice in the call"])
def test_add_answers__a_duplicate__is_refused_by_name_and_nothing_is_stored(
    database: SqlDatabase, batch: list[tuple[int, int]]
) -> None:
    database.add_answers([answer(1, 2, 7)])
    with pytest.raises(Refused, match=rf"job 1, task {batch[1][0]}, worker 7") as refusal:
        database.add_answers([answer(1, *pair) for pair in batch])
    assert refusal.value.code == "duplicate-answer"
    assert database.answers(1) == [answer(1, 2, 7)]


def test_add_answers__nothing__is_no_error(database: SqlDatabase) -> None:
    database.add_answers([])
    assert database.answers(1) == []


def test_answered__some_tasks__gives_what_binds_each_of_their_answers(database: SqlDatabase) -> None:
    stored = [answer(1, 2, 7), answer(1, 2, 8), answer(1, 3, 9), answer(1, 4, 9), answer(2, 3, 7)]
    database.add_answers(stored)
    assert database.answered(1, {2, 3, 5}) == {(a.task, a.worker): (a.commitment, a.seal_hash) for a in stored[:3]}
    assert database.answered(1, set()) == {}


def test_add_answers__ten_thousand__are_all_there(database: SqlDatabase) -> None:
    answers = [answer(1, task, worker) for task in range(1000) for worker in range(10)]
    database.add_answers(answers)
    assert database.answers(1) == answers
    assert len(database.answered(1, range(1000))) == 10_000


@pytest.mark.parametrize("change", [{"job": 1 << 63}, {"expiry": 1 << 64}, {"expiry": -1}])
def test_add_answers__an_integer_that_does_not_fit__is_bad_input(database: SqlDatabase, change: dict[str, int]) -> None:
    with pytest.raises(BadInput, match="does not fit"):
        database.add_answers([replace(answer(1, 1, 1), **change)])
    assert database.answers(1) == []


def test_answers__of_a_job_beyond_the_column__is_bad_input(database: SqlDatabase) -> None:
    with pytest.raises(BadInput, match="does not fit"):
        database.answers(1 << 70)


# -------------------------------------------------------------------------------------------------- receipts, headers


def receipt(*answers: int) -> StoredReceipt:
    return StoredReceipt(word(sum(answers)), tuple(map(word, answers)), (b"\1" * 65, b"\2" * 65, b"\3" * 65))


def test_receipt_of__an_answer_of_a_batch__gives_the_whole_receipt(database: SqlDatabase) -> None:
    database.add_receipt(receipt(10, 5, 7))
    database.add_receipt(receipt(3))
    assert database.receipt_of(word(5)) == receipt(10, 5, 7)
    assert database.receipt_of(word(4)) is None


def test_add_receipt__the_same_or_another_of_an_answer__keeps_the_first(database: SqlDatabase) -> None:
    for batch in (receipt(10, 5), receipt(10, 5), receipt(5, 6)):
        database.add_receipt(batch)
    assert [database.receipt_of(word(n)) for n in (5, 6)] == [receipt(10, 5), receipt(5, 6)]


def test_add_receipt__a_short_signature__is_bad_input(database: SqlDatabase) -> None:
    with pytest.raises(BadInput, match="65 bytes"):
        database.add_receipt(StoredReceipt(word(1), (word(2),), (b"\1" * 64,)))


def header(epoch: int, digest: int, until: int) -> SignedHeader:
    trees = (word(4), MAX64, word(5), 0, word(6), 1, word(7), 2)
    signed = Header(epoch, word(1), until, word(2), *trees, word(8), MAX64, word(9), word(10))
    return SignedHeader(word(digest), Proposal(signed, (Debit(1, MAX64, 2),)), ((1, 2), (1, 3), (MAX64, 0)))


def test_add_signed__several_and_one_again__come_back_in_order(database: SqlDatabase) -> None:
    for signed in (header(2, 9, MAX64), header(1, 1, 50), header(1, 1, 50)):
        database.add_signed(signed)
    assert database.signed() == [header(1, 1, 50), header(2, 9, MAX64)]


def test_signed__since__gives_those_still_valid_and_forgets_the_others(database: SqlDatabase) -> None:
    for signed in (header(2, 9, MAX64), header(1, 1, 50), header(1, 2, 60)):
        database.add_signed(signed)
    assert database.signed(since=51) == [header(1, 2, 60), header(2, 9, MAX64)]
    assert database.signed(since=50) == [header(1, 1, 50), header(1, 2, 60), header(2, 9, MAX64)]
    assert database.signed(since=MAX64) == [header(2, 9, MAX64)]
    assert len(database._headers) == 1  # what is kept for the next call does not grow


def test_add_signed__another_before_the_first_expired__is_refused(database: SqlDatabase) -> None:
    database.add_signed(header(1, 1, 50), now=10)
    with pytest.raises(Refused) as refusal:
        database.add_signed(header(1, 2, 90), now=50)
    assert refusal.value.code == "already-signed"
    database.add_signed(header(1, 1, 50), now=50)
    database.add_signed(header(1, 2, 90), now=51)
    assert database.signed() == [header(1, 1, 50), header(1, 2, 90)]


# -------------------------------------------------------------------------------------------------------------- wishes


def wish(wallet: bytes, until: int) -> Registration:
    return Registration(wallet, wallet[::-1], until, word(until) + b"\0" * 33)


def test_add_registrations__one_again__keeps_its_place_and_the_longest_valid(database: SqlDatabase) -> None:
    database.add_registrations([wish(BOB, 10), wish(ALICE, 10)])
    database.add_registrations([wish(BOB, MAX64), wish(BOB, 5), wish(ALICE, 9)])
    assert database.registrations() == [wish(BOB, MAX64), wish(ALICE, 10)]


def test_drop_registrations__some_wallets__drops_all_their_wishes_and_no_other(database: SqlDatabase) -> None:
    other_key = replace(wish(ALICE, 10), key=BOB)
    database.add_registrations([wish(ALICE, 10), wish(BOB, 10), other_key])
    database.drop_registrations([ALICE, b"\xcc" * 20])
    assert database.registrations() == [wish(BOB, 10)]
    database.drop_registrations([])
    assert database.registrations() == [wish(BOB, 10)]
    database.add_registrations([wish(ALICE, 5)])
    assert database.registrations() == [wish(BOB, 10), wish(ALICE, 5)]


def test_add_match__again__stays_where_it_stood(database: SqlDatabase) -> None:
    for job, digest in ((2, word(9)), (1, word(4)), (2, word(9)), (2, word(4))):
        database.add_match(job, digest)
    assert database.matches() == [(2, word(9)), (1, word(4)), (2, word(4))]


def test_add_claims__several_times__are_each_there_once(database: SqlDatabase) -> None:
    database.add_claims([7, 3, 7])
    database.add_claims([3, 1])
    assert database.claims() == [1, 3, 7]


# -------------------------------------------------------------------------------------------------------------- outbox


def test_sent__of_two_senders__each_has_its_own_by_nonce(database: SqlDatabase) -> None:
    for sender, nonce in ((ALICE, 256), (ALICE, 3), (BOB, 3), (ALICE, MAX64)):
        database.add_sent(sender, sent(nonce))
    assert database.sent(ALICE) == [sent(3), sent(256), sent(MAX64)]
    assert database.sent(BOB) == [sent(3)]
    assert database.sent(ALICE, last=2) == [sent(256), sent(MAX64)]
    assert database.sent(ALICE, what="post epoch 256") == [sent(256)]


@pytest.mark.parametrize(("again", "code"), [(sent(5, "other"), "nonce-taken"), (sent(6, "it"), "already-sent")])
def test_add_sent__nonce_or_what_known__is_refused_with_its_code(database: SqlDatabase, again: Sent, code: str) -> None:
    database.add_sent(ALICE, sent(5, "it"))
    with pytest.raises(Refused) as refusal:
        database.add_sent(ALICE, again)
    assert refusal.value.code == code
    assert database.sent(ALICE) == [sent(5, "it")]


@pytest.mark.parametrize("succeeded", [True, False])
def test_set_outcome__set_and_taken_back__is_what_sent_shows(database: SqlDatabase, succeeded: bool) -> None:
    outcome = Outcome(0, succeeded, MAX64)
    database.add_sent(ALICE, sent(0))
    database.add_sent(ALICE, sent(1))
    database.set_outcome(ALICE, 0, outcome)
    assert database.sent(ALICE) == [replace(sent(0), outcome=outcome), sent(1)]
    assert database.sent(ALICE, waiting=True) == [sent(1)]
    database.set_outcome(ALICE, 0, None)
    assert database.sent(ALICE, waiting=True) == [sent(0), sent(1)]


def test_set_outcome__unknown_nonce__is_refused(database: SqlDatabase) -> None:
    with pytest.raises(Refused, match="no nonce 4"):
        database.set_outcome(ALICE, 4, None)


def test_replace_sent__twice__keeps_the_place_and_every_earlier_hash(database: SqlDatabase) -> None:
    database.add_sent(ALICE, sent(3))
    database.add_sent(BOB, sent(3))
    for attempt in (100, 101, 101):
        database.replace_sent(ALICE, 3, word(attempt), b"raw%d" % attempt)
    now = replace(sent(3), transaction=word(101), raw=b"raw101", replaced=(word(3), word(100)))
    assert database.sent(ALICE, waiting=True) == [now]
    assert database.sent(BOB) == [sent(3)]
    database.add_sent(BOB, replace(now, nonce=4, what="other"))
    assert database.sent(BOB, last=1) == [replace(now, nonce=4, what="other")]


def test_replace_sent__unknown_or_mined__is_refused_and_changes_nothing(database: SqlDatabase) -> None:
    mined = replace(sent(3), outcome=Outcome(0, False, 1))
    database.add_sent(ALICE, mined)
    for nonce, code in ((3, "mined"), (4, "unknown-nonce")):
        with pytest.raises(Refused) as refusal:
            database.replace_sent(ALICE, nonce, word(100), b"raw")
        assert refusal.value.code == code
    assert database.sent(ALICE) == [mined]
    database.set_outcome(ALICE, 3, None)
    database.replace_sent(ALICE, 3, word(100), b"raw")
    assert database.sent(ALICE)[0].replaced == (word(3),)


# -------------------------------------------------------------------------------------------------------------- leases


@pytest.fixture
def clock(database: SqlDatabase, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the database takes for now."""
    time = [1000.0]
    monkeypatch.setattr(database, "_now", lambda: time[0])
    return time


def test_hold__held_by_another__is_false(database: SqlDatabase) -> None:
    assert database.hold("settle", "a", 60)
    assert database.hold("settle", "a", 60)
    assert not database.hold("settle", "b", 60)
    assert database.hold("relay", "b", 60)


def test_hold__by_the_real_clock__runs_out(database: SqlDatabase) -> None:
    assert database.hold("settle", "a", 0.05)
    time.sleep(0.06)
    assert database.hold("settle", "b", 60)


def test_hold__renewed__lasts_from_the_renewal(database: SqlDatabase, clock: list[float]) -> None:
    assert database.hold("settle", "a", 10)
    clock[0] += 9.5
    assert not database.hold("settle", "b", 10)
    assert database.hold("settle", "a", 10)
    clock[0] += 9.5
    assert not database.hold("settle", "b", 10)
    clock[0] += 0.5
    assert database.hold("settle", "b", 10)


@pytest.mark.parametrize(("jump", "free"), [(-9.0, False), (-10.0, True), (-1e9, True), (1e9, True)])
def test_hold__the_clock_jumps__is_held_at_most_its_length_too_long(
    database: SqlDatabase, clock: list[float], jump: float, free: bool
) -> None:
    assert database.hold("settle", "a", 10)
    clock[0] += jump
    assert database.hold("settle", "b", 10) is free


def test_add_answers__eight_threads__loses_none(database: SqlDatabase) -> None:
    batches = [[answer(1, task, worker) for worker in range(20)] for task in range(40)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(database.add_answers, batches))
    assert database.answers(1) == [one for batch in batches for one in batch]


# ------------------------------------------------------------------------------------------------------------- opening


def test_migrations__run_on_nothing__give_the_declared_tables(database: SqlDatabase) -> None:
    with database._engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
        assert ScriptDirectory.from_config(configuration(connection)).get_current_head() == REVISION


def test_open__a_second_new_file__has_what_the_migrations_gave_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "_made", [])
    found = []
    for name in ("first.db", "second.db"):
        SqlDatabase(f"sqlite:///{tmp_path / name}").close()
        with closing(sqlite3.connect(tmp_path / name)) as connection:
            tables = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall()
            found.append((tables, connection.execute("SELECT * FROM alembic_version").fetchall()))
    assert adapter._made
    assert found[0] == found[1]


def test_migrations__a_database_of_the_first_revision__keeps_what_it_holds(place: Place, opened: Opened) -> None:
    with opened(place)._write() as connection:
        for table in reversed(METADATA.sorted_tables):
            connection.exec_driver_sql(f"DROP TABLE {table.name}")
        connection.exec_driver_sql("DELETE FROM alembic_version")
        upgrade(connection, "here", "0001")
        old = MetaData()
        old.reflect(connection)
        rows = {
            "signed": (1, word(7), (50).to_bytes(8, "big"), [[1, 2]]),
            "outbox": (ALICE, (3).to_bytes(8, "big"), "w", "k", word(3), b"raw", None, None, None),
            "claims": (7,),
        }
        for name, row in rows.items():
            connection.execute(insert(old.tables[name]).values(row))
    database = opened(place)
    assert database.claims() == [7]
    assert database.sent(ALICE) == [Sent(3, "w", "k", word(3), b"raw")]
    with pytest.raises(Refused, match="valid until 50"):
        database.add_signed(header(1, 1, 90), now=50)
    assert database.signed() == []
    database.add_signed(header(1, 1, 90), now=51)
    assert database.signed() == [header(1, 1, 90)]


def test_open__an_existing_file__is_quick_and_keeps_everything(tmp_path: Path) -> None:
    first = SqlDatabase(file_url(tmp_path))
    first.add_answers([answer(1, 2, 3)])
    first.close()
    start = time.perf_counter()
    again = SqlDatabase(file_url(tmp_path))
    assert time.perf_counter() - start < 0.05
    assert again.answers(1) == [answer(1, 2, 3)]
    again.close()


def test_open__an_existing_file__does_not_import_alembic(tmp_path: Path) -> None:
    SqlDatabase(file_url(tmp_path)).close()
    assert python(f"SqlDatabase({file_url(tmp_path)!r}); print('alembic' in sys.modules)").communicate()[0] == "False\n"


def test_open__from_a_newer_version__is_fatal_and_says_so(place: Place, opened: Opened) -> None:
    with opened(place)._write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(Fatal, match=r"newer crowdproof .*9999"):
        opened(place)


def test_open__another_programs_database__is_fatal_and_leaves_it_alone(place: Place, opened: Opened) -> None:
    database = opened(place)
    with database._write() as connection:
        for table in (*reversed(METADATA.sorted_tables), Table("alembic_version", MetaData())):
            connection.exec_driver_sql(f"DROP TABLE {table.name}")
        connection.exec_driver_sql("CREATE TABLE bookmarks (url TEXT)")
    with pytest.raises(Fatal, match=r"bookmarks.*name another"):
        opened(place)
    assert inspect(database._engine).get_table_names() == ["bookmarks"]


@pytest.mark.parametrize(
    "url",
    [
        "crowdproof.db",
        "mysql://user:secret@host/name",
        "postgresql://user:secret@host",
        "postgresql://:secret@host/name",
        "postgresql://user:secret@host:port/name",
        "postgresql://user:secret@host/name?sslmode=maybe",
        "postgresql://user:secret@host/name?sslmode=verify-full&sslrootcert=/none",
        "postgresql://user:secret@host/name?options=-c",
        "sqlite:///%s?mode=x&uri=true",
    ],
)
def test_open__a_url_that_is_not_served__is_a_clear_error_without_the_password(tmp_path: Path, url: str) -> None:
    with pytest.raises((BadInput, Fatal)) as problem:
        SqlDatabase(url.replace("%s", f"file:{tmp_path}/x.db"))
    assert "secret" not in str(problem.value)


# ------------------------------------------------------------------------------------------------- several processes


def test_open__another_process_writes_to_a_fresh_file_in_the_old_journal__waits_for_it(tmp_path: Path) -> None:
    file = tmp_path / "crowdproof.db"
    with closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        threading.Timer(0.3, lambda: writer.execute("ROLLBACK")).start()
        with closing(SqlDatabase(f"sqlite:///{file}", None)) as database:
            assert database.blocks(1) == []


def test_open_and_write__eight_processes_on_nothing__all_find_the_tables_and_one_wins_each_exclusive_call(
    place: Place, opened: Opened
) -> None:
    body = """
d.add_claims([n])
for name, call in {
    "extend": lambda: d.extend([Block(5, bytes([n]) * 32, bytes(32), 0)], []),
    "answers": lambda: d.add_answers([StoredAnswer(1, t, 9, n, *[b""] * 4, 0, b"") for t in (n + 10, 5, n + 30)]),
    "signed": lambda: d.add_signed(replace(HEADER, digest=bytes([n]) * 32), now=50),
    "nonce": lambda: d.add_sent(b"1" * 20, Sent(7, str(n), "k", bytes(32), b"")),
    "what": lambda: d.add_sent(b"2" * 20, Sent(n, "w", "k", bytes(32), b"")),
}.items():
    try:
        call()
        print(name + ":stored")
    except Refused as refusal:
        print(name + ":" + refusal.code)
print(*(f"{work}:{d.hold(work, str(n), 60)}" for work in "abc"))
"""
    lost = ["extend:known-block", "answers:duplicate-answer", "signed:already-signed", "nonce:nonce-taken"]
    lost += ["what:already-sent", "a:False", "b:False", "c:False"]
    won = [
        "extend:stored",
        "answers:stored",
        "signed:stored",
        "nonce:stored",
        "what:stored",
        "a:True",
        "b:True",
        "c:True",
    ]
    assert Counter(at_once(8, place, body)) == Counter(7 * lost + won)
    database = opened(place)
    assert database.claims() == list(range(8))
    assert (len(database.blocks(9)), len(database.answers(1)), len(database.signed())) == (1, 3, 1)
    assert (len(database.sent(b"1" * 20)), len(database.sent(b"2" * 20))) == (1, 1)
    assert sum(database.hold("a", str(n), 60) for n in range(8)) == 1


def test_write__kill_minus_nine__keeps_every_batch_that_was_reported(place: Place, opened: Opened) -> None:
    body = f"""
d = SqlDatabase(*{place!r})
for task in range(100_000):
    d.add_answers([StoredAnswer(1, task, w, 0, b"c", b"s", b"g", bytes(400), 1, b"a") for w in range(10)])
    print(task, flush=True)
"""
    for _ in range(3):
        process = python(body)
        assert process.stdout is not None
        reported = [int(process.stdout.readline()) for _ in range(30)]
        os.kill(process.pid, signal.SIGKILL)
        reported += [int(line) for line in process.communicate()[0].split()]
        database = opened(place)
        with database._write() as connection:  # the dead one's turn is over
            stored = [(found.task, found.worker) for found in database.answers(1)]
            connection.execute(delete(METADATA.tables["answers"]))
        assert stored[: 10 * len(reported)] == [(task, worker) for task in reported for worker in range(10)]
        assert len(stored) % 10 == 0


def test_write__kill_minus_nine_in_the_middle_of_a_call__leaves_nothing_and_ends_its_turn(
    place: Place, opened: Opened
) -> None:
    body = f"""
d, insert = SqlDatabase(*{place!r}), adapter._insert
def half(connection, statement, rows):
    insert(connection, statement, rows)
    if "blocks" in str(statement):
        print("half", flush=True)
        time.sleep(60)
adapter._insert = half
d.extend([Block(n, bytes(32), bytes(32), 0) for n in range(1000)], [])
"""
    database = opened(place)
    process = python(body)
    assert process.stdout is not None and process.stdout.readline() == "half\n"
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    database.extend([block(0)], [])
    assert database.blocks(9) == [block(0)]


# -------------------------------------------------------------------------------------------------------------- faults


def test_write__another_process_holds_the_lock__is_retryable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter, "PATIENCE_S", 0.1)
    database = SqlDatabase(file_url(tmp_path))
    holder = sqlite3.connect(tmp_path / "crowdproof.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(Retryable, match="busy"):
        database.add_claims([1])
    assert database.claims() == []
    holder.close()
    database.add_claims([1])
    assert database.claims() == [1]
    database.close()


def test_write__another_thread_holds_the_turn__is_retryable(database: SqlDatabase) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adapter, "PATIENCE_S", 0.1)
        with database._turn, pytest.raises(Retryable, match="another thread"):
            database.add_claims([1])


def test_write__read_only_file__is_fatal_with_path_and_advice(tmp_path: Path) -> None:
    SqlDatabase(file_url(tmp_path)).close()
    database = SqlDatabase(f"sqlite:///file:{tmp_path}/crowdproof.db?mode=ro&uri=true")
    assert database.claims() == []
    with pytest.raises(Fatal, match=r"crowdproof\.db.*cannot be written.*right to write"):
        database.add_claims([1])
    database.close()


def test_write__full_disk__is_fatal_and_nothing_is_lost(tmp_path: Path) -> None:
    database = SqlDatabase(file_url(tmp_path))
    event.listen(database._engine, "begin", lambda c: c.exec_driver_sql("PRAGMA max_page_count = 60"))
    stored = 0
    with pytest.raises(Fatal, match=r"crowdproof\.db.*disk is full"):
        for task in range(10_000):
            database.add_answers([answer(1, task, worker) for worker in range(20)])
            stored += 20
    assert stored and len(database.answers(1)) == stored
    database.close()


@pytest.mark.parametrize("damage", [b"this is no database" * 100, None], ids=["text", "zeros in the middle"])
def test_open_or_read__damaged_file__is_fatal_with_path_and_advice(tmp_path: Path, damage: bytes | None) -> None:
    path = tmp_path / "crowdproof.db"
    database = SqlDatabase(file_url(tmp_path))
    database.add_answers([answer(1, task, worker) for task in range(100) for worker in range(10)])
    database.close()
    whole = path.read_bytes()
    path.write_bytes(damage or whole[: 1 << 14] + b"\xa5" * (len(whole) - (1 << 14)))
    with pytest.raises(Fatal, match=r"crowdproof\.db.*backup"):
        SqlDatabase(file_url(tmp_path)).answers(1)


def test_open__folder_missing__is_fatal_with_path_and_advice(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match=r"missing/crowdproof\.db.*folder must exist"):
        SqlDatabase(file_url(tmp_path / "missing"))


def test_error__of_the_driver__shows_no_stored_value(database: SqlDatabase) -> None:
    with database._engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE answers")
    with pytest.raises(Fatal) as problem:
        database.add_answers([replace(answer(1, 1, 1), envelope=b"secret")])
    assert "secret" not in str(problem.value)
    assert "secret" not in str(problem.value.__cause__)


# ------------------------------------------------------------------------------------------------------------- support


def at_once(count: int, place: Place, body: str) -> list[str]:
    """What as many processes print that open the database and run `body` with their number `n`, all at the same time."""
    script = f"""
import io, os, pg8000, oracle.adapters.migrations, alembic.command
gate, opener = os.pipe()
for n in range({count}):
    if os.fork() == 0:
        sys.stdout = io.StringIO()
        os.close(opener)
        os.read(gate, 1)
        d = SqlDatabase(*{place!r})
        {body.strip().replace(chr(10), chr(10) + " " * 8)}
        os.write(1, sys.stdout.getvalue().encode())  # in one piece: the lines of all arrive whole
        os._exit(0)
os.close(opener)
for _ in range({count}):
    assert os.wait()[1] == 0
"""
    said, problems = python(script).communicate(timeout=60)
    assert problems == ""
    return said.split()


def python(body: str) -> "subprocess.Popen[str]":
    start = f"""
import sys, time
from dataclasses import replace
from oracle.adapters import database as adapter
from oracle.adapters.database import *
from oracle.protocol.errors import *
from oracle.protocol.heads import Debit
from oracle.protocol.messages import Header
HEADER = {header(1, 1, 90)!r}
"""
    command = [sys.executable, "-c", start + body]
    root = Path(adapter.__file__).parents[2]
    return subprocess.Popen(  # noqa: S603
        command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def raw(folder: Path, statement: str) -> Sequence[object]:
    connection = sqlite3.connect(folder / "crowdproof.db")
    with connection:
        rows = connection.execute(statement).fetchall()
    connection.close()
    return rows
