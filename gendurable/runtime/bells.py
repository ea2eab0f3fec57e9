"""Bells for those who wait for an instance in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import Lock

#: Called in the thread that has committed; it must neither wait nor raise.
Bell = Callable[[], object]


class Bells:
    """Rings for an instance when this process has committed an outcome of it."""

    def __init__(self) -> None:
        self._lock = Lock()
        # A dict for its order: of many who wait for one instance, each may leave at any time.
        self._bells: dict[int, dict[Bell, None]] = {}

    @contextmanager
    def at(self, id: int, bell: Bell) -> Iterator[None]:
        """Have *bell* rung for that instance."""
        with self._lock:
            self._bells.setdefault(id, {})[bell] = None
        try:
            yield
        finally:
            with self._lock:
                there = self._bells[id]
                del there[bell]
                if not there:
                    del self._bells[id]

    def ring(self, ids: Iterable[int]) -> None:
        """Ring the bells of these instances; without any bell this costs next to nothing."""
        if self._bells:
            for id in ids:
                for bell in tuple(self._bells.get(id, ())):
                    bell()

    def __len__(self) -> int:
        return sum(map(len, self._bells.values()))
