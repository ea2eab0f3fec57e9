"""The floor: the same work by hand-written statements of bare psycopg, on a table of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event, Thread

import psycopg

from benchmarks.scenario import Figures, percentiles
from benchmarks.stage import SLOTS, Stage

BATCH, BULK = 100, 1_000
TABLE = """
    DROP TABLE IF EXISTS floor;
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
        ORDER BY due, id LIMIT {} FOR UPDATE SKIP LOCKED)
    UPDATE floor SET state = 'running', attempt = attempt + 1, worker = 'w',
        lease = now() + interval '1 minute'
    FROM due WHERE floor.id = due.id RETURNING floor.id, floor.args
"""
COMPLETE = """
    UPDATE floor SET state = 'done', result = batch.result, done = now(), lease = NULL
    FROM unnest(%s::bigint[], %s::jsonb[]) AS batch(id, result)
    WHERE floor.id = batch.id AND floor.state = 'running' AND floor.worker = 'w'
"""
ADVANCE = "UPDATE floor SET attempt = attempt + 1, done = now() WHERE id = %s"
EFFECT = "INSERT INTO effect (id, n) VALUES (%s, %s)"
INSERT = "INSERT INTO floor (args) VALUES (%s) RETURNING id"
INSERT_MANY = "INSERT INTO floor (args) SELECT unnest(%s::jsonb[]) RETURNING id"
ANNOUNCED = """
    WITH made AS (INSERT INTO floor (args) VALUES ('{}') RETURNING id)
    SELECT id, pg_notify('floor', '') FROM made
"""


def batches(stage: Stage, rows: int) -> Figures:
    """One connection claims and completes rows in batches."""
    with _table(stage, rows) as conn:
        began = time.monotonic()
        while claimed := conn.execute(CLAIM.format(BATCH)).fetchall():
            conn.execute(COMPLETE, ([id for id, _ in claimed], ["null"] * len(claimed)))
        return {"rate": rows / (time.monotonic() - began)}


def commits(stage: Stage, times: int) -> Figures:
    """One connection updates one row after the other, each a commit."""
    with _table(stage, 1_000) as conn:
        began = time.monotonic()
        for n in range(times):
            conn.execute(ADVANCE, (n % 1_000 + 1,))
        return {"rate": times / (time.monotonic() - began)}


def transactions(stage: Stage, times: int) -> Figures:
    """As many threads as a worker has slots write a row and update another, in one transaction."""
    each = times // SLOTS
    _table(stage, SLOTS).close()

    def work(id: int) -> None:
        with psycopg.connect(stage.plain) as conn:
            for n in range(each):
                conn.execute(EFFECT, (id, n))
                conn.execute(ADVANCE, (id,))
                conn.commit()

    threads = [Thread(target=work, args=(id,)) for id in range(1, SLOTS + 1)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"rate": each * SLOTS / (time.monotonic() - began)}


def inserts(stage: Stage, rows: int) -> Figures:
    """One row and its id a commit."""
    with _table(stage) as conn:
        began = time.monotonic()
        for _ in range(rows):
            conn.execute(INSERT, ('{"i": 1}',)).fetchone()
        return {"rate": rows / (time.monotonic() - began)}


def bulk(stage: Stage, rows: int) -> Figures:
    """A thousand rows and their ids a commit."""
    args = ['{"i": 1}'] * BULK
    with _table(stage) as conn:
        began = time.monotonic()
        for _ in range(rows // BULK):
            conn.execute(INSERT_MANY, (args,)).fetchall()
        return {"rate": rows // BULK * BULK / (time.monotonic() - began)}


def notified(stage: Stage, samples: int) -> Figures:
    """From before an insert with NOTIFY until a listening thread has claimed the row."""
    claimed: dict[int, float] = {}
    ready, over = Event(), Event()
    with _table(stage) as conn:
        listener = Thread(target=_listen, args=(stage.plain, claimed, ready, over))
        listener.start()
        ready.wait()
        waits = [_wait(conn, claimed) for _ in range(samples + 5)]
        over.set()
        listener.join()
    return percentiles("claimed", waits[5:])


def _wait(conn: psycopg.Connection[tuple[int, str]], claimed: dict[int, float]) -> float:
    time.sleep(0.01)
    began = time.monotonic()
    row = conn.execute(ANNOUNCED).fetchone()
    assert row is not None
    while row[0] not in claimed:
        time.sleep(0.0001)
    return claimed[row[0]] - began


def _listen(url: str, claimed: dict[int, float], ready: Event, over: Event) -> None:
    claim: Callable[[], list[tuple[int, str]]]
    with (
        psycopg.connect(url, autocommit=True) as listening,
        psycopg.connect(url, autocommit=True) as working,
    ):
        listening.execute("LISTEN floor")
        ready.set()
        while not over.is_set():
            for _ in listening.notifies(timeout=0.2, stop_after=1):
                claim = working.execute(CLAIM.format(1)).fetchall
                claimed.update((id, time.monotonic()) for id, _ in claim())


def _table(stage: Stage, rows: int = 0) -> psycopg.Connection[tuple[int, str]]:
    """Make the table anew, with so many rows, and return a connection to it."""
    conn: psycopg.Connection[tuple[int, str]] = psycopg.connect(stage.plain, autocommit=True)
    conn.execute(TABLE)
    conn.execute(FILL, (rows,))
    conn.execute("VACUUM ANALYZE floor")
    conn.execute("CHECKPOINT")
    return conn
