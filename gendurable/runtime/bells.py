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
        self._bells: dict[int, tuple[Bell, ...]] = {}

    @contextmanager
    def at(self, id: int, bell: Bell) -> Iterator[None]:
        """Have *bell* rung for that instance."""
        with self._lock:
            self._bells[id] = (*self._bells.get(id, ()), bell)
        try:
            yield
        finally:
            with self._lock:
                left = tuple(other for other in self._bells.pop(id, ()) if other is not bell)
                if left:
                    self._bells[id] = left

    def ring(self, ids: Iterable[int]) -> None:
        """Ring the bells of these instances; without any bell this costs next to nothing."""
        if self._bells:
            for id in ids:
                for bell in self._bells.get(id, ()):
                    bell()

    def __len__(self) -> int:
        return sum(map(len, self._bells.values()))
