"""The event loop of a worker's asynchronous steps."""

from __future__ import annotations

import asyncio
from threading import Lock, Thread, current_thread
from typing import TYPE_CHECKING

from gendurable.runtime.slots import Run, Slot
from gendurable.runtime.steps import Place

if TYPE_CHECKING:
    from gendurable.runtime.steps import Pool, Steps


class Tasks:
    """Runs asynchronous steps on one event loop, on a thread that the first of them starts."""

    def __init__(self, name: str, steps: Steps) -> None:
        self.name = name
        self._steps = steps
        self._lock = Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: Thread | None = None
        self._running: set[asyncio.Task[None]] = set()

    @property
    def here(self) -> bool:
        """Whether this code runs on the event loop, where nobody may wait."""
        return self._thread is current_thread()

    def begin(self, pool: Pool, slot: Slot, run: Run) -> None:
        """Run *run* in *slot* on the event loop."""
        self._started().call_soon_threadsafe(self._begin, pool, slot, run)

    def cancel(self, task: asyncio.Task[None]) -> None:
        """Cancel a task from another thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(task.cancel)

    def close(self) -> None:
        """Cancel what still runs and end the loop."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stop)

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                loop = asyncio.new_event_loop()
                self._thread = Thread(
                    target=self._main, args=(loop,), name=f"{self.name}-async", daemon=True
                )
                self._thread.start()
                self._loop = loop
            return self._loop

    def _main(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        loop.run_forever()
        loop.run_until_complete(asyncio.gather(*self._running, return_exceptions=True))
        loop.close()

    def _stop(self) -> None:
        assert self._loop is not None
        for task in self._running:
            task.cancel()
        self._loop.stop()

    def _begin(self, pool: Pool, slot: Slot, run: Run) -> None:
        assert self._loop is not None
        task = self._loop.create_task(self._serve(pool, slot, run))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _serve(self, pool: Pool, slot: Slot, run: Run | None) -> None:
        place = Place(pool, slot, asyncio.current_task())
        while run is not None and run.is_async:
            if not await self._steps.take_async(run, place):
                return
            run = pool.next(slot)
        if run is not None:
            pool.slots.begin(slot, run)
