"""How things stand in all queues at once: counts that stop counting where a person would."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Text,
    and_,
    bindparam,
    extract,
    func,
    literal_column,
    select,
    true,
    tuple_,
    union_all,
)

from gendurable.lifecycle import Status
from gendurable.models import Node
from gendurable.queries.parts import (
    CLAIMABLE,
    EXECUTING,
    IS_PARKED,
    NOW,
    RUNNABLE,
    instances,
    literal,
)
from gendurable.queries.statement import Database, Statement

#: No count goes further than this; what reaches it is shown as "10,000+".
CAP = 10_000
#: Throughput is taken from what ended in this many seconds.
RECENT = 300
#: ... in slices of this many seconds.
SLICE = 10

_cap: ColumnElement[int] = literal_column(str(CAP))
_one: ColumnElement[int] = literal_column("1")
_i = instances.c


def _capped(*where: Any) -> Any:
    """Count rows, but no more than CAP."""
    return select(_one.label("one")).where(*where).limit(_cap)


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
    .select_from(_capped(_in_lane, _i.eligible_at <= NOW).correlate(_lanes).subquery("due_rows"))
    .lateral("due")
)
_later = (
    select(func.count().label("later"))
    .select_from(_capped(_in_lane, _i.eligible_at > NOW).correlate(_lanes).subquery("later_rows"))
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


def _by_queue(name: str, *where: Any) -> Any:
    rows = select(_i.queue).where(*where).limit(_cap).subquery(name)
    return select(
        literal_column(f"'{name}'", Text).label("what"), rows.c.queue, func.count().label("count")
    ).group_by(rows.c.queue)


def _blocked(why: str) -> Any:
    return _by_queue(
        why,
        _i.status == RUNNABLE,
        _i.blocked == literal_column(f"'{why}'"),
        _i.paused_at.is_(None),
    )


#: How many runnable rows of each queue wait for a key, for tokens, or are set aside.
#:
#: Index   instances_wait, instances_rate, instances_aside: at most CAP entries of each
#: Locks   none
#: Race    a snapshot
#: Why     they are not in the index that claims use, so LANES does not see them
BLOCKED = Statement(
    "overview.blocked",
    union_all(
        _blocked("key"),
        _blocked("rate"),
        _by_queue("aside", _i.blocked.op("IN")(literal_column("('unknown', 'invalid')"))),
    ),
)

_of = {status: _i.status == literal(status) for status in Status}
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
_rows = _capped(IS_PARKED, _i.status == _places.c.status, _i.queue == _places.c.queue)
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

_running = (
    select(_i.queue, _i.locked_by).where(_i.status == EXECUTING).limit(_cap).subquery("running")
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


def _recent(status: Status) -> Any:
    return (
        select(_i.queue, _i.status, _i.updated_at)
        .where(
            _of[status],
            _i.updated_at > NOW - literal_column(f"interval '{RECENT} seconds'"),
        )
        .order_by(_i.updated_at.desc(), _i.id.desc())
        .limit(_cap)
        .subquery(f"lately_{status.value}")
    )


_lately = union_all(
    *(select(_recent(one)) for one in (Status.DONE, Status.FAILED, Status.CANCELLED))
).subquery("lately")
_slice = func.floor(extract("epoch", NOW - _lately.c.updated_at) / literal_column(str(SLICE)))

#: What ended lately in each queue, in slices of time; slice 0 is the present one.
#:
#: Index   instances_ended, backwards, at most CAP rows of each status
#: Locks   none
#: Race    a snapshot
#: Why     a rate needs no more than the latest rows, however many have ended before
ENDED = Statement(
    "overview.ended",
    select(
        _lately.c.queue,
        _lately.c.status,
        _slice.cast(BigInteger).label("slice"),
        func.count().label("count"),
    ).group_by(_lately.c.queue, _lately.c.status, _slice.cast(BigInteger)),
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


def _sample(name: str, *where: Any) -> Any:
    return select(_i.fsm, _i.step, _i.status).where(*where).limit(_cap).subquery(name)


_live = union_all(
    *(
        select(one)
        for one in (
            _sample("waiting", CLAIMABLE),
            _sample("executing", _i.status == EXECUTING),
            _sample("on_signals", IS_PARKED, _of[Status.AWAITING_SIGNAL]),
            _sample("on_children", IS_PARKED, _of[Status.AWAITING_CHILDREN]),
        )
    )
).subquery("live")

#: How many live rows of a machine stand at each of its steps, among CAP of each status.
#:
#: Index   instances_claim, instances_lease, instances_parked
#: Locks   none
#: Race    a snapshot
#: Why     numbers for the picture of a machine; no index holds machines and steps
STANDING = Statement(
    "overview.standing",
    select(_live.c.step, func.count().label("count"))
    .where(_live.c.fsm == bindparam("machine", type_=Text))
    .group_by(_live.c.step),
)


def read(conn: Connection, db: Database, statement: Statement, **values: Any) -> Sequence[Any]:
    """Return what *statement*, one of this module, finds."""
    return db.rows(conn, statement, values)
