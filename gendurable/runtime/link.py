"""A database connection that one thread keeps, and makes anew after an error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, PoolProxiedConnection, text
from sqlalchemy.exc import DBAPIError

from gendurable.engine import faults
from gendurable.queries.statement import Statement, is_watched

if TYPE_CHECKING:
    from gendurable.queries.statement import Database

_TRANSACTION, _STATEMENT = "READ COMMITTED", "AUTOCOMMIT"
#: Where a pooled connection keeps what its server's default level is: it is asked for once.
_LEVEL, _DEFAULT = "gendurable_default_level", "read committed"
_SHOW_LEVEL = Statement("link.level", text("SHOW default_transaction_isolation"))
_IDLE = 0


def may_stand_alone(conn: Connection) -> bool:
    """Whether a statement that is its own transaction fares no differently in *conn*.

    It runs at whatever level the server defaults to; and who listens for the beginning of
    transactions (to set a role or a tenant for each) would speak to nobody.
    """
    if conn.engine.dispatch.begin:
        return False
    level = conn.info.get(_LEVEL)
    if level is None:
        level = conn.execute(_SHOW_LEVEL.element).scalar()
        conn.commit()
        conn.info[_LEVEL] = level
    return bool(level == _DEFAULT)


def run_single(
    engine: Engine, db: Database, statement: Statement, parameters: Mapping[str, Any]
) -> Sequence[tuple[Any, ...]] | None:
    """Run what is one statement, and so its own transaction, straight on the driver.

    A connection of SQLAlchemy's, with its transaction and its level, costs as much as the rest of
    an insert. Returns None, with nothing done, where that would make a difference: somebody listens
    to the engine, its transactions begin otherwise, or the server refuses the statement, which
    whoever then goes the usual way is told.

    Raises:
        DBAPIError: the connection is lost, and nobody knows whether the statement took effect; or
            somebody wanted it to end, by a timeout or by hand.
    """
    if is_watched(engine) or _is_told_of_transactions(engine):
        return None
    pooled = engine.raw_connection()
    driver: Any = pooled.driver_connection
    try:
        if driver.pgconn.transaction_status != _IDLE:
            return None
        before = driver.autocommit
        try:
            driver.autocommit = True
            if _LEVEL not in pooled.info:
                pooled.info[_LEVEL] = db.fetch(engine, pooled, _SHOW_LEVEL, {})[0][0]
            if pooled.info[_LEVEL] != _DEFAULT:
                return None
            return db.fetch(engine, pooled, statement, parameters)
        except DBAPIError as error:
            if faults.is_lost(error) or faults.is_transient(error):
                raise
            return None
        finally:
            _restore(engine, pooled, before)
    finally:
        pooled.close()


def _restore(engine: Engine, pooled: PoolProxiedConnection, autocommit: bool) -> None:
    """Nobody gets a connection that commits each statement for himself, unless he asks for it.

    What comes from a signal handler comes anywhere.
    """
    driver: Any = pooled.driver_connection
    try:
        if driver is not None:  # else it is gone already
            driver.autocommit = autocommit
    except BaseException as error:
        pooled.invalidate(error)
        if not isinstance(error, engine.dialect.loaded_dbapi.Error):
            raise  # else the connection is broken, and the statement has told of that


def _is_told_of_transactions(engine: Engine) -> bool:
    told: Any = engine.dispatch
    return bool(told.begin or told.commit or told.engine_connect)


@contextmanager
def begin_single(engine: Engine) -> Iterator[Connection]:
    """Begin what is one statement, which may be its own transaction, on a connection of *engine*.

    The engine is one of level AUTOCOMMIT.
    """
    with engine.connect() as conn:
        if not may_stand_alone(conn):
            conn.execution_options(isolation_level=_TRANSACTION)
        with conn.begin():
            yield conn


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
