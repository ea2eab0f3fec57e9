"""What happens when the process exits in good order: first what waits is written, then it is told.

Threads that tell others would end with the interpreter, in the middle of a word: so the exit waits
for them, but not for a database that does not answer.
"""

from __future__ import annotations

import atexit
import sys
from collections.abc import Iterable
from threading import Event
from time import monotonic
from typing import Any, Protocol
from weakref import WeakSet

#: For how long, in seconds, the news of all bindings together may hold up the exit.
PATIENCE = 1.0


class Writer(Protocol):
    """Has something to write before the process is gone."""

    def close(self) -> None:
        """Write it."""


class Teller(Protocol):
    """Has something to tell before the process is gone."""

    def hasten(self) -> Event | None:
        """Have it told at once; return what is set then, or None if it has nothing to tell."""


#: Whoever writes at exit, and whoever tells of that and of what was written before.
writers: WeakSet[Writer] = WeakSet()
tellers: WeakSet[Teller] = WeakSet()


def wait_for(told: Iterable[Event | None], patience: float = PATIENCE) -> bool:
    """Wait until all is *told*; False if that takes longer than *patience* seconds."""
    end = monotonic() + patience
    return all(event.wait(max(0.0, end - monotonic())) for event in told if event is not None)


def heed_child() -> None:
    """Say it in a child of multiprocessing, too, which ends without what is registered for exits.

    Whoever begins to have something to write or to tell calls this.
    """
    util: Any = sys.modules.get("multiprocessing.util")
    if util is not None and sys.modules["multiprocessing.process"].parent_process() is not None:
        util.Finalize(None, say_farewell, exitpriority=1)


def say_farewell() -> None:
    """Write what waits, and have all told of it."""
    for writer in list(writers):
        writer.close()
    wait_for([teller.hasten() for teller in list(tellers)])


atexit.register(say_farewell)
