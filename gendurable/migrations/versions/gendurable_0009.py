"""Domains instead of checks: PostgreSQL reads and plans each check anew for every statement.

What a domain demands is planned once a session. The checks that are left say the same in fewer
words, and so does the expression of ``correlation_guard``.

Instances and signals are written anew, each once, under an ACCESS EXCLUSIVE lock: until the
transaction ends nobody reads or writes them, and first it waits for whoever does. A million small
instances took 5 s. Columns of another type lose their statistics, so the tables are analysed here;
what their pages are known to hold is forgotten, too, until the next VACUUM.
"""

from alembic import op
from sqlalchemy import text

from gendurable import migrations
from gendurable.migrations import ddl
from gendurable.migrations.history import Op

revision = "gendurable_0009"
down_revision = "gendurable_0008"
branch_labels = None
depends_on = None

_DOMAINS = {
    "name": ("text", "name_has_1_to_512_bytes", "octet_length(VALUE) BETWEEN 1 AND 512"),
    "count": ("integer", "count_from_zero", "VALUE >= 0"),
    "positive": ("integer", "positive_from_one", "VALUE > 0"),
    "blocked": (
        "text",
        "blocked_for_a_known_reason",
        "VALUE IN ('key', 'rate', 'unknown', 'invalid')",
    ),
    "scope": ("text", "scope_is_live_or_all", "VALUE IN ('live', 'all')"),
}
_NAMES = ("fsm", "step", "queue", "correlation_key", "concurrency_key", "rate_limit")
_INSTANCES = {
    **dict.fromkeys(_NAMES, "name"),
    **dict.fromkeys(("children_pending", "children_done"), "count"),
    **dict.fromkeys(("weight", "quorum"), "positive"),
    "blocked": "blocked",
    "correlation_scope": "scope",
}
_SIGNALS = {"name": "name", "dedup_key": "name"}

_GUARD_BEFORE = (
    "CASE WHEN correlation_scope = 'all' THEN correlation_key WHEN correlation_scope = 'live' AND"
    " status IN ('runnable', 'executing', 'awaiting_signal', 'awaiting_children')"
    " THEN correlation_key END"
)
_GUARD = (
    "CASE WHEN correlation_scope = 'all' OR correlation_scope IS NOT NULL AND status < 'done'"
    " THEN correlation_key END"
)

#: What the checks that stay said, and what they say now.
_BEFORE = {
    "slot_while_executing": "(slot IS NOT NULL) ="
    " (status = 'executing' AND concurrency_key IS NOT NULL)",
    "blocked_while_runnable": "blocked IS NULL OR (status = 'runnable' AND"
    " blocked IN ('key', 'rate', 'unknown', 'invalid'))",
    "awaits_something": "status <> 'awaiting_signal' OR cardinality(awaits) > 0",
    "deadline_while_parked": "deadline IS NULL OR"
    " status IN ('awaiting_signal', 'awaiting_children', 'cancelled')",
    "ended_from_somewhere": "(ended_from IS NOT NULL) = (status IN ('failed', 'cancelled'))",
    "correlation_scope": "correlation_scope IS NULL OR"
    " (correlation_key IS NOT NULL AND correlation_scope IN ('live', 'all'))",
}
_AFTER = {
    "slot_while_executing": "(slot IS NOT NULL) ="
    " (locked_by IS NOT NULL AND concurrency_key IS NOT NULL)",
    "blocked_while_runnable": "blocked IS NULL OR status = 'runnable'",
    "awaits_something": "status <> 'awaiting_signal' OR awaits <> '{}'",
    "deadline_while_parked": "deadline IS NULL OR"
    " status = ANY ('{awaiting_signal, awaiting_children, cancelled}')",
    "ended_from_somewhere": "(ended_from IS NOT NULL) = (status >= 'failed')",
    "correlation_scope": "correlation_scope IS NULL OR correlation_key IS NOT NULL",
}
#: What the domains say instead.
_GONE = {
    "weight_positive": "weight > 0",
    "quorum_positive": "quorum > 0",
    "children": "children_pending >= 0 AND children_done >= 0",
    "names": f"'' <> ALL (ARRAY[{', '.join(_NAMES)}]) AND"
    f" greatest({', '.join(f'octet_length({name})' for name in _NAMES)}) <= 512",
}


def up(op: Op, schema: str) -> None:
    """Create the domains and rewrite the tables with them."""
    for name, (kind, constraint, check) in _DOMAINS.items():
        _run(
            op,
            f"CREATE DOMAIN {_name(schema, name)} AS {kind}"
            f" CONSTRAINT {constraint} CHECK ({check})",
        )
    kinds = {column: _name(schema, domain) for column, domain in _INSTANCES.items()}
    _rewrite_instances(op, schema, kinds, _BEFORE | _GONE, _AFTER, _GUARD)
    kinds = {column: _name(schema, domain) for column, domain in _SIGNALS.items()}
    sizes = [f"DROP CONSTRAINT signals_{column}_size" for column in _SIGNALS]
    _rewrite(op, schema, "signals", [*sizes, *_retyped(kinds)])


def down(op: Op, schema: str) -> None:
    """Check what the domains say, and drop them; the tables are rewritten again."""
    kinds = {column: _DOMAINS[domain][0] for column, domain in _INSTANCES.items()}
    _rewrite_instances(op, schema, kinds, _AFTER, _BEFORE | _GONE, _GUARD_BEFORE)
    sizes = [
        f"ADD CONSTRAINT signals_{column}_size CHECK (octet_length({column}) BETWEEN 1 AND 512)"
        for column in _SIGNALS
    ]
    _rewrite(op, schema, "signals", [*_retyped(dict.fromkeys(_SIGNALS, "text")), *sizes])
    for name in _DOMAINS:
        _run(op, f"DROP DOMAIN {_name(schema, name)}")


def _rewrite_instances(
    op: Op, schema: str, kinds: dict[str, str], old: dict[str, str], new: dict[str, str], guard: str
) -> None:
    """Retype columns, which drops and adds the generated one, since it depends on them."""
    actions = [
        "DROP COLUMN correlation_guard",
        *(f"DROP CONSTRAINT instances_{name}" for name in old),
        *_retyped(kinds),
        f"ADD COLUMN correlation_guard text GENERATED ALWAYS AS ({guard}) STORED",
        *(f"ADD CONSTRAINT instances_{name} CHECK ({check})" for name, check in new.items()),
    ]
    index = (
        f"CREATE UNIQUE INDEX instances_correlation ON {_name(schema, 'instances')}"
        " (correlation_guard) WHERE correlation_guard IS NOT NULL"
    )
    _rewrite(op, schema, "instances", actions, index)


def _rewrite(op: Op, schema: str, table: str, actions: list[str], *more: str) -> None:
    """One ALTER TABLE writes the table once; the indexes on what it dropped are made after it."""
    for command in (f"ALTER TABLE {_name(schema, table)} {', '.join(actions)}", *more):
        _run(op, command)
    ddl.analyse(op, schema, table)


def _retyped(kinds: dict[str, str]) -> list[str]:
    return [f"ALTER COLUMN {column} TYPE {kind}" for column, kind in kinds.items()]


def _name(schema: str, name: str) -> str:
    return f"{ddl.quoted(schema)}.{name}"


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
