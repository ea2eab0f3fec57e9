"""The slots of a queue: how many of its steps run at once in this worker, and what waits for one.

Nobody takes a lock. A slot is passed from the run that ends to the next one that waits; whoever
finds nothing waiting lays the slot down and then looks once more, and whoever brings work lays it
down first and then looks for a slot, so that the two cannot miss each other.

Work starts one slot, and each slot that starts starts the next while something waits: steps that
last for microseconds are all run by the first thread, which does not let go of Python's lock, and
it would be a waste to wake the others for nothing.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from queue import SimpleQueue
from threading import Lock, Thread

from gendurable.engine.nouns import Claim

log = logging.getLogger("gendurable")


class Run:
    """A claim in the hands of this worker, from claim to outcome."""

    __slots__ = ("_open", "claim", "claimed_at", "deadline", "error", "is_async", "limit")

    def __init__(
        self, claim: Claim, claimed_at: float, *, is_async: bool = False, limit: float | None = None
    ) -> None:
        self.claim = claim
        self.claimed_at = claimed_at
        self.is_async = is_async
        self.limit = limit
        self.deadline = 0.0
        #: What happened to the claim outside its step; then ``handle`` has the word.
        self.error: BaseException | None = None
        self._open = None if limit is None else Lock()

    @classmethod
    def of(cls, claim: Claim, now: float) -> Run:
        """Return the run of a claim that was made *now*, as its step asks for."""
        step = claim.step_spec
        if step is None:
            return cls(claim, now)
        return cls(claim, now, is_async=step.is_async, limit=step.step_timeout)

    def close(self) -> bool:
        """Whether the caller is the first to say that this run, if it is limited, is over."""
        return self._open is None or self._open.acquire(blocking=False)


class Slot:
    """The right to run one step, with the thread that does so if it is a synchronous one."""

    __slots__ = ("inbox", "thread")

    def __init__(self) -> None:
        self.inbox: SimpleQueue[Run | None] = SimpleQueue()
        self.thread: Thread | None = None


class Slots:
    """The slots of one queue and the runs that wait for one."""

    def __init__(self, count: int, start: Callable[[Slot, Run], bool]) -> None:
        self.count = count
        self._start = start
        self.all = tuple(Slot() for _ in range(count))
        self._idle = deque(self.all)
        self.waiting: deque[Run] = deque()

    @property
    def free(self) -> int:
        """How many more runs could start at once."""
        return max(0, len(self._idle) - len(self.waiting))

    @property
    def busy(self) -> int:
        """How many slots are taken."""
        return self.count - len(self._idle)

    def offer(self, runs: Iterable[Run]) -> None:
        """Start *runs* in order, as far as slots are idle; the others wait."""
        self.waiting.extend(runs)
        self.dispatch()

    def insert(self, runs: Sequence[Run], *, here: bool = False) -> None:
        """Start *runs*, or let them wait before all others.

        *Here*, where the caller is about to ask for what is next in its slot, one is left to it.
        """
        self.waiting.extendleft(reversed(runs))
        if not here or len(runs) > 1:
            self.dispatch()

    def next(self, slot: Slot) -> Run | None:
        """Return what is to run next in *slot*; None: nothing waits, and the slot is idle now."""
        try:
            return self.waiting.popleft()
        except IndexError:
            self._idle.append(slot)
            self.dispatch()
            return None

    def begin(self, slot: Slot, run: Run) -> bool:
        """Start *run* in *slot*; say whether nobody else need be started from here.

        Where that cannot be (a process has so many threads, and no more) run and slot both wait:
        a slot that becomes free takes the run, or it goes back as it was.
        """
        try:
            return self._start(slot, run)
        except Exception as error:
            log.error("%r cannot start here now: %s", run.claim, error)
            self.waiting.appendleft(run)
            self._idle.append(slot)
            return True

    def take_back(self, before: float) -> list[Run]:
        """Take out the runs that have waited since *before*; what an error sent here stays.

        They wait in the order of their claims, but for what was inserted before them.
        """
        aged: list[Run] = []
        kept: list[Run] = []
        while self.waiting:
            try:
                run = self.waiting.popleft()
            except IndexError:
                break
            if run.error is None and run.claimed_at <= before:
                aged.append(run)
                continue
            kept.append(run)
            if run.error is None and not run.claim.ahead:
                break
        if kept:
            self.waiting.extendleft(reversed(kept))
            self.dispatch()
        return aged

    def dispatch(self) -> None:
        """Start what waits in an idle slot, if there is one; what starts there does it again."""
        while self.waiting:
            try:
                slot = self._idle.pop()
            except IndexError:
                return
            try:
                run = self.waiting.popleft()
            except IndexError:
                self._idle.append(slot)  # and look again: something may have come meanwhile
            else:
                if self.begin(slot, run):
                    return
