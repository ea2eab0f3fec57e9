"""Concurrency keys: how many rows of each execute, who waits, and letting the next one in."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Text,
    bindparam,
    case,
    func,
    literal_column,
    null,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY

from gendurable.queries.parts import (
    CLAIM_COLUMNS,
    EXECUTING,
    NOW,
    among,
    in_force,
    instances,
    is_open,
    limits,
    waits,
)
from gendurable.queries.scans import fronts
from gendurable.queries.statement import Database, Statement, document

_queue = bindparam("in_queue", type_=Text)
_most = bindparam("up_to", type_=Integer)
_zero: ColumnElement[int] = literal_column("0")
_one: ColumnElement[int] = literal_column("1")
_waits = waits("key")


def _width(key: Any) -> Any:
    """How many rows of a key may execute: one, unless a limit says otherwise."""
    return func.coalesce(in_force("key", key, limits.c.amount).scalar_subquery(), _one)


def _executing(key: Any, what: Any) -> Any:
    return (
        select(what)
        .where(instances.c.status == EXECUTING, instances.c.concurrency_key == key)
        .scalar_subquery()
    )


_wanted = document("wanted", "keys", key=Text)
_slots = func.coalesce(
    _executing(_wanted.c.key, func.array_agg(instances.c.slot)),
    literal_column("'{}'::integer[]", ARRAY(Integer)),
)
_gates = (
    select(_wanted.c.key, _width(_wanted.c.key).label("width"), _slots.label("slots"))
    .cte("gates")
    .prefix_with("MATERIALIZED")
)
_free = func.greatest(_gates.c.width - func.cardinality(_gates.c.slots), _zero)
_waiting = (
    select(*CLAIM_COLUMNS)
    .where(
        _waits,
        instances.c.concurrency_key == _gates.c.key,
        instances.c.queue == _queue,
        instances.c.eligible_at <= NOW,
    )
    .order_by(instances.c.priority, instances.c.eligible_at, instances.c.id)
    .limit(case((_free > _zero, func.least(_free, _most) + _one), else_=_zero))
    .with_for_update(key_share=True, skip_locked=True)
    .correlate(_gates)
    .lateral("waiting")
)

#: How wide the gates of some keys are, who is in them, and who of a queue waits to be let in.
#:
#: Index   limits_pkey, instances_slot, instances_wait: one more row than there is room for
#: Locks   NO KEY UPDATE of the waiting rows, SKIP LOCKED
#: Race    the caller holds the keys' advisory locks, so that it sees every earlier claim of theirs;
#:         if a hash lets two in, they meet in a slot, and the unique index stops one
#: Why     slots are derived from the rows that execute: there is no counter that could be wrong
GATES = Statement(
    "limits.gates",
    select(*_gates.c, *_waiting.c).select_from(_gates.outerjoin(_waiting, true())),
)

_open = (
    select(_wanted.c.key)
    .where(_executing(_wanted.c.key, func.count()) < _width(_wanted.c.key))
    .cte("open")
    .prefix_with("MATERIALIZED")
)
_lanes, _head = fronts(_open, instances.c.concurrency_key, _waits)
_heads = (
    select(_lanes.c.key, _lanes.c.queue, _head.c.id)
    .select_from(_lanes.outerjoin(_head, true()))
    .where(_lanes.c.queue.isnot(None), is_open(_lanes.c.queue))
    .cte("heads")
)
_let_in = update(instances).where(among(select(_heads.c.id))).values(blocked=null()).cte("let_in")

#: Of each key that has room, put the most urgent waiting row of each queue before the claim.
#:
#: Index   instances_slot, instances_wait: a descent a key and queue
#: Locks   NO KEY UPDATE of the heads, SKIP LOCKED
#: Race    whoever frees a slot or marks a row commits, and then looks: one of two sees the other's;
#:         a waiting row that is locked is "not yet", never "none", so that the caller looks again
#: Why     one row stands for all that wait; the claim that meets it takes the most urgent ones;
#:         the commit need not reach the disk, since a sweep would find the same
LOOK = Statement(
    "limits.look",
    select(
        _heads.c.key,
        _heads.c.queue,
        _heads.c.id.isnot(None),
        func.set_config(literal_column("'synchronous_commit'"), literal_column("'off'"), true()),
    ).add_cte(_let_in),
)

_keys = (
    select(func.min(instances.c.concurrency_key).label("key"))
    .where(_waits)
    .cte("keys", recursive=True)
)
_keys = _keys.union_all(
    select(
        select(func.min(instances.c.concurrency_key))
        .where(_waits, instances.c.concurrency_key > _keys.c.key)
        .correlate(_keys)
        .scalar_subquery()
    ).where(_keys.c.key.isnot(None))
)
#: The keys for which rows wait although there is room.
#:
#: Index   instances_wait: a loose scan over the keys; instances_slot
#: Locks   none
#: Race    none: what it finds is looked at again
#: Why     the floor: for a crash between a commit and its look, and for edits by hand
SWEEP = Statement(
    "limits.sweep",
    select(_keys.c.key).where(
        _keys.c.key.isnot(None), _executing(_keys.c.key, func.count()) < _width(_keys.c.key)
    ),
)


def gates(
    conn: Connection, db: Database, keys: Iterable[str], queue: str, limit: int
) -> Sequence[Any]:
    """Return (key, width, slots taken, *a waiting row, locked*) for each waiting row or key."""
    parameters = {"keys": _encode(keys), "in_queue": queue, "up_to": limit}
    return db.rows(conn, GATES, parameters)


def look(conn: Connection, db: Database, keys: Iterable[str]) -> Sequence[Any]:
    """Let in one row a key and queue; return (key, queue, let in, _) where any waits."""
    return db.rows(conn, LOOK, {"keys": _encode(keys)})


def sweep(conn: Connection, db: Database) -> list[str]:
    """Return the keys for which rows wait although there is room."""
    return [key for (key,) in db.rows(conn, SWEEP, {})]


def _encode(keys: Iterable[str]) -> str:
    return json.dumps([{"key": key} for key in keys])
