"""What data sets may reveal, and the ledger of what they have revealed."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "budgets",
        sa.Column("dataset", sa.Text, primary_key=True),
        sa.Column("epsilon", sa.BigInteger, nullable=False),
        sa.Column("delta", sa.Double, nullable=False),
        sa.Column("composition", sa.Text, nullable=False),
    )
    op.create_table(
        "releases",
        sa.Column("dataset", sa.Text, sa.ForeignKey("budgets.dataset"), primary_key=True),
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("asked", sa.LargeBinary, nullable=False),
        sa.Column("query", sa.JSON, nullable=False),
        sa.Column("epsilon", sa.BigInteger, nullable=False),
        sa.Column("delta", sa.Double, nullable=False),
        sa.Column("rho", sa.Double, nullable=False),
        sa.Column("result", sa.JSON, nullable=False),
        sa.Column("at", sa.LargeBinary, nullable=False),
        sa.Column("previous", sa.LargeBinary, nullable=False),
        sa.Column("signature", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("dataset", "asked", name="releases_once"),
    )
