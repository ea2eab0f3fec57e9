"""What can be done with instances that exist: wait for them, look at them, move them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from sqlalchemy.orm import Session, scoped_session

from gendurable.callers import Caller, Work, carry_out, me, refuse_own, working
from gendurable.engine import control, targets
from gendurable.errors import InvalidInput
from gendurable.handle import AsyncHandle, Handle, Inserted, Settled
from gendurable.lifecycle import TERMINAL, Status
from gendurable.queries import lookup
from gendurable.retry import Duration, seconds
from gendurable.runtime.waiter import wait
from gendurable.spawn import Key, check_aware, check_name, check_note, check_priority, key_text

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from gendurable.queries.statement import Database
    from gendurable.runtime.notifier import Notifier

#: What names an instance: its id, its correlation key, or the handle that its insert gave.
Target: TypeAlias = int | Key | Handle | AsyncHandle


class Operations:
    """The part of a binding that works on instances which exist."""

    engine: Engine
    given: Engine
    single: Engine
    db: Database
    notifier: Notifier
    Instance: Any

    def reschedule(
        self,
        target: Target,
        *,
        at: datetime | None = None,
        delay: Duration | None = None,
        priority: int | None = None,
        queue: str | None = None,
        session: Caller = None,
        by: str | None = None,
        reason: str | None = None,
    ) -> None:
        """Change when a live instance runs (while it waits for its turn), its priority or queue.

        Raises:
            NoTarget: it has ended, or is not there.
            InvalidInput: nothing is to be changed, or a value is not acceptable.
        """
        goal = as_target(target)
        if at is None and delay is None and priority is None and queue is None:
            raise InvalidInput("reschedule: give at=, delay=, priority= or queue=")
        if at is not None:
            check_aware(at)
        if at is not None and delay is not None:
            raise InvalidInput(f"at={at!r} goes without delay=")
        if priority is not None:
            check_priority(priority, "priority")
        if queue is not None:
            check_name(queue, "queue")
        wait_for = None if delay is None else seconds(delay, "delay", InvalidInput)
        by, reason = check_note(by, "by"), check_note(reason, "reason")
        refuse_own(self, goal, "reschedule")

        def change(work: Work) -> None:
            found = control.reschedule(
                work.conn,
                self.db,
                goal,
                care=work.care,
                due=at,
                delay=wait_for,
                queue=queue,
                priority=priority,
                by=by,
                reason=reason,
                me=me(self),
            )
            work.queues.add(found)

        carry_out(self, session, change)

    def wait(
        self,
        target: Target,
        timeout: Duration | None = None,
        until: Literal["settled", "terminal"] = "settled",
    ) -> Settled:
        """Wait until an instance is parked on signals or has ended ("settled"), or has ended.

        After *timeout* (seconds or timedelta; None: no end) it returns how things stand.

        Raises:
            NoTarget: the instance is not visible.
        """
        limit, ends = check_wait(timeout, until)
        id = find(self, as_target(target)).id

        def standing() -> Settled:
            return settled(find(self, id))

        def look() -> Settled | None:
            now = standing()
            return now if now.status in ends else None

        return wait(self.notifier, id, look, limit) or standing()

    def instance(self, target: Target, *, session: Caller = None) -> Any:
        """Return the mapped row of an instance, None if it is not visible.

        In a caller's ``Session`` or ``scoped_session`` it belongs to that session, else it is
        detached.
        """
        goal = as_target(target)
        own = session() if isinstance(session, scoped_session) else session
        if isinstance(own, Session):
            with working(self, own) as work:
                row = lookup.find(work.conn, self.db, goal)
            return None if row is None else own.get(self.Instance, row.id)
        with working(self, own) as work:
            row = lookup.find(work.conn, self.db, goal)
            if row is None:
                return None
            with Session(work.conn, join_transaction_mode="rollback_only") as reader:
                found = reader.get(self.Instance, row.id)
                reader.expunge_all()
                return found


def find(durable: Operations, target: int | str) -> Any:
    """Return the row that *target* names.

    Raises:
        NoTarget: it is not visible.
    """
    with working(durable, None) as work:
        row = lookup.find(work.conn, durable.db, target)
    if row is None:
        raise targets.no_target(target)
    return row


def check_wait(timeout: Duration | None, until: str) -> tuple[float | None, frozenset[Status]]:
    """Return for how many seconds to wait, and for which statuses.

    Raises:
        InvalidInput: it is no duration, or nothing to wait for.
    """
    if until not in ("settled", "terminal"):
        raise InvalidInput(f"until={until!r} must be 'settled' or 'terminal'")
    limit = None if timeout is None else seconds(timeout, "timeout", InvalidInput)
    return limit, TERMINAL if until == "terminal" else TERMINAL | {Status.AWAITING_SIGNAL}


def as_target(target: Target | None) -> int | str:
    """Return *target* as an id or a key; None is neither."""
    if isinstance(target, Inserted):
        return target.id
    if isinstance(target, bool) or not isinstance(target, (int, str, tuple)):
        raise InvalidInput(f"target={target!r} must be an id, a correlation key or a Handle")
    if isinstance(target, int):
        if not 0 < target < 2**63:
            raise InvalidInput(f"target={target!r} is no id; ids are positive")
        return target
    return key_text(target, "target")


def settled(row: Any) -> Settled:
    """Return how the instance of *row* stands."""
    return Settled(Status(row.status), row.result, row.last_error, row.step, row.attempt)
