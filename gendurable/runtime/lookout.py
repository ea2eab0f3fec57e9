"""Waits of event loops: however many there are, they look together, and hold no thread meanwhile.

Each wait keeps the pace of ``waiter.wait``. What is due at one time is looked at by one statement,
in a thread; what becomes due meanwhile is the next look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import contextmanager, suppress
from contextvars import Context
from functools import partial
from heapq import heappop, heappush
from itertools import count
from math import inf
from typing import TYPE_CHECKING, Generic, TypeVar
from weakref import WeakKeyDictionary

from gendurable.runtime.waiter import FIRST, GROWTH, LONGEST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gendurable.runtime.bells import Bells
    from gendurable.runtime.threads import Threads

T = TypeVar("T")

#: For how many waits one look is: an event loop does nothing else while it hears of them.
MOST = 1_000


class Lookout(Generic[T]):
    """Waits, on whatever event loop, until something is true of an instance.

    *read* returns how some instances stand, in a short transaction; it lacks who is not there.
    """

    def __init__(self, read: Callable[[list[int]], Mapping[int, T]], threads: Threads) -> None:
        self._read = read
        self._threads = threads
        # Each loop touches nothing but its own entry, so there is nothing to lock.
        self._posts: WeakKeyDictionary[asyncio.AbstractEventLoop, _Post[T]] = WeakKeyDictionary()

    async def wait(
        self, bells: Bells, id: int, ends: Callable[[T], bool], timeout: float | None
    ) -> T | None:
        """Return how an instance stands once *ends* is true of that, or after *timeout* seconds.

        None if it is not there.
        """
        loop = asyncio.get_running_loop()
        post = self._posts.get(loop)
        if post is None:
            post = self._posts[loop] = _Post(self._read, self._threads)
        wait = _Wait(id, ends, loop.create_future())

        def bell() -> None:
            with suppress(RuntimeError):  # the loop has been closed
                loop.call_soon_threadsafe(post.ask, wait)

        with bells.at(id, bell), post.open(wait):
            await asyncio.wait([wait.future], timeout=timeout)
            if not wait.future.done():
                wait.ends = _always
                post.ask(wait)
            return await wait.future


class _Wait(Generic[T]):
    """Somebody who waits: for what, when to look next, and whether a look is asked for."""

    __slots__ = ("asked", "due", "ends", "future", "id", "pause")

    def __init__(
        self, id: int, ends: Callable[[T], bool], future: asyncio.Future[T | None]
    ) -> None:
        self.id = id
        self.ends = ends
        self.future = future
        self.pause = FIRST
        self.due = inf
        self.asked = False

    def tell(self, found: T | None) -> bool:
        """Say how things stand; return whether to look again."""
        if found is not None and not self.ends(found):
            return True
        self.future.set_result(found)
        return False


class _Post(Generic[T]):
    """All waits of one event loop, and its only thread that looks."""

    def __init__(self, read: Callable[[list[int]], Mapping[int, T]], threads: Threads) -> None:
        self._read = read
        self._threads = threads
        self._open = 0
        self._asked: list[_Wait[T]] = []
        #: By when they are due; an entry counts as long as its wait says the same.
        self._later: list[tuple[float, int, _Wait[T]]] = []
        self._order = count()
        self._timer: asyncio.TimerHandle | None = None
        self._looking = False

    @contextmanager
    def open(self, wait: _Wait[T]) -> Iterator[None]:
        """Look for *wait*, and leave nothing of it behind."""
        self._open += 1
        try:
            self.ask(wait)
            yield
        finally:
            wait.future.cancel()
            if not wait.future.cancelled():
                wait.future.exception()  # has been seen, or nobody is there any more to see it
            self._open -= 1
            if not self._open:
                self._asked, self._later = [], []
                self._set_timer(None)

    def ask(self, wait: _Wait[T]) -> None:
        """Look at what *wait* is for as soon as can be."""
        if not wait.asked and not wait.future.done():
            wait.asked, wait.due = True, inf
            self._asked.append(wait)
            self._go()

    def _go(self) -> None:
        """Look, unless somebody does; whatever else this turn of the loop asks for goes along."""
        if not self._looking:
            self._looking = True
            # In a context of its own: it is for many, and may outlive whoever asked first.
            asyncio.get_running_loop().call_soon(self._look, context=Context())

    def _look(self) -> None:
        asked = [wait for wait in self._asked if not wait.future.done()]
        batch, self._asked = asked[:MOST], asked[MOST:]
        for wait in batch:
            wait.asked = False
        loop = asyncio.get_running_loop()
        reading: asyncio.Future[Mapping[int, T]] = loop.create_future()
        if batch:
            try:
                reading = self._threads.begin(self._read, list({one.id for one in batch}))
            except RuntimeError as error:  # the loop is being shut down
                reading.set_exception(error)
        else:
            reading.set_result({})
        reading.add_done_callback(partial(self._landed, batch))

    def _landed(self, batch: list[_Wait[T]], reading: asyncio.Future[Mapping[int, T]]) -> None:
        """Tell those who waited what was found, and look for the others again later."""
        self._looking = False
        error = reading.exception()
        now = asyncio.get_running_loop().time()
        for wait in batch:
            if wait.future.done():
                continue
            if error is not None:
                wait.future.set_exception(error)
            elif wait.tell(reading.result().get(wait.id)) and not wait.asked:
                self._put_off(wait, now)
        if self._asked:
            self._go()
        self._set_timer(self._next_due())

    def _put_off(self, wait: _Wait[T], now: float) -> None:
        due = now + wait.pause
        if wait.pause == LONGEST:  # those who wait for long look at the same time
            due -= due % LONGEST
        wait.due = due
        wait.pause = min(wait.pause * GROWTH, LONGEST)
        heappush(self._later, (due, next(self._order), wait))

    def _next_due(self) -> float | None:
        while self._later:
            due, _, wait = self._later[0]
            if due == wait.due and not wait.future.done():
                return due
            heappop(self._later)
        return None

    def _set_timer(self, due: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if due is not None:
            self._timer = asyncio.get_running_loop().call_at(due, self._turn)

    def _turn(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        for _ in range(MOST):
            due = self._next_due()
            if due is None or due > now:
                break
            self.ask(heappop(self._later)[2])
        self._set_timer(self._next_due())


def _always(found: object) -> bool:
    return True
