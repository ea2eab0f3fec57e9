"""One transaction a page: a single snapshot that cannot write, and cannot last."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from gendurable.callers import working

if TYPE_CHECKING:
    from gendurable.durable import Durable

#: A page that would take longer than this, in milliseconds, is given up.
PATIENCE = 5_000

#: Compiling a plan costs more than pages that read so little could win by it.
_MANNERS = (
    f"SELECT set_config('statement_timeout', '{PATIENCE}', true), set_config('jit', 'off', true)"
)


@contextmanager
def snapshot(durable: Durable) -> Iterator[Connection]:
    """Give a connection whose statements all see the same instant.

    Raises:
        SchemaError: the schema is missing or too old.
    """
    with working(durable, None) as work:
        work.conn.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        work.conn.exec_driver_sql(_MANNERS)
        yield work.conn
