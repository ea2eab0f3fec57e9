"""Walking through instances page by page, as a person does: the lists of the dashboard.

Each walk follows one index, in its order, from a key onwards. Filters that no index serves are
applied to the next ``WINDOW`` rows of the walk and no further, so that a page costs the same on ten
rows and on ten million; who wants to search on begins the next window where the last one ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    DateTime,
    Integer,
    Text,
    and_,
    bindparam,
    func,
    literal_column,
    or_,
    select,
    tuple_,
)

from gendurable.lifecycle import Status
from gendurable.queries.parts import (
    CLAIMABLE,
    EXECUTING,
    IS_LIVE,
    IS_PARKED,
    instances,
    literal,
    waits,
)
from gendurable.queries.statement import Database, Statement

#: How many rows a page looks at, at most, to find those that it shows.
WINDOW = 10_000
#: How many rows a page shows.
PAGE = 50

#: What is shown of a row; what may be large is cut in the outermost SELECT, after all filters.
_COLUMNS = tuple(
    instances.c[name]
    for name in (
        *("id", "fsm", "fsm_version", "step", "status", "queue", "priority", "eligible_at"),
        *("paused_at", "attempt", "awaits", "deadline", "correlation_key", "concurrency_key"),
        *("rate_limit", "blocked", "locked_by", "lease_expires_at", "children_pending"),
        *("parent_id", "inserted_at", "updated_at", "last_error"),
    )
)


def _text(name: str) -> Any:
    return bindparam(name, type_=Text)


@dataclass(frozen=True)
class Walk:
    """One way through the table: its rows, the columns that order them, and where it begins."""

    name: str
    where: ColumnElement[bool] | None
    order: tuple[Any, ...]
    start: tuple[Any, ...]
    newest_first: bool = False

    def page(self) -> Statement:
        """The rows of the next window that match the filters: a page of them."""
        window = self._window().limit(literal_column(str(WINDOW))).subquery("walk")
        shown = [c for c in window.c if c.name != "last_error"]
        error = func.left(window.c.last_error, literal_column("300")).label("last_error")
        listed = select(*shown, error)
        return Statement(
            f"browse.{self.name}",
            listed.where(*_filters(window.c))
            .order_by(*self._direction([window.c[c.name] for c in self.order]))
            .limit(literal_column(str(PAGE + 1))),
        )

    def edge(self) -> Statement:
        """The key of the last row of the next window; no row if the walk ends within it."""
        last = self._window(*self.order).offset(literal_column(str(WINDOW - 1)))
        return Statement(f"browse.{self.name}_edge", last.limit(literal_column("1")))

    def _window(self, *columns: Any) -> Any:
        key = [bindparam(f"from_{c.name}", type_=c.type) for c in self.order]
        place, since = tuple_(*self.order), tuple_(*key)
        beyond = place < since if self.newest_first else place > since
        chosen: list[Any] = list(columns or _COLUMNS)
        rows = select(*chosen).where(beyond)
        if self.where is not None:
            rows = rows.where(self.where)
        return rows.order_by(*self._direction(self.order))

    def _direction(self, columns: Sequence[Any]) -> list[Any]:
        return [c.desc() for c in columns] if self.newest_first else list(columns)


def _filters(row: Any) -> list[ColumnElement[bool]]:
    """What is asked for beside the walk; a filter that is null lets everything through."""
    return [
        or_(_text("by_fsm").is_(None), row.fsm == _text("by_fsm")),
        or_(_text("by_queue").is_(None), row.queue == _text("by_queue")),
        or_(
            _text("by_key").is_(None),
            func.starts_with(row.correlation_key, _text("by_key")),
        ),
        or_(
            _text("by_step").is_(None),
            func.strpos(func.lower(row.step), func.lower(_text("by_step"))) > literal_column("0"),
        ),
    ]


_i = instances.c
_FIRST = (-32768, "-infinity", 0)
_END = ("infinity", 2**63 - 1)
_one_queue = _i.queue == _text("in_queue")


def _parked(status: Status) -> list[Walk]:
    where = and_(IS_PARKED, _i.status == literal(status))
    return [
        Walk(status.value, where, (_i.queue, _i.id), ("", 0)),
        Walk(f"{status.value}_in", and_(where, _one_queue), (_i.id,), (0,)),
    ]


_PAUSED = and_(_i.paused_at.isnot(None), IS_LIVE)


def _ended(status: Status) -> Walk:
    return Walk(status.value, _i.status == literal(status), (_i.updated_at, _i.id), _END, True)


def _blocked(why: str, *first: Any) -> Walk:
    order = (*first, _i.queue, _i.priority, _i.eligible_at, _i.id)
    return Walk(why, waits(why), order, ("", "", *_FIRST))


_ASIDE = and_(_i.blocked.isnot(None), _i.blocked.op("IN")(literal_column("('unknown', 'invalid')")))

WALKS: Mapping[str, Walk] = {
    walk.name: walk
    for walk in (
        Walk("all", None, (_i.id,), (2**63 - 1,), True),
        Walk("runnable", CLAIMABLE, (_i.queue, _i.priority, _i.eligible_at, _i.id), ("", *_FIRST)),
        Walk(
            "runnable_in",
            and_(CLAIMABLE, _one_queue),
            (_i.priority, _i.eligible_at, _i.id),
            _FIRST,
        ),
        Walk("executing", _i.status == EXECUTING, (_i.lease_expires_at, _i.id), ("-infinity", 0)),
        *_parked(Status.AWAITING_SIGNAL),
        *_parked(Status.AWAITING_CHILDREN),
        _ended(Status.DONE),
        _ended(Status.FAILED),
        _ended(Status.CANCELLED),
        Walk("paused", _PAUSED, (_i.queue, _i.id), ("", 0)),
        Walk("paused_in", and_(_PAUSED, _one_queue), (_i.id,), (0,)),
        _blocked("key", _i.concurrency_key),
        _blocked("rate", _i.rate_limit),
        Walk(
            "aside",
            _ASIDE,
            (_i.blocked, _i.fsm, _i.fsm_version, _i.step, _i.id),
            ("", "", -(2**31), "", 0),
        ),
        Walk(
            "children",
            _i.parent_id == bindparam("parent", type_=BigInteger),
            (_i.id,),
            (0,),
        ),
    )
}

#: Every filter, none of which is asked for.
NO_FILTERS: Mapping[str, Any] = dict.fromkeys(("by_fsm", "by_queue", "by_key", "by_step"))

#: A page of a walk: the matching rows among the next WINDOW ones.
#:
#: Index   the one that the walk follows: instances_pkey, instances_claim, instances_lease,
#:         instances_parked, instances_paused, instances_ended, instances_wait, instances_rate,
#:         instances_aside, instances_parent
#: Locks   none
#: Race    a row that moves between two pages may be seen twice, or not at all
#: Why     the limits stand in the text, so that a generic plan knows how few rows are read
PAGES = {name: walk.page() for name, walk in WALKS.items()}

#: Where the window of such a page ends, asked only when it did not fill the page.
#:
#: Index   as above
#: Locks   none
#: Race    as above
#: Why     to search on from there
EDGES = {name: walk.edge() for name, walk in WALKS.items()}


def page(
    conn: Connection, db: Database, walk: Walk, since: Sequence[Any], filters: Mapping[str, Any]
) -> tuple[Sequence[Any], Sequence[Any] | None, bool]:
    """Return a page of *walk*, the key from which to go on (None: it ends), and whether it is full.

    A page that is not full has looked through a whole window, or has reached the end.
    """
    parameters = {f"from_{c.name}": value for c, value in zip(walk.order, since, strict=True)}
    parameters |= filters
    rows = db.rows(conn, PAGES[walk.name], parameters)
    if len(rows) > PAGE:
        return rows[:PAGE], [getattr(rows[PAGE - 1], c.name) for c in walk.order], True
    edge = db.rows(conn, EDGES[walk.name], parameters)
    return rows, (list(edge[0]) if edge else None), False


def kinds(walk: Walk) -> list[type]:
    """Return of what type each part of a key of *walk* is, as JSON holds it."""
    return [int if isinstance(c.type, Integer) else str for c in walk.order]


def instants(walk: Walk) -> list[bool]:
    """Return which parts of a key of *walk* are instants."""
    return [isinstance(c.type, DateTime) for c in walk.order]
