"""procrastinate: a job queue that fetches one job at a time by a stored function."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, ClassVar

from benchmarks.board import Board
from benchmarks.peers.driver import Driver, bulks, go, obey, timed


class Procrastinate(Driver):
    """Async tasks; more concurrency or connections made no difference."""

    packages: ClassVar = ("procrastinate", "uvloop", "psycopg[binary]")
    ended: ClassVar = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'"
    settings: ClassVar = "async tasks, uvloop, concurrency 20, pool of 10, no logging"
    sizes: ClassVar = {
        "jobs": 3_000,
        "jobs-2": 3_000,
        "insert": 3_000,
        "insert-all": 20_000,
        "start": 100,
    }

    def install(self, url: str) -> None:
        with _app(url).open() as app:
            app.schema_manager.apply_schema()

    def fill(self, url: str, kind: str, size: int) -> None:
        self.insert_all(url, size)

    def work(self, url: str, board: Board) -> None:
        import uvloop

        logging.disable(logging.CRITICAL)
        uvloop.run(_work(url, board))

    def insert(self, url: str, size: int) -> float:
        with _app(url).open() as app:
            return timed(lambda n: app.tasks["noop"].defer(i=n), size)

    def insert_all(self, url: str, size: int) -> float:
        with _app(url).open() as app:
            began = time.monotonic()
            for many in bulks(size):
                app.tasks["noop"].batch_defer(*({"i": n} for n in range(many)))
            return time.monotonic() - began

    def enqueuer(self, url: str) -> Callable[[int], object]:
        app = _app(url).open()
        return lambda n: app.tasks["probe"].defer(i=n)


def _app(url: str, board: Board | None = None) -> Any:
    """Return the application: of a worker if there is a board, else of a producer."""
    import procrastinate

    if board is None:
        connector: Any = procrastinate.SyncPsycopgConnector(conninfo=url, min_size=1, max_size=2)
    else:
        connector = procrastinate.PsycopgConnector(conninfo=url, min_size=10, max_size=10)
    app = procrastinate.App(connector=connector)

    @app.task(name="noop")
    async def noop(i: int) -> None:
        assert board is not None
        board.count()

    @app.task(name="probe")
    async def probe(i: int) -> None:
        assert board is not None
        board.hit(i)

    return app


async def _work(url: str, board: Board) -> None:
    async with _app(url, board).open_async() as app:
        go()
        await app.run_worker_async(concurrency=20, install_signal_handlers=False)


if __name__ == "__main__":
    obey(Procrastinate())
