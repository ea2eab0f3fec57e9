"""A soak: a worker that never runs out of work, for long, and what grows meanwhile."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from sqlalchemy import Connection, text

from benchmarks.board import Board
from benchmarks.scenario import Figures
from benchmarks.stage import ROOT, Stage

#: What is done is deleted after so many seconds, so that the table reaches its size and keeps it.
RETENTION = 30
_TABLE = text("""
    SELECT n_dead_tup, pg_total_relation_size(relid)
    FROM pg_stat_user_tables WHERE relid = 'gendurable.instances'::regclass
""")


def soak(stage: Stage, seconds: int) -> Figures:
    """Throughput in the first and the last minute (or third), and the most that there was.

    What is bounded has reached its most by half-time: autovacuum comes round once a minute, so
    that sizes rise and fall, and two looks at them would tell nothing.
    """
    span = min(60.0, seconds / 3)
    half = max(0.0, seconds / 2 - span)
    command = [sys.executable, "-m", "benchmarks.feeder", stage.url]
    with (
        Board() as board,
        stage.working(board, retention=str(RETENTION)) as team,
        stage.raw() as conn,
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as feeder,
    ):
        try:
            assert feeder.stdout is not None
            feeder.stdout.readline()
            team.go()
            first = _rate(board, span)
            worker = team.processes[0].pid
            memory = _resident(worker)
            early, late = _most(conn, half), _most(conn, half)
            last = _rate(board, span)
            return {
                "last minute": last,
                "first minute": first,
                "dead rows, first half": early["dead"],
                "dead rows, second half": late["dead"],
                "table MB, first half": early["MB"],
                "table MB, second half": late["MB"],
                "worker MB": _resident(worker),
                "worker MB, first": memory,
            }
        finally:
            feeder.terminate()


def _rate(board: Board, span: float) -> float:
    before, began = board.total, time.monotonic()
    time.sleep(span)
    return (board.total - before) / (time.monotonic() - began)


def _most(conn: Connection, seconds: float) -> dict[str, float]:
    """Return the most dead rows, and the largest size of the table, within so many *seconds*."""
    most = {"dead": 0.0, "MB": 0.0}
    end = time.monotonic() + seconds
    while True:
        dead, size = conn.execute(_TABLE).one()
        most = {"dead": max(most["dead"], dead), "MB": max(most["MB"], size / 2**20)}
        if (left := end - time.monotonic()) <= 0:
            return most
        time.sleep(min(5.0, left))


def _resident(pid: int) -> float:
    """Return the memory of a process, in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0
