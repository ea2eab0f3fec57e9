"""A database connection that one thread keeps, and makes anew after an error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import Connection, Engine


class Link:
    """One connection of the engine, kept between transactions, so that it can be counted on."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._conn: Connection | None = None

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """Run one transaction; after any error the connection is not used again."""
        try:
            if self._conn is None:
                self._conn = self._engine.connect()
            with self._conn.begin():
                yield self._conn
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give the connection back; a broken one is thrown away."""
        conn, self._conn = self._conn, None
        if conn is not None:
            with suppress(Exception):
                conn.close()
