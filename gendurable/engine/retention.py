"""Delete ended instances whose time is over."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from gendurable.lifecycle import TERMINAL, Status
from gendurable.queries import retention as query

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from gendurable.queries.statement import Database

#: Foreign keys are checked at each delete: at COMMIT one that holds would undo the whole sweep.
AT_ONCE = text("SET CONSTRAINTS ALL IMMEDIATE")
#: Of how many of the newest signals a sweep asks whether they came to what was just done.
NEWEST = 10_000
#: The cursor before all rows.
BEGINNING = (datetime(1, 1, 2, tzinfo=UTC), 0)


def sweep(
    conn: Connection, db: Database, retention: Mapping[str, float], batch: int
) -> tuple[int, int]:
    """Delete up to *batch* rows of each terminal status; return how many, and how many are held.

    *retention* has the seconds for each status. Children that a live parent may still look at
    stay; so does what a foreign key of the application holds.
    """
    conn.execute(AT_ONCE)
    query.tidy(conn, db, NEWEST)
    swept = held = 0
    for status in sorted(TERMINAL):
        gone, kept = _sweep(conn, db, status, retention[status], batch)
        swept += gone
        held += kept
    return swept, held


def _sweep(
    conn: Connection, db: Database, status: Status, seconds: float, batch: int
) -> tuple[int, int]:
    """Delete up to *batch* rows of one status, paging past those that must stay or are held."""
    swept = held = 0
    after: tuple[Any, int] = BEGINNING
    while swept < batch:
        page = query.overdue(conn, db, status, seconds, after, batch)
        ids = [row.id for row in page if not row.needed][: batch - swept]
        gone = _delete(conn, db, ids) if ids else 0
        swept += gone
        held += len(ids) - gone
        if len(page) < batch:
            break
        after = (page[-1].updated_at, page[-1].id)
    return swept, held


def _delete(conn: Connection, db: Database, ids: list[int]) -> int:
    """Delete rows, halving the batch until one that a foreign key holds stands alone."""
    try:
        with conn.begin_nested():
            return query.remove(conn, db, ids)
    except IntegrityError:
        if len(ids) == 1:
            return 0
    middle = len(ids) // 2
    return _delete(conn, db, ids[:middle]) + _delete(conn, db, ids[middle:])
