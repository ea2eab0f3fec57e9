"""One revision of the schema to the next, as a host's Alembic takes it."""

from __future__ import annotations

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

#: Around the revision that makes domains of checks.
BEFORE, AFTER = "gendurable_0008", "gendurable_0009"


def operations(conn: Connection) -> Operations:
    """What a host's revision calls ``op``."""
    return Operations(MigrationContext.configure(conn))
