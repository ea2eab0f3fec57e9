"""Where the helpers work: in the transaction of the test, or in one of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

from sqlalchemy import Connection
from sqlalchemy.orm import Session, scoped_session

#: What ``session=`` takes.
Place: TypeAlias = Session | scoped_session[Session] | Connection | None


@contextmanager
def connected(durable: Any, session: Place) -> Iterator[Connection]:
    """Give the connection of *session*, flushed, or one of *durable* whose work is committed."""
    if session is None:
        with durable.engine.begin() as conn:
            yield conn
    elif isinstance(session, Connection):
        yield session
    else:
        session.flush()
        yield session.connection()
        session.expire_all()  # what the test has loaded may have changed behind its back
