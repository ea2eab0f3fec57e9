"""Schedules, changed and triggered at run time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gendurable.aio.calling import Calling, handle_of
from gendurable.callers import AsyncCaller
from gendurable.handle import AsyncHandle
from gendurable.outcomes import KEEP, Keep
from gendurable.schedules import Missed, Overlap, ScheduleStatus
from gendurable.spawn import Key

if TYPE_CHECKING:
    from gendurable.fsm import FSM


class AsyncScheduling(Calling):
    """The part of a binding that inserts instances by the clock."""

    async def schedule(
        self,
        name: str,
        obj: FSM,
        *,
        cron: str,
        timezone: str = "UTC",
        missed: Missed = "latest",
        overlap: Overlap = "allow",
        queue: str | None = None,
        priority: int = 0,
        concurrency_key: Key | None = None,
        rate_limit: Key | None = None,
        weight: int = 1,
        headers: dict[str, Any] | None = None,
    ) -> None:
        """Declare that *obj* is inserted at each occurrence of *cron*; see ``Durable.schedule``."""
        self._durable.schedule(  # which touches no database, so it blocks nothing
            name,
            obj,
            cron=cron,
            timezone=timezone,
            missed=missed,
            overlap=overlap,
            queue=queue,
            priority=priority,
            concurrency_key=concurrency_key,
            rate_limit=rate_limit,
            weight=weight,
            headers=headers,
        )

    async def unschedule(self, name: str, *, session: AsyncCaller = None) -> bool:
        """Remove a schedule for good; see ``Durable.unschedule``."""
        return await self._call(self._durable.unschedule, session, name)

    async def pause_schedule(self, name: str, *, session: AsyncCaller = None) -> None:
        """Keep a schedule from firing until it is resumed; see ``Durable.pause_schedule``."""
        await self._call(self._durable.pause_schedule, session, name)

    async def resume_schedule(self, name: str, *, session: AsyncCaller = None) -> None:
        """Let a schedule fire again; see ``Durable.resume_schedule``."""
        await self._call(self._durable.resume_schedule, session, name)

    async def edit_schedule(
        self,
        name: str,
        *,
        cron: str | Keep | None = KEEP,
        timezone: str | Keep | None = KEEP,
        session: AsyncCaller = None,
    ) -> None:
        """Override when a schedule fires; see ``Durable.edit_schedule``."""
        await self._call(self._durable.edit_schedule, session, name, cron=cron, timezone=timezone)

    async def trigger(self, name: str, *, session: AsyncCaller = None) -> AsyncHandle:
        """Insert an instance of a schedule now; see ``Durable.trigger``."""
        return handle_of(await self._call(self._durable.trigger, session, name))

    async def schedules(self, *, session: AsyncCaller = None) -> list[ScheduleStatus]:
        """Return the schedules that are stored, by name; see ``Durable.schedules``."""
        return await self._call(self._durable.schedules, session)
