"""The session of a step, unless the binding has a factory that makes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.orm import Session, SessionTransaction

from gendurable.errors import InvalidInput
from gendurable.sessions import place_of

if TYPE_CHECKING:
    from gendurable.engine.scope import Scope


class StepSession(Session):
    """A session that is listened to once for all, and knows its scope."""

    scope: Scope | None = None


@event.listens_for(StepSession, "after_begin")
def _begun(session: StepSession, transaction: SessionTransaction, conn: Connection) -> None:
    if session.scope is not None:
        session.scope.begun(session, transaction, conn)


@event.listens_for(StepSession, "before_commit")
def _refuse(session: StepSession) -> None:
    if session.scope is not None:
        session.scope.refuse(session)


def refuse_elsewhere(conn: Connection, ours: Engine) -> None:
    """Refuse to write an outcome into another database than that of *ours*.

    Raises:
        InvalidInput: the session of a step has reached one.
    """
    if conn.engine is not ours and place_of(conn.engine) != place_of(ours):
        raise InvalidInput(
            f"the session of a step reaches {conn.engine.url.render_as_string()}, and this binding"
            f" works in {ours.url.render_as_string()}: an outcome commits with its rows, so give"
            " bind() a session_factory= and an async_engine= that reach the same database"
        )


def commit_session(session: Session, only: Connection | None) -> None:
    """Commit a flushed session; by its *only* connection, where nobody could tell the difference.

    What SQLAlchemy does beyond that for objects and listeners is a tenth of a step's work, and the
    session is closed in any case (decision 0042).
    """
    transaction = None
    if only is not None and not only.in_nested_transaction():  # a test's is not ours to commit
        transaction = only.get_transaction()
    if transaction is not None and _is_only_that(session):
        transaction.commit()
    else:
        session.commit()


def _is_only_that(session: Session) -> bool:
    """Whether a session is ours, in a transaction of its own, flushed, and nobody listens to it."""
    told: Any = session.dispatch
    return (
        type(session) is StepSession
        and isinstance(session.bind, Engine)
        and len(told.before_commit) == 1
        and not told.after_commit
        and not (session.new or session.dirty or session.deleted)
        and not session.in_nested_transaction()
    )
