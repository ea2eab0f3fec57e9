"""Fixtures of the whole suite: a database of its own for each test, and who waits for whom."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from gendurable.migrations import create_schema
from gendurable.testing.databases import database

if TYPE_CHECKING:
    import gendurable as gd

pytest_plugins = ["pytester"]

_numbers = count()

#: A test that waits longer than this for something that must happen has failed.
PATIENCE = 10.0


@pytest.fixture(scope="session")
def template(gendurable_server: str) -> Iterator[str]:
    """The name of a migrated database; cloning it is many times cheaper than migrating another."""
    name = f"gendurable_template_{os.getpid()}"
    with database(gendurable_server, name) as url:
        create_schema(create_engine(url, poolclass=NullPool))
        yield name


@pytest.fixture
def url(gendurable_server: str, template: str) -> Iterator[str]:
    """The URL of a migrated database that only this test uses."""
    with database(gendurable_server, f"test_{os.getpid()}_{next(_numbers)}", template) as url:
        yield url


@pytest.fixture
def empty_url(gendurable_server: str) -> Iterator[str]:
    """The URL of an empty database that only this test uses."""
    with database(gendurable_server, f"test_{os.getpid()}_{next(_numbers)}") as url:
        yield url


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    """An engine on the test's database, with room for many connections."""
    engine = create_engine(url, pool_size=20, max_overflow=20)
    yield engine
    engine.dispose()


@pytest.fixture
def durable(engine: Engine) -> Iterator[gd.Durable]:
    """A binding to the test's database with the settings that a user gets."""
    import gendurable as gd

    durable = gd.bind(engine)
    yield durable
    durable.notifier.close()


@pytest.fixture
def connect(engine: Engine) -> Iterator[Callable[[], Connection]]:
    """Open another connection; all are rolled back and closed when the test ends."""
    opened: list[Connection] = []

    def connect() -> Connection:
        opened.append(engine.connect())
        return opened[-1]

    yield connect
    for conn in opened:
        conn.close()


@pytest.fixture
def conn(connect: Callable[[], Connection]) -> Connection:
    """A connection to the test's database."""
    return connect()


@pytest.fixture
def other(connect: Callable[[], Connection]) -> Connection:
    """A second connection: somebody else's transaction."""
    return connect()


@pytest.fixture
def session(conn: Connection) -> Iterator[Session]:
    """A session inside a transaction that the test rolls back; its commits are savepoints."""
    with conn.begin() as transaction:
        with Session(conn, join_transaction_mode="create_savepoint") as session:
            yield session
        transaction.rollback()


@pytest.fixture
def eventually() -> Callable[..., None]:
    """Wait until a condition holds, and fail the test when it does not within *seconds*."""

    def eventually(holds: Callable[[], object], seconds: float = PATIENCE) -> None:
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, f"{holds} did not come true within {seconds} s"
            time.sleep(0.005)

    return eventually


@pytest.fixture
def blocked(engine: Engine, eventually: Callable[..., None]) -> Callable[[Connection | int], None]:
    """Wait until a connection (or the backend with that pid) waits for somebody's lock."""

    def blocked(who: Connection | int) -> None:
        pid = who if isinstance(who, int) else backend_pid(who)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as watcher:
            eventually(lambda: watcher.scalar(_BLOCKED, {"backend": pid}))

    return blocked


def backend_pid(conn: Connection) -> int:
    """Return the pid of the backend behind *conn*, asking the driver and not the server."""
    driver = conn.connection.driver_connection
    assert driver is not None
    return int(driver.info.backend_pid)


_BLOCKED = text("SELECT cardinality(pg_blocking_pids(:backend)) > 0")
