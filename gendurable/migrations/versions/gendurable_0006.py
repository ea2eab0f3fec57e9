"""What goes along with a signal: the trace of its sender."""

from alembic import op
from sqlalchemy import text

from gendurable import migrations
from gendurable.migrations import ddl
from gendurable.migrations.history import Op

revision = "gendurable_0006"
down_revision = "gendurable_0005"
branch_labels = None
depends_on = None


def up(op: Op, schema: str) -> None:
    """Add the column; nobody is kept waiting for a rewrite."""
    op.execute(text(f"ALTER TABLE {_signals(schema)} ADD COLUMN headers jsonb"))


def down(op: Op, schema: str) -> None:
    """Drop it; traces end at signals then."""
    op.execute(text(f"ALTER TABLE {_signals(schema)} DROP COLUMN headers"))


def _signals(schema: str) -> str:
    return f"{ddl.quoted(schema)}.signals".replace(":", r"\:")


def upgrade() -> None:
    """Run by Alembic where the host has this folder among its version locations."""
    schema = migrations.configured_schema()
    migrations.upgrade(op, to=revision, since=down_revision, schema=schema)


def downgrade() -> None:
    """Run by Alembic likewise."""
    schema = migrations.configured_schema()
    migrations.downgrade(op, to=down_revision, since=revision, schema=schema)
