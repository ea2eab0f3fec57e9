"""On whom an operation acts: one target, or all that a condition finds, a page at a time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Table, and_
from sqlalchemy.sql.elements import ColumnClause
from sqlalchemy.sql.visitors import iterate

from gendurable.callers import Caller, Work, carry_out, me
from gendurable.engine import bulk
from gendurable.errors import InvalidInput
from gendurable.models import Instance
from gendurable.operations import Operations

#: A condition on ``gd.Instance``, such as ``gd.Instance.queue == "mail"``.
Where: TypeAlias = ColumnElement[bool]


def in_pages(
    durable: Operations,
    where: Where,
    session: Caller,
    what: str,
    change: Callable[[Work, list[int]], int],
    *,
    cascade: bool = False,
    also: ColumnElement[bool] | None = None,
) -> int:
    """Change what *where* finds, page by page, each in a transaction of its own without a caller's.

    What somebody holds then comes last, each by itself. *also* narrows the condition down.
    Instances that are inserted meanwhile are not meant.
    """
    table = check_where(durable, where)
    if also is not None:
        where = and_(where, also)

    def turn(after: int, upto: int, wait: bool, work: Work) -> tuple[bulk.Page, int]:
        mine = bulk.reach(work.conn, durable.db, me(durable), cascade=cascade)
        page = bulk.lock_page(
            work.conn, durable.db, table, where, after, upto, me=mine, what=what, wait=wait
        )
        return page, change(work, page.ids) if page.ids else 0

    upto = carry_out(durable, session, lambda work: bulk.newest(work.conn, table))
    after: int | None = 0
    total = 0
    left: list[int] = []
    while after is not None:
        page, count = carry_out(durable, session, partial(turn, after, upto, session is not None))
        after, total = page.end, total + count
        left += page.left
    for id in left:
        total += carry_out(durable, session, partial(turn, id - 1, id, True))[1]
    return total


def one_by_one(
    durable: Operations,
    where: Where,
    session: Caller,
    what: str,
    change: Callable[[Work, int], Any],
    also: ColumnElement[bool] | None = None,
) -> int:
    """Change what *where* finds, each by itself; those that cannot be changed stay as they are."""

    def page(work: Work, ids: list[int]) -> int:
        return bulk.each(work.conn, ids, partial(change, work))

    return in_pages(durable, where, session, what, page, also=also)


def check_where(durable: Operations, where: object) -> Table:
    """Return the table that *where* is a condition on.

    Raises:
        InvalidInput: it is no condition, or one on the table of another schema.
    """
    if not isinstance(where, ColumnElement):
        raise InvalidInput(
            f"where={where!r} must be a condition of SQLAlchemy, such as gd.Instance.queue == 'x'"
        )
    table: Table = durable.Instance.__table__
    if table is not Instance.__table__ and any(
        isinstance(part, ColumnClause) and part.table is Instance.__table__
        for part in iterate(where)
    ):
        raise InvalidInput(
            f"where= names gd.Instance, and this binding works in the schema {table.schema!r}: use"
            " durable.Instance"
        )
    return table


def refuse_both(**given: object) -> None:
    """Refuse none, or more than one, of what says on whom to act."""
    if sum(value is not None for value in given.values()) != 1:
        names = ", ".join(f"{name}=" for name in given)
        raise InvalidInput(f"give exactly one of {names.removesuffix(',')}")
