"""The edges that time takes: deadlines, and when the next one is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Double,
    bindparam,
    extract,
    func,
    literal_column,
    null,
    select,
    update,
)

from gendurable.lifecycle import PARKED
from gendurable.queries.parts import EXECUTING, NOW, RUNNABLE, among, instances, one_of
from gendurable.queries.statement import Database, Statement

_armed = (one_of(PARKED), instances.c.deadline.isnot(None))
_due = (
    select(instances.c.id)
    .where(*_armed, instances.c.deadline <= NOW)
    .order_by(instances.c.deadline)
    .limit(bindparam("up_to", type_=BigInteger))
    .with_for_update(key_share=True, skip_locked=True)
    .cte("due")
)

#: Wake the parked rows whose deadlines have passed.
#:
#: Index   instances_deadline
#: Locks   NO KEY UPDATE, SKIP LOCKED: a signal that holds the row goes first
#: Race    woken or armed anew meanwhile: the lock re-evaluates the deadline
#: Why     a timeout is a wake and no failure: the attempt is untouched
FIRE = Statement(
    "timers.fire",
    update(instances)
    .where(among(select(_due.c.id)))
    .values(
        status=RUNNABLE,
        eligible_at=NOW,
        deadline=null(),
        timed_out=literal_column("true"),
        children_pending=literal_column("0"),
        locked_by=null(),
        lease_expires_at=null(),
        slot=null(),
        blocked=null(),
        ended_from=null(),
        updated_at=NOW,
    )
    .returning(instances.c.id, instances.c.fsm, instances.c.step, instances.c.queue),
)

_next = func.least(
    select(func.min(instances.c.deadline)).where(*_armed).scalar_subquery(),
    select(func.min(instances.c.lease_expires_at))
    .where(instances.c.status == EXECUTING)
    .scalar_subquery(),
)
#: How soon the next deadline passes or lease lapses.
#:
#: Index   instances_deadline, instances_lease: one descent each
#: Locks   none
#: Race    an earlier one is set a moment later: the floor of one second finds it
#: Why     timers are exact on an idle engine
NEXT = Statement("timers.next", select(extract("epoch", _next - NOW).cast(Double)))


def fire(conn: Connection, db: Database, limit: int) -> Sequence[Any]:
    """Wake up to *limit* rows whose deadline has passed; return (id, fsm, step, queue) of each."""
    return db.rows(conn, FIRE, {"up_to": limit})


def next_timer(conn: Connection, db: Database) -> float | None:
    """Return the seconds until the nearest deadline or end of a lease, None without any."""
    ((soon,),) = db.rows(conn, NEXT, {})
    return None if soon is None else float(soon)
