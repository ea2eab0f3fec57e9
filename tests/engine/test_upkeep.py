"""A table that has grown is analysed, so that plans for a small one do not outlive it."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from gendurable.engine import upkeep
from gendurable.queries import upkeep as statistics

FILL = text(
    "INSERT INTO gendurable.instances (fsm, step, state) SELECT 'F', 's', '{}'"
    " FROM generate_series(1, 5000)"
)
ANALYSED = text(
    "SELECT analyze_count FROM pg_stat_user_tables WHERE relid = 'gendurable.instances'::regclass"
)
COMMIT = "UPDATE gendurable.instances SET visit = visit + 1 WHERE id = any($1)"


@pytest.mark.parametrize(
    ("known", "there", "outgrown"),
    [
        (0, 20, False),
        (0, 21, True),
        (30, 60, False),
        (30, 61, True),
        (1_000, 1_000_000, False),
    ],
)
def test_outgrown(known, there, outgrown):
    """It has doubled, and it is neither too small nor large already."""
    assert upkeep.outgrown(known, there) is outgrown


def test_is_analysed_once_it_has_grown(durable, engine):
    """Once; until it has doubled again nobody tries."""
    with engine.begin() as conn:
        assert upkeep.refresh(conn, durable.db, 0) == 0
        conn.execute(FILL)
    with engine.begin() as conn:
        size = upkeep.refresh(conn, durable.db, 0)
        assert size > 2 * upkeep.SMALL
        assert upkeep.refresh(conn, durable.db, size) == size
    with engine.begin() as conn:
        assert statistics.pages(conn, durable.db) == (size, size)


def test_a_table_that_was_emptied_begins_anew(durable, engine):
    """What was tried at the former size is no reason to wait until it has that size again."""
    with engine.begin() as conn:
        assert upkeep.refresh(conn, durable.db, 500) == 0
        conn.execute(FILL)
    with engine.begin() as conn:
        assert upkeep.refresh(conn, durable.db, 0) > 2 * upkeep.SMALL


def test_a_plan_for_a_small_table_does_not_outlive_it(durable, engine):
    """A statement that was prepared when the table was empty turns to its index."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        driver = conn.connection.driver_connection
        assert driver is not None
        driver.execute(
            "INSERT INTO gendurable.instances (fsm, step, state) VALUES ('F', 's', '{}')"
        )
        driver.execute("ANALYZE gendurable.instances")
        driver.execute("SET plan_cache_mode = force_generic_plan")
        driver.execute(f"PREPARE hot(bigint[]) AS {COMMIT}")

        def plan() -> str:
            rows = driver.execute("EXPLAIN EXECUTE hot('{1}')").fetchall()
            return "\n".join(row[0] for row in rows)

        assert "Seq Scan" in plan()
        conn.execute(FILL)
        assert "Seq Scan" in plan()

        upkeep.refresh(conn, durable.db, 0)

        assert "Index Scan" in plan()
