"""The first tables. Whole numbers up to 2^64 - 1 are 8 big-endian bytes (`UINT64`)."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

UINT64 = sa.LargeBinary(8)


def upgrade() -> None:
    index()
    answers()
    signatures()
    wishes()
    outbox()


def index() -> None:
    op.create_table(
        "blocks",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("parent", sa.LargeBinary, nullable=False),
        sa.Column("timestamp", UINT64, nullable=False),
    )
    op.create_table(
        "logs",
        sa.Column("block", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("index", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("transaction", sa.LargeBinary, nullable=False),
        sa.Column("timestamp", UINT64, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("fields", sa.JSON, nullable=False),
    )


def answers() -> None:
    op.create_table(
        "assignments",
        *triple(),
        sa.Column("expiry", UINT64, nullable=False),
        sa.Column("terms", sa.LargeBinary, nullable=False),
        sa.Column("signature", sa.LargeBinary, nullable=False),
    )
    op.create_index("assignments_by_worker", "assignments", ["worker"])
    op.create_table(
        "answers",
        *triple(),
        sa.Column("key", sa.BigInteger, nullable=False),
        sa.Column("commitment", sa.LargeBinary, nullable=False),
        sa.Column("seal_hash", sa.LargeBinary, nullable=False),
        sa.Column("signature", sa.LargeBinary, nullable=False),
        sa.Column("envelope", sa.LargeBinary, nullable=False),
        sa.Column("expiry", UINT64, nullable=False),
        sa.Column("assigned_by", sa.LargeBinary, nullable=False),
    )


def triple() -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger, primary_key=True, autoincrement=False) for name in ("job", "task", "worker")]


def signatures() -> None:
    op.create_table(
        "receipts",
        sa.Column("root", sa.LargeBinary, primary_key=True),
        sa.Column("digests", sa.LargeBinary, nullable=False),
        sa.Column("signatures", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "receipted",
        sa.Column("answer", sa.LargeBinary, primary_key=True),
        sa.Column("root", sa.LargeBinary, sa.ForeignKey("receipts.root"), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "signed",
        sa.Column("epoch", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("digest", sa.LargeBinary, primary_key=True),
        sa.Column("valid_until", UINT64, nullable=False),
        sa.Column("tasks", sa.JSON, nullable=False),
    )


def wishes() -> None:
    op.create_table(
        "registrations",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("wallet", sa.LargeBinary, nullable=False),
        sa.Column("key", sa.LargeBinary, nullable=False),
        sa.Column("valid_until", UINT64, nullable=False),
        sa.Column("signature", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("wallet", "key", name="registrations_once"),
    )
    op.create_table("claims", sa.Column("worker", sa.BigInteger, primary_key=True, autoincrement=False))


def outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("sender", sa.LargeBinary, primary_key=True),
        sa.Column("nonce", UINT64, primary_key=True),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("transaction", sa.LargeBinary, nullable=False),
        sa.Column("raw", sa.LargeBinary, nullable=False),
        sa.Column("block", sa.BigInteger),
        sa.Column("succeeded", sa.Boolean),
        sa.Column("gas", UINT64),
        sa.UniqueConstraint("sender", "what", name="outbox_once"),
    )
