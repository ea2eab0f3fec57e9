"""Letting time pass without waiting for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, DateTime, Table, literal, select, update

from gendurable.durable import Durable
from gendurable.engine import schedules
from gendurable.errors import InvalidInput
from gendurable.models import NOW
from gendurable.models.schemas import tables_for
from gendurable.retry import Duration
from gendurable.retry import seconds as in_seconds
from gendurable.testing.reach import Place, connected


def elapse(durable: Durable, seconds: Duration, *, session: Place = None) -> None:
    """Let time pass by making every row older by *seconds*.

    The database is the only clock, and nobody can turn it; but a row whose instants all lie an
    hour earlier looks just as if an hour had passed: delays are over, deadlines have come, leases
    have run out, buckets have filled, schedules are due. What is declared counts as stored.

    Args:
        durable: the binding whose rows grow older.
        seconds: how many, or a timedelta.
        session: a session or connection of the test; default: a transaction of its own.
    """
    passed = timedelta(seconds=in_seconds(seconds, "seconds", InvalidInput))
    with connected(durable, session) as conn:
        schedules.store(conn, durable.db, durable.declarations.values())
        for table in tables_for(durable.settings.schema).metadata.sorted_tables:
            if instants := _instants(table):
                earlier = {column: column - literal(passed) for column in instants}
                conn.execute(update(table).values(earlier))


def bring_forward(
    conn: Connection,
    column: Column[datetime],
    which: Callable[..., ColumnElement[datetime]],
    *where: ColumnElement[bool],
) -> bool:
    """Move the future instants of *column* by one amount, so that the first or last is now.

    *which* is ``func.min`` or ``func.max``. Returns whether there were any.
    """
    future = [*where, column > NOW]
    ahead = conn.scalar(select(which(column) - NOW).where(*future))
    if ahead is None:
        return False
    conn.execute(update(column.table).where(*future).values({column: column - literal(ahead)}))
    return True


def _instants(table: Table) -> list[Column[Any]]:
    return [
        column
        for column in table.columns
        if isinstance(column.type, DateTime) and column.computed is None
    ]
