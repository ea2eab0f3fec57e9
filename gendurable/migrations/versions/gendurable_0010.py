"""What couples columns of an instance is a domain, too: of a row that one CHECK makes of them.

PostgreSQL plans what a domain demands once a session, and a CHECK anew for every statement. The
rules are the same, but that NULL names no signals to be parked on. The table is read once, under an
ACCESS EXCLUSIVE lock, and not written: a million instances took 0.4 s.
"""

import re

from alembic import op
from sqlalchemy import text

from gendurable import migrations
from gendurable.migrations import ddl
from gendurable.migrations.history import Op

revision = "gendurable_0010"
down_revision = "gendurable_0009"
branch_labels = None
depends_on = None

_COLUMNS = {
    "id": "bigint",
    "status": "{schema}.status",
    "locked_by": "text",
    "lease_expires_at": "timestamptz",
    "concurrency_key": "text",
    "slot": "integer",
    "rate_limit": "text",
    "blocked": "text",
    "ended_from": "{schema}.status",
    "awaits": "text[]",
    "deadline": "timestamptz",
    "children_pending": "integer",
    "correlation_key": "text",
    "correlation_scope": "text",
    "parent_id": "bigint",
    "parent_round": "integer",
}
_RULES = {
    "executing_is_owned": "(status = 'executing') = (locked_by IS NOT NULL)",
    "owner_has_lease": "(locked_by IS NULL) = (lease_expires_at IS NULL)",
    "slot_while_executing": "(slot IS NOT NULL) ="
    " (locked_by IS NOT NULL AND concurrency_key IS NOT NULL)",
    "slot_from_zero": "slot >= 0",
    "blocked_while_runnable": "blocked IS NULL OR status = 'runnable'",
    "blocked_key": "blocked <> 'key' OR concurrency_key IS NOT NULL",
    "blocked_rate": "blocked <> 'rate' OR rate_limit IS NOT NULL",
    "awaits_something": "status <> 'awaiting_signal' OR (awaits IS NOT NULL AND awaits <> '{}')",
    "awaits_children": "status <> 'awaiting_children' OR children_pending > 0",
    "deadline_while_parked": "deadline IS NULL OR"
    " status IN ('awaiting_signal', 'awaiting_children', 'cancelled')",
    "ended_from_somewhere": "(ended_from IS NOT NULL) = (status >= 'failed')",
    "correlation_scope": "correlation_scope IS NULL OR correlation_key IS NOT NULL",
    "child_has_round": "(parent_id IS NULL) = (parent_round IS NULL)",
    "parent_is_older": "parent_id < id",
}
#: As CHECKs these have had other words, of which there are fewer; one let NULL pass.
_CHECKS = _RULES | {
    "awaits_something": "status <> 'awaiting_signal' OR awaits <> '{}'",
    "deadline_while_parked": "deadline IS NULL OR"
    " status = ANY ('{awaiting_signal, awaiting_children, cancelled}')",
}
_COLUMN = re.compile(rf"\b(?:{'|'.join(_COLUMNS)})\b(?!')")


def up(op: Op, schema: str) -> None:
    """Create the domain, and have it say what the checks said."""
    within = ddl.quoted(schema)
    columns = (f"{name} {kind.format(schema=within)}" for name, kind in _COLUMNS.items())
    _run(op, f"CREATE TYPE {within}.coupled AS ({', '.join(columns)})")
    rules = (
        f"CONSTRAINT {name} CHECK ({_COLUMN.sub(_of_value, rule)})" for name, rule in _RULES.items()
    )
    _run(op, f"CREATE DOMAIN {within}.coherent AS {within}.coupled {' '.join(rules)}")
    actions = [
        *(f"DROP CONSTRAINT instances_{name}" for name in _CHECKS),
        "ADD CONSTRAINT instances_coherent CHECK"
        f" (CAST(ROW({', '.join(_COLUMNS)}) AS {within}.coherent) IS DISTINCT FROM NULL)",
    ]
    _run(op, f"ALTER TABLE {within}.instances {', '.join(actions)}")


def down(op: Op, schema: str) -> None:
    """Have the checks say what the domain said, and drop it."""
    within = ddl.quoted(schema)
    actions = [
        "DROP CONSTRAINT instances_coherent",
        *(f"ADD CONSTRAINT instances_{name} CHECK ({rule})" for name, rule in _CHECKS.items()),
    ]
    _run(op, f"ALTER TABLE {within}.instances {', '.join(actions)}")
    _run(op, f"DROP DOMAIN {within}.coherent")
    _run(op, f"DROP TYPE {within}.coupled")


def _of_value(column: re.Match[str]) -> str:
    return f"(VALUE).{column[0]}"


def _run(op: Op, command: str) -> None:
    """A colon in the name of a schema would be taken for a parameter."""
    op.execute(text(command.replace(":", r"\:")))


def upgrade() -> None:
    """Run by Alembic where the host has this folder among its version locations."""
    schema = migrations.configured_schema()
    migrations.upgrade(op, to=revision, since=down_revision, schema=schema)


def downgrade() -> None:
    """Run by Alembic likewise."""
    schema = migrations.configured_schema()
    migrations.downgrade(op, to=down_revision, since=revision, schema=schema)
