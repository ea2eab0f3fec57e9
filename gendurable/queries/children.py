"""The family: the barrier that releases a parent, and what a parent sees of its children."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Integer,
    and_,
    bindparam,
    case,
    func,
    literal_column,
    null,
    or_,
    select,
    update,
)

from gendurable.queries.parts import (
    AWAITING_CHILDREN,
    IS_TERMINAL,
    NOW,
    RUNNABLE,
    instances,
)
from gendurable.queries.statement import Database, Statement, document, records

_ended = document(
    "ended", "barriers", parent_id=BigInteger, round=Integer, ended=Integer, done=Integer
)
_left = instances.c.children_pending - _ended.c.ended
_done = instances.c.children_done + _ended.c.done
_released = or_(
    _left <= literal_column("0"),
    _done >= instances.c.quorum,
    _done + _left < instances.c.quorum,
)

#: Count children that ended on their parents' barriers; release the parents that wait no longer.
#:
#: Index   instances_pkey
#: Locks   the parents are locked already, before their children
#: Race    a child of an earlier round, or of a parent that went on: its round does not match
#: Why     one update a parent a batch, however many of its children ended in it
COUNT = Statement(
    "children.count",
    update(instances)
    .where(
        instances.c.id == _ended.c.parent_id,
        instances.c.status == AWAITING_CHILDREN,
        instances.c.round == _ended.c.round,
    )
    .values(
        status=case((_released, RUNNABLE), else_=instances.c.status),
        children_pending=case((_released, literal_column("0")), else_=_left),
        children_done=_done,
        eligible_at=case((_released, NOW), else_=instances.c.eligible_at),
        deadline=case((_released, null()), else_=instances.c.deadline),
        updated_at=NOW,
    )
    .returning(instances.c.queue, instances.c.status),
)

_parent = bindparam("parent", type_=BigInteger)

#: A page of the children of a parent, in order of birth.
#:
#: Index   instances_parent
#: Locks   none
#: Race    a child that ends meanwhile is shown as this statement's snapshot has it
#: Why     paged by id, so that 100,000 children need no memory
CHILDREN = Statement(
    "children.page",
    select(
        instances.c.id,
        instances.c.fsm,
        instances.c.step,
        instances.c.status,
        instances.c.state,
        instances.c.result,
        instances.c.last_error,
        instances.c.parent_round,
    )
    .where(instances.c.parent_id == _parent, instances.c.id > bindparam("after", type_=BigInteger))
    .order_by(instances.c.id)
    .limit(bindparam("up_to", type_=BigInteger)),
)

#: Let children that came from outside, or back to life, join the round that their parent waits for.
#:
#: Index   instances_pkey
#: Locks   the parent is locked already
#: Race    none under that lock
#: Why     the barrier equals the live children of its round at every commit
JOIN_ROUND = Statement(
    "children.join_round",
    update(instances)
    .where(
        instances.c.id == _parent,
        instances.c.status == AWAITING_CHILDREN,
        instances.c.round == bindparam("in_round", type_=Integer),
    )
    .values(
        children_pending=instances.c.children_pending + bindparam("more", type_=Integer),
        children_done=instances.c.children_done - bindparam("undone", type_=Integer),
        updated_at=NOW,
    ),
)

#: How many children of a round still live, and how many are done.
#:
#: Index   instances_parent
#: Locks   none; the parent is locked, so that no child can be counted meanwhile
#: Race    none under that lock
#: Why     a parent that was cancelled while it waited takes up its barrier again
RECOUNT = Statement(
    "children.recount",
    select(
        func.count().filter(~IS_TERMINAL),
        func.count().filter(instances.c.status == literal_column("'done'")),
    ).where(
        and_(
            instances.c.parent_id == _parent,
            instances.c.parent_round == bindparam("in_round", type_=Integer),
        )
    ),
)


def count(conn: Connection, db: Database, barriers: Iterable[str]) -> set[str]:
    """Count ended children; name the queues of the parents that this released."""
    rows = db.rows(conn, COUNT, {"barriers": records(barriers)})
    return {queue for queue, status in rows if status == "runnable"}


def page(conn: Connection, db: Database, parent: int, after: int, limit: int) -> Sequence[Any]:
    """Return up to *limit* children of *parent* with ids above *after*."""
    return db.rows(conn, CHILDREN, {"parent": parent, "after": after, "up_to": limit})


def join_round(
    conn: Connection, db: Database, parent: int, in_round: int, more: int, undone: int = 0
) -> None:
    """Raise the barrier of *parent* by *more* children, if it is parked on that round.

    *undone* of them had counted as done, and do so no longer.
    """
    parameters = {"parent": parent, "in_round": in_round, "more": more, "undone": undone}
    db.run(conn, JOIN_ROUND, parameters)


def recount(conn: Connection, db: Database, parent: int, in_round: int) -> tuple[int, int]:
    """Return how many children of the round still live, and how many are done."""
    ((pending, done),) = db.rows(conn, RECOUNT, {"parent": parent, "in_round": in_round})
    return pending, done
