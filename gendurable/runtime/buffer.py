"""Inserts that nobody waits for: grouped by a background thread, written out at exit."""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import NamedTuple
from weakref import WeakSet

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from gendurable.engine.faults import is_refusal
from gendurable.queries import enqueue
from gendurable.queries.enqueue import Row
from gendurable.queries.statement import Database
from gendurable.runtime import farewell
from gendurable.runtime.loop import Daemon

log = logging.getLogger("gendurable")

#: How many rows wait at most; what comes then is inserted by whoever brings it.
ROOM = 10_000
#: How many rows one statement takes.
BATCH = 1_000


class Entry(NamedTuple):
    """An encoded row, and the queue that has news by it."""

    row: Row
    queue: str


class Buffer:
    """The rows of one binding that are still to be inserted.

    The first goes out at once; what comes while it is being written is the next group.
    """

    daemon: Daemon
    _started: bool

    def __init__(
        self, engine: Engine, db: Database, name: str, announce: Callable[[set[str]], object]
    ) -> None:
        self._engine = engine
        self._db = db
        self._name = name
        self._announce = announce
        self._begin()
        _buffers.add(self)
        farewell.writers.add(self)

    def put(self, entry: Entry) -> bool:
        """Take a row; False if there is no room for it."""
        if len(self._waiting) >= ROOM:
            return False
        self._waiting.append(entry)
        if not self._started:
            with self._lock:
                if not self._started:
                    self.daemon.start()
                    self._started = True
                    farewell.heed_child()
        self.daemon.wake()
        return True

    def flush(self) -> None:
        """Insert whatever waits, in this thread; what the database is away for keeps waiting."""
        self._write()  # after what the background thread has taken, and not yet committed
        while self._waiting:
            self._write()

    def close(self) -> None:
        """End the thread; whatever waits is inserted first, or is told to be lost."""
        try:
            self.flush()
        except Exception:
            log.exception("%d buffered inserts are lost", len(self._waiting))
        if self._started:
            self.daemon.stop()

    def tick(self) -> float | None:
        """Insert one group."""
        self._write()
        return 0.0 if self._waiting else None

    def _write(self) -> None:
        with self._writing:
            group: list[Entry] = []
            while self._waiting and len(group) < BATCH:
                group.append(self._waiting.popleft())
            if not group:
                return
            try:
                self._insert(group)
            except BaseException:
                self._waiting.extendleft(reversed(group))
                raise
            self._announce({entry.queue for entry in group})  # who flushes waits for that, too

    def _insert(self, group: list[Entry]) -> None:
        """Insert *group*; what the database refuses is told, and harms only itself."""
        try:
            with self._engine.begin() as conn:
                enqueue.insert(conn, self._db, [entry.row for entry in group])
        except DBAPIError as error:
            if not is_refusal(error):
                raise
            if len(group) == 1:
                log.error("a buffered insert is refused: %s", error)
                return
            middle = len(group) // 2
            self._insert(group[:middle])
            self._insert(group[middle:])

    def _begin(self) -> None:
        """Begin empty and without a thread: in a forked child what waits is the parent's."""
        self._waiting: deque[Entry] = deque()
        self._lock = Lock()
        self._writing = Lock()
        self._started = False
        self.daemon = Daemon(f"gendurable-{self._name}-buffer", self.tick)


_buffers: WeakSet[Buffer] = WeakSet()


def _in_child() -> None:
    for buffer in list(_buffers):
        buffer._begin()


os.register_at_fork(after_in_child=_in_child)
