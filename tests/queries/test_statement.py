"""How statements are run: on SQLAlchemy's way, or straight on the driver's cursor."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine, event, text
from sqlalchemy.exc import DBAPIError, IntegrityError

import gendurable as gd
from gendurable.engine.faults import is_conflict, is_disconnect, is_transient, sqlstate
from gendurable.engine.spawning import parameters_of
from gendurable.queries import enqueue
from gendurable.queries.statement import Database, Statement

ONE = Statement("test.one", text("SELECT 1, 'a'"))
ZERO = Statement("test.zero", text("SELECT 1 / 0"))
TWICE = Statement(
    "test.twice",
    text("INSERT INTO gendurable.pauses (queue) SELECT 'q' FROM generate_series(1, 2)"),
)
COLUMN = Statement("test.column", text("SELECT c FROM changing"))


class Plain(gd.Job, name="statement.plain"):
    def perform(self, ctx: gd.Context) -> None:
        pass


@pytest.fixture
def db() -> Database:
    return Database()


class TestTuples:
    def test_brings_rows_as_tuples(self, durable, db):
        """The driver's rows, and nothing made of them."""
        with durable.engine.begin() as conn:
            assert db.tuples(conn, ONE, {}) == [(1, "a")]

    def test_errors_are_those_of_sqlalchemy(self, durable, db):
        """With the statement, the SQLSTATE, and the class that fits."""
        with durable.engine.begin() as conn, pytest.raises(DBAPIError) as caught:
            db.tuples(conn, ZERO, {})
        assert sqlstate(caught.value) == "22012"
        assert "SELECT 1 / 0" in str(caught.value)

        with durable.engine.begin() as conn, pytest.raises(IntegrityError):
            db.tuples(conn, TWICE, {})

    def test_a_lost_connection_is_let_go_of(self, durable, db, engine):
        """It is known as lost, and its place in the pool gets a new one."""
        with pytest.raises(DBAPIError) as caught, durable.engine.begin() as conn:
            pid = conn.connection.driver_connection.info.backend_pid
            with engine.begin() as other:
                other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
            db.tuples(conn, ONE, {})
        assert caught.value.connection_invalidated
        assert is_disconnect(caught.value)

        with durable.engine.begin() as conn:
            assert db.tuples(conn, ONE, {}) == [(1, "a")]

    @pytest.mark.parametrize("name", ["before_cursor_execute", "after_cursor_execute"])
    def test_who_listens_misses_nothing(self, durable, db, name):
        """Whether an engine is traced or counts statements, those of ours are among them."""
        seen = []

        def note(conn, cursor, statement, parameters, context, executemany) -> None:
            seen.append(statement)

        with durable.engine.begin() as early:
            event.listen(durable.engine, name, note)
            try:
                db.tuples(early, ONE, {})
                with durable.engine.begin() as conn:
                    db.tuples(conn, ONE, {})
            finally:
                event.remove(durable.engine, name, note)

        assert len(seen) == 2

    @pytest.mark.parametrize("echo", [True, False])
    def test_a_log_shows_them(self, url, db, caplog, echo):
        """So does an engine that logs, by its own ``echo`` or by the application's settings."""
        if not echo:
            caplog.set_level("INFO", "sqlalchemy.engine")
        engine = create_engine(url, echo=echo)
        with engine.begin() as conn:
            db.tuples(conn, ONE, {})
        engine.dispose()

        assert "SELECT 1, 'a'" in caplog.text

    def test_a_connection_that_has_not_begun_begins(self, durable, db, engine):
        """Its owner commits it, as he does after any other statement."""
        parameters = parameters_of(gd.Spawn(Plain()), 1_000)
        with engine.connect() as conn:
            id = enqueue.insert_one(conn, db, parameters)
            assert conn.in_transaction()
            conn.commit()

        assert durable.wait(id, 0).status == "runnable"


class TestOutdated:
    @pytest.fixture
    def alone(self, url):
        """An engine of one connection, which commits by itself."""
        engine = create_engine(url, pool_size=1, max_overflow=0, isolation_level="AUTOCOMMIT")
        yield engine
        engine.dispose()

    @pytest.mark.parametrize("how", ["rows", "tuples", "run"])
    def test_is_not_for_ever(self, engine, alone, db, how):
        """A connection is replaced when a column that it reads has got another type."""

        def ask() -> object:
            with alone.begin() as conn:
                return getattr(db, how)(conn, COLUMN, {})

        with engine.begin() as conn:
            conn.exec_driver_sql("CREATE TABLE changing AS SELECT 1 AS c")
        answers = [ask() for _ in range(10)]
        with engine.begin() as conn:
            conn.exec_driver_sql("ALTER TABLE changing ALTER c TYPE bigint")
        with pytest.raises(DBAPIError, match="cached plan") as caught:
            ask()

        assert is_transient(caught.value)
        assert is_conflict(caught.value)
        assert ask() == answers[0]
