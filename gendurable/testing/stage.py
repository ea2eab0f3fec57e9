"""A binding that works inside the transaction of a test: its commits are savepoints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Connection, Dialect, text
from sqlalchemy.orm import Session

from gendurable.testing.reach import Place, check_binding, connected, explained

#: What the engine sets for a transaction, and what would outlive the savepoint it was set in.
_KEPT = ("application_name", "lock_timeout")


@contextmanager
def staged(durable: Any, session: Place) -> Iterator[Any]:
    """Let *durable* work in the transaction of *session* until the end of the block.

    Whatever runs meanwhile, the steps included, begins savepoints on the connection of the test
    and releases them again, and tells no worker about it. Without a session *durable* works as
    ever.
    """
    check_binding(durable)
    if session is None:
        with explained(durable):
            yield durable
        return
    with connected(durable, session) as conn, _restored(conn):
        stand_ins = {
            "engine": _Savepoints(conn),
            "single": _Savepoints(conn),
            "notifier": _Silence(),
            "open_session": _sessions(durable.open_session, conn),
            "open_async_session": _no_async_session,
        }
        originals = {name: vars(durable)[name] for name in ("engine", "single", "notifier")}
        vars(durable).update(stand_ins)
        try:
            yield durable
        finally:
            for name in stand_ins:
                del vars(durable)[name]
            vars(durable).update(originals)


class _Savepoints:
    """Stands in for an engine: a transaction is a savepoint on the one connection there is."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn

    @property
    def url(self) -> URL:
        return self._conn.engine.url

    @property
    def dialect(self) -> Dialect:
        return self._conn.dialect

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        with self._conn.begin_nested():
            yield self._conn


class _Silence:
    """Stands in for a notifier: nobody is told of what may be rolled back."""

    def announce(self, queues: Iterable[str]) -> None:
        """Tell nobody."""

    def announce_on_commit(self, conn: Connection, news: Iterable[object]) -> None:
        """Tell nobody."""


def _sessions(original: Any, conn: Connection) -> Any:
    def open_session() -> Session:
        session: Session = original()
        session.bind = conn
        session.join_transaction_mode = "create_savepoint"
        return session

    return open_session


def _no_async_session() -> Any:
    raise RuntimeError(
        "ctx.async_session cannot join the transaction of the test, whose connection is a sync one;"
        " call drain without session="
    )


@contextmanager
def _restored(conn: Connection) -> Iterator[None]:
    """Put back, for the rest of the test's transaction, what the engine sets for its own."""
    before = {name: conn.scalar(text(f"SHOW {name}")) for name in _KEPT}
    yield
    for name, value in before.items():
        conn.execute(text("SELECT set_config(:name, :value, true)"), {"name": name, "value": value})
