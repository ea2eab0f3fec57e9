"""The edge from ``runnable`` to ``executing``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    Boolean,
    ColumnElement,
    Connection,
    Double,
    Integer,
    Select,
    Text,
    and_,
    bindparam,
    case,
    exists,
    extract,
    func,
    literal_column,
    null,
    select,
    true,
    update,
)

from gendurable.queries.parts import (
    CLAIM_COLUMNS,
    CLAIMABLE,
    EXECUTING,
    LOCK_CLASS,
    LOCK_MASK,
    NOW,
    RUNNABLE,
    WORKER,
    among,
    hidden,
    instances,
    is_open,
    signals,
)
from gendurable.queries.scans import lanes
from gendurable.queries.statement import Database, Statement, document, records, seconds

#: How many rows a worker claims at a time at most.
BATCH = 400

_queue = bindparam("in_queue", type_=Text)
_in_queue = and_(instances.c.queue == hidden(_queue), CLAIMABLE)
# A queue that is held has no first priority, and so nothing to claim and nothing due.
_lanes = lanes(_in_queue, is_open(_queue))
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


def _due() -> CTE:
    """The most urgent due rows of a queue, locked."""
    head = (
        select(*CLAIM_COLUMNS)
        .where(_in_queue, instances.c.priority == _lanes.c.priority, instances.c.eligible_at <= NOW)
        .order_by(instances.c.eligible_at, instances.c.id)
        .limit(literal_column(str(BATCH)))
        .with_for_update(key_share=True, skip_locked=True)
        .correlate(_lanes)
        .lateral("head")
    )
    limit = hidden(bindparam("up_to", type_=BigInteger))
    return select(*head.c).select_from(_lanes.join(head, true())).limit(limit).cte("due")


def _started(due: CTE, free: ColumnElement[bool]) -> CTE:
    """Start those of them that no limit concerns."""
    return (
        update(instances)
        .where(among(select(due.c.id).where(free)))
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


def _claim() -> Select[Any]:
    due = _due()
    free = and_(due.c.concurrency_key.is_(None), due.c.rate_limit.is_(None))
    claimed = _started(due, free)
    # Taken here and not where the slots are counted: that statement's snapshot is younger then.
    won = case(
        (due.c.concurrency_key.is_(None), null()),
        else_=func.pg_try_advisory_xact_lock(
            literal_column(LOCK_CLASS),
            func.hashtext(due.c.concurrency_key).op("&")(literal_column(LOCK_MASK)),
        ),
    )
    # With a LIMIT, or the planner might hash all signals there are.
    letter = (
        select(signals.c.id)
        .where(signals.c.target_id == due.c.id)
        .limit(literal_column("1"))
        .scalar_subquery()
    )
    return (
        select(
            *(column for column in due.c if column.key != "eligible_at"),
            case((exists().where(~free), due.c.eligible_at)).label("eligible_at"),
            claimed.c.id.isnot(None).label("started"),
            won.label("won"),
            letter.isnot(None).label("mail"),
            case((due.c.id.is_(None), _next_due), else_=null()).label("next_due"),
        )
        .select_from(_one.outerjoin(due.outerjoin(claimed, claimed.c.id == due.c.id), true()))
        .order_by(due.c.priority, due.c.eligible_at, due.c.id)
    )


#: Claim the most urgent due rows of a queue that no limit concerns, and lock those that one does.
#:
#: Index   instances_claim: one descent a priority in use, then in order; nothing is sorted;
#:         signals_target, for whether anything lies in an inbox: most are empty
#: Locks   NO KEY UPDATE, SKIP LOCKED: what it returns, and a row that changed meanwhile
#: Race    a row changed since the snapshot: re-evaluated under the lock, joined by id; of two
#:         claims that meet one key, the first has its lock, and the other leaves the key alone
#: Why     when a row was due is read only where limited ones are to be judged; every column that a
#:         CHECK couples with the status is set as a constant, because PostgreSQL checks the
#:         snapshot's version before it finds the locked one; with nothing found the one row left
#:         says when the queue's next row is due; as many as were asked for are read one by one, but
#:         planned for is always a batch: under a limit that is a parameter no generic plan looks as
#:         cheap as one made for the number, and the statement would be planned at each execution,
#:         which takes longer than to claim ten rows
CLAIM = Statement("claim.claim", _claim())

_verdict = document(
    "verdict", "verdicts", id=BigInteger, starts=Boolean, slot=Integer, blocked=Text
)
_starts = _verdict.c.starts

#: Carry out what was decided on locked rows: start them in their slots, or let them wait.
#:
#: Index   instances_pkey, driven from the decisions
#: Locks   held since CLAIM, or since the reads of limits and buckets
#: Race    two claims that meant the same slot: the unique index stops the second, which repeats
#: Why     one write, whatever was decided
ADMIT = Statement(
    "claim.admit",
    update(instances)
    .where(instances.c.id == _verdict.c.id)
    .values(
        status=case((_starts, EXECUTING), else_=RUNNABLE).cast(instances.c.status.type),
        locked_by=case((_starts, WORKER)),
        lease_expires_at=case((_starts, NOW + seconds(bindparam("ttl", type_=Double)))),
        claim_seq=instances.c.claim_seq + _starts.cast(Integer),
        slot=_verdict.c.slot,
        blocked=_verdict.c.blocked,
        updated_at=NOW,
    ),
)


def claim(
    conn: Connection, db: Database, queue: str, limit: int, worker: str, ttl: float
) -> tuple[Sequence[Any], float | None]:
    """Claim up to *limit* rows, a ``BATCH`` at most, and return them in order.

    Without any, return how soon, in seconds, the next one is due.
    """
    given = {"in_queue": queue, "worker": worker, "ttl": ttl, "up_to": limit}
    rows = db.tuples(conn, CLAIM, given)
    if rows[0][0] is None:
        return (), rows[0][-1]
    return rows, None


def admit(conn: Connection, db: Database, worker: str, ttl: float, verdicts: Iterable[str]) -> None:
    """Start locked rows, or mark them as waiting, by encoded verdicts."""
    db.run(conn, ADMIT, {"worker": worker, "ttl": ttl, "verdicts": records(verdicts)})
