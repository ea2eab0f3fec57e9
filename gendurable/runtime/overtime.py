"""Step timeouts: whoever runs longer than its limit loses its claim and its slot.

The claim is exchanged for a new one first, so that whatever the old execution still returns is
stale. A thread cannot be stopped: it is left to itself and another takes its place. A worker that
has left as many threads to themselves as it has slots is of no use any more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import inf
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING

from gendurable.errors import StepTimeout
from gendurable.runtime.loop import Daemon, Outage
from gendurable.runtime.slots import Run
from gendurable.runtime.steps import Place

if TYPE_CHECKING:
    from gendurable.engine.nouns import Claim

#: Exchanges a claim for a new one, in the worker's hands and in the database; None: it was lost.
Exchange = Callable[["Claim"], "Claim | None"]


class Overtime:
    """Watches the steps of one worker that have a time limit."""

    def __init__(
        self, exchange: Exchange, exhausted: Callable[[], object], slots: int, outage: Outage
    ) -> None:
        self._exchange = exchange
        self._exhausted = exhausted
        self._slots = slots
        self._running: dict[Run, Place] = {}
        self._over: deque[tuple[Run, Place]] = deque()
        self._threads: list[Thread] = []
        self._next = inf
        self.daemon = Daemon(f"{outage.name}-overtime", self.tick, outage=outage)

    @property
    def abandoned(self) -> int:
        """How many threads were left to themselves and have not come back."""
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        return len(self._threads)

    def begins(self, run: Run, place: Place) -> None:
        """Watch *run* from now on."""
        assert run.limit is not None
        run.deadline = monotonic() + run.limit
        self._running[run] = place
        if run.deadline < self._next:
            self.daemon.wake()

    def ends(self, run: Run) -> bool:
        """Let go of *run*; False if its time was over first, and nobody wants its outcome."""
        self._running.pop(run, None)
        return run.close()

    def tick(self) -> float | None:
        """Take claim and slot from those whose time is over."""
        self._next = inf  # a step that begins during this turn asks for another
        now = monotonic()
        for run, place in list(self._running.items()):
            if run.deadline <= now and run.close():
                self._running.pop(run, None)
                self._over.append((run, place))
        self._end_all()
        self._next = min((run.deadline for run in list(self._running)), default=inf)
        return None if self._next == inf else self._next - monotonic()

    def _end_all(self) -> None:
        """Take claim and slot from all whose time is over; whoever is held comes again."""
        failure: Exception | None = None
        for _ in range(len(self._over)):
            run, place = self._over.popleft()
            try:
                self._end(run, place)
            except Exception as error:
                self._over.append((run, place))
                failure = error
        if failure is not None:
            raise failure

    def _end(self, run: Run, place: Place) -> None:
        claim = self._exchange(run.claim)
        if claim is not None:
            again = Run(claim, monotonic())
            again.error = StepTimeout(f"{claim.fsm}.{claim.step} ran longer than {run.limit} s")
            place.pool.slots.insert([again])
        if place.task is not None:
            place.pool.cancel(place.task)
            place.pool.release(place.slot)
            return
        self._threads.append(place.thread)
        place.pool.abandon(place.slot)
        if self.abandoned >= self._slots:
            self._exhausted()
