"""Fewer checks of instances: PostgreSQL reads and plans each of them anew for every statement."""

from alembic import op
from sqlalchemy import text

from gendurable import migrations
from gendurable.migrations.ddl import quoted
from gendurable.migrations.history import Op

revision = "gendurable_0008"
down_revision = "gendurable_0007"
branch_labels = None
depends_on = None

_NAMES = ("fsm", "step", "queue", "correlation_key", "concurrency_key", "rate_limit")
_BEFORE = {
    **{f"instances_{name}_size": f"octet_length({name}) BETWEEN 1 AND 512" for name in _NAMES},
    "instances_counts": "attempt >= 0 AND visit >= 0 AND crashes >= 0 AND claim_seq >= 0"
    " AND round >= 0 AND children_pending >= 0 AND children_done >= 0",
}
_AFTER = {
    "instances_names": f"'' <> ALL (ARRAY[{', '.join(_NAMES)}]) AND"
    f" greatest({', '.join(f'octet_length({name})' for name in _NAMES)}) <= 512",
    "instances_children": "children_pending >= 0 AND children_done >= 0",
}


def up(op: Op, schema: str) -> None:
    """Check names in one constraint, and only the numbers that are ever taken from."""
    _replace(op, schema, _BEFORE, _AFTER)


def down(op: Op, schema: str) -> None:
    """Check each name, and each number."""
    _replace(op, schema, _AFTER, _BEFORE)


def _replace(op: Op, schema: str, old: dict[str, str], new: dict[str, str]) -> None:
    """One ALTER TABLE reads the table once."""
    actions = [f"DROP CONSTRAINT {name}" for name in old]
    actions += [f"ADD CONSTRAINT {name} CHECK ({check})" for name, check in new.items()]
    table = f"{quoted(schema)}.instances".replace(":", r"\:")
    op.execute(text(f"ALTER TABLE {table} {', '.join(actions)}"))


def upgrade() -> None:
    """Run by Alembic where the host has this folder among its version locations."""
    schema = migrations.configured_schema()
    migrations.upgrade(op, to=revision, since=down_revision, schema=schema)


def downgrade() -> None:
    """Run by Alembic likewise."""
    schema = migrations.configured_schema()
    migrations.downgrade(op, to=down_revision, since=revision, schema=schema)
