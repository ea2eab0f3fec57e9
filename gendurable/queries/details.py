"""Everything about one instance, in pages: what the dashboard shows of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Text,
    bindparam,
    func,
    literal_column,
    select,
    true,
)

from gendurable.queries.parts import IDS, NOW, instances, signals, transitions
from gendurable.queries.statement import Database, Statement, array

#: How many entries of an inbox, of a history, and of a generation of children are shown at once.
SHOWN = 25
#: Documents are shown up to this many characters; a state may have a million.
CUT = 20_000
#: Children are counted up to this number.
MANY = 10_000

_page: ColumnElement[int] = literal_column(str(SHOWN + 1))
_target = bindparam("target", type_=BigInteger)
_one: ColumnElement[int] = literal_column("1")
_i = instances.c


def _cut(document: Any) -> Any:
    return func.left(document.cast(Text), literal_column(str(CUT)))


#: The whole row, and the time.
#:
#: Index   instances_pkey
#: Locks   none
#: Race    a snapshot
#: Why     documents come as text, cut: they are for eyes
ROW = Statement(
    "details.row",
    select(
        *(c for c in _i if c.name not in ("state", "result", "headers")),
        _cut(_i.state).label("state"),
        _cut(_i.result).label("result"),
        _cut(_i.headers).label("headers"),
        NOW.label("now"),
    ).where(_i.id == _target),
)

#: A page of an inbox, oldest first: what waits there, and what is kept to recognise repetitions.
#:
#: Index   signals_target
#: Locks   none
#: Race    a snapshot
#: Why     an inbox may be long
INBOX = Statement(
    "details.inbox",
    select(
        signals.c.id,
        signals.c.name,
        _cut(signals.c.payload).label("payload"),
        signals.c.dedup_key,
        signals.c.inserted_at,
        signals.c.consumed_at,
    )
    .where(signals.c.target_id == _target, signals.c.id > bindparam("after", type_=BigInteger))
    .order_by(signals.c.id)
    .limit(_page),
)

#: A page of a history, latest first.
#:
#: Index   transitions_instance
#: Locks   none
#: Race    a snapshot
#: Why     a machine that polls for years has a long one
HISTORY = Statement(
    "details.history",
    select(
        *(c for c in transitions.c if c.name not in ("state", "traceback")),
        func.left(transitions.c.traceback, literal_column(str(CUT))).label("traceback"),
        _cut(transitions.c.state).label("state"),
    )
    .where(
        transitions.c.instance_id == _target,
        transitions.c.id < bindparam("before", type_=BigInteger),
    )
    .order_by(transitions.c.id.desc())
    .limit(_page),
)

_parents = func.unnest(IDS).table_valued("parent_id").render_derived("parents")
_family = (
    select(
        _i.id,
        _i.parent_id,
        _i.parent_round,
        _i.fsm,
        _i.step,
        _i.status,
        _i.children_pending,
        _i.updated_at,
        func.left(_i.last_error, literal_column("300")).label("last_error"),
    )
    .where(_i.parent_id == _parents.c.parent_id, _i.id > bindparam("after", type_=BigInteger))
    .order_by(_i.id)
    .limit(_page)
    .lateral("family")
)

#: The first children of each of some parents, in order of birth.
#:
#: Index   instances_parent: one descent a parent
#: Locks   none
#: Race    a snapshot
#: Why     a tree is read generation by generation, each cut short
CHILDREN = Statement(
    "details.children",
    select(*_family.c)
    .select_from(_parents.join(_family, true()))
    .order_by(_family.c.parent_id, _family.c.id),
)

_some = (
    select(_i.status)
    .where(_i.parent_id == _target)
    .order_by(_i.id)
    .limit(literal_column(str(MANY)))
    .subquery("some")
)

#: How the children of an instance stand, of at most MANY of them.
#:
#: Index   instances_parent
#: Locks   none
#: Race    a snapshot
#: Why     a family may have 100,000 members
CENSUS = Statement(
    "details.census", select(_some.c.status, func.count().label("count")).group_by(_some.c.status)
)

_line = (
    select(_i.id, _i.parent_id, _i.fsm, _i.step, _i.status, literal_column("0").label("depth"))
    .where(_i.id == _target)
    .cte("line", recursive=True)
)
_elder = instances.alias("elder").c
_line = _line.union_all(
    select(
        _elder.id, _elder.parent_id, _elder.fsm, _elder.step, _elder.status, _line.c.depth + _one
    ).where(_elder.id == _line.c.parent_id, _line.c.depth < literal_column("20"))
)

#: An instance's line of descent, the eldest first.
#:
#: Index   instances_pkey
#: Locks   none
#: Race    a snapshot; an elder that was deleted ends the line
#: Why     to climb up from a child
ANCESTORS = Statement(
    "details.ancestors",
    select(_line).where(_line.c.depth > literal_column("0")).order_by(_line.c.depth.desc()),
)


def row(conn: Connection, db: Database, id: int) -> Any | None:
    """Return the instance with this id."""
    rows = db.rows(conn, ROW, {"target": id})
    return rows[0] if rows else None


def inbox(conn: Connection, db: Database, id: int, after: int = 0) -> Sequence[Any]:
    """Return SHOWN signals and one more, if there are so many."""
    return db.rows(conn, INBOX, {"target": id, "after": after})


def history(conn: Connection, db: Database, id: int, before: int = 2**63 - 1) -> Sequence[Any]:
    """Return SHOWN entries and one more, if there are so many."""
    return db.rows(conn, HISTORY, {"target": id, "before": before})


def children(
    conn: Connection, db: Database, parents: Iterable[int], after: int = 0
) -> Sequence[Any]:
    """Return up to SHOWN children and one more of each of the *parents*."""
    return db.rows(conn, CHILDREN, {"ids": array(parents), "after": after})


def census(conn: Connection, db: Database, id: int) -> dict[str, int]:
    """Return how many children there are of each status, of at most MANY in all."""
    return {row[0]: row[1] for row in db.rows(conn, CENSUS, {"target": id})}


def ancestors(conn: Connection, db: Database, id: int) -> Sequence[Any]:
    """Return the elders of an instance, the eldest first."""
    return db.rows(conn, ANCESTORS, {"target": id})
