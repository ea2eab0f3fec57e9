"""``python -m benchmarks.pages``: how long the pages of the dashboard take on a full table."""

from __future__ import annotations

import argparse
from statistics import median
from time import perf_counter
from typing import Any

from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool
from werkzeug.test import Client

import gendurable as gd
from gendurable.testing.databases import database, running_server
from gendurable.web import dashboard

#: What is opened: the longest lists, a rare row that is searched for, one with a large family, a
#: long history and a full inbox, and all that is counted.
PAGES = (
    "/",
    "/instances",
    "/instances?status=done",
    "/instances?status=runnable&queue=queue3",
    "/instances?status=awaiting_signal",
    "/instances?status=awaiting_signal&queue=queue3",
    "/instances?fsm=Nobody",
    "/instances?status=done&step=nowhere",
    "/instances?key=key:9",
    "/instances?find=key:15",
    "/instances?status=paused",
    "/instances?status=key",
    "/instances?parent=7",
    "/instances/7",
    "/machines?name=Crowd",
    "/nodes",
    "/limits",
    "/schedules",
)

#: As in a table that has been in use for a while: most are done, some of everything is there.
KINDS = """CASE
    WHEN n % 100 IN (3, 4, 15, 35, 55) THEN 'runnable'
    WHEN n % 100 = 1 THEN 'failed'
    WHEN n % 100 = 2 THEN 'cancelled'
    WHEN n % 100 < 10 THEN 'awaiting_signal'
    WHEN n % 100 < 12 THEN 'awaiting_children'
    WHEN n % 1000 = 13 AND n < 1000000 THEN 'executing'
    ELSE 'done' END"""

FIRST = """INSERT INTO gendurable.instances (fsm, step, state)
    SELECT 'First', 's', '{}' FROM generate_series(1, 9)"""

CROWD = """INSERT INTO gendurable.instances (
        fsm, step, state, queue, priority, status, awaits,
        eligible_at, paused_at, ended_from,
        concurrency_key, rate_limit, blocked,
        parent_id, parent_round, children_pending,
        locked_by, lease_expires_at,
        updated_at, correlation_key, correlation_scope)
    SELECT 'Crowd', 'step' || n % 7, '{}', 'queue' || n % 5, n % 3, kind::gendurable.status,
        CASE WHEN kind = 'awaiting_signal' THEN '{go}'::text[] END,
        statement_timestamp() - (n % 1000 - 200) * interval '1 s',
        CASE WHEN n % 1000 IN (103, 206) THEN statement_timestamp() END,
        CASE WHEN kind IN ('failed', 'cancelled') THEN 'executing'::gendurable.status END,
        CASE WHEN n % 100 = 15 THEN 'gate:' || n / 100 % 5000 END,
        CASE WHEN n % 100 = 35 THEN 'rate:' || n / 100 % 5000 END,
        CASE n % 100 WHEN 15 THEN 'key' WHEN 35 THEN 'rate' WHEN 55 THEN 'unknown' END,
        CASE WHEN n % 50 = 7 THEN 7 END,
        CASE WHEN n % 50 = 7 THEN 1 END,
        CASE WHEN kind = 'awaiting_children' THEN 1 ELSE 0 END,
        CASE WHEN kind = 'executing' THEN 'w' END,
        CASE WHEN kind = 'executing' THEN statement_timestamp() + interval '30 s' END,
        statement_timestamp() - ({rows} - n) * interval '10 ms', 'key:' || n, 'live'
    FROM generate_series(10, {rows}) n, LATERAL (SELECT {kinds} AS kind) kinds"""

#: What else pages show: long histories and inboxes, limits with busy keys, schedules, workers.
REST = (
    # What ended in the last minutes, 100 rows a second.
    """UPDATE gendurable.instances
        SET updated_at = statement_timestamp() - ({rows} - id) * interval '10 ms'
        WHERE id > {rows} - 100000 AND status IN ('done', 'failed', 'cancelled')""",
    """UPDATE gendurable.instances SET status = 'awaiting_children', round = 1,
        children_pending = {rows} / 100 WHERE id = 7""",
    """INSERT INTO gendurable.transitions (instance_id, kind, step, attempt, visit)
        SELECT CASE WHEN n % 100 = 0 THEN 7 ELSE 10 + n % 1000000 END,
            'next', 'step' || n % 7, 0, n
        FROM generate_series(1, {rows} / 5) n""",
    """INSERT INTO gendurable.signals (target_id, name, payload)
        SELECT CASE WHEN n % 10 = 0 THEN 7 ELSE 10 + n % 1000 END, 'go', '{"n": 1}'
        FROM generate_series(1, {rows} / 50) n""",
    """INSERT INTO gendurable.limits (kind, name, source, amount, per_us, burst) VALUES
        ('key', 'gate', 'binding', 2, NULL, NULL), ('rate', 'rate', 'binding', 60, 60000000, 60)""",
    """INSERT INTO gendurable.buckets (key, level, per_us, at, head_at, amount, burst)
        SELECT 'rate:' || n, 0, 60000000, statement_timestamp(),
            statement_timestamp() + interval '1 min', 60, 60 FROM generate_series(0, 4999) n""",
    """INSERT INTO gendurable.schedules (name, cron, timezone, missed, overlap, spec)
        SELECT 'nightly' || n, '0 3 * * *', 'UTC', 'latest', 'skip', '{}'
        FROM generate_series(1, 40) n""",
    """INSERT INTO gendurable.nodes (name, queues, machines)
        SELECT 'w' || n, '{queue1,queue2}', '[["Crowd", 1, "step1"]]'
        FROM generate_series(1, 40) n""",
    "INSERT INTO gendurable.pauses (queue) VALUES ('queue4')",
    "VACUUM ANALYZE",
)


class Crowd(gd.FSM, queue="queue3"):
    """The machine of most instances."""

    @gd.step(initial=True)
    def step1(self, ctx: gd.Context) -> gd.Outcome:
        """Go on."""
        return gd.Next(self.step2)

    @gd.step
    def step2(self, ctx: gd.Context) -> gd.Outcome:
        """End."""
        return gd.Done()


class First(Crowd):
    """The machine of the parents."""


def fill(conn: Connection, rows: int) -> None:
    """Insert so many instances of all kinds, and what belongs to them."""
    conn.exec_driver_sql(FIRST)
    for statement in (CROWD.replace("{kinds}", KINDS), *REST):
        conn.exec_driver_sql(statement.replace("{rows}", str(rows)).replace("%", "%%"))


def open_page(app: Any, path: str) -> float:
    """Return how long, in seconds, it takes to make a page."""
    client = Client(app)
    began = perf_counter()
    answer = client.get(path, environ_overrides={"REMOTE_ADDR": "127.0.0.1"})
    assert answer.status_code in (200, 303), answer.status
    return perf_counter() - began


def main() -> None:
    """Fill a table and open every page a few times."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pages", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=20)
    options = parser.parse_args()
    table = Table("page", "median ms", "slowest ms", title=f"{options.rows:,} instances")
    with running_server() as server, database(server, "pages") as url:
        engine = create_engine(url)
        durable = gd.bind(engine)
        durable.create_schema()
        filler = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with filler.connect() as conn:
            fill(conn, options.rows)
        app = dashboard(durable)
        for path in PAGES:
            times = [1000 * open_page(app, path) for _ in range(options.times)]
            table.add_row(path, f"{median(times):.0f}", f"{max(times):.0f}")
        engine.dispose()
    Console().print(table)


if __name__ == "__main__":
    main()
