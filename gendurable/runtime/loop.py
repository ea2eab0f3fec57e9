"""The one loop: a thread that takes turns, sleeps until the next is due or it is woken, and lives.

What a turn does is the caller's ``tick``; it answers with the seconds until the next turn, or with
None to sleep until woken. Whatever a turn raises, the loop waits a little and goes on; when the
database is away, that is said once, however many loops notice it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread, current_thread
from time import monotonic

from gendurable.engine.faults import is_lost, is_transient
from gendurable.retry import jitter

log = logging.getLogger("gendurable")

#: The first and the longest wait, in seconds, after turns that failed.
FIRST, LONGEST = 0.05, 2.0
#: A turn that takes longer, or comes later than this, makes the loop unhealthy.
PATIENCE = 60.0
_DAY = 86_400.0


class Outage:
    """The database is away: the first loop that notices says so, and the last one to recover."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.since: float | None = None
        self._absent: set[str] = set()

    @property
    def seconds(self) -> float | None:
        """For how long the database has been away; None: it is there."""
        since = self.since
        return None if since is None else monotonic() - since

    def begins(self, loop: str, error: BaseException) -> None:
        """Note that *loop* cannot reach the database."""
        if not self._absent:
            self.since = monotonic()
            text = str(error).strip().partition("\n")[0]
            log.warning("%s: the database is away, waiting for it: %s", self.name, text)
        self._absent.add(loop)

    def ends(self, loop: str) -> None:
        """Note that *loop* has reached the database again."""
        self._absent.discard(loop)
        if not self._absent and self.since is not None:
            log.warning(
                "%s: the database is back after %.1f s", self.name, monotonic() - self.since
            )
            self.since = None


@dataclass(frozen=True, slots=True)
class Pulse:
    """How a loop is: alive or not, how many seconds late, and what its last turn raised."""

    name: str
    alive: bool
    late: float
    error: str | None

    @property
    def ok(self) -> bool:
        """Whether the loop turns as it should; an error that it is waiting out is no illness."""
        return self.alive and self.late < PATIENCE


class Daemon:
    """A thread that takes turns: ``tick`` says what one turn does and when the next is due."""

    def __init__(
        self,
        name: str,
        tick: Callable[[], float | None],
        *,
        outage: Outage | None = None,
        close: Callable[[], object] | None = None,
    ) -> None:
        self.name = name
        self._tick = tick
        self._close = close
        self._outage = outage or Outage(name)
        self._bell: SimpleQueue[None] = SimpleQueue()
        self._rung = False
        self._stopping = False
        self._failures = 0
        self._error: str | None = None
        self._due = monotonic()
        self._thread: Thread | None = None

    def start(self) -> None:
        """Start the thread; it never keeps the process from exiting."""
        self._due = monotonic()
        self._thread = Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Let the next turn come at once; any number of calls before it cost one turn."""
        if not self._rung:
            self._rung = True
            self._bell.put(None)

    def stop(self) -> None:
        """Let the present turn be the last one."""
        self._stopping = True
        self._bell.put(None)

    def join(self, timeout: float | None = None) -> bool:
        """Wait until the thread has ended; False if it has not within *timeout* seconds."""
        thread = self._thread
        if thread is None or thread is current_thread():
            return True
        thread.join(timeout)
        return not thread.is_alive()

    @property
    def pulse(self) -> Pulse:
        """How the loop is at this moment."""
        alive = self._thread is not None and self._thread.is_alive()
        return Pulse(self.name, alive, max(0.0, monotonic() - self._due), self._error)

    def turn(self) -> float | None:
        """Take one turn, whatever it raises; return the seconds until the next one."""
        while not self._bell.empty():
            self._bell.get()
        self._rung = False
        self._due = monotonic()
        try:
            wait = self._tick()
        except BaseException as error:
            return self._failed(error)
        if self._failures:
            self._failures, self._error = 0, None
            self._outage.ends(self.name)
        return wait

    def _run(self) -> None:
        while not self._stopping:
            wait = self.turn()
            self._sleep(_DAY if wait is None else wait, deaf=self._failures > 0)
        if self._close is not None:
            self._close()

    def _sleep(self, wait: float, *, deaf: bool) -> None:
        """Sleep until the next turn is due or the bell rings; deaf, until it is due or ``stop``."""
        self._due = monotonic() + wait
        while not self._stopping and (left := self._due - monotonic()) > 0:
            try:
                self._bell.get(timeout=left)
            except Empty:
                return
            if not deaf:
                return

    def _failed(self, error: BaseException) -> float:
        self._failures += 1
        self._error = f"{type(error).__name__}: {error}"
        if is_lost(error):
            self._outage.begins(self.name, error)
        elif not is_transient(error) and self._failures == 1:
            log.error("%s: a turn failed, the loop goes on", self.name, exc_info=error)
        longest: float = min(LONGEST, FIRST * 2 ** min(self._failures - 1, 10))
        return jitter(longest, longest / 2)
