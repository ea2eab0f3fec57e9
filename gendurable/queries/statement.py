"""Statements as values: Core built at import, compiled once a schema, rows read by position."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from sqlalchemy import (
    Connection,
    Engine,
    FromClause,
    Interval,
    PoolProxiedConnection,
    func,
    literal_column,
)
from sqlalchemy.dialects.postgresql import JSON, psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import ColumnElement
from sqlalchemy.sql.base import Executable
from sqlalchemy.sql.expression import ClauseElement, bindparam, column
from sqlalchemy.types import TypeEngine

from gendurable.models import SCHEMA, Base
from gendurable.queries.outdated import is_outdated, renew_outdated
from gendurable.queries.prepared import Prepared

_DIALECT = psycopg.dialect()  # type: ignore[no-untyped-call]
_PREPARER = _DIALECT.identifier_preparer

#: A column that is named as it is called anyway.
_SAME_NAME = re.compile(r"\b(\w+\.(\w+)) AS \2\b(?!\.)")


class Statement:
    """One statement of the engine, under the name that its golden file bears.

    Running it takes the compiled text straight to the driver: building the cache key of a large
    statement at every call would cost more than PostgreSQL needs to execute it.
    """

    __slots__ = ("element", "name")

    def __init__(self, name: str, element: Executable) -> None:
        self.name = name
        self.element = element

    def sql(self, schema: str = SCHEMA) -> str:
        """Return the statement's text for *schema*, with ``%(name)s`` parameters.

        The driver parses a text anew at each execution if it is longer than 4,096 bytes.
        """
        assert isinstance(self.element, ClauseElement)
        compiled = self.element.compile(
            dialect=_DIALECT,
            schema_translate_map={SCHEMA: schema},
            render_schema_translate=True,
            compile_kwargs={"literal_binds": False},
        )
        text = str(compiled)
        for table in Base.metadata.sorted_tables:  # a column's table needs no schema
            name = _PREPARER.quote_schema(schema) + "." + _PREPARER.quote(table.name) + "."
            text = text.replace(name, _PREPARER.quote(table.name) + ".")
        return _SAME_NAME.sub(r"\1", text)


class Database:
    """The statements as one binding runs them: in its schema, each text compiled once."""

    __slots__ = ("_prepared", "_texts", "schema")

    def __init__(self, schema: str = SCHEMA) -> None:
        self.schema = schema
        self._texts: dict[Statement, str] = {}
        self._prepared: dict[Statement, Prepared] = {}

    def rows(
        self, conn: Connection, statement: Statement, parameters: Mapping[str, Any]
    ) -> Sequence[Any]:
        """Run *statement* on *conn* and return its rows."""
        return cast("Sequence[Any]", self._execute(conn, statement, parameters).all())

    def tuples(
        self, conn: Connection, statement: Statement, parameters: Mapping[str, Any]
    ) -> Sequence[tuple[Any, ...]]:
        """Run *statement* as ``rows`` does, but on the driver's own cursor, for the hottest paths.

        What SQLAlchemy makes of each statement and row (a context, a result with its columns,
        ``Row`` objects) costs as much as the driver. Who listens to it, misses nothing.
        """
        if not conn.in_transaction() or is_heard(conn):
            return [tuple(row) for row in self.rows(conn, statement, parameters)]
        try:
            return self._fetch(conn.engine, conn.connection, statement, parameters)
        except DBAPIError as error:
            if error.connection_invalidated:
                conn.invalidate(error)
            raise
        except BaseException as error:
            if not isinstance(error, Exception):  # interrupted: nobody knows how far it came
                conn.invalidate(error)
            raise

    def _fetch(
        self,
        engine: Engine,
        pooled: PoolProxiedConnection,
        statement: Statement,
        parameters: Mapping[str, Any],
    ) -> Sequence[tuple[Any, ...]]:
        """Run *statement* on a connection of the pool, in whatever transaction that is."""
        text = self._text(statement)
        cursor = pooled.cursor()
        try:
            cursor.execute(text, parameters)
            return cursor.fetchall()
        except engine.dialect.loaded_dbapi.Error as error:
            raise failed(engine, pooled, text, parameters, error) from error
        finally:
            cursor.close()

    def prepared(self, statement: Statement) -> Prepared:
        """Return *statement* as a server keeps it by name."""
        prepared = self._prepared.get(statement)
        if prepared is None:
            prepared = self._prepared[statement] = Prepared.of(self._text(statement))
        return prepared

    def run(self, conn: Connection, statement: Statement, parameters: Mapping[str, Any]) -> int:
        """Run *statement* on *conn* for its effect; return how many rows it touched."""
        return int(self._execute(conn, statement, parameters).rowcount)

    def _execute(self, conn: Connection, statement: Statement, given: Mapping[str, Any]) -> Any:
        try:
            return conn.exec_driver_sql(self._text(statement), dict(given))
        except DBAPIError as error:
            if is_outdated(error):
                renew_outdated(conn.engine, conn.connection, error)
            raise

    def _text(self, statement: Statement) -> str:
        text = self._texts.get(statement)
        if text is None:
            text = self._texts[statement] = statement.sql(self.schema)
        return text


def is_watched(engine: Engine) -> bool:
    """Whether anybody wants to see the statements of this engine, or their errors."""
    if engine.logger.isEnabledFor(logging.INFO):
        return True
    dialect: Any = engine.dialect.dispatch
    if may_be_told(engine.dialect) and (dialect.do_execute or dialect.handle_error):
        return True
    shared: Any = engine.dispatch
    if not may_be_told(engine):
        return False
    return bool(shared.before_cursor_execute or shared.after_cursor_execute)


def is_heard(conn: Connection) -> bool:
    """Whether anybody wants to see the statements of this connection, or their errors."""
    own: Any = conn.dispatch
    if may_be_told(conn) and (own.before_cursor_execute or own.after_cursor_execute):
        return True
    return is_watched(conn.engine)


def may_be_told(target: object) -> bool:
    """Whether anybody has ever listened to *target* itself: sooner said than what is listened to.

    SQLAlchemy notes it for itself, so that it need not look either.
    """
    return bool(getattr(target, "_has_events", True))


def failed(
    engine: Engine,
    pooled: PoolProxiedConnection | None,
    text: str | None,
    parameters: Mapping[str, Any] | None,
    error: Exception,
) -> BaseException:
    """Return an error of the driver as SQLAlchemy would raise it; tell the pool, as that would."""
    renew_outdated(engine, pooled, error)
    gone = engine.dialect.is_disconnect(error, pooled, None)  # type: ignore[arg-type]
    if gone:  # what the pool still has is as old
        engine.pool._invalidate(pooled, error)  # type: ignore[arg-type]
    return DBAPIError.instance(
        text,
        parameters,
        error,
        engine.dialect.loaded_dbapi.Error,
        hide_parameters=engine.hide_parameters,
        connection_invalidated=gone,
        dialect=engine.dialect,
    )


def document(
    name: str, parameter: str, /, **columns: TypeEngine[Any] | type[TypeEngine[Any]]
) -> FromClause:
    """A batch that travels as one JSON document, as a table *name* with these columns.

    A document costs a fifth of a microsecond a row in the driver; arrays of strings cost 17.
    """
    return (
        func.json_to_recordset(bindparam(parameter, type_=JSON))
        .table_valued(*(column(key, kind) for key, kind in columns.items()))
        .render_derived(name=name, with_types=True)
    )


def qualified(schema: str, name: str) -> str:
    """Return a table's name with its schema, quoted where it has to be."""
    return f"{_PREPARER.quote_schema(schema)}.{_PREPARER.quote(name)}"


def seconds(duration: ColumnElement[Any]) -> ColumnElement[Any]:
    """Turn a number of seconds (a float, up to a century) into an interval."""
    return duration * literal_column("interval '1 second'", Interval)


def array(numbers: Iterable[int]) -> str:
    """Write integers as an array literal: many times cheaper than the driver's own lists."""
    return "{" + ",".join(map(str, numbers)) + "}"


def records(texts: Iterable[str]) -> str:
    """Join encoded JSON objects into the document that a statement takes."""
    return "[" + ",".join(texts) + "]"
