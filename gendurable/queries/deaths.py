"""What dead workers leave behind: leases that lapse, and rows that go back to their queues."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Double,
    Text,
    bindparam,
    exists,
    literal_column,
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
    nodes,
)
from gendurable.queries.statement import Database, Statement, document, records, seconds

_beating = exists().where(
    nodes.c.name == instances.c.locked_by,
    nodes.c.beat_at > NOW - seconds(bindparam("grace", type_=Double)),
)
#: Lock the rows whose workers are dead.
#:
#: Index   instances_lease
#: Locks   NO KEY UPDATE, SKIP LOCKED: another reaper, or the owner's own commit, goes first
#: Race    the dead worker commits after all: the lock finds the row moved on, or its guard fails
#: Why     a row of a node that still beats gets one more heartbeat: a lock may have kept it
EXPIRED = Statement(
    "deaths.expired",
    select(
        instances.c.id,
        instances.c.fsm,
        instances.c.fsm_version,
        instances.c.step,
        instances.c.attempt,
        instances.c.visit,
        instances.c.claim_seq,
        instances.c.crashes,
        instances.c.queue,
        instances.c.locked_by,
        instances.c.parent_id,
        instances.c.parent_round,
        instances.c.concurrency_key,
    )
    .where(
        instances.c.status == EXECUTING,
        instances.c.lease_expires_at < NOW,
        or_(
            instances.c.lease_expires_at < NOW - seconds(bindparam("grace", type_=Double)),
            ~_beating,
        ),
    )
    .order_by(instances.c.lease_expires_at)
    .limit(bindparam("up_to", type_=BigInteger))
    .with_for_update(key_share=True, skip_locked=True, of=instances),
)

_dead = document("dead", "rows", id=BigInteger, delay=Double, error=Text)
#: Hand the locked rows of dead workers back to their queues, one attempt and one crash older.
#:
#: Index   instances_pkey
#: Locks   held since EXPIRED
#: Race    none under those locks
#: Why     a dead worker cannot say which of its rows had started
REAP = Statement(
    "deaths.reap",
    update(instances)
    .where(instances.c.id == _dead.c.id)
    .values(
        DISOWNED
        | {
            "status": RUNNABLE,
            "attempt": instances.c.attempt + literal_column("1"),
            "crashes": instances.c.crashes + literal_column("1"),
            "last_error": _dead.c.error,
            "eligible_at": NOW + seconds(_dead.c.delay),
        }
    ),
)

#: Let the leases of one worker lapse at once: somebody saw its process end.
#:
#: Index   instances_lease
#: Locks   NO KEY UPDATE of that worker's rows
#: Race    the reaper is first: the owner no longer matches
#: Why     no need to wait for a lease when the death is known
BURY = Statement(
    "deaths.bury",
    update(instances)
    .where(instances.c.status == EXECUTING, instances.c.locked_by == WORKER)
    .values(lease_expires_at=NOW - literal_column("interval '1 day'")),
)


def expired(conn: Connection, db: Database, grace: float, limit: int) -> Sequence[Any]:
    """Lock and return up to *limit* rows whose leases have lapsed."""
    return db.rows(conn, EXPIRED, {"grace": grace, "up_to": limit})


def reap(conn: Connection, db: Database, rows: Iterable[str]) -> None:
    """Return locked rows of dead workers to their queues."""
    db.run(conn, REAP, {"rows": records(rows)})


def bury(conn: Connection, db: Database, worker: str) -> int:
    """Let everything that *worker* holds lapse; return how many rows that were."""
    return db.run(conn, BURY, {"worker": worker})
