"""The tables' history (alembic), packaged: one file a revision in versions/, run when a database is opened.

To change the tables: edit database.py, add a file there that makes the same change, set `REVISION`; a test compares.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

from oracle.protocol.errors import Fatal


def upgrade(connection: Connection, place: str, revision: str = "head") -> None:
    """Brings the tables to `revision`, inside the connection's transaction. Raises Fatal for a newer database."""
    config = configuration(connection)
    scripts = ScriptDirectory.from_config(config)
    current = MigrationContext.configure(connection).get_current_revision()
    try:
        scripts.get_revision(current)  # type: ignore[arg-type]  # None is the empty database
    except CommandError:
        raise Fatal(
            f"the database {place} was written by a newer crowdproof (its revision is {current}): install that version"
        ) from None
    command.upgrade(config, revision)


def configuration(connection: Connection) -> Config:
    """What env.py needs; without an alembic.ini."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
