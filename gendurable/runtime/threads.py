"""Threads that work for event loops, apart from those of the loops' own executors.

An event loop has a few threads for whatever its application hands to them, names to be resolved
among that. Calls that wait for locks would fill them: then nobody could go on, not even who has to
so that the locks are let go.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextvars import copy_context
from threading import Lock
from typing import TypeVar
from weakref import WeakSet

T = TypeVar("T")


class Threads:
    """As many threads as are needed at once, up to *most*; they work for any event loop."""

    _executor: Executor | None

    def __init__(self, name: str, most: int) -> None:
        self._name = name
        self._most = most
        self._begin()
        _all.add(self)

    async def call(self, work: Callable[[], T]) -> T:
        """Do *work* in a thread, with the context variables of who calls."""
        return await self.begin(copy_context().run, work)

    def begin(self, work: Callable[..., T], *args: object) -> asyncio.Future[T]:
        """Begin *work* in a thread, for the event loop that runs here."""
        return asyncio.get_running_loop().run_in_executor(self._started(), work, *args)

    def _started(self) -> Executor:
        with self._lock:
            if self._executor is None:
                self._executor = ThreadPoolExecutor(self._most, self._name)
            return self._executor

    def _begin(self) -> None:
        """Begin without a thread: in a forked child the parent's are not there."""
        self._lock = Lock()
        self._executor = None


def _in_child() -> None:
    for threads in _all:
        threads._begin()


_all: WeakSet[Threads] = WeakSet()
os.register_at_fork(after_in_child=_in_child)
