"""What a member and an outbox resume from: signed proposals, replaced transactions; leases between processes.

A header signed before this revision has no proposal. It stays, and still forbids another header of its epoch until it
expires; it is not listed, so its proposal is not made again.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("signed", sa.Column("proposal", sa.JSON))
    op.add_column("outbox", sa.Column("replaced", sa.LargeBinary))
    op.create_table(
        "leases",
        sa.Column("work", sa.Text, primary_key=True),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("since", sa.Double, nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
    )
