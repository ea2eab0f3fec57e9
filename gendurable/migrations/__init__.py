"""The history of the schema, and the ways to bring a database to it.

A host application calls ``upgrade(op)`` from a revision of its own, or adds ``LOCATION`` to
Alembic's ``version_locations``; a program without Alembic calls ``create_schema``. However it
came about, the row of the table ``installation`` says which revision a schema is at, so the three
ways may be mixed, and a step that was taken already is passed over.
"""

from gendurable.migrations import autogenerate as autogenerate
from gendurable.migrations.history import LOCATION, head
from gendurable.migrations.installation import advice as advice
from gendurable.migrations.installation import check, current
from gendurable.migrations.moves import (
    configured_schema,
    create_schema,
    downgrade,
    drop_schema,
    script,
    upgrade,
)

__all__ = [
    "LOCATION",
    "check",
    "configured_schema",
    "create_schema",
    "current",
    "downgrade",
    "drop_schema",
    "head",
    "script",
    "upgrade",
]
