"""Run by alembic: the revisions, on the connection and in the transaction of whoever opened the database."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
