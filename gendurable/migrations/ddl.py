"""Statements that Alembic has no operation for, and the making of whole tables.

Tables are made by plain ``CREATE TABLE``, not by ``op.create_table``: the latter would apply the
naming convention of whatever MetaData the host has configured.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Enum, MetaData, text
from sqlalchemy.dialects.postgresql import CreateEnumType, DropEnumType, dialect
from sqlalchemy.schema import CreateIndex, CreateTable, DropTable
from sqlalchemy.sql.elements import TextClause

from gendurable.migrations.history import Op

# This parameter style does not double the percent signs of a name.
_PREPARER = dialect(paramstyle="named").identifier_preparer  # type: ignore[no-untyped-call]


def quoted(name: str) -> str:
    """Return *name* as an identifier."""
    return _PREPARER.quote_identifier(name)


def create_namespace(op: Op, schema: str) -> None:
    """Create *schema* unless it exists; then nobody needs the right to create one."""
    found = f"SELECT FROM pg_catalog.pg_namespace WHERE nspname = {_literal(schema)}"
    create = f"CREATE SCHEMA {quoted(schema)}"
    op.execute(_block(f"IF NOT EXISTS ({found}) THEN {create}; END IF;"))


def drop_namespace(op: Op, schema: str) -> None:
    """Drop *schema* unless somebody else has put something into it, or its owner made it."""
    op.execute(
        _block(
            f"DROP SCHEMA {quoted(schema)};"
            " EXCEPTION WHEN dependent_objects_still_exist OR insufficient_privilege THEN NULL;"
        )
    )


def create_all(op: Op, tables: MetaData, *types: Enum) -> None:
    """Create *types* and *tables* with their indexes."""
    for kind in types:
        op.execute(CreateEnumType(kind))
    for table in tables.sorted_tables:
        op.execute(CreateTable(table))
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            op.execute(CreateIndex(index))


def set_storage(op: Op, schema: str, table: str, options: Mapping[str, str]) -> None:
    """Set the storage parameters of *table*, for which ``Table`` has had a name since 2.1 only."""
    settings = ", ".join(f"{name} = {value}" for name, value in options.items())
    name = f"{quoted(schema)}.{quoted(table)}".replace(":", r"\:")
    op.execute(text(f"ALTER TABLE {name} SET ({settings})"))


def analyse(op: Op, schema: str, table: str) -> None:
    """Gather the statistics of *table*; of an empty one they would hold when it no longer is."""
    name = f"{quoted(schema)}.{quoted(table)}"
    op.execute(_block(f"IF EXISTS (SELECT FROM {name}) THEN ANALYZE {name}; END IF;"))


def drop_all(op: Op, tables: MetaData, *types: Enum) -> None:
    """Drop *tables* and *types*."""
    for table in reversed(tables.sorted_tables):
        op.execute(DropTable(table))
    for kind in types:
        op.execute(DropEnumType(kind))


def _block(body: str) -> TextClause:
    """An anonymous block; a colon in it would be taken for a parameter."""
    return text(f"DO $gendurable$ BEGIN {body} END $gendurable$".replace(":", r"\:"))


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
