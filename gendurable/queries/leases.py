"""Keeping a claim and giving it back: heartbeats, the drained, those set aside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Double,
    Integer,
    Text,
    and_,
    bindparam,
    literal_column,
    null,
    or_,
    select,
    update,
)

from gendurable.queries.parts import (
    DISOWNED,
    EXECUTING,
    NOW,
    RUNNABLE,
    WORKER,
    instances,
    owned,
)
from gendurable.queries.statement import Database, Statement, document, records, seconds

_ttl = bindparam("ttl", type_=Double)
_held = document("held", "claims", id=BigInteger, claim_seq=BigInteger)
_ours = and_(instances.c.id == _held.c.id, owned(_held.c.claim_seq))
_locked = (
    select(instances.c.id)
    .join_from(_held, instances, _ours)
    .order_by(instances.c.id)
    .with_for_update(key_share=True, skip_locked=True, of=instances)
    .cte("locked")
)
_extended = (
    update(instances)
    .where(instances.c.id == _locked.c.id)
    .values(lease_expires_at=NOW + seconds(_ttl))
    .returning(instances.c.id)
    .cte("extended")
)

#: Extend the leases of everything that a worker holds.
#:
#: Index   instances_pkey, driven from the claims held
#: Locks   NO KEY UPDATE in id order, SKIP LOCKED: a skipped row is tried again in a second
#: Race    a row lost meanwhile: the lock re-evaluates the guard, and the plain read says so
#: Why     one statement, whatever the worker holds; by claim, never by the worker's name alone
EXTEND = Statement(
    "leases.extend",
    select(_held.c.id, _extended.c.id.isnot(None), instances.c.id.isnot(None)).select_from(
        _held.outerjoin(_extended, _extended.c.id == _held.c.id).outerjoin(instances, _ours)
    ),
)

_returned = bindparam("spent", type_=Integer)
#: Give claims back as they were, one attempt older, or set aside.
#:
#: Index   instances_pkey, driven from the claims
#: Locks   NO KEY UPDATE in id order, SKIP LOCKED: what is held is tried again by who gives it back
#: Race    a claim lost meanwhile is not touched
#: Why     a drain is no crash; a row that nobody here can run keeps its place in the order
RELEASE = Statement(
    "leases.release",
    update(instances)
    .where(instances.c.id == _locked.c.id)
    .values(
        DISOWNED
        | {
            "status": RUNNABLE,
            "attempt": instances.c.attempt + _returned,
            "blocked": bindparam("why", type_=Text),
        }
    )
    .returning(instances.c.id, instances.c.queue),
)

#: Exchange a claim for a new one of the same worker.
#:
#: Index   instances_pkey
#: Locks   the row is locked already
#: Race    none under that lock
#: Why     whatever the abandoned thread still returns meets the guard
EXCHANGE = Statement(
    "leases.exchange",
    update(instances)
    .where(
        instances.c.id == bindparam("target", type_=BigInteger),
        owned(bindparam("seq", type_=BigInteger)),
    )
    .values(
        claim_seq=instances.c.claim_seq + literal_column("1"),
        lease_expires_at=NOW + seconds(_ttl),
        updated_at=NOW,
    )
    .returning(instances.c.claim_seq),
)

#: The rows that bear a worker's name.
#:
#: Index   instances_lease (all that executes)
#: Locks   none
#: Race    none: what is not in the worker's hands can only be a claim whose answer was lost
#: Why     after an answer to COMMIT was lost nobody else would give these back before the lease
STRAYS = Statement(
    "leases.strays",
    select(instances.c.id, instances.c.claim_seq).where(
        instances.c.status == EXECUTING, instances.c.locked_by == WORKER
    ),
)

_known = document("known", "known", fsm=Text, fsm_version=Integer, step=Text)
_aside = (
    select(instances.c.id)
    .join_from(
        _known,
        instances,
        and_(
            instances.c.blocked.op("IN", is_comparison=True)(
                literal_column("('unknown', 'invalid')")
            ),
            instances.c.blocked == bindparam("why", type_=Text),
            instances.c.fsm == _known.c.fsm,
            instances.c.fsm_version == _known.c.fsm_version,
            or_(_known.c.step.is_(None), instances.c.step == _known.c.step),
        ),
    )
    .with_for_update(key_share=True, skip_locked=True, of=instances)
    .cte("aside")
)
#: Take back what was set aside and is known here.
#:
#: Index   instances_aside
#: Locks   NO KEY UPDATE, SKIP LOCKED
#: Race    two workers take back the same row: one of them does
#: Why     a rolling deploy: the worker that knows the new version may start a second later
TAKE_BACK = Statement(
    "leases.take_back",
    update(instances)
    .where(instances.c.id == _aside.c.id)
    .values(blocked=null(), updated_at=NOW)
    .returning(instances.c.queue),
)


def _claims(claims: Iterable[tuple[int, int]]) -> str:
    return records(f'{{"id":{id},"claim_seq":{seq}}}' for id, seq in claims)


def extend(
    conn: Connection, db: Database, worker: str, claims: Iterable[tuple[int, int]], ttl: float
) -> Sequence[Any]:
    """Extend leases; return (id, extended, still ours) of each claim."""
    return db.rows(conn, EXTEND, {"worker": worker, "claims": _claims(claims), "ttl": ttl})


def release(
    conn: Connection,
    db: Database,
    worker: str,
    claims: Iterable[tuple[int, int]],
    *,
    spent: int = 0,
    why: str | None = None,
) -> dict[int, str]:
    """Give *claims* back, *spent* attempts older; map each one returned to its queue."""
    parameters = {"worker": worker, "claims": _claims(claims), "spent": spent, "why": why}
    return dict(db.rows(conn, RELEASE, parameters))


def exchange(
    conn: Connection, db: Database, worker: str, id: int, claim_seq: int, ttl: float
) -> int | None:
    """Return the number of the new claim of a locked row, None if the old one was lost."""
    parameters = {"worker": worker, "target": id, "seq": claim_seq, "ttl": ttl}
    rows = db.rows(conn, EXCHANGE, parameters)
    return rows[0][0] if rows else None


def strays(conn: Connection, db: Database, worker: str) -> set[tuple[int, int]]:
    """Return (id, number of the claim) of all rows that bear the name of *worker*."""
    return {(id, seq) for id, seq in db.rows(conn, STRAYS, {"worker": worker})}


def take_back(conn: Connection, db: Database, why: str, known: Iterable[str]) -> set[str]:
    """Unblock what was set aside for the reason *why* and is known now; name the queues."""
    rows = db.rows(conn, TAKE_BACK, {"why": why, "known": records(known)})
    return {queue for (queue,) in rows}
