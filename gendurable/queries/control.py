"""The edges that a hand takes, and a spent crash budget: into an end, and back out of one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    DateTime,
    Double,
    Integer,
    SmallInteger,
    Text,
    and_,
    bindparam,
    case,
    exists,
    false,
    func,
    literal_column,
    null,
    or_,
    select,
    update,
)

from gendurable.queries.parts import (
    AWAITING_CHILDREN,
    AWAITING_SIGNAL,
    CANCELLED,
    DISOWNED,
    FAILED,
    IDS,
    IS_LIVE,
    NOW,
    RUNNABLE,
    instances,
    signals,
)
from gendurable.queries.statement import Database, Statement, array, document, records, seconds

_ending = document("ending", "rows", id=BigInteger, error=Text)


def _end(name: str, status: ColumnElement[Any]) -> Statement:
    return Statement(
        name,
        update(instances)
        .where(instances.c.id == _ending.c.id, IS_LIVE)
        .values(
            DISOWNED
            | {
                "status": status,
                "ended_from": instances.c.status,
                "last_error": _ending.c.error,
                "blocked": null(),
            }
        )
        .returning(
            instances.c.id,
            instances.c.parent_id,
            instances.c.parent_round,
            instances.c.fsm,
            instances.c.step,
            instances.c.attempt,
            instances.c.visit,
            instances.c.concurrency_key,
            instances.c.rate_limit,
        ),
    )


#: Cancel locked rows that still live.
#:
#: Index   instances_pkey
#: Locks   held already, parents before children
#: Race    the row ended before the lock was ours: not live, not touched
#: Why     whoever executes it finds no claim; its signals stay where they are, in no inbox
CANCEL = _end("control.cancel", CANCELLED)

#: Fail locked rows whose crash budget is spent.
#:
#: Index   instances_pkey
#: Locks   held already
#: Race    as above
#: Why     a step that takes its worker down must not do so for ever
FAIL = _end("control.fail", FAILED)

_child = instances.alias("child")
_is_parent = exists().where(_child.c.parent_id == instances.c.id)

#: Lock the children of ended parents that live, or have children of their own.
#:
#: Index   instances_parent
#: Locks   NO KEY UPDATE in id order, waiting
#: Race    a child born meanwhile: its parent's end is committed or locked first, and refuses it
#: Why     a cascade goes level by level, each level ended before the next is read
LIVE_CHILDREN = Statement(
    "control.live_children",
    select(instances.c.id)
    .where(instances.c.parent_id == func.any(IDS), or_(IS_LIVE, _is_parent))
    .order_by(instances.c.id)
    .with_for_update(key_share=True, of=instances),
)

_mail = exists().where(
    signals.c.target_id == instances.c.id,
    signals.c.consumed_at.is_(None),
    signals.c.name == func.any(instances.c.awaits),
)
_pending = bindparam("pending", type_=Integer)
_ended_well = bindparam("ended_well", type_=Integer)
_met = or_(
    _pending == literal_column("0"),
    _ended_well >= instances.c.quorum,
    _ended_well + _pending < instances.c.quorum,
)
_waits = or_(
    and_(instances.c.ended_from == AWAITING_SIGNAL, ~_mail),
    and_(instances.c.ended_from == AWAITING_CHILDREN, func.coalesce(_met, false()).is_(false())),
)

#: Put an ended row back where it stood.
#:
#: Index   instances_pkey, signals_target, instances_correlation
#: Locks   held already
#: Race    its key was taken since: a unique violation, told as DuplicateInstance
#: Why     one that was parked is parked again: inbox looked at, barrier recounted; a deadline that
#:         has passed meanwhile fires by itself
RETRY = Statement(
    "control.retry",
    update(instances)
    .where(
        instances.c.id == bindparam("target", type_=BigInteger), instances.c.ended_from.isnot(None)
    )
    .values(
        status=case((_waits, instances.c.ended_from), else_=RUNNABLE),
        ended_from=null(),
        deadline=case((_waits, instances.c.deadline), else_=null()),
        attempt=literal_column("0"),
        crashes=literal_column("0"),
        visit=instances.c.visit + literal_column("1"),
        children_pending=case((_waits, _pending), else_=literal_column("0")),
        children_done=_ended_well,
        eligible_at=NOW,
        updated_at=NOW,
    )
    .returning(instances.c.queue, instances.c.status),
)


_limited = instances.c.blocked.op("IN", is_comparison=True)(literal_column("('key', 'rate')"))
#: Change when, and in which queue and order, a locked live row runs.
#:
#: Index   instances_pkey
#: Locks   held already
#: Race    none under that lock; an outcome keeps queue and priority unless it names others
#: Why     what is null stays as it is; what waited for a limit comes before the claim again, as
#:         all that waits there is due
RESCHEDULE = Statement(
    "control.reschedule",
    update(instances)
    .where(instances.c.id == bindparam("target", type_=BigInteger), IS_LIVE)
    .values(
        queue=func.coalesce(bindparam("to_queue", type_=Text), instances.c.queue),
        priority=func.coalesce(bindparam("to_priority", type_=SmallInteger), instances.c.priority),
        eligible_at=func.coalesce(
            bindparam("due", type_=DateTime(timezone=True)),
            NOW + seconds(bindparam("delay", type_=Double)),
            instances.c.eligible_at,
        ),
        blocked=case((_limited, null()), else_=instances.c.blocked),
        updated_at=NOW,
    )
    .returning(instances.c.queue),
)


def _rows(errors: dict[int, str]) -> str:
    return records(json.dumps({"id": id, "error": error}) for id, error in sorted(errors.items()))


def cancel(conn: Connection, db: Database, reasons: dict[int, str]) -> Sequence[Any]:
    """Cancel locked rows; return (id, parent, its round, fsm, ..., its limits) of each."""
    return db.rows(conn, CANCEL, {"rows": _rows(reasons)})


def fail(conn: Connection, db: Database, reasons: dict[int, str]) -> Sequence[Any]:
    """Fail locked rows; return what ``cancel`` does."""
    return db.rows(conn, FAIL, {"rows": _rows(reasons)})


def live_children(conn: Connection, db: Database, parents: Iterable[int]) -> list[int]:
    """Lock the children of *parents* that live or are parents, and return their ids."""
    return [id for (id,) in db.rows(conn, LIVE_CHILDREN, {"ids": array(parents)})]


def retry(
    conn: Connection, db: Database, target: int, pending: int, done: int
) -> tuple[str, str] | None:
    """Put *target* back; return its (queue, status), None if it did not end that way."""
    parameters = {"target": target, "pending": pending, "ended_well": done}
    rows = db.rows(conn, RETRY, parameters)
    return (rows[0][0], rows[0][1]) if rows else None


def reschedule(
    conn: Connection,
    db: Database,
    target: int,
    *,
    due: datetime | None,
    delay: float | None,
    queue: str | None,
    priority: int | None,
) -> str | None:
    """Change a locked live row; return the queue it is in, None if it does not live."""
    parameters = {"due": due, "delay": delay, "to_queue": queue, "to_priority": priority}
    rows = db.rows(conn, RESCHEDULE, {"target": target} | parameters)
    return rows[0][0] if rows else None
