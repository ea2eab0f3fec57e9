"""Looking after an installation: does this build fit its rows, is it well, what is going on."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from gendurable.aio.calling import Calling

if TYPE_CHECKING:
    from gendurable.engine.findings import Checked, Upgraded
    from gendurable.engine.numbers import Stats
    from gendurable.engine.slowness import Verdict
    from gendurable.engine.survey import Progress


class AsyncMaintenance(Calling):
    """The part of a binding that looks after all of its rows at once."""

    async def check(self, progress: Progress | None = None) -> Checked:
        """Compare this build with all live rows; see ``Durable.check``.

        *progress* is called on the event loop.
        """
        return await self._call(self._durable.check, None, _on_the_loop(progress))

    async def upgrade_state(self, progress: Progress | None = None) -> Upgraded:
        """Bring idle rows of old versions up to this build; see ``Durable.upgrade_state``.

        *progress* is called on the event loop.
        """
        return await self._call(self._durable.upgrade_state, None, _on_the_loop(progress))

    async def doctor(self) -> tuple[Verdict, ...]:
        """Return a verdict on each invariant of a live database; see ``Durable.doctor``."""
        return await self._call(self._durable.doctor, None)

    async def stats(self) -> Stats:
        """Return how many instances stand where, and the workers; see ``Durable.stats``."""
        return await self._call(self._durable.stats, None)

    async def create_schema(self) -> None:
        """Create the schema, or bring it up to this release; see ``Durable.create_schema``."""
        await self._call(self._durable.create_schema, None)


def _on_the_loop(progress: Progress | None) -> Progress | None:
    if progress is None:
        return None
    loop = asyncio.get_running_loop()

    def tell(done: int, total: int) -> None:
        with suppress(RuntimeError):  # the loop has been closed
            loop.call_soon_threadsafe(progress, done, total)

    return tell
