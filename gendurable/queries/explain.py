"""Why is this not running? Reads only; nothing is locked and nothing moves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Double,
    Integer,
    Text,
    and_,
    any_,
    bindparam,
    column,
    extract,
    func,
    literal_column,
    null,
    or_,
    select,
    table,
)
from sqlalchemy.dialects.postgresql import JSONB

from gendurable.queries.parts import EXECUTING, NOW, buckets, instances, nodes, pauses, transitions
from gendurable.queries.statement import Database, Statement, seconds

_serves = and_(
    nodes.c.beat_at > NOW - seconds(bindparam("alive", type_=Double)),
    instances.c.queue == any_(nodes.c.queues),
)
_known = func.jsonb_array_elements(nodes.c.machines).table_valued(column("value", JSONB), name="m")


def _triple(step: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.jsonb_build_array(instances.c.fsm, instances.c.fsm_version, step)


_knows = (
    select(literal_column("1"))
    .select_from(_known)
    .where(
        or_(
            _known.c.value == _triple(instances.c.step),
            _known.c.value == _triple(null().cast(Text)),  # any step: that version is adopted
        )
    )
    .correlate(instances, nodes)
    .exists()
)


def _names(*where: ColumnElement[bool]) -> ColumnElement[Any]:
    names = select(nodes.c.name).where(*where).order_by(nodes.c.name).correlate(instances)
    return func.array(names.scalar_subquery())


#: All that says why an instance does not run, but for who holds its key.
#:
#: Index   instances_pkey, pauses_open; the workers are read one and all, there are few
#: Locks   none
#: Race    a snapshot, and no more is promised
#: Why     one statement, so that its parts fit together
LOOK = Statement(
    "explain.look",
    select(
        instances.c.id,
        instances.c.fsm,
        instances.c.fsm_version,
        instances.c.step,
        instances.c.status,
        instances.c.state.cast(Text).label("state"),
        instances.c.queue,
        instances.c.eligible_at,
        instances.c.paused_at,
        instances.c.blocked,
        instances.c.concurrency_key,
        instances.c.rate_limit,
        instances.c.weight,
        instances.c.awaits,
        instances.c.deadline,
        instances.c.round,
        instances.c.quorum,
        instances.c.children_pending,
        instances.c.children_done,
        instances.c.locked_by,
        instances.c.lease_expires_at,
        instances.c.last_error,
        pauses.c.paused_at.label("queue_paused_at"),
        pauses.c.paused_by.label("queue_paused_by"),
        pauses.c.pause_reason.label("queue_pause_reason"),
        _names(_serves).label("serving"),
        _names(_serves, _knows).label("knowing"),
        NOW.label("seen_at"),
    )
    .select_from(
        instances.outerjoin(
            pauses, and_(pauses.c.queue == instances.c.queue, pauses.c.resumed_at.is_(None))
        )
    )
    .where(instances.c.id == bindparam("target", type_=BigInteger)),
)

#: The instances that execute with a concurrency key.
#:
#: Index   instances_slot
#: Locks   none
#: Race    a snapshot
#: Why     "held by instance 4711 on worker w3"
HOLDERS = Statement(
    "explain.holders",
    select(instances.c.id, instances.c.locked_by, instances.c.lease_expires_at)
    .where(
        instances.c.concurrency_key == bindparam("of_key", type_=Text),
        instances.c.status == EXECUTING,
    )
    .order_by(instances.c.slot)
    .limit(bindparam("up_to", type_=Integer)),
)

_locks = table(
    "pg_locks",
    *map(column, ("locktype", "pid", "mode", "granted", "transactionid")),
).alias("locks")
_sessions = table(
    "pg_stat_activity", *map(column, ("pid", "application_name", "state", "xact_start"))
).alias("sessions")
_prepared = table("pg_prepared_xacts", *map(column, ("transaction", "gid", "prepared"))).alias(
    "prepared"
)

#: Which open transaction holds a row, or has changed it and not committed yet.
#:
#: Index   instances_pkey; the lists of locks, sessions and prepared transactions
#: Locks   none
#: Race    a snapshot; of several who share a row's lock nothing is known
#: Why     the row names the transaction, and each transaction holds a lock on its own number
HELD_BY = Statement(
    "explain.held_by",
    select(
        _locks.c.pid,
        _sessions.c.application_name,
        _sessions.c.state,
        _prepared.c.gid,
        extract("epoch", NOW - func.coalesce(_sessions.c.xact_start, _prepared.c.prepared))
        .cast(Double)
        .label("seconds"),
    )
    .select_from(
        instances.join(
            _locks,
            _locks.c.transactionid.cast(Text) == literal_column("instances.xmax").cast(Text),
        )
        .outerjoin(_sessions, _sessions.c.pid == _locks.c.pid)
        .outerjoin(
            _prepared, _prepared.c.transaction.cast(Text) == _locks.c.transactionid.cast(Text)
        )
    )
    .where(
        instances.c.id == bindparam("target", type_=BigInteger),
        _locks.c.locktype == literal_column("'transactionid'"),
        _locks.c.mode == literal_column("'ExclusiveLock'"),
        _locks.c.granted,
        _locks.c.pid.is_distinct_from(func.pg_backend_pid()),
    ),
)

#: How many children the present round of a parent has.
#:
#: Index   instances_parent
#: Locks   none
#: Race    a snapshot
#: Why     "waiting for 3 of 10 children"; those that were deleted do not count
ROUND = Statement(
    "explain.round",
    select(func.count()).where(
        instances.c.parent_id == bindparam("parent", type_=BigInteger),
        instances.c.parent_round == bindparam("in_round", type_=Integer),
    ),
)

#: Who paused an instance last, and why.
#:
#: Index   transitions_instance
#: Locks   none
#: Race    a snapshot
#: Why     the row says since when; the history says who
PAUSED_BY = Statement(
    "explain.paused_by",
    select(transitions.c.made_by, transitions.c.reason)
    .where(
        transitions.c.instance_id == bindparam("target", type_=BigInteger),
        transitions.c.kind == literal_column("'paused'"),
    )
    .order_by(transitions.c.id.desc())
    .limit(literal_column("1")),
)


#: When the first of those who wait for tokens of a key may start.
#:
#: Index   buckets_pkey
#: Locks   none
#: Race    a snapshot
#: Why     the bucket knows it
HEAD_AT = Statement(
    "explain.head_at",
    select(buckets.c.head_at).where(buckets.c.key == bindparam("of_key", type_=Text)),
)


def look(conn: Connection, db: Database, id: int, alive: float) -> Any | None:
    """Return the row of an instance with what surrounds it; workers beat within *alive* seconds."""
    rows = db.rows(conn, LOOK, {"target": id, "alive": alive})
    return rows[0] if rows else None


def holders(conn: Connection, db: Database, key: str, limit: int) -> Sequence[Any]:
    """Return (id, worker, end of its lease) of up to *limit* instances that hold *key*."""
    return db.rows(conn, HOLDERS, {"of_key": key, "up_to": limit})


def held_by(conn: Connection, db: Database, id: int) -> Any | None:
    """Return (pid, application, its state, prepared as, seconds) of who holds a row, if any."""
    rows = db.rows(conn, HELD_BY, {"target": id})
    return rows[0] if rows else None


def children_of_round(conn: Connection, db: Database, parent: int, in_round: int) -> int:
    """Return how many children of that round are in the table."""
    return int(db.rows(conn, ROUND, {"parent": parent, "in_round": in_round})[0][0])


def paused_by(conn: Connection, db: Database, id: int) -> tuple[str | None, str | None]:
    """Return (by whom, why) an instance was paused last."""
    rows = db.rows(conn, PAUSED_BY, {"target": id})
    return (rows[0][0], rows[0][1]) if rows else (None, None)


def head_at(conn: Connection, db: Database, key: str) -> datetime | None:
    """Return when the first of those who wait for tokens of *key* may start, if any waits."""
    rows = db.rows(conn, HEAD_AT, {"of_key": key})
    return rows[0][0] if rows else None
