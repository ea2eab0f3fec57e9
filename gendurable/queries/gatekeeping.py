"""What limits do: how much of each is in use, how many wait, and behind which keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Text,
    func,
    literal_column,
    select,
    true,
    union_all,
)

from gendurable.queries.parts import EXECUTING, buckets, instances, waits
from gendurable.queries.statement import Database, Statement

#: How many rows that run or wait are counted, over all limits.
CAP = 10_000
#: How many keys are shown, and how far the rows of one are counted.
KEYS, MANY = 50, 1_000

_i = instances.c


def _constant(number: int) -> ColumnElement[int]:
    return literal_column(str(number))


def _text(value: str) -> ColumnElement[str]:
    return literal_column(f"'{value}'", Text)


def _by_name(kind: str, what: str, key: Any, *where: Any) -> Any:
    """Count rows by the names of their limits: what stands before a colon in their keys."""
    rows: Any = select(key.label("key")).where(*where).order_by(key).limit(_constant(CAP))
    rows = rows.subquery(f"{kind}_{what}")
    name = func.split_part(rows.c.key, _text(":"), _constant(1))
    return select(
        _text(kind).label("kind"),
        _text(what).label("what"),
        name.label("name"),
        func.count().label("count"),
    ).group_by(name)


#: How many run under each concurrency limit, and how many wait for each limit.
#:
#: Index   instances_slot, instances_wait and instances_rate, index only: at most CAP entries each
#: Locks   none
#: Race    a snapshot
#: Why     whether a limit is what keeps work back
USE = Statement(
    "gatekeeping.use",
    union_all(
        _by_name(
            "key",
            "running",
            _i.concurrency_key,
            _i.status == EXECUTING,
            _i.concurrency_key.isnot(None),
        ),
        _by_name("key", "waiting", _i.concurrency_key, waits("key")),
        _by_name("rate", "waiting", _i.rate_limit, waits("rate")),
    ),
)


def _keys(why: str, key: Any) -> tuple[Any, Any]:
    """A loose index scan over the keys for which rows wait, and how many wait for each."""
    first = select(key.label("key")).where(waits(why)).order_by(key).limit(_constant(1))
    found = select(first.subquery("first")).cte("found", recursive=True)
    following = (
        select(key.label("key"))
        .where(waits(why), key > found.c.key)
        .order_by(key)
        .limit(_constant(1))
        .correlate(found)
        .lateral("following")
    )
    found = found.union_all(select(following.c.key).select_from(found.join(following, true())))
    rows: Any = select(_constant(1).label("one")).where(waits(why), key == found.c.key)
    rows = rows.order_by(_i.queue).limit(_constant(MANY)).correlate(found).subquery("rows")
    return found, select(func.count().label("waiting")).select_from(rows).lateral("crowd")


_found, _crowd = _keys("key", _i.concurrency_key)
_busy = (
    select(func.count().label("running"))
    .where(_i.status == EXECUTING, _i.concurrency_key == _found.c.key)
    .correlate(_found)
    .lateral("busy")
)

#: The first keys behind which rows wait: how many wait, and how many run.
#:
#: Index   instances_wait: a descent a key, then at most MANY entries; instances_slot
#: Locks   none
#: Race    a snapshot
#: Why     what to look at when work stands still
BEHIND = Statement(
    "gatekeeping.behind",
    select(_found.c.key, _crowd.c.waiting, _busy.c.running)
    .select_from(_found.join(_crowd, true()).join(_busy, true()))
    .limit(_constant(KEYS + 1)),
)

_found, _crowd = _keys("rate", _i.rate_limit)
_head = select(buckets.c.head_at).where(buckets.c.key == _found.c.key).correlate(_found)

#: The first keys for whose tokens rows wait: how many, and when the first may start.
#:
#: Index   instances_rate: a descent a key, then at most MANY entries; buckets_pkey
#: Locks   none
#: Race    a snapshot
#: Why     as above
DRY = Statement(
    "gatekeeping.dry",
    select(_found.c.key, _crowd.c.waiting, _head.scalar_subquery().label("head_at"))
    .select_from(_found.join(_crowd, true()))
    .limit(_constant(KEYS + 1)),
)


def use(conn: Connection, db: Database) -> Sequence[Any]:
    """Return (kind, what, name, count): who runs under which limit, and who waits."""
    return db.rows(conn, USE, {})


def behind(conn: Connection, db: Database) -> Sequence[Any]:
    """Return (key, waiting, running) of the first concurrency keys for which rows wait."""
    return db.rows(conn, BEHIND, {})


def dry(conn: Connection, db: Database) -> Sequence[Any]:
    """Return (key, waiting, head_at) of the first keys of rates for which rows wait."""
    return db.rows(conn, DRY, {})
