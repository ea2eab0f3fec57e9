"""Doing one thing to all instances under a condition: page by page, in id order."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from gendurable.engine import control
from gendurable.errors import DuplicateInstance, InvalidInput
from gendurable.queries import bulk as query
from gendurable.queries import outcomes

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import ColumnElement, Connection, Table

    from gendurable.queries.statement import Database

#: How many instances one transaction of our own changes.
PAGE = 200

log = logging.getLogger("gendurable")


def newest(conn: Connection, table: Table) -> int:
    """Return the highest id there is."""
    return query.newest(conn, table)


def lock_page(
    conn: Connection,
    db: Database,
    table: Table,
    where: ColumnElement[bool],
    after: int,
    upto: int,
    *,
    me: set[int],
    what: str,
) -> tuple[int | None, list[int]]:
    """Lock the next page; return where it ends (None: the last), and whom *where* still finds.

    Raises:
        InvalidInput: one of *me* is among them, or they are children of a step that works beside
            its session.
    """
    rows = query.page(conn, table, where, after, upto, PAGE)
    if not rows:
        return None, []
    ids = [row.id for row in rows]
    if not me.isdisjoint(ids):
        raise InvalidInput(
            f"a step cannot {what} its own instance, which where= finds, or an ancestor of it;"
            " return an outcome instead"
        )
    parents = {row.parent_id for row in rows if row.parent_id is not None}
    control.refuse_to_wait(conn, db, parents)
    outcomes.lock(conn, db, {*ids, *parents}, wait=True)
    return ids[-1] if len(ids) == PAGE else None, query.still(conn, table, where, ids)


def each(conn: Connection, ids: list[int], change: Callable[[int], None]) -> int:
    """Change one after the other; one that cannot be changed stays as it is, and is logged."""
    count = 0
    for id in ids:
        try:
            with conn.begin_nested():
                change(id)
        except (DuplicateInstance, InvalidInput) as error:
            log.warning("left as it is: %s", error)
        else:
            count += 1
    return count


def reach(conn: Connection, db: Database, me: int | None, *, cascade: bool) -> set[int]:
    """Return the ids that a step which is running as *me* must not touch."""
    if me is None:
        return set()
    return control.ancestors(conn, db, me) if cascade else {me}
