"""Doing one thing to all instances under a condition: page by page, in id order."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gendurable.engine import targets
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


@dataclass(frozen=True, slots=True)
class Page:
    """Whom a condition has found: locked ones, and those that somebody else holds.

    ``end`` is where the next page begins, None after the last one.
    """

    end: int | None
    ids: list[int]
    left: list[int]


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
    wait: bool,
) -> Page:
    """Lock the next page, and look again whom *where* finds there.

    What somebody holds is waited for, or without *wait* left: so that a hand which waits for one
    row holds no other from its worker.

    Raises:
        InvalidInput: one of *me* is among them, or they are children of a step that works beside
            its session.
    """
    rows = query.page(conn, table, where, after, upto, PAGE)
    ids = [row.id for row in rows]
    end = ids[-1] if len(ids) == PAGE else None
    if not ids:
        return Page(end, [], [])
    if not me.isdisjoint(ids):
        raise InvalidInput(
            f"a step cannot {what} its own instance, which where= finds, or an ancestor of it;"
            " return an outcome instead"
        )
    parents = {row.parent_id for row in rows if row.parent_id is not None}
    targets.refuse_to_wait(conn, db, parents)
    missing = {*ids, *parents} - outcomes.lock(conn, db, {*ids, *parents}, wait=wait).keys()
    held = outcomes.look(conn, db, missing).keys() if missing else set()
    left = [row.id for row in rows if row.id in held or row.parent_id in held]
    mine = [id for id in ids if id not in set(left)]
    return Page(end, query.still(conn, table, where, mine) if mine else [], left)


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
    return targets.ancestors(conn, db, me) if cascade else {me}
