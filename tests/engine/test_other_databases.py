"""A step that talks to a second database is told when that one is away."""

from __future__ import annotations

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.orm import sessionmaker
from sqlalchemy.pool import NullPool

import gendurable as gd
from gendurable.testing import drain
from tests.engine.script import Scripted


class TwoDatabases(gd.FSM):
    """Writes through its session, then asks a database that nobody serves."""

    elsewhere: str

    @gd.step
    def ask(self, ctx: gd.Context) -> gd.Outcome:
        ctx.session.execute(text("SELECT 1"))
        with create_engine(self.elsewhere, poolclass=NullPool).connect():
            return gd.Done()


class TestAnotherDatabase:
    def test_is_an_error_of_the_step(self, durable: gd.Durable) -> None:
        """Only the loss of the step's own connection runs it again; this goes to ``handle``."""
        nowhere = "postgresql+psycopg://nobody@/nothing?host=/nonexistent"
        handle = durable.insert(TwoDatabases(elsewhere=nowhere))

        drain(durable)

        row = handle.instance()
        assert row is not None
        assert row.status == "failed"
        assert "OperationalError" in str(row.last_error)

    def test_of_a_factory_is_an_error_of_the_step(self, engine: Engine, script, row) -> None:
        """Rows that could not commit with the outcome are refused by name, and at once."""
        other = create_engine(engine.url.set(database="postgres"))
        durable = gd.bind(engine, session_factory=sessionmaker(other))
        script["start"] = lambda obj, ctx: ctx.session.execute(text("SELECT 1")) and gd.Done()
        handle = durable.insert(Scripted())

        assert drain(durable) == {"stop": 1}
        other.dispose()

        error = row(handle).last_error
        assert error.startswith("InvalidInput: the session of a step reaches")
        assert "/postgres" in error
