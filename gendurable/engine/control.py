"""What a hand may do to an instance, each atomic and safe against the worker that runs it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy.exc import IntegrityError

from gendurable.engine import ending, faults, targets
from gendurable.errors import DuplicateInstance, InvalidInput
from gendurable.lifecycle import LIVE
from gendurable.queries import children, control, enqueue, history, lookup
from gendurable.state import storable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from sqlalchemy import Connection

    from gendurable.engine.aftercare import Aftercare
    from gendurable.queries.statement import Database

T = TypeVar("T")

#: How often a key is tried for whose holder ends just then.
CHANCES = 3


def cancel(
    conn: Connection,
    db: Database,
    target: int | str,
    reason: str,
    *,
    care: Aftercare,
    cascade: bool = False,
    by: str | None = None,
    me: int | None = None,
) -> tuple[list[int], set[str]]:
    """Cancel an instance, with *cascade* its family too; return whom, and the queues woken.

    Level by level: a level is locked and ended before its children are read, so that nothing that
    is born meanwhile escapes.
    """
    if me is not None and cascade:
        seen = lookup.find(conn, db, target)
        if seen is not None and seen.id in targets.ancestors(conn, db, me):
            targets.refuse_self([me], me, "cancel")
    row = targets.locked(conn, db, target)
    return cancel_locked(conn, db, [row.id], reason, care=care, cascade=cascade, by=by, me=me)


def cancel_locked(
    conn: Connection,
    db: Database,
    level: list[int],
    reason: str,
    *,
    care: Aftercare,
    cascade: bool,
    by: str | None,
    me: int | None = None,
) -> tuple[list[int], set[str]]:
    """Cancel instances that are locked, as their parents are; see ``cancel``."""
    reason = storable(reason)
    ids: list[int] = []
    queues: set[str] = set()
    while level:
        targets.refuse_self(level, me, "cancel")
        ended, woken = ending.cancel(conn, db, dict.fromkeys(level, reason))
        queues |= woken
        ids += [one.id for one in ended]
        for one in ended:
            care.moved(one)
        record(conn, db, "cancelled", ended, by, reason)
        level = control.live_children(conn, db, level) if cascade else []
    return ids, queues


def retry(
    conn: Connection,
    db: Database,
    target: int | str,
    *,
    care: Aftercare,
    by: str | None = None,
    reason: str | None = None,
    me: int | None = None,
) -> set[str]:
    """Put a failed or cancelled instance back where it ended; name the queues that have work.

    Raises:
        NoTarget: there is none.
        InvalidInput: it neither failed nor was cancelled.
        DuplicateInstance: its key was taken since.
    """
    row = targets.locked(conn, db, target)
    targets.refuse_self([row.id], me, "retry")
    if row.ended_from is None:
        raise InvalidInput(
            f"instance {row.id} is {row.status}; only failed and cancelled ones can be retried"
        )
    pending, done = 0, 0
    if row.ended_from == "awaiting_children":
        pending, done = children.recount(conn, db, row.id, row.round)
    answer = revived(conn, db, row, lambda: control.retry(conn, db, row.id, pending, done))
    assert answer is not None
    care.taken(row)
    if row.parent_id is not None:
        children.join_round(conn, db, row.parent_id, row.parent_round, 1)
    record(conn, db, "retried", [row], by, reason)
    return {answer[0]} if answer[1] == "runnable" else set()


def revived(conn: Connection, db: Database, row: Any, change: Callable[[], T]) -> T:
    """Make a *change* by which an ended instance lives again, and takes its key back.

    Raises:
        DuplicateInstance: its key was taken since.
    """
    for chance in range(CHANCES):
        try:
            with conn.begin_nested():
                return change()
        except IntegrityError as error:
            if faults.sqlstate(error) != faults.UNIQUE:
                raise
            key = row.correlation_key
            holder = enqueue.holders(conn, db, [key]).get(key)
            if holder is None and chance + 1 < CHANCES:
                continue  # it has ended since
            raise DuplicateInstance(
                f"instance {row.id} cannot be put back: its correlation key {key!r} is held by"
                f" instance {holder}",
                holder,
            ) from error
    raise AssertionError("unreachable")


def reschedule(
    conn: Connection,
    db: Database,
    target: int | str,
    *,
    care: Aftercare,
    due: datetime | None,
    delay: float | None,
    queue: str | None,
    priority: int | None,
    by: str | None = None,
    reason: str | None = None,
    me: int | None = None,
) -> str:
    """Change when, and in which queue and order, a live instance runs; return its queue.

    Raises:
        NoTarget: it has ended, or is not there.
        InvalidInput: a time is given for one that is not waiting for its turn.
    """
    row = targets.locked(conn, db, target)
    targets.refuse_self([row.id], me, "reschedule")
    if row.status in LIVE and row.status != "runnable" and (due is not None or delay is not None):
        raise InvalidInput(
            f"instance {row.id} is {row.status}: at= and delay= are for one that waits for its"
            " turn; priority= and queue= may be changed"
        )
    found = control.reschedule(
        conn, db, row.id, due=due, delay=delay, queue=queue, priority=priority
    )
    if found is None:
        raise targets.ended(row, "rescheduled")
    care.moved(row)
    record(conn, db, "rescheduled", [row], by, reason)
    return found


def adopt(conn: Connection, db: Database, parent: int | str, me: int | None) -> Any:
    """Lock a live *parent* for children that come from outside.

    Raises:
        NoTarget: it has ended, or is not there.
    """
    row = targets.locked(conn, db, parent)
    targets.refuse_self([row.id], me, "schedule children of")
    if row.status not in LIVE:
        raise targets.ended(row, "given children")
    return row


def join_round(conn: Connection, db: Database, parent: Any, count: int) -> None:
    """Let *count* new children of a locked parent join the round that it waits for, if it does."""
    if count:
        children.join_round(conn, db, parent.id, parent.round, count)


def record(
    conn: Connection,
    db: Database,
    kind: str,
    rows: Iterable[Any],
    by: str | None,
    reason: str | None,
) -> None:
    """Write what a hand did into the history."""
    entries = [
        json.dumps(
            {
                "instance_id": row.id,
                "kind": kind,
                "step": row.step,
                "attempt": row.attempt,
                "visit": row.visit,
                "made_by": by,
                "reason": reason,
            }
        )
        for row in rows
    ]
    if entries:
        history.record(conn, db, entries)
