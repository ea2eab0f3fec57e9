"""Fixtures of the engine's tests: a script, a table of the application's, a row to look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import select, text

from tests.engine.script import SCRIPT, Base
from tests.races import play as actors
from tests.races.gatekeeper import Gatekeeper


@pytest.fixture
def script() -> Iterator[dict[str, Any]]:
    """What the steps of ``Scripted`` do in this test."""
    SCRIPT.clear()
    yield SCRIPT
    SCRIPT.clear()


@pytest.fixture(autouse=True)
def tables(engine) -> None:
    """The application's table, with a constraint that is checked at COMMIT."""
    Base.metadata.create_all(engine)
    with engine.begin() as conn:
        conn.execute(
            text("ALTER TABLE notes ADD CONSTRAINT one UNIQUE (text) DEFERRABLE INITIALLY DEFERRED")
        )


@pytest.fixture
def row(durable) -> Callable[[Any], Any]:
    """Read all columns of an instance, as they are committed."""
    table = durable.Instance.__table__

    def row(target: Any) -> Any:
        with durable.engine.begin() as conn:
            return conn.execute(select(table).where(table.c.id == int(target))).one()

    return row


@pytest.fixture
def history(durable) -> Callable[[Any], list[Any]]:
    """Read the history of an instance, oldest entry first."""
    table = durable.Transition.__table__

    def history(target: Any) -> list[Any]:
        query = select(table).where(table.c.instance_id == int(target)).order_by(table.c.id)
        with durable.engine.begin() as conn:
            return list(conn.execute(query))

    return history


@pytest.fixture
def play(durable) -> Iterator[Gatekeeper]:
    """The engine of this test, one function at a time, with what limits need."""
    actors.SCRIPT.clear()
    yield Gatekeeper(durable)
    actors.SCRIPT.clear()
