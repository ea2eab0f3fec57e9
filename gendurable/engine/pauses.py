"""Holding instances and queues: what runs ends its step, and then nothing starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gendurable.engine import control, targets
from gendurable.lifecycle import TERMINAL
from gendurable.queries import heads
from gendurable.queries import pauses as query

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from gendurable.engine.aftercare import Aftercare
    from gendurable.queries.statement import Database


def lock_one(
    conn: Connection, db: Database, target: int | str, me: int | None, what: str
) -> list[int]:
    """Lock the instance that *target* names.

    Raises:
        NoTarget: it is not there, or has ended and is to be paused.
        InvalidInput: it is the instance whose step is running here.
    """
    row = targets.locked(conn, db, target)
    targets.refuse_self([row.id], me, what)
    if what == "pause" and row.status in TERMINAL:
        raise targets.ended(row, "paused")
    return [row.id]


def pause(
    conn: Connection,
    db: Database,
    ids: Iterable[int],
    by: str | None,
    reason: str | None,
    *,
    care: Aftercare,
) -> int:
    """Hold locked instances; return how many were live and not held before."""
    rows = query.pause(conn, db, ids)
    for row in rows:
        care.moved(row)
    control.record(conn, db, "paused", rows, by, reason)
    return len(rows)


def pause_queue(
    conn: Connection,
    db: Database,
    queue: str,
    by: str | None,
    reason: str | None,
    *,
    care: Aftercare,
) -> bool:
    """Hold a queue; return whether it was not held before."""
    held = query.pause_queue(conn, db, queue, by, reason)
    care.rates |= heads.awaited(conn, db, queue)
    return held


def resume(
    conn: Connection, db: Database, ids: Iterable[int], by: str | None, reason: str | None
) -> tuple[int, set[str]]:
    """Let locked instances go; return how many were held, and the queues that have work."""
    rows = query.resume(conn, db, ids)
    control.record(conn, db, "resumed", rows, by, reason)
    return len(rows), {row.queue for row in rows if row.status == "runnable"}
