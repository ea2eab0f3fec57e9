"""Revisions that make domains of checks: what is stored stays, and the way back is open."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from gendurable import migrations
from tests.migrations.catalog import catalog
from tests.migrations.steps import AFTER, MOVES, operations

ROWS = """
    INSERT INTO gendurable.instances
        (fsm, step, state, status, correlation_key, correlation_scope, concurrency_key, rate_limit,
         blocked, locked_by, lease_expires_at, slot, awaits, deadline, children_pending, quorum,
         ended_from)
    SELECT 'F', 's', '{}', status, 'key ' || n, (ARRAY['live', 'all', NULL])[n %% 3 + 1],
        CASE WHEN n %% 2 = 0 THEN 'k' || n END, CASE WHEN n %% 4 = 0 THEN 'r' END,
        CASE WHEN status = 'runnable' AND n %% 4 = 0
            THEN (ARRAY['key', 'rate'])[n / 4 %% 2 + 1] END,
        CASE WHEN status = 'executing' THEN 'w' END, CASE WHEN status = 'executing' THEN now() END,
        CASE WHEN status = 'executing' AND n %% 2 = 0 THEN 0 END,
        CASE WHEN status = 'awaiting_signal' THEN ARRAY['go'] END,
        CASE WHEN status IN ('awaiting_signal', 'cancelled') THEN now() END,
        CASE WHEN status = 'awaiting_children' THEN 3 ELSE 0 END,
        CASE WHEN status = 'awaiting_children' THEN 2 END,
        CASE WHEN status >= 'failed' THEN status END
    FROM generate_series(1, 300) AS n,
        LATERAL (SELECT (enum_range(NULL::gendurable.status))[n %% 7 + 1] AS status) AS s"""
LETTERS = """
    INSERT INTO gendurable.signals (target_id, name, dedup_key)
    SELECT id, 'go', CASE WHEN id %% 2 = 0 THEN 'd' END FROM gendurable.instances"""
READ = """
    SELECT to_jsonb(i), (SELECT jsonb_agg(to_jsonb(s)) FROM gendurable.signals s
    WHERE target_id = i.id) FROM gendurable.instances i ORDER BY id"""


def contents(conn: Connection) -> list[tuple[Any, ...]]:
    """Return all instances with their signals, whatever the order of their columns."""
    return [tuple(row) for row in conn.exec_driver_sql(READ)]


@pytest.mark.parametrize(("old", "new"), MOVES)
class TestWayThereAndBack:
    def test_keeps_what_is_stored(self, conn, old, new):
        """Rows of all kinds are afterwards what they were before, and after the way back."""
        migrations.upgrade(operations(conn), to=old)
        for statement in (ROWS, LETTERS):
            conn.exec_driver_sql(statement)
        before = contents(conn)
        assert len({row[0]["correlation_guard"] for row in before}) > 100

        migrations.upgrade(operations(conn), to=new)
        assert contents(conn) == before

        migrations.downgrade(operations(conn), to=old)
        assert contents(conn) == before

    @pytest.mark.parametrize("schema", ["other", "With Capitals", 'quo"te', "co:lon", "%s"])
    def test_back_is_where_it_began(self, conn, schema, old, new):
        """The way back restores each column, constraint and index, and leaves no domain."""
        migrations.upgrade(operations(conn), to=old, schema=schema)
        before = catalog(conn, schema)

        migrations.upgrade(operations(conn), to=new, schema=schema)
        assert catalog(conn, schema) != before
        migrations.downgrade(operations(conn), to=old, schema=schema)

        assert catalog(conn, schema) == before

    def test_is_printed_both_ways(self, conn, old, new):
        """A DBA runs the same statements by hand, up and down."""
        migrations.upgrade(operations(conn), to=old)
        before = catalog(conn, "gendurable")
        up, down = (
            printed(migrations.upgrade, old, new),
            printed(migrations.downgrade, new, old),
        )
        assert up.count('ALTER TABLE "gendurable".instances') == 1

        conn.exec_driver_sql(up.replace("%", "%%"))
        by_hand = catalog(conn, "gendurable")
        conn.exec_driver_sql(down.replace("%", "%%"))
        assert catalog(conn, "gendurable") == before

        migrations.upgrade(operations(conn), to=new)
        assert catalog(conn, "gendurable") == by_hand


class TestStatistics:
    def test_are_gathered_where_a_new_type_drops_them(self, conn):
        """A column of another type has none, without which claims would be planned blindly."""
        for statement in (ROWS, "ANALYZE gendurable.instances"):
            conn.exec_driver_sql(statement)

        migrations.upgrade(operations(conn), to=AFTER)

        assert {"queue", "concurrency_key", "correlation_guard"} <= known_columns(conn)

    def test_of_an_empty_table_are_not(self, conn):
        """Of an empty table nothing is noted, or it would be planned for as an empty one."""
        migrations.upgrade(operations(conn), to=AFTER)

        size = "SELECT reltuples FROM pg_class WHERE oid = 'gendurable.instances'::regclass"
        assert conn.exec_driver_sql(size).scalar_one() < 1
        assert known_columns(conn) == set()


def printed(move: Any, since: str, to: str) -> str:
    """Return what ``--sql`` prints for a way between two revisions."""
    buffer = StringIO()
    options = {"as_sql": True, "output_buffer": buffer}
    offline = MigrationContext.configure(dialect_name="postgresql", opts=options)
    move(Operations(offline), since=since, to=to)
    return buffer.getvalue()


def known_columns(conn: Connection) -> set[str]:
    """Return the columns of instances of which there are statistics."""
    found = conn.exec_driver_sql("SELECT attname FROM pg_stats WHERE tablename = 'instances'")
    return set(found.scalars())
