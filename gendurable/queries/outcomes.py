"""The edges out of ``executing``: what a step said, written for a whole batch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
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
from sqlalchemy.dialects.postgresql import JSONB, insert

from gendurable.queries.parts import (
    DISOWNED,
    EXECUTING,
    IDS,
    NOW,
    WORKER,
    instances,
    owned,
    signals,
    transitions,
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

_batch = document(
    "batch",
    "batch",
    id=BigInteger,
    claim_seq=BigInteger,
    fsm_version=Integer,
    status=Text,
    step=Text,
    state=JSONB,
    result=JSONB,
    last_error=Text,
    attempt=Integer,
    visit=BigInteger,
    crashes=Integer,
    queue=Text,
    priority=SmallInteger,
    delay=Double,
    awaits=ARRAY(Text),
    timeout=Double,
    timed_out=Boolean,
    concurrency_key=Text,
    rate_limit=Text,
    weight=Integer,
    round=Integer,
    quorum=Integer,
    pending=Integer,
    ended_from=Text,
    ahead=Boolean,
)
# Cast here and not in the document: the name of a type there would not follow the schema.
_status = instances.c.status.type

# The next step runs in this worker at once, under a new claim, unless somebody paused the row.
_ahead = and_(_batch.c.ahead, instances.c.paused_at.is_(None))

_written = (
    update(instances)
    .where(instances.c.id == _batch.c.id, owned(_batch.c.claim_seq))
    .values(
        DISOWNED
        | {
            "fsm_version": func.coalesce(_batch.c.fsm_version, instances.c.fsm_version),
            "status": case((_ahead, EXECUTING), else_=_batch.c.status.cast(_status)),
            "locked_by": case((_ahead, WORKER)),
            "lease_expires_at": case((_ahead, NOW + seconds(bindparam("ttl", type_=Double)))),
            "claim_seq": instances.c.claim_seq
            + case((_ahead, literal_column("1")), else_=literal_column("0")),
            "step": _batch.c.step,
            "state": _batch.c.state,
            "result": _batch.c.result,
            "last_error": _batch.c.last_error,
            "attempt": _batch.c.attempt,
            "visit": _batch.c.visit,
            "crashes": func.coalesce(_batch.c.crashes, literal_column("0")),
            "queue": func.coalesce(_batch.c.queue, instances.c.queue),
            "priority": func.coalesce(_batch.c.priority, instances.c.priority),
            "eligible_at": NOW + seconds(func.coalesce(_batch.c.delay, literal_column("0"))),
            "awaits": _batch.c.awaits,
            "deadline": NOW + seconds(_batch.c.timeout),
            "timed_out": func.coalesce(_batch.c.timed_out, literal_column("false")),
            "concurrency_key": _batch.c.concurrency_key,
            "blocked": null(),
            "rate_limit": _batch.c.rate_limit,
            "weight": func.coalesce(_batch.c.weight, literal_column("1")),
            "round": func.coalesce(_batch.c.round, instances.c.round),
            "quorum": _batch.c.quorum,
            "children_pending": func.coalesce(_batch.c.pending, literal_column("0")),
            "children_done": literal_column("0"),
            "ended_from": _batch.c.ended_from.cast(_status),
        }
    )
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
#: Index   instances_pkey, driven from the batch; signals_target
#: Locks   the rows are locked already by LOCK; alone, it locks and waits
#: Race    a claim that was lost: the guard finds no row, and nothing else of it is carried out
#: Why     everything is an absolute value that only the owner can know; what is not said is null;
#:         where the worker goes on with the row, claiming it costs no statement of its own
WRITE = Statement(
    "outcomes.write",
    select(
        _written.c.id,
        case(
            (_written.c.status == literal_column("'runnable'"), _written.c.queue), else_=null()
        ).label("queue"),
        (_written.c.status == EXECUTING).label("ahead"),
    ).add_cte(_emptied),
)

_entry = document(
    "entry",
    "entries",
    instance_id=BigInteger,
    kind=Text,
    step=Text,
    attempt=Integer,
    visit=BigInteger,
    duration=Double,
    worker=Text,
    error=Text,
    traceback=Text,
    state=JSONB,
    made_by=Text,
    reason=Text,
)

#: Write entries of the history.
#:
#: Index   transitions_pkey
#: Locks   the foreign key's share of the instance, which is ours already
#: Race    none
#: Why     one statement a batch
RECORD = Statement(
    "outcomes.record",
    insert(transitions).from_select([c.name for c in _entry.c], select(*_entry.c)),
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
    conn: Connection, db: Database, worker: str, batch: Iterable[str], ttl: float
) -> Sequence[tuple[int, str | None, bool]]:
    """Write encoded outcomes; return (id, its queue if it is runnable, whether it is claimed)."""
    return db.rows(conn, WRITE, {"worker": worker, "batch": records(batch), "ttl": ttl})


def record(conn: Connection, db: Database, entries: Iterable[str]) -> None:
    """Append encoded entries to the history."""
    db.run(conn, RECORD, {"entries": records(entries)})
