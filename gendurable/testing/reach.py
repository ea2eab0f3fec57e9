"""Where the helpers work: in the transaction of the test, or in one of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, scoped_session

from gendurable.callers import explain_missing
from gendurable.durable import Durable
from gendurable.errors import InvalidInput

#: What ``session=`` takes.
Place: TypeAlias = Session | scoped_session[Session] | Connection | None


def check_binding(durable: object) -> None:
    """Refuse what is no binding, such as the engine that one is made of."""
    if not isinstance(durable, Durable):
        raise InvalidInput(
            f"durable={durable!r} is no binding; pass what gd.bind(engine) has returned"
        )


@contextmanager
def explained(durable: Durable) -> Iterator[None]:
    """Say what is meant where the database complains that it has no table of ours."""
    try:
        yield
    except DBAPIError as error:
        explain_missing(error, durable.settings.schema)
        raise


@contextmanager
def connected(durable: Any, session: Place) -> Iterator[Connection]:
    """Give the connection of *session*, flushed, or one of *durable* whose work is committed."""
    check_binding(durable)
    if session is None:
        with explained(durable), durable.engine.begin() as conn:
            yield conn
    elif isinstance(session, Connection):
        with explained(durable):
            yield session
    else:
        session.flush()
        with explained(durable):
            yield session.connection()
        session.expire_all()  # what the test has loaded may have changed behind its back
