"""Rewind, patch and explain; and limits: what an operator changes, and asks about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, overload

from gendurable.aio.calling import Calling
from gendurable.callers import AsyncCaller
from gendurable.editing import To
from gendurable.engine.explanation import Explanation
from gendurable.engine.limits import StoredLimit
from gendurable.operations import Target
from gendurable.selection import Where
from gendurable.settings import ConcurrencyLimit, RateLimit


class AsyncEditing(Calling):
    """The part of a binding that edits instances and limits by hand."""

    @overload
    async def rewind(
        self,
        target: Target,
        *,
        to: To,
        session: AsyncCaller = None,
        by: str | None = None,
        reason: str | None = None,
    ) -> None: ...

    @overload
    async def rewind(
        self,
        *,
        where: Where,
        to: To,
        session: AsyncCaller = None,
        by: str | None = None,
        reason: str | None = None,
    ) -> int: ...

    async def rewind(
        self,
        target: Target | None = None,
        *,
        to: To,
        where: Where | None = None,
        session: AsyncCaller = None,
        by: str | None = None,
        reason: str | None = None,
    ) -> int | None:
        """Set an instance to a step, from wherever it stands; see ``Durable.rewind``."""
        rewind: Any = self._durable.rewind
        count: int | None = await self._call(
            rewind, session, target, to=to, where=where, by=by, reason=reason
        )
        return count

    async def patch_state(
        self,
        target: Target,
        values: Mapping[str, Any],
        *,
        expect: int | None = None,
        session: AsyncCaller = None,
        by: str | None = None,
        reason: str | None = None,
    ) -> None:
        """Change fields of the state of an instance; see ``Durable.patch_state``."""
        await self._call(
            self._durable.patch_state,
            session,
            target,
            values,
            expect=expect,
            by=by,
            reason=reason,
        )

    async def explain(self, target: Target, *, session: AsyncCaller = None) -> Explanation:
        """Say why an instance is not running; see ``Durable.explain``."""
        return await self._call(self._durable.explain, session, target)

    async def set_limit(
        self,
        name: str,
        limit: ConcurrencyLimit | RateLimit | None,
        *,
        session: AsyncCaller = None,
    ) -> None:
        """Override the limit of *name* on every node; see ``Durable.set_limit``."""
        await self._call(self._durable.set_limit, session, name, limit)

    async def limits(self, *, session: AsyncCaller = None) -> list[StoredLimit]:
        """Return all limits that the database knows; see ``Durable.limits``."""
        return await self._call(self._durable.limits, session)
