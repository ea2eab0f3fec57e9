"""Rates that rows wait for and nobody configures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, func, select, true

from gendurable.queries.parts import instances, policy, waits
from gendurable.queries.statement import Database, Statement

_rates = (
    select(
        instances.c.rate_limit.label("key"),
        func.count().label("number"),
        func.min(instances.c.id).label("first"),
    )
    .where(waits("rate"))
    .group_by(instances.c.rate_limit)
    .cte("rates")
)
_for_rate = policy(_rates.c.key)
#: For which rates rows wait that nobody configures; how many, and one of them.
#:
#: Index   instances_rate, read from end to end: all that waits, not the table; instances_pkey
#: Locks   none
#: Race    a rate that appears meanwhile lets them in: it was told of for a moment too long
#: Why     for whoever has taken a rate away; looked for once it is gone, and at a worker's start
LOOK = Statement(
    "strangers.look",
    select(_rates.c.key, _rates.c.number, instances.c.fsm, instances.c.step)
    .select_from(
        _rates.join(instances, instances.c.id == _rates.c.first).outerjoin(_for_rate, true())
    )
    .where(_for_rate.c.amount.is_(None))
    .order_by(_rates.c.key),
)


def look(conn: Connection, db: Database) -> Sequence[Any]:
    """Return (rate, how many wait for it, fsm, step of one) of rates that nobody configures."""
    return db.rows(conn, LOOK, {})
