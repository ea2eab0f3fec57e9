"""A thread's own connection: one transaction at a time, or each statement its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from sqlalchemy import create_engine, text

from gendurable.runtime.link import Link

LEVEL = text("SELECT current_setting('transaction_isolation')")
XACT = text("SELECT pg_current_xact_id()::text")


@pytest.fixture
def link(durable) -> Iterator[Link]:
    with closing(Link(durable.engine)) as link:
        yield link


class TestLink:
    def test_a_transaction_holds_its_statements_together(self, link):
        """Two statements of one block are one transaction."""
        with link.begin() as conn:
            assert conn.scalar(XACT) == conn.scalar(XACT)

    def test_a_single_statement_is_its_own_transaction(self, link):
        """Where each may stand alone, each commits by itself; and the next block is whole again."""
        with link.begin(single=True) as conn:
            assert conn.scalar(XACT) != conn.scalar(XACT)
        with link.begin() as conn:
            assert conn.scalar(XACT) == conn.scalar(XACT)

    @pytest.mark.parametrize("single", [False, True])
    @pytest.mark.parametrize("default", ["serializable", "repeatable\\ read", "read\\ committed"])
    def test_runs_at_read_committed_whatever_the_server_defaults_to(self, url, single, default):
        """On a server with another default, a statement gets a transaction for its level's sake."""
        engine = create_engine(
            url, connect_args={"options": f"-c default_transaction_isolation={default}"}
        ).execution_options(isolation_level="READ COMMITTED")
        with closing(Link(engine)) as link, link.begin(single=single) as conn:
            assert conn.scalar(LEVEL) == "read committed"
        engine.dispose()

    def test_gives_back_a_connection_that_transacts(self, link, durable):
        """Whoever gets the connection after it finds no trace of that."""
        with link.begin(single=True) as conn:
            pid = conn.connection.driver_connection.info.backend_pid
        link.close()

        with durable.engine.begin() as conn:
            assert conn.connection.driver_connection.info.backend_pid == pid
            assert conn.scalar(XACT) == conn.scalar(XACT)

    def test_an_error_costs_the_connection(self, link):
        """After any error a new one is opened, and knows nothing of the old one."""
        with pytest.raises(ZeroDivisionError), link.begin(single=True):
            raise ZeroDivisionError

        with link.begin(single=True) as conn:
            assert conn.scalar(XACT) != conn.scalar(XACT)
