"""Errors, retries by policy, ``handle``, and what is kept of them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

import gendurable as gd
from gendurable.testing import drain
from tests.engine.script import Scripted


class TestAnEndedIterator:
    """A bare ``next()`` raises StopIteration, which generators take for their own."""

    def test_is_what_handle_is_told(self, durable, script, row):
        """It is an error of the step like any other."""
        script["start"] = lambda obj, ctx: next(iter([]))
        id = durable.insert(Scripted())
        drain(durable)

        assert isinstance(script["error"](None, None), StopIteration)
        assert row(id).last_error == "StopIteration: "

    def test_is_retried_by_its_policy(self, durable, row):
        """A ``Backoff`` that lists it covers it."""

        class Empty(gd.FSM, name="engine.Empty"):
            @gd.step(retry=gd.Backoff(attempts=2, on=(StopIteration,)))
            def start(self, ctx: gd.Context) -> gd.Outcome:
                return next(iter([]))

        id = durable.insert(Empty())
        drain(durable)
        assert (row(id).status, row(id).attempt) == ("failed", 1)

    def test_may_come_from_handle(self, durable, script, row):
        """Then both errors are told."""
        script["start"] = lambda obj, ctx: next(iter([]))
        script["handle"] = lambda obj, ctx: next(iter([]))
        id = durable.insert(Scripted())
        drain(durable)
        assert row(id).last_error == "StopIteration: ; then handle raised StopIteration: "


class TestPolicy:
    def test_attempts_and_delays(self, durable, row):
        """A ``Backoff`` retries until its attempts are spent, longer each time; then ``handle``."""
        delays = []

        class Failing(gd.FSM, name="engine.Failing"):
            @gd.step(retry=gd.Backoff(attempts=4, first=10, factor=3, cap=50))
            def start(self, ctx: gd.Context) -> gd.Outcome:
                raise OSError(f"attempt {ctx.attempt}")

        id = durable.insert(Failing())
        while row(id).status == "runnable":
            durable.reschedule(id, delay=0)
            drain(durable, with_scheduled=False)
            found = row(id)
            delays.append(found.eligible_at - found.updated_at)

        assert [one.total_seconds() for one in delays[:3]] == [10, 30, 50]
        assert (found.status, found.attempt) == ("failed", 3)
        assert found.last_error == "OSError: attempt 3"

    def test_of_other_errors(self, durable, row):
        """What the policy does not list goes to ``handle`` at once."""

        class Picky(gd.FSM, name="engine.Picky"):
            @gd.step(retry=gd.Backoff(attempts=4, on=(OSError,)))
            def start(self, ctx: gd.Context) -> gd.Outcome:
                raise ValueError("no")

        durable.insert(Picky())

        assert drain(durable) == {"stop": 1}

    def test_last_error_until_the_next_success(self, durable, script, row):
        """A retry bears the error, the next success clears it."""

        class Recovering(gd.FSM, name="engine.Recovering"):
            @gd.step(initial=True, retry=gd.Backoff(attempts=4, first=60))
            def start(self, ctx: gd.Context) -> gd.Outcome:
                if ctx.attempt == 0:
                    raise OSError("for now")
                return gd.Next(self.end, delay=60)

            @gd.step
            def end(self, ctx: gd.Context) -> gd.Outcome:
                return gd.Done()

        id = durable.insert(Recovering())
        drain(durable, with_scheduled=False)
        assert row(id).last_error == "OSError: for now"
        durable.reschedule(id, delay=0)
        drain(durable, with_scheduled=False)
        assert row(id).last_error is None
        assert row(id).attempt == 0


class TestHandle:
    def test_its_own_reason(self, durable, script, row):
        """If ``handle`` stops with a reason of its own, that is what is recorded."""
        script["start"] = lambda obj, ctx: 1 / 0
        script["handle"] = lambda obj, ctx: gd.Stop("we gave up")
        id = durable.insert(Scripted())
        drain(durable)

        assert row(id).last_error == "we gave up"

    def test_the_errors(self, durable, script, row):
        """It is given the error itself; by default that is the reason."""
        script["start"] = lambda obj, ctx: 1 / 0
        id = durable.insert(Scripted())
        drain(durable)

        assert isinstance(script["error"](None, None), ZeroDivisionError)
        assert row(id).last_error == "ZeroDivisionError: division by zero"

    @pytest.mark.parametrize("answer", [None, gd.Next("nowhere"), gd.Done(object())])
    def test_no_outcome(self, durable, script, row, answer):
        """An answer that is none fails the instance with both errors."""
        script["start"] = lambda obj, ctx: 1 / 0
        script["handle"] = lambda obj, ctx: answer
        id = durable.insert(Scripted())
        drain(durable)

        assert row(id).status == "failed"
        assert row(id).last_error.startswith("ZeroDivisionError: division by zero; then handle")

    def test_a_child_that_cannot_be_stored(self, durable, script, row):
        """A child whose headers no jsonb holds is an error of the step."""
        script["start"] = lambda obj, ctx: gd.ScheduleChildren(
            [gd.Spawn(Scripted(), headers={"a": 10**200_000})], "then"
        )
        id = durable.insert(Scripted())
        drain(durable)

        assert row(id).status == "failed"


class TestHistory:
    def run(self, durable, history, machine):
        id = durable.insert(machine())
        drain(durable)
        return history(id)

    def test_errors(self, durable, history):
        """By default there is an entry for each failed execution, with its traceback."""

        class Plain(gd.FSM, name="engine.Plain"):
            tries: int = 0

            @gd.step(initial=True, retry=gd.Backoff(attempts=2))
            def start(self, ctx: gd.Context) -> gd.Outcome:
                if ctx.attempt == 0:
                    raise OSError("no\0")
                return gd.Next(self.end)

            @gd.step
            def end(self, ctx: gd.Context) -> gd.Outcome:
                return gd.Done()

        (entry,) = self.run(durable, history, Plain)
        assert (entry.kind, entry.step, entry.attempt, entry.visit) == ("retry", "start", 0, 0)
        assert entry.error.startswith("OSError: no")
        assert "in start" in entry.traceback
        assert entry.worker
        assert entry.duration >= 0
        assert entry.state is None

    def test_all(self, durable, history):
        """With "all" there is one for each outcome, with the state before the step."""

        class Diary(gd.FSM, name="engine.Diary", history="all"):
            count: int = 0

            @gd.step(initial=True)
            def start(self, ctx: gd.Context) -> gd.Outcome:
                self.count += 1
                return gd.Next(self.start) if self.count < 3 else gd.Stop("no")

        entries = self.run(durable, history, Diary)
        assert [one.kind for one in entries] == ["next", "next", "stop"]
        assert [one.state for one in entries] == [{"count": 0}, {"count": 1}, {"count": 2}]

    def test_of_steps_that_commit_their_session(self, durable, history):
        """A step that used its session is in the history like any other, its errors too."""

        class Ledger(gd.FSM, name="engine.Ledger", history="all"):
            @gd.step(initial=True, retry=gd.Backoff(attempts=2, on=(OSError,)))
            def start(self, ctx: gd.Context) -> gd.Outcome:
                ctx.session.execute(text("SELECT 1"))
                if ctx.attempt == 0:
                    raise OSError("no")
                return gd.Next(self.end)

            @gd.step
            def end(self, ctx: gd.Context) -> gd.Outcome:
                ctx.session.execute(text("SELECT 1"))
                return gd.Done()

        entries = self.run(durable, history, Ledger)
        assert [one.kind for one in entries] == ["retry", "next", "done"]
        assert all(one.duration > 0 for one in entries)

    def test_off(self, durable, history):
        """With "off" there is none."""

        class Silent(gd.FSM, name="engine.Silent", history="off"):
            @gd.step
            def start(self, ctx: gd.Context) -> gd.Outcome:
                raise ValueError("no")

        assert self.run(durable, history, Silent) == []

    def test_a_snooze_is_no_failure(self, durable, history, row):
        """A snoozed job has no error, spends no attempt and leaves no entry."""

        class Sleepy(gd.Job, name="engine.Sleepy"):
            def perform(self, ctx: gd.Context) -> int:
                raise gd.Snooze(60)

        id = durable.insert(Sleepy())
        assert drain(durable, with_scheduled=False) == {"snooze": 1}
        assert history(id) == []
        assert (row(id).attempt, row(id).visit, row(id).last_error) == (0, 0, None)
        assert row(id).eligible_at - row(id).updated_at == timedelta(seconds=60)

    def test_hands(self, durable, script, history):
        """What a hand did is always recorded, with who and why."""
        script["start"] = lambda obj, ctx: gd.Await("go", "then")
        id = durable.insert(Scripted())
        durable.cancel(id, "why", by="me")
        durable.retry(id, by="you", reason="because")

        assert [(one.kind, one.made_by, one.reason) for one in history(id)] == [
            ("cancelled", "me", "why"),
            ("retried", "you", "because"),
        ]
