"""What can be done with instances that exist: wait for them, look at them, move them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, overload

from gendurable.aio.calling import Calling, threads_for
from gendurable.callers import AsyncCaller, working
from gendurable.engine import targets
from gendurable.handle import Settled
from gendurable.operations import Target, as_target, check_wait, find, settled
from gendurable.queries import lookup
from gendurable.retry import Duration
from gendurable.runtime.lookout import Lookout
from gendurable.selection import Where
from gendurable.signals import Signal

if TYPE_CHECKING:
    from gendurable.durable import Durable


class AsyncOperating(Calling):
    """The part of a binding that works on instances which exist."""

    def __init__(self, durable: Durable) -> None:
        super().__init__(durable)
        # In threads of its own: calls that wait for locks delay no look.
        self._lookout = Lookout(self._look, threads_for(durable))

    async def signal(
        self,
        target: Target,
        signal: str | Signal,
        payload: Any = None,
        *,
        dedup_key: str | None = None,
        session: AsyncCaller = None,
    ) -> bool:
        """Put a signal into the inbox of a live instance; see ``Durable.signal``."""
        return await self._call(
            self._durable.signal, session, target, signal, payload, dedup_key=dedup_key
        )

    async def wait(
        self,
        target: Target,
        timeout: Duration | None = None,
        until: Literal["settled", "terminal"] = "settled",
    ) -> Settled:
        """Wait until an instance is parked on signals or has ended; see ``Durable.wait``.

        It holds no thread and no connection: all waits of an event loop look together.
        """
        limit, ends = check_wait(timeout, until)
        goal = as_target(target)
        if isinstance(goal, str):
            goal = int((await self._call(find, None, self._durable, goal)).id)
        bells = self._durable.notifier.bells
        found = await self._lookout.wait(bells, goal, lambda now: now.status in ends, limit)
        if found is None:
            raise targets.no_target(goal)
        return found

    async def instance(self, target: Target, *, session: AsyncCaller = None) -> Any:
        """Return the mapped row of an instance, None without one; see ``Durable.instance``."""
        return await self._call(self._durable.instance, session, target)

    async def reschedule(
        self,
        target: Target,
        *,
        at: datetime | None = None,
        delay: Duration | None = None,
        priority: int | None = None,
        queue: str | None = None,
        session: AsyncCaller = None,
        by: str | None = None,
        reason: str | None = None,
    ) -> None:
        """Change when a live instance runs, its priority or queue; see ``Durable.reschedule``."""
        await self._call(
            self._durable.reschedule,
            session,
            target,
            at=at,
            delay=delay,
            priority=priority,
            queue=queue,
            by=by,
            reason=reason,
        )

    @overload
    async def cancel(
        self,
        target: Target,
        reason: str,
        cascade: bool = False,
        *,
        session: AsyncCaller = None,
        by: str | None = None,
    ) -> bool: ...

    @overload
    async def cancel(
        self,
        *,
        where: Where,
        reason: str,
        cascade: bool = False,
        session: AsyncCaller = None,
        by: str | None = None,
    ) -> int: ...

    async def cancel(
        self,
        target: Target | None = None,
        reason: str | None = None,
        cascade: bool = False,
        *,
        where: Where | None = None,
        session: AsyncCaller = None,
        by: str | None = None,
    ) -> bool | int:
        """End an instance, or all that a condition finds; see ``Durable.cancel``."""
        cancel: Any = self._durable.cancel
        ended: bool | int = await self._call(
            cancel, session, target, reason, cascade, where=where, by=by
        )
        return ended

    @overload
    async def retry(
        self,
        target: Target,
        *,
        session: AsyncCaller = None,
        by: str | None = None,
        reason: str | None = None,
    ) -> None: ...

    @overload
    async def retry(
        self,
        *,
        where: Where,
        session: AsyncCaller = None,
        by: str | None = None,
        reason: str | None = None,
    ) -> int: ...

    async def retry(
        self,
        target: Target | None = None,
        *,
        where: Where | None = None,
        session: AsyncCaller = None,
        by: str | None = None,
        reason: str | None = None,
    ) -> int | None:
        """Put back what failed or was cancelled; see ``Durable.retry``."""
        retry: Any = self._durable.retry
        count: int | None = await self._call(
            retry, session, target, where=where, by=by, reason=reason
        )
        return count

    async def pause(
        self,
        target: Target | None = None,
        *,
        queue: str | None = None,
        where: Where | None = None,
        session: AsyncCaller = None,
        by: str | None = None,
        reason: str | None = None,
    ) -> int:
        """Hold an instance, a queue, or what a condition finds; see ``Durable.pause``."""
        return await self._call(
            self._durable.pause, session, target, queue=queue, where=where, by=by, reason=reason
        )

    async def resume(
        self,
        target: Target | None = None,
        *,
        queue: str | None = None,
        where: Where | None = None,
        session: AsyncCaller = None,
        by: str | None = None,
        reason: str | None = None,
    ) -> int:
        """Let go what ``pause`` holds; see ``Durable.resume``."""
        return await self._call(
            self._durable.resume, session, target, queue=queue, where=where, by=by, reason=reason
        )

    def _look(self, ids: list[int]) -> dict[int, Settled]:
        durable = self._durable
        with working(durable, None, single=True) as work:
            return {one.id: settled(one) for one in lookup.standings(work.conn, durable.db, ids)}
