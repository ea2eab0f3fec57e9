"""The edge into the diagram: new instances, one or many, in one statement."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, TypeAlias

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
    column,
    func,
    literal_column,
    select,
    true,
)
from sqlalchemy import Sequence as DatabaseSequence
from sqlalchemy.dialects.postgresql import JSON, JSONB, Insert, aggregate_order_by
from sqlalchemy.dialects.postgresql import insert as insert_into
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ColumnElement
from sqlalchemy.sql.compiler import SQLCompiler

from gendurable.models import SCHEMA
from gendurable.queries.parts import NOW, hidden, instances
from gendurable.queries.statement import Database, Statement, document, records, seconds


class _Numbered(Insert):
    """An INSERT that brings its own ids: ``OVERRIDING SYSTEM VALUE``."""

    inherit_cache = False


@compiles(_Numbered)
def _overriding(element: _Numbered, compiler: SQLCompiler, **kw: Any) -> str:
    text: str = compiler.visit_insert(element, **kw)  # type: ignore[no-untyped-call]
    head, _, rest = text.partition(") SELECT ")
    return f"{head}) OVERRIDING SYSTEM VALUE SELECT {rest}"


#: An encoded row, as JSON without braces on two lines: what it shares with others of its kind, and
#: the rest. It is a text, since Python's garbage collector need not look at those.
Row: TypeAlias = str

#: What rows of a kind share, in the order in which a row's first part has it.
HEAD = ("fsm", "fsm_version", "step", "queue", "priority", "weight")
_TYPES: dict[str, Any] = {
    "fsm": Text,
    "fsm_version": Integer,
    "step": Text,
    "queue": Text,
    "priority": SmallInteger,
    "weight": Integer,
    "state": JSONB,
    "correlation_key": Text,
    "correlation_scope": Text,
    "concurrency_key": Text,
    "rate_limit": Text,
    "parent_id": BigInteger,
    "parent_round": Integer,
    "headers": JSONB,
}
_TIMES: dict[str, Any] = {"delay": Double, "due": DateTime(timezone=True)}
_COLUMNS = ["eligible_at", *_TYPES]


def _given(row: Any) -> list[ColumnElement[Any]]:
    """Return the values of ``_COLUMNS``."""
    wait = seconds(func.coalesce(row.delay, literal_column("0")))
    return [func.coalesce(row.due, NOW + wait).label("eligible_at"), *map(vars(row).get, _TYPES)]


_new = document("new", "rows", n=Integer, **_TYPES, **_TIMES)
_shared = (
    func.json_to_record(bindparam("shared", type_=JSON))
    .table_valued(*(column(name, _TYPES[name]) for name in HEAD))
    .render_derived(name="shared", with_types=True)
)
_row = SimpleNamespace(
    **{
        name: func.coalesce(_new.c[name], _shared.c[name]).label(name)
        if name in HEAD
        else _new.c[name]
        for name in (*_TYPES, *_TIMES)
    }
)
_both = _new.join(_shared, true())
_drawn = (
    select(
        _new.c.n,
        DatabaseSequence("instances_id_seq", schema=SCHEMA).next_value().label("id"),
        *_given(_row),
    )
    .select_from(_both)
    .cte("drawn")
)
_arbiter: dict[str, Any] = {
    "index_elements": [instances.c.correlation_guard],
    "index_where": instances.c.correlation_guard.isnot(None),
}
_keyed = (
    _Numbered(instances)
    .from_select(
        ["id", *_COLUMNS],
        select(_drawn.c.id, *(_drawn.c[name] for name in _COLUMNS)).order_by(
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
#: Why     ids are drawn first, since RETURNING cannot tell which input row it answers for; what the
#:         rows share is said once: reading it again for each would take a third of the time
INSERT = Statement(
    "enqueue.insert",
    select(_drawn.c.n, _keyed.c.id).join_from(_drawn, _keyed, _keyed.c.id == _drawn.c.id),
)

_plain = (
    insert_into(instances)
    .from_select(_COLUMNS, select(*_given(_row)).select_from(_both))
    .returning(instances.c.id)
    .cte("inserted")
)

#: Insert a batch in which no row has a key; answer with the ids.
#:
#: Index   none
#: Locks   the rows
#: Race    none
#: Why     nothing can be in the way of a row, so that there is nothing to order and to tell apart:
#:         ids are drawn in the order of the rows, and the smallest is that of the first
INSERT_PLAIN = Statement(
    "enqueue.insert_plain",
    select(func.array_agg(aggregate_order_by(_plain.c.id, _plain.c.id))),
)

#: What the parameters of a single row begin with; the rest is the name of what they set.
PREFIX = "new_"
STATE, KEY = f"{PREFIX}state", f"{PREFIX}correlation_key"
_value = SimpleNamespace(
    **{
        name: bindparam(f"{PREFIX}{name}", type_=Text).cast(JSONB)
        if kind is JSONB
        else bindparam(f"{PREFIX}{name}", type_=kind).cast(kind)
        for name, kind in (_TYPES | _TIMES).items()
    }
)
#: What a row says of which nothing is said; what one without options says, as the statement does.
BLANK: Mapping[str, Any] = {f"{PREFIX}{name}": None for name in vars(_value)}
USUAL = ("fsm", "fsm_version", "step", "state", "queue", "priority", "weight")

#: Insert one row that has no options; answer with its id.
#:
#: Index   none
#: Locks   the row
#: Race    none
#: Why     most inserts are of this kind, and seven parameters cost less than sixteen
INSERT_USUAL = Statement(
    "enqueue.insert_usual",
    insert_into(instances).values({k: vars(_value)[k] for k in USUAL}).returning(instances.c.id),
)

#: Insert one row; answer with its id, if it found its key free.
#:
#: Index   instances_correlation (arbiter)
#: Locks   the row, and its key
#: Race    as for a batch
#: Why     as plain parameters it costs a fifth less than as a document
INSERT_ONE = Statement(
    "enqueue.insert_one",
    insert_into(instances)
    .from_select(_COLUMNS, select(*_given(_value)))
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
        instances.c.correlation_guard == func.any(hidden(bindparam("keys", type_=ARRAY(Text))))
    ),
)


def insert(conn: Connection, db: Database, rows: Sequence[Row]) -> dict[int, int]:
    """Insert encoded *rows*; map the place of each inserted one to its id."""
    shared, texts = _parted(rows)
    numbered = (f'{{"n":{n},{text[1:]}' for n, text in enumerate(texts))
    return dict(db.tuples(conn, INSERT, {"shared": shared, "rows": records(numbered)}))


def insert_plain(conn: Connection, db: Database, rows: Sequence[Row]) -> list[int]:
    """Insert encoded *rows* that have no correlation keys; return their ids in order."""
    shared, texts = _parted(rows)
    ((ids,),) = db.tuples(conn, INSERT_PLAIN, {"shared": shared, "rows": records(texts)})
    return ids or []


def insert_one(conn: Connection, db: Database, parameters: Mapping[str, Any]) -> int | None:
    """Insert a row; return its id, None if its key is taken."""
    found = db.tuples(conn, statement_for(parameters), parameters)
    return found[0][0] if found else None


def statement_for(parameters: Mapping[str, Any]) -> Statement:
    """Return what inserts a row of which *parameters* are said."""
    return INSERT_USUAL if len(parameters) == len(USUAL) else INSERT_ONE


def holders(conn: Connection, db: Database, keys: list[str]) -> dict[str, int]:
    """Map each of the taken *keys* to the instance that holds it."""
    return dict(db.rows(conn, HOLDERS, {"keys": keys}))


def _parted(rows: Sequence[Row]) -> tuple[str, Iterator[str]]:
    """Return what the first row shares with others, and all rows without it, as JSON objects."""
    shared = rows[0].partition("\n")[0] if rows else ""
    line = f"{shared}\n"
    size = len(line)
    texts = (f"{{{row[size:]}}}" if row.startswith(line) else whole(row) for row in rows)
    return f"{{{shared}}}", texts


def whole(row: Row) -> str:
    """Return an encoded row as the JSON object that it is."""
    shared, _, rest = row.partition("\n")
    return f"{{{shared},{rest}}}" if shared else f"{{{rest}}}"
