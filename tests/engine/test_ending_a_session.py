"""How the session of a step is committed: by its connection alone, where nobody can tell."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine, event, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session, sessionmaker

import gendurable as gd
from gendurable.testing import drain
from tests.engine.script import Note, Scripted, notes


@pytest.fixture
def commits(monkeypatch):
    """The sessions whose own ``commit`` was called."""
    called = []
    commit = Session.commit

    def noted(session):
        called.append(session)
        commit(session)

    monkeypatch.setattr(Session, "commit", noted)
    return called


def write(session, value="a"):
    """Write a row of the application's."""
    session.add(Note(text=value))
    session.flush()


@pytest.fixture
def run(durable, script):
    """Run an instance whose step is this; count the outcomes."""

    def run(start):
        script["start"] = start
        durable.insert(Scripted())
        return drain(durable)

    return run


class TestByItsConnection:
    def test_is_enough_where_nobody_listens(self, durable, engine, script, row, commits):
        """Rows and outcomes are there, and no session was asked to commit."""

        def start(obj, ctx):
            write(ctx.session)
            return gd.Next("then")

        def then(obj, ctx):
            ctx.session.add(Note(text="b"))
            return gd.Done({"n": 1})

        script.update(start=start, then=then)
        id = durable.insert(Scripted())

        assert drain(durable) == {"next": 1, "done": 1}
        assert commits == []
        assert notes(engine) == ["a", "b"]
        assert row(id).result == {"n": 1}

    def test_tells_whoever_listens_to_the_engine(self, engine, run, commits):
        """A commit of the connection is one like any other."""
        heard = []

        def start(obj, ctx):
            write(ctx.session)
            event.listen(engine, "commit", heard.append, once=True)
            return gd.Done()

        assert run(start) == {"done": 1}
        assert commits == []
        assert len(heard) == 1

    def test_brings_news_of_what_the_step_inserted(self, durable, run):
        """What hangs on the commit of the session hangs on this one, too."""
        told = []
        durable.notifier.subscribe(told.append)

        def inserting(obj, ctx):
            if obj.count == 0:
                durable.insert(Scripted(count=1), queue="other", session=ctx.session)
            return gd.Done()

        assert run(inserting) == {"done": 2}
        durable.notifier.close()
        assert {"other"} in told


class TestByItself:
    """Wherever somebody could tell the difference, the session commits as it always did."""

    @pytest.mark.parametrize("name", ["before_commit", "after_commit"])
    def test_where_its_commit_is_listened_to(self, engine, run, commits, name):
        """What a listener writes before the commit belongs to the same transaction."""
        heard = []

        def start(obj, ctx):
            def listener(session):
                heard.append(name)
                if name == "before_commit":
                    write(session, "b")

            event.listen(ctx.session, name, listener)
            write(ctx.session)
            return gd.Done()

        assert run(start) == {"done": 1}
        assert len(commits) == len(heard) == 1
        assert notes(engine) == (["a", "b"] if name == "before_commit" else ["a"])

    @pytest.mark.parametrize("name", ["after_flush", "after_flush_postexec"])
    def test_where_a_flush_brings_about_another(self, engine, run, name):
        """What a listener adds to a flush commits with what was flushed, in one transaction."""

        def start(obj, ctx):
            once = event.listens_for(ctx.session, name, once=True)
            once(lambda session, _: session.add(Note(text="b")))
            ctx.session.add(Note(text="a"))
            return gd.Done()

        assert run(start) == {"done": 1}
        assert notes(engine) == ["a", "b"]
        with engine.connect() as conn:
            assert len(set(conn.scalars(text("SELECT xmin::text FROM notes")))) == 1

    def test_where_it_does_so_in_its_own_way(self, engine, script):
        """A factory's class may do more than to commit."""

        class Own(Session):
            def commit(self):
                self.execute(text("INSERT INTO notes (text) VALUES ('b')"))
                super().commit()

        durable = gd.bind(engine, session_factory=sessionmaker(engine, class_=Own))

        def start(obj, ctx):
            write(ctx.session)
            return gd.Done()

        script["start"] = start
        durable.insert(Scripted())
        assert drain(durable) == {"done": 1}
        assert notes(engine) == ["a", "b"]

    def test_where_a_savepoint_is_open(self, engine, run, commits):
        """It is released first."""

        def start(obj, ctx):
            write(ctx.session)
            ctx.session.begin_nested()
            write(ctx.session, "b")
            return gd.Done()

        assert run(start) == {"done": 1}
        assert len(commits) == 1
        assert notes(engine) == ["a", "b"]

    def test_where_it_has_another_connection(self, engine, run, commits):
        """What the step wrote by a second connection commits, too, right after the outcome."""
        other = create_engine(engine.url)

        def start(obj, ctx):
            write(ctx.session)
            elsewhere = ctx.session.connection(bind_arguments={"bind": other})
            elsewhere.execute(text("INSERT INTO notes (text) VALUES ('b')"))
            return gd.Done()

        assert run(start) == {"done": 1}
        other.dispose()
        assert len(commits) == 1
        assert notes(engine) == ["a", "b"]

    @pytest.mark.parametrize("again", [True, False])
    def test_where_it_was_rolled_back(self, engine, run, commits, again):
        """What was written after it commits with the outcome, if anything was."""

        def start(obj, ctx):
            write(ctx.session, "dropped")
            ctx.session.rollback()
            if again:
                write(ctx.session)
            return gd.Done()

        assert run(start) == {"done": 1}
        assert len(commits) == 1
        assert notes(engine) == (["a"] if again else [])

    def test_where_it_takes_part_in_a_transaction_of_a_tests(self, durable, engine, script):
        """The test's connection is as it was, and what it does with it is its own affair."""

        def start(obj, ctx):
            write(ctx.session)
            return gd.Done()

        script["start"] = start
        with engine.connect() as conn:
            durable.insert(Scripted(), session=conn)
            assert drain(durable, session=conn) == {"done": 1}
            assert notes(engine) == []
            conn.commit()
        assert notes(engine) == ["a"]


class TestARefusedCommit:
    def test_is_an_error_of_the_step(self, engine, script, run):
        """With it goes the outcome, and what ``handle`` writes commits with what it answers."""

        def start(obj, ctx):
            ctx.session.add_all([Note(text="a"), Note(text="a")])
            return gd.Done()

        def handle(obj, ctx):
            write(ctx.session, "handled")
            return gd.Done("handled")

        script["handle"] = handle
        assert run(start) == {"done": 1}
        assert isinstance(script["error"](None, None), IntegrityError)
        assert notes(engine) == ["handled"]

    def test_may_come_from_a_trigger_of_the_applications(self, engine, script, run):
        """Whatever it raises is what ``handle`` is told."""
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

        assert run(start) == {"stop": 1}
        error = script["error"](None, None)
        assert isinstance(error, DBAPIError)
        assert error.orig.sqlstate == "22012"
        assert notes(engine) == []
