"""Several worker processes: started, started again when they end, and told to stop together.

Each child tells its worker's name over a socket before it claims anything, so that the rows of one
that was seen to end go back at once. The child sees the other end of that socket close when the
supervisor is gone, however it went, and drains.
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
import socket
import subprocess
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Thread
from time import monotonic
from types import FrameType

log = logging.getLogger("gendurable")

#: Names the file descriptor of the socket in a child's environment.
DESCRIPTOR = "GENDURABLE_SUPERVISOR"
#: A child that lived for less, in seconds, is started again after a growing wait.
STEADY = 10.0
FIRST, LONGEST = 0.2, 30.0
#: How long, in seconds, the supervisor sleeps when nothing happens.
SLEEP = 1.0


@dataclass
class Child:
    """One place for a worker process, and the process that is in it."""

    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    line: socket.socket | None = None
    said: bytes = b""
    started: float = 0.0
    failures: int = 0
    told: int = 0
    due: float = field(default_factory=monotonic)

    @property
    def worker(self) -> str | None:
        """The name that the child's worker told."""
        name, newline, _ = self.said.partition(b"\n")
        return name.decode() if newline else None

    def listen(self) -> None:
        """Take in what the child has said so far."""
        if self.line is not None:
            with suppress(BlockingIOError, ConnectionError):
                while words := self.line.recv(4096):
                    self.said += words


class Supervisor:
    """Keeps one worker process running for each command, until it is told to stop.

    *bury* frees the rows of the worker of that name, which is dead.
    """

    def __init__(self, commands: Iterable[Sequence[str]], bury: Callable[[str], object]) -> None:
        self._bury = bury
        self._children = [Child(command) for command in commands]
        self._unburied: list[str] = []
        self._asked = 0
        self._failed = False

    def run(self) -> int:
        """Run until SIGTERM or SIGINT and the end of all children; return the exit status."""
        woken, waker = socket.socketpair()
        woken.setblocking(False)
        waker.setblocking(False)
        former = signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        handlers = {
            number: signal.signal(number, handler)
            for number, handler in (
                (signal.SIGTERM, self._stop),
                (signal.SIGINT, self._stop),
                (signal.SIGCHLD, _nothing),
            )
        }
        try:
            with woken, waker:
                while self._turn():
                    self._sleep(woken)
        finally:
            signal.set_wakeup_fd(former)
            for number, handler in handlers.items():
                signal.signal(number, handler)
        return 1 if self._failed else 0

    def _turn(self) -> bool:
        """Look after the children; False once all is over."""
        for child in self._children:
            if child.process is not None and child.process.poll() is not None:
                self._ended(child, child.process.returncode)
            if child.process is None and not self._asked and child.due <= monotonic():
                self._start(child)
            if child.process is not None and child.told < self._asked:
                child.told = self._asked
                child.process.send_signal(signal.SIGTERM if self._asked == 1 else signal.SIGKILL)
        self._bury_all()
        return not self._asked or any(child.process for child in self._children)

    def _sleep(self, woken: socket.socket) -> None:
        """Sleep until a signal comes, a child says its name, or one is to be started."""
        due = min((c.due for c in self._children if c.process is None), default=monotonic() + SLEEP)
        with selectors.DefaultSelector() as selector:
            selector.register(woken, selectors.EVENT_READ)
            selector.select(max(0.0, min(SLEEP, due - monotonic())))
        with suppress(BlockingIOError):
            woken.recv(4096)

    def _start(self, child: Child) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            child.process = subprocess.Popen(
                child.command,
                env={**os.environ, DESCRIPTOR: str(theirs.fileno())},
                pass_fds=[theirs.fileno()],
                process_group=0,  # the terminal's Ctrl-C is the supervisor's to pass on
            )
        child.line, child.said, child.started = ours, b"", monotonic()

    def _ended(self, child: Child, status: int) -> None:
        """See a child off: its rows go back, and another takes its place in a while."""
        child.listen()
        if child.line is not None:
            child.line.close()
        pid = child.process.pid if child.process else 0
        child.process = child.line = None
        if child.worker is not None:
            self._unburied.append(child.worker)
        if self._asked:
            # SIGTERM ends a child by itself as long as that has not begun to work.
            self._failed = self._failed or status not in (0, -signal.SIGTERM)
            return
        steady = monotonic() - child.started > STEADY
        child.failures = 0 if steady else child.failures + 1
        wait = 0.0 if steady else min(LONGEST, FIRST * 2 ** min(child.failures - 1, 10))
        child.due = monotonic() + wait
        log.warning("worker process %d ended with status %d, next in %.1f s", pid, status, wait)

    def _bury_all(self) -> None:
        """Free the rows of workers seen dead; when the database is away, at a later turn."""
        while self._unburied:
            try:
                self._bury(self._unburied[0])
            except Exception as error:
                log.warning("the rows of %s wait to be freed: %s", self._unburied[0], error)
                return
            self._unburied.pop(0)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._asked += 1


def report(name: str, orphaned: Callable[[], object]) -> None:
    """Tell the supervisor, if there is one, the worker's name; call *orphaned* when it is gone."""
    descriptor = os.environ.pop(DESCRIPTOR, None)
    if descriptor is None:
        return
    line = socket.socket(fileno=int(descriptor))
    os.set_inheritable(line.fileno(), False)
    with suppress(OSError):  # it is gone already, as the watch below will see
        line.sendall(name.encode() + b"\n")

    def watch() -> None:
        with suppress(OSError):
            while line.recv(4096):
                pass
        orphaned()

    Thread(target=watch, name="gendurable-supervised", daemon=True).start()


def _nothing(number: int, frame: FrameType | None) -> None:
    """Only the wakeup matters: a child has ended."""
