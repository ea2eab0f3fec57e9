"""What a worker costs that has many rows before it and can start none of them."""

from __future__ import annotations

import time

from sqlalchemy import Connection, text

import gendurable as gd
from benchmarks.board import Board
from benchmarks.machines import Noop
from benchmarks.scenario import Figures
from benchmarks.stage import Stage
from benchmarks.throughput import fill

#: How many rows stand behind a busy key, an empty bucket and tomorrow: a share of all each.
WAITING = (
    {"concurrency_key": "one:busy"},
    {"rate_limit": "dry:empty"},
    {"delay": 86_400.0, "priority": -10},
)
#: The worker's first claims mark what cannot run; only then is it quiet.
SETTLE, SPAN = 8.0, 20.0
_HOLD = text("""
    UPDATE gendurable.instances
    SET status = 'executing', slot = 0, locked_by = 'other', claim_seq = 1,
        lease_expires_at = statement_timestamp() + interval '1 hour'
    WHERE id = :id
""")
_WRITTEN = text("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')")


def quiet(stage: Stage, rows: int) -> Figures:
    """WAL that is written a second while all waits."""
    stage.durable.set_limit("dry", gd.RateLimit(0, per=1, burst=1))
    holder = stage.durable.insert(Noop(), concurrency_key="one:busy")
    with stage.engine.begin() as conn:
        conn.execute(_HOLD, {"id": int(holder)})
    for options in WAITING:
        fill(stage, [gd.Spawn(Noop(), **options) for _ in range(rows // len(WAITING))])
    stage.settle()
    with Board() as board, stage.working(board) as team, stage.raw() as conn:
        team.go()
        time.sleep(SETTLE)
        stage.settle()  # or autovacuum may come for what the marks have left, at any moment
        wal, began = _written(conn), time.monotonic()
        time.sleep(SPAN)
        return {"kB WAL": (_written(conn) - wal) / 1e3 / (time.monotonic() - began)}


def _written(conn: Connection) -> float:
    return float(conn.execute(_WRITTEN).scalar_one())
