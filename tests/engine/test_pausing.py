"""Holding an instance or a queue: what runs ends its step, then nothing starts until it resumes."""

from __future__ import annotations

import pytest
from sqlalchemy import text

import gendurable as gd
from gendurable.queries.claim import claim
from gendurable.testing import drain, fire_timeouts
from tests.engine.script import Scripted, elsewhere


class Idle(gd.FSM, name="engine.Idle", history="off"):
    """Ends at once."""

    @gd.step
    def start(self, ctx: gd.Context) -> gd.Outcome:
        return gd.Done()


def await_go(obj, ctx):
    return gd.Await("go", then="then", timeout=60)


class TestInstance:
    def test_does_not_start(self, durable, row):
        """What waits for its turn does not start while it is held, and does when it is let go."""
        id = durable.insert(Idle())

        assert durable.pause(id, by="ada", reason="look first") == 1
        assert durable.pause(id) == 0
        assert drain(durable) == {}
        assert durable.resume(id, by="ada") == 1
        assert durable.resume(id) == 0
        assert drain(durable) == {"done": 1}

    def test_a_running_step_ends(self, durable, script, row):
        """The step that runs when the hand comes is the last one to run."""

        def start(obj, ctx):
            assert elsewhere(lambda: durable.pause(ctx.id)) == 1
            return gd.Next("then")

        script["start"] = start
        id = durable.insert(Scripted())

        assert drain(durable) == {"next": 1}
        assert (row(id).status, row(id).step) == ("runnable", "then")
        assert row(id).paused_at is not None
        durable.resume(id)
        assert drain(durable) == {"done": 1}

    def test_signals_are_stored_and_wake(self, durable, script, row):
        """A signal wakes a parked row that is held; it does not start before it is let go."""
        script["start"] = await_go
        id = durable.insert(Scripted())
        drain(durable)
        durable.pause(id)

        assert durable.signal(id, "go") is True
        assert row(id).status == "runnable"
        assert drain(durable) == {}
        durable.resume(id)
        assert drain(durable) == {"done": 1}

    def test_deadlines_pass(self, durable, script, row):
        """So does a deadline; the step that runs later knows that it was late."""
        seen = []
        script["start"] = await_go
        script["then"] = lambda obj, ctx: seen.append(ctx.timed_out) or gd.Done()
        id = durable.insert(Scripted())
        drain(durable)
        durable.pause(id)

        assert fire_timeouts(durable) == 1
        assert drain(durable) == {}
        durable.resume(id)
        assert drain(durable) == {"done": 1}
        assert seen == [True]

    def test_resume_looks_anew_at_who_waits(self, durable, row):
        """What a row waited for before it was held may be free by now; unknown stays unknown."""
        ids = [int(durable.insert(Idle())) for _ in range(3)]
        for id, blocked, column in zip(
            ids,
            ("key", "rate", "unknown"),
            ("concurrency_key", "rate_limit", "last_error"),
            strict=True,
        ):
            with durable.engine.begin() as conn:
                conn.execute(
                    text(
                        f"UPDATE gendurable.instances SET blocked = :why, {column} = 'k'"
                        " WHERE id = :id"
                    ),
                    {"why": blocked, "id": id},
                )
            durable.pause(id)
            durable.resume(id)

        assert [row(id).blocked for id in ids] == [None, None, "unknown"]

    def test_leaves_two_entries(self, durable, history):
        """The history says who held it and why, and who let it go."""
        id = durable.insert(Idle())
        durable.pause(id, by="ada", reason="audit")
        durable.resume(id, by="bob", reason="all well")

        assert [(e.kind, e.made_by, e.reason) for e in history(id)] == [
            ("paused", "ada", "audit"),
            ("resumed", "bob", "all well"),
        ]

    def test_refuses_one_that_has_ended(self, durable):
        """Nothing is left to be held of an instance that has ended."""
        id = durable.insert(Idle())
        durable.cancel(id, "no")

        with pytest.raises(gd.NoTarget, match="has ended, cancelled: only live.*be paused"):
            durable.pause(id)

    def test_takes_effect_with_the_callers_transaction(self, durable, session, row):
        """In a caller's session it is as undone as the rest when that is rolled back."""
        id = durable.insert(Idle(), session=session)
        with session.begin_nested() as savepoint:
            assert durable.pause(id, session=session) == 1
            savepoint.rollback()

        assert drain(durable, session=session) == {"done": 1}


class TestQueue:
    def test_holds_what_is_in_it_and_what_comes(self, durable):
        """One row holds all of a queue, and no other queue."""
        before = durable.insert(Idle(), queue="mail")
        assert durable.pause(queue="mail", by="ada", reason="the relay is down") == 1
        assert durable.pause(queue="mail") == 0
        after = durable.insert(Idle(), queue="mail")
        durable.insert(Idle(), queue="other")

        assert drain(durable) == {"done": 1}
        assert [durable.instance(one).status for one in (before, after)] == ["runnable"] * 2
        assert durable.resume(queue="mail", by="ada") == 1
        assert durable.resume(queue="mail") == 0
        assert drain(durable) == {"done": 2}

    def test_says_nothing_of_what_is_due(self, durable):
        """A claim of a held queue finds no next instant, or an idle worker would turn for ever."""
        durable.insert(Idle(), queue="mail", delay=60)
        durable.pause(queue="mail")
        with durable.engine.begin() as conn:
            assert claim(conn, durable.db, "mail", 10, "w", 30) == ((), None)

    def test_stays_apart_from_its_instances(self, durable):
        """Whoever is held by itself stays held when its queue is let go."""
        id = durable.insert(Idle())
        durable.pause(id)
        durable.pause(queue="default")
        durable.resume(queue="default")

        assert drain(durable) == {}

    def test_resume_looks_anew_at_who_waits(self, durable, row):
        """What waits for a key or for tokens in the queue may start; in others it waits on."""
        mine, other = (int(durable.insert(Idle(), queue=q)) for q in ("mail", "other"))
        with durable.engine.begin() as conn:
            conn.execute(
                text("UPDATE gendurable.instances SET blocked = 'key', concurrency_key = 'k'")
            )
        durable.pause(queue="mail")
        durable.resume(queue="mail")

        assert (row(mine).blocked, row(other).blocked) == (None, "key")

    def test_every_pause_is_remembered(self, durable):
        """The table says who held the queue and when, also after it was let go."""
        durable.pause(queue="mail", by="ada", reason="down")
        durable.resume(queue="mail", by="bob", reason="up")
        durable.pause(queue="mail", by="eve")

        with durable.engine.begin() as conn:
            rows = conn.execute(
                text(
                    "SELECT paused_by, pause_reason, resumed_by, resume_reason, resumed_at IS NULL"
                    " FROM gendurable.pauses ORDER BY id"
                )
            ).all()
        assert [tuple(one) for one in rows] == [
            ("ada", "down", "bob", "up", False),
            ("eve", None, None, None, True),
        ]

    def test_a_worker_starts_when_it_is_let_go(self, durable):
        """A worker hears of the resume, and does not wait for its next poll."""
        slow = gd.bind(durable.engine, poll_interval=60, poll_max=60)
        slow.pause(queue="default")
        handle = slow.insert(Idle())
        with slow.worker(queues={"default": 1}):
            assert handle.wait(0.3).status == "runnable"
            slow.resume(queue="default")
            assert handle.wait(10).status == "done"
        slow.notifier.close()


class TestMisuse:
    def test_refuses_nonsense(self, durable):
        """Neither nobody nor two at once can be held, and who did it is a text."""
        id = durable.insert(Idle())
        for wrong in (
            {},
            {"target": id, "queue": "mail"},
            {"queue": ""},
            {"queue": "a\0b"},
            {"target": id, "by": 7},
            {"target": id, "reason": b"x"},
            {"where": True},
            {"where": "queue = 'mail'"},
        ):
            for call in (durable.pause, durable.resume):
                with pytest.raises(gd.InvalidInput):
                    call(**wrong)

    def test_what_cannot_be_stored_is_replaced(self, durable, history):
        """A NUL in a reason does not keep an operator from holding an instance."""
        id = durable.insert(Idle())
        durable.pause(id, reason="odd\0text", by="\ud800")

        assert [(e.made_by, e.reason) for e in history(id)] == [("\ufffd", "odd\ufffdtext")]
