"""A statement that is its own transaction: on a connection of SQLAlchemy's, or by way of libpq."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from psycopg import errors
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, Engine, NullPool, PoolProxiedConnection, text

from gendurable.engine import faults
from gendurable.queries.prepared import Prepared
from gendurable.queries.statement import failed, is_watched, may_be_told
from gendurable.runtime import libpq
from gendurable.runtime.aftercommit import others_hear_commits

if TYPE_CHECKING:
    from sqlalchemy.pool import _ConnectionFairy

#: Where a pooled connection keeps what its server's default level is: it is asked for once.
_LEVEL, _DEFAULT = "gendurable_default_level", "read committed"
_SHOW_LEVEL = "SHOW default_transaction_isolation"


def may_stand_alone(conn: Connection) -> bool:
    """Whether a statement that is its own transaction fares no differently in *conn*.

    It runs at whatever level the server defaults to; and who listens for the beginning of
    transactions (to set a role or a tenant for each) would speak to nobody.
    """
    if conn.engine.dispatch.begin:
        return False
    level = conn.info.get(_LEVEL)
    if level is None:
        level = conn.scalar(text(_SHOW_LEVEL))
        conn.commit()
        conn.info[_LEVEL] = level
    return bool(level == _DEFAULT)


@contextmanager
def begin_single(engine: Engine) -> Iterator[Connection]:
    """Begin what is one statement, which may be its own transaction, on a connection of *engine*.

    The engine is one of level AUTOCOMMIT.
    """
    with engine.connect() as conn:
        if not may_stand_alone(conn):
            conn.execution_options(isolation_level="READ COMMITTED")
        with conn.begin():
            yield conn


def run_single(
    engine: Engine, statement: Prepared, values: Sequence[bytes | None]
) -> Sequence[Sequence[bytes | None]] | None:
    """Run what is one statement, and so its own transaction; return its rows as the server's text.

    *values* are those of its parameters, as text.

    Returns None, with nothing done, where that would make a difference: somebody listens to the
    engine, its connections are not of the usual kind, or the server refuses the statement, which
    whoever then goes the usual way is told.

    Raises:
        DBAPIError: the connection is lost, and nobody knows whether the statement took effect; or
            somebody wanted it to end, by a timeout or by hand.
    """
    if not _is_ordinary(engine):
        return None
    pooled = _lent(engine)
    try:
        driver: Any = pooled.driver_connection
        if not _is_plain(driver, pooled.info):
            return None
        result = libpq.run(driver, pooled.info, statement, values)
        return None if result is None else libpq.rows(result)
    except errors.Error as error:
        # Only a server that goes on has refused it: another one may have said so after the commit.
        if _goes_on(pooled) and not (faults.is_lost(error) or faults.is_transient(error)):
            return None
        given = dict(zip(statement.keys, values, strict=True))
        raise failed(engine, pooled, statement.text, given, error) from error
    finally:
        _give_back(pooled)


def _is_ordinary(engine: Engine) -> bool:
    """Whether nobody listens to *engine*, and its connections are kept."""
    told: Any = engine.dispatch
    if may_be_told(engine) and (told.begin or told.engine_connect or others_hear_commits(engine)):
        return False
    return not (is_watched(engine) or isinstance(engine.pool, NullPool))


def _lent(engine: Engine) -> PoolProxiedConnection:
    try:
        return engine.raw_connection()
    except errors.Error as error:
        raise failed(engine, None, None, None, error) from error


def _is_plain(driver: Any, info: MutableMapping[Any, Any]) -> bool:
    """Whether a statement that is sent by itself is a transaction of the usual kind."""
    if not libpq.is_plain(driver):
        return False
    if _LEVEL not in info:
        ((level,),) = libpq.rows(libpq.query(driver, _SHOW_LEVEL))
        info[_LEVEL] = (level or b"").decode()
    return bool(info[_LEVEL] == _DEFAULT)


def _give_back(pooled: PoolProxiedConnection) -> None:
    """Give a connection back to the pool, unless an interruption has left it in mid-statement.

    Where the statement has ended its transaction the pool is told so, as SQLAlchemy tells it: the
    driver would take a lock, and wait, to roll back nothing.
    """
    status = _status(pooled)
    if status == libpq.IDLE:
        cast("_ConnectionFairy", pooled)._close_special(transaction_reset=True)
        return
    if status == TransactionStatus.ACTIVE:
        pooled.invalidate()
    pooled.close()


def _goes_on(pooled: PoolProxiedConnection) -> bool:
    return _status(pooled) == libpq.IDLE


def _status(pooled: PoolProxiedConnection) -> TransactionStatus | None:
    driver: Any = pooled.driver_connection
    return None if driver is None else driver.pgconn.transaction_status
