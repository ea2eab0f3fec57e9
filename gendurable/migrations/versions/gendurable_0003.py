"""Pauses of queues: a table that every claim asks, and that remembers who held what and why."""

from alembic import op
from sqlalchemy import Index, MetaData, Table, text

from gendurable import migrations
from gendurable.migrations import ddl
from gendurable.migrations.history import Op
from gendurable.migrations.v0001.columns import (
    check,
    identity,
    instant,
    optional,
    optional_instant,
    size,
    word,
)

revision = "gendurable_0003"
down_revision = "gendurable_0002"
branch_labels = None
depends_on = None


def _tables(schema: str) -> MetaData:
    metadata = MetaData(schema=schema)
    Table(
        "pauses",
        metadata,
        identity(),
        word("queue"),
        instant("paused_at"),
        optional("paused_by"),
        optional("pause_reason"),
        optional_instant("resumed_at"),
        optional("resumed_by"),
        optional("resume_reason"),
        size("pauses", "queue"),
        check(
            "pauses_resumed_at_some_time",
            "resumed_at IS NOT NULL OR (resumed_by IS NULL AND resume_reason IS NULL)",
        ),
        Index("pauses_open", "queue", unique=True, postgresql_where=text("resumed_at IS NULL")),
    )
    return metadata


def up(op: Op, schema: str) -> None:
    """Create the table of pauses."""
    ddl.create_all(op, _tables(schema))


def down(op: Op, schema: str) -> None:
    """Drop the table; queues that were held go on."""
    ddl.drop_all(op, _tables(schema))


def upgrade() -> None:
    """Run by Alembic where the host has this folder among its version locations."""
    schema = migrations.configured_schema()
    migrations.upgrade(op, to=revision, since=down_revision, schema=schema)


def downgrade() -> None:
    """Run by Alembic likewise."""
    schema = migrations.configured_schema()
    migrations.downgrade(op, to=down_revision, since=revision, schema=schema)
