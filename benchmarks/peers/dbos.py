"""DBOS: durable workflows whose steps are recorded one by one, on queues that are polled."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any, ClassVar

from benchmarks.board import Board
from benchmarks.peers.driver import Driver, bulks, go, obey, timed

VERSION = "bench"
POLL = 0.02
STEPS = 5


class Dbos(Driver):
    """Sync workflows; without a limit one claim takes all rows, which is best for plain jobs."""

    packages: ClassVar = ("dbos", "psycopg[binary]")
    ended: ClassVar = "SELECT count(*) FROM dbos.workflow_status WHERE status = 'SUCCESS'"
    settings: ClassVar = "sync workflows, polled every 20 ms, 8 threads, pool of 8"
    poll: ClassVar = POLL
    sizes: ClassVar = {
        "jobs": 5_000,
        "jobs-2": 5_000,
        "steps": 2_500,
        "rows": 2_500,
        "insert": 2_000,
        "insert-all": 5_000,
        "start": 100,
        "signal": 100,
        "fan": 1_000,
    }

    def install(self, url: str) -> None:
        from dbos import DBOS

        DBOS(config=_config(url))
        DBOS.launch()
        DBOS.destroy()

    def fill(self, url: str, kind: str, size: int) -> None:
        client = _client(url)
        for many in bulks(size):
            with client._sys_db.engine.begin() as conn:
                for n in range(many):
                    client.enqueue_in_transaction(conn, _named(kind), n)

    def work(self, url: str, board: Board) -> None:
        limits = {"steps": 500, "many": 500, "few": 100}
        _work(url, board, limits.get(os.environ.get("BENCH_KIND", "")))

    def insert(self, url: str, size: int) -> float:
        client = _client(url)
        return timed(lambda n: client.enqueue(_named("noop"), n), size)

    def insert_all(self, url: str, size: int) -> float:
        began = time.monotonic()
        self.fill(url, "noop", size)
        return time.monotonic() - began

    def enqueuer(self, url: str) -> Callable[[int], object]:
        client = _client(url)
        return lambda n: client.enqueue(_named("probe"), n)

    def signaller(
        self, url: str
    ) -> tuple[Callable[[int], object], Callable[[int, object], object]]:
        client = _client(url)
        return (
            lambda n: client.enqueue(_named("parked"), n).get_workflow_id(),
            lambda n, id: client.send(id, n, "go"),
        )

    def fan(self, url: str, size: int, board: Board) -> float:
        began = time.monotonic()
        _client(url).enqueue(_named("fan"), size)
        return board.ran(0, 300) - began


def _config(url: str) -> Any:
    return {
        "name": "bench",
        "system_database_url": url.replace("postgresql://", "postgresql+psycopg://"),
        "application_version": VERSION,
        "executor_id": os.environ.get("BENCH_PLACE", "0"),
        "log_level": "ERROR",
        "sys_db_pool_size": 8,
        "max_executor_threads": 16 if os.environ.get("BENCH_KIND") == "few" else 8,
        "enable_otlp": False,
    }


def _client(url: str) -> Any:
    from dbos import DBOSClient

    address = url.replace("postgresql://", "postgresql+psycopg://")
    return DBOSClient(system_database_url=address)


def _named(workflow: str) -> Any:
    return {"workflow_name": workflow, "queue_name": "bench", "app_version": VERSION}


def _workflows(board: Board) -> None:
    from dbos import DBOS

    @DBOS.workflow(name="noop")
    def noop(n: int) -> None:
        board.count()

    @DBOS.step(name="step")
    def step(n: int) -> int:
        return n

    @DBOS.workflow(name="steps")
    def steps(n: int) -> None:
        for one in range(STEPS):
            step(one)
        board.count()

    @DBOS.workflow(name="probe")
    def probe(n: int) -> None:
        board.hit(n)

    @DBOS.workflow(name="parked")
    def parked(n: int) -> None:
        board.park(n)
        DBOS.recv("go", timeout_seconds=120)
        board.hit(n)

    @DBOS.workflow(name="leaf")
    def leaf(n: int) -> int:
        return n

    @DBOS.workflow(name="fan")
    def fan(width: int) -> int:
        children = [DBOS.start_workflow(leaf, n) for n in range(width)]
        total: int = sum(child.get_result() for child in children)
        board.hit(0)
        return total


def _work(url: str, board: Board, limit: int | None) -> None:
    from dbos import DBOS
    from dbos._sys_db import SystemDatabase

    DBOS(config=_config(url))
    _workflows(board)
    begun = threading.Event()
    # Launching takes a second or two, which is none of what is measured: claim nothing until told.
    claim = SystemDatabase.start_queued_workflows

    def claim_when_told(self: Any, *args: Any, **options: Any) -> Any:
        return claim(self, *args, **options) if begun.is_set() else ([], None)

    SystemDatabase.start_queued_workflows = claim_when_told
    DBOS.launch()
    DBOS.register_queue(
        "bench", worker_concurrency=limit, polling_interval_sec=POLL, on_conflict="always_update"
    )
    time.sleep(1.5)
    go()
    begun.set()
    threading.Event().wait()


if __name__ == "__main__":
    obey(Dbos())
