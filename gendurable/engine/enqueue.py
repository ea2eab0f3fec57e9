"""Insert instances in whatever transaction the caller has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gendurable.engine.spawning import CHUNK, adopted, encode_row, in_key_order, numbered
from gendurable.errors import DuplicateInstance
from gendurable.queries import enqueue as query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from gendurable.queries.statement import Database
    from gendurable.spawn import Spawn

#: How often an insert tries again when the holder of its key ended before it could be named.
TRIES = 10


def queue_of(spawn: Spawn) -> str:
    """Return the queue that an instance will be in."""
    queue: str = spawn.queue or type(spawn.obj).__machine__.queue
    return queue


def insert(conn: Connection, db: Database, spawn: Spawn, max_size: int) -> tuple[int, bool]:
    """Insert one instance; return its id, or with ``if_exists="return"`` its key's holder's.

    Raises:
        DuplicateInstance: its correlation key is taken.
        StateError: its state cannot be stored.
    """
    row = encode_row(spawn, max_size)
    for _ in range(TRIES):
        id = query.insert_one(conn, db, row)
        if id is not None:
            return id, True
        key = str(spawn.correlation_key)
        holder = query.holders(conn, db, [key]).get(key)
        if holder is not None:
            if spawn.if_exists == "return":
                return holder, False
            raise DuplicateInstance(
                f"correlation_key={key!r} is taken by instance {holder};"
                ' pass if_exists="return" to get that one',
                holder,
            )
    raise DuplicateInstance(
        f"correlation_key={spawn.correlation_key!r} is taken by an instance that this transaction"
        " cannot see; run the whole transaction again",
    )


def insert_all(
    conn: Connection, db: Database, spawns: Sequence[Spawn], max_size: int
) -> list[tuple[int, bool] | None]:
    """Insert many; return (id, True) of each in order, None for a duplicate.

    With ``if_exists="return"`` a duplicate gives (id of the holder, False).
    """
    answer: list[tuple[int, bool] | None] = [None] * len(spawns)
    order = in_key_order(spawns)
    for start in range(0, len(spawns), CHUNK):
        places = order[start : start + CHUNK]
        rows = [encode_row(spawns[n], max_size) for n in places]
        for n, id in query.insert(conn, db, numbered(rows)).items():
            answer[places[n]] = (id, True)
    wanted = [n for n, one in enumerate(answer) if one is None and spawns[n].if_exists == "return"]
    if wanted:
        keys = [str(spawns[n].correlation_key) for n in wanted]
        holders = query.holders(conn, db, keys)
        for n, key in zip(wanted, keys, strict=True):
            if key in holders:
                answer[n] = (holders[key], False)
    return answer


def insert_children(
    conn: Connection,
    db: Database,
    spawns: Sequence[Spawn],
    max_size: int,
    parent_id: int,
    parent_round: int,
) -> int:
    """Insert children of a locked parent; return how many found their keys free."""
    count = 0
    order = in_key_order(spawns)
    for start in range(0, len(spawns), CHUNK):
        rows = [encode_row(spawns[n], max_size) for n in order[start : start + CHUNK]]
        count += len(query.insert(conn, db, numbered(adopted(rows, parent_id, parent_round))))
    return count


def insert_encoded(conn: Connection, db: Database, rows: Sequence[str]) -> list[int]:
    """Insert rows that are encoded already and have no keys; return their ids in order."""
    ids = query.insert(conn, db, numbered(rows))
    return [ids[n] for n in range(len(rows))]
