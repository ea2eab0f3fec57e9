"""Cancel, retry, pause and resume: on one instance, or on all that a condition finds."""

from __future__ import annotations

from collections.abc import Callable
from typing import overload

from gendurable.callers import Caller, Work, carry_out, me, refuse_own
from gendurable.engine import control, pauses
from gendurable.errors import InvalidInput
from gendurable.operations import Operations, Target, as_target
from gendurable.queries import pauses as queues
from gendurable.selection import Where, in_pages, one_by_one, refuse_both
from gendurable.spawn import check_name, check_note


class Operating(Operations):
    """The part of a binding that ends instances, puts them back and holds them."""

    @overload
    def cancel(
        self,
        target: Target,
        reason: str,
        cascade: bool = False,
        *,
        session: Caller = None,
        by: str | None = None,
    ) -> bool: ...

    @overload
    def cancel(
        self,
        *,
        where: Where,
        reason: str,
        cascade: bool = False,
        session: Caller = None,
        by: str | None = None,
    ) -> int: ...

    def cancel(
        self,
        target: Target | None = None,
        reason: str | None = None,
        cascade: bool = False,
        *,
        where: Where | None = None,
        session: Caller = None,
        by: str | None = None,
    ) -> bool | int:
        """End an instance as ``cancelled``, with *cascade* all its descendants too.

        Returns False if it had ended before. A step that is executing it commits nothing. With
        *where* it ends all live instances that the condition finds, and returns how many ended.

        Raises:
            NoTarget: it is not there.
            InvalidInput: the instance whose step is running here would be cancelled.
        """
        if not isinstance(reason, str):
            raise InvalidInput(
                f'reason={reason!r} must be a text: cancel(target, "why") keeps it with the'
                " instance and in its history"
            )
        by = check_note(by, "by")

        if where is not None:
            refuse_both(target=target, where=where)

            def end_page(work: Work, ids: list[int]) -> int:
                ended, woken = control.cancel_locked(
                    work.conn,
                    self.db,
                    ids,
                    reason,
                    care=work.care,
                    cascade=cascade,
                    by=by,
                    me=me(self),
                )
                work.queues |= woken
                return len(ended)

            return in_pages(self, where, session, "cancel", end_page, cascade=cascade)
        goal = as_target(target)
        refuse_own(self, goal, "cancel")

        def end(work: Work) -> bool:
            ids, woken = control.cancel(
                work.conn,
                self.db,
                goal,
                reason,
                care=work.care,
                cascade=cascade,
                by=by,
                me=me(self),
            )
            work.queues |= woken
            return bool(ids)

        return carry_out(self, session, end)

    @overload
    def retry(
        self,
        target: Target,
        *,
        session: Caller = None,
        by: str | None = None,
        reason: str | None = None,
    ) -> None: ...

    @overload
    def retry(
        self,
        *,
        where: Where,
        session: Caller = None,
        by: str | None = None,
        reason: str | None = None,
    ) -> int: ...

    def retry(
        self,
        target: Target | None = None,
        *,
        where: Where | None = None,
        session: Caller = None,
        by: str | None = None,
        reason: str | None = None,
    ) -> int | None:
        """Put a failed or cancelled instance back at the step in which it ended.

        With *where* it puts back all that the condition finds and returns how many those were;
        those whose key has been taken since stay as they are, and are logged.

        Raises:
            NoTarget: it is not there.
            InvalidInput: it neither failed nor was cancelled.
            DuplicateInstance: its correlation key has been taken since.
        """
        by, reason = check_note(by, "by"), check_note(reason, "reason")

        def put_back(work: Work, goal: int | str) -> None:
            work.queues |= control.retry(
                work.conn, self.db, goal, care=work.care, by=by, reason=reason, me=me(self)
            )

        if where is not None:
            refuse_both(target=target, where=where)
            ended = self.Instance.ended_from.isnot(None)
            return one_by_one(self, where, session, "retry", put_back, also=ended)
        goal = as_target(target)
        refuse_own(self, goal, "retry")
        carry_out(self, session, lambda work: put_back(work, goal))
        return None

    def pause(
        self,
        target: Target | None = None,
        *,
        queue: str | None = None,
        where: Where | None = None,
        session: Caller = None,
        by: str | None = None,
        reason: str | None = None,
    ) -> int:
        """Hold a live instance, a whole queue, or all live instances that a condition finds.

        A step that is running ends as ever; then nothing starts until somebody resumes, but for
        what a worker has claimed ahead, for a tenth of a second. Signals are stored and deadlines
        pass meanwhile. A queue is held with all that comes into it later.
        Returns how many were not held before: 0 or 1, with *where* any number.

        Raises:
            NoTarget: it has ended, or is not there.
            InvalidInput: not exactly one of *target*, *queue* and *where* is given, or it is the
                instance whose step is running here.
        """
        by, reason = check_note(by, "by"), check_note(reason, "reason")

        def hold(work: Work, ids: list[int]) -> int:
            return pauses.pause(work.conn, self.db, ids, by, reason, care=work.care)

        def hold_queue(work: Work, name: str) -> int:
            return pauses.pause_queue(work.conn, self.db, name, by, reason, care=work.care)

        return self._hold("pause", target, queue, where, session, hold, hold_queue)

    def resume(
        self,
        target: Target | None = None,
        *,
        queue: str | None = None,
        where: Where | None = None,
        session: Caller = None,
        by: str | None = None,
        reason: str | None = None,
    ) -> int:
        """Let go what ``pause`` holds; what is due starts at once.

        A queue and its instances are held apart from each other: to resume the one does not resume
        the other. Returns how many were held.

        Raises:
            NoTarget: it is not there.
            InvalidInput: as ``pause``.
        """
        by, reason = check_note(by, "by"), check_note(reason, "reason")

        def let_go(work: Work, ids: list[int]) -> int:
            count, woken = pauses.resume(work.conn, self.db, ids, by, reason)
            work.queues |= woken
            return count

        def let_queue_go(work: Work, name: str) -> int:
            work.queues.add(name)
            return queues.resume_queue(work.conn, self.db, name, by, reason)

        return self._hold("resume", target, queue, where, session, let_go, let_queue_go)

    def _hold(
        self,
        what: str,
        target: Target | None,
        queue: str | None,
        where: Where | None,
        session: Caller,
        change: Callable[[Work, list[int]], int],
        change_queue: Callable[[Work, str], int],
    ) -> int:
        refuse_both(target=target, queue=queue, where=where)
        if queue is not None:
            name = check_name(queue, "queue")
            return int(carry_out(self, session, lambda work: change_queue(work, name)))
        if where is not None:
            return in_pages(self, where, session, what, change)
        goal = as_target(target)
        refuse_own(self, goal, what)

        def one(work: Work) -> int:
            ids = pauses.lock_one(work.conn, self.db, goal, me(self), what)
            return change(work, ids)

        return carry_out(self, session, one)
