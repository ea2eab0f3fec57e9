"""What makes a sound database slow: dead rows, and the transaction that keeps them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from gendurable.queries import diagnosis as query

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from gendurable.queries.statement import Database

#: A transaction that is older, in seconds, keeps dead rows from being removed.
OLD = 300.0
#: A table with more dead rows than this, and more of them than living ones, should be vacuumed;
#: one that nobody has vacuumed for so many seconds is not.
DEAD, UNSWEPT = 10_000, 600.0

Level: TypeAlias = Literal["ok", "warning", "violated"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was looked at, how it is, and what to do about it."""

    name: str
    level: Level
    text: str
    advice: str | None = None
    count: int = 0
    example: int | None = None


def dead(conn: Connection, db: Database) -> Iterator[Verdict]:
    """Say which tables hold more dead rows than living ones, and nobody sweeps."""
    tables = query.rows(conn, db, query.TUPLES, in_schema=db.schema)
    full = [t for t in tables if t.dead > max(DEAD, t.live) and t.unswept >= UNSWEPT]
    for name, live, dead, unswept in full:
        yield Verdict(
            "dead rows",
            "warning",
            f"{name} holds {dead:,} dead rows and {live:,} living ones, and was not vacuumed for"
            f" {unswept / 60:,.0f} minutes",
            "see that autovacuum is on and not held up by an old transaction;"
            f' VACUUM "{db.schema}".{name} helps now',
            dead,
        )
    if not full:
        yield Verdict("dead rows", "ok", f"{sum(one.dead for one in tables):,}")


def oldest(conn: Connection, db: Database) -> Verdict:
    """Say which transaction keeps dead rows from being removed."""
    rows = query.rows(conn, db, query.OLDEST)
    if not rows or rows[0].seconds < OLD:
        return Verdict("oldest transaction", "ok", "young" if rows else "none")
    seconds, who = rows[0]
    return Verdict(
        "oldest transaction",
        "warning",
        f"{who} is {seconds:,.0f} s old; no row that died since can be removed",
        "end it (pg_terminate_backend, ROLLBACK PREPARED), and find out why it stays open",
    )
