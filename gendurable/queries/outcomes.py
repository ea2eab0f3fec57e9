"""The edges out of ``executing``: what a step said, written for a whole batch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Text,
    Update,
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
from gendurable.queries.fields import FIELDS, columns_of, mail_of, opened
from gendurable.queries.parts import (
    IDS,
    among,
    instances,
    owned,
    signals,
)
from gendurable.queries.statement import Database, Statement, array, document, records

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

_document = document("document", "batch", **FIELDS)
_batch = select(*_document.c, opened(_document.c.ahead)).cte("batch").prefix_with("MATERIALIZED")
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
    .where(
        among(select(_locked.c.id)),
        instances.c.id == _batch.c.id,
        instances.c.claim_seq == _batch.c.claim_seq,
    )
    .values(columns_of(_batch.c))
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
#:         the write names the claim again, as a batch may hold the outcome of an older one, too;
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
        mail_of(_written.c),
    ).add_cte(_emptied),
)

#: What most outcomes say.
_USUAL = frozenset(
    ("id", "claim_seq", "status", "step", "state", "result", "attempt", "visit", "ahead")
)


def _write_one(said: Iterable[str]) -> Update:
    """Write one outcome that says no more than *said*."""
    values: dict[str, Any] = {name: null().cast(kind) for name, kind in FIELDS.items()}
    for name in said:
        kind = FIELDS[name]
        given = bindparam(f"new_{name}", type_=Text if kind is JSONB else kind)
        values[name] = given.cast(kind)
    asked = select(opened(values["ahead"])).cte("asked").prefix_with("MATERIALIZED")
    row = SimpleNamespace(**values, open=asked.c.open)
    return (
        update(instances)
        .where(instances.c.id == row.id, owned(row.claim_seq))
        .values(columns_of(row))
        .returning(instances.c.status, instances.c.queue, mail_of(instances.c))
    )


#: Write one outcome.
#:
#: Index   instances_pkey
#: Locks   NO KEY UPDATE of the row, waiting for whoever holds it
#: Race    a claim that was lost: the guard is evaluated again under the lock, and finds no row; a
#:         signal whose sender this has waited for is not in the inbox that is told of, as if it had
#:         come during the step that runs ahead
#: Why     for a commit in the session of a step: plain parameters cost a quarter of a document
WRITE_ONE = Statement("outcomes.write_one", _write_one(FIELDS))

#: Write one outcome that says what most say.
#:
#: Index   instances_pkey
#: Locks   as above
#: Race    as above
#: Why     for each step that writes rows, each parameter is work here and there
WRITE_USUAL = Statement("outcomes.write_usual", _write_one(sorted(_USUAL)))

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
    usual = fields.keys() <= _USUAL
    parameters = {"worker": worker, "ttl": ttl}
    parameters |= {f"new_{name}": fields.get(name) for name in (_USUAL if usual else FIELDS)}
    rows = db.tuples(conn, WRITE_USUAL if usual else WRITE_ONE, parameters)
    if not rows:
        return ()
    ((status, queue, mail),) = rows
    if status == Status.DONE:
        db.run(conn, EMPTY, {"target": fields["id"]})
    return [(fields["id"], queue if status == Status.RUNNABLE else None, mail)]
