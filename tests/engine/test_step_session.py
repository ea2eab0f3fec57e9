"""The session of a step: one transaction from the first touch to the outcome."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine, event, select, text
from sqlalchemy.exc import IntegrityError, InternalError
from sqlalchemy.orm import Session, sessionmaker

import gendurable as gd
from gendurable.errors import LeaseLost
from gendurable.testing import drain
from tests.engine.script import Note, Scripted, notes


class TestCommitsWithTheOutcome:
    def test_rows_and_outcome(self, durable, engine, script, row):
        """What a step writes through its session is there once its outcome is."""

        def start(obj, ctx):
            ctx.session.add(Note(text="a"))
            return gd.Next("then")

        script["start"] = start
        id = durable.insert(Scripted())

        assert drain(durable, max_steps=2) == {"next": 1, "done": 1}
        assert notes(engine) == ["a"]
        assert row(id).status == "done"

    def test_not_before_it(self, durable, engine, script):
        """Until the step has returned nobody else sees its rows."""

        def start(obj, ctx):
            ctx.session.add(Note(text="a"))
            ctx.session.flush()
            seen.append(notes(engine))
            return gd.Done()

        seen = []
        script["start"] = start
        durable.insert(Scripted())
        drain(durable)

        assert seen == [[]]

    @pytest.mark.parametrize("outcome", [gd.Retry(), gd.Stop("no"), gd.Await("go", "then")])
    def test_with_every_outcome(self, durable, engine, script, outcome):
        """An outcome that is no success commits the rows of its step all the same."""

        def start(obj, ctx):
            ctx.session.add(Note(text=f"attempt {ctx.attempt}"))
            return outcome if ctx.attempt == 0 else gd.Done()

        script["start"] = start
        durable.insert(Scripted())
        drain(durable)

        assert "attempt 0" in notes(engine)

    def test_stale(self, durable, engine, script, row):
        """The rows of a step that has lost its claim are not committed."""

        def start(obj, ctx):
            ctx.session.add(Note(text="a"))
            durable.cancel(durable.insert(Scripted(), delay=9), "other")  # somebody else is no harm
            with engine.begin() as conn:
                conn.execute(text("UPDATE gendurable.instances SET claim_seq = claim_seq + 1"))
            return gd.Done()

        script["start"] = start
        id = durable.insert(Scripted())

        assert drain(durable) == {"stale": 1}
        assert notes(engine) == []
        assert row(id).status == "executing"

    def test_lease_lost(self, durable, engine, script, row):
        """``LeaseLost`` that leaves a step ends it as stale: no handler, no rows."""

        def start(obj, ctx):
            ctx.session.add(Note(text="a"))
            ctx.session.flush()
            raise LeaseLost("gone")

        script["start"] = start
        id = durable.insert(Scripted())

        assert drain(durable) == {"stale": 1}
        assert notes(engine) == []
        assert "error" not in script
        assert row(id).last_error is None


class TestTheAuthors:
    def test_commit_raises(self, durable, engine, script, row):
        """``commit`` raises, and what was written before it is rolled back."""

        def start(obj, ctx):
            ctx.session.add(Note(text="a"))
            ctx.session.commit()

        script["start"] = start
        id = durable.insert(Scripted())
        drain(durable)

        assert notes(engine) == []
        assert "commits with its outcome" in row(id).last_error

    def test_commit_of_its_connection_raises(self, durable, engine, script, row):
        """So does that of the connection, which would leave rows without an outcome."""

        def start(obj, ctx):
            ctx.session.add(Note(text="a"))
            ctx.session.flush()
            ctx.session.connection().commit()

        script["start"] = start
        id = durable.insert(Scripted())
        drain(durable)

        assert notes(engine) == []
        assert "commits with its outcome" in row(id).last_error

    def test_commit_within_a_savepoint_raises(self, durable, engine, script, row):
        """``commit`` goes for the outermost transaction from a savepoint, too, and raises."""

        def start(obj, ctx):
            ctx.session.add(Note(text="a"))
            ctx.session.begin_nested()
            ctx.session.add(Note(text="b"))
            ctx.session.commit()

        script["start"] = start
        id = durable.insert(Scripted())
        drain(durable)

        assert notes(engine) == []
        assert row(id).last_error.startswith("RuntimeError")

    @pytest.mark.parametrize("factory", [False, True])
    def test_closing_leaves_it_open(self, engine, script, row, factory):
        """``with ctx.session:`` and ``close`` keep what was written for the outcome."""
        durable = gd.bind(engine, session_factory=sessionmaker(engine) if factory else None)

        def start(obj, ctx):
            with ctx.session as session:
                session.add(Note(text="a"))
            ctx.session.close()
            sessions.append(ctx.session)
            return gd.Done(ctx.session.scalar(select(Note.text)))

        sessions = []
        script["start"] = start
        id = durable.insert(Scripted())
        drain(durable)

        assert notes(engine) == ["a"]
        assert row(id).result == "a"
        assert not sessions[0].in_transaction()
        assert not list(sessions[0])

    def test_closing_does_not_save_what_fails(self, durable, engine, script, row):
        """What was written in a ``with`` block of the session goes with the step's error."""

        def start(obj, ctx):
            with ctx.session as session:
                session.add(Note(text="a"))
            raise ValueError

        script["start"] = start
        id = durable.insert(Scripted())
        drain(durable)

        assert notes(engine) == []
        assert row(id).status == "failed"

    def test_prepare_raises(self, engine, script):
        """``prepare`` raises, in a two-phase session too."""

        def start(obj, ctx):
            ctx.session.add(Note(text="a"))
            ctx.session.prepare()

        script["start"] = start
        durable = gd.bind(engine, session_factory=sessionmaker(engine, twophase=True))
        id = durable.insert(Scripted())
        drain(durable)

        assert notes(engine) == []
        assert "RuntimeError" in durable.wait(id, 0).last_error
        with engine.begin() as conn:
            assert conn.scalar(text("SELECT count(*) FROM pg_prepared_xacts")) == 0

    def test_two_phase_factory(self, engine, script):
        """A two-phase session commits its rows with the outcome."""

        def start(obj, ctx):
            ctx.session.add(Note(text="a"))
            return gd.Done()

        script["start"] = start
        durable = gd.bind(engine, session_factory=sessionmaker(engine, twophase=True))
        durable.insert(Scripted())

        assert drain(durable) == {"done": 1}
        assert notes(engine) == ["a"]
        with engine.begin() as conn:
            assert conn.scalar(text("SELECT count(*) FROM pg_prepared_xacts")) == 0

    def test_begin_as_a_block_raises(self, durable, engine, script, row):
        """``with ctx.session.begin()`` would commit at its end, so it raises there."""

        def start(obj, ctx):
            with ctx.session.begin():
                ctx.session.add(Note(text="a"))
            return gd.Done()

        script["start"] = start
        id = durable.insert(Scripted())
        drain(durable)

        assert notes(engine) == []
        assert row(id).status == "failed"

    def test_savepoints(self, durable, engine, script):
        """A savepoint that fails takes its own rows along and no others."""

        def start(obj, ctx):
            ctx.session.add(Note(text="a"))
            with ctx.session.begin_nested():
                ctx.session.add(Note(text="b", short="x"))
            with pytest.raises(IntegrityError), ctx.session.begin_nested():
                ctx.session.add(Note(text="c", short="x"))
            return gd.Done()

        script["start"] = start
        durable.insert(Scripted())

        assert drain(durable) == {"done": 1}
        assert notes(engine) == ["a", "b"]

    def test_rollback(self, durable, engine, script):
        """After a rollback of the author's the session goes on, and what follows commits."""

        def start(obj, ctx):
            ctx.session.add(Note(text="a"))
            ctx.session.flush()
            ctx.session.rollback()
            ctx.session.add(Note(text="b"))
            return gd.Done()

        script["start"] = start
        durable.insert(Scripted())

        assert drain(durable) == {"done": 1}
        assert notes(engine) == ["b"]

    def test_wrong_kind(self, durable, script, row):
        """A sync step has no async session; the error says which one it has."""
        script["start"] = lambda obj, ctx: ctx.async_session
        id = durable.insert(Scripted())
        drain(durable)

        assert row(id).last_error.startswith("RuntimeError: a sync step has ctx.session")


class TestIsolation:
    @pytest.mark.parametrize("level", ["SERIALIZABLE", "REPEATABLE READ", "AUTOCOMMIT"])
    @pytest.mark.parametrize("factory", [False, True])
    def test_read_committed_whatever_the_engine_is(self, url, script, level, factory):
        """The session is READ COMMITTED at its first touch and after a rollback of the author's."""
        engine = create_engine(url, isolation_level=level)
        durable = gd.bind(engine, session_factory=sessionmaker(engine) if factory else None)
        seen = []

        def look(session):
            name = session.scalar(text("SHOW application_name"))
            seen.append((session.scalar(text("SHOW transaction_isolation")), name))

        def start(obj, ctx):
            look(ctx.session)
            ctx.session.rollback()
            look(ctx.session)
            ctx.session.add(Note(text="a"))
            return gd.Done()

        script["start"] = start
        id = durable.insert(Scripted())
        drain(durable)

        if level == "AUTOCOMMIT" and factory:
            assert "AUTOCOMMIT" in durable.wait(id, 0).last_error
            assert notes(engine) == []
        else:
            assert [isolation for isolation, _ in seen] == ["read committed"] * 2
            assert all(f"{int(id)}" in name for _, name in seen)
            assert seen[0][1] == seen[1][1]
            assert notes(engine) == ["a"]
        engine.dispose()

    def test_an_engine_that_rolls_nothing_back(self, url, script):
        """Nothing of a failed step stays, and no connection is left in its transaction."""
        engine = create_engine(url, isolation_level="AUTOCOMMIT", skip_autocommit_rollback=True)
        durable = gd.bind(engine)

        def start(obj, ctx):
            ctx.session.add(Note(text="a"))
            ctx.session.flush()
            raise ValueError

        script["start"] = start
        durable.insert(Scripted())
        drain(durable)

        assert notes(engine) == []
        engine.dispose()

    def test_the_name_is_gone_afterwards(self, url, script):
        """A pooled connection does not keep the name of the step that it served."""
        engine = create_engine(url, pool_size=1, max_overflow=0)
        durable = gd.bind(engine)
        script["start"] = lambda obj, ctx: gd.Done(ctx.session.scalar(text("SELECT 1")))
        durable.insert(Scripted())
        drain(durable)

        with engine.begin() as conn:
            assert "gendurable" not in conn.scalar(text("SHOW application_name"))
        engine.dispose()


class TestErrorsOfTheStep:
    def test_flush(self, durable, engine, script, row):
        """What the flush raises goes to ``handle``, with a fresh object and a new session."""

        def start(obj, ctx):
            obj.count = 7
            seen.append(ctx.session)
            ctx.session.add_all([Note(text="a", short="x"), Note(text="b", short="x")])
            return gd.Done()

        def handle(obj, ctx):
            assert ctx.session is not seen[0]
            assert obj.count == 0
            ctx.session.add(Note(text="handled"))
            obj.count = 8
            return gd.Next("then")

        seen = []
        script.update(start=start, handle=handle)
        id = durable.insert(Scripted())
        drain(durable)

        assert isinstance(script["error"](None, None), IntegrityError)
        assert notes(engine) == ["handled"]
        assert row(id).state == {"count": 8}

    def test_deferred_constraint(self, durable, engine, script, row):
        """What COMMIT raises is an error of the step, and its outcome is not there."""

        def start(obj, ctx):
            ctx.session.add_all([Note(text="a"), Note(text="a")])
            return gd.Done()

        script["start"] = start
        id = durable.insert(Scripted())

        assert drain(durable) == {"stop": 1}
        assert isinstance(script["error"](None, None), IntegrityError)
        assert notes(engine) == []
        assert row(id).status == "failed"

    def test_failed_transaction(self, durable, engine, script, row):
        """Returning on a transaction that has failed is an error of the step."""

        def start(obj, ctx):
            ctx.session.add(Note(text="a"))
            ctx.session.flush()
            with pytest.raises(Exception, match="division"):
                ctx.session.connection().exec_driver_sql("SELECT 1/0")
            return gd.Done()

        script["start"] = start
        id = durable.insert(Scripted())
        drain(durable)

        assert isinstance(script["error"](None, None), InternalError)
        assert notes(engine) == []
        assert row(id).status == "failed"

    def test_the_session_is_closed_before_handle(self, durable, engine, script):
        """``handle`` meets no lock of the step that failed."""

        def start(obj, ctx):
            ctx.session.execute(text("UPDATE notes SET short = 'mine'"))
            raise ValueError("no")

        def handle(obj, ctx):
            with engine.begin() as conn:
                conn.execute(text("SET LOCAL lock_timeout = '1s'"))
                conn.execute(text("UPDATE notes SET short = 'theirs'"))
            return gd.Done()

        with Session(engine) as session, session.begin():
            session.add(Note(text="a"))
        script.update(start=start, handle=handle)
        durable.insert(Scripted())

        assert drain(durable) == {"done": 1}

    def test_handle_fails(self, durable, engine, script, row):
        """If ``handle`` fails the instance fails with both errors, and without any rows."""

        def start(obj, ctx):
            ctx.session.add(Note(text="a"))
            ctx.session.flush()
            raise ValueError("first")

        def handle(obj, ctx):
            ctx.session.add(Note(text="b"))
            ctx.session.flush()
            raise KeyError("second")

        script.update(start=start, handle=handle)
        id = durable.insert(Scripted(count=3))
        drain(durable)

        assert notes(engine) == []
        assert row(id).status == "failed"
        assert row(id).state == {"count": 3}
        assert "ValueError: first" in row(id).last_error
        assert "KeyError" in row(id).last_error
        assert "second" in row(id).last_error

    @pytest.mark.parametrize("deferred", [True, False])
    def test_the_rows_of_handle_fail(self, durable, engine, script, row, deferred):
        """Rows of ``handle`` that the database refuses, at COMMIT too, are its own failure."""

        def start(obj, ctx):
            raise ValueError("first")

        def handle(obj, ctx):
            short = None if deferred else "x"
            ctx.session.add_all([Note(text="a", short=short), Note(text="a", short=short)])
            return gd.Next("then")

        script.update(start=start, handle=handle)
        id = durable.insert(Scripted())

        assert drain(durable) == {"stop": 1}
        assert notes(engine) == []
        assert "ValueError: first" in row(id).last_error
        assert "IntegrityError" in row(id).last_error

    def test_a_retry_policy_drops_the_rows(self, durable, engine, script):
        """A failed attempt leaves no rows; the one that succeeds does."""

        class Stubborn(gd.FSM, name="engine.Stubborn"):
            @gd.step(retry=gd.Backoff(attempts=3))
            def start(self, ctx):
                ctx.session.add(Note(text=f"attempt {ctx.attempt}"))
                ctx.session.flush()
                if ctx.attempt < 2:
                    raise OSError("not yet")
                return gd.Done()

        durable.insert(Stubborn())

        assert drain(durable) == {"retry": 2, "done": 1}
        assert notes(engine) == ["attempt 2"]


def test_what_a_step_inserts_and_signals_commits_with_it(durable, engine, script, row):
    """Inserts, signals and cancels through the session vanish with a step that fails."""
    script["then"] = lambda obj, ctx: gd.Done()
    other = durable.insert(Scripted(), delay=1000)
    third = durable.insert(Scripted(), delay=1000)

    def start(obj, ctx):
        durable.insert(Scripted(), delay=1000, session=ctx.session)
        durable.signal(other, "go", session=ctx.session)
        durable.cancel(third, "no", session=ctx.session)
        if fail:
            raise ValueError("no")
        return gd.Done()

    script["start"] = start

    def counts():
        with engine.begin() as conn:
            return (
                conn.scalar(text("SELECT count(*) FROM gendurable.instances")),
                conn.scalar(text("SELECT count(*) FROM gendurable.signals")),
                row(third).status,
            )

    fail = True
    durable.insert(Scripted())
    drain(durable, with_scheduled=False)
    assert counts() == (3, 0, "runnable")

    fail = False
    durable.insert(Scripted())
    drain(durable, with_scheduled=False)
    assert counts() == (5, 1, "cancelled")


def test_children_are_read_through_the_open_session(durable, script):
    """Once the session is open, the children are those that it sees."""
    script["start"] = lambda obj, ctx: (
        gd.ScheduleChildren([Leaf(), Leaf()], "then") if obj.count == 0 else gd.Done()
    )

    def then(obj, ctx):
        assert ctx.children.count("done") == 2
        ctx.session.execute(text("UPDATE gendurable.instances SET last_error = 'seen'"))
        return gd.Done([child.last_error for child in ctx.children])

    script["then"] = then
    id = durable.insert(Scripted())
    drain(durable)

    assert durable.wait(id, 0).result == ["seen", "seen"]


def test_handle_is_told_of_no_children(durable, script):
    """It goes on from before the step, and what it does must not depend on what that has seen."""

    def then(obj, ctx):
        assert len(ctx.children) == 1
        raise ValueError("no")

    script["start"] = lambda obj, ctx: gd.ScheduleChildren([Leaf()], "then")
    script["then"] = then
    script["handle"] = lambda obj, ctx: gd.Done([len(ctx.children), ctx.children.count("done")])
    id = durable.insert(Scripted())
    drain(durable)

    assert durable.wait(id, 0).result == [0, 0]


class Leaf(gd.FSM, name="engine.Leaf"):
    """A child that ends at once."""

    @gd.step
    def start(self, ctx: gd.Context) -> gd.Outcome:
        return gd.Done()


def test_a_session_that_is_returned_again_belongs_to_the_next_step(engine, script):
    """A factory may return one session to step after step: what has ended watches it no longer."""
    with Session(engine) as only:
        durable = gd.bind(engine, session_factory=lambda: only)

        def start(obj, ctx):
            ctx.session.add(Note(text=f"{ctx.id} {ctx.attempt}"))
            ctx.session.flush()
            if ctx.attempt == 0:
                raise ValueError("no")
            return gd.Done()

        script.update(start=start, handle=lambda obj, ctx: gd.Retry(0))
        first, second = durable.insert(Scripted()), durable.insert(Scripted())

        assert drain(durable) == {"retry": 2, "done": 2}
        assert not only.dispatch.before_commit
    assert notes(engine) == [f"{first.id} 1", f"{second.id} 1"]


def test_expired_objects_do_not_outlive_the_step(durable, engine, script):
    """The pool has all its connections back once the step is over."""
    held = []
    event.listen(engine, "checkout", lambda *args: held.append(1))
    event.listen(engine, "checkin", lambda *args: held.pop())
    script["start"] = lambda obj, ctx: gd.Done(len(ctx.session.scalars(select(Note)).all()))
    durable.insert(Scripted())
    drain(durable)

    assert held == []
