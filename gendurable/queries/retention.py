"""The edge out of the diagram: ended instances are deleted when nobody needs them any more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    DateTime,
    Double,
    and_,
    bindparam,
    delete,
    false,
    func,
    select,
    tuple_,
)

from gendurable.lifecycle import LIVE, TERMINAL, Status
from gendurable.queries.parts import IDS, IS_TERMINAL, NOW, instances, literal, one_of, signals
from gendurable.queries.statement import Database, Statement, array, seconds

_parent = instances.alias("parent")
# A scalar, looked up row by row: an EXISTS may be answered by a hash of all live parents.
_needed = func.coalesce(
    select(
        and_(_parent.c.round == instances.c.parent_round, one_of(LIVE, _parent.c.status)),
    )
    .where(_parent.c.id == instances.c.parent_id)
    .scalar_subquery(),
    false(),
)
_position = tuple_(instances.c.updated_at, instances.c.id)
_cursor = tuple_(
    bindparam("after_time", type_=DateTime(timezone=True)),
    bindparam("after_id", type_=BigInteger),
)


def _overdue(status: Status) -> Statement:
    return Statement(
        f"retention.overdue_{status.value}",
        select(instances.c.id, instances.c.updated_at, _needed.label("needed"))
        .where(
            instances.c.status == literal(status),
            instances.c.updated_at < NOW - seconds(bindparam("retention", type_=Double)),
            _position > _cursor,
        )
        .order_by(instances.c.updated_at, instances.c.id)
        .limit(bindparam("up_to", type_=BigInteger)),
    )


#: A page of the rows of one terminal status whose retention is over, oldest first.
#:
#: Index   instances_ended; instances_pkey for the parents
#: Locks   none
#: Race    a row put back meanwhile: the delete looks again under its lock
#: Why     by cursor, so that rows that must stay do not stand before those that may go
OVERDUE = {status: _overdue(status) for status in Status if status in TERMINAL}

_gone = (
    select(instances.c.id)
    .where(instances.c.id == func.any(IDS), IS_TERMINAL)
    .with_for_update(skip_locked=True)
    .cte("gone")
)

#: Delete ended rows, and with them their signals and their history.
#:
#: Index   instances_pkey; signals_target and transitions_instance for what goes along
#: Locks   UPDATE, SKIP LOCKED: what somebody holds is left for the next sweep
#: Race    put back to life meanwhile: no longer terminal under the lock, not deleted
#: Why     O(batch), and it waits for nobody
DELETE = Statement(
    "retention.delete",
    delete(instances).where(instances.c.id == _gone.c.id).returning(instances.c.id),
)

_newest = (
    select(signals.c.id, signals.c.target_id)
    .order_by(signals.c.id.desc())
    .limit(bindparam("up_to", type_=BigInteger))
    .cte("newest")
)
# A scalar, looked up row by row: a join may be answered by a hash of all that is done.
_target_status = (
    select(instances.c.status).where(instances.c.id == _newest.c.target_id).scalar_subquery()
)
_orphans = select(_newest.c.id).where(_target_status == literal(Status.DONE))

#: Delete what came to an inbox in the instant in which its instance was done.
#:
#: Index   signals_pkey, backwards; instances_pkey
#: Locks   the signals
#: Race    the instance is rewound meanwhile: what came before its end is not its mail
#: Why     the write of a batch empties inboxes as its snapshot has them, and a delivery may commit
#:         between that and the lock of its row; of the newest signals only, whatever there is
TIDY = Statement(
    "retention.tidy",
    delete(signals).where(signals.c.id == func.any(func.array(_orphans.scalar_subquery()))),
)


def overdue(
    conn: Connection,
    db: Database,
    status: Status,
    retention: float,
    after: tuple[Any, int],
    limit: int,
) -> Sequence[Any]:
    """Return (id, time of its end, still needed) of up to *limit* rows past *retention* seconds."""
    parameters = {"retention": retention, "after_time": after[0], "after_id": after[1]}
    return db.rows(conn, OVERDUE[status], parameters | {"up_to": limit})


def remove(conn: Connection, db: Database, ids: Iterable[int]) -> int:
    """Delete the rows with these *ids* that are still terminal and free; return how many."""
    return len(db.rows(conn, DELETE, {"ids": array(ids)}))


def tidy(conn: Connection, db: Database, limit: int) -> int:
    """Delete, of the newest *limit* signals, those of instances that are done."""
    return db.run(conn, TIDY, {"up_to": limit})
