"""How things stand in all queues at once: counts that stop counting where a person would."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Text,
    and_,
    func,
    literal_column,
    select,
    true,
    tuple_,
    union_all,
)

from gendurable.models import Node
from gendurable.queries.parts import (
    CLAIMABLE,
    EXECUTING,
    IS_LIVE,
    IS_PARKED,
    NOW,
    instances,
    pauses,
    waits,
)
from gendurable.queries.statement import Database, Statement

#: No count goes further than this; what reaches it is shown as "10,000+".
CAP = 10_000
#: Of what is set aside no more than this is counted: for its queue each row is read.
FEW = 1_000

_cap: ColumnElement[int] = literal_column(str(CAP))
_one: ColumnElement[int] = literal_column("1")
_i = instances.c


def _capped(*where: Any, along: Any) -> Any:
    """Up to CAP rows; the order names the index, for a table may be mostly such rows, or hardly."""
    return select(_one.label("one")).where(*where).order_by(along).limit(_cap)


# A loose index scan over (queue, priority), the lanes in which work waits.
_first = select(_i.queue, _i.priority).where(CLAIMABLE).order_by(_i.queue, _i.priority).limit(_one)
_lanes = select(_first.subquery("first")).cte("lanes", recursive=True)
_following = (
    select(_i.queue, _i.priority)
    .where(CLAIMABLE, tuple_(_i.queue, _i.priority) > tuple_(_lanes.c.queue, _lanes.c.priority))
    .order_by(_i.queue, _i.priority)
    .limit(_one)
    .correlate(_lanes)
    .lateral("following")
)
_lanes = _lanes.union_all(
    select(_following.c.queue, _following.c.priority).select_from(_lanes.join(_following, true()))
)
_in_lane = and_(CLAIMABLE, _i.queue == _lanes.c.queue, _i.priority == _lanes.c.priority)
_due = (
    select(func.count().label("due"))
    .select_from(
        _capped(_in_lane, _i.eligible_at <= NOW, along=_i.eligible_at)
        .correlate(_lanes)
        .subquery("due_rows")
    )
    .lateral("due")
)
_later = (
    select(func.count().label("later"))
    .select_from(
        _capped(_in_lane, _i.eligible_at > NOW, along=_i.eligible_at)
        .correlate(_lanes)
        .subquery("later_rows")
    )
    .lateral("later")
)
_oldest = (
    select(_i.eligible_at.label("oldest"))
    .where(_in_lane)
    .order_by(_i.eligible_at)
    .limit(_one)
    .correlate(_lanes)
    .lateral("oldest")
)

#: Each queue and priority with work: how much is due, how much comes later, since when the first.
#:
#: Index   instances_claim: one descent a lane, then at most CAP entries of each kind
#: Locks   none
#: Race    a snapshot
#: Why     no count over the table: the cost is that of 500 lanes at most
LANES = Statement(
    "overview.lanes",
    select(_lanes.c.queue, _lanes.c.priority, _due.c.due, _later.c.later, _oldest.c.oldest)
    .select_from(_lanes.join(_due, true()).join(_later, true()).join(_oldest, true()))
    .limit(literal_column("500")),
)


def _by_queue(name: str, most: int, along: Any, *where: Any) -> Any:
    rows: Any = select(_i.queue).where(*where).order_by(along).limit(literal_column(str(most)))
    rows = rows.subquery(name)
    return select(
        literal_column(f"'{name}'", Text).label("what"), rows.c.queue, func.count().label("count")
    ).group_by(rows.c.queue)


#: How many runnable rows of each queue wait for a key, for tokens, or are set aside.
#:
#: Index   instances_wait and instances_rate, index only: at most CAP entries of each;
#:         instances_aside: at most FEW
#: Locks   none
#: Race    a snapshot
#: Why     they are not in the index that claims use, so LANES does not see them
BLOCKED = Statement(
    "overview.blocked",
    union_all(
        _by_queue("key", CAP, _i.concurrency_key, waits("key")),
        _by_queue("rate", CAP, _i.rate_limit, waits("rate")),
        _by_queue(
            "aside", FEW, _i.blocked, _i.blocked.op("IN")(literal_column("('unknown', 'invalid')"))
        ),
    ),
)

_where = (_i.status, _i.queue)
_first = select(*_where).where(IS_PARKED).order_by(*_where).limit(_one)
_places = select(_first.subquery("first")).cte("places", recursive=True)
_following = (
    select(*_where)
    .where(IS_PARKED, tuple_(*_where) > tuple_(_places.c.status, _places.c.queue))
    .order_by(*_where)
    .limit(_one)
    .correlate(_places)
    .lateral("following")
)
_places = _places.union_all(
    select(_following.c.status, _following.c.queue).select_from(_places.join(_following, true()))
)
_rows = _capped(IS_PARKED, _i.status == _places.c.status, _i.queue == _places.c.queue, along=_i.id)
_number = (
    select(func.count().label("count"))
    .select_from(_rows.correlate(_places).subquery("rows"))
    .lateral("number")
)

#: How many rows of each queue are parked, on signals and on children.
#:
#: Index   instances_parked: one descent a queue, then at most CAP entries
#: Locks   none
#: Race    a snapshot
#: Why     parked rows may be many, and stay for years
PARKED_ROWS = Statement(
    "overview.parked",
    select(_places.c.status, _places.c.queue, _number.c.count)
    .select_from(_places.join(_number, true()))
    .limit(literal_column("500")),
)

_paused = and_(_i.paused_at.isnot(None), IS_LIVE)
_first = select(_i.queue).where(_paused).order_by(_i.queue).limit(_one)
_held = select(_first.subquery("first")).cte("held", recursive=True)
_following = (
    select(_i.queue)
    .where(_paused, _i.queue > _held.c.queue)
    .order_by(_i.queue)
    .limit(_one)
    .correlate(_held)
    .lateral("following")
)
_held = _held.union_all(select(_following.c.queue).select_from(_held.join(_following, true())))
_number = (
    select(func.count().label("count"))
    .select_from(
        _capped(_paused, _i.queue == _held.c.queue, along=_i.id).correlate(_held).subquery("rows")
    )
    .lateral("number")
)

#: How many live rows of each queue are paused, each by itself.
#:
#: Index   instances_paused: one descent a queue, then at most CAP entries
#: Locks   none
#: Race    a snapshot
#: Why     they are not in the index that claims use, so LANES does not see them
PAUSED_ROWS = Statement(
    "overview.paused",
    select(_held.c.queue, _number.c.count)
    .select_from(_held.join(_number, true()))
    .limit(literal_column("500")),
)

#: The queues that are paused, since when, by whom and why.
#:
#: Index   pauses_open
#: Locks   none
#: Race    a snapshot
#: Why     nothing of them starts, whatever else the page shows
HELD_QUEUES = Statement(
    "overview.held_queues",
    select(pauses.c.queue, pauses.c.paused_at, pauses.c.paused_by, pauses.c.pause_reason)
    .where(pauses.c.resumed_at.is_(None))
    .order_by(pauses.c.queue)
    .limit(literal_column("500")),
)

_running = (
    select(_i.queue, _i.locked_by)
    .where(_i.status == EXECUTING)
    .order_by(_i.lease_expires_at)
    .limit(_cap)
    .subquery("running")
)

#: What executes now: where, and on which worker.
#:
#: Index   instances_lease, which holds all that executes
#: Locks   none
#: Race    a snapshot
#: Why     there are no more of them than workers have slots
RUNNING = Statement(
    "overview.running",
    select(_running.c.queue, _running.c.locked_by, func.count().label("count")).group_by(
        _running.c.queue, _running.c.locked_by
    ),
)


#: The workers, whether they live, and the time in the database.
#:
#: Index   none: a row a worker
#: Locks   none
#: Race    a snapshot
#: Why     who serves which queue
NODES = Statement(
    "overview.nodes",
    select(Node.name, Node.queues, Node.machines, Node.started_at, Node.beat_at)
    .order_by(Node.name)
    .limit(literal_column("500")),
)

#: What time it is.
#:
#: Index   none
#: Locks   none
#: Race    none
#: Why     ages are told by the database's clock, as everything is
CLOCK = Statement("overview.clock", select(NOW.label("now")))


def read(conn: Connection, db: Database, statement: Statement, **values: Any) -> Sequence[Any]:
    """Return what *statement*, one of this module, finds."""
    return db.rows(conn, statement, values)
