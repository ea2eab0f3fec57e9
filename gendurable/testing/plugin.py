"""Fixtures for pytest: a PostgreSQL server, a migrated database, a session that is rolled back.

pytest finds this module by itself once gendurable is installed. Nothing starts until a test asks
for one of the fixtures.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.orm import Session


@pytest.fixture(scope="session")
def gendurable_server() -> Iterator[str]:
    """The URL of a PostgreSQL server for this run; see ``GENDURABLE_TEST_URL``."""
    from gendurable.testing.databases import running_server

    with running_server() as url:
        yield url


@pytest.fixture(scope="session")
def gendurable_url(gendurable_server: str) -> Iterator[str]:
    """The URL of a new database that holds gendurable's schema, for this run."""
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    from gendurable.migrations import create_schema
    from gendurable.testing.databases import database

    with database(gendurable_server, f"gendurable_{os.getpid()}") as url:
        create_schema(create_engine(url, poolclass=NullPool))
        yield url


@pytest.fixture(scope="session")
def gendurable_engine(gendurable_url: str) -> Iterator[Engine]:
    """An engine on the migrated database."""
    from sqlalchemy import create_engine

    engine = create_engine(gendurable_url)
    yield engine
    engine.dispose()


@pytest.fixture
def gendurable_session(gendurable_engine: Engine) -> Iterator[Session]:
    """A session whose commits are savepoints: the test's end rolls everything back."""
    from sqlalchemy.orm import Session

    with gendurable_engine.connect() as conn, conn.begin() as transaction:
        with Session(conn, join_transaction_mode="create_savepoint") as session:
            yield session
        transaction.rollback()


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Show below the counts of a drain which instances failed and why, in full."""
    if op != "==" or type(left).__name__ != "Tally":  # before anything is imported for others
        return None
    from gendurable.testing.tally import Tally

    if not isinstance(left, Tally) or not left.shown:
        return None
    return [f"Tally({dict(left)}) == {right!r}", "", *left.shown]
