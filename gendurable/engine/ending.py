"""End rows by another hand than their own step's: cancel, or a spent crash budget."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gendurable.engine.barrier import count_barriers
from gendurable.queries import children, control

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from sqlalchemy import Connection

    from gendurable.queries.statement import Database


def _end(
    conn: Connection,
    db: Database,
    query: Callable[[Connection, Database, dict[int, str]], Sequence[Any]],
    reasons: dict[int, str],
) -> tuple[Sequence[Any], set[str]]:
    """End locked rows and count them on the barriers of their locked parents."""
    ended = query(conn, db, reasons)
    barriers = count_barriers((row[1], row[2], False) for row in ended)
    return ended, children.count(conn, db, barriers) if barriers else set()


def fail(conn: Connection, db: Database, reasons: dict[int, str]) -> set[str]:
    """Fail locked rows; name the queues of the parents that this released."""
    return _end(conn, db, control.fail, reasons)[1]


def cancel(
    conn: Connection, db: Database, reasons: dict[int, str]
) -> tuple[Sequence[Any], set[str]]:
    """Cancel locked rows; return them, and the queues of the parents that this released."""
    return _end(conn, db, control.cancel, reasons)
