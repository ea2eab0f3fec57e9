"""Oban for Python: a job queue with claims in batches and acknowledgements written together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from threading import Thread
from typing import Any, ClassVar

from benchmarks.board import Board
from benchmarks.peers.driver import Driver, bulks, go, obey


class Oban(Driver):
    """A queue of a hundred at once."""

    packages: ClassVar = ("oban", "uvloop", "psycopg[binary]")
    python: ClassVar = (3, 12)
    ended: ClassVar = "SELECT count(*) FROM oban_jobs WHERE state = 'completed'"
    settings: ClassVar = "async workers, uvloop, limit 100, pool of 4"
    sizes: ClassVar = {
        "jobs": 8_000,
        "jobs-2": 10_000,
        "insert": 4_000,
        "insert-all": 10_000,
        "start": 100,
    }

    def install(self, url: str) -> None:
        import psycopg
        from oban.schema import install_sql

        with psycopg.connect(url) as conn:
            conn.execute(install_sql())

    def fill(self, url: str, kind: str, size: int) -> None:
        self.insert_all(url, size)

    def work(self, url: str, board: Board) -> None:
        _run(_work(url, board))

    def insert(self, url: str, size: int) -> float:
        return float(_run(_insert(url, size)))

    def insert_all(self, url: str, size: int) -> float:
        return float(_run(_insert_all(url, size)))

    def enqueuer(self, url: str) -> Callable[[int], object]:
        loop = asyncio.new_event_loop()
        Thread(target=loop.run_forever, daemon=True).start()
        oban = asyncio.run_coroutine_threadsafe(_producer(url), loop).result()
        _, probe = _workers(None)

        def enqueue(n: int) -> object:
            sent = oban.enqueue(probe.new({"i": n}))
            return asyncio.run_coroutine_threadsafe(sent, loop).result()

        return enqueue


def _run(work: Any) -> Any:
    import uvloop

    return uvloop.run(work)


def _workers(board: Board | None) -> tuple[Any, Any]:
    from oban import worker

    @worker(queue="bench")
    class Noop:
        async def process(self, job: Any) -> None:
            assert board is not None
            board.count()

    @worker(queue="bench")
    class Probe:
        async def process(self, job: Any) -> None:
            assert board is not None
            board.hit(job.args["i"])

    return Noop, Probe


async def _pool(url: str, size: int) -> Any:
    from psycopg_pool import AsyncConnectionPool

    pool = AsyncConnectionPool(conninfo=url, min_size=size, max_size=size, open=False)
    await pool.open()
    await pool.wait()
    return pool


async def _producer(url: str) -> Any:
    from oban import Oban

    return Oban(pool=await _pool(url, 1))


async def _insert(url: str, size: int) -> float:
    oban = await _producer(url)
    noop, _ = _workers(None)
    began = time.monotonic()
    for n in range(size):
        await oban.enqueue(noop.new({"i": n}))
    return time.monotonic() - began


async def _insert_all(url: str, size: int) -> float:
    oban = await _producer(url)
    noop, _ = _workers(None)
    began = time.monotonic()
    for many in bulks(size):
        await oban.enqueue_many([noop.new({"i": n}) for n in range(many)])
    return time.monotonic() - began


async def _work(url: str, board: Board) -> None:
    from oban import Oban

    _workers(board)
    oban = Oban(pool=await _pool(url, 4), queues={"bench": 100}, node=f"bench-{id(board)}")
    go()
    async with oban:
        await asyncio.Event().wait()


if __name__ == "__main__":
    obey(Oban())
