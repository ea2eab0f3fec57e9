"""Statistics of a young table: what was planned for a hundred rows is no plan for a million.

PostgreSQL settles on a plan for a prepared statement and keeps it until the table is analysed. A
worker that began with an empty database would read the whole table at each commit, as is right for
a small one, until autovacuum comes round.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gendurable.queries import upkeep

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from gendurable.queries.statement import Database

#: From so many pages on the plans are those of a large table, and stay right however it grows.
LARGE = 1_000
#: A table of so few pages is read as quickly as any index.
SMALL = 10


def outgrown(known: int, there: int) -> bool:
    """Whether a table that had *known* pages when it was analysed is another one by now."""
    return known < LARGE and there > 2 * max(known, SMALL)


def refresh(conn: Connection, db: Database, tried: int) -> int:
    """Analyse the table if it has doubled since anybody did, and since we *tried* at that size.

    Returns the number of pages at which it was last tried: who is not the table's owner asks in
    vain, and need not ask each second.
    """
    known, there = upkeep.pages(conn, db)
    tried = min(tried, there)  # it may have been emptied
    if outgrown(max(known, tried), there):
        upkeep.analyze(conn, db)
        return there
    return tried
