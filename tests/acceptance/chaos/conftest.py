"""Worker processes that can be killed, and what they leave behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Engine, create_engine, text

import gendurable as gd
from tests.acceptance.chaos import app

#: Forks processes that have imported everything; it has no threads and no connections itself.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.acceptance.chaos.app"])


class Process:
    """A process of the application."""

    def __init__(self, target: Callable[..., object], *arguments: object) -> None:
        self._process = FORKS.Process(target=target, args=arguments)
        self._process.start()

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.is_alive()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    def wait(self, seconds: float = 10) -> int | None:
        """Wait for its end; return its status, None if it is still there."""
        self._process.join(seconds)
        return self._process.exitcode

    def end(self) -> None:
        """Kill it, stopped or not."""
        self._process.kill()
        self._process.join()


class World:
    """A database with the application's tables, and the processes that work in it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.durable = app.bind(url)
        self.engine: Engine = create_engine(url)
        self.processes: list[Process] = []
        with self.engine.begin() as conn:
            for table in app.TABLES:
                conn.execute(text(table))

    def worker(self, **settings: object) -> Process:
        """Start a worker process with these settings."""
        self.processes.append(Process(app.serve, self.url, settings))
        return self.processes[-1]

    def clock(self) -> Process:
        """Start a worker process that has a schedule of every second."""
        self.processes.append(Process(app.clock, self.url))
        return self.processes[-1]

    def sender(self, targets: list[int], numbers: range) -> Process:
        """Start a process that sends these numbers."""
        self.processes.append(Process(app.send, self.url, targets, numbers))
        return self.processes[-1]

    def rows(self, query: str, **parameters: object) -> list[tuple[object, ...]]:
        with self.engine.connect() as conn:
            return [tuple(row) for row in conn.execute(text(query), parameters)]

    def count(self, query: str, **parameters: object) -> int:
        ((count,),) = self.rows(f"SELECT count(*) {query}", **parameters)
        return int(str(count))

    def left(self) -> int:
        """How many instances have not ended."""
        return self.count("FROM gendurable.instances WHERE status <> 'done'")

    def close(self) -> None:
        for process in self.processes:
            process.end()
        self.durable.notifier.close()
        self.durable.engine.dispose()
        self.engine.dispose()


@pytest.fixture
def world_of() -> Iterator[Callable[[str], World]]:
    """Make a world in a migrated database; its processes end with the test."""
    worlds: list[World] = []

    def world_of(url: str) -> World:
        worlds.append(World(url))
        return worlds[-1]

    yield world_of
    for world in worlds:
        world.close()


@pytest.fixture
def world(url: str, world_of: Callable[[str], World]) -> World:
    """A world in a database of the suite's server."""
    return world_of(url)


@pytest.fixture
def durable(world: World) -> gd.Durable:
    """The application's binding, in this process."""
    return world.durable
