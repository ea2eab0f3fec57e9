"""Reading one instance: by id or by correlation key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import BigInteger, Connection, Text, bindparam, func, select

from gendurable.models import Installation
from gendurable.queries.parts import IDS, instances
from gendurable.queries.statement import Database, Statement, array

_COLUMNS = (
    instances.c.id,
    instances.c.status,
    instances.c.result,
    instances.c.last_error,
    instances.c.step,
    instances.c.attempt,
    instances.c.parent_id,
    instances.c.parent_round,
    instances.c.round,
    instances.c.ended_from,
    instances.c.correlation_key,
    instances.c.correlation_scope,
    instances.c.queue,
    instances.c.visit,
    instances.c.claim_seq,
    instances.c.concurrency_key,
    instances.c.rate_limit,
)

#: Read an instance by its id.
#:
#: Index   instances_pkey
#: Locks   none
#: Race    a snapshot: who decides on it locks the row and looks again
#: Why     waiting, and finding a target's parent, which never changes
BY_ID = Statement(
    "lookup.by_id",
    select(*_COLUMNS).where(instances.c.id == bindparam("target", type_=BigInteger)),
)

#: Read the instance that holds a correlation key.
#:
#: Index   instances_correlation
#: Locks   none
#: Race    as above
#: Why     a key addresses whoever holds it now
BY_KEY = Statement(
    "lookup.by_key",
    select(*_COLUMNS).where(instances.c.correlation_guard == bindparam("target", type_=Text)),
)

_ids = func.unnest(IDS).table_valued("one").render_derived("ids")

#: Read how each of some instances stands.
#:
#: Index   instances_pkey
#: Locks   none
#: Race    as above
#: Why     the waits of an event loop look together
STANDINGS = Statement(
    "lookup.standings",
    select(
        instances.c.id,
        instances.c.status,
        instances.c.result,
        instances.c.last_error,
        instances.c.step,
        instances.c.attempt,
    ).join_from(_ids, instances, instances.c.id == _ids.c.one),
)

#: The identity of this installation, and the revision of its schema.
#:
#: Index   none (one row)
#: Locks   none
#: Race    none
#: Why     idempotency keys of two databases must differ
INSTALLATION = Statement("lookup.installation", select(Installation.id, Installation.revision))


def find(conn: Connection, db: Database, target: int | str) -> Any | None:
    """Return the instance that *target* (an id or a key) names, as this snapshot shows it."""
    statement = BY_ID if isinstance(target, int) else BY_KEY
    rows = db.rows(conn, statement, {"target": target})
    return rows[0] if rows else None


def standings(conn: Connection, db: Database, ids: Iterable[int]) -> Sequence[Any]:
    """Return (id, status, result, last_error, step, attempt) of those that are visible."""
    return db.rows(conn, STANDINGS, {"ids": array(ids)})


def installation(conn: Connection, db: Database) -> tuple[str, str]:
    """Return the (identity, schema revision) of the installation."""
    ((identity, revision),) = db.rows(conn, INSTALLATION, {})
    return str(identity), revision
