"""One statement that is its own transaction, by way of libpq."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from enum import Enum

import psycopg
import pytest
from psycopg import generators
from psycopg.pq import ExecStatus
from sqlalchemy import Engine, NullPool, create_engine, event, text
from sqlalchemy.exc import DBAPIError, OperationalError

import gendurable as gd
from gendurable.queries import enqueue
from gendurable.queries.prepared import Prepared
from gendurable.queries.statement import Database
from gendurable.runtime.aftercommit import AfterCommit
from gendurable.runtime.libpq import MOST
from gendurable.runtime.single import run_single

XACT = text("SELECT pg_current_xact_id()::text")
ONE = Prepared.of("SELECT 1, 'a', NULL")
ECHO = Prepared.of("SELECT %(a)s::text, 100 %% 7, %(b)s::int, %(a)s::text")
ZERO = Prepared.of("SELECT 1 / 0")
PAUSE = Prepared.of("INSERT INTO gendurable.pauses (queue) VALUES ('q') RETURNING queue")
SLEEP = Prepared.of("SELECT pg_sleep(10)::text")
DIE = Prepared.of("SELECT pg_terminate_backend(pg_backend_pid())")
ANSWER = [[b"1", b"a", None]]


class Plain(gd.Job):
    def perform(self, ctx):
        return None


@contextmanager
def connecting(url: str, **options: object) -> Iterator[Engine]:
    """Give an engine whose connections are made with *options*."""
    engine = create_engine(url, connect_args=options)
    try:
        yield engine
    finally:
        engine.dispose()


class TestRunSingle:
    def test_commits_and_gives_back_a_connection_that_transacts(self, engine):
        """It has taken effect when it returns, and whoever gets the connection finds no trace."""
        assert run_single(engine, PAUSE, []) == [[b"q"]]

        with engine.begin() as conn:
            assert conn.scalar(text("SELECT count(*) FROM gendurable.pauses")) == 1
            assert conn.scalar(XACT) == conn.scalar(XACT)

    def test_sends_parameters_as_they_are(self, engine):
        """Names may be used twice; a value is any text, a number, or nothing."""
        for value in ("Grüße, 100 %; $1 %(a)s", "", "\\", "'", None):
            sent = None if value is None else value.encode()
            for number in (7, None):
                answer = run_single(engine, ECHO, ECHO.values({"a": value, "b": number}))
                assert answer == [[sent, b"2", number and b"7", sent]]

    def test_a_connection_prepares_it_once(self, engine):
        """The next time the server has it already."""
        names = text("SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'gendurable%'")
        assert [run_single(engine, ONE, []) for _ in range(3)] == [ANSWER] * 3
        with engine.connect() as conn:
            assert conn.scalar(names) == 1

    def test_prepares_it_again_where_the_pool_makes_servers_forget(self, engine):
        """DISCARD ALL at each return, as some have it, costs a round trip and no insert."""

        @event.listens_for(engine, "reset")
        def discard(connection, record, state) -> None:
            connection.rollback()
            connection.autocommit = True
            connection.execute("DISCARD ALL")
            connection.autocommit = False

        assert [run_single(engine, ONE, []) for _ in range(3)] == [ANSWER] * 3

    def test_tells_the_pool_that_no_transaction_is_left(self, engine):
        """The statement was its own, so there is nothing to roll back at the return."""
        states = []
        event.listen(engine, "reset", lambda connection, record, state: states.append(state))
        assert run_single(engine, ONE, []) == ANSWER
        assert [state.transaction_was_reset for state in states] == [True]
        assert engine.pool.checkedout() == 0
        with engine.connect() as conn:
            assert not conn.connection.driver_connection.info.transaction_status

    def test_goes_on_with_what_an_interrupted_call_has_prepared(self, engine):
        """Nobody may have noted that it was."""
        with engine.connect() as conn:
            conn.connection.driver_connection.pgconn.prepare(ONE.name, ONE.numbered)
        assert run_single(engine, ONE, []) == ANSWER

    @pytest.mark.parametrize("default", ["serializable", "repeatable\\ read"])
    def test_is_for_others_to_do_at_another_level(self, url, default):
        """Where the server's transactions are of another level, there has to be one."""
        with connecting(url, options=f"-c default_transaction_isolation={default}") as engine:
            assert [run_single(engine, ONE, []) for _ in range(2)] == [None, None]

    def test_is_for_others_to_do_where_nothing_is_prepared(self, url):
        """Behind a pooler of transactions the next statement may meet another server process."""
        with connecting(url, prepare_threshold=None) as engine:
            assert run_single(engine, ONE, []) is None

    def test_a_connection_keeps_only_so_many(self, engine):
        """Each takes memory of the server, for as long as the connection lives."""
        several = [Prepared.of(f"SELECT {n}") for n in range(MOST)]
        assert all(run_single(engine, one, []) for one in several)
        assert run_single(engine, ONE, []) is None
        assert run_single(engine, several[0], []) == [[b"0"]]

    def test_is_for_others_to_do_where_no_connection_is_kept(self, url):
        """What is prepared on a new one is prepared in vain."""
        assert run_single(create_engine(url, poolclass=NullPool), ONE, []) is None

    def test_is_for_others_to_do_where_cursors_are_watched(self, url):
        """Who traces the driver by cursors of his own sees each statement."""

        class Watched(psycopg.Cursor):
            pass

        with connecting(url, cursor_factory=Watched) as engine:
            assert run_single(engine, ONE, []) is None

    def test_is_for_others_to_do_in_a_pipeline(self, engine):
        """There an answer comes only when it is asked for."""
        with ExitStack() as stack:

            @event.listens_for(engine, "checkout")
            def pipe(connection, record, proxy) -> None:
                stack.enter_context(connection.pipeline())

            assert run_single(engine, ONE, []) is None

    def test_is_for_others_to_do_in_another_encoding(self, url):
        """The driver knows how to write it."""
        with connecting(url, client_encoding="latin1") as engine:
            assert run_single(engine, ECHO, ECHO.values({"a": "ü", "b": 1})) is None

    @pytest.mark.parametrize("name", ["begin", "commit", "engine_connect", "before_cursor_execute"])
    def test_is_for_others_to_do_where_somebody_listens(self, engine, name):
        """Who sets a tenant at each begin, or counts statements, is not passed by."""

        def heard(*arguments: object) -> None:
            pass

        event.listen(engine, name, heard)
        try:
            assert run_single(engine, ONE, []) is None
        finally:
            event.remove(engine, name, heard)
        assert run_single(engine, ONE, []) == ANSWER

    def test_is_done_where_the_engine_itself_listens(self, engine):
        """An insert in a transaction of the caller's makes no later one go the long way."""
        with engine.connect() as conn, conn.begin():
            AfterCommit(lambda transaction, news: None).arm(conn, ["q"])

        assert run_single(engine, ONE, []) == ANSWER

    def test_is_for_others_to_do_in_a_transaction_of_the_pools(self, engine):
        """Whose connections come from the pool within one has to commit it."""

        @event.listens_for(engine, "checkout")
        def begin(connection, record, proxy) -> None:
            connection.execute("SET application_name = 'mine'")

        assert run_single(engine, PAUSE, []) is None

    def test_what_is_refused_is_not_done(self, engine):
        """Nor is the connection any worse for it, whether it is refused early or late."""
        for _ in range(2):
            assert run_single(engine, ZERO, []) is None
            assert run_single(engine, Prepared.of("SELECT nothing"), []) is None
            assert run_single(engine, ONE, []) == ANSWER
        assert engine.pool.checkedin() == 1

    def test_a_lost_connection_is_told_of(self, engine):
        """Nobody knows what became of the statement, and the pool's next connection is new."""
        with pytest.raises(DBAPIError) as caught:
            run_single(engine, DIE, [])
        assert caught.value.connection_invalidated

        assert run_single(engine, ONE, []) == ANSWER

    def test_one_lost_connection_tells_of_all(self, engine):
        """After a restart of the server one statement fails, and not one for each connection."""
        with engine.connect() as one, engine.connect() as two:
            old = {conn.connection.driver_connection for conn in (one, two)}
        with pytest.raises(DBAPIError):
            run_single(engine, DIE, [])

        with engine.connect() as one, engine.connect() as two:
            assert not old & {conn.connection.driver_connection for conn in (one, two)}

    def test_a_connection_that_died_meanwhile_is_told_of(self, engine):
        """The same when it ended while it lay in the pool: the statement was never sent."""
        with engine.connect() as conn:
            pid = conn.connection.driver_connection.info.backend_pid
        with connecting(engine.url) as other, other.connect() as conn:
            conn.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
        with pytest.raises(DBAPIError) as caught:
            run_single(engine, ONE, [])
        assert caught.value.connection_invalidated

        assert run_single(engine, ONE, []) == ANSWER

    def test_an_answer_that_comes_with_the_end_of_the_connection_is_none(self, engine, monkeypatch):
        """Whoever cut the line may have done so after the commit, and need not say who he is."""

        def cut(conn):
            yield from generators.execute(conn)
            answer = conn.make_empty_result(ExecStatus.FATAL_ERROR)
            conn.finish()
            return [answer]

        run_single(engine, ONE, [])
        with monkeypatch.context() as patch, pytest.raises(DBAPIError) as caught:
            patch.setattr("gendurable.runtime.libpq.execute", cut)
            run_single(engine, ONE, [])
        assert caught.value.connection_invalidated

    def test_a_server_that_is_away_is_an_error_of_sqlalchemys(self):
        """As it is for any other call."""
        engine = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/nowhere")
        with pytest.raises(OperationalError):
            run_single(engine, ONE, [])

    def test_an_error_hides_what_the_engine_hides(self, url):
        """Who does not want values in his log has the state of objects in mind, too."""
        secret = Prepared.of("SELECT pg_sleep(10)::text, %(a)s::text")
        options = {"options": "-c statement_timeout=50"}
        engine = create_engine(url, connect_args=options, hide_parameters=True)
        with pytest.raises(OperationalError, match="statement timeout") as caught:
            run_single(engine, secret, secret.values({"a": "SECRET"}))
        assert "SECRET" not in str(caught.value)
        engine.dispose()

    def test_what_somebody_ended_is_not_run_again(self, url):
        """Who cancels a statement, or gives it a time, does not want it repeated another way."""
        with connecting(url, options="-c statement_timeout=50") as engine:
            with pytest.raises(OperationalError, match="statement timeout"):
                run_single(engine, SLEEP, [])
            assert run_single(engine, ONE, []) == ANSWER

    @pytest.mark.parametrize("error", [TimeoutError, KeyboardInterrupt])
    def test_an_alarm_ends_a_wait(self, engine, error):
        """Whoever waits behind a lock may be called away; the next one gets a connection in order.

        An exception of one's own kind leaves the statement where it is, and so the connection is
        thrown away; Ctrl-C cancels it.
        """

        def alarm(number: int, frame: object) -> None:
            raise error

        before = signal.signal(signal.SIGALRM, alarm)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            with pytest.raises(error):
                run_single(engine, SLEEP, [])
        finally:
            signal.signal(signal.SIGALRM, before)

        assert run_single(engine, ONE, []) == ANSWER

    @pytest.mark.parametrize("sent", [True, False])
    @pytest.mark.parametrize("error", [TimeoutError, KeyboardInterrupt])
    def test_an_interruption_leaves_no_connection_in_mid_statement(
        self, engine, monkeypatch, error, sent
    ):
        """An alarm may go off before a statement is waited for, or when it is over."""
        run_single(engine, ONE, [])

        def alarmed(conn):
            if sent:
                yield from generators.execute(conn)
            raise error
            yield

        with monkeypatch.context() as patch, pytest.raises(error):
            patch.setattr("gendurable.runtime.libpq.execute", alarmed)
            run_single(engine, ONE, [])

        with engine.begin() as conn:
            assert conn.scalar(XACT) == conn.scalar(XACT)
        assert run_single(engine, ONE, []) == ANSWER

    def test_news_go_this_way(self, durable):
        """Each NOTIFY would be three round trips else."""
        assert run_single(durable.notifier.engine, ONE, []) == ANSWER


class Queue(str, Enum):  # noqa: UP042
    """As it was before there was StrEnum: the name of a member is not what it holds."""

    MAIL = "mail"


class TestInserts:
    """What a lone insert makes of it."""

    def test_is_one_statement_in_the_order_of_its_columns(self):
        """The texts of an object without options are in the order of the parameters."""
        keys = Database().prepared(enqueue.INSERT_USUAL).keys
        assert keys == tuple(f"{enqueue.PREFIX}{name}" for name in enqueue.USUAL)

    @pytest.mark.parametrize("options", [{}, {"priority": 3}, {"correlation_key": "k"}])
    def test_is_enough_with_options_or_without(self, durable, monkeypatch, options):
        """It does not go the usual way after all."""
        monkeypatch.setattr("gendurable.inserting.working", None)
        handle = durable.insert(Plain(), **options)
        assert handle.instance().priority == options.get("priority", 0)

    @pytest.mark.parametrize("options", [{"priority": False}, {"weight": True}, {"queue": ""}])
    def test_looks_at_what_only_equals_no_option(self, durable, options):
        """A truth value is no number, though it equals one."""
        with pytest.raises(gd.InvalidInput, match=next(iter(options))):
            durable.insert(Plain(), **options)

    def test_a_class_may_name_its_queue_by_a_member_of_an_enumeration(self, durable):
        """So it is what it holds there, too."""

        class Sent(gd.Job, name="single.Sent", queue=Queue.MAIL):
            def perform(self, ctx: gd.Context) -> None:
                pass

        assert durable.insert(Sent()).instance().queue == "mail"

    def test_a_name_may_be_a_member_of_an_enumeration(self, durable):
        """It is what it holds, in each way to insert; and no later name is taken for it."""
        keys = {"queue": Queue.MAIL, "correlation_key": Queue.MAIL, "concurrency_key": Queue.MAIL}
        row = durable.instance(durable.insert(Plain(), **keys))
        assert (row.queue, row.correlation_key, row.concurrency_key) == ("mail",) * 3

        row = durable.instance(durable.insert(Plain(), queue="mail"))
        assert row.queue == "mail"
        (handle,) = durable.insert_all([gd.Spawn(Plain(), **keys)])
        assert handle is None  # the key is taken

    def test_what_goes_another_way_is_inserted_all_the_same(self, url, durable):
        """Nobody sees which way it took."""
        ways: list[dict[str, object]] = [
            {},
            {"prepare_threshold": None},
            {"client_encoding": "latin1"},
            {"options": "-c default_transaction_isolation=serializable"},
        ]
        for options in ways:
            with connecting(url, **options) as engine:
                bound = gd.bind(engine, listen=False)
                handle = bound.insert(Plain(), correlation_key=f"ü{len(options)}{options}")
                row = durable.instance(handle)
                assert row is not None
                assert row.correlation_key == f"ü{len(options)}{options}"
