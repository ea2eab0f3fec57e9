"""Counting statements, and a crowded database whose plans are looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import get_ident

import pytest
from sqlalchemy import event

from tests.races.gatekeeper import Gatekeeper
from tests.races.play import SCRIPT, Play


@pytest.fixture
def play(durable) -> Iterator[Play]:
    """The engine of this test, one function at a time."""
    SCRIPT.clear()
    yield Play(durable)
    SCRIPT.clear()


@pytest.fixture
def keeper(durable) -> Gatekeeper:
    """The same, with what limits need."""
    return Gatekeeper(durable)


#: What the worker's threads ask once a connection.
AT_CONNECT = "SHOW default_transaction_isolation"


@pytest.fixture
def counted(engine) -> Callable[..., object]:
    """Collect what this thread sends to the database within a block, on whatever connection.

    News for other processes go out on a thread of their own, grouped, after the commit.
    """

    @contextmanager
    def counted() -> Iterator[list[str]]:
        sent: list[str] = []
        here = get_ident()

        def note(conn, cursor, statement, parameters, context, executemany) -> None:
            if get_ident() != here or statement == AT_CONNECT:
                return
            assert not executemany, "a statement that is sent once a row"
            sent.append(statement)

        event.listen(engine, "before_cursor_execute", note)
        try:
            yield sent
        finally:
            event.remove(engine, "before_cursor_execute", note)

    return counted
