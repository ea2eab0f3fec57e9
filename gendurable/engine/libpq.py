"""Statements as messages to libpq: prepared by name, parameters and answers as text.

What SQLAlchemy and the driver's cursors make of a statement costs as much as the server's part of
it. Of a pooled connection, this uses only what libpq does; the driver waits for the answers.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any

from psycopg import Connection as DriverConnection
from psycopg import Cursor
from psycopg.errors import Error, error_from_result
from psycopg.generators import execute, fetch_many
from psycopg.pq import DiagnosticField, ExecStatus, PipelineStatus, TransactionStatus

from gendurable.queries.prepared import Prepared

if TYPE_CHECKING:
    from psycopg.abc import PQGen
    from psycopg.pq.abc import PGconn, PGresult

#: Where a pooled connection keeps which statements it has prepared, and how many of them: each
#: takes memory of the server.
_PREPARED, MOST = "gendurable_prepared", 20
#: Where it keeps that its server forgot once what a transaction had counted on.
_FORGETFUL = "gendurable_forgetful"
#: What a server says that was told to forget what it has prepared, as some let their pools do; and
#: one that has prepared this already, in a call that was interrupted.
_FORGOTTEN, _KNOWN = b"26000", b"42P05"

#: Members of enumerations, which are dear to look up: what went well, and no pipeline.
_FINE, _NO_PIPELINE = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK), PipelineStatus.OFF

Info = MutableMapping[Any, Any]
Driver = DriverConnection[Any]
Row = list[bytes | None]


def is_plain(driver: Driver, status: TransactionStatus) -> bool:
    """Whether a connection is in that status, and of the kind for which cursors do nothing else."""
    conn = driver.pgconn
    return (
        conn.transaction_status == status
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
    driver: Driver, info: Info, statement: Prepared, parameters: Mapping[str, Any]
) -> PGresult | None:
    """Run a statement as its own transaction; None: the server keeps enough of them for us."""
    known = _known(info)
    if statement.name not in known and len(known) >= MOST:
        return None
    values = statement.values(parameters)
    result = _run(driver, known, statement, values)
    if _sqlstate(result) == _FORGOTTEN:
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


def prepare(driver: Driver, info: Info, statements: Sequence[Prepared]) -> None:
    """Have *statements* prepared, outside a transaction, which an error would end."""
    known = _known(info)
    for statement in statements:
        if statement.name not in known and len(known) < MOST:
            _prepare(driver, known, statement)


def is_prepared(info: Info, statements: Sequence[Prepared]) -> bool:
    """Whether the connection has prepared all of *statements*, and can be relied on."""
    known = _known(info)
    return _FORGETFUL not in info and all(statement.name in known for statement in statements)


def commit(
    driver: Driver,
    info: Info,
    statements: Sequence[Prepared],
    parameters: Mapping[str, Any],
    unless: bytes,
) -> list[Row] | None:
    """Run *statements*, which are prepared, and COMMIT, in one message; return the first's rows.

    After an error the server skips the rest, so that nothing is committed. Returns None where that
    is the error *unless* of the first of them.

    Raises:
        psycopg.Error: the server has refused one of them, or the connection is lost.
    """
    conn = driver.pgconn
    conn.enter_pipeline_mode()
    for statement in statements:
        conn.send_query_prepared(statement.name, statement.values(parameters))
    conn.send_query_params(b"COMMIT", None)
    conn.pipeline_sync()
    answers: list[PGresult] = []
    try:
        driver.wait(_answers(conn, len(statements) + 2, answers))
    except Error:
        _raise_first(answers)  # a server that ends a connection says why, before it does
        raise
    conn.exit_pipeline_mode()
    if _sqlstate(answers[0]) == unless:
        return None
    if any(_sqlstate(answer) == _FORGOTTEN for answer in answers):
        info[_FORGETFUL] = True
    _raise_first(answers[:-1])
    return rows(answers[0])


def _answers(conn: PGconn, number: int, answers: list[PGresult]) -> PQGen[None]:
    """Send what is left to send, and gather so many *answers*; the last is of the pipeline."""
    answers.append((yield from execute(conn))[-1])
    while len(answers) < number:
        answers.append((yield from fetch_many(conn))[-1])


def is_stuck(driver: Driver) -> bool:
    """Whether something has interrupted such a message: the connection is good for nothing."""
    return driver.pgconn.pipeline_status != _NO_PIPELINE


def _raise_first(answers: Sequence[PGresult]) -> None:
    """Raise the first error there is among *answers*."""
    for answer in answers:
        rows(answer)


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
