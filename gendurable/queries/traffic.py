"""What goes on: how much ends, where instances of a machine stand, and which ways they went."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Double,
    Text,
    and_,
    bindparam,
    case,
    extract,
    func,
    literal_column,
    or_,
    select,
    true,
    union_all,
)

from gendurable.lifecycle import Status
from gendurable.queries.parts import CLAIMABLE, EXECUTING, IS_PARKED, NOW, instances, literal
from gendurable.queries.parts import transitions as entries
from gendurable.queries.statement import Database, Statement, seconds

#: Throughput is told for this many slices of time ...
SLICES = 30
#: ... of this many seconds.
SLICE = 10
#: Of each slice no more is read than so many that were done, and that ended badly.
DONE, BAD = 300, 50
#: How many instances of a machine's queue are looked at, of each status.
SAMPLE = 1_000
#: The kinds of entries that tell of an outcome; others tell of hands and crashes.
OUTCOMES = ("next", "await", "children", "retry", "snooze", "done", "stop")
#: How many entries are looked at: of one history, and of all of them.
OWN, ALL = 500, 2_000

_i, _t = instances.c, entries.c


def _constant(number: int) -> ColumnElement[int]:
    return literal_column(str(number))


_slice = (
    func.generate_series(_constant(0), _constant(SLICES - 1)).table_valued("n").render_derived("s")
)
_begins = NOW - seconds((_slice.c.n + _constant(1)) * _constant(SLICE))
_ends = NOW - seconds(_slice.c.n * _constant(SLICE))


def _ended(status: Status, most: int) -> Any:
    rows = (
        select(_i.queue, _i.updated_at)
        .where(_i.status == literal(status), _i.updated_at > _begins, _i.updated_at <= _ends)
        .order_by(_i.updated_at, _i.id)
        .limit(_constant(most))
        .correlate(_slice)
        .lateral("rows")
    )
    reach = extract("epoch", func.max(rows.c.updated_at) - _begins).cast(Double)
    return (
        select(
            literal_column(f"'{status.value}'", Text).label("status"),
            _slice.c.n.label("slice"),
            rows.c.queue,
            func.count().label("count"),
            reach.label("reach"),
        )
        .select_from(_slice.join(rows, true()))
        .group_by(_slice.c.n, rows.c.queue)
    )


#: What ended lately in each queue, in slices of time, 0 the latest; of a busy slice the beginning.
#:
#: Index   instances_ended: a descent a slice and status, then at most DONE or BAD rows
#: Locks   none
#: Race    a snapshot
#: Why     how much of its slice a sample covers (``reach``) tells the rate, however many there are
ENDED = Statement(
    "traffic.ended",
    union_all(_ended(Status.DONE, DONE), _ended(Status.FAILED, BAD), _ended(Status.CANCELLED, BAD)),
)

_queue = _i.queue == bindparam("in_queue", type_=Text)


def _sample(name: str, along: tuple[Any, ...], *where: Any) -> Any:
    rows = select(_i.fsm, _i.step, _i.status).where(*where).order_by(*along)
    return rows.limit(_constant(SAMPLE)).subquery(name)


def _parked(status: Status) -> Any:
    return _sample(status.value, (_i.id,), IS_PARKED, _i.status == literal(status), _queue)


_live = union_all(
    select(_sample("waiting", (_i.priority, _i.eligible_at), CLAIMABLE, _queue)),
    select(_sample("executing", (_i.lease_expires_at,), _i.status == EXECUTING)),
    select(_parked(Status.AWAITING_SIGNAL)),
    select(_parked(Status.AWAITING_CHILDREN)),
).subquery("live")
_mine = case((_live.c.fsm == bindparam("machine", type_=Text), _live.c.step))

#: Where rows stand in a queue: at which step of a machine (NULL: of another), and in which status.
#:
#: Index   instances_claim, instances_lease, instances_parked: at most SAMPLE rows of each status
#: Locks   none
#: Race    a snapshot
#: Why     numbers for the picture of a machine; no index holds machines and steps
STANDING = Statement(
    "traffic.standing",
    select(_live.c.status, _mine.label("step"), func.count().label("count")).group_by(
        _live.c.status, _mine
    ),
)


def _ways(name: str, newest: Any, *more: Any) -> Any:
    """Count the ways that outcomes tell: from their step, to that of the outcome after them.

    Hands that move a row on raise its visit, so that no way leads over a rewind.
    """
    kinds: ColumnElement[Any] = literal_column(f"({', '.join(map(repr, OUTCOMES))})")
    is_outcome = newest.c.kind.op("IN", is_comparison=True)(kinds)
    after = func.lead(newest.c.step).over(partition_by=newest.c.instance_id, order_by=newest.c.id)
    visit = func.lead(newest.c.visit).over(partition_by=newest.c.instance_id, order_by=newest.c.id)
    pairs = (
        select(
            newest.c.instance_id,
            newest.c.kind,
            newest.c.step,
            newest.c.visit,
            after.label("after"),
            visit.label("visit_after"),
        )
        .where(is_outcome)
        .subquery("pairs")
    )
    next_step = func.coalesce(pairs.c.after, _i.step)
    gap = func.coalesce(pairs.c.visit_after, _i.visit) - pairs.c.visit
    went = or_(pairs.c.after.isnot(None), ~IS_PARKED)
    target = case((and_(went, gap <= _constant(1)), next_step))
    return Statement(
        name,
        select(pairs.c.kind, pairs.c.step, target.label("target"), func.count().label("count"))
        .select_from(pairs.join(instances, _i.id == pairs.c.instance_id))
        .where(*more)
        .group_by(pairs.c.kind, pairs.c.step, target),
    )


def _newest(most: int, *where: Any) -> Any:
    return (
        select(_t.id, _t.instance_id, _t.kind, _t.step, _t.visit)
        .where(*where)
        .order_by(_t.id.desc())
        .limit(_constant(most))
        .subquery("newest")
    )


#: Which ways an instance went, how often, as its latest entries tell.
#:
#: Index   transitions_instance: at most OWN entries; instances_pkey
#: Locks   none
#: Race    a snapshot
#: Why     an entry says where it was made; where it led is where the next one was, or where its
#:         instance stands, if it is not waiting on the way
OWN_WAYS = _ways(
    "traffic.own_ways", _newest(OWN, _t.instance_id == bindparam("target", type_=BigInteger))
)

#: Which ways the instances of a machine went lately, among the latest entries of all.
#:
#: Index   transitions_pkey, backwards: ALL entries; instances_pkey for each
#: Locks   none
#: Race    a snapshot
#: Why     as above; entries do not say of which machine they are
ALL_WAYS = _ways("traffic.all_ways", _newest(ALL), _i.fsm == bindparam("machine", type_=Text))


def ended(conn: Connection, db: Database) -> Sequence[Any]:
    """Return (status, slice, queue, count, reach in seconds) of what has ended lately."""
    return db.rows(conn, ENDED, {})


def standing(conn: Connection, db: Database, machine: str, queue: str) -> Sequence[Any]:
    """Return (status, step, count) of live rows in *queue*; the step is NULL in other machines."""
    return db.rows(conn, STANDING, {"machine": machine, "in_queue": queue})


def own_ways(conn: Connection, db: Database, id: int) -> Sequence[Any]:
    """Return (kind, step, target, count) of the ways that an instance went."""
    return db.rows(conn, OWN_WAYS, {"target": id})


def all_ways(conn: Connection, db: Database, machine: str) -> Sequence[Any]:
    """Return (kind, step, target, count) of the ways that instances of *machine* went lately."""
    return db.rows(conn, ALL_WAYS, {"machine": machine})
