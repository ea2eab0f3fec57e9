"""Policies: what bindings declare of keys and rates, and what overrides it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import BigInteger, Connection, Text, bindparam, delete, literal_column, or_, select
from sqlalchemy.dialects.postgresql import insert

from gendurable.queries.parts import NOW, limits
from gendurable.queries.statement import Database, Statement, document, records

_entry = document(
    "entry", "entries", kind=Text, name=Text, amount=BigInteger, per_us=BigInteger, burst=BigInteger
)
_columns = ("amount", "per_us", "burst")
_store = insert(limits).from_select(
    ["kind", "name", *_columns, "source"],
    select(
        _entry.c.kind,
        _entry.c.name,
        *(_entry.c[name] for name in _columns),
        bindparam("by", type_=Text),
    ).order_by(_entry.c.kind, _entry.c.name),
)
#: Write down what a binding declares, or what overrides it.
#:
#: Index   limits_pkey
#: Locks   the rows that change, in their order
#: Race    two workers start with different values: the last one's stay
#: Why     nothing is written where nothing changes
STORE = Statement(
    "policies.store",
    _store.on_conflict_do_update(
        index_elements=[limits.c.kind, limits.c.name, limits.c.source],
        set_={name: _store.excluded[name] for name in _columns} | {"updated_at": NOW},
        where=or_(*(limits.c[n].is_distinct_from(_store.excluded[n]) for n in _columns)),
    ),
)

_named = document("named", "names", kind=Text, name=Text)
#: Take overrides back.
#:
#: Index   limits_pkey
#: Locks   the row
#: Race    none
#: Why     what the binding declares is in force again
RESET = Statement(
    "policies.reset",
    delete(limits).where(
        limits.c.source == literal_column("'override'"),
        limits.c.kind == _named.c.kind,
        limits.c.name == _named.c.name,
    ),
)

#: All limits that the database knows, what is in force first.
#:
#: Index   limits_pkey (a scan: there are few)
#: Locks   none
#: Race    none
#: Why     for operators, and for the check of weights and names at an insert
ALL = Statement(
    "policies.all",
    select(
        limits.c.kind, limits.c.name, limits.c.source, limits.c.amount, limits.c.per_us,
        limits.c.burst,
    ).order_by(limits.c.kind, limits.c.name, limits.c.source.desc()),
)  # fmt: skip


def store(conn: Connection, db: Database, entries: Iterable[str], by: str) -> None:
    """Write limits down."""
    db.run(conn, STORE, {"entries": records(entries), "by": by})


def reset(conn: Connection, db: Database, names: str) -> int:
    """Take overrides back; return how many there were."""
    return db.run(conn, RESET, {"names": names})


def all_(conn: Connection, db: Database) -> Sequence[Any]:
    """Return (kind, name, source, amount, per_us, burst); an override before what it overrides."""
    return db.rows(conn, ALL, {})
