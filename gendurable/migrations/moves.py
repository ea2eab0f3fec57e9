"""Moving a schema up and down its history, inside Alembic or without it."""

from __future__ import annotations

from io import StringIO

from alembic import context
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, func, select

from gendurable.errors import InvalidInput
from gendurable.migrations.history import Op, head, position, revisions
from gendurable.migrations.installation import current, record
from gendurable.models.base import SCHEMA


def upgrade(op: Op, to: str | None = None, since: str | None = None, schema: str = SCHEMA) -> None:
    """Bring *schema* up to the revision *to*, from a revision of the host application.

    Args:
        op: ``alembic.op``.
        to: the revision to reach; name it, so that the host's own history stays as it was
            written. Default: the newest.
        since: the revision that the host's history has reached before. A connected migration
            looks it up in the database; ``--sql`` cannot.
        schema: the PostgreSQL schema, created if there is none.
    """
    target = position(to or head())
    for step in revisions()[_start(op, since, schema) : target]:
        step.up(op, schema)
        op.execute(record(step.revision, schema))


def downgrade(
    op: Op, to: str | None = None, since: str | None = None, schema: str = SCHEMA
) -> None:
    """Take *schema* back to the revision *to*; None removes it with all that it holds.

    Args:
        op: ``alembic.op``.
        to: the revision to return to.
        since: the revision that the host's history is at; only ``--sql`` needs it. Default: the
            newest.
        schema: the PostgreSQL schema.
    """
    for step in reversed(revisions()[position(to) : _start(op, since or head(), schema)]):
        step.down(op, schema)
        if step.down_revision is not None:
            op.execute(record(step.down_revision, schema))


def create_schema(bind: Engine | Connection, schema: str = SCHEMA) -> None:
    """Bring *schema* up to the newest revision; a connection's transaction stays the caller's."""
    if isinstance(bind, Engine):
        with bind.begin() as conn:
            return create_schema(conn, schema)
    upgrade(_operations(bind), schema=schema)


def drop_schema(bind: Engine | Connection, schema: str = SCHEMA) -> None:
    """Remove the tables of *schema* with all that they hold, and the schema if that empties it."""
    if isinstance(bind, Engine):
        with bind.begin() as conn:
            return drop_schema(conn, schema)
    downgrade(_operations(bind), schema=schema)


def script(to: str | None = None, since: str | None = None, schema: str = SCHEMA) -> str:
    """Return the SQL that takes *schema* from the revision *since* up to *to*, for a DBA to run."""
    buffer = StringIO()
    offline = MigrationContext.configure(
        dialect_name="postgresql", opts={"as_sql": True, "output_buffer": buffer}
    )
    upgrade(Operations(offline), to=to, since=since, schema=schema)
    return buffer.getvalue()


def configured_schema() -> str:
    """Return the schema that a host's ``alembic.ini`` names, as ``gendurable_schema = …``."""
    return context.config.get_main_option("gendurable_schema", SCHEMA)


def _start(op: Op, since: str | None, schema: str) -> int:
    """Where the schema stands: what the database says, or with ``--sql`` what the caller says."""
    migration = op.get_context()
    if migration.as_sql:
        return position(since)
    conn = migration.connection
    if conn is None:
        raise InvalidInput("op has no connection: call this from inside an Alembic migration")
    # Two programs that start together create the schema once: the second waits for the first.
    conn.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"{schema} schema", 0))))
    return position(current(conn, schema))


def _operations(conn: Connection) -> Operations:
    return Operations(MigrationContext.configure(conn))
