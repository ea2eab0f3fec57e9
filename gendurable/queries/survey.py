"""Reading all live rows, a page at a time: what a build must know, and what it can adopt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Integer,
    Text,
    and_,
    bindparam,
    case,
    func,
    literal_column,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB

from gendurable.lifecycle import LIVE, Status
from gendurable.queries.parts import IS_LIVE, NOW, instances, one_of
from gendurable.queries.statement import Database, Statement, document, records

_ONE: Any = literal_column("1")
_page = (
    select(
        instances.c.id,
        instances.c.fsm,
        instances.c.fsm_version,
        instances.c.step,
        instances.c.state.cast(Text).label("state"),
        instances.c.blocked,
    )
    .where(instances.c.id > bindparam("after_id", type_=BigInteger))
    .order_by(instances.c.id)
    .limit(bindparam("up_to", type_=BigInteger))
)

#: What live rows need of the code: each (fsm, version, step), how many, and one of them.
#:
#: Index   none: it counts the table
#: Locks   none
#: Race    a snapshot
#: Why     the deploy check; as many rows as there are steps, however large the table
KINDS = Statement(
    "survey.kinds",
    select(
        instances.c.fsm,
        instances.c.fsm_version,
        instances.c.step,
        func.count().label("count"),
        func.min(instances.c.id).label("example"),
    )
    .where(IS_LIVE)
    .group_by(instances.c.fsm, instances.c.fsm_version, instances.c.step)
    .order_by(instances.c.fsm, instances.c.fsm_version, instances.c.step),
)

#: A page of live rows with their states.
#:
#: Index   instances_pkey
#: Locks   none
#: Race    a snapshot a page; rows that are born meanwhile have larger ids, and are found
#: Why     by cursor, so that no page is read twice and memory holds one
STATES = Statement("survey.states", _page.where(IS_LIVE))

_old = document("old", "old", fsm=Text, fsm_version=Integer)
_adoptable = (
    select(_ONE)
    .select_from(_old)
    .where(instances.c.fsm == _old.c.fsm, instances.c.fsm_version == _old.c.fsm_version)
    .exists()
)
_aside = instances.c.blocked.op("IN", is_comparison=True)(literal_column("('unknown', 'invalid')"))

#: Lock a page of rows that nobody executes and that are of an old version, or were set aside.
#:
#: Index   instances_pkey
#: Locks   NO KEY UPDATE, SKIP LOCKED: waits for nobody; what is skipped is adopted when claimed
#: Race    a worker claims a row meanwhile: no longer idle under the lock, not returned
#: Why     by cursor over the ids, since rows of old versions stand anywhere
ADOPTABLE = Statement(
    "survey.adoptable",
    _page.where(one_of(LIVE - {Status.EXECUTING}), or_(_adoptable, _aside)).with_for_update(
        key_share=True, skip_locked=True
    ),
)

_new = document("new", "new", id=BigInteger, fsm_version=Integer, step=Text, state=JSONB)

#: Write locked rows as the new version has them, and put back what was set aside.
#:
#: Index   instances_pkey
#: Locks   the rows, locked before
#: Race    none: the lock is held since the row was read
#: Why     a visit goes on: step and state change, attempt and order do not
ADOPT = Statement(
    "survey.adopt",
    update(instances)
    .where(instances.c.id == _new.c.id)
    .values(
        fsm_version=_new.c.fsm_version,
        step=_new.c.step,
        state=_new.c.state,
        blocked=case(
            (and_(instances.c.blocked.isnot(None), _aside), null()), else_=instances.c.blocked
        ),
        updated_at=NOW,
    )
    .returning(instances.c.queue, instances.c.status),
)


def kinds(conn: Connection, db: Database) -> Sequence[Any]:
    """Return (fsm, version, step, count, example) of what stands at live rows."""
    return db.rows(conn, KINDS, {})


def states(conn: Connection, db: Database, after: int, limit: int) -> Sequence[Any]:
    """Return up to *limit* live rows with ids above *after*, with their states as text."""
    return db.rows(conn, STATES, {"after_id": after, "up_to": limit})


def adoptable(
    conn: Connection, db: Database, old: Iterable[str], after: int, limit: int
) -> Sequence[Any]:
    """Lock and return up to *limit* idle rows of the versions *old*, or set aside."""
    return db.rows(conn, ADOPTABLE, {"old": records(old), "after_id": after, "up_to": limit})


def adopt(conn: Connection, db: Database, rows: Iterable[str]) -> set[str]:
    """Write locked rows anew; name the queues of those that wait for their turn."""
    found = db.rows(conn, ADOPT, {"new": records(rows)})
    return {queue for queue, status in found if status == "runnable"}
