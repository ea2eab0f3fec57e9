"""What a claim costs in a table of so many rows, most of which it has nothing to do with."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, text

from benchmarks.scenario import Figures
from benchmarks.stage import Stage
from gendurable.queries import claim

BATCH, TRIES = 100, 20
#: The work to be claimed: due, and behind nothing.
DUE = 10_000

#: Who is in the way: how many rows at most, the share of the table in small ones, their columns.
CROWD: tuple[tuple[int, float, Mapping[str, str]], ...] = (
    (
        200_000,
        0.2,
        {"priority": "-10", "eligible_at": "statement_timestamp() + interval '1 day'"},
    ),
    (100_000, 0.1, {"blocked": "'key'", "concurrency_key": "'one:busy'"}),
    (100_000, 0.1, {"blocked": "'rate'", "rate_limit": "'rate:empty'"}),
    (
        5_000,
        0.005,
        {
            "status": "'executing'",
            "locked_by": "'other'",
            "lease_expires_at": "statement_timestamp() + interval '1 hour'",
            "claim_seq": "1",
        },
    ),
)
DONE = {"status": "'done'", "updated_at": "statement_timestamp() - interval '1 hour'"}


def cost(stage: Stage, rows: int) -> Figures:
    """Time and shared buffers of a claim of 100, in a transaction that is rolled back."""
    with stage.raw() as conn:
        _populate(conn, rows)
        conn.execute(text("VACUUM ANALYZE gendurable.instances"))
        conn.execute(text("CHECKPOINT"))
    with stage.durable.engine.connect() as conn:
        times = [_claim(stage, conn) for _ in range(TRIES + 5)][5:]
        buffers, plan = _explain(stage, conn)
    if "Seq Scan on instances" in plan:
        raise AssertionError(f"the claim reads the whole table:\n{plan}")
    return {"ms": 1e3 * statistics.median(times), "buffers": buffers}


def _populate(conn: Connection, rows: int) -> None:
    """Fill the table: the crowd, the work, and what is done long since."""
    left = rows
    for most, share, columns in CROWD:
        left -= _insert(conn, min(most, int(rows * share)), columns)
    left -= _insert(conn, min(DUE, rows // 20), {"priority": "n % 3"})
    _insert(conn, left, DONE)


def _insert(conn: Connection, rows: int, columns: Mapping[str, str]) -> int:
    names, values = ", ".join(columns), ", ".join(columns.values())
    conn.execute(
        text(
            f"INSERT INTO gendurable.instances (fsm, step, state, {names})"
            f" SELECT 'bench.noop', 'perform', '{{}}', {values} FROM generate_series(1, :rows) n"
        ),
        {"rows": rows},
    )
    return rows


def _claim(stage: Stage, conn: Connection) -> float:
    with conn.begin() as transaction:
        began = time.perf_counter()
        found, _ = claim.claim(conn, stage.durable.db, "default", BATCH, "bench", 30.0)
        took = time.perf_counter() - began
        transaction.rollback()
    if len(found) != BATCH:
        raise AssertionError(f"{len(found)} rows were claimed, not {BATCH}")
    return took


def _explain(stage: Stage, conn: Connection) -> tuple[int, str]:
    """Return the shared buffers that the statement touches, and its plan."""
    sql = claim.CLAIM.sql(stage.durable.settings.schema)
    values = {"in_queue": "default", "up_to": BATCH, "worker": "bench", "ttl": 30.0}
    with conn.begin() as transaction:
        conn.exec_driver_sql("SET LOCAL plan_cache_mode = force_generic_plan")
        [[[found]]] = conn.exec_driver_sql(
            f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", values
        ).all()
        transaction.rollback()
    top: dict[str, Any] = found["Plan"]
    return top["Shared Hit Blocks"] + top["Shared Read Blocks"], _outline(top)


def _outline(node: Mapping[str, Any], depth: int = 0) -> str:
    """Return a plan as text: each node with the table or index that it reads."""
    where = node.get("Index Name") or node.get("Relation Name")
    line = "  " * depth + node["Node Type"] + (f" on {where}" if where else "")
    return "\n".join([line, *(_outline(child, depth + 1) for child in node.get("Plans", ()))])
