"""The table of instances as revision gendurable_0001 makes it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Enum,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from gendurable.migrations.v0001.columns import (
    check,
    count,
    document,
    identity,
    instant,
    optional,
    optional_instant,
    size,
    status_type,
    word,
)

_GUARD = (
    "CASE WHEN correlation_scope = 'all' THEN correlation_key "
    "WHEN correlation_scope = 'live' AND"
    " status IN ('runnable', 'executing', 'awaiting_signal', 'awaiting_children')"
    " THEN correlation_key END"
)


#: Room for the next version of a row on the same page; vacuum early, since every step leaves a
#: dead version behind and the claim's index wants to stay small.
STORAGE = {
    "fillfactor": "80",
    "autovacuum_vacuum_scale_factor": "0.02",
    "autovacuum_vacuum_threshold": "1000",
    "autovacuum_analyze_scale_factor": "0.02",
    "autovacuum_vacuum_insert_scale_factor": "0.05",
}


def add_instances(metadata: MetaData) -> None:
    """Define the table with its checks and indexes."""
    Table(
        "instances",
        metadata,
        *_columns(status_type(metadata.schema)),
        *_checks(),
        *_indexes(),
    )


def _columns(status: Enum) -> list[Column[Any]]:
    return [
        identity(),
        word("fsm"),
        count("fsm_version", default="1"),
        word("step"),
        Column("status", status, server_default="runnable", nullable=False),
        document("state"),
        optional("result", JSONB),
        optional("last_error"),
        word("queue", default="default"),
        count("priority", kind=SmallInteger),
        instant("eligible_at"),
        optional_instant("paused_at"),
        count("attempt"),
        count("visit", kind=BigInteger),
        count("crashes"),
        optional("awaits", ARRAY(Text)),
        optional_instant("deadline"),
        Column("timed_out", Boolean, server_default=text("false"), nullable=False),
        optional("correlation_key"),
        optional("correlation_scope"),
        Column("correlation_guard", Text, Computed(_GUARD, persisted=True)),
        optional("concurrency_key"),
        optional("slot", Integer),
        optional("rate_limit"),
        count("weight", default="1"),
        optional("blocked"),
        optional("locked_by"),
        optional_instant("lease_expires_at"),
        count("claim_seq", kind=BigInteger),
        optional("parent_id", BigInteger),
        optional("parent_round", Integer),
        count("round"),
        optional("quorum", Integer),
        count("children_pending"),
        count("children_done"),
        optional("ended_from", status),
        optional("headers", JSONB),
        instant("inserted_at"),
        instant("updated_at"),
    ]


def _checks() -> list[CheckConstraint]:
    named = {
        "executing_is_owned": "(status = 'executing') = (locked_by IS NOT NULL)",
        "owner_has_lease": "(locked_by IS NULL) = (lease_expires_at IS NULL)",
        "slot_while_executing": "(slot IS NOT NULL) ="
        " (status = 'executing' AND concurrency_key IS NOT NULL)",
        "slot_from_zero": "slot >= 0",
        "blocked_while_runnable": "blocked IS NULL OR (status = 'runnable' AND"
        " blocked IN ('key', 'rate', 'unknown', 'invalid'))",
        "blocked_key": "blocked <> 'key' OR concurrency_key IS NOT NULL",
        "blocked_rate": "blocked <> 'rate' OR rate_limit IS NOT NULL",
        "awaits_something": "status <> 'awaiting_signal' OR cardinality(awaits) > 0",
        "awaits_children": "status <> 'awaiting_children' OR children_pending > 0",
        "deadline_while_parked": "deadline IS NULL OR"
        " status IN ('awaiting_signal', 'awaiting_children', 'cancelled')",
        "ended_from_somewhere": "(ended_from IS NOT NULL) = (status IN ('failed', 'cancelled'))",
        "correlation_scope": "correlation_scope IS NULL OR"
        " (correlation_key IS NOT NULL AND correlation_scope IN ('live', 'all'))",
        "child_has_round": "(parent_id IS NULL) = (parent_round IS NULL)",
        "parent_is_older": "parent_id < id",
        "weight_positive": "weight > 0",
        "quorum_positive": "quorum > 0",
        "counts": "attempt >= 0 AND visit >= 0 AND crashes >= 0 AND claim_seq >= 0"
        " AND round >= 0 AND children_pending >= 0 AND children_done >= 0",
    }
    texts = ("fsm", "step", "queue", "correlation_key", "concurrency_key", "rate_limit")
    return [
        *(check(f"instances_{name}", condition) for name, condition in named.items()),
        *(size("instances", column) for column in texts),
    ]


def _indexes() -> list[Index]:
    order = ("queue", "priority", "eligible_at", "id")
    return [
        _index("claim", order, "status = 'runnable' AND blocked IS NULL AND paused_at IS NULL"),
        _index("lease", ("lease_expires_at",), "status = 'executing'"),
        _index(
            "slot",
            ("concurrency_key", "slot"),
            "status = 'executing' AND concurrency_key IS NOT NULL",
            unique=True,
        ),
        _index(
            "wait",
            ("concurrency_key", *order),
            "status = 'runnable' AND blocked = 'key' AND paused_at IS NULL",
        ),
        _index(
            "rate",
            ("rate_limit", *order),
            "status = 'runnable' AND blocked = 'rate' AND paused_at IS NULL",
        ),
        _index(
            "aside", ("blocked", "fsm", "fsm_version", "step"), "blocked IN ('unknown', 'invalid')"
        ),
        _index("correlation", ("correlation_guard",), "correlation_guard IS NOT NULL", unique=True),
        _index("parent", ("parent_id", "id"), "parent_id IS NOT NULL"),
        _index(
            "deadline",
            ("deadline",),
            "deadline IS NOT NULL AND status IN ('awaiting_signal', 'awaiting_children')",
        ),
        _index(
            "ended", ("status", "updated_at", "id"), "status IN ('done', 'failed', 'cancelled')"
        ),
    ]


def _index(name: str, columns: tuple[str, ...], where: str, unique: bool = False) -> Index:
    return Index(f"instances_{name}", *columns, unique=unique, postgresql_where=text(where))
