"""A database connection that one thread keeps, and makes anew after an error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import Connection, Engine

from gendurable.runtime.single import may_stand_alone

_TRANSACTION, _STATEMENT = "READ COMMITTED", "AUTOCOMMIT"


class Link:
    """One connection of the engine, kept between transactions, so that it can be counted on."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._conn: Connection | None = None
        self._level = _TRANSACTION
        self._may_stand_alone = False

    @contextmanager
    def begin(self, *, single: bool = False) -> Iterator[Connection]:
        """Run one transaction; after any error the connection is not used again.

        Where each statement may stand alone (*single*), it is its own transaction, which spares the
        round trips of BEGIN and COMMIT; for a worker's thread each of them is a wait for Python's
        lock, too.
        """
        try:
            if self._conn is None:
                self._open()
            assert self._conn is not None
            level = _STATEMENT if single and self._may_stand_alone else _TRANSACTION
            if level != self._level:
                self._conn.execution_options(isolation_level=level)
                self._level = level
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

    def _open(self) -> None:
        self._conn = self._engine.connect()
        self._level = _TRANSACTION
        self._may_stand_alone = may_stand_alone(self._conn)
