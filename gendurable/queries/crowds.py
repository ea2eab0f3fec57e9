"""Crowds: many rows at the head of a queue that cannot start now, marked all at once.

A claim marks what it meets. Where that is most of its batch, there may be a hundred thousand more
behind it, and marking them batch by batch would keep the queue waiting.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Text,
    and_,
    bindparam,
    case,
    false,
    func,
    literal_column,
    or_,
    select,
    true,
    update,
)

from gendurable.queries.parts import (
    CLAIMABLE,
    EXECUTING,
    NOW,
    among,
    buckets,
    in_force,
    instances,
    is_open,
    limits,
)
from gendurable.queries.scans import lanes
from gendurable.queries.statement import Database, Statement

_limit = bindparam("up_to", type_=BigInteger)
_queue = bindparam("in_queue", type_=Text)
_in_queue = and_(instances.c.queue == _queue, CLAIMABLE)
_lanes = lanes(_in_queue, is_open(_queue))
_head = (
    select(instances.c.id, instances.c.concurrency_key, instances.c.rate_limit)
    .where(_in_queue, instances.c.priority == _lanes.c.priority, instances.c.eligible_at <= NOW)
    .order_by(instances.c.eligible_at, instances.c.id)
    .limit(_limit)
    .correlate(_lanes)
    .lateral("head")
)
_due = (
    select(*_head.c)
    .select_from(_lanes.join(_head, true()))
    .limit(_limit)
    .cte("due")
    .prefix_with("MATERIALIZED")
)

# Put so that it calls for no index: where statistics saw none of these rows, the planner would take
# the claim's index for an empty one, and read through it for each row that is to be marked.
_still_due = case((CLAIMABLE, true()), else_=false())

_keys = (
    select(_due.c.concurrency_key.label("key"))
    .where(_due.c.concurrency_key.isnot(None))
    .distinct()
    .cte("keys")
    .prefix_with("MATERIALIZED")
)
_executing = (
    select(func.count())
    .where(instances.c.status == EXECUTING, instances.c.concurrency_key == _keys.c.key)
    .scalar_subquery()
)
_width = in_force("key", _keys.c.key, limits.c.amount).scalar_subquery()
_full = (
    select(_keys.c.key)
    .where(_executing >= func.coalesce(_width, literal_column("1")))
    .cte("full_keys")
    .prefix_with("MATERIALIZED")
)
_behind_keys = (
    select(instances.c.id)
    .where(
        among(select(_due.c.id).join_from(_due, _full, _full.c.key == _due.c.concurrency_key)),
        instances.c.concurrency_key == func.any(func.array(select(_full.c.key).scalar_subquery())),
        _still_due,
    )
    .with_for_update(key_share=True, skip_locked=True, of=instances)
    .cte("behind")
)
_marked_keys = (
    update(instances)
    .where(instances.c.id == _behind_keys.c.id)
    .values(blocked=literal_column("'key'"))
    .returning(instances.c.concurrency_key)
    .cte("marked")
)
#: Mark those of the first due rows of a queue whose keys have no room.
#:
#: Index   instances_claim (a loose scan over priorities), instances_slot, instances_pkey
#: Locks   NO KEY UPDATE of what it marks, SKIP LOCKED
#: Race    a slot is freed meanwhile: whoever marks commits, and then looks
#: Why     one statement for thousands, so that what is behind them is soon found
MARK_KEYS = Statement(
    "crowds.mark_keys",
    select(_marked_keys.c.concurrency_key, func.count()).group_by(_marked_keys.c.concurrency_key),
)

_closed = (
    select(buckets.c.key)
    .where(
        buckets.c.key.in_(select(_due.c.rate_limit).where(_due.c.rate_limit.isnot(None))),
        buckets.c.head_at > NOW,
        or_(buckets.c.amount.isnot(None), buckets.c.burst.is_(None)),
    )
    .order_by(buckets.c.key)
    .with_for_update(skip_locked=True)
    .cte("closed")
    .prefix_with("MATERIALIZED")
)
_behind_rates = (
    select(instances.c.id)
    .where(
        among(select(_due.c.id).join_from(_due, _closed, _closed.c.key == _due.c.rate_limit)),
        instances.c.rate_limit == func.any(func.array(select(_closed.c.key).scalar_subquery())),
        _still_due,
    )
    .with_for_update(key_share=True, skip_locked=True, of=instances)
    .cte("behind")
)
_marked_rates = (
    update(instances)
    .where(instances.c.id == _behind_rates.c.id)
    .values(blocked=literal_column("'rate'"))
    .returning(instances.c.id)
    .cte("marked")
)
#: Mark those of the first due rows of a queue whose buckets have a head that waits.
#:
#: Index   instances_claim (a loose scan over priorities), buckets_pkey, instances_pkey
#: Locks   UPDATE of the buckets in key order, NO KEY UPDATE of what it marks, SKIP LOCKED
#: Race    the head starts meanwhile: that needs the lock of the bucket; one that was just let in
#:         and not judged yet is left before the claim, where it stands for all
#: Why     as above
MARK_RATES = Statement("crowds.mark_rates", select(func.count()).select_from(_marked_rates))


def mark_keys(conn: Connection, db: Database, queue: str, limit: int) -> Sequence[Any]:
    """Mark the rows behind full keys among the first *limit*; return (key, how many)."""
    return db.rows(conn, MARK_KEYS, {"in_queue": queue, "up_to": limit})


def mark_rates(conn: Connection, db: Database, queue: str, limit: int) -> int:
    """Mark the rows behind empty buckets among the first *limit*; return how many."""
    ((count,),) = db.rows(conn, MARK_RATES, {"in_queue": queue, "up_to": limit})
    return int(count)
