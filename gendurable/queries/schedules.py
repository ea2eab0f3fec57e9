"""Schedules: stored, listed, and changed by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    Boolean,
    Connection,
    DateTime,
    Text,
    bindparam,
    case,
    delete,
    func,
    null,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, insert

from gendurable.queries.parts import NOW, SCHEDULE, schedules
from gendurable.queries.statement import Database, Statement, document, records

_DECLARED = ("cron", "timezone", "missed", "overlap", "spec", "headers")
_KEY = bindparam("key", type_=Text)


def _instant(name: str) -> Any:
    return bindparam(name, type_=DateTime(timezone=True))


def _declarations(alias: str) -> Any:
    """The batch of encoded declarations, as a table."""
    return document(
        alias,
        "rows",
        **dict.fromkeys(("title", "cron", "timezone", "missed", "overlap"), Text()),
        **dict.fromkeys(("spec", "headers"), JSONB()),
        upcoming=DateTime(timezone=True),
    )


_new = _declarations("new")

#: Store declarations whose names are not there yet; when they are due is worked out afterwards.
#:
#: Index   schedules_pkey (arbiter)
#: Locks   rows go in by the bytes of their names, so that workers wait for each other in one order
#: Race    a name that another worker is storing: waits for it, then passes it over
#: Why     after it all rows are there to be locked, whoever stored them
STORE = Statement(
    "schedules.store",
    insert(schedules)
    .from_select(
        ["name", *_DECLARED],
        select(_new.c.title, *(_new.c[name] for name in _DECLARED)).order_by(
            _new.c.title.collate("C")
        ),
    )
    .on_conflict_do_nothing(index_elements=[schedules.c.name]),
)

#: Lock schedules by their names, and read them.
#:
#: Index   schedules_pkey
#: Locks   NO KEY UPDATE in the order of their names: waits for whoever is firing one
#: Race    removed meanwhile: not among the answers
#: Why     whoever changes a schedule decides under its lock
LOCK = Statement(
    "schedules.lock",
    select(*SCHEDULE)
    .where(schedules.c.name == func.any(bindparam("names", type_=ARRAY(Text))))
    .order_by(schedules.c.name.collate("C"))
    .with_for_update(key_share=True),
)

_declared = _declarations("declared")

#: Let locked schedules be as they are declared now; what was edited stays beside it.
#:
#: Index   schedules_pkey
#: Locks   the rows, which are locked already
#: Race    none under those locks
#: Why     one statement, however many declarations there are
DECLARE = Statement(
    "schedules.declare",
    update(schedules)
    .where(schedules.c.name == _declared.c.title)
    .values(
        {name: _declared.c[name] for name in _DECLARED}
        | {"next_at": _declared.c.upcoming, "error": null(), "updated_at": NOW}
    ),
)

#: Edit, pause or resume a locked schedule.
#:
#: Index   schedules_pkey
#: Locks   the row, which is locked already
#: Race    none under that lock
#: Why     overrides stand beside what was declared, so that they can be removed
EDIT = Statement(
    "schedules.edit",
    update(schedules)
    .where(schedules.c.name == _KEY)
    .values(
        cron_override=bindparam("new_cron", type_=Text),
        timezone_override=bindparam("new_timezone", type_=Text),
        paused_at=case(
            (bindparam("is_paused", type_=Boolean), func.coalesce(schedules.c.paused_at, NOW))
        ),
        next_at=_instant("upcoming"),
        error=null(),
        updated_at=NOW,
    ),
)

#: Remove a schedule.
#:
#: Index   schedules_pkey
#: Locks   the row
#: Race    being fired: waits for that transaction
#: Why     what it has inserted stays
REMOVE = Statement("schedules.remove", delete(schedules).where(schedules.c.name == _KEY))

#: Read all schedules.
#:
#: Index   none: there are few
#: Locks   none
#: Race    a snapshot
#: Why     people look at it
LIST = Statement("schedules.list", select(*SCHEDULE).order_by(schedules.c.name.collate("C")))


def store(conn: Connection, db: Database, rows: Iterable[str]) -> None:
    """Store the encoded declarations whose names are not there."""
    db.run(conn, STORE, {"rows": records(rows)})


def lock(conn: Connection, db: Database, names: Iterable[str]) -> Sequence[Any]:
    """Lock and return the schedules with these names."""
    return db.rows(conn, LOCK, {"names": list(names)})


def declare(conn: Connection, db: Database, rows: Iterable[str]) -> None:
    """Write encoded declarations, with ``upcoming``, to locked schedules."""
    db.run(conn, DECLARE, {"rows": records(rows)})


def edit(conn: Connection, db: Database, name: str, values: Mapping[str, Any]) -> None:
    """Change a locked schedule; *values* are the parameters of ``EDIT``."""
    db.run(conn, EDIT, {"key": name, **values})


def remove(conn: Connection, db: Database, name: str) -> bool:
    """Remove a schedule; say whether it was there."""
    return db.run(conn, REMOVE, {"key": name}) > 0


def everything(conn: Connection, db: Database) -> Sequence[Any]:
    """Return all schedules, by name."""
    return db.rows(conn, LIST, {})
