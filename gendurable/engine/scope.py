"""What a step may reach for, each on first touch: its session, its children, its lease."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

from sqlalchemy import Connection, Engine, event
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session, SessionTransaction

from gendurable.context import Child, Children
from gendurable.engine import leases
from gendurable.engine.blocking import at_once
from gendurable.engine.commit import commit
from gendurable.engine.session import StepSession, commit_session, refuse_elsewhere
from gendurable.lifecycle import Status
from gendurable.queries import children as family

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from gendurable.engine.executor import Binding, Hooks
    from gendurable.engine.nouns import Claim, Committed, Finished

LEVEL = "ISOLATION LEVEL READ COMMITTED"
#: PQTRANS_IDLE and PGRES_COMMAND_OK of libpq.
IDLE, COMMAND_OK = 0, 1


class Scope:
    """One execution of one step, as far as it reaches beyond its own object."""

    __slots__ = (
        "_async",
        "_closing",
        "_conn",
        "_hooks",
        "_session",
        "_several",
        "claim",
        "durable",
        "is_async",
        "used",
        "worker",
    )

    def __init__(
        self, durable: Binding, claim: Claim, worker: str, hooks: Hooks, is_async: bool
    ) -> None:
        self.durable = durable
        self.claim = claim
        self.worker = worker
        self.is_async = is_async
        self._hooks = hooks
        self._session: Session | None = None
        self._async: AsyncSession | None = None
        self._closing = False
        self._conn: Connection | None = None
        self._several = False
        #: An operation has worked in the session, which may hold the row of this very instance.
        self.used = False

    @property
    def touched(self) -> bool:
        """Whether the step has opened its session."""
        return self._session is not None

    @property
    def disconnected(self) -> bool:
        """Whether it is the step's own session that has no connection any more, or got none."""
        conn = self._conn
        return self.touched and (conn is None or conn.closed or conn.invalidated)

    @property
    def invalidated(self) -> bool:
        """Whether the step's own session has a connection, and that one was lost."""
        return self._conn is not None and self._conn.invalidated

    def works_on(self, conn: Connection) -> bool:
        """Whether that is the connection of the step's own session."""
        return self._conn is conn

    @property
    def stopping(self) -> bool:
        """Whether the worker drains, or the claim is known to be lost."""
        return self._hooks.stopping(self.claim)

    @property
    def idempotency_key(self) -> str:
        """The same for every execution of this visit, and for no other."""
        return f"{self.durable.identity()}:{self.claim.id}:{self.claim.visit}"

    def heartbeat(self) -> None:
        """Ask for a longer lease."""
        self._hooks.heartbeat(self.claim)

    def session(self) -> Session:
        """Return the session of a sync step."""
        if self.is_async:
            raise RuntimeError("an async step has ctx.async_session; ctx.session would block it")
        if self._session is None:
            self._session = self._guarded(self.durable.open_session())
        return self._session

    def async_session(self) -> AsyncSession:
        """Return the session of an async step."""
        if not self.is_async:
            raise RuntimeError("a sync step has ctx.session; ctx.async_session is for async steps")
        if self._async is None:
            self._async = self.durable.open_async_session()
            self._session = self._guarded(self._async.sync_session)
        return self._async

    def children(self) -> Children:
        """Return the children, which are read through the session of the step if that is open.

        ``handle`` is told of none: what the step saw of them is not what it goes on from.
        """
        return Children((lambda after, limit: []) if self.claim.recovered else self._page)

    def commit(self, finished: Finished) -> Any:
        """Flush, guard, write the outcome and commit: one transaction with the step's rows."""
        self._closing = True
        if self._async is not None:
            return self._async.run_sync(self._commit, finished)
        assert self._session is not None
        return self._commit(self._session, finished)

    def rollback(self) -> Awaitable[None] | None:
        """Roll the session back and close it; whatever it held is let go."""
        session, self._session = self._session, None
        wrapper, self._async = self._async, None
        self._conn = None
        self._several = self._closing = False
        self.used = False
        if session is not None:
            self._release(session)
        if wrapper is not None:
            return _close(wrapper)
        if session is not None:
            with suppress(Exception):
                session.close()
        return None

    def _commit(self, session: Session, finished: Finished) -> Committed:
        session.flush()
        only = None if self._several or not session.in_transaction() else self._conn
        conn = session.connection() if only is None else only
        refuse_elsewhere(conn, self.durable.engine)
        ttl = None if self.stopping else self._hooks.ttl
        committed = commit(conn, self.durable.db, self.worker, [finished], wait=True, ttl=ttl)
        if committed.done:
            commit_session(session, only)
        self._release(session)
        session.close()
        return committed

    def _guarded(self, session: Session) -> Session:
        """Watch over *session*: a session of ours finds its scope, one of the user's is told.

        Whoever closes it in the step, as ``with ctx.session:`` does at its end, would roll back
        what is to commit with the outcome: that does nothing.
        """
        vars(session)["close"] = _kept_open
        if isinstance(session, StepSession):
            session.scope = self
        else:
            event.listen(session, "after_begin", self.begun)
            event.listen(session, "before_commit", self.refuse)
        return session

    def _release(self, session: Session) -> None:
        """Let *session* be closed again, and hear no more of it: a factory may return it again."""
        if vars(session).pop("close", None) is None or isinstance(session, StepSession):
            return
        event.remove(session, "after_begin", self.begun)
        event.remove(session, "before_commit", self.refuse)

    def begun(self, session: Session, transaction: SessionTransaction, conn: Connection) -> None:
        """At every begin, since a rollback of the author's undoes what the first one set."""
        self._several |= self._conn is not None
        self._conn = conn
        # A connection that nobody has had before, or gets: not that of a test.
        if isinstance(session, StepSession) and isinstance(session.bind, Engine):
            vars(conn)["commit"] = _refuse_commit
        driver: Any = conn.connection.driver_connection
        if driver.autocommit and not isinstance(session, StepSession):
            raise RuntimeError(
                "session_factory makes sessions in AUTOCOMMIT mode, which would commit without the"
                " outcome of the step: give it an engine with another isolation level"
            )
        name = leases.session_name(self.durable.db, self.claim.id, self.claim.claim_seq)
        mine = f"SET LOCAL application_name TO '{name}'"
        if not (self._async is None and _begin(driver, f"BEGIN {LEVEL}; {mine}")):
            conn.exec_driver_sql(
                f"SET TRANSACTION {LEVEL}; {mine}", execution_options={"no_parameters": True}
            )

    def refuse(self, session: Session) -> None:
        """Refuse a commit that is not that of the outcome."""
        if not self._closing and not session.in_nested_transaction():
            _refuse_commit()

    def _page(self, after: int, limit: int) -> list[Child]:
        def read(session: Session) -> list[Child]:
            return self._read(session.connection(), after, limit)

        if self._async is not None and self._conn is not None and not self._conn.closed:
            return at_once(self._async, self._conn, read)
        if self._async is None and self._session is not None:
            return read(self._session)
        with self.durable.engine.begin() as conn:
            return self._read(conn, after, limit)

    def _read(self, conn: Connection, after: int, limit: int) -> list[Child]:
        rows = family.page(conn, self.durable.db, self.claim.id, after, limit)
        return [
            Child(id, fsm, step, Status(status), state, result, error, in_round)
            for id, fsm, step, status, state, result, error, in_round in rows
        ]


def _refuse_commit() -> NoReturn:
    """Stand in for the ``commit`` of the connection, too."""
    raise RuntimeError(
        "the session of a step commits with its outcome: return one instead of calling"
        " commit(); for a commit of your own open a session of your own"
    )


def _kept_open() -> None:
    """Stand in for the ``close`` of a session that is closed with the outcome."""


def _begin(driver: Any, statements: str) -> bool:
    """Begin a transaction with what it has to begin with, in one round trip; say if that worked.

    The driver would send its own BEGIN with the first statement, and finds that it need not. Where
    the engine is in AUTOCOMMIT mode it would send none, and commits and rolls back this one.
    """
    if driver.info.transaction_status != IDLE:
        return False
    return bool(driver.pgconn.exec_(statements.encode()).status == COMMAND_OK)


async def _close(session: AsyncSession) -> None:
    with suppress(Exception):
        await session.close()
