"""The edges out of ``executing``: what a step said, written for a whole batch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    ColumnElement,
    Connection,
    Double,
    Integer,
    SmallInteger,
    Text,
    and_,
    bindparam,
    case,
    delete,
    func,
    literal_column,
    null,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB

from gendurable.lifecycle import Status
from gendurable.queries.parts import (
    DISOWNED,
    EXECUTING,
    IDS,
    NOW,
    WORKER,
    among,
    instances,
    is_open,
    owned,
    signals,
)
from gendurable.queries.statement import Database, Statement, array, document, records, seconds

_lock = (
    select(
        instances.c.id,
        instances.c.locked_by,
        instances.c.claim_seq,
    )
    .where(instances.c.id == func.any(IDS))
    .order_by(instances.c.id)
)

#: Lock the rows of a batch of outcomes, and their parents.
#:
#: Index   instances_pkey
#: Locks   NO KEY UPDATE in id order (a parent's id is the smaller one), SKIP LOCKED
#: Race    whoever holds a row may be a user's open transaction: that outcome comes back later
#: Why     a batch never waits for a row
LOCK = Statement("outcomes.lock", _lock.with_for_update(key_share=True, skip_locked=True))

#: The same for one outcome that commits in the session of its step: it can only wait.
#:
#: Index   instances_pkey
#: Locks   NO KEY UPDATE in id order, waiting
#: Race    as above
#: Why     the rows that the step wrote hang on this very transaction
LOCK_WAITING = Statement("outcomes.lock_waiting", _lock.with_for_update(key_share=True))

#: Which of these rows exist, and who owns them: for what LOCK passed over.
#:
#: Index   instances_pkey
#: Locks   none
#: Race    a claim that was lost cannot come back: its number is gone for ever
#: Why     tells a stale outcome from one that has to wait
LOOK = Statement("outcomes.look", _lock)

_FIELDS: dict[str, Any] = {
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


def _columns(row: Any) -> dict[str, Any]:
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


def _open(ahead: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether the queue that a step may run ahead in is not held: asked once for four columns."""
    return and_(ahead.isnot(None), is_open(ahead)).label("open")


def _mail(row: Any) -> ColumnElement[bool]:
    """Whether anything lies in the inbox of a row that was claimed by its write; else null."""
    # With a LIMIT, or the planner might hash all signals there are.
    letter = (
        select(signals.c.id)
        .where(signals.c.target_id == row.id, signals.c.consumed_at.is_(None))
        .limit(literal_column("1"))
        .scalar_subquery()
    )
    return case((row.status == EXECUTING, letter.isnot(None))).label("mail")


_document = document("document", "batch", **_FIELDS)
_batch = select(*_document.c, _open(_document.c.ahead)).cte("batch").prefix_with("MATERIALIZED")
_ours = and_(instances.c.id == _batch.c.id, owned(_batch.c.claim_seq))
_locked = (
    select(instances.c.id)
    .join_from(_batch, instances, _ours)
    .where(instances.c.id == func.any(IDS))
    .order_by(instances.c.id)
    .with_for_update(key_share=True, skip_locked=True, of=instances)
    .cte("locked")
)
_written = (
    update(instances)
    .where(among(select(_locked.c.id)), instances.c.id == _batch.c.id)
    .values(_columns(_batch.c))
    .returning(instances.c.id, instances.c.status, instances.c.queue)
    .cte("written")
)
_emptied = (
    delete(signals)
    .where(signals.c.target_id == _written.c.id, _written.c.status == literal_column("'done'"))
    .cte("emptied")
)

#: Write a batch of outcomes, and empty the inboxes of what is done.
#:
#: Index   instances_pkey, signals_target
#: Locks   NO KEY UPDATE in id order, SKIP LOCKED; held since LOCK where parents come first
#: Race    a claim that was lost: the guard is evaluated again under the lock, and finds no row;
#:         whoever holds a row may be a user's open transaction: that outcome comes back later
#: Why     everything is an absolute value that only the owner can know; what is not said is null;
#:         where the worker goes on with the row, claiming it costs no statement of its own; the
#:         ids come as an array, too: a document is taken for a hundred rows, for which the planner
#:         would rather read a table of a few thousand from end to end
WRITE = Statement(
    "outcomes.write",
    select(
        _written.c.id,
        case(
            (_written.c.status == literal_column("'runnable'"), _written.c.queue), else_=null()
        ).label("queue"),
        _mail(_written.c),
    ).add_cte(_emptied),
)

_values = {
    name: bindparam(f"new_{name}", type_=Text).cast(JSONB)
    if kind is JSONB
    else bindparam(f"new_{name}", type_=kind).cast(kind)
    for name, kind in _FIELDS.items()
}
_asked = select(_open(_values["ahead"])).cte("asked").prefix_with("MATERIALIZED")
_given = SimpleNamespace(**_values, open=_asked.c.open)
#: Write one outcome.
#:
#: Index   instances_pkey
#: Locks   NO KEY UPDATE of the row, waiting for whoever holds it
#: Race    a claim that was lost: the guard is evaluated again under the lock, and finds no row; a
#:         signal whose sender this has waited for is not in the inbox that is told of, as if it had
#:         come during the step that runs ahead
#: Why     for a commit in the session of a step: plain parameters cost a quarter of a document
WRITE_ONE = Statement(
    "outcomes.write_one",
    update(instances)
    .where(instances.c.id == _given.id, owned(_given.claim_seq))
    .values(_columns(_given))
    .returning(instances.c.status, instances.c.queue, _mail(instances.c)),
)

#: Empty the inbox of an instance that is done.
#:
#: Index   signals_target
#: Locks   its signals
#: Race    none: the row is locked, and a signal locks it before it is stored
#: Why     a signal on what is done would never be seen
EMPTY = Statement(
    "outcomes.empty",
    delete(signals).where(signals.c.target_id == bindparam("target", type_=BigInteger)),
)


def lock(
    conn: Connection, db: Database, ids: Iterable[int], *, wait: bool = False
) -> dict[int, tuple[str | None, int]]:
    """Lock rows in id order; map each one locked to its (owner, number of the claim)."""
    rows = db.rows(conn, LOCK_WAITING if wait else LOCK, {"ids": array(ids)})
    return {id: (owner, seq) for id, owner, seq in rows}


def look(conn: Connection, db: Database, ids: Iterable[int]) -> dict[int, tuple[str | None, int]]:
    """Map each existing row to its (owner, number of the claim), without a lock."""
    return {id: (owner, seq) for id, owner, seq in db.rows(conn, LOOK, {"ids": array(ids)})}


def write(
    conn: Connection,
    db: Database,
    worker: str,
    ids: Iterable[int],
    batch: Iterable[str],
    ttl: float,
) -> Sequence[tuple[Any, ...]]:
    """Write encoded outcomes; return (id, its queue if it is runnable, mail) of each.

    Whether it has mail is said of a row that was claimed at once, and None of all others.
    """
    parameters = {"worker": worker, "ids": array(ids), "batch": records(batch), "ttl": ttl}
    return db.tuples(conn, WRITE, parameters)


def write_one(
    conn: Connection, db: Database, worker: str, fields: Mapping[str, Any], ttl: float
) -> Sequence[tuple[Any, ...]]:
    """Write one outcome and empty its inbox if it is done; return what ``write`` does."""
    parameters = {"worker": worker, "ttl": ttl}
    parameters |= {f"new_{name}": fields.get(name) for name in _FIELDS}
    rows = db.tuples(conn, WRITE_ONE, parameters)
    if not rows:
        return ()
    ((status, queue, mail),) = rows
    if status == Status.DONE:
        db.run(conn, EMPTY, {"target": fields["id"]})
    return [(fields["id"], queue if status == Status.RUNNABLE else None, mail)]
