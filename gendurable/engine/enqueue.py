"""Insert instances in whatever transaction the caller has."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gendurable.engine.probes import stamped
from gendurable.engine.spawning import (
    CHUNK,
    adopted,
    encode_row,
    head_of,
    in_key_order,
    with_state,
)
from gendurable.errors import DuplicateInstance
from gendurable.queries import enqueue as query
from gendurable.spawn import Spawn, check_several

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from gendurable.engine.probes import Probe
    from gendurable.queries.enqueue import Row
    from gendurable.queries.statement import Database

#: How often an insert tries again when the holder of its key ended before it could be named.
TRIES = 10


def queue_of(spawn: Spawn) -> str:
    """Return the queue that an instance will be in."""
    queue: str = spawn.queue or type(spawn.obj).__machine__.queue
    return queue


def insert(
    conn: Connection, db: Database, parameters: Mapping[str, Any], if_exists: str
) -> tuple[int, bool]:
    """Insert one instance; return its id, or with ``if_exists="return"`` its key's holder's.

    Raises:
        DuplicateInstance: its correlation key is taken.
    """
    for _ in range(TRIES):
        id = query.insert_one(conn, db, parameters)
        if id is not None:
            return id, True
        key = str(parameters[query.KEY])
        holder = query.holders(conn, db, [key]).get(key)
        if holder is not None:
            if if_exists == "return":
                return holder, False
            raise DuplicateInstance(
                f"correlation_key={key!r} is taken by instance {holder};"
                ' pass if_exists="return" to get that one',
                holder,
            )
    raise DuplicateInstance(
        f"correlation_key={parameters[query.KEY]!r} is taken by an instance that this transaction"
        " cannot see; run the whole transaction again",
    )


@dataclass(slots=True)
class Batch:
    """New rows, encoded, and what else is to be known of a few of them."""

    rows: list[Row] = field(default_factory=list)
    queues: set[str] = field(default_factory=set)
    #: Those that have a correlation key, by their places.
    keyed: dict[int, Spawn] = field(default_factory=dict)
    rated: list[Spawn] = field(default_factory=list)

    @classmethod
    def of(cls, objs: Iterable[Any], probes: Sequence[Probe], max_size: int) -> Batch:
        """Encode objects, with options or without.

        Raises:
            InvalidInput: one is no machine.
            StateError: the state of one cannot be stored.
        """
        check_several(objs, "objs")
        batch = cls()
        rows = batch.rows
        heads: dict[type, str] = {}
        for one in objs:
            head = heads.get(type(one))
            if head is not None:  # most are of a class that was met, and have no options
                rows.append(with_state(head, one, max_size))
                continue
            spawn = stamped(one if isinstance(one, Spawn) else Spawn(one), probes)
            if spawn.correlation_key is not None:
                batch.keyed[len(rows)] = spawn
            if spawn.rate_limit is not None:
                batch.rated.append(spawn)
            batch.queues.add(queue_of(spawn))
            rows.append(encode_row(spawn, max_size))
            if spawn.obj is one and not probes:  # what they send along differs from place to place
                heads[type(one)] = head_of(spawn)
        return batch

    @property
    def order(self) -> Sequence[int] | None:
        """The order in which the rows are to be inserted; None: no row has a key."""
        if not self.keyed:
            return None
        keys: list[str | None] = [None] * len(self.rows)
        for n, spawn in self.keyed.items():
            keys[n] = str(spawn.correlation_key)
        return in_key_order(keys)


def insert_batch(
    conn: Connection, db: Database, batch: Batch
) -> tuple[Sequence[int | None], dict[int, int]]:
    """Insert many; return the id of each in order, None for a duplicate.

    Of duplicates that are to be answered with the holder of their key, return that by place.
    """
    ids = insert_rows(conn, db, batch.rows, batch.order)
    wanted = {
        n: str(spawn.correlation_key)
        for n, spawn in batch.keyed.items()
        if ids[n] is None and spawn.if_exists == "return"
    }
    found = query.holders(conn, db, list(wanted.values())) if wanted else {}
    return ids, {n: found[key] for n, key in wanted.items() if key in found}


def insert_children(
    conn: Connection, db: Database, batch: Batch, parent_id: int, parent_round: int
) -> int:
    """Insert children of a locked parent; return how many found their keys free."""
    rows = list(adopted(batch.rows, parent_id, parent_round))
    ids = insert_rows(conn, db, rows, batch.order)
    return sum(id is not None for id in ids)


def insert_rows(
    conn: Connection, db: Database, rows: Sequence[Row], order: Sequence[int] | None
) -> Sequence[int | None]:
    """Insert encoded rows; return the id of each, None where its key is taken.

    *order* says in which order to insert them, as ``in_key_order`` does; None: no row has a key.
    """
    if order is None:
        return insert_plain(conn, db, rows)
    ids: list[int | None] = [None] * len(rows)
    for start in range(0, len(rows), CHUNK):
        places = order[start : start + CHUNK]
        for n, id in query.insert(conn, db, [rows[n] for n in places]).items():
            ids[places[n]] = id
    return ids


def insert_plain(conn: Connection, db: Database, rows: Sequence[Row]) -> list[int]:
    """Insert encoded rows that have no correlation keys; return their ids in order."""
    ids: list[int] = []
    for start in range(0, len(rows), CHUNK):
        ids += query.insert_plain(conn, db, rows[start : start + CHUNK])
    return ids
