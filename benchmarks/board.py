"""A board in shared memory: worker processes write on it, and whoever measures reads.

So nothing that is measured has to ask the database, and the clock (CLOCK_MONOTONIC) is one for
all processes of the machine. Needs the standard library only: the drivers of peers use it as well.
"""

from __future__ import annotations

import mmap
import os
import struct
import tempfile
import time
from itertools import count
from types import TracebackType

#: Names the file of the board, and which place a process counts at.
PATH, PLACE = "BENCH_BOARD", "BENCH_PLACE"
PLACES = 64
_HEAD = 8 * PLACES


class Board:
    """A counter for each worker process, and two instants for each sample: parked, and ran."""

    def __init__(self, path: str | None = None, samples: int = 0, place: int = 0) -> None:
        self.owned = path is None
        if path is None:
            handle, path = tempfile.mkstemp(prefix="gendurable-board-")
            os.ftruncate(handle, _HEAD + 16 * max(1, samples))
        else:
            handle = os.open(path, os.O_RDWR)
        self.path = path
        self._memory = mmap.mmap(handle, 0)
        os.close(handle)
        self._place = 8 * place
        self._numbers = count(1)

    @classmethod
    def here(cls) -> Board:
        """Return the board that this process was started with."""
        return cls(os.environ[PATH], place=int(os.environ[PLACE]))

    def __enter__(self) -> Board:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._memory.close()
        if self.owned:
            os.unlink(self.path)

    def count(self) -> None:
        """One more unit of work was done in this process."""
        struct.pack_into("<q", self._memory, self._place, next(self._numbers))

    def park(self, sample: int) -> None:
        """Sample *sample* is about to wait."""
        struct.pack_into("<q", self._memory, _HEAD + 16 * sample, time.monotonic_ns())

    def hit(self, sample: int) -> None:
        """Sample *sample* runs now."""
        struct.pack_into("<q", self._memory, _HEAD + 16 * sample + 8, time.monotonic_ns())

    @property
    def total(self) -> int:
        """How many units of work all processes have done."""
        return sum(struct.unpack_from(f"<{PLACES}q", self._memory))

    @property
    def shares(self) -> list[int]:
        """How many units each process has done that did any."""
        return [n for n in struct.unpack_from(f"<{PLACES}q", self._memory) if n]

    def parked(self, sample: int, patience: float = 60) -> float:
        """Wait until *sample* is about to wait; return when that was, in seconds."""
        return self._await(_HEAD + 16 * sample, patience)

    def ran(self, sample: int, patience: float = 60) -> float:
        """Wait until *sample* runs; return when it began, in seconds."""
        return self._await(_HEAD + 16 * sample + 8, patience)

    def _await(self, offset: int, patience: float) -> float:
        end = time.monotonic() + patience
        while not (at := struct.unpack_from("<q", self._memory, offset)[0]):
            if time.monotonic() > end:
                raise TimeoutError(f"nothing happened for {patience} s")
            time.sleep(0.0001)
        return float(at / 1e9)
