"""The outcome and the COMMIT of a step's session in one message, and when it must be two."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from psycopg.errors import OperationalError as DriverError
from sqlalchemy import NullPool, create_engine, event, text
from sqlalchemy.exc import IntegrityError, InternalError
from sqlalchemy.orm import Session, sessionmaker

import gendurable as gd
from gendurable.engine import libpq
from gendurable.testing import drain
from tests.engine.script import Note, Scripted, notes


@pytest.fixture
def messages(monkeypatch):
    """Which messages were sent: of each, how many statements it had before its COMMIT."""
    sent = []

    def commit(driver, info, statements, *rest):
        sent.append(len(statements))
        return together(driver, info, statements, *rest)

    together = libpq.commit
    monkeypatch.setattr(libpq, "commit", commit)
    return sent


@contextmanager
def bound(url, **options):
    """Give a binding of an engine of its own."""
    engine = create_engine(url, **options)
    try:
        yield gd.bind(engine)
    finally:
        engine.dispose()


def write(session, value="a"):
    """Write a row of the application's."""
    session.add(Note(text=value))
    session.flush()


class TestOneMessage:
    def test_is_enough_for_what_most_outcomes_say(self, durable, engine, script, row, messages):
        """A step goes on; one that is done empties its inbox in the same message."""

        def start(obj, ctx):
            write(ctx.session)
            return gd.Next("then")

        def then(obj, ctx):
            write(ctx.session, "b")
            return gd.Done({"n": 1})

        script.update(start=start, then=then)
        id = durable.insert(Scripted())
        durable.signal(id, "late")

        assert drain(durable) == {"next": 1, "done": 1}
        assert messages == [1, 2]
        assert notes(engine) == ["a", "b"]
        assert row(id).result == {"n": 1}
        with engine.connect() as conn:
            assert conn.scalar(text("SELECT count(*) FROM gendurable.signals")) == 0

    def test_of_any_size(self, durable, script, row, messages):
        """A result that fills many of the driver's buffers gets there, and so does the COMMIT."""

        def start(obj, ctx):
            write(ctx.session)
            return gd.Done("ä" * 400_000)

        script["start"] = start
        id = durable.insert(Scripted())
        assert drain(durable) == {"done": 1}
        assert messages == [2]
        assert row(id).result == "ä" * 400_000

    def test_tells_what_listens_after_it(self, durable, engine, script, messages):
        """Whoever waits for the commit of the session hears of it."""
        heard = []

        def start(obj, ctx):
            event.listen(ctx.session, "after_commit", lambda session: heard.append(notes(engine)))
            write(ctx.session)
            return gd.Done()

        script["start"] = start
        durable.insert(Scripted())
        drain(durable)
        assert messages == [2]
        assert heard == [["a"]]

    def test_leaves_the_other_transactions_of_the_session_to_it(
        self, durable, engine, script, messages
    ):
        """What the step wrote on a second connection commits, too, right after the outcome."""
        other = create_engine(engine.url)

        def start(obj, ctx):
            write(ctx.session)
            elsewhere = ctx.session.connection(bind_arguments={"bind": other})
            elsewhere.execute(text("INSERT INTO notes (text) VALUES ('b')"))
            return gd.Done()

        script["start"] = start
        durable.insert(Scripted())
        assert drain(durable) == {"done": 1}
        other.dispose()
        assert messages == [2]
        assert notes(engine) == ["a", "b"]

    def test_goes_on_with_the_mail_that_has_come(self, durable, engine, script, messages):
        """A step that runs ahead is told what lies in the inbox, which is read after the COMMIT."""
        told = []

        def start(obj, ctx):
            write(ctx.session)
            durable.signal(ctx.id, "go", {"n": 1}, session=ctx.session)
            return gd.Next("then")

        def then(obj, ctx):
            told.extend((one.name, one.payload) for one in ctx.signals)
            return gd.Done()

        script.update(start=start, then=then)
        id = durable.insert(Scripted())
        with durable.worker():
            durable.wait(id, 20)
        assert messages == [1]
        assert told == [("go", {"n": 1})]


class TestTwo:
    """Wherever somebody could tell the difference, the session commits as it always did."""

    def run(self, durable, script, messages, start):
        script["start"] = start
        durable.insert(Scripted())
        counts = drain(durable)
        assert messages == []
        return counts

    def test_where_the_commit_is_listened_to(self, durable, engine, script, messages):
        """What a listener writes before the commit belongs to the same transaction."""

        def start(obj, ctx):
            event.listen(ctx.session, "before_commit", lambda session: write(session, "b"))
            write(ctx.session)
            return gd.Done()

        assert self.run(durable, script, messages, start) == {"done": 1}
        assert notes(engine) == ["a", "b"]

    @pytest.mark.parametrize("name", ["after_flush", "after_flush_postexec"])
    def test_where_a_flush_leaves_something_to_flush(self, durable, engine, script, messages, name):
        """The commit flushes again what a flush has brought about."""

        def start(obj, ctx):
            once = event.listens_for(ctx.session, name, once=True)
            once(lambda session, _: session.add(Note(text="b")))
            ctx.session.add(Note(text="a"))
            return gd.Done()

        assert self.run(durable, script, messages, start) == {"done": 1}
        assert notes(engine) == ["a", "b"]

    def test_where_a_session_commits_in_its_own_way(self, engine, script, messages):
        """A factory's class may do more than to commit."""

        class Own(Session):
            def commit(self):
                self.execute(text("INSERT INTO notes (text) VALUES ('b')"))
                super().commit()

        durable = gd.bind(engine, session_factory=sessionmaker(engine, class_=Own))

        def start(obj, ctx):
            write(ctx.session)
            return gd.Done()

        assert self.run(durable, script, messages, start) == {"done": 1}
        assert notes(engine) == ["a", "b"]

    @pytest.mark.parametrize("of", ["session", "connection"])
    def test_where_a_savepoint_is_open(self, durable, engine, script, messages, of):
        """It is released by the commit of SQLAlchemy's."""

        def start(obj, ctx):
            write(ctx.session)
            (ctx.session if of == "session" else ctx.session.connection()).begin_nested()
            write(ctx.session, "b")
            return gd.Done()

        self.run(durable, script, messages, start)

    @pytest.mark.parametrize("name", ["commit", "before_cursor_execute", "handle_error"])
    def test_where_the_engine_is_listened_to(self, durable, engine, script, messages, name):
        """Who wants to see statements, commits or errors, sees them."""
        seen = []

        def listener(*arguments, **named):
            seen.append(name)

        event.listen(engine, name, listener, named=True)

        def start(obj, ctx):
            write(ctx.session)
            seen.clear()
            return gd.Done()

        assert self.run(durable, script, messages, start) == {"done": 1}
        assert bool(seen) == (name != "handle_error")

    def test_where_nothing_is_prepared(self, url, engine, script, messages):
        """A pooler may hand each transaction to another server process, and then to none."""

        def start(obj, ctx):
            write(ctx.session)
            return gd.Done()

        with bound(url, connect_args={"prepare_threshold": None}) as durable:
            assert self.run(durable, script, messages, start) == {"done": 1}
        with bound(url, poolclass=NullPool) as durable:
            assert drain(durable) == {}
            durable.insert(Scripted())
            script["start"] = lambda obj, ctx: write(ctx.session, "b") or gd.Done()
            assert drain(durable) == {"done": 1}
        assert messages == []
        assert notes(engine) == ["a", "b"]

    @pytest.mark.parametrize("outcome", [gd.Await("go", "then"), gd.Stop("no"), gd.Retry(delay=60)])
    def test_for_what_says_more(self, durable, engine, script, messages, outcome):
        """Other outcomes have more to write than one statement, or than a usual one."""

        def start(obj, ctx):
            write(ctx.session)
            return outcome

        self.run(durable, script, messages, start)
        assert notes(engine) == ["a"]


class TestWhatGoesWrong:
    def test_a_claim_that_is_lost_commits_nothing(self, durable, engine, script, messages):
        """The server itself passes over the COMMIT, and over the inbox."""

        def start(obj, ctx):
            write(ctx.session)
            with engine.begin() as conn:
                conn.execute(text("UPDATE gendurable.instances SET claim_seq = claim_seq + 1"))
            return gd.Done()

        script["start"] = start
        id = durable.insert(Scripted())
        durable.signal(id, "kept")

        assert drain(durable) == {"stale": 1}
        assert messages == [2]
        assert notes(engine) == []
        with engine.connect() as conn:
            assert conn.scalar(text("SELECT count(*) FROM gendurable.signals")) == 1

    def test_a_refused_commit_is_an_error_of_the_step(self, durable, engine, script, row, messages):
        """With it goes the outcome, and the connection is as good as new."""

        def start(obj, ctx):
            ctx.session.add_all([Note(text="a"), Note(text="a")])
            return gd.Done()

        def handle(obj, ctx):
            write(ctx.session, "handled")
            return gd.Done("handled")

        script.update(start=start, handle=handle)
        id = durable.insert(Scripted())
        assert drain(durable) == {"done": 1}
        assert messages == [2]
        assert isinstance(script["error"](None, None), IntegrityError)
        assert notes(engine) == ["handled"]
        assert row(id).result == "handled"

    def test_a_commit_that_divides_by_zero_is_no_lost_claim(
        self, durable, engine, script, messages
    ):
        """The error that tells of a lost claim may come from the application's own triggers."""
        with engine.begin() as conn:
            conn.execute(
                text(
                    "CREATE FUNCTION share() RETURNS trigger LANGUAGE plpgsql"
                    " AS 'BEGIN PERFORM 1 / length(NEW.text); RETURN NULL; END'"
                )
            )
            conn.execute(
                text(
                    "CREATE CONSTRAINT TRIGGER shared AFTER INSERT ON notes DEFERRABLE"
                    " INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION share()"
                )
            )

        def start(obj, ctx):
            write(ctx.session, "")
            return gd.Done()

        script["start"] = start
        durable.insert(Scripted())
        assert drain(durable) == {"stop": 1}
        assert messages == [2]
        assert script["error"](None, None).orig.sqlstate == "22012"
        assert notes(engine) == []

    def test_a_session_that_idled_for_too_long(self, durable, engine, script, messages):
        """The server's own word for it counts, which comes before the end of the connection."""
        pids = []

        def start(obj, ctx):
            write(ctx.session)
            ctx.session.execute(text("SET LOCAL idle_in_transaction_session_timeout = 1"))
            pids.append(ctx.session.scalar(text("SELECT pg_backend_pid()")))
            with engine.connect() as conn:
                alive = text("SELECT count(*) FROM pg_stat_activity WHERE pid = :pid")
                while conn.scalar(alive, {"pid": pids[-1]}):
                    conn.rollback()
            return gd.Done()

        script["start"] = start
        durable.insert(Scripted())
        assert drain(durable) == {"stop": 1}
        assert messages == [2]
        assert len(pids) == 1
        error = script["error"](None, None)
        assert isinstance(error, InternalError)
        assert error.orig.sqlstate == "25P03"
        assert notes(engine) == []

    def test_a_server_that_forgets(self, url, engine, script, messages):
        """Where each return to the pool makes the server forget, a step runs again, once."""
        runs = []

        def start(obj, ctx):
            runs.append(obj.count)
            write(ctx.session, f"run {len(runs)}")
            obj.count += 1
            return gd.Done() if obj.count == 3 else gd.Next(obj.start)

        def discard(connection, record, state):
            connection.rollback()
            connection.autocommit = True
            connection.execute("DISCARD ALL")
            connection.autocommit = False

        script["start"] = start
        with bound(url, pool_size=1, max_overflow=0) as durable:
            durable.insert(Scripted())
            event.listen(durable.engine, "reset", discard)
            assert drain(durable) == {"next": 2, "done": 1}
        assert runs == [0, 1, 1, 2]
        assert len(notes(engine)) == 3

    @pytest.mark.parametrize("error", [KeyboardInterrupt, TimeoutError, DriverError("cut")])
    def test_an_interruption_ends_the_connection(
        self, durable, engine, script, messages, monkeypatch, error
    ):
        """Nobody gets a connection that is in the middle of a message."""
        began = []

        def start(obj, ctx):
            if not began:
                monkeypatch.setattr(libpq, "fetch_many", cut)
            began.append(1)
            write(ctx.session)
            return gd.Await("go", "then") if len(began) > 1 else gd.Done()

        def cut(conn):
            monkeypatch.undo()
            yield from ()
            raise error

        script["start"] = start
        durable.insert(Scripted())
        if error is KeyboardInterrupt:
            with pytest.raises(KeyboardInterrupt):
                drain(durable)
        else:
            drain(durable)
        with engine.connect() as one, engine.connect() as two:
            assert one.scalar(text("SELECT 1")) == two.scalar(text("SELECT 1")) == 1
            assert not libpq.is_stuck(one.connection.driver_connection)
            assert not libpq.is_stuck(two.connection.driver_connection)
