"""Holding rows and queues, and letting them go: moves no row along any edge."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import (
    CTE,
    Connection,
    Text,
    bindparam,
    case,
    func,
    literal_column,
    null,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from gendurable.queries.parts import IDS, IS_LIVE, NOW, RUNNABLE, among, instances, pauses
from gendurable.queries.statement import Database, Statement, array

_WHO = (instances.c.id, instances.c.step, instances.c.attempt, instances.c.visit)
_by = bindparam("by_whom", type_=Text)
_reason = bindparam("reason", type_=Text)
_queue = bindparam("in_queue", type_=Text)
_limited = instances.c.blocked.op("IN", is_comparison=True)(literal_column("('key', 'rate')"))

#: Hold locked live rows that are not held yet.
#:
#: Index   instances_pkey
#: Locks   held already
#: Race    a claim had the lock first: its step runs to its end, and nothing starts after it
#: Why     a held row is outside of the index that claims use; signals and deadlines still move it
PAUSE = Statement(
    "pauses.pause",
    update(instances)
    .where(instances.c.id == func.any(IDS), IS_LIVE, instances.c.paused_at.is_(None))
    .values(paused_at=NOW, updated_at=NOW)
    .returning(*_WHO, instances.c.concurrency_key, instances.c.rate_limit),
)

#: Let locked rows go; whoever waited for a key or for tokens is looked at anew.
#:
#: Index   instances_pkey
#: Locks   held already
#: Race    none under that lock
#: Why     while it was held nobody woke it: what it waited for may be free by now
RESUME = Statement(
    "pauses.resume",
    update(instances)
    .where(instances.c.id == func.any(IDS), instances.c.paused_at.isnot(None))
    .values(
        paused_at=null(),
        blocked=case((_limited, null()), else_=instances.c.blocked),
        updated_at=NOW,
    )
    .returning(*_WHO, instances.c.queue, instances.c.status),
)

#: Hold a queue.
#:
#: Index   pauses_open (arbiter)
#: Locks   the new row
#: Race    two hands at once: one of them holds it, the other is told that it was held; a claim
#:         whose snapshot is older still takes what it takes
#: Why     one row, however many instances are in the queue or come into it later
PAUSE_QUEUE = Statement(
    "pauses.pause_queue",
    insert(pauses)
    .from_select(["queue", "paused_by", "pause_reason"], select(_queue, _by, _reason))
    .on_conflict_do_nothing(
        index_elements=[pauses.c.queue], index_where=pauses.c.resumed_at.is_(None)
    )
    .returning(pauses.c.id),
)

#: Let a queue go.
#:
#: Index   pauses_open
#: Locks   the open row
#: Race    two hands at once: the second finds no open row
#: Why     the row stays, as the history of the queue
RESUME_QUEUE = Statement(
    "pauses.resume_queue",
    update(pauses)
    .where(pauses.c.queue == _queue, pauses.c.resumed_at.is_(None))
    .values(resumed_at=NOW, resumed_by=_by, resume_reason=_reason)
    .returning(pauses.c.id),
)


def _waiting(why: str) -> CTE:
    return (
        select(instances.c.id)
        .where(
            instances.c.status == RUNNABLE,
            instances.c.blocked == literal_column(f"'{why}'"),
            instances.c.paused_at.is_(None),
            instances.c.queue == _queue,
        )
        .with_for_update(key_share=True, skip_locked=True)
        .cte(f"waiting_for_{why}")
    )


_keyed, _rated = _waiting("key"), _waiting("rate")
_all = union_all(select(_keyed.c.id), select(_rated.c.id)).subquery("waiting")

#: Look anew at what waits for a key or for tokens in a queue.
#:
#: Index   instances_wait and instances_rate, read from end to end: all that waits, not the table
#: Locks   NO KEY UPDATE, SKIP LOCKED: whoever holds a row is looking at it
#: Race    promoted meanwhile: no longer blocked under the lock
#: Why     whoever freed a slot passed over the rows of a queue that was held
UNBLOCK = Statement(
    "pauses.unblock",
    update(instances).where(among(select(_all.c.id))).values(blocked=null(), updated_at=NOW),
)


def pause(conn: Connection, db: Database, ids: Iterable[int]) -> Sequence[Any]:
    """Hold locked rows; return (id, step, attempt, visit, *its limits*) of each not held before."""
    return db.rows(conn, PAUSE, {"ids": array(ids)})


def resume(conn: Connection, db: Database, ids: Iterable[int]) -> Sequence[Any]:
    """Let locked rows go; return (id, step, attempt, visit, queue, status) of each."""
    return db.rows(conn, RESUME, {"ids": array(ids)})


def pause_queue(
    conn: Connection, db: Database, queue: str, by: str | None, reason: str | None
) -> bool:
    """Hold *queue*; return whether it was not held before."""
    parameters = {"in_queue": queue, "by_whom": by, "reason": reason}
    return bool(db.rows(conn, PAUSE_QUEUE, parameters))


def resume_queue(
    conn: Connection, db: Database, queue: str, by: str | None, reason: str | None
) -> bool:
    """Let *queue* go, and look anew at what waits in it; return whether it was held."""
    parameters = {"in_queue": queue, "by_whom": by, "reason": reason}
    if not db.rows(conn, RESUME_QUEUE, parameters):
        return False
    db.run(conn, UNBLOCK, {"in_queue": queue})
    return True
