"""The edge into the diagram: new instances, one or many, in one statement."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Connection,
    DateTime,
    Double,
    Integer,
    SmallInteger,
    Text,
    bindparam,
    func,
    literal_column,
    select,
)
from sqlalchemy import Sequence as DatabaseSequence
from sqlalchemy.dialects.postgresql import JSONB, Insert
from sqlalchemy.dialects.postgresql import insert as insert_into
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from gendurable.models import SCHEMA
from gendurable.queries.parts import NOW, instances
from gendurable.queries.statement import Database, Statement, document, records, seconds


class _Numbered(Insert):
    """An INSERT that brings its own ids: ``OVERRIDING SYSTEM VALUE``."""

    inherit_cache = False


@compiles(_Numbered)
def _overriding(element: _Numbered, compiler: SQLCompiler, **kw: Any) -> str:
    text: str = compiler.visit_insert(element, **kw)  # type: ignore[no-untyped-call]
    head, _, rest = text.partition(") SELECT ")
    return f"{head}) OVERRIDING SYSTEM VALUE SELECT {rest}"


_COPIED = (
    "fsm",
    "fsm_version",
    "step",
    "state",
    "queue",
    "priority",
    "correlation_key",
    "correlation_scope",
    "concurrency_key",
    "rate_limit",
    "weight",
    "parent_id",
    "parent_round",
    "headers",
)

_new = document(
    "new",
    "rows",
    n=Integer,
    fsm=Text,
    fsm_version=Integer,
    step=Text,
    state=JSONB,
    queue=Text,
    priority=SmallInteger,
    delay=Double,
    due=DateTime(timezone=True),
    correlation_key=Text,
    correlation_scope=Text,
    concurrency_key=Text,
    rate_limit=Text,
    weight=Integer,
    parent_id=BigInteger,
    parent_round=Integer,
    headers=JSONB,
)

_given = (
    func.coalesce(
        _new.c.due, NOW + seconds(func.coalesce(_new.c.delay, literal_column("0")))
    ).label("eligible_at"),
    *(_new.c[name] for name in _COPIED),
)
_drawn = select(
    _new.c.n,
    DatabaseSequence("instances_id_seq", schema=SCHEMA).next_value().label("id"),
    *_given,
).cte("drawn")
_arbiter: dict[str, Any] = {
    "index_elements": [instances.c.correlation_guard],
    "index_where": instances.c.correlation_guard.isnot(None),
}

_inserted = (
    _Numbered(instances)
    .from_select(
        ["id", "eligible_at", *_COPIED],
        select(_drawn.c.id, _drawn.c.eligible_at, *(_drawn.c[name] for name in _COPIED)).order_by(
            _drawn.c.correlation_key.collate("C"), _drawn.c.n
        ),
    )
    .on_conflict_do_nothing(**_arbiter)
    .returning(instances.c.id)
    .cte("inserted")
)

#: Insert a batch; answer with the ordinal and id of each row that found its key free.
#:
#: Index   instances_correlation (arbiter)
#: Locks   rows go in by the bytes of their keys, so that batches wait for each other in one order
#: Race    a key that another transaction is inserting: waits for it, then skips or inserts
#: Why     ids are drawn first, since RETURNING cannot tell which input row it answers for
INSERT = Statement(
    "enqueue.insert",
    select(_drawn.c.n, _inserted.c.id).join_from(_drawn, _inserted, _inserted.c.id == _drawn.c.id),
)

#: Insert one row; answer with its id, if it found its key free.
#:
#: Index   instances_correlation (arbiter)
#: Locks   the row, and its key
#: Race    as above
#: Why     most inserts are of one: without ordinals, order and join it costs a sixth less
INSERT_ONE = Statement(
    "enqueue.insert_one",
    insert_into(instances)
    .from_select(["eligible_at", *_COPIED], select(*_given))
    .on_conflict_do_nothing(**_arbiter)
    .returning(instances.c.id),
)

#: Who holds these correlation keys now.
#:
#: Index   instances_correlation
#: Locks   none
#: Race    the holder may have ended since the insert met it: the caller inserts again
#: Why     ON CONFLICT DO NOTHING does not say whom it met
HOLDERS = Statement(
    "enqueue.holders",
    select(instances.c.correlation_guard, instances.c.id).where(
        instances.c.correlation_guard == func.any(bindparam("keys", type_=ARRAY(Text)))
    ),
)


def insert(conn: Connection, db: Database, rows: Iterable[str]) -> dict[int, int]:
    """Insert the encoded *rows*; map the ordinal of each inserted one to its id."""
    return dict(db.tuples(conn, INSERT, {"rows": records(rows)}))


def insert_one(conn: Connection, db: Database, row: str) -> int | None:
    """Insert an encoded row; return its id, None if its key is taken."""
    found = db.tuples(conn, INSERT_ONE, {"rows": records([row])})
    return found[0][0] if found else None


def holders(conn: Connection, db: Database, keys: list[str]) -> dict[str, int]:
    """Map each of the taken *keys* to the instance that holds it."""
    return dict(db.rows(conn, HOLDERS, {"keys": keys}))
