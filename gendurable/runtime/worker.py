"""A worker: starts its crew, waits until it is told to leave, and drains."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from threading import Lock, Thread, current_thread, main_thread
from types import FrameType, TracebackType
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from gendurable import events, migrations
from gendurable.engine import limits
from gendurable.engine.faults import is_lost
from gendurable.runtime.binding import queues_used
from gendurable.runtime.crew import Crew
from gendurable.runtime.garbage import seldom_collected
from gendurable.runtime.health import Health, HealthServer

if TYPE_CHECKING:
    from gendurable.runtime.binding import Binding
    from gendurable.settings import WorkerSettings

log = logging.getLogger("gendurable")

#: The longest time, in seconds, that a signal goes unheeded.
HEED = 0.25
SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Worker:
    """Runs the steps of some queues of a binding in this process, until it is stopped.

    ``run`` blocks and obeys SIGTERM and SIGINT; ``start`` and ``stop``, or a ``with`` block, leave
    the thread to the caller.
    """

    _crew: Crew | None
    _server: HealthServer | None

    def __init__(self, binding: Binding, settings: WorkerSettings) -> None:
        self._binding = binding
        self._settings = settings
        self._exhausted = False
        self._forked()

    def __enter__(self) -> Worker:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def name(self) -> str:
        """``host:pid:random``; another one at each start, and in a forked child."""
        if self._pid != os.getpid():
            self._forked()
        return self._name

    @property
    def health(self) -> Health:
        """How the worker is at this moment."""
        crew = self._crew if self._pid == os.getpid() else None
        if crew is None:
            return Health(False, self.name, False, 0, 0, None, ())
        return Health(
            ok=not self._exhausted and all(pulse.ok for pulse in crew.pulses),
            worker=self._name,
            draining=crew.hands.draining,
            held=len(crew.hands.held),
            abandoned=crew.overtime.abandoned,
            away=crew.outage.seconds,
            loops=crew.pulses,
        )

    def start(self) -> None:
        """Start working, on threads that never keep the process from exiting."""
        name = self.name
        self._check_schema()
        with self._lock:
            if self._crew is not None:
                raise RuntimeError(f"worker {name} runs already")
            self._exhausted = False
            if self._settings.health_port is not None:
                self._server = HealthServer(
                    lambda: self.health, self._settings.health_host, self._settings.health_port
                )
            self._crew = Crew(self._binding, self._settings, name, self._wear_out)
            self._crew.start()
        log.info("worker %s serves %s", name, dict(self._settings.queues))
        self._warn_of_queues()

    def _warn_of_queues(self) -> None:
        """Say into which of the served queues nothing of this binding comes by itself."""
        used = queues_used(self._binding)
        unused = self._settings.queues.keys() - used
        if used and used.isdisjoint(self._settings.queues):
            log.warning(
                "worker %s serves no queue that a machine of this binding uses: they use %s;"
                " start it with -q %s=10, or queues={...}",
                self._name,
                ", ".join(sorted(used)),
                min(used),
            )
        elif used and unused:
            log.warning(
                "worker %s serves %s, which no machine of this binding uses: they use %s; only"
                " what is put there with queue= runs there",
                self._name,
                ", ".join(sorted(unused)),
                ", ".join(sorted(used)),
            )

    def stop(self) -> None:
        """Drain: running steps have ``drain_timeout`` to end, whatever is left goes back."""
        name = self.name
        with self._lock:
            crew = self._crew
            if crew is None:
                return
            self._tell("begin")
            crew.drain(self._binding.settings.drain_timeout)
            crew.stop()
            if self._server is not None:
                self._server.close()
            self._tell("end")
            self._renew()
        log.info("worker %s has ended", name)

    def run(self) -> int:
        """Work until SIGTERM, SIGINT or ``leave``; return the process's exit status.

        Signal handlers are installed in the main thread only, for as long as this runs; there
        Python's garbage collector looks less often, too.
        """
        with self._handlers():
            self.start()
            self._running = True
            try:
                with seldom_collected():
                    reason = self._told_to_leave()
                log.info("worker %s drains: %s", self.name, reason)
            finally:
                self._running = False
                self.stop()
        return 1 if self._exhausted else 0

    def _told_to_leave(self) -> str:
        """Wait until somebody says that the worker is to leave, and return why.

        The wait is cut into pieces: Python runs a signal's handler when its main thread next does
        something, and a signal that comes just before a wait for a lock, or on another thread,
        does not end that wait.
        """
        while True:
            try:
                return self._leave.get(timeout=HEED)
            except Empty:
                continue

    def leave(self, reason: str = "asked to leave") -> None:
        """Have the worker drained, without waiting for it; from any thread."""
        self._leave.put(reason)
        if not self._running and self._crew is not None:
            Thread(target=self.stop, name="gendurable-drain", daemon=True).start()

    def _check_schema(self) -> None:
        """Refuse a schema that is missing or too old, and write down the limits of the binding.

        A database that is away is waited for.
        """
        try:
            with self._binding.engine.begin() as conn:
                migrations.check(conn, self._binding.settings.schema)
                limits.declare(conn, self._binding.db, self._binding.settings)
            self._binding.identity()  # or a step would be the first to ask
        except SQLAlchemyError as error:
            if not is_lost(error):
                raise

    def _forked(self) -> None:
        """Begin anew in this process; what the parent's threads held is not ours."""
        self._pid = os.getpid()
        self._lock = Lock()
        self._running = False
        self._renew()

    def _renew(self) -> None:
        """Become a worker that has not started, under a new name."""
        self._name = f"{socket.gethostname()}:{self._pid}:{secrets.token_hex(8)}"
        self._leave: SimpleQueue[str] = SimpleQueue()
        self._signals = 0
        self._crew = None
        self._server = None

    def _tell(self, phase: str) -> None:
        events.emit(events.worker_drain, self._binding.name, phase=phase, worker=self._name)

    def _wear_out(self) -> None:
        """As many threads are lost to steps without end as there are slots."""
        self._exhausted = True
        log.error("worker %s has no thread left that would come back; it ends", self.name)
        self.leave("no thread left")

    @contextmanager
    def _handlers(self) -> Iterator[None]:
        if current_thread() is not main_thread():
            yield
            return
        former = {number: signal.signal(number, self._signalled) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        """Drain at the first signal, end at once at the second; a queue may be fed in a handler."""
        self._signals += 1
        if self._signals > 1:
            os._exit(128 + number)
        self._leave.put(signal.Signals(number).name)
