"""Where it is measured: a server whose commits reach the disk, a database, worker processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, create_engine, text

import gendurable as gd
from benchmarks.board import PATH, PLACE, Board
from gendurable.testing.databases import database
from gendurable.testing.server import Server

#: A commit is on the disk when it returns, for both sides.
HONEST = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
}
SLOTS = 10
ROOT = Path(__file__).parents[1]
LIMITS = {"gate": gd.ConcurrencyLimit(10)}

#: Whether anything is left to do: each part asks one partial index.
_LEFT = text("""
    SELECT EXISTS (SELECT FROM gendurable.instances
                   WHERE status = 'runnable' AND blocked IS NULL AND paused_at IS NULL
                     AND queue = 'default' AND priority >= 0)
        OR EXISTS (SELECT FROM gendurable.instances WHERE status = 'executing')
        OR EXISTS (SELECT FROM gendurable.instances
                   WHERE status = 'runnable' AND blocked = 'key' AND paused_at IS NULL)
""")
#: Whether anything is left that no limit concerns. It reads the table: ask seldom.
_PLAIN_LEFT = text("""
    SELECT EXISTS (SELECT FROM gendurable.instances
                   WHERE status IN ('runnable', 'executing') AND concurrency_key IS NULL)
""")


class Stage:
    """One database, and the processes that work on it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.plain = url.replace("postgresql+psycopg://", "postgresql://")
        self.engine = create_engine(url, pool_size=SLOTS + 8, pool_use_lifo=True)
        self.durable = gd.bind(self.engine, concurrency_limits=LIMITS)

    def prepare(self) -> None:
        """Create the tables."""
        self.durable.create_schema()
        with self.engine.begin() as conn:
            conn.execute(text("CREATE TABLE effect (id bigint, n int)"))

    def clear(self) -> None:
        """Begin anew, with empty tables."""
        with self.engine.begin() as conn:
            conn.execute(text("TRUNCATE gendurable.instances, gendurable.nodes, effect CASCADE"))

    def settle(self) -> None:
        """Let no run inherit the vacuum or the checkpoint of another."""
        with self.raw() as conn:
            conn.execute(text("VACUUM ANALYZE"))
            conn.execute(text("CHECKPOINT"))

    @contextmanager
    def raw(self) -> Iterator[Connection]:
        """Give a connection without transactions."""
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
            yield conn

    def close(self) -> None:
        """Let go of the connections."""
        self.durable.notifier.close()
        self.engine.dispose()

    def drain(self, conn: Connection, patience: float = 600) -> None:
        """Wait until nothing is left to do."""
        wait_for(lambda: not conn.scalar(_LEFT), patience, pause=0.01)

    def drain_plain(self, conn: Connection, patience: float = 600) -> None:
        """Wait until nothing is left to do that no limit concerns."""
        wait_for(lambda: not conn.scalar(_PLAIN_LEFT), patience, pause=0.05)

    @contextmanager
    def working(self, board: Board, processes: int = 1, **options: str) -> Iterator[Team]:
        """Give worker processes that are ready and wait for ``go``; they end with the block."""
        command = [sys.executable, "-m", "benchmarks.worker", self.url]
        for name, value in options.items():
            command += [f"--{name}", value]
        with team([command] * processes, board) as workers:
            yield workers


class Team:
    """Processes that wait for a line before they begin."""

    def __init__(self, processes: list[subprocess.Popen[str]]) -> None:
        self.processes = processes

    def go(self) -> float:
        """Tell them to begin; return when that was."""
        began = time.monotonic()
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        return began

    @property
    def memory(self) -> float:
        """The most memory that one of them has had so far, in MB."""
        return max(_peak(process.pid) for process in self.processes)


@contextmanager
def team(
    commands: list[list[str]], board: Board, extra: Mapping[str, str] | None = None
) -> Iterator[Team]:
    """Start processes that say "ready", and end them with the block."""
    processes = []
    try:
        for place, command in enumerate(commands):
            env = {
                **os.environ,
                "PYTHONPATH": str(ROOT),
                PATH: board.path,
                PLACE: str(place),
                **(extra or {}),
            }
            processes.append(
                subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    env=env,
                    cwd=ROOT,
                )
            )
        for process in processes:
            assert process.stdout is not None
            if process.stdout.readline().strip() != "ready":
                raise RuntimeError(f"{process.args!r} did not start")
        yield Team(processes)
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
            process.communicate()


@contextmanager
def stage() -> Iterator[Stage]:
    """Give a stage on an embedded server of its own."""
    with Server(settings=HONEST) as server, database(server.url(), "bench") as url:
        made = Stage(url)
        made.prepare()
        try:
            yield made
        finally:
            made.close()


def wait_for(truth: Callable[[], bool], patience: float = 60, pause: float = 0.0003) -> None:
    """Ask again and again until *truth* holds."""
    end = time.monotonic() + patience
    while not truth():
        if time.monotonic() > end:
            raise TimeoutError(f"still not so after {patience} s")
        time.sleep(pause)


def _peak(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0
