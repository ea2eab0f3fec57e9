"""The edge from ``runnable`` to ``executing``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Double,
    Text,
    and_,
    bindparam,
    case,
    extract,
    func,
    literal_column,
    null,
    select,
    true,
    update,
)

from gendurable.queries.parts import (
    CLAIMABLE,
    EXECUTING,
    NOW,
    WORKER,
    among,
    instances,
    is_open,
)
from gendurable.queries.statement import Database, Statement, seconds

_queue = bindparam("in_queue", type_=Text)
_limit = bindparam("up_to", type_=BigInteger)
_in_queue = and_(instances.c.queue == _queue, CLAIMABLE)

# A loose index scan: from one priority in use to the next, however many rows bear each. A queue
# that is held has no first one, and so nothing to claim and nothing due.
_first = (
    select(instances.c.priority)
    .where(_in_queue, is_open(_queue))
    .order_by(instances.c.priority)
    .limit(literal_column("1"))
)
_lanes = select(_first.scalar_subquery().label("priority")).cte("lanes", recursive=True)
_next = (
    select(instances.c.priority)
    .where(_in_queue, instances.c.priority > _lanes.c.priority)
    .order_by(instances.c.priority)
    .limit(literal_column("1"))
    .correlate(_lanes)
)
_lanes = _lanes.union_all(select(_next.scalar_subquery()).where(_lanes.c.priority.isnot(None)))

_COLUMNS = (
    instances.c.id,
    instances.c.fsm,
    instances.c.fsm_version,
    instances.c.step,
    instances.c.state.cast(Text).label("state"),
    instances.c.attempt,
    instances.c.visit,
    instances.c.claim_seq,
    instances.c.awaits,
    instances.c.queue,
    instances.c.priority,
    instances.c.correlation_key,
    instances.c.correlation_scope,
    instances.c.parent_id,
    instances.c.parent_round,
    instances.c.round,
    instances.c.headers.cast(Text).label("headers"),
    instances.c.timed_out,
    instances.c.crashes,
    instances.c.concurrency_key,
    instances.c.rate_limit,
    instances.c.weight,
    instances.c.eligible_at,
)

_head = (
    select(*_COLUMNS)
    .where(_in_queue, instances.c.priority == _lanes.c.priority, instances.c.eligible_at <= NOW)
    .order_by(instances.c.eligible_at, instances.c.id)
    .limit(_limit)
    .with_for_update(key_share=True, skip_locked=True)
    .correlate(_lanes)
    .lateral("head")
)
_due = select(*_head.c).select_from(_lanes.join(_head, true())).limit(_limit).cte("due")

_free = and_(_due.c.concurrency_key.is_(None), _due.c.rate_limit.is_(None))
_claimed = (
    update(instances)
    .where(among(select(_due.c.id).where(_free)))
    .values(
        status=EXECUTING,
        locked_by=WORKER,
        lease_expires_at=NOW + seconds(bindparam("ttl", type_=Double)),
        claim_seq=instances.c.claim_seq + literal_column("1"),
        concurrency_key=null(),
        slot=null(),
        blocked=null(),
        updated_at=NOW,
    )
    .returning(instances.c.id)
    .cte("claimed")
)

_soonest = (
    select(instances.c.eligible_at)
    .where(_in_queue, instances.c.priority == _lanes.c.priority)
    .order_by(instances.c.eligible_at)
    .limit(literal_column("1"))
    .correlate(_lanes)
    .lateral("soonest")
)
_next_due = (
    select(extract("epoch", func.min(_soonest.c.eligible_at) - NOW).cast(Double))
    .select_from(_lanes.join(_soonest, true()))
    .scalar_subquery()
)
_one = select(literal_column("1").label("one")).subquery("one")
_found = _due.outerjoin(_claimed, _claimed.c.id == _due.c.id)

#: Claim the most urgent due rows of a queue that no limit concerns, and lock those that one does.
#:
#: Index   instances_claim: one descent a priority in use, then in order; nothing is sorted
#: Locks   NO KEY UPDATE, SKIP LOCKED: no more than it returns, waits for nobody
#: Race    a row changed since the snapshot: re-evaluated under the lock, joined by id
#: Why     every column that a CHECK couples with the status is set as a constant, because
#:         PostgreSQL checks the snapshot's version before it finds the locked one; with nothing
#:         found the one row left says when the queue's next row is due
CLAIM = Statement(
    "claim.claim",
    select(
        *_due.c,
        _claimed.c.id.isnot(None).label("started"),
        case((_due.c.id.is_(None), _next_due), else_=null()).label("next_due"),
    )
    .select_from(_one.outerjoin(_found, true()))
    .order_by(_due.c.priority, _due.c.eligible_at, _due.c.id),
)


def claim(
    conn: Connection, db: Database, queue: str, limit: int, worker: str, ttl: float
) -> tuple[Sequence[Any], float | None]:
    """Claim up to *limit* rows; return them in order, or how soon (seconds) the next one is due."""
    rows = db.rows(conn, CLAIM, {"in_queue": queue, "up_to": limit, "worker": worker, "ttl": ttl})
    if rows[0][0] is None:
        return (), rows[0][-1]
    return rows, None
