"""One revision of the schema to the next, as a host's Alembic takes it."""

from __future__ import annotations

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

#: Around the revisions that make domains of checks: of those of one column, and of the others.
MOVES = (("gendurable_0008", "gendurable_0009"), ("gendurable_0009", "gendurable_0010"))
BEFORE, AFTER = MOVES[0]


def operations(conn: Connection) -> Operations:
    """What a host's revision calls ``op``."""
    return Operations(MigrationContext.configure(conn))
