"""This repository's own Alembic environment: what its developers type."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from gendurable import migrations
from tests.migrations.catalog import catalog

ROOT = Path(__file__).parents[2]


@pytest.fixture
def alembic(empty_url):
    """Type ``alembic …`` at the root of the repository; return what it prints."""

    def alembic(*words: str, database: str | None = empty_url) -> str:
        environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
        if database is not None:
            environment["DATABASE_URL"] = database.replace("postgresql+psycopg", "postgresql")
        done = subprocess.run(
            [sys.executable, "-m", "alembic", *words],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout if done.returncode == 0 else done.stderr

    return alembic


def test_upgrade_head_builds_the_schema_in_database_url(alembic, empty_url):
    """`alembic upgrade head` gives what create_schema gives, and `alembic check` agrees."""
    alembic("upgrade", "head")

    assert "No new upgrade operations" in alembic("check")
    engine = create_engine(empty_url)
    with engine.connect() as conn:
        migrations.create_schema(conn, "expected")
        assert catalog(conn, "gendurable") == catalog(conn, "expected")
    engine.dispose()


def test_downgrade_base_removes_it(alembic, empty_url):
    """`alembic downgrade base` leaves nothing of ours."""
    alembic("upgrade", "head")

    alembic("downgrade", "base")

    engine = create_engine(empty_url)
    with engine.connect() as conn:
        assert migrations.current(conn) is None
    engine.dispose()


def test_sql_needs_no_database(alembic):
    """`alembic upgrade head --sql` prints the schema without DATABASE_URL."""
    assert "CREATE TABLE gendurable.instances" in alembic("upgrade", "head", "--sql", database=None)


def test_says_that_database_url_is_missing(alembic):
    """Without DATABASE_URL there is no guess at somebody's database."""
    assert "set DATABASE_URL" in alembic("upgrade", "head", database=None)
