"""Rewind, patch and explain: what an operator does to one instance, and asks about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, overload

from sqlalchemy import inspect

from gendurable.callers import Caller, Work, carry_out, me, refuse_own, working
from gendurable.engine import edits, explain
from gendurable.engine.explanation import Explanation
from gendurable.errors import InvalidInput
from gendurable.models import Transition
from gendurable.operating import Operating
from gendurable.operations import Target, as_target
from gendurable.selection import Where, one_by_one, refuse_both
from gendurable.spawn import check_note

if TYPE_CHECKING:
    from gendurable.registry import Catalogue
    from gendurable.settings import Settings

#: Where to rewind to: a step, bound or not, its name, or an entry of the history or its id.
To = str | int | Transition | Callable[..., Any]


class Editing(Operating):
    """The part of a binding that edits instances by hand, and says why one does not run."""

    catalogue: Catalogue
    settings: Settings
    Transition: Any

    @overload
    def rewind(
        self,
        target: Target,
        *,
        to: To,
        session: Caller = None,
        by: str | None = None,
        reason: str | None = None,
    ) -> None: ...

    @overload
    def rewind(
        self,
        *,
        where: Where,
        to: To,
        session: Caller = None,
        by: str | None = None,
        reason: str | None = None,
    ) -> int: ...

    def rewind(
        self,
        target: Target | None = None,
        *,
        to: To,
        where: Where | None = None,
        session: Caller = None,
        by: str | None = None,
        reason: str | None = None,
    ) -> int | None:
        """Set an instance to a step, from wherever it stands; one that has ended lives again.

        It is due at once, with ``attempt`` and ``crashes`` 0 and a new ``ctx.idempotency_key``. A
        worker that executes it loses it. Children that still run go on, and count for nothing.
        With *where* it sets all that the condition finds to a step and returns how many those
        were; those that do not have it, or whose key was taken, stay as they are, and are logged.

        Args:
            target: which instance.
            to: a step (``Order.ship``), its name, or an entry of the history that holds a state
                (a ``Transition``, or its id): then it gets that state too, and stands where it
                stood before that entry.
            where: a condition on ``gd.Instance``, instead of a target.
            session: the caller's transaction. After its commit the database session of a step
                that has lost its row is ended, so that nobody waits for its locks.
            by: who does it, for the history.
            reason: why, likewise.

        Raises:
            NoTarget: it is not there.
            InvalidInput: *to* is no step of it, no entry of its history, or one without a state;
                or it is the instance whose step is running here.
            DuplicateInstance: its correlation key has been taken since it ended.
        """
        to = _checked(to, self.Transition)
        by, reason = check_note(by, "by"), check_note(reason, "reason")

        def set_to(work: Work, goal: int | str) -> None:
            queue = edits.rewind(
                work.conn,
                self.db,
                goal,
                to,
                care=work.care,
                catalogue=self.catalogue,
                by=by,
                reason=reason,
                me=me(self),
            )
            work.queues.add(queue)

        refuse_both(target=target, where=where)
        if where is not None:
            if isinstance(to, int):
                raise InvalidInput(f"to={to}: an entry belongs to one instance; name a step")
            return one_by_one(self, where, session, "rewind", set_to)
        goal = as_target(target)
        refuse_own(self, goal, "rewind")
        carry_out(self, session, lambda work: set_to(work, goal))
        return None

    def patch_state(
        self,
        target: Target,
        values: Mapping[str, Any],
        *,
        expect: int | None = None,
        session: Caller = None,
        by: str | None = None,
        reason: str | None = None,
    ) -> None:
        """Change fields of the state of an instance; it stands where it stood, at a new visit.

        A worker that executes it loses it, and the step runs again with the new state. An instance
        that was set aside because its state did not load is looked at again.

        Args:
            target: which instance; one that has ended may be patched before it is put back.
            values: the fields that change, as Python or JSON has them.
            expect: the ``visit`` that you have seen; it is refused if it went on since.
            session: the caller's transaction; see ``rewind``.
            by: who does it, for the history.
            reason: why, likewise.

        Raises:
            NoTarget: it is not there.
            InvalidInput: its class refuses the state (the message names the field), it went on
                since *expect*, or it is the instance whose step is running here.
        """
        _check_patch(values, expect)
        by, reason = check_note(by, "by"), check_note(reason, "reason")
        goal = as_target(target)
        refuse_own(self, goal, "patch the state of")

        def change(work: Work) -> None:
            work.queues |= edits.patch(
                work.conn,
                self.db,
                goal,
                values,
                care=work.care,
                expect=expect,
                catalogue=self.catalogue,
                max_size=self.settings.max_size,
                by=by,
                reason=reason,
                me=me(self),
            )

        carry_out(self, session, change)

    def explain(self, target: Target, *, session: Caller = None) -> Explanation:
        """Say why an instance is not running, from what the tables hold now.

        Raises:
            NoTarget: it is not visible.
        """
        goal = as_target(target)
        with working(self, session) as work:
            return explain.explain(work.conn, self.db, goal, self.settings, self.catalogue)


def _checked(to: Any, kind: type[Any]) -> str | int | Callable[..., Any]:
    """Return where to rewind to; an entry of the history, which is of *kind*, as its id."""
    if isinstance(to, kind):
        identity = inspect(to).identity
        if identity is None:
            raise InvalidInput(f"to={to!r} is not stored; pass an entry that you have read")
        return int(identity[0])
    if isinstance(to, bool) or not (isinstance(to, (str, int)) or callable(to)):
        raise InvalidInput(
            f"to={to!r} must be a step, its name, or an entry of the history or its id"
        )
    if isinstance(to, int) and not 0 < to < 2**63:
        raise InvalidInput(f"to={to!r} is no id of an entry; ids are positive")
    step: str | int | Callable[..., Any] = to
    return step


def _check_patch(values: object, expect: object) -> None:
    """Refuse what is no patch, or no number of a visit."""
    if not isinstance(values, Mapping) or not values:
        raise InvalidInput(f"values={values!r} must be a dict of the fields that change")
    if expect is not None and type(expect) is not int:
        raise InvalidInput(f"expect={expect!r} must be the visit of the instance, an integer")
