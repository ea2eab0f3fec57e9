"""An index of what is paused, so that whoever has paused something finds it again."""

from alembic import op
from sqlalchemy import text

from gendurable import migrations
from gendurable.migrations.ddl import quoted
from gendurable.migrations.history import Op

revision = "gendurable_0007"
down_revision = "gendurable_0006"
branch_labels = None
depends_on = None


def up(op: Op, schema: str) -> None:
    """Create the index; writers of the table wait meanwhile."""
    op.execute(
        text(
            f"CREATE INDEX instances_paused ON {_name(schema, 'instances')} (queue, id)"
            " WHERE paused_at IS NOT NULL AND"
            " status IN ('runnable', 'executing', 'awaiting_signal', 'awaiting_children')"
        )
    )


def down(op: Op, schema: str) -> None:
    """Drop the index."""
    op.execute(text(f"DROP INDEX {_name(schema, 'instances_paused')}"))


def _name(schema: str, name: str) -> str:
    return f"{quoted(schema)}.{name}".replace(":", r"\:")


def upgrade() -> None:
    """Run by Alembic where the host has this folder among its version locations."""
    schema = migrations.configured_schema()
    migrations.upgrade(op, to=revision, since=down_revision, schema=schema)


def downgrade() -> None:
    """Run by Alembic likewise."""
    schema = migrations.configured_schema()
    migrations.downgrade(op, to=down_revision, since=revision, schema=schema)
