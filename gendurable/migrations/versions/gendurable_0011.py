"""Whose turn it is to take tokens, where rows of several queues wait for them."""

from alembic import op
from sqlalchemy import text

from gendurable import migrations
from gendurable.migrations import ddl
from gendurable.migrations.history import Op

revision = "gendurable_0011"
down_revision = "gendurable_0010"
branch_labels = None
depends_on = None


def up(op: Op, schema: str) -> None:
    """Add the columns; nobody is kept waiting for a rewrite."""
    op.execute(
        text(
            f"ALTER TABLE {_buckets(schema)} ADD COLUMN turn_id bigint,"
            " ADD COLUMN turn_until timestamptz"
        )
    )


def down(op: Op, schema: str) -> None:
    """Drop them; of several queues the first to claim takes the tokens then."""
    op.execute(text(f"ALTER TABLE {_buckets(schema)} DROP COLUMN turn_id, DROP COLUMN turn_until"))


def _buckets(schema: str) -> str:
    return f"{ddl.quoted(schema)}.buckets".replace(":", r"\:")


def upgrade() -> None:
    """Run by Alembic where the host has this folder among its version locations."""
    schema = migrations.configured_schema()
    migrations.upgrade(op, to=revision, since=down_revision, schema=schema)


def downgrade() -> None:
    """Run by Alembic likewise."""
    schema = migrations.configured_schema()
    migrations.downgrade(op, to=down_revision, since=revision, schema=schema)
