"""Rates: how many tokens a bucket holds, who waits for them, and when the first of them may start.

All that concerns a bucket, marks and the instant of its head too, happens under its row's lock.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    DateTime,
    Integer,
    Numeric,
    Text,
    and_,
    bindparam,
    case,
    delete,
    exists,
    extract,
    func,
    literal_column,
    null,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from gendurable.queries.parts import (
    CLAIM_COLUMNS,
    NOW,
    buckets,
    instances,
    policy,
    waits,
    with_keys,
)
from gendurable.queries.scans import rival, turns
from gendurable.queries.statement import Database, Statement, document, records

_queue = bindparam("in_queue", type_=Text)
_most = bindparam("up_to", type_=Integer)
_one: ColumnElement[int] = literal_column("1")
_microsecond: ColumnElement[Any] = literal_column("interval '1 microsecond'")
_waits = waits("rate")


_wanted = document("wanted", "keys", key=Text)
_for_wanted = policy(_wanted.c.key)
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
    select(*(buckets.c[name] for name in ("key", "level", "per_us", "at", "turn_id", "turn_until")))
    .where(with_keys(select(_wanted.c.key)))
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
_turn = turns(_locked)
_rival = rival(_locked, _queue, _turn)
_elsewhere = and_(_turn.c.queue != _queue, _turn.c.waited_for)
_used = func.greatest(_locked.c.at, NOW)


def _microseconds(span: Any) -> Any:
    return (extract("epoch", span) * literal_column("1000000")).cast(BigInteger)


#: Lock buckets; tell what is in them, what flows into them, and who waits, here and elsewhere.
#:
#: Index   buckets_pkey, limits_pkey, instances_rate: one more row than there is room for, and the
#:         head of each other queue; instances_pkey, instances_slot
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
        _microseconds(_used - _locked.c.at).label("elapsed"),
        _for_wanted.c.amount,
        _for_wanted.c.per_us,
        _for_wanted.c.burst,
        _locked.c.turn_id,
        case((_elsewhere, _turn.c.eligible_at)).label("turn_due"),
        _microseconds(_locked.c.turn_until - _used).label("turn_left"),
        _rival.c.eligible_at.label("rival_due"),
        _rival.c.id.label("rival_id"),
        _rival.c.weight.label("rival_weight"),
        *_waiting.c,
    ).select_from(
        _wanted.outerjoin(_for_wanted, true())
        .outerjoin(_locked, _locked.c.key == _wanted.c.key)
        .outerjoin(_turn, true())
        .outerjoin(_rival, true())
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
    later=BigInteger,
    amount=BigInteger,
    burst=BigInteger,
    turn=BigInteger,
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
        turn_id=_spent.c.turn,
        at=_used_at,
        head_at=case(
            (_spent.c.head.isnot(None), _used_at + _spent.c.head * _microsecond),
            (_any_waits, _used_at + _spent.c.later * _microsecond),
            else_=null(),
        ),
    ),
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
_for_idle = policy(_idle.c.key)
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


def open_(conn: Connection, db: Database, keys: Iterable[str]) -> None:
    """Make the buckets of *keys* that are not there."""
    db.run(conn, OPEN, {"keys": _encode(sorted(keys))})


def read(
    conn: Connection, db: Database, keys: Iterable[str], queue: str, limit: int
) -> Sequence[Any]:
    """Lock buckets; return (key, there, *bucket*, *turn*, *rival*, *row*) for each waiting row.

    There is one without a row where none waits; the level is null if the bucket is held.
    """
    parameters = {"keys": _encode(sorted(keys)), "in_queue": queue, "up_to": limit}
    return db.rows(conn, READ, parameters)


def spend(conn: Connection, db: Database, spent: Iterable[str]) -> None:
    """Write down what is left in locked buckets, by encoded rows."""
    db.run(conn, SPEND, {"buckets": records(spent)})


def forget(conn: Connection, db: Database, limit: int) -> int:
    """Delete buckets that are full again, of the *limit* that are longest unused."""
    return db.run(conn, FORGET, {"up_to": limit})


def _encode(keys: Iterable[str]) -> str:
    return json.dumps([{"key": key} for key in keys])
