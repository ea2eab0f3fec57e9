"""Statements as messages to libpq: prepared by name, parameters and answers as text.

What SQLAlchemy and the driver's cursors make of a statement costs as much as the server's part of
it. Of a pooled connection, this uses only what libpq does; the driver waits for the answers.
"""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import TYPE_CHECKING, Any

from psycopg import Connection as DriverConnection
from psycopg import Cursor
from psycopg.errors import error_from_result
from psycopg.generators import execute
from psycopg.pq import DiagnosticField, ExecStatus, PipelineStatus, TransactionStatus

from gendurable.queries.prepared import Prepared

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

#: Where a pooled connection keeps which statements it has prepared, and how many of them: each
#: takes memory of the server.
_PREPARED, MOST = "gendurable_prepared", 20
#: What a server says that was told to forget what it has prepared, as some let their pools do; and
#: one that has prepared this already, in a call that was interrupted.
_FORGOTTEN, _KNOWN = b"26000", b"42P05"

#: Members of enumerations, which are dear to look up: no transaction, what went well, no pipeline.
IDLE = TransactionStatus.IDLE
_FINE, _NO_PIPELINE = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK), PipelineStatus.OFF

Info = MutableMapping[Any, Any]
Driver = DriverConnection[Any]
Row = list[bytes | None]


def is_plain(driver: Driver) -> bool:
    """Whether a connection is idle, and of the kind for which cursors do nothing else."""
    conn = driver.pgconn
    return (
        conn.transaction_status == IDLE
        and conn.pipeline_status == _NO_PIPELINE
        and driver.prepare_threshold is not None
        and driver.cursor_factory is Cursor
        and conn.parameter_status(b"client_encoding") == b"UTF8"
    )


def query(driver: Driver, text: str) -> PGresult:
    """Run a statement without parameters."""
    driver.pgconn.send_query(text.encode())
    return _answer(driver)


def run(
    driver: Driver, info: Info, statement: Prepared, values: Sequence[bytes | None]
) -> PGresult | None:
    """Run a statement as its own transaction; None: the server keeps enough of them for us."""
    known = _known(info)
    if statement.name not in known and len(known) >= MOST:
        return None
    result = _run(driver, known, statement, values)
    if result.status not in _FINE and _sqlstate(result) == _FORGOTTEN:
        known.clear()
        result = _run(driver, known, statement, values)
    return result


def _run(
    driver: Driver, known: set[bytes], statement: Prepared, values: Sequence[bytes | None]
) -> PGresult:
    """Run what the connection has prepared, or prepares now."""
    if statement.name not in known:
        result = _prepare(driver, known, statement)
        if statement.name not in known:
            return result
    driver.pgconn.send_query_prepared(statement.name, values)
    return _answer(driver)


def rows(result: PGresult) -> list[Row]:
    """Return the rows of a result.

    Raises:
        psycopg.Error: the server has refused the statement.
    """
    if result.status not in _FINE:
        raise error_from_result(result)
    columns = range(result.nfields)
    return [[result.get_value(n, c) for c in columns] for n in range(result.ntuples)]


def _known(info: Info) -> set[bytes]:
    known: set[bytes] = info.setdefault(_PREPARED, set())
    return known


def _prepare(driver: Driver, known: set[bytes], statement: Prepared) -> PGresult:
    driver.pgconn.send_prepare(statement.name, statement.numbered)
    result = _answer(driver)
    if result.status == ExecStatus.COMMAND_OK or _sqlstate(result) == _KNOWN:
        known.add(statement.name)
    return result


def _sqlstate(result: PGresult) -> bytes | None:
    return result.error_field(DiagnosticField.SQLSTATE)


def _answer(driver: Driver) -> PGresult:
    """Wait for what was sent to be answered, as the driver does: an interruption cancels it."""
    results: list[PGresult] = driver.wait(execute(driver.pgconn))
    return results[-1]
