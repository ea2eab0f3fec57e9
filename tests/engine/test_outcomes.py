"""What each outcome makes of the row: its columns, its inbox, its history."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

import gendurable as gd
from gendurable.testing import drain, elapse, fire_timeouts
from tests.engine.script import Scripted

YEARS = timedelta(days=365 * 99)


@pytest.fixture
def one(durable, script):
    """Insert an instance whose first step returns this outcome and run that step only."""

    def one(outcome, **options):
        script["start"] = lambda obj, ctx: outcome
        id = durable.insert(Scripted(), **options)
        drain(durable, with_scheduled=False)
        return id

    return one


@pytest.fixture
def inbox(durable):
    """The (name, consumed) of all signals that an instance still has."""

    def inbox(id):
        query = "SELECT name, consumed_at IS NOT NULL FROM gendurable.signals WHERE target_id = :id"
        with durable.engine.begin() as conn:
            return sorted(map(tuple, conn.execute(text(query), {"id": int(id)})))

    return inbox


class TestColumns:
    def test_next(self, one, row):
        """``Next`` goes to its step after its delay; priority and queue change if it says so."""
        found = row(one(gd.Next("then", delay=60, priority=-3, queue="slow")))

        assert (found.status, found.step, found.attempt, found.visit) == ("runnable", "then", 0, 1)
        assert (found.priority, found.queue) == (-3, "slow")
        assert found.eligible_at - found.updated_at == timedelta(seconds=60)
        assert found.locked_by is found.lease_expires_at is found.awaits is found.deadline is None

    def test_next_keeps_the_rest(self, one, row):
        """What ``Next`` does not mention stays as it was inserted."""
        found = row(one(gd.Next("then", delay=60), priority=7, queue="mine", headers={"a": 1}))

        assert (found.priority, found.queue, found.headers) == (7, "mine", {"a": 1})

    def test_a_century(self, one, row):
        """Delays and timeouts of many years are legal."""
        found = row(one(gd.Next("then", delay=YEARS)))
        assert found.eligible_at - found.updated_at == YEARS
        found = row(one(gd.Await("go", "then", timeout=YEARS)))
        assert found.deadline - found.updated_at == YEARS

    def test_retry(self, one, row):
        """``Retry`` is the same visit, one attempt later."""
        found = row(one(gd.Retry(60)))

        assert (found.status, found.step, found.attempt, found.visit) == ("runnable", "start", 1, 0)
        assert found.eligible_at - found.updated_at == timedelta(seconds=60)
        assert found.locked_by is found.lease_expires_at is None

    def test_await(self, one, row):
        """``Await`` parks at the step that goes on, on the set of names, until its deadline."""
        found = row(one(gd.Await(["a", "b"], "then", timeout=60)))

        assert (found.status, found.step, found.attempt) == ("awaiting_signal", "then", 0)
        assert sorted(found.awaits) == ["a", "b"]
        assert found.deadline - found.updated_at == timedelta(seconds=60)
        assert found.timed_out is False

    def test_children(self, one, row, script):
        """``ScheduleChildren`` parks at the step that goes on and opens a round."""
        id = one(
            gd.ScheduleChildren(
                [gd.Spawn(Scripted(), delay=60) for _ in range(3)], "then", quorum=2, timeout=60
            )
        )
        found = row(id)

        assert (found.status, found.step, found.visit) == ("awaiting_children", "then", 1)
        assert (found.round, found.quorum, found.children_pending) == (1, 2, 3)
        assert found.deadline - found.updated_at == timedelta(seconds=60)
        assert found.awaits is None

    def test_done(self, one, row):
        """``Done`` ends it with its result."""
        found = row(one(gd.Done({"a": [1, None]})))

        assert (found.status, found.step, found.result) == ("done", "start", {"a": [1, None]})
        assert found.locked_by is found.lease_expires_at is found.last_error is None

    def test_done_without_a_result(self, one, durable, row):
        """No result is an SQL null, not a JSON one."""
        id = one(gd.Done())
        with durable.engine.begin() as conn:
            query = text("SELECT result IS NULL FROM gendurable.instances WHERE id = :id")
            assert conn.scalar(query, {"id": int(id)}) is True

    @pytest.mark.parametrize("reason", ["no", ValueError("no")])
    def test_stop(self, one, row, reason):
        """``Stop`` fails it; an exception as reason is told with its type."""
        found = row(one(gd.Stop(reason)))

        assert found.status == "failed"
        assert found.last_error == ("no" if reason == "no" else "ValueError: no")

    def test_stop_with_what_no_text_column_takes(self, one, row):
        """The last word on a row can always be committed."""
        found = row(one(gd.Stop("a\0b\ud800" + "x" * 100_000)))

        assert found.status == "failed"
        assert found.last_error.startswith("a")
        assert len(found.last_error) <= 16_384

    @pytest.mark.parametrize(
        "outcome",
        [None, "then", gd.Next, gd.Next("nowhere"), gd.Await("go", "nowhere"), gd.Done(object())],
    )
    def test_no_outcome_at_all(self, one, row, outcome):
        """Whatever else a step returns is an error of the step."""
        found = row(one(outcome))

        assert found.status == "failed"
        assert found.last_error


class TestState:
    def test_is_kept_on_every_outcome(self, durable, script, row):
        """What the object holds when the step returns is committed, on a retry and a stop too."""

        def start(obj, ctx):
            obj.count += 1
            return gd.Retry() if ctx.attempt == 0 else gd.Stop("no")

        script["start"] = start
        assert row_after(durable, row).state == {"count": 2}

    def test_is_lost_with_an_error(self, durable, script, row):
        """A step that raises loses its changes; what ``handle`` leaves is kept."""

        def start(obj, ctx):
            obj.count = 5
            raise ValueError("no")

        def handle(obj, ctx):
            obj.count += 1
            return gd.Stop("handled")

        script.update(start=start, handle=handle)
        assert row_after(durable, row).state == {"count": 1}

    def test_that_cannot_be_stored(self, durable, script, row):
        """A state that would not come back is an error of the step."""

        def start(obj, ctx):
            obj.count = "no number"
            return gd.Done()

        script["start"] = start
        found = row_after(durable, row)
        assert found.status == "failed"
        assert "count" in found.last_error
        assert found.state == {"count": 0}


def row_after(durable, row):
    """Return the row of an instance that has run to its end."""
    id = durable.insert(Scripted())
    drain(durable)
    return row(id)


class TestVisits:
    def test_the_key_of_a_visit(self, durable, script):
        """The key is the same for each execution of a visit, another for each other visit."""
        keys = {"start": [], "then": []}

        def start(obj, ctx):
            keys["start"].append(ctx.idempotency_key)
            if ctx.attempt == 1:
                raise ValueError("no")
            return gd.Retry() if ctx.attempt == 0 else gd.Next("then")

        def handle(obj, ctx):
            keys["start"].append(ctx.idempotency_key)
            return gd.Retry()

        def then(obj, ctx):
            keys["then"].append(ctx.idempotency_key)
            obj.count += 1
            return gd.Next("then") if obj.count == 1 else gd.Done()

        script.update(start=start, handle=handle, then=then)
        for _ in range(2):
            durable.insert(Scripted())
            drain(durable)

        first, second = keys["start"][:4], keys["start"][4:]
        assert len(set(first)) == len(set(second)) == 1
        assert len({*first, *second, *keys["then"]}) == 6

    def test_operators_retry_is_another_visit(self, durable, script, row):
        """An operator's retry begins anew: another key, no attempts, no crashes."""
        keys = []

        def start(obj, ctx):
            keys.append((ctx.idempotency_key, ctx.attempt))
            return gd.Retry() if ctx.attempt == 0 else gd.Stop("no")

        script["start"] = start
        id = durable.insert(Scripted())
        drain(durable)
        durable.retry(id)
        drain(durable)

        assert [attempt for _, attempt in keys] == [0, 1, 0, 1]
        assert len({key for key, _ in keys}) == 2


class TestWhatRetryKeeps:
    def test_awaits_signals_and_timed_out(self, durable, script, row):
        """A retried step is shown the same signals, and still knows that a deadline woke it."""
        seen = []

        def then(obj, ctx):
            seen.append((ctx.attempt, ctx.timed_out, ctx.awaited.names, ctx.signals.names))
            return gd.Retry() if ctx.attempt == 0 else gd.Done()

        script["start"] = lambda obj, ctx: gd.Await("go", "then", timeout=60)
        script["then"] = then
        id = durable.insert(Scripted())
        drain(durable)
        durable.signal(id, "other")
        fire_timeouts(durable)
        durable.signal(id, "go")
        drain(durable)

        both = {"go", "other"}
        assert seen == [(0, True, {"go"}, both), (1, True, {"go"}, both)]

    def test_timed_out_ends_with_the_visit(self, durable, script):
        """The next step was not caused by the deadline any more."""
        seen = []

        def then(obj, ctx):
            seen.append(ctx.timed_out)
            obj.count += 1
            return gd.Next("then") if obj.count == 1 else gd.Done()

        script["start"] = lambda obj, ctx: gd.Await("go", "then", timeout=60)
        script["then"] = then
        durable.insert(Scripted())
        drain(durable)
        fire_timeouts(durable)
        drain(durable)

        assert seen == [True, False]

    def test_a_deadline_is_cleared(self, durable, script, row):
        """An outcome that sets no deadline clears it, a signal too; a late one wakes nobody."""
        script["start"] = lambda obj, ctx: gd.Await("go", "then", timeout=60)
        script["then"] = lambda obj, ctx: gd.Await("never", "then")
        id = durable.insert(Scripted())
        drain(durable)
        durable.signal(id, "go")
        assert row(id).deadline is None
        drain(durable)
        elapse(durable, 120)

        assert fire_timeouts(durable, early=False) == 0
        assert row(id).status == "awaiting_signal"


class TestConsumption:
    """Signals ``a`` and ``b`` came in; the step was parked on ``a``."""

    @pytest.mark.parametrize(
        ("outcome", "left"),
        [
            (gd.Next("start", delay=60), ["b"]),
            (gd.Await("c", "then"), ["a", "b"]),
            (gd.Await("c", "then", consume=True), ["b"]),
            (gd.Retry(60), ["a", "b"]),
            (gd.Stop("no"), ["a", "b"]),
            (gd.Done(), []),
        ],
    )
    @pytest.mark.parametrize("keyed", [False, True])
    def test_by_outcome(self, durable, script, inbox, outcome, left, keyed):
        """Each outcome consumes what it should; one with a dedup key leaves a tombstone."""
        script["start"] = lambda obj, ctx: gd.Await("a", "then")
        script["then"] = lambda obj, ctx: outcome
        id = durable.insert(Scripted())
        durable.signal(id, "b")
        drain(durable)
        durable.signal(id, "a", dedup_key="k" if keyed else None)
        drain(durable, with_scheduled=False)

        found = inbox(id)
        assert [name for name, consumed in found if not consumed] == left
        tombstone = keyed and "a" not in left and left != []
        assert [name for name, consumed in found if consumed] == (["a"] if tombstone else [])

    def test_handle_consumes_nothing(self, durable, script, inbox):
        """An outcome of ``handle`` consumes nothing, even one that would."""
        script["start"] = lambda obj, ctx: gd.Await("a", "then")
        script["then"] = lambda obj, ctx: 1 / 0
        script["handle"] = lambda obj, ctx: gd.Next("start")
        seen = []
        script["start"] = lambda obj, ctx: (
            seen.append(ctx.signals.names) or gd.Await("a" if len(seen) == 1 else "z", "then")
        )
        id = durable.insert(Scripted())
        drain(durable)
        durable.signal(id, "a")
        drain(durable)

        assert seen == [set(), {"a"}]
        assert inbox(id) == [("a", False)]

    @pytest.mark.parametrize("consume", [False, True])
    def test_an_await_of_handle_does_not_spin(self, durable, script, row, inbox, consume):
        """What the failed step was shown does not wake an ``Await`` of its ``handle``."""
        seen = []

        def handle(obj, ctx):
            seen.append((ctx.awaited.names, ctx.signals.names, len(ctx.children)))
            return gd.Await("a", "then", consume=consume)

        script["start"] = lambda obj, ctx: gd.Await("a", "then")
        script["then"] = lambda obj, ctx: 1 / 0
        script["handle"] = handle
        id = durable.insert(Scripted())
        drain(durable)
        durable.signal(id, "a")
        drain(durable)

        assert seen == [(set(), set(), 0)]
        assert row(id).status == "awaiting_signal"
        assert inbox(id) == [("a", False)]

    def test_gathering_does_not_spin(self, durable, script, row):
        """A step may await again until it has all; each signal wakes it once."""

        def start(obj, ctx):
            obj.count += 1
            if {"a", "b"} <= set(ctx.awaited.names):
                return gd.Done(obj.count)
            return gd.Await(["a", "b"], "start")

        script["start"] = start
        id = durable.insert(Scripted())
        drain(durable)
        for name in ("a", "a", "b"):
            durable.signal(id, name)
            drain(durable)

        assert row(id).result == 4

    def test_the_inbox_of_a_failed_one(self, durable, script, row):
        """The signals of a failed instance are in no inbox until it is put back."""
        script["start"] = lambda obj, ctx: gd.Await("a", "then")
        script["then"] = lambda obj, ctx: (
            gd.Stop("no") if obj.count else gd.Done(list(ctx.awaited.names))
        )
        id = durable.insert(Scripted(count=1))
        drain(durable)
        durable.signal(id, "a")
        drain(durable)
        assert row(id).status == "failed"
        with pytest.raises(gd.NoTarget):
            durable.signal(id, "b")
        with durable.engine.begin() as conn:
            conn.execute(text("UPDATE gendurable.instances SET state = '{\"count\": 0}'"))
        durable.retry(id)
        drain(durable)

        assert row(id).result == ["a"]
