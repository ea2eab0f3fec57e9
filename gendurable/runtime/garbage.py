"""Python's garbage collector in a process that does nothing but work."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread

#: How many objects a worker allocates, beyond those that it frees, between two looks of the
#: collector.
ALLOCATIONS = 10_000


@contextmanager
def seldom_collected() -> Iterator[None]:
    """In the main thread, let the collector look seldom, and not at what is there already.

    Claims live for a batch. Python's default is to look for cycles among them several times before
    they are gone, which takes a twentieth of the time of jobs that do nothing. Who has set it to
    look less often, or never, is left alone.
    """
    before = gc.get_threshold()
    if current_thread() is not main_thread() or not 0 < before[0] < ALLOCATIONS:
        yield
        return
    ours = gc.get_freeze_count() == 0  # what the host has frozen stays so
    if ours:
        gc.freeze()
    gc.set_threshold(ALLOCATIONS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        if ours:
            gc.unfreeze()
