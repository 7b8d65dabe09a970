"""PostgreSQL behind the adapter `database`: the connections (pg8000), a writer's turn, and what the server's errors mean.

URL and schema -> SQLAlchemy's Engine; error -> ours. The guarantees do not lean on the settings of the server or of the
user, which a connection overrides, but one: the server's `fsync` must be on.
"""

import re
import ssl
from hashlib import sha256
from typing import Any

import pg8000
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import InvalidatePoolError

from oracle.protocol.errors import BadInput, CrowdproofError, Fatal, Retryable

SILENCE_S = 60.0  # a server that says nothing for so long is gone; a client that does loses its turn
TURN_NOT_COME, OUT_OF_RANGE = "55P03", "22003"  # SQLSTATEs that the caller explains


# --------------------------------------------------------------------------------------------------------- connections


def name(place: URL, schema: str) -> str:
    """What messages call it: never with the user or the password."""
    host = place.query.get("unix_sock") or f"{place.host or 'localhost'}:{place.port or 5432}"
    return f"{host}/{place.database} (schema {schema})"


def engine(place: URL, schema: str, patience: float) -> Engine:
    """Its connections live in `schema`; writers wait `patience` seconds for their turn."""
    _check_name(schema)
    made = create_engine(
        place.set(drivername="postgresql+pg8000", query={}),
        pool_size=5,  # a server has 100 connections by default, and several processes share it
        max_overflow=5,
        pool_timeout=patience,
        connect_args=_arguments(place, schema, patience),
        hide_parameters=True,
        insertmanyvalues_page_size=500,
    )
    made.dialect.use_insertmanyvalues_wo_returning = True  # else one round trip a row
    event.listen(made, "checkout", _check_alive)
    lock = f"SELECT pg_advisory_xact_lock({_lock_of(schema)})"
    event.listen(made, "begin", lambda connection: _take_turn(connection, lock))
    return made


def _arguments(place: URL, schema: str, patience: float) -> dict[str, Any]:
    """Of a connection; what our guarantees stand on does not depend on the server's or the user's own settings."""
    settings = {
        "search_path": f'"{schema}"',
        "synchronous_commit": "on",
        "default_transaction_isolation": "read committed",  # a writer must see what was written while it waited
        "lock_timeout": f"{patience * 1000:.0f}",
        "idle_in_transaction_session_timeout": f"{SILENCE_S * 1000:.0f}",
        "bytea_output": "hex",
    }
    given = {
        "password": place.password or "",
        "timeout": SILENCE_S,
        "application_name": "crowdproof",
        "startup_params": settings,
    }
    return given | _from_query(dict(place.query))


def _from_query(query: dict[str, Any]) -> dict[str, Any]:
    socket, mode, root = (query.pop(name, None) for name in ("unix_sock", "sslmode", "sslrootcert"))
    if query:
        raise BadInput(f"the database's URL has {min(query)!r}: known are sslmode, sslrootcert and unix_sock")
    if socket:
        return {"unix_sock": socket, "ssl_context": False}
    if mode == "verify-full":
        try:
            return {"ssl_context": ssl.create_default_context(cafile=root)}
        except OSError as problem:
            raise BadInput(f"the certificates in sslrootcert={root} cannot be read: {problem}") from None
    kinds = {None: None, "prefer": None, "disable": False, "require": True}
    if mode not in kinds:
        raise BadInput(f"sslmode={mode} is not known: choose disable, prefer, require or verify-full")
    return {"ssl_context": kinds[mode]}


def _check_name(schema: str) -> None:
    if not re.fullmatch("[A-Za-z_][A-Za-z0-9_]{0,62}", schema) or schema.startswith("pg_"):
        raise BadInput(f"{schema!r} is no name for a schema: letters, digits and _, at most 63, not pg_ first")


def _lock_of(schema: str) -> int:
    return int.from_bytes(sha256(b"crowdproof " + schema.encode()).digest()[:8], "big", signed=True)


def _take_turn(connection: Connection, lock: str) -> None:
    """A writer waits for its turn before it reads anything; the server ends the turn with the transaction."""
    if connection.get_execution_options().get("crowdproof_write"):
        connection.exec_driver_sql(lock)


def _check_alive(connection: pg8000.Connection, *_: object) -> None:
    """A connection that died in the pool, as all do when the server restarts, is replaced, and the others with it."""
    try:
        connection.autocommit = True
        connection.cursor().execute(";")
        connection.autocommit = False
    except (pg8000.Error, OSError):
        raise InvalidatePoolError from None


# -------------------------------------------------------------------------------------------------------------- errors

_ADVICE: dict[str, tuple[type[CrowdproofError], str]] = {  # by SQLSTATE, or its class
    "08": (Retryable, "does not answer: is the server up, and its address right?"),
    "SSL": (Fatal, "cannot be reached safely: check its certificate, and sslmode and sslrootcert in its URL"),
    "28": (BadInput, "refuses this user: check the user and the password in its URL"),
    "3D000": (BadInput, "does not exist on this server: make it with createdb, or name another in its URL"),
    "42501": (Fatal, "gives this user too few rights: GRANT CREATE ON DATABASE, and the tables must be its own"),
    "25006": (Fatal, "takes no writes: name the primary server, or mend default_transaction_read_only"),
    "40": (Retryable, "undid the call: it clashed with another"),
    "53100": (Fatal, "cannot grow: the server's disk is full; free some space and start again, nothing is lost"),
    "53": (Retryable, "is short of memory or connections"),
    "57": (Retryable, "is starting, stopping, or ended the call"),
    "58": (Fatal, "cannot be read or written: the server's disk reports an error"),
    "XX": (Fatal, "is damaged: stop, and restore it from a backup"),
}


def report(problem: BaseException) -> tuple[str, str]:
    """SQLSTATE and text of what the driver raised; SQLSTATE "08" when it was not the server that spoke."""
    said = _said(problem) or _farewell(problem)
    if said:
        return said.get("C", ""), said.get("M", "")
    return "SSL" if isinstance(problem, ssl.SSLError) else "08", str(problem)


def _said(problem: BaseException) -> dict[str, str] | None:
    said = problem.args[0] if isinstance(problem, pg8000.Error) and problem.args else None
    return said if isinstance(said, dict) else None


def _farewell(problem: BaseException) -> dict[str, str] | None:
    """Why the server shut the door: the driver's own attempt to say goodbye to it may fail, and hide that."""
    cause = problem.__context__
    while cause is not None:
        said = _said(cause)
        if said and said.get("V") == "FATAL":
            return said
        cause = cause.__context__
    return None


def explain(code: str, said: str, place: str) -> CrowdproofError:
    kind, advice = _ADVICE.get(code) or _ADVICE.get(code[:2]) or (Fatal, "failed")
    return kind(f"the database {place} {advice} ({said}, {code})")
