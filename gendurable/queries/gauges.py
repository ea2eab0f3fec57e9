"""How much there is: what a monitoring system asks again and again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Double, Text, and_, cast, extract, func, literal_column, select
from sqlalchemy.sql.expression import null, union_all

from gendurable.queries.parts import CLAIMABLE, EXECUTING, NOW, RUNNABLE, instances
from gendurable.queries.statement import Database, Statement

_queue, _due = instances.c.queue, instances.c.eligible_at
_blocked, _paused = instances.c.blocked, instances.c.paused_at
_AGELESS = cast(null(), Double)


def _named(name: str) -> Any:
    return literal_column(f"'{name}'", Text)


def _group(name: Any, where: Any, age: Any = _AGELESS) -> Any:
    """Count the rows of each queue for which *where* holds."""
    query = select(_queue, name.label("state"), func.count().label("count"), age.label("age"))
    return query.where(where).group_by(_queue, *([name] if name is _blocked else []))


def _waits(*reasons: str) -> Any:
    listed = ", ".join(f"'{reason}'" for reason in reasons)
    return _blocked.op("IN", is_comparison=True)(literal_column(f"({listed})"))


#: Count what each queue has to do, and say how long its oldest due row has waited.
#:
#: Index   instances_claim (index only), instances_lease; instances_wait, instances_rate and
#:         instances_aside for the rows that something keeps from running
#: Locks   none
#: Race    a snapshot
#: Why     what is parked or has ended is not read: this costs O(work), however large the table
QUEUES = Statement(
    "gauges.queues",
    union_all(
        _group(
            _named("ready"),
            and_(CLAIMABLE, _due <= NOW),
            extract("epoch", NOW - func.min(_due)).cast(Double),
        ),
        _group(_named("scheduled"), and_(CLAIMABLE, _due > NOW)),
        _group(_named("executing"), instances.c.status == EXECUTING),
        _group(
            _named("key"), and_(instances.c.status == RUNNABLE, _waits("key"), _paused.is_(None))
        ),
        _group(
            _named("rate"), and_(instances.c.status == RUNNABLE, _waits("rate"), _paused.is_(None))
        ),
        _group(_blocked, _waits("unknown", "invalid")),
    ),
)

#: Count the instances of each machine by status.
#:
#: Index   none: all rows are read
#: Locks   none
#: Race    a snapshot
#: Why     who asks asks rarely; no counter is kept that every outcome would have to write
STATUSES = Statement(
    "gauges.statuses",
    select(
        instances.c.fsm, instances.c.status.cast(Text).label("status"), func.count().label("count")
    ).group_by(instances.c.fsm, instances.c.status),
)


def queues(conn: Connection, db: Database) -> Sequence[Any]:
    """Return (queue, state, count, age of the oldest in seconds) of what is to be done."""
    return db.rows(conn, QUEUES, {})


def statuses(conn: Connection, db: Database) -> Sequence[Any]:
    """Return (fsm, status, count) of all instances."""
    return db.rows(conn, STATUSES, {})
