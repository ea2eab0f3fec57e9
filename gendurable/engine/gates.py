"""Who waits for a key or for tokens, and putting the most urgent of them before the claim."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from gendurable.engine.limits import name_of
from gendurable.queries import heads, limits
from gendurable.queries import strangers as query

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from gendurable.queries.statement import Database


# Loose scans look dear to the planner, since it cannot know how few steps they take; where it then
# compiles them, a look of a tenth of a millisecond takes a quarter of a second.
_NO_JIT = text("SET LOCAL jit = off")


@dataclass(slots=True)
class Seen:
    """The queues that have work by a look, and the keys whose waiting rows were all locked."""

    queues: set[str] = field(default_factory=set)
    locked: set[str] = field(default_factory=set)


def look(conn: Connection, db: Database, keys: Iterable[str]) -> Seen:
    """Let one row a queue in at each of *keys* that has room; to be called after a commit."""
    seen = Seen()
    conn.execute(_NO_JIT)
    for key, queue, let_in, _ in limits.look(conn, db, sorted(keys)):
        if let_in:
            seen.queues.add(queue)
        else:
            seen.locked.add(key)
    return seen


def sweep(conn: Connection, db: Database) -> set[str]:
    """Return the keys for which rows wait although there is room."""
    return set(limits.sweep(conn, db))


def stir(conn: Connection, db: Database) -> None:
    """Have the buckets looked at whose heads were reckoned by rates that have changed."""
    heads.stir(conn, db)


def strangers(conn: Connection, db: Database) -> list[Any]:
    """Return (rate, how many wait for it, fsm, step of one), once a name that nobody configures."""
    found: dict[str, Any] = {}
    for key, *rest in query.look(conn, db):
        found.setdefault(name_of(key), (key, *rest))
    return list(found.values())


def ripen(conn: Connection, db: Database) -> tuple[float | None, set[str]]:
    """Let in the heads of buckets that have enough; return (seconds to the next one, queues)."""
    soon = heads.soon(conn, db)
    if soon is None or soon > 0:
        return soon, set()
    conn.execute(_NO_JIT)
    queues = heads.ripe(conn, db)
    return heads.soon(conn, db), queues
