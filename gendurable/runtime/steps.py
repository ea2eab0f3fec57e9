"""Run claims in slots: synchronous steps on threads, asynchronous ones on one event loop."""

from __future__ import annotations

import logging
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread, current_thread
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from gendurable.engine.nouns import Finished
from gendurable.runtime.slots import Run, Slot, Slots

if TYPE_CHECKING:
    import asyncio

    from gendurable.engine.executor import Executor
    from gendurable.runtime.hands import Hands
    from gendurable.runtime.tasks import Tasks

log = logging.getLogger("gendurable")

#: How many rows of a queue are claimed ahead at most: no more than start within so many seconds.
AHEAD, HORIZON = 800, 0.05
#: How long a row keeps its slot is the average of so many, and nothing is claimed ahead before
#: there were that many.
MEMORY = 16


class Watch(Protocol):
    """Keeps an eye on steps that have a time limit."""

    def begins(self, run: Run, place: Place) -> None:
        """A limited step starts."""

    def ends(self, run: Run) -> bool:
        """A limited step is over; False if its time was over before."""
        ...


class Place:
    """Where a run is: its pool and slot, and the task if it runs on the event loop."""

    __slots__ = ("pool", "slot", "task", "thread")

    def __init__(self, pool: Pool, slot: Slot, task: asyncio.Task[None] | None = None) -> None:
        self.pool = pool
        self.slot = slot
        self.task = task
        self.thread = current_thread()


class Steps:
    """How a worker runs one claim, whichever queue it is from."""

    def __init__(
        self, executor: Executor, hands: Hands, watch: Watch, outcome: Callable[[Finished], None]
    ) -> None:
        self._executor = executor
        self._hands = hands
        self._watch = watch
        self._outcome = outcome

    def take(self, run: Run, place: Place) -> bool:
        """Run *run* in this thread; False if its time was over before it was."""
        if not self._begin(run, place):
            return True
        finished: Finished | BaseException
        try:
            if run.error is None:
                finished = self._executor.run(run.claim)
            else:
                finished = self._executor.recover(run.claim, run.error)
        except BaseException as error:
            finished = error
        return self._end(run, finished)

    async def take_async(self, run: Run, place: Place) -> bool:
        """The same on the event loop."""
        if not self._begin(run, place):
            return True
        finished: Finished | BaseException
        try:
            finished = await self._executor.run_async(run.claim)
        except BaseException as error:
            finished = error
        return self._end(run, finished)

    def _begin(self, run: Run, place: Place) -> bool:
        """Whether to start: what was lost while it waited is somebody else's to run."""
        claim = run.claim
        if self._hands.lost and (claim.id, claim.claim_seq) in self._hands.lost:
            self._hands.drop(claim)
            return False
        if run.limit is not None:
            self._watch.begins(run, place)
        return True

    def _end(self, run: Run, finished: Finished | BaseException) -> bool:
        if run.limit is not None and not self._watch.ends(run):
            self._hands.drop(run.claim)
            return False
        if isinstance(finished, BaseException):
            # What could not even be told as an error of the step counts as a crash.
            log.error("%r ended without an outcome", run.claim, exc_info=finished)
            finished = Finished(run.claim, "crashed", error=finished)
        self._outcome(finished)
        return True


class Pool:
    """One queue in this worker: its slots, their threads, and how long its steps last."""

    def __init__(
        self, queue: str, count: int, steps: Steps, tasks: Tasks, wake: Callable[[], None]
    ) -> None:
        self.queue = queue
        self.slots = Slots(count, self.start)
        #: All slots are taken, so that one that becomes free is news.
        self.hungry = False
        #: A row with a limit waits for a slot, which none that is claimed ahead may take before it:
        #: nothing is claimed until a slot is free, and then it has its turn.
        self.crowded = False
        self._steps = steps
        self._tasks = tasks
        self._wake = wake
        self._pace = 0.0
        self._seen = 0

    @property
    def ahead(self) -> int:
        """How many rows to claim beyond the free slots."""
        if self._seen < MEMORY:
            return 0
        if self.crowded and not self.slots.free:
            return 0
        waiting = len(self.slots.waiting)
        return self._room - waiting if waiting <= self._refill else 0

    @property
    def _room(self) -> int:
        """How many runs may wait for a slot."""
        return min(AHEAD, int(HORIZON * self.slots.count / max(self._pace, 1e-6)))

    @property
    def _refill(self) -> int:
        """How few runs are to wait when more are claimed."""
        return 0 if self.crowded else self._room // 2

    def slow_down(self) -> None:
        """Claim nothing ahead until the average is known again."""
        self._seen = 0

    def start(self, slot: Slot, run: Run) -> bool:
        """Run *run* in *slot*, and after it whatever waits; say if a thread dispatches the next."""
        if run.is_async:
            self.slow_down()
            self._tasks.begin(self, slot, run)
            return False
        if slot.thread is None:
            thread = Thread(
                target=self._serve,
                args=(slot, slot.inbox),
                name=f"{self._tasks.name}-{self.queue}",
                daemon=True,
            )
            thread.start()
            slot.thread = thread
        slot.inbox.put(run)
        return True

    def next(self, slot: Slot) -> Run | None:
        """Pass *slot* to the next run, or lay it down."""
        run = self.slots.next(slot)
        if self.hungry and len(self.slots.waiting) <= self._refill:
            self._wake()
        return run

    def abandon(self, slot: Slot) -> None:
        """Leave the thread of *slot* to itself; the slot goes to whatever waits."""
        slot.inbox, slot.thread = SimpleQueue(), None
        self.release(slot)

    def release(self, slot: Slot) -> None:
        """Pass *slot* on from outside of its thread."""
        run = self.next(slot)
        if run is not None:
            self.slots.begin(slot, run)

    def cancel(self, task: asyncio.Task[None]) -> None:
        """Cancel an asynchronous step; its slot is still to be released."""
        self._tasks.cancel(task)

    def close(self) -> None:
        """Let idle threads end."""
        for slot in self.slots.all:
            slot.inbox.put(None)

    def _serve(self, slot: Slot, inbox: SimpleQueue[Run | None]) -> None:
        place = Place(self, slot)
        while (run := inbox.get()) is not None:
            self.slots.dispatch()
            began = monotonic()
            while run is not None and not run.is_async:
                if not self._steps.take(run, place):
                    return
                run = self.next(slot)
                if run is None or not run.claim.ahead:  # else the row goes on
                    now = monotonic()
                    self._measure(now - began)
                    began = now
            if run is not None:
                self.slots.begin(slot, run)

    def _measure(self, duration: float) -> None:
        self._pace += (duration - self._pace) / min(self._seen + 1, MEMORY)
        self._seen += 1
