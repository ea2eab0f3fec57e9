"""What a driver of a peer offers, and the commands by which it is told.

A driver runs in a virtual environment of its own, where neither gendurable nor SQLAlchemy need be:
this module and the board use the standard library only, and drivers import their engine late.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from typing import ClassVar

from benchmarks.board import Board

#: How many rows a call or a commit takes where an engine offers that.
BULK = 1_000
WARM_UP = 5


class Driver:
    """One engine. What it does not offer is not overridden, and told as such."""

    #: What pip installs, and the Python that it needs at least.
    packages: ClassVar[tuple[str, ...]] = ()
    python: ClassVar[tuple[int, int]] = (3, 11)
    #: How much of each scenario, so that a run takes some seconds.
    sizes: ClassVar[dict[str, int]] = {}
    #: The SQL that counts what has ended.
    ended: ClassVar[str] = ""
    #: The settings that were found best.
    settings: ClassVar[str] = ""
    #: How long, in seconds, the engine may sleep between two looks at an idle queue.
    poll: ClassVar[float] = 0.01

    def install(self, url: str) -> None:
        """Create the engine's tables."""
        raise NotImplementedError

    def fill(self, url: str, kind: str, size: int) -> None:
        """Enqueue so many units of "noop" or "steps"."""
        raise NotImplementedError

    def work(self, url: str, board: Board) -> None:
        """Be a worker: call ``go`` when ready, and begin when it returns."""
        raise NotImplementedError

    def insert(self, url: str, size: int) -> float:
        """Enqueue one by one, each a commit; return the seconds."""
        raise NotImplementedError

    def insert_all(self, url: str, size: int) -> float:
        """Enqueue a thousand at a time; return the seconds."""
        raise NotImplementedError

    def enqueuer(self, url: str) -> Callable[[int], object]:
        """Return what enqueues a probe for a sample."""
        raise NotImplementedError

    def signaller(
        self, url: str
    ) -> tuple[Callable[[int], object], Callable[[int, object], object]]:
        """Return what starts a machine that parks, and what wakes it."""
        raise NotImplementedError

    def fan(self, url: str, size: int, board: Board) -> float:
        """Fan out and join; return the seconds from before the enqueue until the join has run."""
        raise NotImplementedError


def go() -> None:
    """Say that this process is ready, and wait until it is told to begin."""
    print("ready", flush=True)
    sys.stdin.readline()


def bulks(size: int) -> Iterator[int]:
    """Yield how many go into each call of a thousand."""
    for start in range(0, size, BULK):
        yield min(BULK, size - start)


def timed(work: Callable[[int], object], times: int) -> float:
    """Call *work* so many times; return the seconds."""
    began = time.monotonic()
    for n in range(times):
        work(n)
    return time.monotonic() - began


def obey(driver: Driver) -> None:
    """Do what the command line says, and print the answer as JSON."""
    command, url, *rest = sys.argv[1:]
    answer: object = None
    if command == "work":
        driver.work(url, Board.here())
    elif command == "install":
        driver.install(url)
    elif command == "fill":
        driver.fill(url, rest[0], int(rest[1]))
    elif command in ("insert", "insert-all"):
        answer = getattr(driver, command.replace("-", "_"))(url, int(rest[0]))
    elif command == "start":
        answer = _start(driver, url, int(rest[0]))
    elif command == "signal":
        answer = _signal(driver, url, int(rest[0]))
    elif command == "fan":
        answer = driver.fan(url, int(rest[0]), Board.here())
    print(json.dumps(answer), flush=True)


def _start(driver: Driver, url: str, samples: int) -> list[float]:
    board, enqueue, waits = Board.here(), driver.enqueuer(url), []
    for n in range(samples + WARM_UP):
        began = time.monotonic()
        enqueue(n)
        waits.append(board.ran(n) - began)
        time.sleep(0.01 + driver.poll * (1 + random.random()))
    return waits[WARM_UP:]


def _signal(driver: Driver, url: str, samples: int) -> list[float]:
    board, waits = Board.here(), []
    start, wake = driver.signaller(url)
    for n in range(samples + WARM_UP):
        parked = start(n)
        board.parked(n)
        time.sleep(0.05 + driver.poll * random.random())
        began = time.monotonic()
        wake(n, parked)
        waits.append(board.ran(n) - began)
    return waits[WARM_UP:]
