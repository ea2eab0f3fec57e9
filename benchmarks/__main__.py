"""``make bench``: throughput of one worker process beside the floor, median of several rounds.

The rounds of all scenarios are interleaved, since a noisy machine drifts: compare the ratios.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from sqlalchemy import create_engine, text

import gendurable as gd
from benchmarks import floor
from benchmarks.machines import STEPS, Five, FiveRows, Noop
from gendurable.testing.databases import database
from gendurable.testing.server import Server

JOBS, MACHINES, MACHINES_WITH_ROWS = 20_000, 4_000, 1_000
ROUNDS = 5
SLOTS = 10
#: A commit is on the disk when it returns, for both sides.
HONEST = {"fsync": "on", "synchronous_commit": "on", "shared_buffers": "1GB"}


def worker(url: str) -> None:
    """Work until asked to stop: the process that is measured."""
    engine = create_engine(url, pool_size=SLOTS + 8)
    gd.bind(engine).worker(queues={"default": SLOTS}).run()


def rate(url: str, kind: type[gd.FSM], machines: int, steps: int) -> float:
    """Return how many steps a second one worker process commits."""
    engine = create_engine(url)
    durable = gd.bind(engine)
    with engine.begin() as conn:
        conn.execute(text("TRUNCATE gendurable.instances CASCADE"))
    durable.insert_all([kind() for _ in range(machines)])
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.execute(text("VACUUM ANALYZE gendurable.instances"))
        began = time.monotonic()
        process = subprocess.Popen([sys.executable, "-m", "benchmarks", "worker", url])
        try:
            while conn.scalar(text("SELECT count(*) FROM gendurable.nodes")) == 0:
                time.sleep(0.005)
            began = time.monotonic()
            left = text("SELECT 1 FROM gendurable.instances WHERE status <> 'done' LIMIT 1")
            while conn.scalar(left):
                time.sleep(0.02)
            took = time.monotonic() - began
        finally:
            process.terminate()
            process.wait()
    engine.dispose()
    return machines * steps / took


def main() -> None:
    """Measure, and print a table of rates and ratios."""
    found: dict[str, list[float]] = {}
    with Server(settings=HONEST) as server, database(server.url(), "bench") as url:
        engine = create_engine(url)
        gd.bind(engine).create_schema()
        with engine.begin() as conn:
            conn.execute(text("CREATE TABLE effect (id bigint, n int)"))
        engine.dispose()
        plain = url.replace("postgresql+psycopg://", "postgresql://")
        for _ in range(ROUNDS):
            scenarios: dict[str, Callable[[], float]] = {
                "floor: rows claimed and completed": lambda: floor.rate(plain, JOBS),
                "jobs": lambda: rate(url, Noop, JOBS, 1),
                "steps of 5-step machines": lambda: rate(url, Five, MACHINES, STEPS),
                "the same, a row written in each": lambda: rate(
                    url, FiveRows, MACHINES_WITH_ROWS, STEPS
                ),
            }
            for name, measure in scenarios.items():
                found.setdefault(name, []).append(measure())
    base_rate = statistics.median(next(iter(found.values())))
    print(
        f"{'one worker process, ' + str(SLOTS) + ' slots':38}{'per second':>12}{'of the floor':>14}"
    )
    for name, rates in found.items():
        median = statistics.median(rates)
        print(f"{name:38}{median:12,.0f}{median / base_rate:14.2f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["worker"]:
        worker(sys.argv[2])
    else:
        main()
