"""What the API keeps for its visitors, where answers with receipts stand, and which assignments were given back."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "submitted",
        *_place(),
        sa.Column("answer", sa.LargeBinary, nullable=False),
    )
    op.create_index("submitted_by_worker", "submitted", ["worker"])
    op.create_table(
        "given_back",
        *_place(),
        sa.Column("expiry", sa.LargeBinary, nullable=False),
    )
    op.create_index("given_back_by_worker", "given_back", ["worker"])
    op.create_table(
        "kept",
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("value", sa.JSON, nullable=False),
        sa.Column("until", sa.Double, nullable=False),
    )
    op.create_index("kept_by_owner", "kept", ["kind", "owner"])
    op.create_index("kept_by_until", "kept", ["until"])


def _place() -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger, primary_key=True, autoincrement=False) for name in ("job", "task", "worker")]
