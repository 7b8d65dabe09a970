"""What only a server can suffer: it stops, freezes, refuses, fills up; its clients hang, share it, and have their settings.

That PostgreSQL does what the port promises is in test_database.py.
"""

import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, nullcontext, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from itertools import count
from pathlib import Path
from threading import Barrier, BrokenBarrierError
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from pg8000 import core
from sqlalchemy import Connection

from oracle.adapters import database as adapter
from oracle.adapters import postgresql
from oracle.adapters.database import SqlDatabase
from oracle.ports import Block, Proposal, SignedHeader
from oracle.protocol.errors import BadInput, CrowdproofError, Fatal, Refused, Retryable
from oracle.protocol.messages import Header
from tests.support.postgres import PASSWORD, USER, Server

Opened = Callable[..., SqlDatabase]


@pytest.fixture
def opened(postgres: Server) -> Iterator[Opened]:
    """Opens a schema (a fresh one by default); closed when the test ends."""
    with ExitStack() as stack:
        yield lambda schema=None: stack.enter_context(closing(SqlDatabase(postgres.url, schema or postgres.schema())))


@pytest.fixture
def database(opened: Opened) -> SqlDatabase:
    return opened()


def backend(connection: Connection) -> int:
    found: int = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
    return found


# ------------------------------------------------------------------------------------------------ the server goes away


@contextmanager
def stopped(server: Server, how: str) -> Iterator[None]:
    server.stop(how)
    try:
        yield
    finally:
        server.start()


@pytest.mark.parametrize("how", ["fast", "immediate"])
def test_any_call__server_stopped_and_started_again__is_retryable_then_works(
    postgres: Server, database: SqlDatabase, how: str
) -> None:
    database.add_claims([1])
    with database._engine.connect(), database._engine.connect():
        pass  # so that several connections of the pool are dead afterwards
    with stopped(postgres, how):
        for call in (database.claims, lambda: database.add_claims([2])):
            with pytest.raises(Retryable, match="does not answer"):
                call()
    database.add_claims([3])
    assert database.claims() == [1, 3]


def test_write__server_stops_in_the_middle__is_retryable_and_leaves_nothing(
    postgres: Server, database: SqlDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert = adapter._insert
    with ExitStack() as stack:

        def stop_after(*arguments: Any) -> None:
            insert(*arguments)
            stack.enter_context(stopped(postgres, "immediate"))

        monkeypatch.setattr(adapter, "_insert", stop_after)
        with pytest.raises(Retryable):
            database.add_claims([1])
    monkeypatch.undo()
    assert database.claims() == []
    database.add_claims([2])
    assert database.claims() == [2]


@pytest.mark.parametrize("checked", [True, False])
def test_pool__server_restarted_meanwhile__dead_connections_are_replaced_unless_the_check_is_off(
    postgres: Server, opened: Opened, monkeypatch: pytest.MonkeyPatch, checked: bool
) -> None:
    if not checked:
        monkeypatch.setattr(postgresql, "_check_alive", lambda *_: None)
    database = opened()
    with database._engine.connect(), database._engine.connect(), database._engine.connect():
        pass
    with stopped(postgres, "fast"):
        pass
    with nullcontext() if checked else pytest.raises(Retryable):
        for _ in range(3):
            assert database.claims() == []


def test_any_call__server_frozen__is_retryable_in_bounded_time_then_works(
    postgres: Server, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "SILENCE_S", 0.3)
    database = opened()
    with database._engine.connect() as connection:
        frozen = backend(connection)
        os.kill(frozen, signal.SIGSTOP)
        try:
            with pytest.raises(Retryable, match="does not answer"), database._translated():
                connection.exec_driver_sql("SELECT 1")
            with suppress(Exception):
                connection.close()
        finally:
            os.kill(frozen, signal.SIGCONT)
    database.add_claims([1])
    assert database.claims() == [1]


# ------------------------------------------------------------------------------------------------------ writers' turns


def test_write__another_process_holds_the_turn__is_retryable_and_reads_go_on(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "PATIENCE_S", 0.1)
    holder = opened("shared_turn")
    other, elsewhere = opened("shared_turn"), opened()
    with holder._write():
        with pytest.raises(Retryable, match="another process"):
            other.add_claims([1])
        assert other.claims() == []
        elsewhere.add_claims([2])
    other.add_claims([1])
    assert (other.claims(), elsewhere.claims()) == ([1], [2])


def test_write__a_writer_that_hangs__loses_its_turn_and_its_work(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "SILENCE_S", 0.3)
    holder = opened("hanging")
    monkeypatch.undo()
    other = opened("hanging")
    with pytest.raises(Retryable), holder._write() as connection:
        connection.exec_driver_sql("INSERT INTO claims VALUES (1)")
        other.add_claims([2])
    assert holder.claims() == [2]


def signed(digest: int) -> SignedHeader:
    word = bytes(32)
    trees = (word, 0, word, 0, word, 0, word, 0)
    header = Header(1, word, 90, word, *trees, word, 0, word, word)
    return SignedHeader(bytes([digest]) * 32, Proposal(header, ()), ())


@pytest.mark.parametrize(("turns", "stored"), [(True, 1), (False, 2)])
def test_add_signed__two_processes_between_check_and_write__one_signs_unless_turns_are_off(
    opened: Opened, postgres: Server, monkeypatch: pytest.MonkeyPatch, turns: bool, stored: int
) -> None:
    schema, both_checked, insert = postgres.schema(), Barrier(2), adapter._insert
    processes = [opened(schema), opened(schema)]
    if not turns:
        monkeypatch.setattr(postgresql, "_take_turn", lambda *_: None)

    def insert_together(*arguments: Any) -> None:
        with suppress(BrokenBarrierError):
            both_checked.wait(0.5)
        insert(*arguments)

    def sign(n: int) -> None:
        with suppress(Refused):
            processes[n].add_signed(signed(n), now=50)

    monkeypatch.setattr(adapter, "_insert", insert_together)
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(sign, range(2)))
    assert len(processes[0].signed()) == stored


def test_connection__settings_of_the_user_that_would_break_promises__are_overridden(
    postgres: Server, opened: Opened
) -> None:
    bad = {
        "synchronous_commit": "off",
        "default_transaction_isolation": "serializable",
        "bytea_output": "escape",
        "search_path": "pg_catalog",
    }
    for name, value in bad.items():
        postgres.sql(f"ALTER ROLE {USER} SET {name} = '{value}'")
    try:
        database = opened("own_settings")
        with database._engine.connect() as connection:
            shown = {name: connection.exec_driver_sql(f"SHOW {name}").scalar_one() for name in bad}
    finally:
        postgres.sql(f"ALTER ROLE {USER} RESET ALL")
    assert shown == {
        "synchronous_commit": "on",
        "default_transaction_isolation": "read committed",
        "bytea_output": "hex",
        "search_path": '"own_settings"',
    }


# ------------------------------------------------------------------------------------------------------------- opening


def test_open__two_schemas__know_nothing_of_each_other(opened: Opened) -> None:
    first, second = opened("home_1_oracle"), opened("Home_1_member_2")
    first.add_claims([1])
    first.hold("settle", "a", 60)
    assert second.claims() == []
    assert second.hold("settle", "b", 60)


def test_open__no_schema__lives_in_public(postgres: Server) -> None:
    with closing(SqlDatabase(postgres.url)) as database:
        database.add_claims([1])
    assert postgres.sql("SELECT worker FROM public.claims") == "1"


@pytest.mark.parametrize("schema", ['a"b', "", "pg_own", "1a", "a b", "x" * 64])
def test_open__a_name_that_is_no_schema__is_bad_input(postgres: Server, schema: str) -> None:
    with pytest.raises(BadInput, match="no name for a schema"):
        SqlDatabase(postgres.url, schema)


def test_open__sqlite_with_a_schema__is_bad_input() -> None:
    with pytest.raises(BadInput, match="PostgreSQL"):
        SqlDatabase("sqlite://", "home")


@pytest.mark.sockets
def test_open__by_tcp_with_a_password_of_special_characters__works(postgres: Server) -> None:
    with closing(SqlDatabase(postgres.tcp, postgres.schema())) as database:
        database.add_claims([1])
        assert database.claims() == [1]


@pytest.mark.sockets
@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (("p%40ss%2Fword", "wr0ng-secret"), BadInput, "check the user and the password"),
        ((":p%40ss%2Fword", ""), BadInput, "check the user and the password"),
        (("/crowdproof", "/absent"), BadInput, "createdb"),
        (("/crowdproof", "/crowdproof?sslmode=require"), Retryable, "refuses SSL"),
        (("127.0.0.1:%d", "127.0.0.1:1"), Retryable, "is the server up"),
    ],
    ids=["password", "no password", "database", "tls", "port"],
)
def test_open__wrong_address__is_an_error_that_says_what_to_mend_and_hides_the_password(
    postgres: Server, change: tuple[str, str], kind: type[CrowdproofError], words: str
) -> None:
    url = postgres.tcp.replace(change[0].replace("%d", str(postgres.port)), change[1])
    assert url != postgres.tcp
    with pytest.raises(kind, match=words) as problem:
        SqlDatabase(url, "anything")
    for secret in (PASSWORD, "p%40ss", "wr0ng-secret", USER + ":"):
        assert secret not in str(problem.value)


@pytest.fixture
def certificates(postgres: Server) -> Iterator[Callable[[str], Path]]:
    """The server speaks TLS; gives the file of a name's certificate: `own` is the server's, others are strangers'."""
    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder, f"{name}.crt") for name in ("own", "other")}
        for name, file in files.items():
            certificate, key = self_signed()
            file.write_bytes(certificate)
            if name == "own":
                postgres.use_tls(certificate, key)
        yield files.__getitem__
        postgres.use_tls(None, None)


def self_signed() -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "database")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(1))
        .not_valid_after(now + timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return certificate.public_bytes(Encoding.PEM), secret


@pytest.mark.sockets
def test_open__by_tls__is_encrypted_and_a_stranger_s_certificate_is_fatal(
    postgres: Server, certificates: Callable[[str], Path]
) -> None:
    schema = postgres.schema()
    for query in ("", "?sslmode=require", f"?sslmode=verify-full&sslrootcert={certificates('own')}"):
        with closing(SqlDatabase(postgres.tcp + query, schema)) as database, database._engine.connect() as connection:
            secure = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
            assert connection.exec_driver_sql(secure).scalar_one() is True
    for stranger in ("", f"&sslrootcert={certificates('other')}"):
        with pytest.raises(Fatal, match="cannot be reached safely"):
            SqlDatabase(f"{postgres.tcp}?sslmode=verify-full{stranger}", schema)


def test_open__no_right_to_make_the_schema__is_fatal_until_somebody_makes_it(postgres: Server) -> None:
    postgres.sql("CREATE ROLE guest LOGIN")
    guest = postgres.url.replace(f"{USER}@", "guest@")
    with pytest.raises(Fatal, match="GRANT CREATE"):
        SqlDatabase(guest, "made_for_guest")
    postgres.sql("CREATE SCHEMA made_for_guest AUTHORIZATION guest")
    with closing(SqlDatabase(guest, "made_for_guest")) as database:
        assert database.claims() == []


# -------------------------------------------------------------------------------------------------- the server refuses


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        ("53100", Fatal, "disk is full.*nothing is lost"),
        ("58030", Fatal, "disk reports an error"),
        ("XX001", Fatal, "damaged.*backup"),
        ("25006", Fatal, "primary"),
        ("42501", Fatal, "rights"),
        ("40001", Retryable, "clashed"),
        ("40P01", Retryable, "clashed"),
        ("53300", Retryable, "short of"),
        ("57P01", Retryable, "stopping"),
        ("22003", BadInput, "does not fit"),
        ("P0001", Fatal, "failed"),
    ],
)
def test_write__the_server_reports__is_told_apart_and_the_call_is_undone(
    database: SqlDatabase, code: str, kind: type[CrowdproofError], words: str
) -> None:
    with database._write() as connection:
        connection.exec_driver_sql(
            "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.number = 2 THEN RAISE EXCEPTION"
            f" 'as told' USING ERRCODE = '{code}', DETAIL = 'a secret row'; END IF; RETURN NEW; END $$"
        )
        connection.exec_driver_sql("CREATE TRIGGER fail BEFORE INSERT ON blocks FOR EACH ROW EXECUTE FUNCTION fail()")
    blocks = [Block(number, bytes(32), bytes(32), 0) for number in range(3)]
    with pytest.raises(kind, match=words) as problem:
        database.extend(blocks, [])
    assert "secret" not in f"{problem.value} {problem.value.__cause__}"
    database.extend(blocks[:2], [])
    assert database.blocks(9) == blocks[:2]


def test_open__the_server_hangs_up_before_the_driver_says_goodbye__its_reason_is_kept(
    postgres: Server, database: SqlDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> None:
        raise core.InterfaceError("network error") from BrokenPipeError()

    flush, flushes = core._flush, count()
    monkeypatch.setattr(core, "_flush", lambda sock: broken(sock) if next(flushes) else flush(sock))
    with pytest.raises(BadInput, match="createdb"):
        SqlDatabase(postgres.url.replace("/crowdproof?", "/absent?"))


def test_any_call__no_connection_left_on_the_server__is_retryable(postgres: Server, database: SqlDatabase) -> None:
    postgres.sql(f"ALTER ROLE {USER} CONNECTION LIMIT 1")
    try:
        with database._engine.connect(), pytest.raises(Retryable, match="connections"):
            database.claims()
    finally:
        postgres.sql(f"ALTER ROLE {USER} CONNECTION LIMIT -1")
    assert database.claims() == []


def test_write__read_only_server__is_fatal_and_reads_go_on(postgres: Server, opened: Opened) -> None:
    opened("read_only").close()
    postgres.sql(f"ALTER ROLE {USER} SET default_transaction_read_only = on")
    try:
        database = opened("read_only")
        assert database.claims() == []
        with pytest.raises(Fatal, match="primary"):
            database.add_claims([1])
    finally:
        postgres.sql(f"ALTER ROLE {USER} RESET ALL")
