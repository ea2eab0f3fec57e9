"""Which rows an operator means: pages of ids under a condition of the application's.

These are built at each call, since the condition is somebody else's; all else is as everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, func, select


def newest(conn: Connection, table: Table) -> int:
    """Return the highest id there is, 0 without any: what comes later is not meant.

    Index   instances_pkey
    Locks   none
    Race    none: ids rise
    Why     or a sweep over a busy queue would never end
    """
    return conn.scalar(select(func.max(table.c.id))) or 0


def page(
    conn: Connection, table: Table, where: ColumnElement[bool], after: int, upto: int, limit: int
) -> Sequence[Any]:
    """Return the next (id, parent) that *where* finds, in id order.

    Index   instances_pkey, or what serves the condition
    Locks   none
    Race    what changes before it is locked is looked at again, by ``still``
    Why     locks are taken in id order, parents among them, whatever the condition reads
    """
    query = (
        select(table.c.id, table.c.parent_id)
        .where(where, table.c.id > after, table.c.id <= upto)
        .distinct()
        .order_by(table.c.id)
        .limit(limit)
    )
    return conn.execute(query).all()


def still(
    conn: Connection, table: Table, where: ColumnElement[bool], ids: Sequence[int]
) -> list[int]:
    """Return which of the locked *ids* the condition still finds, in id order.

    Index   instances_pkey
    Locks   held already
    Race    none under those locks
    Why     the condition holds for what is changed, and not only for what was read before
    """
    query = select(table.c.id).where(where, table.c.id.in_(ids)).distinct().order_by(table.c.id)
    return list(conn.scalars(query))
