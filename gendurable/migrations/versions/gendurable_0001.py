"""The first schema: instances, their signals and history, and who works on them."""

from alembic import op

from gendurable import migrations
from gendurable.migrations import ddl
from gendurable.migrations.history import Op
from gendurable.migrations.v0001 import STORAGE, status_type, tables

revision = "gendurable_0001"
down_revision = None
branch_labels = ("gendurable",)
depends_on = None


def up(op: Op, schema: str) -> None:
    """Create the schema and its tables."""
    ddl.create_namespace(op, schema)
    ddl.create_all(op, tables(schema), status_type(schema))
    ddl.set_storage(op, schema, "instances", STORAGE)


def down(op: Op, schema: str) -> None:
    """Drop the tables, and the schema if nothing else is in it."""
    ddl.drop_all(op, tables(schema), status_type(schema))
    ddl.drop_namespace(op, schema)


def upgrade() -> None:
    """Run by Alembic where the host has this folder among its version locations."""
    schema = migrations.configured_schema()
    migrations.upgrade(op, to=revision, since=down_revision, schema=schema)


def downgrade() -> None:
    """Run by Alembic likewise."""
    schema = migrations.configured_schema()
    migrations.downgrade(op, to=down_revision, since=revision, schema=schema)
