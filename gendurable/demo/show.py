"""The show: two workers as processes, one of which is killed now and then, and the count."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO

from sqlalchemy import func, insert, select, text

from gendurable.demo import COINS, PURSES, SCHEMA, Base, Market, Purse, durable, engine
from gendurable.lifecycle import Status

WORKERS = 2
WORKER = ("-m", "gendurable.cli", "worker", "gendurable.demo:durable", "-q", "demo=8")

#: How often one looks, how long one waits between two kills, and how long without any progress.
LOOK, PAUSE, PATIENCE = 0.05, 0.8, 60.0


@dataclass(frozen=True)
class Result:
    """What there was in the end."""

    kills: int
    repeated: int
    coins: int


class Stuck(Exception):
    """The show cannot go on."""


def prepare() -> int:
    """Make the tables anew, fill the purses, and return how many coins there are."""
    with engine.begin() as conn:
        conn.execute(text(f'DROP SCHEMA IF EXISTS "{SCHEMA}" CASCADE'))
    durable.create_schema()
    Base.metadata.create_all(engine)
    with engine.begin() as conn:
        conn.execute(insert(Purse), [{"id": n, "coins": COINS} for n in range(PURSES)])
    return PURSES * COINS


def play(transfers: int, kills: int, tell: Callable[[str], object]) -> Result:
    """Run the transfers, kill workers meanwhile, and count.

    Raises:
        Stuck: a worker ended by itself, or nothing has gone on for a minute.
    """
    durable.insert(Market(transfers=transfers))
    begun = time.monotonic()
    with ExitStack() as stack:
        logs = [stack.enter_context(tempfile.TemporaryFile("w+")) for _ in range(WORKERS)]
        crew = [_Worker(log) for log in logs]
        for one in crew:
            stack.callback(one.stop)
        killed, last = 0, begun - PAUSE
        for done in _progress(crew):
            seconds = time.monotonic() - begun
            ready = done and killed < kills and time.monotonic() > last + PAUSE
            if ready and (held := _kill(crew)):
                killed, last = killed + 1, time.monotonic()
                tell(
                    f"{seconds:4.1f} s  {done:5,} steps are committed;"
                    f" kill -9 for a worker, steps in hand: {held}"
                )
        tell(f"{time.monotonic() - begun:4.1f} s  {2 * transfers:5,} steps are committed")
    with engine.connect() as conn:
        coins = conn.scalar(select(func.sum(Purse.coins))) or 0
        crashed = durable.Transition.kind == "crashed"
        repeated = conn.scalar(select(func.count()).where(crashed)) or 0
    return Result(killed, repeated, coins)


class _Worker:
    """A worker in a process of its own, replaced when it was killed."""

    def __init__(self, log: IO[str]) -> None:
        self._log = log
        self._start()

    def _start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *WORKER], stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log
        )

    def stop(self) -> None:
        """Ask it to end."""
        self.process.terminate()
        self.process.wait()

    def check(self) -> None:
        """Complain if it ended by itself."""
        if self.process.poll() is not None:
            self._log.seek(0)
            words = self._log.read().strip().rpartition("\n")[2]
            raise Stuck(f"a worker ended with status {self.process.returncode}: {words}")

    def kill(self) -> None:
        """Kill it without mercy, and start another one."""
        self.process.kill()
        self.process.wait()
        self._start()

    def holds(self) -> int:
        """Return how many steps it executes."""
        rows = durable.Instance
        mine = rows.locked_by.contains(f":{self.process.pid}:")
        with engine.connect() as conn:
            return conn.scalar(select(func.count()).where(rows.status == "executing", mine)) or 0


def _kill(crew: list[_Worker]) -> int:
    """Kill the worker with the most steps in hand; return how many, 0 if none has any."""
    most, victim = max(((one.holds(), n) for n, one in enumerate(crew)))
    if most:
        crew[victim].kill()
    return most


def _progress(crew: list[_Worker]) -> Iterator[int]:
    """Look again and again, and yield how many steps are committed, until the market closes."""
    rows = durable.Instance
    steps = select(
        func.count().filter(rows.step == "give") + func.count().filter(rows.status == "done")
    ).where(rows.fsm == "demo.Transfer")
    market = select(rows.status).where(rows.fsm == "demo.Market")
    seen, moved = -1, time.monotonic()
    while True:
        with engine.connect() as conn:
            done, status = conn.scalar(steps) or 0, conn.scalar(market)
        if status == Status.DONE:
            return
        if done != seen:
            seen, moved = done, time.monotonic()
        for one in crew:
            one.check()
        if time.monotonic() > moved + PATIENCE:
            raise Stuck(f"nothing has gone on for {PATIENCE:.0f} s")
        yield done
        time.sleep(LOOK)
