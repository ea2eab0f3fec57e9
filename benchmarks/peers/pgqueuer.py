"""pgqueuer: a job queue with claims in batches and buffered completions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from threading import Thread
from typing import Any, ClassVar

from benchmarks.board import Board
from benchmarks.peers.driver import Driver, bulks, go, obey


class Pgqueuer(Driver):
    """One asyncpg connection; a larger batch, or a pool, was slower."""

    packages: ClassVar = ("pgqueuer[asyncpg]", "uvloop")
    ended: ClassVar = "SELECT count(*) FROM pgqueuer_log WHERE status = 'successful'"
    settings: ClassVar = "asyncpg, uvloop, batches of 200"
    sizes: ClassVar = {
        "jobs": 40_000,
        "jobs-2": 40_000,
        "insert": 5_000,
        "insert-all": 50_000,
        "start": 100,
    }

    def install(self, url: str) -> None:
        _run(_with(url, lambda queries: queries.install()))

    def fill(self, url: str, kind: str, size: int) -> None:
        self.insert_all(url, size)

    def work(self, url: str, board: Board) -> None:
        _run(_work(url, board))

    def insert(self, url: str, size: int) -> float:
        return float(_run(_with(url, lambda queries: _insert(queries, size))))

    def insert_all(self, url: str, size: int) -> float:
        return float(_run(_with(url, lambda queries: _insert_all(queries, size))))

    def enqueuer(self, url: str) -> Callable[[int], object]:
        loop = asyncio.new_event_loop()
        Thread(target=loop.run_forever, daemon=True).start()
        queries = asyncio.run_coroutine_threadsafe(_connect(url), loop).result()

        def enqueue(n: int) -> object:
            sent = queries.enqueue("probe", b"%d" % n, 0)
            return asyncio.run_coroutine_threadsafe(sent, loop).result()

        return enqueue


def _run(work: Any) -> Any:
    import uvloop

    return uvloop.run(work)


async def _connect(url: str) -> Any:
    import asyncpg
    from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
    from pgqueuer.queries import Queries

    return Queries(AsyncpgDriver(await asyncpg.connect(url)))


async def _with(url: str, work: Callable[[Any], Any]) -> Any:
    return await work(await _connect(url))


async def _insert(queries: Any, size: int) -> float:
    began = time.monotonic()
    for _ in range(size):
        await queries.enqueue("noop", b"1", 0)
    return time.monotonic() - began


async def _insert_all(queries: Any, size: int) -> float:
    began = time.monotonic()
    for n in bulks(size):
        await queries.enqueue(["noop"] * n, [b"1"] * n, [0] * n)
    return time.monotonic() - began


async def _work(url: str, board: Board) -> None:
    from pgqueuer.qm import QueueManager

    manager = QueueManager(await _connect(url))

    @manager.entrypoint("noop")
    async def noop(job: Any) -> None:
        board.count()

    @manager.entrypoint("probe")
    async def probe(job: Any) -> None:
        board.hit(int(job.payload))

    go()
    await manager.run(batch_size=200)


if __name__ == "__main__":
    obey(Pgqueuer())
