"""The outcome of a step and the COMMIT of its session: in one message, where nobody can tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from psycopg import Error
from psycopg.pq import TransactionStatus
from sqlalchemy import NullPool
from sqlalchemy.orm import Session

from gendurable.engine import libpq
from gendurable.engine.commit import answer_for, columns_of, commit, is_one_statement
from gendurable.engine.nouns import Committed, Finished
from gendurable.lifecycle import Status
from gendurable.queries import outcomes
from gendurable.queries.statement import failed, is_heard

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from gendurable.queries.prepared import Prepared
    from gendurable.queries.statement import Database


def prepare(conn: Connection, db: Database) -> None:
    """Prepare what may end a transaction that is about to begin, once a connection of the pool.

    Within it, an error of that would be the end of what the step has written.
    """
    both = _both(db)
    if isinstance(conn.engine.pool, NullPool) or libpq.is_prepared(conn.info, both):
        return
    if libpq.is_plain(_driver(conn), TransactionStatus.IDLE):
        libpq.prepare(_driver(conn), conn.info, both)


def commit_last(
    session: Session,
    conn: Connection,
    db: Database,
    worker: str,
    finished: Finished,
    ttl: float | None,
    *,
    alone: bool,
) -> Committed:
    """Write the outcome of a step whose *session* is flushed, and commit that if it is ours.

    If *conn* is all that the session has begun, one message may leave nothing to do but close it.

    Raises:
        DBAPIError: as the outcome's statement or the commit would by itself.
    """
    told: Any = session.dispatch
    if is_one_statement(finished) and _may_commit(session, conn, db):
        fields = columns_of(finished, ttl)
        if outcomes.is_usual(fields):
            parameters = outcomes.parameters_of(worker, fields, ttl or 0.0)
            answer = _commit(conn, db, finished, fields, parameters)
            if answer.done and (told.after_commit or not alone):
                session.commit()  # on *conn* it finds no transaction left
            return answer
    answer = commit(conn, db, worker, [finished], wait=True, ttl=ttl)
    if answer.done:
        session.commit()
    return answer


def _commit(
    conn: Connection,
    db: Database,
    finished: Finished,
    fields: Mapping[str, Any],
    parameters: dict[str, Any],
) -> Committed:
    """Write the outcome and commit, in one message."""
    answer = Committed()
    ends = fields["status"] == Status.DONE
    rows = _send(conn, _both(db) if ends else _both(db)[:1], parameters)
    if rows is None:
        answer.stale.append(finished)
    else:
        answer_for(conn, db, [finished], [_read(finished, rows)], answer)
    return answer


def _read(finished: Finished, rows: Sequence[libpq.Row]) -> tuple[int, str | None, bool | None]:
    """Return what ``outcomes.write`` does: its id, its queue if it is runnable, its mail."""
    ((status, queue, mail, _),) = rows
    name = queue.decode() if queue is not None and status == b"runnable" else None
    return finished.claim.id, name, None if mail is None else mail == b"t"


def _both(db: Database) -> list[Prepared]:
    return [db.prepared(outcomes.WRITE_LAST), db.prepared(outcomes.EMPTY)]


def _may_commit(session: Session, conn: Connection, db: Database) -> bool:
    """Whether COMMIT, sent past the session, does what ``session.commit()`` would.

    Nobody but us hears of it before, the flush has left nothing to flush, nothing is nested.
    """
    told: Any = session.dispatch
    heard: Any = conn.dispatch
    return (
        type(session).commit is Session.commit
        and not session.twophase
        and len(told.before_commit) == 1
        and not (session.new or session.dirty or session.deleted)
        and not (heard.commit or heard.rollback or is_heard(conn))
        and not (session.in_nested_transaction() or conn.in_nested_transaction())
        and libpq.is_plain(_driver(conn), TransactionStatus.INTRANS)
        and libpq.is_prepared(conn.info, _both(db))
    )


def _send(
    conn: Connection, statements: Sequence[Prepared], parameters: dict[str, Any]
) -> list[libpq.Row] | None:
    """Write the outcome and COMMIT; None: the claim was lost, and nothing is committed."""
    pooled = conn.connection
    driver: Any = pooled.driver_connection
    try:
        return libpq.commit(driver, pooled.info, statements, parameters, outcomes.LOST)
    except Error as error:
        raise failed(conn.engine, pooled, statements[0].text, parameters, error) from error
    finally:
        if libpq.is_stuck(driver):
            conn.invalidate()


def _driver(conn: Connection) -> Any:
    return conn.connection.driver_connection
