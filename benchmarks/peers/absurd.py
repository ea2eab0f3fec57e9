"""Absurd: durable tasks by stored procedures, whose workers poll; its tool brings the schema."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from typing import Any, ClassVar

from benchmarks.board import Board
from benchmarks.peers.driver import Driver, bulks, go, obey, timed

POLL, BATCH, WORKERS = 0.02, 50, 8
STEPS = 5


class Absurd(Driver):
    """Eight workers in a process, each with its connection: jobs of one worker share one."""

    packages: ClassVar = ("absurd-sdk", "absurdctl", "psycopg[binary]", "uvloop")
    ended: ClassVar = "SELECT count(*) FROM absurd.t_bench WHERE state = 'completed'"
    settings: ClassVar = "sync, 8 workers a process, batches of 50, polled every 20 ms"
    poll: ClassVar = POLL
    sizes: ClassVar = {
        "jobs": 6_000,
        "jobs-2": 6_000,
        "steps": 5_000,
        "rows": 5_000,
        "insert": 4_000,
        "insert-all": 8_000,
        "start": 100,
        "signal": 100,
        "fan": 1_000,
    }

    def install(self, url: str) -> None:
        import psycopg
        from absurdctl import BUNDLED_SCHEMA_SQL

        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute(BUNDLED_SCHEMA_SQL)
            for queue in ("bench", "child"):
                conn.execute("SELECT absurd.create_queue(%s)", (queue,))

    def fill(self, url: str, kind: str, size: int) -> None:
        _spawn(url, kind, size)

    def work(self, url: str, board: Board) -> None:
        kind = os.environ.get("BENCH_KIND", "")
        if kind == "few":
            asyncio.run(_family(url, board))
            return
        # One alone for latencies: eight that poll would be in each other's way.
        apps = [_app(url, board) for _ in range(1 if kind == "one" else WORKERS)]
        go()
        for n, app in enumerate(apps):
            name = f"w{os.environ.get('BENCH_PLACE')}.{n}"
            options = {"worker_id": name, "concurrency": 1, "batch_size": BATCH}
            threading.Thread(
                target=app.start_worker, kwargs={**options, "poll_interval": POLL}, daemon=True
            ).start()
        threading.Event().wait()

    def insert(self, url: str, size: int) -> float:
        app = _client(url)
        return timed(lambda n: app.spawn("noop", n, queue="bench"), size)

    def insert_all(self, url: str, size: int) -> float:
        return _spawn(url, "noop", size)

    def enqueuer(self, url: str) -> Callable[[int], object]:
        app = _client(url)
        return lambda n: app.spawn("probe", n, queue="bench")

    def signaller(
        self, url: str
    ) -> tuple[Callable[[int], object], Callable[[int, object], object]]:
        app = _client(url)
        return (
            lambda n: app.spawn("parked", n, queue="bench"),
            lambda n, _: app.emit_event(f"go:{n}", n, queue_name="bench"),
        )

    def fan(self, url: str, size: int, board: Board) -> float:
        began = time.monotonic()
        _client(url).spawn("fan", size, queue="bench")
        return board.ran(0, 300) - began


def _client(connection: Any) -> Any:
    from absurd_sdk import Absurd as Client

    return Client(connection, queue_name="bench")


def _spawn(url: str, task: str, size: int) -> float:
    """Spawn tasks a thousand a commit: there is no call for many."""
    import psycopg

    began = time.monotonic()
    with psycopg.connect(url) as conn:
        app = _client(conn)
        for many in bulks(size):
            for n in range(many):
                app.spawn(task, n, queue="bench")
            conn.commit()
    return time.monotonic() - began


def _app(url: str, board: Board) -> Any:
    app = _client(url)

    @app.register_task("noop")
    def noop(n: int, ctx: Any) -> None:
        board.count()

    @app.register_task("steps")
    def steps(n: int, ctx: Any) -> None:
        for one in range(STEPS):
            ctx.step(f"step{one}", lambda: n)
        board.count()

    @app.register_task("probe")
    def probe(n: int, ctx: Any) -> None:
        board.hit(n)

    @app.register_task("parked")
    def parked(n: int, ctx: Any) -> None:
        board.park(n)
        ctx.await_event(f"go:{n}")
        board.hit(n)

    return app


async def _family(url: str, board: Board) -> None:
    """One worker for the parent, others for its children: those must be in another queue."""
    from absurd_sdk import AsyncAbsurd

    parent = AsyncAbsurd(url, queue_name="bench")

    @parent.register_task("fan")
    async def fan(width: int, ctx: Any) -> int:
        async def spread() -> list[str]:
            return [
                str((await parent.spawn("leaf", n, queue="child"))["task_id"]) for n in range(width)
            ]

        ids = await ctx.step("spread", spread)
        total = 0
        for n, id in enumerate(ids):
            end = await ctx.await_task_result(id, queue_name="child", step_name=f"join{n}")
            total += end.result
        board.hit(0)
        return total

    workers = [AsyncAbsurd(url, queue_name="child") for _ in range(WORKERS)]
    for app in workers:

        @app.register_task("leaf")
        async def leaf(n: int, ctx: Any) -> int:
            return n

    for app in (parent, *workers):
        await app._ensure_connected()
    go()
    many = {"batch_size": BATCH, "concurrency": BATCH, "poll_interval": POLL}
    await asyncio.gather(
        parent.start_worker(batch_size=1, concurrency=1, poll_interval=POLL),
        *(app.start_worker(**many) for app in workers),
    )


if __name__ == "__main__":
    obey(Absurd())
