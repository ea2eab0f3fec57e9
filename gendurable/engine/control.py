"""What a hand may do to an instance, each atomic and safe against the worker that runs it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import IntegrityError

from gendurable.engine import current, ending
from gendurable.errors import DuplicateInstance, InvalidInput, NoTarget
from gendurable.lifecycle import LIVE, Status
from gendurable.queries import children, control, enqueue, lookup, outcomes
from gendurable.state import storable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy import Connection

    from gendurable.engine.aftercare import Aftercare
    from gendurable.queries.statement import Database


def no_target(target: int | str) -> NoTarget:
    """Return the error for a target that is not there."""
    what = f"instance {target}" if isinstance(target, int) else f"instance with key {target!r}"
    return NoTarget(
        f"no live {what} is visible here; it may have ended, or the transaction that inserts it"
        " may not have committed"
    )


def locked(conn: Connection, db: Database, target: int | str) -> Any:
    """Lock the instance that *target* names, after its parent, and return it as it is then.

    Raises:
        NoTarget: there is none.
        InvalidInput: this would wait for the session of the step that runs here.
    """
    for _ in range(3):  # a key may pass to another instance while its holder is waited for
        seen = lookup.find(conn, db, target)
        if seen is None:
            break
        refuse_to_wait(conn, db, [seen.parent_id])
        outcomes.lock(conn, db, {seen.id, seen.parent_id or seen.id}, wait=True)
        row = lookup.find(conn, db, target)
        if row is not None and row.id == seen.id:
            return row
    raise no_target(target)


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
        if seen is not None and seen.id in ancestors(conn, db, me):
            refuse_self([me], me, "cancel")
    row = locked(conn, db, target)
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
        refuse_self(level, me, "cancel")
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
    row = locked(conn, db, target)
    refuse_self([row.id], me, "retry")
    if row.ended_from is None:
        raise InvalidInput(
            f"instance {row.id} is {row.status}; only failed and cancelled ones can be retried"
        )
    pending, done = 0, 0
    if row.ended_from == "awaiting_children":
        pending, done = children.recount(conn, db, row.id, row.round)
    try:
        with conn.begin_nested():
            answer = control.retry(conn, db, row.id, pending, done)
    except IntegrityError as error:
        raise duplicate(conn, db, row) from error
    assert answer is not None
    if row.ended_from == Status.EXECUTING:
        care.taken(row)  # it was cancelled, and its step may not have ended since
    if row.parent_id is not None:
        children.join_round(conn, db, row.parent_id, row.parent_round, 1)
    record(conn, db, "retried", [row], by, reason)
    return {answer[0]} if answer[1] == "runnable" else set()


def duplicate(conn: Connection, db: Database, row: Any) -> DuplicateInstance:
    """Return the error for an ended instance whose key was taken since."""
    holder = enqueue.holders(conn, db, [row.correlation_key]).get(row.correlation_key)
    return DuplicateInstance(
        f"instance {row.id} cannot be put back: its correlation key {row.correlation_key!r} is"
        f" held by instance {holder}",
        holder,
    )


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
    row = locked(conn, db, target)
    refuse_self([row.id], me, "reschedule")
    if row.status in LIVE and row.status != "runnable" and (due is not None or delay is not None):
        raise InvalidInput(
            f"instance {row.id} is {row.status}: at= and delay= are for one that waits for its"
            " turn; priority= and queue= may be changed"
        )
    found = control.reschedule(
        conn, db, row.id, due=due, delay=delay, queue=queue, priority=priority
    )
    if found is None:
        raise no_target(target)
    care.moved(row)
    record(conn, db, "rescheduled", [row], by, reason)
    return found


def adopt(conn: Connection, db: Database, parent: int | str, me: int | None) -> Any:
    """Lock a live *parent* for children that come from outside.

    Raises:
        NoTarget: it has ended, or is not there.
    """
    row = locked(conn, db, parent)
    refuse_self([row.id], me, "schedule children of")
    if row.status not in LIVE:
        raise no_target(parent)
    return row


def join_round(conn: Connection, db: Database, parent: Any, count: int) -> None:
    """Let *count* new children of a locked parent join the round that it waits for, if it does."""
    if count:
        children.join_round(conn, db, parent.id, parent.round, count)


def refuse_self(ids: Iterable[int], me: int | None, what: str) -> None:
    """Refuse what a step does to its own instance."""
    if me is not None and me in ids:
        raise InvalidInput(f"a step cannot {what} its own instance {me}; return an outcome instead")


def refuse_to_wait(conn: Connection, db: Database, parents: Iterable[int | None]) -> None:
    """Refuse what a step does to its own children beside its session, which may hold their parent.

    Raises:
        InvalidInput: the step would wait for itself, for ever.
    """
    scope = current.step()
    if scope is None or not scope.used or scope.works_on(conn) or scope.claim.id not in parents:
        return
    here, there = scope.durable, conn.engine.url
    if here.db.schema == db.schema and here.engine.url == there:
        raise InvalidInput(
            f"this concerns children of instance {scope.claim.id}, whose step has worked in its"
            " session: give session=ctx.session, or this call would wait for that session for ever"
        )


def ancestors(conn: Connection, db: Database, me: int) -> set[int]:
    """Return *me*, its parent, that one's parent and so on: whoever's cascade would reach *me*."""
    found: set[int] = set()
    one: Any = lookup.find(conn, db, me)
    while one is not None:
        found.add(one.id)
        one = None if one.parent_id is None else lookup.find(conn, db, one.parent_id)
    return found


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
        outcomes.record(conn, db, entries)
