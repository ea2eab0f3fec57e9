"""Schedules: what is inserted again and again, by the clock."""

from alembic import op

from gendurable import migrations
from gendurable.migrations import ddl
from gendurable.migrations.history import Op
from gendurable.migrations.v0004 import tables

revision = "gendurable_0004"
down_revision = "gendurable_0003"
branch_labels = None
depends_on = None


def up(op: Op, schema: str) -> None:
    """Create the table of schedules."""
    ddl.create_all(op, tables(schema))


def down(op: Op, schema: str) -> None:
    """Drop it with all schedules; what they have inserted stays."""
    ddl.drop_all(op, tables(schema))


def upgrade() -> None:
    """Run by Alembic where the host has this folder among its version locations."""
    schema = migrations.configured_schema()
    migrations.upgrade(op, to=revision, since=down_revision, schema=schema)


def downgrade() -> None:
    """Run by Alembic likewise."""
    schema = migrations.configured_schema()
    migrations.downgrade(op, to=down_revision, since=revision, schema=schema)
