"""Schedules that are due: taken, moved on, and set aside where they cannot fire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    DateTime,
    Double,
    Integer,
    Text,
    bindparam,
    extract,
    func,
    literal_column,
    select,
    update,
)

from gendurable.queries.parts import IS_LIVE, NOW, SCHEDULE, instances, schedules
from gendurable.queries.statement import Database, Statement

_ARMED = (schedules.c.paused_at.is_(None), schedules.c.error.is_(None))
_KEY = bindparam("key", type_=Text)


def _instant(name: str) -> Any:
    return bindparam(name, type_=DateTime(timezone=True))


#: Lock the schedule that is due and has been moved on least recently, and read it.
#:
#: Index   schedules_next; what is due at once is sorted
#: Locks   NO KEY UPDATE, SKIP LOCKED: one that another node is firing is that node's
#: Race    fired meanwhile: the lock looks again, and it is due no longer
#: Why     once per occurrence: it is inserted and the schedule moved on under this lock; in turns,
#:         so that one with many occurrences to make up for keeps no other from its time
TAKE = Statement(
    "due.take",
    select(*SCHEDULE)
    .where(*_ARMED, schedules.c.next_at <= NOW)
    .order_by(schedules.c.updated_at, schedules.c.name)
    .limit(literal_column("1", Integer))
    .with_for_update(key_share=True, skip_locked=True),
)

#: Whether the instance of the former occurrence still lives.
#:
#: Index   instances_pkey
#: Locks   none
#: Race    it may end a moment later: then this occurrence is skipped all the same
#: Why     a statement of its own: that of the lock may have begun before that instance was there
ALIVE = Statement(
    "due.alive",
    select(instances.c.id).where(instances.c.id == bindparam("former", type_=BigInteger), IS_LIVE),
)

#: Move a locked schedule on, and note what became of its occurrences.
#:
#: Index   schedules_pkey
#: Locks   the row, which is locked already
#: Race    none under that lock
#: Why     in the transaction that inserts the instances: both are there, or neither
ADVANCE = Statement(
    "due.advance",
    update(schedules)
    .where(schedules.c.name == _KEY)
    .values(
        next_at=_instant("upcoming"),
        last_at=func.coalesce(_instant("occurred"), schedules.c.last_at),
        last_id=func.coalesce(bindparam("inserted", type_=BigInteger), schedules.c.last_id),
        skipped_at=func.coalesce(_instant("passed_over"), schedules.c.skipped_at),
        fired=schedules.c.fired + bindparam("count_fired", type_=BigInteger),
        skipped=schedules.c.skipped + bindparam("count_skipped", type_=BigInteger),
        updated_at=NOW,
    ),
)

#: Set a schedule aside that cannot fire, until it is declared anew or edited.
#:
#: Index   schedules_pkey
#: Locks   the row, which is locked already
#: Race    none under that lock
#: Why     it keeps its reason, and stands in nobody's way
SET_ASIDE = Statement(
    "due.set_aside",
    update(schedules)
    .where(schedules.c.name == _KEY)
    .values(error=bindparam("problem", type_=Text), updated_at=NOW),
)

#: How soon the next occurrence is due.
#:
#: Index   schedules_next: one descent
#: Locks   none
#: Race    an earlier one is stored a moment later: the floor of one second finds it
#: Why     the one statement of an idle turn
NEXT = Statement(
    "due.next",
    select(extract("epoch", func.min(schedules.c.next_at) - NOW).cast(Double)).where(*_ARMED),
)


def take(conn: Connection, db: Database) -> Any | None:
    """Lock and return a schedule that is due, None if there is none that is free."""
    rows = db.rows(conn, TAKE, {})
    return rows[0] if rows else None


def is_alive(conn: Connection, db: Database, id: int) -> bool:
    """Say whether an instance has not ended."""
    return bool(db.rows(conn, ALIVE, {"former": id}))


def advance(conn: Connection, db: Database, name: str, values: Mapping[str, Any]) -> None:
    """Move a locked schedule on; *values* are the parameters of ``ADVANCE``."""
    db.run(conn, ADVANCE, {"key": name, **values})


def set_aside(conn: Connection, db: Database, name: str, problem: str) -> None:
    """Note why a locked schedule cannot fire."""
    db.run(conn, SET_ASIDE, {"key": name, "problem": problem})


def next_due(conn: Connection, db: Database) -> float | None:
    """Return the seconds until the next occurrence, None without any."""
    ((soon,),) = db.rows(conn, NEXT, {})
    return None if soon is None else float(soon)
