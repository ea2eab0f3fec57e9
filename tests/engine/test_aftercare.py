"""What a hand leaves behind: room at a key, tokens for somebody lighter, a session with locks."""

from __future__ import annotations

import threading
from contextlib import suppress

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

import gendurable as gd
from gendurable.engine import aftercare
from gendurable.testing import drain
from tests.engine.script import Note, Scripted, notes
from tests.races.play import Actor

#: What takes a row from its place before a limit, by name: a call with the binding and an id.
MOVES = {
    "cancel": lambda durable, id, **kw: durable.cancel(id, "gone", **kw),
    "cancel where": lambda durable, id, **kw: durable.cancel(
        where=gd.Instance.id == id, reason="gone", **kw
    ),
    "pause": lambda durable, id, **kw: durable.pause(id, **kw),
    "put off": lambda durable, id, **kw: durable.reschedule(id, delay=3600, **kw),
    "another queue": lambda durable, id, **kw: durable.reschedule(id, queue="else", **kw),
}
FREES = {
    "cancel": MOVES["cancel"],
    "rewind": lambda durable, id, **kw: durable.rewind(id, to="then", **kw),
    "patch": lambda durable, id, **kw: durable.patch_state(id, {"note": "x"}, **kw),
}


@pytest.fixture(params=MOVES)
def move(durable, request):
    """Take a row from its place, by each hand that can."""
    return lambda id, **kw: MOVES[request.param](durable, id, **kw)


class TestKeys:
    @pytest.fixture
    def crowd(self, play):
        """One row that executes with a key, and two that wait for it."""
        ids = play.rows_of(3, concurrency_key="k")
        assert play.started() == ids[:1]
        assert play.started() == []
        play.change("UPDATE gendurable.instances SET blocked = 'key' WHERE status = 'runnable'")
        return ids

    @pytest.mark.parametrize("free", FREES)
    def test_whoever_waits_is_let_in_at_once(self, durable, play, crowd, free):
        """No sweep is needed after a hand has taken the row that held the key."""
        FREES[free](durable, crowd[0])

        assert play.waits(*crowd[1:]) == [None, "key"]

    def test_once_the_caller_has_committed(self, durable, play, crowd, eventually):
        """In a caller's transaction nothing happens before its commit, nor after a rollback."""
        with Session(durable.engine) as session:
            durable.cancel(crowd[0], "gone", session=session)
            session.rollback()
            durable.cancel(crowd[0], "gone", session=session)
            assert play.waits(*crowd[1:]) == ["key", "key"]
            session.commit()

        eventually(lambda: play.waits(*crowd[1:]) == [None, "key"])

    def test_a_savepoint_that_is_rolled_back_leaves_nothing_to_do(
        self, durable, play, crowd, monkeypatch, eventually
    ):
        """What hung on it is dropped, and what hung on the next one is done."""
        seen = []
        monkeypatch.setattr(
            "gendurable.callers.attend", lambda conn, db, care: seen.append(care.keys) or set()
        )
        with Session(durable.engine) as session, session.begin():
            with suppress(ZeroDivisionError), session.begin_nested():
                durable.cancel(crowd[0], "gone", session=session)
                raise ZeroDivisionError
            with session.begin_nested():
                durable.insert(Actor(), concurrency_key="other", session=session)
                durable.cancel(where=gd.Instance.concurrency_key == "other", reason="gone",
                               session=session)  # fmt: skip

        eventually(lambda: seen)
        assert seen == [{"other"}]

    def test_somebody_stands_for_those_who_wait(self, durable, play, move):
        """One row stood before the claim for all of its key; when it goes, another does."""
        first, second = play.rows_of(2, concurrency_key="k")
        play.change("UPDATE gendurable.instances SET blocked = 'key' WHERE id = :id", id=second)

        move(first)

        assert play.waits(second) == [None]

    def test_a_database_that_is_away_is_no_error_of_what_has_happened(
        self, durable, play, crowd, monkeypatch, caplog
    ):
        """The cancel is committed; who waits is left to the sweep."""

        def gone(*_):
            raise DBAPIError("look", {}, Exception("the server has gone"))

        monkeypatch.setattr("gendurable.callers.attend", gone)

        assert durable.cancel(crowd[0], "gone") is True

        assert "left to the sweeps" in caplog.text
        assert play.sweep() == {"k"}


class TestRates:
    @pytest.fixture
    def heads(self, durable, play):
        """A heavy row that waits for a bucket that never refills, and a light one behind it."""
        durable.set_limit("r", gd.RateLimit(0, per=1, burst=5))
        heavy, light = [play.rows_of(1, rate_limit="r", weight=weight)[0] for weight in (5, 1)]
        play.change(
            "INSERT INTO gendurable.buckets (key, level, per_us, at)"
            " VALUES ('r', 3 * 1000000, 1000000, statement_timestamp())"
        )
        assert play.started() == []
        assert play.waits(heavy, light) == ["rate", "rate"]
        return [heavy, light]

    def test_the_next_one_may_need_fewer_tokens(self, play, heads, move):
        """A head that is cancelled, held or put off holds up nobody, however long it would wait."""
        move(heads[0])

        assert play.started() == heads[1:2]

    def test_once_the_caller_has_committed(self, durable, play, heads, move, eventually):
        """In a caller's transaction nothing of it happens before its commit."""
        with Session(durable.engine) as session:
            move(heads[0], session=session)
            assert play.waits(heads[1]) == ["rate"]
            session.commit()

        eventually(lambda: play.waits(heads[1]) == [None])
        assert play.started() == heads[1:2]

    def test_of_a_queue_that_is_held(self, durable, play, heads):
        """A head in a queue that is held keeps nobody of another queue from tokens."""
        durable.reschedule(heads[1], queue="light")
        assert play.started() == play.started(queue="light") == []

        durable.pause(queue="default")

        assert play.started(queue="light") == heads[1:2]


class TestSessions:
    @pytest.fixture
    def stuck(self, durable, engine, script):
        """An instance whose first execution hangs, holding a lock on a row of the application's."""
        with Session(engine) as session, session.begin():
            session.add(Note(id=1, text="a"))
        here, go = threading.Event(), threading.Event()

        def start(obj, ctx):
            note = ctx.session.get_one(Note, 1)
            note.text += "b"
            ctx.session.flush()
            if not here.is_set():
                here.set()
                assert go.wait(20)
            return gd.Done()

        script["start"] = start
        id = durable.insert(Scripted()).id
        first = threading.Thread(target=drain, args=(durable,), kwargs={"max_steps": 1})
        first.start()
        assert here.wait(10)
        yield id
        go.set()
        first.join(10)

    def test_end_once_the_caller_has_committed(self, durable, engine, stuck, eventually):
        """After a rewind the successor does not hang on the locks of the step that lost the row."""
        with Session(engine) as session, session.begin():
            durable.rewind(stuck, to="start", session=session)
            assert held(engine)
        eventually(lambda: not held(engine))

        assert drain(durable) == {"done": 1}
        assert notes(engine) == ["ab"]

    def test_stay_if_the_caller_rolls_back(self, durable, engine, stuck):
        """Nothing was taken from the step, so nothing is ended."""
        with Session(engine) as session:
            durable.rewind(stuck, to="start", session=session)
            session.rollback()

        assert held(engine)

    def test_stay_if_the_commit_failed(self, durable, engine, stuck):
        """A commit that the database refuses takes no claim, whoever was told that it began."""
        care = aftercare.Aftercare()
        care.claims.add((stuck, durable.instance(stuck).claim_seq))

        with engine.begin() as conn:
            aftercare.attend(conn, durable.db, care)

        assert held(engine)

    def test_end_when_a_cancelled_step_is_put_back(self, durable, engine, stuck, eventually):
        """A step that was cancelled may still hold its locks when its successor comes."""
        durable.cancel(stuck, "too slow")
        durable.retry(stuck)
        eventually(lambda: not held(engine))

        assert drain(durable) == {"done": 1}
        assert notes(engine) == ["ab"]


def held(engine) -> bool:
    """Whether somebody holds the row of the application."""
    with engine.begin() as conn:
        return not conn.execute(text("SELECT 1 FROM notes FOR UPDATE SKIP LOCKED")).all()
