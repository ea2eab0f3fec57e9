"""A step that talks to a second database is told when that one is away."""

from __future__ import annotations

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

import gendurable as gd
from gendurable.testing import drain


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
