"""Rates: how many tokens a bucket holds, who waits for them, and when the first of them may start.

All that concerns a bucket, marks and the instant of its head too, happens under its row's lock.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, cast

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Connection,
    DateTime,
    Double,
    Integer,
    Numeric,
    Select,
    Table,
    Text,
    bindparam,
    case,
    delete,
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
from sqlalchemy.dialects.postgresql import insert

from gendurable.models import Bucket
from gendurable.queries.parts import (
    CLAIM_COLUMNS,
    NOW,
    among,
    in_force,
    instances,
    is_open,
    limits,
    waits,
)
from gendurable.queries.statement import Database, Statement, document, records

buckets = cast(Table, Bucket.__table__)

_queue = bindparam("in_queue", type_=Text)
_most = bindparam("up_to", type_=Integer)
_one: ColumnElement[int] = literal_column("1")
_microsecond: ColumnElement[Any] = literal_column("interval '1 microsecond'")
_waits = waits("rate")


def _policy(key: Any) -> Any:
    """The rate in force for a key."""
    return in_force("rate", key, limits.c.amount, limits.c.per_us, limits.c.burst).lateral("policy")


def _with_keys(keys: Select[tuple[str]]) -> ColumnElement[bool]:
    """The buckets with these keys, looked up one by one, as ``parts.among`` does with instances."""
    return buckets.c.key == func.any(func.array(keys.scalar_subquery()))


_wanted = document("wanted", "keys", key=Text)
_for_wanted = _policy(_wanted.c.key)
#: Make the buckets that are not there: full ones, fuller than any where nobody knows the rate.
#:
#: Index   buckets_pkey, limits_pkey
#: Locks   the new rows, in key order
#: Race    two claims make the same bucket: the second waits for the first, and does nothing
#: Why     a bucket that nobody has taken from is not stored
OPEN = Statement(
    "buckets.open",
    insert(buckets)
    .from_select(
        ["key", "level", "per_us", "at"],
        select(
            _wanted.c.key,
            func.coalesce(
                _for_wanted.c.burst.cast(Numeric) * _for_wanted.c.per_us, literal_column("1e40")
            ),
            func.coalesce(_for_wanted.c.per_us, _one),
            NOW,
        )
        .select_from(_wanted.outerjoin(_for_wanted, true()))
        .order_by(_wanted.c.key),
    )
    .on_conflict_do_nothing(),
)

_locked = (
    select(buckets.c.key, buckets.c.level, buckets.c.per_us, buckets.c.at)
    .where(buckets.c.key.in_(select(_wanted.c.key)))
    .order_by(buckets.c.key)
    .with_for_update(skip_locked=True)
    .cte("locked")
    .prefix_with("MATERIALIZED")
)
_waiting = (
    select(*CLAIM_COLUMNS)
    .where(
        _waits,
        instances.c.rate_limit == _locked.c.key,
        instances.c.queue == _queue,
        instances.c.eligible_at <= NOW,
    )
    .order_by(instances.c.priority, instances.c.eligible_at, instances.c.id)
    .limit(_most + _one)
    .with_for_update(key_share=True, skip_locked=True)
    .correlate(_locked)
    .lateral("waiting")
)
_used = func.greatest(_locked.c.at, NOW)
#: Lock buckets; tell what is in them, what flows into them, and who of a queue waits.
#:
#: Index   buckets_pkey, limits_pkey, instances_rate: one more row than there is room for
#: Locks   UPDATE of the buckets in key order, SKIP LOCKED; NO KEY UPDATE of the waiting rows, too
#: Race    a bucket that another claim holds is not waited for: its rows stay as they are
#: Why     the time that tokens are counted to never runs backwards, or some would be made twice
READ = Statement(
    "buckets.read",
    select(
        _wanted.c.key,
        exists().where(buckets.c.key == _wanted.c.key).label("there"),
        _locked.c.level,
        _locked.c.per_us.label("unit"),
        _used.cast(Text).label("used"),
        (extract("epoch", _used - _locked.c.at) * literal_column("1000000"))
        .cast(BigInteger)
        .label("elapsed"),
        _for_wanted.c.amount,
        _for_wanted.c.per_us,
        _for_wanted.c.burst,
        *_waiting.c,
    ).select_from(
        _wanted.outerjoin(_for_wanted, true())
        .outerjoin(_locked, _locked.c.key == _wanted.c.key)
        .outerjoin(_waiting, true())
    ),
)

_spent = document(
    "spent",
    "buckets",
    key=Text,
    level=Numeric,
    unit=BigInteger,
    used=Text,
    head=BigInteger,
    amount=BigInteger,
    burst=BigInteger,
)
_used_at = _spent.c.used.cast(DateTime(timezone=True))
_any_waits = exists().where(_waits, instances.c.rate_limit == _spent.c.key)
#: Write down what is left in locked buckets, and when the first of those that wait may start.
#:
#: Index   buckets_pkey; instances_rate
#: Locks   held since READ
#: Race    whoever marks a row for this bucket holds its lock, so that no waiting row is overlooked
#: Why     a statement of its own: it sees the marks that the same claim has made
SPEND = Statement(
    "buckets.spend",
    update(buckets)
    .where(buckets.c.key == _spent.c.key)
    .values(
        level=_spent.c.level,
        per_us=_spent.c.unit,
        amount=_spent.c.amount,
        burst=_spent.c.burst,
        at=_used_at,
        head_at=case(
            (_spent.c.head.isnot(None), _used_at + _spent.c.head * _microsecond),
            (_any_waits, _used_at + literal_column("20000") * _microsecond),
            else_=null(),
        ),
    ),
)

_ripe = (
    select(buckets.c.key)
    .where(buckets.c.head_at <= NOW)
    .order_by(buckets.c.head_at)
    .limit(literal_column("1000"))
    .with_for_update(skip_locked=True)
    .cte("ripe")
    .prefix_with("MATERIALIZED")
)
_for_ripe = _policy(_ripe.c.key)
_lanes = select(
    _ripe.c.key,
    select(func.min(instances.c.queue))
    .where(_waits, instances.c.rate_limit == _ripe.c.key)
    .correlate(_ripe)
    .scalar_subquery()
    .label("queue"),
).cte("lanes", recursive=True)
_lanes = _lanes.union_all(
    select(
        _lanes.c.key,
        select(func.min(instances.c.queue))
        .where(_waits, instances.c.rate_limit == _lanes.c.key, instances.c.queue > _lanes.c.queue)
        .correlate(_lanes)
        .scalar_subquery(),
    ).where(_lanes.c.queue.isnot(None))
)
_for_lane = _policy(_lanes.c.key)
_head = (
    select(instances.c.id)
    .where(_waits, instances.c.rate_limit == _lanes.c.key, instances.c.queue == _lanes.c.queue)
    .order_by(instances.c.priority, instances.c.eligible_at, instances.c.id)
    .limit(_one)
    .with_for_update(key_share=True, skip_locked=True)
    .correlate(_lanes)
    .lateral("head")
)
_heads = (
    select(_lanes.c.key, _lanes.c.queue, _head.c.id)
    .select_from(_lanes.join(_for_lane, true()).join(_head, true()))
    .where(is_open(_lanes.c.queue))
    .cte("heads")
)
_let_in = update(instances).where(among(select(_heads.c.id))).values(blocked=null()).cte("let_in")
_again = exists().where(_waits, instances.c.rate_limit == buckets.c.key)
_armed = (
    update(buckets)
    .where(_with_keys(select(_ripe.c.key)))
    .values(
        head_at=case((_again, NOW + literal_column("interval '1 second'")), else_=null()),
        amount=null(),
    )
    .cte("armed")
)
#: Of each bucket that has enough by now, put the head of each queue before the claim.
#:
#: Index   buckets_head, instances_rate
#: Locks   UPDATE of the buckets, NO KEY UPDATE of the heads, SKIP LOCKED
#: Race    the head is held, or vanishes before it is claimed: the bucket looks again in a second
#: Why     an exact timer, no sweep; a rate that nobody knows is only looked at again
RIPE = Statement("buckets.ripe", select(_heads.c.queue).distinct().add_cte(_let_in, _armed))

_in_force = _policy(buckets.c.key)
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
    "buckets.stir", update(buckets).where(_with_keys(select(_outdated.c.key))).values(head_at=NOW)
)

_moved = (
    select(buckets.c.key)
    .where(
        buckets.c.key == func.any(bindparam("moved", type_=ARRAY(Text))),
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
    "buckets.reckon", update(buckets).where(_with_keys(select(_moved.c.key))).values(head_at=NOW)
)

#: The rates for whose tokens rows of a queue wait.
#:
#: Index   instances_rate, read from end to end: all that waits, not the table
#: Locks   none
#: Race    none: who waits later is judged with the queue held
#: Why     the head of a bucket holds up nobody while its queue is held
AWAITED = Statement(
    "buckets.awaited",
    select(instances.c.rate_limit).where(_waits, instances.c.queue == _queue).distinct(),
)

_idle = (
    select(buckets.c.key, buckets.c.level, buckets.c.at)
    .where(buckets.c.head_at.is_(None), buckets.c.at < NOW - literal_column("interval '1 hour'"))
    .order_by(buckets.c.at)
    .limit(bindparam("up_to", type_=Integer))
    .with_for_update(skip_locked=True)
    .cte("idle")
    .prefix_with("MATERIALIZED")
)
_for_idle = _policy(_idle.c.key)
_missing = _for_idle.c.burst.cast(Numeric) * _for_idle.c.per_us - _idle.c.level
_refilled = extract("epoch", NOW - _idle.c.at) * literal_column("1000000") * _for_idle.c.amount
_full = (
    select(_idle.c.key)
    .select_from(_idle.join(_for_idle, true()))
    .where(_refilled >= _missing)
    .cte("filled")
)
#: Forget buckets that have long been full again.
#:
#: Index   buckets_at, limits_pkey
#: Locks   UPDATE of the buckets, SKIP LOCKED
#: Race    a claim that wants it now: it finds no row, and makes a full one
#: Why     a bucket for each of a million tenants need not stay for ever
FORGET = Statement("buckets.forget", delete(buckets).where(buckets.c.key == _full.c.key))

#: How soon the head of a bucket may start.
#:
#: Index   buckets_head: one descent
#: Locks   none
#: Race    an earlier one is set a moment later: whoever does so wakes the timer of its process
#: Why     exact timers
SOON = Statement(
    "buckets.soon", select(extract("epoch", func.min(buckets.c.head_at) - NOW).cast(Double))
)


def open_(conn: Connection, db: Database, keys: Iterable[str]) -> None:
    """Make the buckets of *keys* that are not there."""
    db.run(conn, OPEN, {"keys": _encode(sorted(keys))})


def read(
    conn: Connection, db: Database, keys: Iterable[str], queue: str, limit: int
) -> Sequence[Any]:
    """Lock buckets; return (key, there, level, unit, used, elapsed, amount, per, burst, *row*).

    There is one for each waiting row, or one without a row; the level is null if it is held.
    """
    parameters = {"keys": _encode(sorted(keys)), "in_queue": queue, "up_to": limit}
    return db.rows(conn, READ, parameters)


def spend(conn: Connection, db: Database, spent: Iterable[str]) -> None:
    """Write down what is left in locked buckets, by encoded rows."""
    db.run(conn, SPEND, {"buckets": records(spent)})


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


def forget(conn: Connection, db: Database, limit: int) -> int:
    """Delete buckets that are full again, of the *limit* that are longest unused."""
    return db.run(conn, FORGET, {"up_to": limit})


def _encode(keys: Iterable[str]) -> str:
    return json.dumps([{"key": key} for key in keys])
