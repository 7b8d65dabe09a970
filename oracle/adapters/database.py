"""Database on SQLAlchemy Core: SQLite in WAL mode, or PostgreSQL; `memory_database` is the same code in memory.

URL -> Database. Guarantees: a method that returns has written durably (synchronous=FULL; synchronous_commit=on, and the
server's `fsync` must be on); a call is stored whole or not at all; writers take turns, also between processes (BEGIN
IMMEDIATE; an advisory lock for each schema); opening brings the tables to this version. What the driver reports leaves
as one of ours: busy, unreachable, cut off -> Retryable (a call cut off while it committed may be stored or not: ask);
damaged, full, read-only, forbidden -> Fatal; a wrong address or password -> BadInput; with the place and what to do.
"""

import hashlib
import sqlite3
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from functools import cache
from threading import Lock
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Dialect,
    Double,
    Engine,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    QueuePool,
    Row,
    Select,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    bindparam,
    create_engine,
    delete,
    event,
    func,
    insert,
    inspect,
    literal_column,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, StatementError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from sqlalchemy.schema import CreateSchema

from oracle.ports import (
    Block,
    Kept,
    MakeEntry,
    OfferedAssignment,
    Outcome,
    Proposal,
    Registration,
    Sent,
    SignedHeader,
    StoredAnswer,
    StoredReceipt,
)
from oracle.privacy.budget import Budget, Cost, Entry
from oracle.protocol import plain
from oracle.protocol.cids import encode
from oracle.protocol.errors import BadInput, CrowdproofError, Fatal, Refused, Retryable
from oracle.protocol.events import Log, from_json
from oracle.protocol.keys import Address, checksum

REVISION = "0005"  # the newest file of migrations/versions; a test holds them equal
PATIENCE_S = 10.0  # how long a writer waits for its turn
CHUNK = 5_000  # rows in one statement


# -------------------------------------------------------------------------------------------------------------- tables
# Columns stand in the order of the dataclass's fields. A change here needs a migration; a test compares the two.


class Bytes(LargeBinary):
    """Handed to the driver as they are: SQLAlchemy's wrapper would take a third of the time of a bulk insert."""

    def bind_processor(self, dialect: Dialect) -> None:  # noqa: ARG002
        return None

    def result_processor(self, dialect: Dialect, coltype: object) -> None:  # noqa: ARG002
        return None


class Uint64(TypeDecorator[int]):
    """0 to 2^64 - 1 as 8 big-endian bytes: lossless where integers are signed 64-bit, and ordered as the numbers are."""

    impl = Bytes
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> bytes | None:  # noqa: ARG002
        return None if value is None else value.to_bytes(8, "big")

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        return None if value is None else int.from_bytes(value, "big")


METADATA = MetaData()


def _key(name: str, kind: Any = BigInteger) -> Column[Any]:
    return Column(name, kind, primary_key=True, autoincrement=False)


def _field(name: str, kind: Any = Bytes) -> Column[Any]:
    return Column(name, kind, nullable=False)


BLOCKS = Table(
    "blocks",
    METADATA,
    _key("number"),
    _field("hash"),
    _field("parent"),
    _field("timestamp", Uint64),
)
LOGS = Table(
    "logs",
    METADATA,
    _key("block"),
    _key("index"),
    _field("transaction"),
    _field("timestamp", Uint64),
    _field("kind", Text),
    _field("fields", JSON),
)
ASSIGNMENTS = Table(
    "assignments",
    METADATA,
    _key("job"),
    _key("task"),
    _key("worker"),
    _field("expiry", Uint64),
    _field("terms"),
    _field("signature"),
    Index("assignments_by_worker", "worker"),
)
ANSWERS = Table(
    "answers",
    METADATA,
    _key("job"),
    _key("task"),
    _key("worker"),
    _field("key", BigInteger),
    _field("commitment"),
    _field("seal_hash"),
    _field("signature"),
    _field("envelope"),
    _field("expiry", Uint64),
    _field("assigned_by"),
)
MATCHES = Table(
    "matches",
    METADATA,
    Column("position", BigInteger().with_variant(sqlite.INTEGER(), "sqlite"), primary_key=True),
    _field("job", BigInteger),
    _field("digest"),
    UniqueConstraint("job", "digest", name="matches_once"),
)
RECEIPTS = Table(
    "receipts",
    METADATA,
    _key("root", Bytes),
    _field("digests"),  # 32 bytes each, joined
    _field("signatures"),  # 65 bytes each, joined
)
RECEIPTED = Table(
    "receipted",
    METADATA,
    _key("answer", Bytes),
    Column("root", Bytes, ForeignKey("receipts.root"), nullable=False),
    sqlite_with_rowid=False,
)
SIGNED = Table(
    "signed",
    METADATA,
    _key("epoch"),
    _key("digest", Bytes),
    _field("valid_until", Uint64),
    _field("tasks", JSON),
    Column("proposal", JSON),  # absent in rows of revision 0001
)
REGISTRATIONS = Table(
    "registrations",
    METADATA,
    Column("position", BigInteger().with_variant(sqlite.INTEGER(), "sqlite"), primary_key=True),
    _field("wallet"),
    _field("key"),
    _field("valid_until", Uint64),
    _field("signature"),
    UniqueConstraint("wallet", "key", name="registrations_once"),
)
CLAIMS = Table("claims", METADATA, _key("worker"))
OUTBOX = Table(
    "outbox",
    METADATA,
    _key("sender", Bytes),
    _key("nonce", Uint64),
    _field("what", Text),
    _field("kind", Text),
    _field("transaction"),
    _field("raw"),
    Column("block", BigInteger),
    Column("succeeded", Boolean),
    Column("gas", Uint64),
    Column("replaced", Bytes),  # 32 bytes each, joined
    UniqueConstraint("sender", "what", name="outbox_once"),
)
SUBMITTED = Table(
    "submitted",
    METADATA,
    _key("job"),
    _key("task"),
    _key("worker"),
    _field("answer"),
    Index("submitted_by_worker", "worker"),
)
GIVEN_BACK = Table(
    "given_back",
    METADATA,
    _key("job"),
    _key("task"),
    _key("worker"),
    _field("expiry", Uint64),
    Index("given_back_by_worker", "worker"),
)
KEPT = Table(
    "kept",
    METADATA,
    _key("kind", Text),
    _key("name", Text),
    _field("owner", Text),
    _field("value", JSON),
    _field("until", Double),  # Unix time
    Index("kept_by_owner", "kind", "owner"),
    Index("kept_by_until", "until"),
)
BUDGETS = Table(
    "budgets",
    METADATA,
    _key("dataset", Text),
    _field("epsilon", BigInteger),
    _field("delta", Double),
    _field("composition", Text),
)
RELEASES = Table(
    "releases",
    METADATA,
    Column("dataset", Text, ForeignKey("budgets.dataset"), primary_key=True),
    _key("number"),
    _field("asked"),  # digest of the query
    _field("query", JSON),
    _field("epsilon", BigInteger),
    _field("delta", Double),
    _field("rho", Double),
    _field("result", JSON),
    _field("at", Uint64),
    _field("previous"),
    _field("signature"),
    UniqueConstraint("dataset", "asked", name="releases_once"),
)
LEASES = Table(
    "leases",
    METADATA,
    _key("work", Text),
    _field("holder", Text),
    _field("since", Double),  # Unix time
    _field("seconds", Double),
)


# What every answer asks, made once.
ADD_ANSWERS = insert(ANSWERS)
PLACES = (
    select(ANSWERS.c.task, func.count())
    .where(ANSWERS.c.job == bindparam("job"), ANSWERS.c.task.in_(bindparam("tasks", expanding=True)))
    .group_by(ANSWERS.c.task)
)
SIGNED_SINCE = (
    select(SIGNED.c.digest)
    .where(SIGNED.c.valid_until >= bindparam("since"), SIGNED.c.proposal.is_not(None))
    .order_by(SIGNED.c.epoch, SIGNED.c.valid_until, SIGNED.c.digest)
)


@cache
def _newest_sent(named: bool, waiting: bool, limited: bool) -> Select[Any]:
    """Of `sender`, with `what` if named, without an outcome if waiting, the `last` if limited; the newest first."""
    found = select(OUTBOX).where(OUTBOX.c.sender == bindparam("sender")).order_by(OUTBOX.c.nonce.desc())
    if named:
        found = found.where(OUTBOX.c.what == bindparam("what"))
    if waiting:
        found = found.where(OUTBOX.c.block.is_(None))
    return found.limit(bindparam("last", type_=Integer)) if limited else found


# ------------------------------------------------------------------------------------------------------------ database


class SqlDatabase:
    """The port `Database`; safe between threads and processes. Raises Retryable or Fatal from every method."""

    def __init__(self, url: str, schema: str | None = None) -> None:
        """Opens `url` and brings its tables to this version. Raises BadInput for a URL that cannot be served.

        `schema`: of PostgreSQL, made when absent; several homes and members share a server and a database by it.
        """
        place = _parse(url)
        on_server = place.get_backend_name() == "postgresql"
        if schema is not None and not on_server:
            raise BadInput("a schema is for PostgreSQL: a SQLite database is a file of its own")
        self._schema = ("public" if schema is None else schema) if on_server else None
        self._place = place.database or "memory"
        if self._schema is None:
            self._engine = _engine(place)
        else:
            from oracle.adapters import postgresql  # noqa: PLC0415  # few need its driver

            self._place = postgresql.name(place, self._schema)
            self._engine = postgresql.engine(place, self._schema, PATIENCE_S)
        self._writer = self._engine.execution_options(crowdproof_write=True)
        self._headers: dict[bytes, SignedHeader] = {}  # what `signed` gave last, by digest
        self._turn = Lock()  # threads queue here: SQLite itself makes them sleep and try again
        try:
            self._migrate()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Closes the pool; another call opens connections again."""
        self._engine.dispose()

    # the index

    def blocks(self, last: int) -> list[Block]:
        newest = select(BLOCKS).order_by(BLOCKS.c.number.desc()).limit(last)
        return [Block(*row) for row in reversed(self._rows(newest))]

    def extend(self, blocks: Sequence[Block], logs: Sequence[Log]) -> None:
        """Raises Refused("known-block") when a block or log is at or below what is indexed."""
        tip = select(func.max(BLOCKS.c.number))
        first = min((block.number for block in blocks), default=None)
        try:
            with self._write() as connection:
                newest = connection.scalar(tip)
                if first is not None and newest is not None and first <= newest:
                    raise _known_block(first, newest)
                _insert(connection, insert(BLOCKS), map(_values, blocks))
                _insert(connection, insert(LOGS), map(_log_values, logs))
        except IntegrityError:
            raise Refused("known-block", "a block or log of this call is indexed already, or twice in it") from None

    def rewind(self, number: int) -> None:
        with self._write() as connection:
            connection.execute(delete(LOGS).where(LOGS.c.block > number))
            connection.execute(delete(BLOCKS).where(BLOCKS.c.number > number))

    def logs(self, after: tuple[int, int] = (-1, -1)) -> list[Log]:
        behind = select(LOGS).where(tuple_(LOGS.c.block, LOGS.c.index) > after).order_by(LOGS.c.block, LOGS.c.index)
        return [_log(*row) for row in self._rows(behind)]

    def newest_log(self) -> tuple[int, int] | None:
        """(block, index) of the newest."""
        newest = select(LOGS.c.block, LOGS.c.index).order_by(LOGS.c.block.desc(), LOGS.c.index.desc()).limit(1)
        return next(((block, index) for block, index in self._rows(newest)), None)

    # assignments and answers

    def add_assignments(self, offers: Sequence[OfferedAssignment]) -> None:
        last = {(offer.job, offer.task, offer.worker): _values(offer) for offer in offers}
        statement = self._insert(ASSIGNMENTS)
        replaced = {name: statement.excluded[name] for name in ("expiry", "terms", "signature")}
        with self._write() as connection:
            statement = statement.on_conflict_do_update(index_elements=["job", "task", "worker"], set_=replaced)
            _insert(connection, statement, last.values())

    def assignments(
        self, job: int | None = None, worker: int | None = None, tasks: Collection[int] | None = None
    ) -> list[OfferedAssignment]:
        """Ascending by (job, task, worker)."""
        found = select(ASSIGNMENTS).order_by(ASSIGNMENTS.c.job, ASSIGNMENTS.c.task, ASSIGNMENTS.c.worker)
        if job is not None:
            found = found.where(ASSIGNMENTS.c.job == job)
        if worker is not None:
            found = found.where(ASSIGNMENTS.c.worker == worker)
        parts = [found] if tasks is None else [found.where(ASSIGNMENTS.c.task.in_(p)) for p in _chunks(sorted(tasks))]
        rows = [OfferedAssignment(*row) for part in parts for row in self._rows(part)]
        return rows if len(parts) == 1 or job is not None else sorted(rows, key=lambda o: (o.job, o.task, o.worker))

    def add_answers(self, answers: Sequence[StoredAnswer]) -> None:
        """All or none; Refused("duplicate-answer") names the first answer that is stored already or is twice here."""
        try:
            with self._write() as connection:
                _insert(connection, ADD_ANSWERS, map(_values, answers))
        except IntegrityError:
            raise self._duplicate(answers) from None

    def answers(self, job: int) -> list[StoredAnswer]:
        found = select(ANSWERS).where(ANSWERS.c.job == job).order_by(ANSWERS.c.task, ANSWERS.c.worker)
        return [StoredAnswer(*row) for row in self._rows(found)]

    def answered(
        self, job: int, tasks: Collection[int], workers: Collection[int] | None = None
    ) -> dict[tuple[int, int], tuple[bytes, bytes]]:
        of_job = select(ANSWERS.c.task, ANSWERS.c.worker, ANSWERS.c.commitment, ANSWERS.c.seal_hash)
        of_job = of_job.where(ANSWERS.c.job == job)
        if workers is not None and len(workers) <= CHUNK:
            of_job = of_job.where(ANSWERS.c.worker.in_(workers))
        known = {}
        for some in _chunks(list(tasks)):
            found = self._rows(of_job.where(ANSWERS.c.task.in_(some)))
            known.update({(task, worker): (commitment, seal) for task, worker, commitment, seal in found})
        return known

    def places(self, job: int, tasks: Collection[int]) -> dict[int, int]:
        parts = [self._rows(PLACES, job=job, tasks=some) for some in _chunks(list(tasks))]
        return {task: count for part in parts for task, count in part}

    # matches

    def add_match(self, job: int, digest: bytes) -> None:
        """The same again is no error, and stays where it stands."""
        with self._write() as connection:
            _insert(connection, self._add(MATCHES), [{"job": job, "digest": digest}])

    def matches(self) -> list[tuple[int, bytes]]:
        """(job, digest) in the order in which they came."""
        return [(row.job, row.digest) for row in self._rows(select(MATCHES).order_by(MATCHES.c.position))]

    # receipts and signatures

    def add_receipt(self, receipt: StoredReceipt, places: Sequence[tuple[int, int, int]] = ()) -> None:
        """An answer with two receipts keeps the first: either is a quorum's word."""
        row = {
            "root": receipt.root,
            "digests": _join(receipt.digests, 32, "digest of a receipt"),
            "signatures": _join(receipt.signatures, 65, "signature of a receipt"),
        }
        receipted = [{"answer": digest, "root": receipt.root} for digest in receipt.digests]
        submitted = [
            {"job": job, "task": task, "worker": worker, "answer": digest}
            for (job, task, worker), digest in zip(places, receipt.digests, strict=bool(places))
        ]
        with self._write() as connection:
            _insert(connection, self._add(RECEIPTS), [row])
            _insert(connection, self._add(RECEIPTED), receipted)
            _insert(connection, self._add(SUBMITTED), submitted)

    def receipt_of(self, answer: bytes) -> StoredReceipt | None:
        found = self._rows(select(RECEIPTS).join(RECEIPTED).where(RECEIPTED.c.answer == answer))
        for root, digests, signatures in found:
            return StoredReceipt(root, _split(digests, 32), _split(signatures, 65))
        return None

    def add_signed(self, header: SignedHeader, now: int | None = None) -> None:
        """Refused("already-signed") while another header of the epoch is valid at block time `now`, if that is given.

        Check and write are one transaction: two processes of a member cannot both sign. The same again is no error.
        """
        others = select(SIGNED.c.valid_until).where(SIGNED.c.epoch == header.epoch, SIGNED.c.digest != header.digest)
        with self._write() as connection:
            until = max(connection.scalars(others), default=None)
            if now is not None and until is not None and until >= now:
                rival = f"another header of epoch {header.epoch} is signed, and valid until {until}"
                raise Refused("already-signed", rival)
            _insert(connection, self._add(SIGNED), [_signed_values(header)])

    def signed(self, since: int = 0) -> list[SignedHeader]:
        """Ascending by (epoch, valid until). A header names thousands of tasks: what was read is kept for the next call."""
        digests = [digest for (digest,) in self._rows(SIGNED_SINCE, since=since)]
        known = self._headers
        if new := [digest for digest in digests if digest not in known]:
            rows = [row for some in _chunks(new) for row in self._rows(select(SIGNED).where(SIGNED.c.digest.in_(some)))]
            known = known | {row.digest: _signed(row) for row in rows}
            if not known.keys() >= set(new):
                raise Fatal(
                    f"the database {self._place} is damaged: stop, and restore it from a backup (an index differs)"
                )
        self._headers = {digest: known[digest] for digest in digests}
        return list(self._headers.values())

    def submitted(self, job: int | None = None, worker: int | None = None) -> dict[tuple[int, int, int], bytes]:
        return {(j, t, w): answer for j, t, w, answer in self._rows(_placed(SUBMITTED, job, worker))}

    def counted(self, job: int) -> dict[int, int]:
        of_job = select(SUBMITTED.c.task, func.count()).where(SUBMITTED.c.job == job).group_by(SUBMITTED.c.task)
        return {row[0]: row[1] for row in self._rows(of_job)}

    def give_back(self, offer: OfferedAssignment) -> None:
        statement = self._insert(GIVEN_BACK)
        statement = statement.on_conflict_do_update(
            index_elements=["job", "task", "worker"], set_={"expiry": statement.excluded.expiry}
        )
        row = {name: getattr(offer, name) for name in ("job", "task", "worker", "expiry")}
        with self._write() as connection:
            _insert(connection, statement, [row])

    def given_back(self, job: int | None = None, worker: int | None = None) -> set[tuple[int, int, int, int]]:
        """(job, task, worker, expiry)."""
        return {(j, t, w, expiry) for j, t, w, expiry in self._rows(_placed(GIVEN_BACK, job, worker))}

    # what the API keeps

    def keep(self, one: Kept) -> bool:
        named = (KEPT.c.kind == one.kind, KEPT.c.name == one.name)
        with self._write() as connection:
            connection.execute(delete(KEPT).where(*named, KEPT.c.until <= time.time()))
            statement = self._add(KEPT).values(_values(one))
            return connection.execute(statement).rowcount > 0

    def put(self, one: Kept) -> None:
        statement = self._insert(KEPT)
        new = {name: statement.excluded[name] for name in ("owner", "value", "until")}
        with self._write() as connection:
            _insert(
                connection,
                statement.on_conflict_do_update(index_elements=["kind", "name"], set_=new),
                [_values(one)],
            )

    def kept(self, kind: str, name: str) -> Kept | None:
        found = select(KEPT).where(KEPT.c.kind == kind, KEPT.c.name == name, KEPT.c.until > time.time())
        return next((Kept(*row) for row in self._rows(found)), None)

    def kept_of(self, kind: str, owner: str | None = None) -> list[Kept]:
        found = select(KEPT).where(KEPT.c.kind == kind, KEPT.c.until > time.time()).order_by(KEPT.c.name)
        return [Kept(*row) for row in self._rows(found if owner is None else found.where(KEPT.c.owner == owner))]

    def take(self, kind: str, name: str) -> Kept | None:
        """Reads and deletes in the writer's turn: of many who ask at once, one gets it."""
        named = (KEPT.c.kind == kind, KEPT.c.name == name)
        with self._write() as connection:
            row = connection.execute(select(KEPT).where(*named)).one_or_none()
            if row is None:
                return None
            connection.execute(delete(KEPT).where(*named))
        return Kept(*row) if row.until > time.time() else None

    def drop_run_out(self) -> None:
        with self._write() as connection:
            connection.execute(delete(KEPT).where(KEPT.c.until <= time.time()))

    # wishes for the relayer

    def add_registrations(self, registrations: Sequence[Registration]) -> None:
        """One wish for a wallet and key, that which is valid longest: an old one, sent again, changes nothing."""
        statement = self._insert(REGISTRATIONS)
        new = statement.excluded
        statement = statement.on_conflict_do_update(
            index_elements=["wallet", "key"],
            set_={"valid_until": new.valid_until, "signature": new.signature},
            where=new.valid_until > REGISTRATIONS.c.valid_until,
        )
        with self._write() as connection:
            for registration in registrations:  # one by one: a call may hold the same wallet twice
                _insert(connection, statement, [_values(registration)])

    def registrations(self) -> list[Registration]:
        """In the order in which they came."""
        wishes = select(*[REGISTRATIONS.c[field.name] for field in fields(Registration)])
        return [Registration(*row) for row in self._rows(wishes.order_by(REGISTRATIONS.c.position))]

    def drop_registrations(self, wallets: Sequence[Address]) -> None:
        """Those of all their keys; a wallet without a wish is no error."""
        with self._write() as connection:
            for some in _chunks(list(wallets)):
                connection.execute(delete(REGISTRATIONS).where(REGISTRATIONS.c.wallet.in_(some)))

    def add_claims(self, workers: Sequence[int]) -> None:
        statement = self._add(CLAIMS)
        with self._write() as connection:
            _insert(connection, statement, [{"worker": worker} for worker in workers])

    def claims(self) -> list[int]:
        """Ascending, each once."""
        return [row.worker for row in self._rows(select(CLAIMS).order_by(CLAIMS.c.worker))]

    # the outbox

    def add_sent(self, sender: Address, sent: Sent) -> None:
        """Refused("already-sent") when the sender has `what` already, else Refused("nonce-taken")."""
        try:
            with self._write() as connection:
                _insert(connection, insert(OUTBOX), [_sent_values(sender, sent)])
        except IntegrityError:
            raise self._taken(sender, sent) from None

    def set_outcome(self, sender: Address, nonce: int, outcome: Outcome | None) -> None:
        """Refused("unknown-nonce") when the outbox has no such transaction."""
        row = update(OUTBOX).where(OUTBOX.c.sender == sender, OUTBOX.c.nonce == nonce)
        with self._write() as connection:
            if connection.execute(row.values(_outcome_values(outcome))).rowcount == 0:
                raise _unknown_nonce(sender, nonce)

    def replace_sent(self, sender: Address, nonce: int, transaction: bytes, raw: bytes) -> None:
        """The same call, priced anew; the hash that it had joins `replaced`, so that either is known when mined.

        Refused("unknown-nonce") when the outbox has no such transaction, Refused("mined") once it has an outcome.
        """
        place = (OUTBOX.c.sender == sender, OUTBOX.c.nonce == nonce)
        with self._write() as connection:
            old = connection.execute(select(OUTBOX).where(*place)).one_or_none()
            if old is None:
                raise _unknown_nonce(sender, nonce)
            if old.block is not None:
                raise Refused("mined", f"nonce {nonce} of {checksum(sender)} is mined in block {old.block}")
            earlier = _hashes((old.transaction,))
            replaced = (old.replaced or b"") + (earlier if transaction != old.transaction else b"")
            connection.execute(update(OUTBOX).where(*place).values(transaction=transaction, raw=raw, replaced=replaced))

    def sent(
        self, sender: Address, what: str | None = None, waiting: bool = False, last: int | None = None
    ) -> list[Sent]:
        statement = _newest_sent(what is not None, waiting, last is not None)
        return [_sent(row) for row in reversed(self._rows(statement, sender=sender, what=what, last=last))]

    # what data sets may reveal, and have revealed

    def set_budget(self, budget: Budget) -> None:
        """Once for a data set; the same again is no error."""
        with self._write() as connection:
            _insert(connection, self._add(BUDGETS), [_values(budget)])
            known = connection.execute(select(BUDGETS).where(BUDGETS.c.dataset == budget.dataset)).one()
        if Budget(*known) != budget:
            raise Refused("budget-set", f"{budget.dataset} has another budget already, and no budget is changed")

    def budget(self, dataset: str) -> Budget | None:
        return next((Budget(*row) for row in self._rows(select(BUDGETS).where(BUDGETS.c.dataset == dataset))), None)

    def spend(self, dataset: str, query: dict[str, Any], make: MakeEntry) -> Entry:
        """Looks and writes in one turn of the writer: of many who ask at once, as many get it as the budget has room for."""
        asked, own = hashlib.sha256(encode(query)).digest(), RELEASES.c.dataset == dataset
        spent = select(RELEASES.c.epsilon, RELEASES.c.delta, RELEASES.c.rho).where(own).order_by(RELEASES.c.number)
        newest = select(RELEASES).where(own).order_by(RELEASES.c.number.desc()).limit(1)
        with self._write() as connection:
            budget = connection.execute(select(BUDGETS).where(BUDGETS.c.dataset == dataset)).one_or_none()
            if budget is None:
                raise Refused("no-budget", f"{dataset} has no budget: nothing of it is released")
            known = connection.execute(select(RELEASES).where(own, RELEASES.c.asked == asked)).one_or_none()
            if known is not None:
                return _entry(known)
            costs = [Cost(*row) for row in connection.execute(spent)]
            last = connection.execute(newest).one_or_none()
            previous = bytes(32) if last is None else _entry(last).digest()
            entry = make(Budget(*budget), costs, len(costs) + 1, previous)
            _insert(connection, insert(RELEASES), [_entry_values(entry, asked)])
            return entry

    def entries(self, dataset: str) -> list[Entry]:
        found = select(RELEASES).where(RELEASES.c.dataset == dataset).order_by(RELEASES.c.number)
        return [_entry(row) for row in self._rows(found)]

    # who does what

    def hold(self, work: str, holder: str, seconds: float) -> bool:
        """True when `work` is the holder's for `seconds` from now: it was its already, or nobody's, or ran out.

        A clock that jumps ends a lease early, or late by at most its own length: one from the future counts as run out.
        """
        statement = self._insert(LEASES)
        new = statement.excluded
        over = func.abs(new.since - LEASES.c.since) >= LEASES.c.seconds
        statement = statement.on_conflict_do_update(
            index_elements=["work"],
            set_={"holder": new.holder, "since": new.since, "seconds": new.seconds},
            where=or_(LEASES.c.holder == new.holder, over),
        )
        with self._write() as connection:
            row = statement.values(work=work, holder=holder, since=self._now(), seconds=seconds)
            return connection.execute(row).rowcount > 0

    # beneath

    def _now(self) -> Any:
        """Of the server, where several machines share one; read within the writer's turn."""
        if self._engine.dialect.name == "postgresql":
            return literal_column("extract(epoch FROM clock_timestamp())::double precision")
        return time.time()

    def _duplicate(self, answers: Sequence[StoredAnswer]) -> CrowdproofError:
        seen: set[tuple[int, int, int]] = set()
        for job in sorted({answer.job for answer in answers}):
            tasks = {answer.task for answer in answers if answer.job == job}
            seen.update((job, *pair) for pair in self.answered(job, tasks))
        for answer in answers:
            place = (answer.job, answer.task, answer.worker)
            if place in seen:
                name = f"job {answer.job}, task {answer.task}, worker {answer.worker}"
                return Refused("duplicate-answer", f"{name} has an answer already; nothing of this batch was stored")
            seen.add(place)
        return Fatal(f"the database {self._place} refuses answers that it does not hold: it may be damaged")

    def _taken(self, sender: Address, sent: Sent) -> Refused:
        if self.sent(sender, what=sent.what):
            return Refused("already-sent", f"{sent.what!r} is in the outbox of {checksum(sender)} already")
        return Refused("nonce-taken", f"nonce {sent.nonce} of {checksum(sender)} is used by another transaction")

    def _insert(self, table: Table) -> Any:
        """INSERT with ON CONFLICT, which both databases have and standard SQL has not."""
        return postgresql.insert(table) if self._engine.dialect.name == "postgresql" else sqlite.insert(table)

    def _add(self, table: Table) -> Any:
        """The same, where what is there already stays."""
        return _adding(self._engine.dialect.name, table)

    def _rows(self, statement: Any, **values: Any) -> Sequence[Any]:
        with self._translated(), self._engine.connect() as connection:
            return connection.execute(statement, values).all()

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        if not self._turn.acquire(timeout=PATIENCE_S):
            raise _busy(self._place, "thread")
        try:
            with self._translated(), self._writer.begin() as connection:
                yield connection
        finally:
            self._turn.release()

    def _migrate(self) -> None:
        if self._revision() != REVISION:
            with self._write() as connection:
                if self._schema is not None and self._schema not in inspect(connection).get_schema_names():
                    connection.execute(CreateSchema(self._schema))
                if self._schema is None and not inspect(connection).get_table_names():
                    _create(connection, self._place)
                else:
                    _upgrade(connection, self._place)

    def _revision(self) -> str | None:
        with self._translated(), self._engine.connect() as connection:
            tables = inspect(connection).get_table_names(self._schema)
            if tables and "alembic_version" not in tables:
                another = "name another schema" if self._schema else "name another file"
                raise Fatal(f"{self._place} belongs to another program (it has a table {tables[0]!r}): {another}")
            return connection.scalar(text("SELECT version_num FROM alembic_version")) if tables else None

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """The driver's errors in our words; IntegrityError passes, its meaning is the caller's."""
        try:
            yield
        except NoConnectionFree:
            raise Retryable(f"the database {self._place} is busy: no connection came free") from None
        except OverflowError:
            raise _too_large() from None
        except OSError as problem:  # pg8000 lets some pass; those of TLS are ValueErrors too
            if self._schema is None:
                raise
            raise _in_our_words_from_postgresql(problem, self._place) from None
        except ValueError as problem:  # of a column's own decoder: no driver sees every flipped bit
            what = f"is damaged: stop, and restore it from a backup (a value: {type(problem).__name__})"
            raise Fatal(f"the database {self._place} {what}") from None
        except IntegrityError:
            raise
        except StatementError as problem:
            if isinstance(problem.orig, OverflowError):
                raise _too_large() from None
            if self._schema is not None and problem.orig is not None:
                raise _in_our_words_from_postgresql(problem.orig, self._place) from None  # it quotes values of rows
            if isinstance(problem, DBAPIError):
                raise _in_our_words(problem, self._place) from problem
            raise


_made: list[
    str
] = []  # what makes the tables of a new SQLite database, as the migrations left the first of this process


def _create(connection: Connection, place: str) -> None:
    """The tables of a database that has none: by the migrations once, then as those left them, which takes a tenth."""
    if not _made:
        _upgrade(connection, place)
        _made[:] = connection.scalars(text("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid"))
        return
    for statement in _made:
        connection.exec_driver_sql(statement)
    connection.execute(text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": REVISION})


def _upgrade(connection: Connection, place: str) -> None:
    from oracle.adapters.migrations import upgrade  # noqa: PLC0415  # alembic loads slowly

    upgrade(connection, place)


def memory_database() -> SqlDatabase:
    """The official fake: the same code and tables in memory, gone with the object; safe between threads."""
    return SqlDatabase("sqlite://")


# ---------------------------------------------------------------------------------------------------------- connection


def _parse(url: str) -> URL:
    how = "write sqlite:///PATH or postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
    try:
        place = make_url(url)
    except (ArgumentError, ValueError):  # whose texts quote the URL, and so the password
        raise BadInput(f"the database's URL cannot be read: {how}, special characters in it as %XX") from None
    if place.drivername not in ("sqlite", "postgresql", "postgresql+pg8000"):
        raise BadInput(f"a database of kind {place.drivername!r} is not served: {how}")
    if place.get_backend_name() == "postgresql" and not (place.username and place.database):
        raise BadInput(f"the database's URL lacks the user or the database: {how}")
    return place


def _engine(place: URL) -> Engine:
    in_memory = place.database in (None, "", ":memory:")
    engine = create_engine(
        place,
        poolclass=QueuePool,
        pool_size=1 if in_memory else 8,  # one connection is one database in memory
        max_overflow=0 if in_memory else 32,
        pool_timeout=PATIENCE_S,
        connect_args={"check_same_thread": False, "timeout": PATIENCE_S},
        hide_parameters=True,  # answers and signatures stay out of messages
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None  # the driver starts no transactions by itself
    _write_ahead(connection)
    for setting in ("synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {setting}").close()


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Processes that change a new file's journal at once refuse each other, and SQLite does not wait for that lock."""
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").close()
            return
        except sqlite3.OperationalError as problem:
            if problem.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(0.01)


def _begin(connection: Connection) -> None:
    """A writer takes its turn at once: a reader that becomes a writer later could only fail."""
    writes = connection.get_execution_options().get("crowdproof_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


# -------------------------------------------------------------------------------------------------------------- errors


_ADVICE = {
    sqlite3.SQLITE_CORRUPT: "is damaged: stop, and restore it from a backup",
    sqlite3.SQLITE_NOTADB: "is no database: name another file, or restore it from a backup",
    sqlite3.SQLITE_READONLY: "cannot be written: give this user the right to write the file and its folder",
    sqlite3.SQLITE_PERM: "cannot be reached: give this user the right to read and write the file and its folder",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened: the folder must exist and be writable",
    sqlite3.SQLITE_FULL: "cannot grow: the disk is full; free some space and start again, nothing is lost",
    sqlite3.SQLITE_IOERR: "cannot be read or written: the disk reports an error",
}


def _in_our_words(problem: DBAPIError, place: str) -> CrowdproofError:
    code = getattr(problem.orig, "sqlite_errorcode", 0) & 0xFF  # the low byte is the kind, the rest a detail
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return _busy(place, "process")
    return Fatal(f"the database {place} {_ADVICE.get(code, 'failed')} ({problem.orig})")


def _in_our_words_from_postgresql(problem: BaseException, place: str) -> CrowdproofError:
    from oracle.adapters import postgresql  # noqa: PLC0415

    code, said = postgresql.report(problem)
    if code == postgresql.TURN_NOT_COME:
        return _busy(place, "process")
    if code == postgresql.OUT_OF_RANGE:
        return _too_large()
    return postgresql.explain(code, said, place)


def _busy(place: str, who: str) -> Retryable:
    return Retryable(f"the database {place} is busy: another {who} has been writing for {PATIENCE_S:.0f} s")


def _too_large() -> BadInput:
    return BadInput("an integer does not fit: ids and block numbers end at 2^63 - 1, times, nonces and gas at 2^64 - 1")


def _unknown_nonce(sender: Address, nonce: int) -> Refused:
    return Refused("unknown-nonce", f"the outbox of {checksum(sender)} has no nonce {nonce}")


def _known_block(number: int, newest: int) -> Refused:
    return Refused("known-block", f"block {number} is not above the newest indexed block, {newest}")


# ---------------------------------------------------------------------------------------------------------------- rows


def _insert(connection: Connection, statement: Any, rows: Iterable[Mapping[str, Any]]) -> None:
    for some in _chunks(list(rows)):
        connection.execute(statement, some)


@cache
def _adding(dialect: str, table: Table) -> Any:
    """Made once: SQLAlchemy finds what it compiled by the statement's structure, and takes long to write that down."""
    made = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
    return made.on_conflict_do_nothing()


def _chunks(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (items[first : first + CHUNK] for first in range(0, len(items), CHUNK))


def _placed(table: Table, job: int | None, worker: int | None) -> Any:
    """The rows of a table by places: all, those of a job, of a worker, or of both."""
    found = select(table)
    for column, wanted in ((table.c.job, job), (table.c.worker, worker)):
        if wanted is not None:
            found = found.where(column == wanted)
    return found


def _values(item: Any) -> dict[str, Any]:
    return {name: getattr(item, name) for name in item.__slots__}


def _log_values(log: Log) -> dict[str, Any]:
    place = {name: getattr(log, name) for name in ("block", "index", "transaction", "timestamp")}
    return place | {"kind": type(log.event).__name__, "fields": plain.to_json(log.event)}


def _log(block: int, index: int, transaction: bytes, timestamp: int, kind: str, event_fields: Any) -> Log:
    return Log(block, index, transaction, timestamp, from_json(kind, event_fields))


def _signed_values(header: SignedHeader) -> dict[str, Any]:
    row = {name: getattr(header, name) for name in ("epoch", "digest", "valid_until", "tasks")}
    return row | {"proposal": plain.to_json(header.proposal)}


def _signed(row: Row[Any]) -> SignedHeader:
    proposal = plain.from_json(Proposal, row.proposal)
    return SignedHeader(row.digest, proposal, tuple((job, task) for job, task in row.tasks))


def _entry_values(entry: Entry, asked: bytes) -> dict[str, Any]:
    names = ("dataset", "number", "query", "result", "at", "previous", "signature")
    return {name: getattr(entry, name) for name in names} | _values(entry.cost) | {"asked": asked}


def _entry(row: Row[Any]) -> Entry:
    cost = Cost(row.epsilon, row.delta, row.rho)
    return Entry(row.dataset, row.number, row.query, cost, row.result, row.at, row.previous, row.signature)


def _sent_values(sender: Address, sent: Sent) -> dict[str, Any]:
    row = {name: getattr(sent, name) for name in ("nonce", "what", "kind", "transaction", "raw")}
    return row | {"sender": sender, "replaced": _hashes(sent.replaced)} | _outcome_values(sent.outcome)


def _outcome_values(outcome: Outcome | None) -> dict[str, Any]:
    return _values(outcome) if outcome else {"block": None, "succeeded": None, "gas": None}


def _sent(row: Row[Any]) -> Sent:
    outcome = None if row.block is None else Outcome(row.block, row.succeeded, row.gas)
    return Sent(row.nonce, row.what, row.kind, row.transaction, row.raw, outcome, _split(row.replaced or b"", 32))


def _hashes(transactions: Sequence[bytes]) -> bytes:
    return _join(transactions, 32, "hash of a transaction")


def _join(items: Sequence[bytes], size: int, name: str) -> bytes:
    if any(len(item) != size for item in items):
        raise BadInput(f"a {name} has {size} bytes")
    return b"".join(items)


def _split(joined: bytes, size: int) -> tuple[bytes, ...]:
    return tuple(joined[first : first + size] for first in range(0, len(joined), size))
