"""The row that says which revision a schema is at."""

from __future__ import annotations

import re

from sqlalchemy import Column, Connection, MetaData, Table, Text, func, literal_column, select
from sqlalchemy.dialects.postgresql import Insert, insert

from gendurable.errors import SchemaError
from gendurable.migrations.ddl import quoted
from gendurable.migrations.history import head, position
from gendurable.models.base import SCHEMA

#: How revision ids begin; the number behind it says which is newer.
_PREFIX = "gendurable_"


def current(conn: Connection, schema: str = SCHEMA) -> str | None:
    """Return the revision that *schema* is at, or None if there is no such schema."""
    table = _installation(schema)
    if conn.scalar(select(func.to_regclass(f"{quoted(schema)}.installation"))) is None:
        return None
    return conn.scalar(select(table.c.revision))


def record(revision: str, schema: str) -> Insert:
    """Return the statement that notes that *schema* is at *revision* now."""
    table = _installation(schema)
    # The value stands in the text, since a host may print migrations without literal binds.
    statement = insert(table).values(revision=literal_column(f"'{revision}'"))
    return statement.on_conflict_do_update(
        index_elements=["only"], set_={"revision": statement.excluded.revision}
    )


def check(conn: Connection, schema: str = SCHEMA) -> None:
    """Refuse a database whose schema this release cannot run on.

    A newer schema is accepted: each revision leaves the release before it running.

    Raises:
        SchemaError: the schema is missing or too old; the message names the command.
    """
    found = current(conn, schema)
    database = conn.engine.url.database
    if found is None:
        raise SchemaError(
            f"database {database!r} has no gendurable schema {schema!r}: {advice(schema)}"
        )
    if not _is_newer(found) and position(found) < position(head()):
        raise SchemaError(
            f"schema {schema!r} of database {database!r} is at {found}, this release needs "
            f"{head()}: {advice(schema, found)}"
        )


def advice(schema: str, found: str | None = None) -> str:
    """Return what to do about a *schema* that is at *found*; None where there is none."""
    since = "" if found is None else f"since={found!r}, "
    other = "" if schema == SCHEMA else f", schema={schema!r}"
    return (
        f"add a revision to your application that calls migrations.upgrade(op, {since}"
        f"to={head()!r}{other}), and run `alembic upgrade head`; without Alembic, run"
        " `gendurable schema upgrade` or call durable.create_schema()"
    )


def _is_newer(revision: str) -> bool:
    number = re.fullmatch(rf"{_PREFIX}(\d+)", revision)
    return number is not None and int(number[1]) > int(head().removeprefix(_PREFIX))


def _installation(schema: str) -> Table:
    """The part of the table that no revision may ever change."""
    return Table(
        "installation", MetaData(), Column("only"), Column("revision", Text), schema=schema
    )
