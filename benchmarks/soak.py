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
    """Throughput in the first and the last minute (or third), dead rows, sizes."""
    span = min(60.0, seconds / 3)
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
            early, worker = _sizes(conn), team.processes[0].pid
            memory = _resident(worker)
            time.sleep(max(0.0, seconds - 2 * span))
            last = _rate(board, span)
            late = _sizes(conn)
            return {
                "last minute": last,
                "first minute": first,
                "dead rows": late["dead"],
                "table MB": late["MB"],
                "table MB, first": early["MB"],
                "worker MB": _resident(worker),
                "worker MB, first": memory,
            }
        finally:
            feeder.terminate()


def _rate(board: Board, span: float) -> float:
    before, began = board.total, time.monotonic()
    time.sleep(span)
    return (board.total - before) / (time.monotonic() - began)


def _sizes(conn: Connection) -> dict[str, float]:
    dead, size = conn.execute(_TABLE).one()
    return {"dead": float(dead), "MB": size / 2**20}


def _resident(pid: int) -> float:
    """Return the memory of a process, in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0
