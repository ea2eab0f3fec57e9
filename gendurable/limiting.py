"""Limits at run time: what is allowed, and changing it on every node at once."""

from __future__ import annotations

from gendurable.callers import Caller, Work, carry_out
from gendurable.engine import limits
from gendurable.engine.limits import StoredLimit
from gendurable.errors import InvalidInput
from gendurable.operations import Operations
from gendurable.settings import ConcurrencyLimit, RateLimit
from gendurable.spawn import check_name


class Limiting(Operations):
    """The limits of a binding, which live in its database."""

    def set_limit(
        self,
        name: str,
        limit: ConcurrencyLimit | RateLimit | None,
        *,
        session: Caller = None,
    ) -> None:
        """Override the limit of *name* on every node, until it is set to None.

        It wins over what bindings declare, also when a worker starts. What executes goes on: after
        a limit was lowered nothing of a key starts until fewer of it execute than are allowed.

        Args:
            name: what keys begin with, without a colon.
            limit: how many may execute, or how many tokens flow; None: what bindings declare.
            session: the caller's transaction.

        Raises:
            InvalidInput: it is no limit, or the name is not acceptable.
        """
        if ":" in check_name(name, "name"):
            raise InvalidInput(f"name={name!r} must have no colon; it names what is before one")
        if limit is not None and not isinstance(limit, ConcurrencyLimit | RateLimit):
            raise InvalidInput(f"limit={limit!r} must be a ConcurrencyLimit, a RateLimit or None")

        def change(work: Work) -> None:
            if limit is None:
                limits.reset(work.conn, self.db, name)
            else:
                limits.override(work.conn, self.db, name, limit)
            work.care.limits = True  # once it is committed: who waits may have room by that

        carry_out(self, session, change)

    def limits(self, *, session: Caller = None) -> list[StoredLimit]:
        """Return all limits that the database knows; an override comes before what it overrides.

        What a binding declares is there once a worker of it has started.
        """
        return carry_out(self, session, lambda work: limits.stored(work.conn, self.db))
