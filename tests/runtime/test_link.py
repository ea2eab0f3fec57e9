"""A thread's own connection: one transaction at a time, or each statement its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from sqlalchemy import create_engine, event, text
from sqlalchemy.exc import DBAPIError, OperationalError

from gendurable.queries.statement import Database, Statement
from gendurable.runtime.link import Link, run_single

LEVEL = text("SELECT current_setting('transaction_isolation')")
XACT = text("SELECT pg_current_xact_id()::text")
ONE = Statement("test.one", text("SELECT 1, 'a'"))
ZERO = Statement("test.zero", text("SELECT 1 / 0"))
PAUSE = Statement("test.pause", text("INSERT INTO gendurable.pauses (queue) VALUES ('q')"))
SLEEP = Statement("test.sleep", text("SELECT pg_sleep(10)::text"))
DIE = Statement("test.die", text("SELECT pg_terminate_backend(pg_backend_pid())"))


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


class TestSingle:
    def test_commits_and_gives_back_a_connection_that_transacts(self, engine):
        """It has taken effect when it returns, and whoever gets the connection finds no trace."""
        returning = Statement("test.pause", text(f"{PAUSE.element} RETURNING queue"))
        assert run_single(engine, Database(), returning, {}) == [("q",)]

        with engine.begin() as conn:
            assert conn.scalar(text("SELECT count(*) FROM gendurable.pauses")) == 1
            assert conn.scalar(XACT) == conn.scalar(XACT)

    @pytest.mark.parametrize("default", ["serializable", "repeatable\\ read"])
    def test_is_for_others_to_do_at_another_level(self, url, default):
        """Where the server's transactions are of another level, there has to be one."""
        engine = create_engine(
            url, connect_args={"options": f"-c default_transaction_isolation={default}"}
        )
        assert [run_single(engine, Database(), ONE, {}) for _ in range(2)] == [None, None]
        engine.dispose()

    @pytest.mark.parametrize("name", ["begin", "commit", "engine_connect", "before_cursor_execute"])
    def test_is_for_others_to_do_where_somebody_listens(self, engine, name):
        """Who sets a tenant at each begin, or counts statements, is not passed by."""

        def heard(*arguments: object) -> None:
            pass

        event.listen(engine, name, heard)
        try:
            assert run_single(engine, Database(), ONE, {}) is None
        finally:
            event.remove(engine, name, heard)
        assert run_single(engine, Database(), ONE, {}) == [(1, "a")]

    def test_is_for_others_to_do_in_a_transaction_of_the_pools(self, engine):
        """Whose connections come from the pool within one has to commit it."""

        @event.listens_for(engine, "checkout")
        def begin(connection, record, proxy) -> None:
            connection.execute("SET application_name = 'mine'")

        assert run_single(engine, Database(), PAUSE, {}) is None

    def test_what_is_refused_is_not_done(self, engine):
        """Nor is the connection any worse for it."""
        assert run_single(engine, Database(), ZERO, {}) is None
        assert run_single(engine, Database(), ONE, {}) == [(1, "a")]

    def test_a_lost_connection_is_told_of(self, engine):
        """Nobody knows what became of the statement, and the pool's next connection is new."""
        with pytest.raises(DBAPIError) as caught:
            run_single(engine, Database(), DIE, {})
        assert caught.value.connection_invalidated

        assert run_single(engine, Database(), ONE, {}) == [(1, "a")]

    def test_what_somebody_ended_is_not_run_again(self, url):
        """Who cancels a statement, or gives it a time, does not want it repeated another way."""
        engine = create_engine(url, connect_args={"options": "-c statement_timeout=50"})
        with pytest.raises(OperationalError, match="statement timeout"):
            run_single(engine, Database(), SLEEP, {})
        assert run_single(engine, Database(), ONE, {}) == [(1, "a")]
        engine.dispose()

    @pytest.mark.parametrize("when", [True, False])
    @pytest.mark.parametrize("error", [TimeoutError, KeyboardInterrupt])
    def test_an_interruption_leaves_no_connection_that_commits_by_itself(
        self, engine, monkeypatch, error, when
    ):
        """An alarm may go off while the connection changes its mode, or is put back into it."""
        change = psycopg.Connection._set_autocommit_gen

        def alarmed(connection, value):
            if value or when:
                yield from change(connection, value)
            if value == when:
                raise error

        with monkeypatch.context() as patch, pytest.raises(error):
            patch.setattr(psycopg.Connection, "_set_autocommit_gen", alarmed)
            run_single(engine, Database(), ONE, {})

        with engine.begin() as conn:
            assert conn.scalar(XACT) == conn.scalar(XACT)

    def test_one_lost_connection_tells_of_all(self, engine):
        """After a restart of the server one statement fails, and not one for each connection."""
        with engine.connect() as one, engine.connect() as two:
            old = {conn.connection.driver_connection for conn in (one, two)}
        with pytest.raises(DBAPIError):
            run_single(engine, Database(), DIE, {})

        with engine.connect() as one, engine.connect() as two:
            assert not old & {conn.connection.driver_connection for conn in (one, two)}
