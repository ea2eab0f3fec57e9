"""How things stand in all queues at once: counts that stop counting where a person would."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    CTE,
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

#: How far a group of rows is counted: the fewer there are, the farther.
CAPS = (10_000, 1_000, 100)
#: How many rows are counted in all, at most.
BUDGET = 400_000
#: How many rows that execute are counted, or wait for all keys, or for all tokens.
CAP = CAPS[0]
#: Of what is set aside no more than this is counted: for its queue each row is read.
FEW = 1_000
#: How many groups are looked at.
_GROUPS: ColumnElement[int] = literal_column("500")
_one: ColumnElement[int] = literal_column("1")
_i = instances.c
_PAUSED = and_(_i.paused_at.isnot(None), IS_LIVE)


def _groups(name: str, where: Any, *columns: Any) -> CTE:
    """A loose index scan: the values of *columns* that there are, with a descent for each."""
    first = select(*columns).where(where).order_by(*columns).limit(_one)
    found = select(first.subquery("first")).cte(name, recursive=True)
    following = (
        select(*columns)
        .where(where, tuple_(*columns) > tuple_(*(found.c[c.name] for c in columns)))
        .order_by(*columns)
        .limit(_one)
        .correlate(found)
        .lateral("following")
    )
    return found.union_all(select(*following.c).select_from(found.join(following, true())))


def _count(groups: CTE, name: str, cap: int, along: Any, *where: Any) -> Any:
    """Count the rows of each group; the order names the index, whatever share they have."""
    mine = (_i[c.name] == c for c in groups.c)
    rows = (
        select(_one.label("one"))
        .where(*where, *mine)
        .order_by(along)
        .limit(literal_column(str(cap)))
        .correlate(groups)
        .subquery(f"{name}_rows")
    )
    return select(func.count().label(name)).select_from(rows).lateral(name)


_lanes = _groups("lanes", CLAIMABLE, _i.queue, _i.priority)
_places = _groups("places", IS_PARKED, _i.status, _i.queue)
_held = _groups("held", _PAUSED, _i.queue)


def _how_many(groups: CTE) -> Any:
    rows = select(_one.label("one")).select_from(groups).limit(_GROUPS)
    return select(func.count()).select_from(rows.subquery(f"{groups.name}_rows")).scalar_subquery()


#: How many groups there are: what can start by queue and priority, parked rows by status and queue,
#: paused ones by queue.
#:
#: Index   instances_claim, instances_parked, instances_paused: a descent a group
#: Locks   none
#: Race    a snapshot
#: Why     how far each can be counted
GROUPS = Statement(
    "overview.groups",
    select(
        _how_many(_lanes).label("lanes"),
        _how_many(_places).label("places"),
        _how_many(_held).label("held"),
    ),
)


def _lanes_up_to(cap: int) -> Statement:
    due = _count(_lanes, "due", cap, _i.eligible_at, CLAIMABLE, _i.eligible_at <= NOW)
    later = _count(_lanes, "later", cap, _i.eligible_at, CLAIMABLE, _i.eligible_at > NOW)
    oldest = (
        select(_i.eligible_at.label("oldest"))
        .where(CLAIMABLE, _i.queue == _lanes.c.queue, _i.priority == _lanes.c.priority)
        .order_by(_i.eligible_at)
        .limit(_one)
        .correlate(_lanes)
        .lateral("oldest")
    )
    return Statement(
        f"overview.lanes_{cap}",
        select(_lanes.c.queue, _lanes.c.priority, due.c.due, later.c.later, oldest.c.oldest)
        .select_from(_lanes.join(due, true()).join(later, true()).join(oldest, true()))
        .limit(_GROUPS),
    )


def _counts(name: str, groups: CTE, where: Any, cap: int) -> Statement:
    number = _count(groups, "number", cap, _i.id, where)
    return Statement(
        f"overview.{name}_{cap}",
        select(*groups.c, number.c.number.label("count"))
        .select_from(groups.join(number, true()))
        .limit(_GROUPS),
    )


#: Each queue and priority with work: how much is due, how much comes later, since when the first.
#:
#: Index   instances_claim, index only: one descent a lane, then at most a cap of each kind
#: Locks   none
#: Race    a snapshot
#: Why     no count over the table: the cost is that of 500 lanes, and of BUDGET rows, at most
LANES = {cap: _lanes_up_to(cap) for cap in CAPS}

#: How many rows of each queue are parked, on signals and on children.
#:
#: Index   instances_parked, index only: one descent a queue, then at most a cap
#: Locks   none
#: Race    a snapshot
#: Why     parked rows may be many, and stay for years
PARKED_ROWS = {cap: _counts("parked", _places, IS_PARKED, cap) for cap in CAPS}

#: How many live rows of each queue are paused, each by itself.
#:
#: Index   instances_paused, index only: one descent a queue, then at most a cap
#: Locks   none
#: Race    a snapshot
#: Why     they are not in the index that claims use, so LANES does not see them
PAUSED_ROWS = {cap: _counts("paused", _held, _PAUSED, cap) for cap in CAPS}


def _by_queue(name: str, most: int, along: Any, *where: Any) -> Any:
    sample = select(_i.queue).where(*where).order_by(along).limit(literal_column(str(most)))
    rows = sample.subquery(name)
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
    .limit(_GROUPS),
)

_running = (
    select(_i.queue, _i.locked_by)
    .where(_i.status == EXECUTING)
    .order_by(_i.lease_expires_at)
    .limit(literal_column(str(CAP)))
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
    .limit(_GROUPS),
)

#: What time it is.
#:
#: Index   none
#: Locks   none
#: Race    none
#: Why     ages are told by the database's clock, as everything is
CLOCK = Statement("overview.clock", select(NOW.label("now")))


def fit(groups: int) -> int:
    """Return how far each of so many groups can be counted."""
    return next((cap for cap in CAPS if cap * groups <= BUDGET), CAPS[-1])


def read(conn: Connection, db: Database, statement: Statement) -> Sequence[Any]:
    """Return what *statement*, one of this module, finds."""
    return db.rows(conn, statement, {})
