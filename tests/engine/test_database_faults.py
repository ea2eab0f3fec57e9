"""Deadlocks and lost connections in the session of a step: none of its errors, it runs again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from psycopg import errors
from sqlalchemy import create_engine, event, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

import gendurable as gd
from gendurable.engine import doubt
from gendurable.testing import drain
from tests.engine.script import Note, Scripted, notes


def sqlstate(session, code: str) -> None:
    """Let the server raise an error with this SQLSTATE."""
    session.execute(text(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{code}'; END $$"))


def terminate(engine, session) -> None:
    """End the backend of *session*, as a failover or an operator would."""
    pid = session.scalar(text("SELECT pg_backend_pid()"))
    with engine.begin() as conn:
        conn.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})


class Runs:
    """Notes what each execution of a visit was told."""

    def __init__(self) -> None:
        self.seen = []

    def __call__(self, obj, ctx) -> int:
        """Note this execution; return how many there were before."""
        self.seen.append((ctx.attempt, ctx.idempotency_key, obj.count))
        obj.count += 1
        return len(self.seen) - 1


class TestDeadlock:
    def test_a_real_one(self, durable, engine, script, blocked):
        """A step that PostgreSQL chose as the victim runs again, on the same visit."""
        with Session(engine) as session, session.begin():
            session.add_all([Note(text="a"), Note(text="b")])
        runs = Runs()
        update = text("UPDATE notes SET short = coalesce(short, '') || :by || text WHERE text = :t")
        other = engine.connect()
        other.execute(text("SET LOCAL deadlock_timeout = '60s'"))
        other.execute(update, {"by": "other", "t": "b"})

        def start(obj, ctx):
            first = runs(obj, ctx) == 0
            ctx.session.execute(text("SET LOCAL deadlock_timeout = '10ms'"))
            ctx.session.execute(update, {"by": "step", "t": "a"})
            if first:
                script["waits"] = pool.submit(other.execute, update, {"by": "other", "t": "a"})
                blocked(other)
            else:
                pool.submit(other.commit)
            ctx.session.execute(update, {"by": "step", "t": "b"})
            return gd.Done()

        # The other side has both rows once the victim is rolled back, and ends in its second run.
        def start_after_the_other(obj, ctx):
            if runs.seen:
                script["waits"].result(10)
                other.commit()
            return start(obj, ctx)

        script["start"] = start_after_the_other
        durable.insert(Scripted())
        with ThreadPoolExecutor(2) as pool:
            assert drain(durable) == {"done": 1}

        assert len(runs.seen) == 2
        assert len(set(runs.seen)) == 1
        with engine.begin() as conn:
            found = set(conn.scalars(text("SELECT short FROM notes")))
        assert found == {"otherastepa", "otherbstepb"}

    @pytest.mark.parametrize("code", ["40P01", "40001"])
    def test_five_are_no_error(self, durable, engine, script, row, code):
        """Five in a row are none of the step's business."""
        runs = Runs()

        def start(obj, ctx):
            ctx.session.add(Note(text="a"))
            ctx.session.flush()
            if runs(obj, ctx) < 5:
                sqlstate(ctx.session, code)
            return gd.Done()

        script["start"] = start
        id = durable.insert(Scripted())

        assert drain(durable) == {"done": 1}
        assert len(runs.seen) == 6
        assert len(set(runs.seen)) == 1
        assert notes(engine) == ["a"]
        assert row(id).state == {"count": 1}

    def test_the_sixth_is(self, durable, engine, script, row):
        """Six in a row are an error of the step, and ``handle`` is asked."""
        runs = Runs()

        def start(obj, ctx):
            ctx.session.add(Note(text="a"))
            ctx.session.flush()
            runs(obj, ctx)
            sqlstate(ctx.session, "40P01")

        def handle(obj, ctx):
            ctx.session.add(Note(text="handled"))
            return gd.Done()

        script.update(start=start, handle=handle)
        durable.insert(Scripted())

        assert drain(durable) == {"done": 1}
        assert len(runs.seen) == 6
        assert notes(engine) == ["handled"]

    def test_at_the_commit(self, durable, engine, script):
        """A serialization failure that the flush meets is none of the step's either."""
        runs = Runs()

        def start(obj, ctx):
            ctx.session.add(Note(text="a"))
            runs(obj, ctx)
            return gd.Done()

        def fail_once(session, *_):
            if len(runs.seen) == 1:
                sqlstate(session, "40001")

        script["start"] = start
        durable.insert(Scripted())
        event.listen(Session, "after_flush", fail_once)
        try:
            assert drain(durable) == {"done": 1}
        finally:
            event.remove(Session, "after_flush", fail_once)
        assert len(runs.seen) == 2
        assert notes(engine) == ["a"]

    def test_in_handle(self, durable, engine, script):
        """One that ``handle`` meets runs the step again, too."""
        runs = Runs()

        def start(obj, ctx):
            runs(obj, ctx)
            raise ValueError("no")

        def handle(obj, ctx):
            ctx.session.add(Note(text="handled"))
            ctx.session.flush()
            if len(runs.seen) == 1:
                sqlstate(ctx.session, "40P01")
            return gd.Done()

        script.update(start=start, handle=handle)
        durable.insert(Scripted())

        assert drain(durable) == {"done": 1}
        assert len(runs.seen) == 2
        assert notes(engine) == ["handled"]

    def test_swallowed(self, durable, engine, script):
        """A deadlock that the step catches leaves a failed transaction: an error of the step."""

        def start(obj, ctx):
            with pytest.raises(OperationalError):
                sqlstate(ctx.session, "40P01")
            return gd.Done()

        script["start"] = start
        durable.insert(Scripted())

        assert drain(durable) == {"stop": 1}

    def test_of_another_connection(self, durable, engine, script):
        """A deadlock in a session of the author's own is an error like others."""

        def start(obj, ctx):
            with Session(engine) as session:
                sqlstate(session, "40P01")

        script["start"] = start
        durable.insert(Scripted())

        assert drain(durable) == {"stop": 1}


class TestLostConnection:
    def test_in_the_step(self, durable, engine, script):
        """A connection that is lost in the step lets it run again, attempt and key unchanged."""
        runs = Runs()

        def start(obj, ctx):
            ctx.session.add(Note(text="a"))
            ctx.session.flush()
            if runs(obj, ctx) == 0:
                terminate(engine, ctx.session)
                ctx.session.scalar(text("SELECT 1"))
            return gd.Done()

        script["start"] = start
        durable.insert(Scripted())

        assert drain(durable) == {"done": 1}
        assert len(runs.seen) == 2
        assert len(set(runs.seen)) == 1
        assert notes(engine) == ["a"]

    def test_noticed_at_the_flush(self, durable, engine, script):
        """One that nobody notices before the outcome does no harm either."""
        runs = Runs()

        def start(obj, ctx):
            ctx.session.add(Note(text="a"))
            ctx.session.flush()
            if runs(obj, ctx) == 0:
                terminate(engine, ctx.session)
            return gd.Done()

        script["start"] = start
        durable.insert(Scripted())

        assert drain(durable) == {"done": 1}
        assert len(runs.seen) == 2
        assert notes(engine) == ["a"]

    def test_in_handle(self, durable, engine, script):
        """The session of ``handle`` may lose its connection, too."""
        runs = Runs()

        def start(obj, ctx):
            runs(obj, ctx)
            raise ValueError("no")

        def handle(obj, ctx):
            ctx.session.add(Note(text="handled"))
            ctx.session.flush()
            if len(runs.seen) == 1:
                terminate(engine, ctx.session)
            return gd.Done()

        script.update(start=start, handle=handle)
        durable.insert(Scripted())

        assert drain(durable) == {"done": 1}
        assert notes(engine) == ["handled"]

    def test_of_a_lost_claim(self, durable, engine, script):
        """If somebody else has the row by then, there is nothing left to do."""
        runs = Runs()

        def start(obj, ctx):
            runs(obj, ctx)
            terminate(engine, ctx.session)
            with engine.begin() as conn:
                conn.execute(text("UPDATE gendurable.instances SET claim_seq = claim_seq + 1"))
            ctx.session.scalar(text("SELECT 1"))

        script["start"] = start
        durable.insert(Scripted())

        assert drain(durable) == {"stale": 1}
        assert len(runs.seen) == 1

    def test_waits_longer_each_time(self, durable, engine, script, monkeypatch):
        """A step whose connection is lost again and again does not run in a tight circle."""
        waits = []
        monkeypatch.setattr(doubt.time, "sleep", waits.append)
        runs = Runs()

        def start(obj, ctx):
            if runs(obj, ctx) < 5:
                terminate(engine, ctx.session)
                ctx.session.scalar(text("SELECT 1"))
            return gd.Done()

        script["start"] = start
        durable.insert(Scripted())

        assert drain(durable) == {"done": 1}
        assert len(waits) == 5
        assert waits == sorted(waits)
        assert waits[0] < waits[-1] <= doubt.LONGEST


class TestAnotherDatabase:
    @pytest.mark.parametrize("before", ["not begun", "rolled back"])
    def test_is_the_steps_business_in_the_end(self, durable, script, row, monkeypatch, before):
        """A database of the author's that is away does not let the step run for ever.

        The step's session has no connection then either, but has not lost it.
        """
        monkeypatch.setattr(doubt.time, "sleep", lambda _: None)
        other = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/nothing")
        runs = Runs()

        def start(obj, ctx):
            if before == "rolled back":
                ctx.session.scalar(text("SELECT 1"))
            ctx.session.rollback()
            if runs(obj, ctx) < 20:
                other.connect()
            return gd.Done()

        script["start"] = start
        id = durable.insert(Scripted())

        assert drain(durable) == {"stop": 1}
        assert len(runs.seen) == doubt.REPEATS + 1
        assert row(id).last_error.startswith("OperationalError")


class TestNoConnection:
    @pytest.fixture
    def small(self, url):
        """An engine with a single connection."""
        engine = create_engine(url, pool_size=1, max_overflow=0, pool_timeout=0.05)
        yield engine
        engine.dispose()

    def test_a_pool_that_has_none_left_is_no_error(self, small, engine, script, row):
        """The step runs again, and finds one when somebody has let go of his."""
        held = small.connect()
        durable = gd.bind(engine, session_factory=sessionmaker(small))
        runs = Runs()

        def start(obj, ctx):
            if runs(obj, ctx) == 3:
                held.close()
            ctx.session.add(Note(text="a"))
            ctx.session.flush()
            return gd.Done()

        script["start"] = start
        id = durable.insert(Scripted())

        assert drain(durable) == {"done": 1}
        assert len(runs.seen) == 4
        assert notes(engine) == ["a"]
        assert row(id).attempt == 0

    def test_not_for_ever(self, small, engine, script, row):
        """A pool that never has one is an error of the step in the end."""
        durable = gd.bind(engine, session_factory=sessionmaker(small))
        script["start"] = lambda obj, ctx: ctx.session.scalar(text("SELECT 1"))
        id = durable.insert(Scripted())
        with small.connect():
            drain(durable)

        assert row(id).last_error.startswith("TimeoutError")

    def test_while_the_row_is_looked_for(self, small, script, row):
        """After a lost connection somebody else may have the only one: that is no answer."""
        durable = gd.bind(small)
        runs, held = Runs(), []

        def start(obj, ctx):
            if runs(obj, ctx) == 0:
                driver = ctx.session.connection().connection.driver_connection
                driver.close()
                ctx.session.scalar(text("SELECT 1"))
            return gd.Done()

        def hold(self):
            if not held:
                held.append(small.connect())
                try:
                    return look(self)
                finally:
                    held[0].close()
            return look(self)

        look = doubt.Doubt._owned
        script["start"] = start
        id = durable.insert(Scripted())
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(doubt.Doubt, "_owned", hold)
            assert drain(durable) == {"done": 1}

        assert held
        assert len(runs.seen) == 2
        assert row(id).attempt == 0

    def test_another_pool_is_the_steps_business(self, small, durable, script, row):
        """Where the step's own session has its connection, it is somebody else who has none."""
        runs = Runs()

        def start(obj, ctx):
            runs(obj, ctx)
            ctx.session.scalar(text("SELECT 1"))
            small.connect()

        script["start"] = start
        id = durable.insert(Scripted())
        with small.connect():
            drain(durable)

        assert len(runs.seen) == 1
        assert row(id).status == "failed"


class TestLostAnswer:
    """The server has committed, and the connection is lost before it says so."""

    @pytest.fixture
    def lose_answers(self, engine, script):
        """Lose the answer to the commit of a step's session, once."""
        lost = []

        def commit(conn):
            driver = conn.connection.driver_connection
            if lost or not conn.exec_driver_sql("SHOW application_name").scalar().startswith(
                "gendurable:"
            ):
                return
            lost.append(1)
            driver.commit()
            raise OperationalError("COMMIT", {}, errors.AdminShutdown("lost"))

        event.listen(engine, "commit", commit)
        yield lost
        event.remove(engine, "commit", commit)

    def test_does_not_run_twice(self, durable, engine, script, row, lose_answers):
        """What was committed is not done again, and nothing is left to do."""
        runs = Runs()

        def start(obj, ctx):
            ctx.session.add(Note(text="a"))
            runs(obj, ctx)
            return gd.Await("never", "then")

        script["start"] = start
        id = durable.insert(Scripted())

        assert drain(durable) == {"stale": 1}
        assert lose_answers == [1]
        assert len(runs.seen) == 1
        assert notes(engine) == ["a"]
        assert row(id).status == "awaiting_signal"
