"""What the outcome of a step sets, whether it is written alone or in a batch."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    ColumnElement,
    Double,
    Integer,
    SmallInteger,
    Text,
    and_,
    bindparam,
    case,
    func,
    literal_column,
    null,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB

from gendurable.queries.parts import (
    DISOWNED,
    EXECUTING,
    NOW,
    WORKER,
    instances,
    is_open,
    signals,
)
from gendurable.queries.statement import seconds

FIELDS: dict[str, Any] = {
    "id": BigInteger,
    "claim_seq": BigInteger,
    "fsm_version": Integer,
    "status": Text,
    "step": Text,
    "state": JSONB,
    "result": JSONB,
    "last_error": Text,
    "attempt": Integer,
    "visit": BigInteger,
    "crashes": Integer,
    "queue": Text,
    "priority": SmallInteger,
    "delay": Double,
    "awaits": ARRAY(Text),
    "timeout": Double,
    "timed_out": Boolean,
    "concurrency_key": Text,
    "rate_limit": Text,
    "weight": Integer,
    "round": Integer,
    "quorum": Integer,
    "pending": Integer,
    "ended_from": Text,
    "ahead": Text,
}
# Cast here and not in the document: the name of a type there would not follow the schema.
_status = instances.c.status.type


def columns_of(row: Any) -> dict[str, Any]:
    """What an outcome sets, from the fields of *row*; the shorter it is, the cheaper is a batch."""
    # The next step runs in this worker at once, under a new claim, if it may run ahead in the queue
    # that *ahead* names, and nobody has paused it or moved it to another meanwhile.
    ahead = and_(row.open, row.ahead == instances.c.queue, instances.c.paused_at.is_(None))
    return DISOWNED | {
        "fsm_version": func.coalesce(row.fsm_version, instances.c.fsm_version),
        "status": case((ahead, EXECUTING), else_=row.status.cast(_status)),
        "locked_by": case((ahead, WORKER)),
        "lease_expires_at": case((ahead, NOW + seconds(bindparam("ttl", type_=Double)))),
        "claim_seq": instances.c.claim_seq
        + case((ahead, literal_column("1")), else_=literal_column("0")),
        "step": func.coalesce(row.step, instances.c.step),
        "state": row.state,
        "result": row.result,
        "last_error": row.last_error,
        "attempt": func.coalesce(row.attempt, instances.c.attempt),
        "visit": func.coalesce(row.visit, instances.c.visit),
        "crashes": func.coalesce(row.crashes, literal_column("0")),
        "queue": func.coalesce(row.queue, instances.c.queue),
        "priority": func.coalesce(row.priority, instances.c.priority),
        "eligible_at": NOW + seconds(func.coalesce(row.delay, literal_column("0"))),
        "awaits": row.awaits,
        "deadline": NOW + seconds(row.timeout),
        "timed_out": func.coalesce(row.timed_out, literal_column("false")),
        "concurrency_key": row.concurrency_key,
        "blocked": null(),
        "rate_limit": row.rate_limit,
        "weight": func.coalesce(row.weight, literal_column("1")),
        "round": func.coalesce(row.round, instances.c.round),
        "quorum": row.quorum,
        "children_pending": func.coalesce(row.pending, literal_column("0")),
        "children_done": literal_column("0"),
        "ended_from": row.ended_from.cast(_status),
    }


def opened(ahead: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether the queue that a step may run ahead in is not held: asked once for four columns."""
    return and_(ahead.isnot(None), is_open(ahead)).label("open")


def mail_of(row: Any) -> ColumnElement[bool]:
    """Whether anything lies in the inbox of a row that was claimed by its write; else null."""
    # With a LIMIT, or the planner might hash all signals there are.
    letter = (
        select(signals.c.id)
        .where(signals.c.target_id == row.id, signals.c.consumed_at.is_(None))
        .limit(literal_column("1"))
        .scalar_subquery()
    )
    return case((row.status == EXECUTING, letter.isnot(None))).label("mail")
