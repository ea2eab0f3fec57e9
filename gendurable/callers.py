"""Working in the caller's transaction: which connection it is, and whether it will do."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, async_scoped_session
from sqlalchemy.orm import Session, scoped_session

from gendurable import migrations
from gendurable.engine import current, faults, targets
from gendurable.engine.aftercare import Aftercare, attend
from gendurable.errors import InvalidInput, SchemaError
from gendurable.retry import jitter
from gendurable.runtime.single import begin_single
from gendurable.sessions import place_of

if TYPE_CHECKING:
    from gendurable.engine.scope import Scope
    from gendurable.operations import Operations

T = TypeVar("T")

log = logging.getLogger("gendurable")

#: How often a transaction of our own runs before its deadlock is the caller's to know.
TRIES = 8

#: What ``session=`` takes: whatever the caller's transaction runs in.
Caller: TypeAlias = Session | scoped_session[Any] | Connection | None
#: What it takes in ``durable.aio``.
AsyncCaller: TypeAlias = AsyncSession | async_scoped_session[Any] | AsyncConnection | None


@dataclass(slots=True)
class Work:
    """A transaction to work in, and the queues that will have news once it commits.

    ``care`` is what has to be seen to then.
    """

    conn: Connection
    queues: set[str] = field(default_factory=set)
    care: Aftercare = field(default_factory=Aftercare)


@contextmanager
def working(durable: Operations, caller: Caller, *, single: bool = False) -> Iterator[Work]:
    """Work in the transaction of *caller*, or in one of our own that commits at the end.

    Workers are told after the commit, whoever makes it. Where each statement may stand alone
    (*single*), our own transaction is that statement, which spares its BEGIN and COMMIT.
    """
    try:
        if caller is None:
            with begin_single(durable.single) if single else durable.engine.begin() as conn:
                work = Work(conn)
                yield work
            durable.notifier.announce(work.queues)
            if work.care:
                see_to(durable, work.care)
        else:
            work = Work(connection_of(durable, caller))
            scope = current.step()
            if scope is not None and scope.works_on(work.conn):
                scope.used = True
            yield work
            if work.care:
                durable.notifier.announce_on_commit(work.conn, (*work.queues, work.care))
            elif work.queues:
                durable.notifier.announce_on_commit(work.conn, work.queues)
    except DBAPIError as error:
        explain_missing(error, durable.db.schema)
        raise


def explain_missing(error: DBAPIError, schema: str) -> None:
    """Say how to mend what *error* complains of, if that is a table of ours in *schema*.

    Raises:
        SchemaError: it is.
    """
    if faults.is_missing(error) and f"{schema}." in str(error):
        raise SchemaError(
            f"the schema {schema!r} is missing or too old; `gendurable schema check` says which:"
            f" {migrations.advice(schema)}"
        ) from error


def see_to(durable: Operations, care: Aftercare) -> None:
    """Do what a committed transaction has left to do. It has happened, whatever becomes of this."""
    try:
        with durable.engine.begin() as conn:
            queues = attend(conn, durable.db, care)
    except SQLAlchemyError as error:  # a pool without a free connection among them
        log.warning("left to the sweeps of the workers: %s", error)
    else:
        durable.notifier.announce(queues)


def carry_out(
    durable: Operations, caller: Caller, do: Callable[[Work], T], *, single: bool = False
) -> T:
    """Work as ``working`` does; in a transaction of our own, again after a deadlock.

    One of the caller's only he can repeat.
    """
    for attempt in range(TRIES):
        try:
            with working(durable, caller, single=single) as work:
                return do(work)
        except DBAPIError as error:
            if caller is not None or not faults.is_transient(error) or attempt == TRIES - 1:
                raise
            time.sleep(jitter(0.001 * 2**attempt))
    raise AssertionError("unreachable")


def me(durable: Operations) -> int | None:
    """Return the id of the instance whose step is running here, if it is of this binding."""
    scope: Scope | None = current.step()
    return scope.claim.id if scope is not None and _same(scope.durable, durable) else None


def refuse_outside(durable: Operations, target: int | str, caller: Caller) -> None:
    """Refuse what would wait for the step's own session: reach for ``session=ctx.session``."""
    scope = current.step()
    if caller is None and scope is not None and scope.touched and _is_me(durable, target):
        session = "async_session" if scope.is_async else "session"
        raise InvalidInput(
            f"instance {scope.claim.id} has opened the session of its step: signal it with"
            f" session=ctx.{session}, or this call would wait for that session for ever"
        )


def refuse_own(durable: Operations, target: int | str, what: str) -> None:
    """Refuse what a step does to its own instance, before it waits for its own session."""
    mine = me(durable)
    if mine is not None and _is_me(durable, target):
        targets.refuse_self([mine], mine, what)


def _is_me(durable: Operations, target: int | str) -> bool:
    """Whether *target* names the instance whose step is running here."""
    scope = current.step()
    if scope is None or not _same(scope.durable, durable):
        return False
    claim = scope.claim
    if isinstance(target, int):
        return target == claim.id
    return claim.correlation_scope is not None and target == claim.correlation_key


def _same(one: Any, other: Any) -> bool:
    """Whether two bindings, under whatever names, work with the same tables."""
    if one is other:
        return True
    places = (place_of(one.engine), one.db.schema), (place_of(other.engine), other.db.schema)
    return places[0] == places[1]


def connection_of(durable: Operations, caller: object) -> Connection:
    """Return the connection that the caller's transaction runs on.

    Raises:
        InvalidInput: it is in autocommit mode, or reaches another database.
    """
    if isinstance(caller, scoped_session):
        caller = caller()
    if isinstance(caller, Session):
        conn = caller.connection()
        _mark_changed(caller)
    elif isinstance(caller, Connection):
        conn = caller
        if not conn.in_transaction():
            conn.begin()
    elif isinstance(caller, (AsyncSession, async_scoped_session, AsyncConnection)):
        raise InvalidInput(
            f"session={caller!r} is asynchronous: durable.aio has the same methods as coroutines,"
            " which take it"
        )
    else:
        raise InvalidInput(
            f"session={caller!r} must be a Session, a scoped_session or a Connection"
        )
    if not conn.dialect.driver.startswith("psycopg"):
        raise InvalidInput(
            f"session= runs on the driver {conn.dialect.driver!r}, which does not take the engine's"
            " statements: connect with postgresql+psycopg, asynchronous or not"
        )
    driver: Any = conn.connection.driver_connection
    if getattr(driver, "autocommit", False):
        raise InvalidInput(
            "session= is in AUTOCOMMIT mode, so there is no transaction to take part in; use one"
            " that you commit, or leave session= out"
        )
    if place_of(durable.engine) != place_of(conn.engine):
        raise InvalidInput(
            f"session= reaches {conn.engine.url.render_as_string()}, and this binding works in"
            f" {durable.engine.url.render_as_string()}: what is inserted there could not commit"
            " with it"
        )
    return conn


def _mark_changed(session: Session) -> None:
    """Tell zope.sqlalchemy that the session wrote something: it sees only what the ORM writes.

    A session that it does not know stays unknown to it.
    """
    manager: Any = sys.modules.get("zope.sqlalchemy.datamanager")
    if manager is not None and session in manager._SESSION_STATE:
        manager.mark_changed(session)
