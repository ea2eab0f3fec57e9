"""Counting: what stands in which queue, what has ended lately, and who works."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Double, and_, case, extract, func, literal_column, select

from gendurable.lifecycle import TERMINAL, Status
from gendurable.models import Node
from gendurable.queries.parts import NOW, RUNNABLE, instances, literal, pauses
from gendurable.queries.statement import Database, Statement

_waiting = instances.c.status == RUNNABLE
_may_start = and_(_waiting, instances.c.blocked.is_(None), instances.c.paused_at.is_(None))
_since = case((_waiting, instances.c.eligible_at), else_=instances.c.updated_at)


def _age(moment: Any) -> Any:
    return extract("epoch", NOW - moment).cast(Double)


#: How many instances of each queue have each status, and how old the oldest is.
#:
#: Index   none: it counts the table
#: Locks   none
#: Race    a snapshot
#: Why     what an operator looks at first
COUNTS = Statement(
    "numbers.counts",
    select(
        instances.c.queue,
        instances.c.status,
        func.count().label("count"),
        _age(func.min(_since)).label("oldest"),
        func.count().filter(_may_start, instances.c.eligible_at <= NOW).label("due"),
        func.count().filter(instances.c.blocked.isnot(None)).label("blocked"),
        func.count().filter(instances.c.paused_at.isnot(None)).label("paused"),
    )
    .group_by(instances.c.queue, instances.c.status)
    .order_by(instances.c.queue, instances.c.status),
)


def _ended_within(status: Status, window: str) -> Any:
    return (
        select(func.count())
        .where(
            instances.c.status == literal(status),
            instances.c.updated_at > NOW - literal_column(f"interval '{window}'"),
        )
        .scalar_subquery()
    )


#: How many instances have ended in the last minute and in the last hour.
#:
#: Index   instances_ended
#: Locks   none
#: Race    a snapshot; what retention has deleted since is not counted
#: Why     throughput, without a table of its own
ENDED = Statement(
    "numbers.ended",
    select(
        *(
            _ended_within(status, window).label(f"{status.value}_{name}")
            for status in Status
            if status in TERMINAL
            for name, window in (("minute", "1 minute"), ("hour", "1 hour"))
        )
    ),
)

#: The queues that are held, since when, and by whom.
#:
#: Index   pauses_open
#: Locks   none
#: Race    a snapshot
#: Why     a queue may be held while nothing is in it
HELD = Statement(
    "numbers.held",
    select(
        pauses.c.queue,
        _age(pauses.c.paused_at).label("age"),
        pauses.c.paused_by,
        pauses.c.pause_reason,
    )
    .where(pauses.c.resumed_at.is_(None))
    .order_by(pauses.c.queue),
)

#: The workers, and how long ago each has beaten.
#:
#: Index   none: there are few
#: Locks   none
#: Race    a snapshot
#: Why     who serves what
WORKERS = Statement(
    "numbers.workers",
    select(
        Node.name, Node.queues, _age(Node.started_at).label("age"), _age(Node.beat_at).label("beat")
    ).order_by(Node.name),
)


def rows(conn: Connection, db: Database, statement: Statement) -> Sequence[Any]:
    """Run one of the statements of this module."""
    return db.rows(conn, statement, {})
