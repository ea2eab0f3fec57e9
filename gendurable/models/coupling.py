"""What couples the columns of an instance: a domain over a row of those columns.

PostgreSQL reads and plans each CHECK of a table anew for every statement that writes to it, but
what a domain demands once a session. So the table has one CHECK, which makes a row of the columns
that are coupled, and a value of the domain of that (decision 0043).
"""

from __future__ import annotations

import re

from sqlalchemy import DDL, Table, event

#: The columns that some rule couples, and their types.
COLUMNS = {
    "id": "bigint",
    "status": "%(schema)s.status",
    "locked_by": "text",
    "lease_expires_at": "timestamp with time zone",
    "concurrency_key": "text",
    "slot": "integer",
    "rate_limit": "text",
    "blocked": "text",
    "ended_from": "%(schema)s.status",
    "awaits": "text[]",
    "deadline": "timestamp with time zone",
    "children_pending": "integer",
    "correlation_key": "text",
    "correlation_scope": "text",
    "parent_id": "bigint",
    "parent_round": "integer",
}
#: What must hold of each row. Statuses are in order: those from ``failed`` on have not ended well.
RULES = {
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
#: They go with the table; where somebody dropped that by himself, before it comes again.
_DROP_DOMAIN = "DROP DOMAIN IF EXISTS %(schema)s.coherent"
_DROP_TYPE = "DROP TYPE IF EXISTS %(schema)s.coupled"
_COLUMN = re.compile(rf"\b(?:{'|'.join(COLUMNS)})\b(?!')")


def couple(table: Table) -> None:
    """Have whoever creates or drops *table*, or a copy of it, do so with the rules of its rows."""
    columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    rules = " ".join(
        f"CONSTRAINT {name} CHECK ({_COLUMN.sub(_of_value, rule)})" for name, rule in RULES.items()
    )
    for moment, command in (
        ("before_create", _DROP_DOMAIN),
        ("before_create", _DROP_TYPE),
        ("before_create", f"CREATE TYPE %(schema)s.coupled AS ({columns})"),
        ("before_create", f"CREATE DOMAIN %(schema)s.coherent AS %(schema)s.coupled {rules}"),
        (
            "after_create",
            "ALTER TABLE %(fullname)s ADD CONSTRAINT instances_coherent CHECK"
            f" (CAST(ROW({', '.join(COLUMNS)}) AS %(schema)s.coherent) IS DISTINCT FROM NULL)",
        ),
        ("after_drop", _DROP_DOMAIN),
        ("after_drop", _DROP_TYPE),
    ):
        event.listen(table, moment, DDL(command))  # type: ignore[no-untyped-call]


def _of_value(column: re.Match[str]) -> str:
    return f"(VALUE).{column[0]}"
