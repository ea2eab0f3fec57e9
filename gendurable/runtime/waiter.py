"""Wait until something is true of an instance: told in this process, found by polling elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from math import inf
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from gendurable.runtime.notifier import Notifier

T = TypeVar("T")

#: The first and the longest wait, in seconds, between two looks.
FIRST, LONGEST = 0.005, 0.1
#: By how much one is longer than the one before.
GROWTH = 1.5


def pauses(timeout: float | None) -> Iterator[float]:
    """Yield how long to wait before each next look, until *timeout* seconds have passed."""
    end = inf if timeout is None else monotonic() + timeout
    pause = FIRST
    while (left := end - monotonic()) > 0:
        yield min(pause, left)
        pause = min(pause * GROWTH, LONGEST)


def wait(
    notifier: Notifier, id: int, look: Callable[[], T | None], timeout: float | None
) -> T | None:
    """Return what *look* returns once that is not None; None after *timeout* seconds.

    Each look is to be a short transaction of its own: nothing is held between two of them.
    """
    rung: SimpleQueue[None] = SimpleQueue()

    def bell() -> None:
        rung.put(None)

    with notifier.bells.at(id, bell):
        found = look()
        for pause in pauses(timeout):
            if found is not None:
                return found
            with suppress(Empty):
                rung.get(timeout=pause)
            found = look()
        return found
