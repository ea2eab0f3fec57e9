"""A statement that is its own transaction: on a connection of SQLAlchemy's, or by way of libpq."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from psycopg import Connection as DriverConnection
from psycopg import Cursor, errors
from psycopg.generators import execute
from psycopg.pq import DiagnosticField, ExecStatus, PipelineStatus, TransactionStatus
from sqlalchemy import Connection, Engine, NullPool, PoolProxiedConnection, text

from gendurable.engine import faults
from gendurable.queries.prepared import Prepared
from gendurable.queries.statement import failed, is_watched

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult
    from sqlalchemy.pool import _ConnectionFairy

#: Where a pooled connection keeps what its server's default level is: it is asked for once.
_LEVEL, _DEFAULT = "gendurable_default_level", "read committed"
_SHOW_LEVEL = "SHOW default_transaction_isolation"
#: Where it keeps which statements it has prepared, and how many: each takes memory of the server.
_PREPARED, MOST = "gendurable_prepared", 20
#: What a server says that was told to forget what it has prepared, as some let their pools do; and
#: one that has prepared this already, in a call that was interrupted.
_FORGOTTEN, _KNOWN = b"26000", b"42P05"


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
    engine: Engine, statement: Prepared, parameters: Mapping[str, Any]
) -> Sequence[Sequence[bytes | None]] | None:
    """Run what is one statement, and so its own transaction; return its rows as the server's text.

    What SQLAlchemy and the driver make of a statement costs as much as the server's part of an
    insert; of a connection, this uses only what libpq does. Returns None, with nothing done, where
    that would make a difference: somebody listens to the engine, its connections are not of the
    usual kind, or the server refuses the statement, which whoever then goes the usual way is told.

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
        result = _execute(driver, pooled.info, statement, parameters)
        if result is None:
            return None
        if result.status == ExecStatus.TUPLES_OK:
            columns = range(result.nfields)
            return [[result.get_value(n, c) for c in columns] for n in range(result.ntuples)]
        error = errors.error_from_result(result)
        # Only a server that goes on has refused it: another one may have said so after the commit.
        idle = driver.pgconn.transaction_status == TransactionStatus.IDLE
        if idle and not (faults.is_lost(error) or faults.is_transient(error)):
            return None
        raise error
    except errors.Error as error:
        raise failed(engine, pooled, statement.text, parameters, error) from error
    finally:
        _give_back(pooled)


def _is_ordinary(engine: Engine) -> bool:
    """Whether nobody listens to *engine*, and its connections are kept."""
    told: Any = engine.dispatch
    if is_watched(engine) or told.begin or told.commit or told.engine_connect:
        return False
    return not isinstance(engine.pool, NullPool)


def _lent(engine: Engine) -> PoolProxiedConnection:
    try:
        return engine.raw_connection()
    except errors.Error as error:
        raise failed(engine, None, None, None, error) from error


def _is_plain(driver: DriverConnection[Any], info: MutableMapping[Any, Any]) -> bool:
    """Whether a statement that is sent by itself is a transaction of the usual kind."""
    conn = driver.pgconn
    if (
        conn.transaction_status != TransactionStatus.IDLE
        or conn.pipeline_status != PipelineStatus.OFF
        or driver.prepare_threshold is None
        or driver.cursor_factory is not Cursor
        or conn.parameter_status(b"client_encoding") != b"UTF8"
    ):
        return False
    if _LEVEL not in info:
        conn.send_query(_SHOW_LEVEL.encode())
        result = _answer(driver)
        if result.status != ExecStatus.TUPLES_OK:
            raise errors.error_from_result(result)
        info[_LEVEL] = (result.get_value(0, 0) or b"").decode()
    return bool(info[_LEVEL] == _DEFAULT)


def _execute(
    driver: DriverConnection[Any],
    info: MutableMapping[Any, Any],
    statement: Prepared,
    parameters: Mapping[str, Any],
) -> PGresult | None:
    """Execute a statement by its name; None: the server keeps enough of them for us."""
    known: set[bytes] = info.setdefault(_PREPARED, set())
    if statement.name not in known and len(known) >= MOST:
        return None
    values = statement.values(parameters)
    result = _send(driver, known, statement, values)
    if _sqlstate(result) == _FORGOTTEN:
        known.clear()
        result = _send(driver, known, statement, values)
    return result


def _send(
    driver: DriverConnection[Any],
    known: set[bytes],
    statement: Prepared,
    values: Sequence[bytes | None],
) -> PGresult:
    """Execute what the connection has prepared, or prepares now."""
    name = statement.name
    if name not in known:
        driver.pgconn.send_prepare(name, statement.numbered)
        result = _answer(driver)
        if result.status != ExecStatus.COMMAND_OK and _sqlstate(result) != _KNOWN:
            return result
        known.add(name)
    driver.pgconn.send_query_prepared(name, values)
    return _answer(driver)


def _sqlstate(result: PGresult) -> bytes | None:
    return result.error_field(DiagnosticField.SQLSTATE)


def _answer(driver: DriverConnection[Any]) -> PGresult:
    """Wait for what was sent to be answered, as the driver does: an interruption cancels it."""
    results: list[PGresult] = driver.wait(execute(driver.pgconn))
    return results[-1]


def _give_back(pooled: PoolProxiedConnection) -> None:
    """Give a connection back to the pool, unless an interruption has left it in mid-statement.

    Where the statement has ended its transaction the pool is told so, as SQLAlchemy tells it: the
    driver would take a lock, and wait, to roll back nothing.
    """
    driver: Any = pooled.driver_connection
    status = None if driver is None else driver.pgconn.transaction_status
    if status == TransactionStatus.IDLE:
        cast("_ConnectionFairy", pooled)._close_special(transaction_reset=True)
        return
    if status == TransactionStatus.ACTIVE:
        pooled.invalidate()
    pooled.close()
