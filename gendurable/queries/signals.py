"""The inbox: delivering, reading, consuming, and the wake-up that must not be lost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Connection,
    Text,
    bindparam,
    case,
    delete,
    exists,
    func,
    literal_column,
    null,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, insert

from gendurable.queries.parts import (
    AWAITING_SIGNAL,
    IDS,
    IS_LIVE,
    NOW,
    RUNNABLE,
    instances,
    signals,
)
from gendurable.queries.statement import Database, Statement, array

#: Read the inboxes of a batch of claims, oldest signal first.
#:
#: Index   signals_target
#: Locks   none
#: Race    a signal stored later is not seen, and not consumed: consumption is by id
#: Why     one statement a batch, whatever its size
INBOXES = Statement(
    "signals.inboxes",
    select(
        signals.c.target_id,
        signals.c.id,
        signals.c.name,
        signals.c.payload.cast(Text),
        signals.c.dedup_key,
        signals.c.inserted_at,
    )
    .where(signals.c.target_id == func.any(IDS), signals.c.consumed_at.is_(None))
    .order_by(signals.c.id),
)

#: Read what the senders of some signals have sent along with them.
#:
#: Index   signals_pkey
#: Locks   none
#: Race    none: it is written once
#: Why     only tracers ask; an inbox is read without it
SENDERS = Statement(
    "signals.senders",
    select(signals.c.headers.cast(Text))
    .where(signals.c.id == func.any(IDS), signals.c.headers.isnot(None))
    .order_by(signals.c.id),
)

_name = bindparam("signal", type_=Text)
_WOKEN: dict[str, Any] = {
    "status": RUNNABLE,
    "eligible_at": NOW,
    "deadline": null(),
    "timed_out": literal_column("false"),
    "locked_by": null(),
    "lease_expires_at": null(),
    "slot": null(),
    "blocked": null(),
    "ended_from": null(),
    "updated_at": NOW,
}


def _deliver(name: str, found: Any) -> Statement:
    """Build the delivery to the live instance that *found* picks."""
    target = (
        select(instances.c.id, instances.c.status, instances.c.awaits, instances.c.queue)
        .where(found, IS_LIVE)
        .with_for_update(key_share=True)
        .cte("target")
    )
    stored = (
        insert(signals)
        .from_select(
            ["target_id", "name", "payload", "dedup_key", "headers"],
            select(
                target.c.id,
                _name,
                bindparam("body", type_=JSONB),
                bindparam("dedup", type_=Text),
                bindparam("word", type_=JSONB),
            ),
        )
        .on_conflict_do_nothing(
            index_elements=[signals.c.target_id, signals.c.name, signals.c.dedup_key],
            index_where=signals.c.dedup_key.isnot(None),
        )
        .returning(signals.c.target_id)
        .cte("stored")
    )
    woken = (
        update(instances)
        .where(
            instances.c.id == stored.c.target_id,
            stored.c.target_id == target.c.id,
            target.c.status == AWAITING_SIGNAL,
            _name == func.any(target.c.awaits),
        )
        .values(_WOKEN)
        .returning(instances.c.id)
        .cte("woken")
    )
    return Statement(
        name,
        select(
            target.c.id,
            stored.c.target_id.isnot(None).label("stored"),
            case((woken.c.id.isnot(None), target.c.queue), else_=null()).label("woken"),
        ).select_from(
            target.outerjoin(stored, stored.c.target_id == target.c.id).outerjoin(
                woken, woken.c.id == target.c.id
            )
        ),
    )


#: Store a signal and wake its target.
#:
#: Index   instances_pkey or instances_correlation; signals_dedup (arbiter)
#: Locks   the target, unconditionally and waiting: a park in progress ends first, and its own
#:         recheck or this statement sees the other
#: Race    the target ends meanwhile: the lock re-evaluates ``live``, no row, nothing stored
#: Why     conditions come from the locked row, the update names it by id alone and sets what a
#:         CHECK couples with the status as constants
DELIVER = _deliver("signals.deliver", instances.c.id == bindparam("target", type_=BigInteger))
DELIVER_BY_KEY = _deliver(
    "signals.deliver_by_key", instances.c.correlation_guard == bindparam("target", type_=Text)
)

_deleted = (
    delete(signals)
    .where(signals.c.id == func.any(IDS), signals.c.dedup_key.is_(None))
    .cte("deleted")
)

#: Take consumed signals out of their inboxes; those with a key stay as tombstones.
#:
#: Index   signals_pkey
#: Locks   the signals; their target is locked already
#: Race    none: only the owner of the target consumes
#: Why     a delivery repeated after its consumption is still recognised
CONSUME = Statement(
    "signals.consume",
    update(signals)
    .where(signals.c.id == func.any(IDS), signals.c.dedup_key.isnot(None))
    .values(consumed_at=NOW)
    .add_cte(_deleted),
)

_PRESENTED = bindparam("presented", type_=ARRAY(BigInteger))

#: Wake those of the just parked rows whose inbox already holds what they wait for.
#:
#: Index   instances_pkey, signals_target
#: Locks   none new: the rows are locked by the park, one statement earlier in this transaction
#: Race    a delivery locks the row first: it is either visible here, or waits and sees the park
#: Why     what the parking step was shown does not count, by id and not by a watermark, since
#:         ids commit out of order
RECHECK = Statement(
    "signals.recheck",
    update(instances)
    .where(
        instances.c.id == func.any(IDS),
        instances.c.status == AWAITING_SIGNAL,
        exists().where(
            signals.c.target_id == instances.c.id,
            signals.c.consumed_at.is_(None),
            signals.c.name == func.any(instances.c.awaits),
            signals.c.id != func.all(_PRESENTED),
        ),
    )
    .values(status=RUNNABLE, eligible_at=NOW, deadline=null(), updated_at=NOW)
    .returning(instances.c.queue),
)


def inboxes(conn: Connection, db: Database, ids: Iterable[int]) -> Sequence[Any]:
    """Return (target, id, name, payload, dedup key, time) of what the inboxes hold."""
    return db.rows(conn, INBOXES, {"ids": array(ids)})


def senders(conn: Connection, db: Database, ids: Iterable[int]) -> list[str]:
    """Return, as JSON texts, what went along with the signals that have these *ids*."""
    return [word for (word,) in db.rows(conn, SENDERS, {"ids": array(ids)})]


def deliver(
    conn: Connection,
    db: Database,
    target: int | str,
    name: str,
    payload: str,
    dedup_key: str | None,
    word: str | None = None,
) -> tuple[bool, str | None] | None:
    """Store a signal for *target* (an id or a key), and the *word* that goes along with it.

    Returns whether it was stored and the queue that it woke, or None if no live instance answers.
    """
    statement = DELIVER if isinstance(target, int) else DELIVER_BY_KEY
    parameters = {
        "target": target,
        "signal": name,
        "body": payload,
        "dedup": dedup_key,
        "word": word,
    }
    rows = db.rows(conn, statement, parameters)
    return (rows[0][1], rows[0][2]) if rows else None


def consume(conn: Connection, db: Database, ids: Iterable[int]) -> None:
    """Take the signals with these *ids* out of their inboxes."""
    db.run(conn, CONSUME, {"ids": array(ids)})


def recheck(
    conn: Connection, db: Database, parked: Iterable[int], presented: Iterable[int]
) -> set[str]:
    """Wake the *parked* rows that already have mail they were not shown; name their queues."""
    rows = db.rows(conn, RECHECK, {"ids": array(parked), "presented": array(presented)})
    return {queue for (queue,) in rows}
