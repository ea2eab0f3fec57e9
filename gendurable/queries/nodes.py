"""The table of workers: who lives, and what each of them serves and knows."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, delete, literal_column, select
from sqlalchemy.dialects.postgresql import insert

from gendurable.queries.parts import NOW, WORKER, nodes
from gendurable.queries.statement import Database, Statement

#: Say that a worker lives, which queues it serves and which machines it knows.
#:
#: Index   nodes_pkey
#: Locks   its own row
#: Race    none
#: Why     the reaper's grace, and the answer to "does anybody serve this queue?"
BEAT = Statement(
    "nodes.beat",
    insert(nodes)
    .from_select(
        ["name", "queues", "machines"],
        select(
            WORKER,
            bindparam("queues", type_=nodes.c.queues.type),
            bindparam("machines", type_=nodes.c.machines.type),
        ),
    )
    .on_conflict_do_update(index_elements=[nodes.c.name], set_={"beat_at": NOW}),
)

#: Forget a worker that has ended.
#:
#: Index   nodes_pkey
#: Locks   its row
#: Race    none
#: Why     a worker that left is not one that died
LEAVE = Statement("nodes.leave", delete(nodes).where(nodes.c.name == WORKER))

#: Forget workers that have not beaten for a day.
#:
#: Index   nodes_pkey (a scan: there are few)
#: Locks   their rows
#: Race    none
#: Why     every start of a worker has a name of its own
FORGET = Statement(
    "nodes.forget", delete(nodes).where(nodes.c.beat_at < NOW - literal_column("interval '1 day'"))
)


def beat(conn: Connection, db: Database, worker: str, queues: list[str], machines: str) -> None:
    """Record that *worker* lives."""
    db.run(conn, BEAT, {"worker": worker, "queues": queues, "machines": machines})


def leave(conn: Connection, db: Database, worker: str) -> None:
    """Record that *worker* has ended."""
    db.run(conn, LEAVE, {"worker": worker})


def forget(conn: Connection, db: Database) -> int:
    """Delete the rows of workers that have long been silent."""
    return db.run(conn, FORGET, {})
