"""One scenario run on one peer: a database of its own, its workers, and what its driver times."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.board import PATH, PLACE, Board
from benchmarks.machines import STEPS
from benchmarks.peers.driver import WARM_UP, Driver
from benchmarks.peers.venvs import driver, python_of
from benchmarks.scenario import Figures, Refused, percentiles
from benchmarks.stage import ROOT, team, wait_for
from gendurable.testing.databases import database

PATIENCE = 120


class Arena:
    """A peer, on a server that is shared with all others."""

    def __init__(self, name: str, server: str) -> None:
        self.name = name
        self.driver: Driver = driver(name)
        self.python: Path = python_of(name)
        self._server = server

    def run(self, scenario: str, size: int) -> Figures:
        """Run one scenario in a new database.

        Raises:
            Refused: the peer has no such thing, or cannot be set up here.
        """
        if scenario not in self.driver.sizes:
            raise Refused("it offers no such thing")
        with database(self._server, f"peer_{self.name}") as found:
            url = found.replace("postgresql+psycopg://", "postgresql://")
            try:
                self._call("install", url)
            except RuntimeError as error:
                raise Refused(f"its tables cannot be made here: {error}") from error
            return _RUNS[scenario](self, url, size)

    def work(self, url: str, kind: str, size: int, processes: int = 1, each: int = 1) -> Figures:
        """Enqueue, start workers, say go, and wait until the database shows the end of all."""
        self._call("fill", url, kind, str(size))
        how = "steps" if kind == "steps" else "many" if processes > 1 else ""
        with Board() as board, psycopg.connect(url, autocommit=True) as conn:
            command = [*self._command("work"), url]
            with team([command] * processes, board, {"BENCH_KIND": how}) as workers:
                _settle(conn)
                if board.total:
                    raise AssertionError("it began before it was told to")
                began = workers.go()
                wait_for(lambda: board.total >= size * 0.98, PATIENCE, pause=0.005)
                wait_for(lambda: self._ended(conn) >= size, PATIENCE, pause=0.005)
                return {"rate": size * each / (time.monotonic() - began)}

    def insert(self, url: str, command: str, size: int) -> Figures:
        """Let the driver time how long its inserts take."""
        return {"rate": size / float(self._call(command, url, str(size)))}

    def sample(self, url: str, command: str, kind: str, size: int, name: str) -> Figures:
        """Let the driver time samples against a worker that is idle."""
        return percentiles(name, self._beside(url, command, kind, size))

    def fan(self, url: str, width: int) -> Figures:
        """Let the driver time a fan-out."""
        return {"rate": width / float(self._beside(url, "fan", "few", width))}

    def _beside(self, url: str, command: str, kind: str, size: int) -> Any:
        """Run a command of the driver while one worker is there."""
        with Board(samples=size + WARM_UP) as board:
            work = [*self._command("work"), url]
            with team([work], board, {"BENCH_KIND": kind}) as workers:
                workers.go()
                time.sleep(1.5)  # whatever is started late
                return self._call(command, url, str(size), board=board)

    def _ended(self, conn: psycopg.Connection[Any]) -> int:
        row = conn.execute(self.driver.ended).fetchone()
        return int(row[0]) if row else 0

    def _call(self, command: str, *arguments: str, board: Board | None = None) -> Any:
        place = {PATH: board.path, PLACE: "1"} if board is not None else {}
        done = subprocess.run(
            [*self._command(command), *arguments],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **place},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        lines = done.stdout.strip().splitlines()
        if done.returncode or not lines:
            raise RuntimeError("".join(done.stderr.strip().splitlines()[-1:]) or "no answer")
        return json.loads(lines[-1])

    def _command(self, command: str) -> list[str]:
        return [str(self.python), "-m", f"benchmarks.peers.{self.name}", command]


def _settle(conn: psycopg.Connection[Any]) -> None:
    conn.execute("VACUUM ANALYZE")
    conn.execute("CHECKPOINT")


_RUNS: dict[str, Callable[[Arena, str, int], Figures]] = {
    "jobs": lambda arena, url, size: arena.work(url, "noop", size),
    "jobs-2": lambda arena, url, size: arena.work(url, "noop", size, processes=2),
    "steps": lambda arena, url, size: arena.work(url, "steps", size // STEPS, each=STEPS),
    # Ours write a row in each step; theirs are held against that without one.
    "rows": lambda arena, url, size: arena.work(url, "steps", size // STEPS, each=STEPS),
    "insert": lambda arena, url, size: arena.insert(url, "insert", size),
    "insert-all": lambda arena, url, size: arena.insert(url, "insert-all", size),
    "start": lambda arena, url, size: arena.sample(url, "start", "one", size, "start"),
    "signal": lambda arena, url, size: arena.sample(url, "signal", "one", size, "resumed"),
    "fan": lambda arena, url, size: arena.fan(url, size),
}
NAMES = tuple(_RUNS)
