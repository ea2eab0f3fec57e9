"""The heads of buckets: who may start first of those that wait for tokens, and when to look."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Double,
    Text,
    and_,
    bindparam,
    case,
    exists,
    extract,
    func,
    literal_column,
    null,
    or_,
    select,
    true,
    update,
)

from gendurable.queries.parts import (
    NOW,
    among,
    buckets,
    hidden,
    instances,
    is_open,
    policy,
    waits,
    with_keys,
)
from gendurable.queries.scans import contends, fronts, turns
from gendurable.queries.statement import Database, Statement

_queue = bindparam("in_queue", type_=Text)
_one: ColumnElement[int] = literal_column("1")
_waits = waits("rate")

_ripe = (
    select(buckets.c.key, buckets.c.turn_id, buckets.c.turn_until)
    .where(buckets.c.head_at <= NOW)
    .order_by(buckets.c.head_at)
    .limit(literal_column("1000"))
    .with_for_update(skip_locked=True)
    .cte("ripe")
    .prefix_with("MATERIALIZED")
)
_for_ripe = policy(_ripe.c.key)
_turn = turns(_ripe)
_turns = (
    select(_ripe.c.key, _turn.c.waited_for)
    .select_from(_ripe.join(_turn, true()))
    .cte("turns")
    .prefix_with("MATERIALIZED")
)
_lanes, _head = fronts(
    _ripe, instances.c.rate_limit, _waits, instances.c.eligible_at, instances.c.concurrency_key
)
_for_lane = policy(_lanes.c.key)
_its_turn = _turns.c.key == _lanes.c.key
_heads = (
    select(
        _lanes.c.key,
        _lanes.c.queue,
        _head.c.id,
        _head.c.eligible_at,
        and_(contends(_lanes.c.queue, _head.c.concurrency_key), ~exists().where(_its_turn)).label(
            "contends"
        ),
    )
    .select_from(_lanes.join(_for_lane, true()).join(_head, true()))
    .where(is_open(_lanes.c.queue), ~exists().where(_its_turn, _turns.c.waited_for))
    .cte("heads")
    .prefix_with("MATERIALIZED")
)
_front = (
    select(_heads.c.queue, _heads.c.id)
    .where(_heads.c.key == _ripe.c.key, _heads.c.contends)
    .order_by(_heads.c.eligible_at, _heads.c.id)
    .limit(_one)
    .correlate(_ripe)
    .lateral("front")
)
_first = (
    select(_ripe.c.key, *_front.c)
    .select_from(_ripe.join(_front, true()))
    .cte("first")
    .prefix_with("MATERIALIZED")
)
_chosen = (
    select(_first.c.id, _first.c.queue)
    .union_all(select(_heads.c.id, _heads.c.queue).where(~_heads.c.contends))
    .cte("chosen")
    .prefix_with("MATERIALIZED")
)
_let_in = update(instances).where(among(select(_chosen.c.id))).values(blocked=null()).cte("let_in")
_next = select(_first.c.id).where(_first.c.key == buckets.c.key).scalar_subquery()
_taking = exists().where(_turns.c.key == buckets.c.key, _turns.c.waited_for)
_over = NOW + literal_column("interval '250 milliseconds'")
_again = exists().where(_waits, instances.c.rate_limit == buckets.c.key)
_armed = (
    update(buckets)
    .where(with_keys(select(_ripe.c.key)))
    .values(
        head_at=case(
            (_taking, buckets.c.turn_until),
            (_next.isnot(None), _over),
            (_again, NOW + literal_column("interval '1 second'")),
            else_=null(),
        ),
        amount=null(),
        turn_id=func.coalesce(_next, buckets.c.turn_id),
        turn_until=case((_next.isnot(None), _over), else_=buckets.c.turn_until),
    )
    .cte("armed")
)
#: Of each bucket that has enough by now, put the head that has waited longest before the claim.
#:
#: Index   buckets_head, instances_rate, instances_pkey, instances_slot
#: Locks   UPDATE of the buckets, NO KEY UPDATE of the heads, SKIP LOCKED
#: Race    the head is held, or vanishes before it is claimed: the bucket looks again in a moment
#: Why     an exact timer, no sweep; a rate that nobody knows is only looked at again; the heads of
#:         other queues wait a quarter of a second for the claim of the first one, and if that has
#:         something else to wait for, such as a slot of its worker, they no longer do
RIPE = Statement("heads.ripe", select(_chosen.c.queue).distinct().add_cte(_let_in, _armed))

_in_force = policy(buckets.c.key)
_outdated = (
    select(buckets.c.key)
    .select_from(buckets.outerjoin(_in_force, true()))
    .where(
        buckets.c.head_at > NOW,
        or_(buckets.c.amount.isnot(None), buckets.c.burst.is_(None)),
        or_(
            buckets.c.amount.is_distinct_from(_in_force.c.amount),
            buckets.c.burst.is_distinct_from(_in_force.c.burst),
            buckets.c.per_us != _in_force.c.per_us,
        ),
    )
    .order_by(buckets.c.key)
    .with_for_update(skip_locked=True, of=buckets)
    .cte("outdated")
    .prefix_with("MATERIALIZED")
)
#: Have the buckets looked at now whose heads were reckoned by a rate that is no longer in force.
#:
#: Index   buckets_head, limits_pkey
#: Locks   UPDATE of those buckets, SKIP LOCKED: one that a claim holds comes next time
#: Race    a claim judges by the old rate and commits after the new one: found by the next sweep
#: Why     whoever waits need not wait as long as the old rate said; and nothing is left to whoever
#:         changes a rate, whose transaction would hold the buckets as long as it likes
STIR = Statement(
    "heads.stir", update(buckets).where(with_keys(select(_outdated.c.key))).values(head_at=NOW)
)

_moved = (
    select(buckets.c.key)
    .where(
        buckets.c.key == func.any(hidden(bindparam("moved", type_=ARRAY(Text)))),
        buckets.c.head_at > NOW,
    )
    .order_by(buckets.c.key)
    .with_for_update(skip_locked=True)
    .cte("moved")
    .prefix_with("MATERIALIZED")
)
#: Have buckets looked at now whose heads may have gone: cancelled, held or put off by hand.
#:
#: Index   buckets_pkey
#: Locks   UPDATE of those buckets, SKIP LOCKED
#: Race    a claim that holds one reads its waiting rows under that lock: it has seen the head go,
#:         or has it locked, and whoever moves it comes later
#: Why     the next one may need fewer tokens; in a bucket that never refills it would wait for ever
RECKON = Statement(
    "heads.reckon", update(buckets).where(with_keys(select(_moved.c.key))).values(head_at=NOW)
)

#: The rates for whose tokens rows of a queue wait.
#:
#: Index   instances_rate, read from end to end: all that waits, not the table
#: Locks   none
#: Race    none: who waits later is judged with the queue held
#: Why     the head of a bucket holds up nobody while its queue is held
AWAITED = Statement(
    "heads.awaited",
    select(instances.c.rate_limit).where(_waits, instances.c.queue == _queue).distinct(),
)

#: How soon the head of a bucket may start.
#:
#: Index   buckets_head: one descent
#: Locks   none
#: Race    an earlier one is set a moment later: whoever does so wakes the timer of its process
#: Why     exact timers
SOON = Statement(
    "heads.soon", select(extract("epoch", func.min(buckets.c.head_at) - NOW).cast(Double))
)


def ripe(conn: Connection, db: Database) -> set[str]:
    """Let in the heads of the buckets whose time has come; name their queues."""
    return {queue for (queue,) in db.rows(conn, RIPE, {})}


def soon(conn: Connection, db: Database) -> float | None:
    """Return the seconds until the next head of a bucket may start, None where nobody waits."""
    ((seconds,),) = db.rows(conn, SOON, {})
    return None if seconds is None else float(seconds)


def stir(conn: Connection, db: Database) -> int:
    """Have the buckets looked at now whose rates have changed; return how many."""
    return db.run(conn, STIR, {})


def reckon(conn: Connection, db: Database, keys: Iterable[str]) -> None:
    """Have the buckets of *keys* looked at now."""
    db.run(conn, RECKON, {"moved": sorted(keys)})


def awaited(conn: Connection, db: Database, queue: str) -> set[str]:
    """Return the rates for whose tokens rows of *queue* wait."""
    return {rate for (rate,) in db.rows(conn, AWAITED, {"in_queue": queue})}
