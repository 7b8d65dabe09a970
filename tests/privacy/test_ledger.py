"""The ledger on SQLite and PostgreSQL: as many as the budget has room for, whoever asks and whoever is killed; signed and chained."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from oracle.adapters.database import RELEASES, SqlDatabase
from oracle.adapters.signer import KeySigner
from oracle.bench import release as bench
from oracle.privacy.budget import NANO, Budget, verify
from oracle.privacy.release import read_query
from oracle.protocol.errors import Refused, Retryable
from oracle.services import releases

pytest.importorskip("opendp")
pytestmark = pytest.mark.sockets
Place = tuple[str, str | None]
KEY = KeySigner(b"\1" * 32)
ROOM = Budget("d", NANO, 0.0, "basic")


@pytest.fixture(params=["file", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "file":
        return f"sqlite:///{tmp_path / 'ledger.db'}", None
    server = request.getfixturevalue("postgres")
    return server.url, server.schema()


@pytest.fixture
def database(place: Place) -> Iterator[SqlDatabase]:
    with closing(SqlDatabase(*place)) as opened:
        yield opened


def ask(database: SqlDatabase, number: int, **more: Any) -> str:
    query = read_query({"of": "histogram", "epsilon": 0.01, "name": str(number), **more})
    try:
        releases.publish(database, KEY, "d", query, bench.rows("histogram"), ["0", "1"], [], 7)
    except Refused as refusal:
        return refusal.code
    except Retryable:  # the database was busy: whoever hears that tries again
        return ask(database, number, **more)
    return "granted"


def test_publish__a_thousand_at_once__exactly_a_hundred(database: SqlDatabase) -> None:
    database.set_budget(ROOM)
    with ThreadPoolExecutor(32) as pool:
        said = list(pool.map(lambda number: ask(database, number), range(1_000)))
    assert (said.count("granted"), said.count("budget-spent")) == (100, 900)
    verify(ROOM, database.entries("d"), KEY.address)


CHILD = """
import sys, threading
from concurrent.futures import ThreadPoolExecutor
from oracle.adapters.database import SqlDatabase
from tests.privacy.test_ledger import ask
place = (sys.argv[1], sys.argv[2] or None)
database = SqlDatabase(*place)
print("ready", flush=True)
with ThreadPoolExecutor(4) as pool:
    for number, said in zip(range(1000), pool.map(lambda n: ask(database, n), range(int(sys.argv[3]), int(sys.argv[3]) + 1000))):
        if said == "granted":
            print(number, flush=True)
"""


def child(place: Place, first: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CHILD, place[0], place[1] or "", str(first)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(Path.cwd())}
    )


def test_publish__processes_that_are_killed__never_more_than_the_room_and_what_was_told_is_there(place: Place) -> None:
    with closing(SqlDatabase(*place)) as database:
        database.set_budget(ROOM)
    told = 0
    for first in (0, 10_000):
        started = [child(place, first + 1_000 * i) for i in range(2)]
        for one in started:
            assert one.stdout is not None
            assert one.stdout.readline() == "ready\n"
        time.sleep(0.1)
        for one in started:
            one.send_signal(signal.SIGKILL)
            told += len(one.communicate()[0].splitlines())
    with closing(SqlDatabase(*place)) as database:
        assert told <= len(database.entries("d")) <= 100
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: ask(database, number), range(50_000, 50_200)))
        entries = database.entries("d")
        assert len(entries) == 100
        verify(ROOM, entries, KEY.address)


def test_publish__the_same_again__is_the_same_and_costs_nothing(database: SqlDatabase) -> None:
    database.set_budget(ROOM)
    query = read_query({"of": "histogram", "epsilon": 0.6})
    first = releases.publish(database, KEY, "d", query, bench.rows("histogram"), ["0", "1"], [], 7)
    again = releases.publish(database, KEY, "d", query, bench.rows("histogram")[:-1], ["0", "1"], [], 9)
    assert again == first
    assert database.entries("d") == [first]


def test_publish__the_same_at_once__is_stored_once(database: SqlDatabase) -> None:
    database.set_budget(ROOM)
    query = read_query({"of": "histogram", "epsilon": 0.6})
    with ThreadPoolExecutor(16) as pool:
        found = list(
            pool.map(
                lambda _: releases.publish(database, KEY, "d", query, bench.rows("histogram"), ["0", "1"], [], 7),
                range(16),
            )
        )
    assert len({entry.digest() for entry in found}) == 1


def test_publish__no_budget_or_too_few__is_refused_and_nothing_is_stored(database: SqlDatabase) -> None:
    assert ask(database, 1) == "no-budget"
    database.set_budget(ROOM)
    with pytest.raises(Refused, match="workers"):
        releases.publish(database, KEY, "d", read_query({"of": "histogram", "epsilon": 0.1}), [], ["0"], [], 7)
    assert database.entries("d") == []


def test_publish__a_signer_that_fails__spends_nothing(database: SqlDatabase) -> None:
    class Broken:
        address = KEY.address

        def sign(self, digest: bytes) -> bytes:
            raise RuntimeError("no key")

    database.set_budget(ROOM)
    with pytest.raises(RuntimeError, match="no key"):
        releases.publish(
            database,
            Broken(),
            "d",
            read_query({"of": "histogram", "epsilon": 1}),
            bench.rows("histogram"),
            ["0"],
            [],
            7,
        )
    assert database.entries("d") == []
    assert ask(database, 1, epsilon=1) == "granted"


def test_set_budget__another__is_refused(database: SqlDatabase) -> None:
    database.set_budget(ROOM)
    database.set_budget(ROOM)
    with pytest.raises(Refused, match="another budget"):
        database.set_budget(replace(ROOM, epsilon=2 * NANO))
    assert database.budget("d") == ROOM
    assert database.budget("e") is None


@pytest.mark.parametrize(
    "change", [{"epsilon": 1}, {"result": {"counts": {"0": 5}}}, {"at": 8}, {"signature": b"\1" * 65}, {"number": 9}]
)
def test_verify__an_entry_that_was_changed__is_found(database: SqlDatabase, change: dict[str, Any]) -> None:
    database.set_budget(ROOM)
    for number in range(3):
        ask(database, number)
    verify(ROOM, database.entries("d"), KEY.address)
    with database._engine.begin() as connection:
        connection.execute(update(RELEASES).where(RELEASES.c.number == 2).values(**change))
    with pytest.raises(Refused, match="entry"):
        verify(ROOM, database.entries("d"), KEY.address)


def test_verify__an_entry_that_was_dropped_or_a_smaller_budget__is_found(database: SqlDatabase) -> None:
    database.set_budget(ROOM)
    for number in range(3):
        ask(database, number)
    entries = database.entries("d")
    for kept in (entries[1:], [entries[0], entries[2]]):
        with pytest.raises(Refused, match="does not follow"):
            verify(ROOM, kept, KEY.address)
    with pytest.raises(Refused, match="too much"):
        verify(replace(ROOM, epsilon=NANO // 50), entries, KEY.address)
    with pytest.raises(Refused, match="not signed by"):
        verify(ROOM, entries, b"\2" * 20)
