"""The floor: claim and complete batches of 100 with bare psycopg, on a table of its own."""

from __future__ import annotations

import time

import psycopg

BATCH = 100
TABLE = """
    CREATE TABLE floor (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, queue text DEFAULT 'q',
        state text NOT NULL DEFAULT 'available', due timestamptz NOT NULL DEFAULT now(),
        attempt int NOT NULL DEFAULT 0, worker text, lease timestamptz,
        args jsonb NOT NULL DEFAULT '{}', result jsonb, done timestamptz);
    CREATE INDEX floor_claim ON floor (queue, due, id) WHERE state = 'available'
"""
FILL = "INSERT INTO floor (args) SELECT jsonb_build_object('i', n) FROM generate_series(1, %s) n"
CLAIM = """
    WITH due AS MATERIALIZED (
        SELECT id FROM floor WHERE queue = 'q' AND state = 'available' AND due <= now()
        ORDER BY due, id LIMIT 100 FOR UPDATE SKIP LOCKED)
    UPDATE floor SET state = 'running', attempt = attempt + 1, worker = 'w',
        lease = now() + interval '1 minute'
    FROM due WHERE floor.id = due.id RETURNING floor.id, floor.args
"""
COMPLETE = """
    UPDATE floor SET state = 'done', result = batch.result, done = now(), lease = NULL
    FROM unnest(%s::bigint[], %s::jsonb[]) AS batch(id, result)
    WHERE floor.id = batch.id AND floor.state = 'running' AND floor.worker = 'w'
"""


def rate(url: str, rows: int) -> float:
    """Return how many rows a second one connection claims and completes."""
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(f"DROP TABLE IF EXISTS floor; {TABLE}")
        conn.execute(FILL, (rows,))
        conn.execute("VACUUM ANALYZE floor")
        began = time.monotonic()
        while claimed := conn.execute(CLAIM).fetchall():
            conn.execute(COMPLETE, ([id for id, _ in claimed], ["null"] * len(claimed)))
        return rows / (time.monotonic() - began)
