"""Things that happen at a time: a clock, a heap, and a few threads to carry them out."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


class Timeline:
    """Runs what it is told to run, when it is told to; ``wait`` returns when nothing is left."""

    def __init__(self, threads: int = 12) -> None:
        self._ready = threading.Condition()
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._open = 0  # scheduled or running
        self._pool = ThreadPoolExecutor(threads, "timeline")
        self._closed = False
        self.errors: list[BaseException] = []
        threading.Thread(target=self._turn, name="timeline", daemon=True).start()

    def after(self, delay: float, deed: Callable[[], None]) -> None:
        """Do *deed* in *delay* seconds."""
        with self._ready:
            heapq.heappush(self._heap, (time.monotonic() + delay, next(self._order), deed))
            self._open += 1
            self._ready.notify_all()

    def is_over(self) -> bool:
        """Tell whether nothing is scheduled and nothing runs."""
        with self._ready:
            return self._open == 0

    def close(self) -> None:
        """Forget what is still scheduled."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _turn(self) -> None:
        while True:
            with self._ready:
                while not self._closed and (wait := self._next_in()) != 0:
                    self._ready.wait(wait)
                if self._closed:
                    return
                deed = heapq.heappop(self._heap)[2]
            self._pool.submit(self._do, deed)

    def _next_in(self) -> float | None:
        """Seconds until the next deed is due; None: there is none."""
        return max(0.0, self._heap[0][0] - time.monotonic()) if self._heap else None

    def _do(self, deed: Callable[[], None]) -> None:
        try:
            deed()
        except BaseException as error:
            self.errors.append(error)
        finally:
            with self._ready:
                self._open -= 1
