"""A drain runs whatever can run, as a worker would, in the test's own transaction if it wants."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import create_engine, func, select, text
from sqlalchemy.orm import Session

import gendurable as gd
from gendurable.testing import (
    assert_awaiting,
    assert_done,
    assert_failed,
    assert_status,
    drain,
    elapse,
    fire_schedules,
    fire_timeouts,
)
from tests.testing.machines import Order, Paid

SCRIPTS: dict[str, Callable[..., Any]] = {}


class Scripted(gd.FSM, queue="scripted"):
    """Does at each step what the test has written down under its name."""

    name: str

    @gd.step(initial=True)
    def first(self, ctx: gd.Context) -> gd.Outcome:
        """Run the script."""
        found: gd.Outcome = SCRIPTS[self.name](self, ctx)
        return found

    @gd.step
    def second(self, ctx: gd.Context) -> gd.Outcome:
        """End."""
        return gd.Done("second")

    def handle(self, error: Exception, ctx: gd.Context) -> gd.Outcome:
        """Say what went wrong."""
        return gd.Done(f"handled {type(error).__name__}")


class Later(gd.FSM):
    """An async step."""

    @gd.step(initial=True)
    async def only(self, ctx: gd.Context) -> gd.Outcome:
        """End."""
        return gd.Done("later")


class Poll(gd.Job, max_attempts=3):
    """Fails for ever."""

    def perform(self, ctx: gd.Context) -> None:
        """Fail."""
        raise OSError("no route")


@pytest.fixture(params=["committed", "rolled back"])
def place(request, session):
    """Both ways to work: in transactions that commit, and in that of the test."""
    return session if request.param == "rolled back" else None


@pytest.fixture
def scripted(durable, place):
    """Insert a machine that does what a function says."""

    def scripted(script: Callable[..., Any], **options: Any) -> gd.Handle:
        SCRIPTS[script.__name__] = script
        return durable.insert(Scripted(name=script.__name__), session=place, **options)

    yield scripted
    SCRIPTS.clear()


class TestDrain:
    def test_runs_an_instance_until_it_waits_and_then_to_its_end(self, durable, place):
        """The usual test of a machine: drain, signal, drain."""
        order = durable.insert(Order(number=1), session=place)

        assert drain(durable, session=place) == {"await": 1}
        assert_awaiting(durable, order, Paid, step="ship", session=place)

        durable.signal(order, Paid(amount=5), session=place)
        assert drain(durable, session=place) == {"done": 1}
        assert_done(durable, order, {"paid": 5}, session=place)

    def test_runs_every_queue_or_one(self, durable, place, scripted):
        """Without a queue all are drained."""
        order = durable.insert(Order(number=1), session=place)
        scripted(lambda_done)

        assert drain(durable, queue="scripted", session=place) == {"done": 1}
        assert_status(durable, order, "runnable", session=place)
        assert drain(durable, session=place) == {"await": 1}

    def test_counts_steps(self, durable, place, scripted):
        """The tally counts outcomes by kind, and steps in all."""
        scripted(go_on)

        tally = drain(durable, session=place)

        assert (tally, tally.steps) == ({"next": 1, "done": 1}, 2)

    def test_runs_children_and_then_their_parent(self, durable, place, scripted):
        """A fan-out is drained with all that it brings."""
        parent = scripted(fan_out)
        SCRIPTS["lambda_done"] = lambda_done

        assert drain(durable, session=place) == {"children": 1, "done": 4}
        assert_done(durable, parent, "second", session=place)

    def test_runs_what_a_step_inserts(self, durable, place, scripted):
        """Rows that a step makes through its session are drained too."""
        scripted(insert_another)

        assert drain(durable, session=place) == {"done": 1, "await": 1}

    def test_runs_urgent_ones_first(self, durable, place, scripted):
        """Priority decides within a queue, as it does for a worker."""
        order: list[int] = []

        def note(machine, ctx):
            order.append(ctx.id)
            return gd.Done()

        ids = [int(scripted(note, priority=priority)) for priority in (5, -5, 0)]
        drain(durable, session=place)

        assert order == [ids[1], ids[2], ids[0]]

    def test_runs_async_steps(self, durable, place):
        """An async step runs on an event loop of the drain."""
        later = durable.insert(Later(), session=place)

        assert drain(durable, session=place) == {"done": 1}
        assert_done(durable, later, "later", session=place)


class TestTime:
    def test_runs_scheduled_ones_in_their_order(self, durable, place, scripted):
        """What is due later runs at once, earlier ones first."""
        order: list[int] = []

        def note(machine, ctx):
            order.append(ctx.id)
            return gd.Done()

        ids = [int(scripted(note, delay=timedelta(days=days))) for days in (3, 1, 2)]

        assert drain(durable, with_scheduled=False, session=place) == {}
        assert drain(durable, session=place) == {"done": 3}
        assert order == [ids[1], ids[2], ids[0]]

    def test_takes_no_time_for_retries(self, durable, place):
        """Backoffs are passed over, so a job fails when its attempts are used up."""
        poll = durable.insert(Poll(), session=place)

        assert drain(durable, session=place) == {"retry": 2, "stop": 1}
        assert_failed(durable, poll, "no route", session=place)

    def test_leaves_backoffs_alone_if_told_to(self, durable, place):
        """Without scheduled work a retry waits until time has passed."""
        durable.insert(Poll(), session=place)

        assert drain(durable, with_scheduled=False, session=place) == {"retry": 1}
        elapse(durable, 600, session=place)
        assert drain(durable, with_scheduled=False, session=place) == {"retry": 1}

    def test_fires_timeouts_however_far_they_lie(self, durable, place):
        """A timeout fires without anybody waiting for it."""
        order = durable.insert(Order(number=1), session=place)
        drain(durable, session=place)

        assert fire_timeouts(durable, session=place) == 1
        assert drain(durable, session=place) == {"stop": 1}
        assert_failed(durable, order, "payment never came", session=place)

    def test_fires_only_what_has_passed_if_told_to(self, durable, place):
        """Together with elapse the very instant can be tested."""
        durable.insert(Order(number=1), session=place)
        drain(durable, session=place)

        elapse(durable, 3590, session=place)
        assert fire_timeouts(durable, early=False, session=place) == 0
        elapse(durable, 11, session=place)
        assert fire_timeouts(durable, early=False, session=place) == 1


class TestReaper:
    """A drain does what a worker's reaper does, once the time for it has come."""

    def test_fires_deadlines_that_have_passed(self, durable, place):
        """After elapse a drain is enough; a deadline that lies ahead stays there."""
        order = durable.insert(Order(number=1), session=place)
        drain(durable, session=place)

        elapse(durable, 3590, session=place)
        assert drain(durable, session=place) == {}
        assert_awaiting(durable, order, Paid, session=place)

        elapse(durable, timedelta(seconds=11), session=place)
        assert drain(durable, session=place) == {"stop": 1}
        assert_failed(durable, order, "payment never came", session=place)

    def test_fires_deadlines_that_pass_meanwhile(self, durable, place, scripted):
        """A timeout of no length is over by the time that nothing else is due."""
        SCRIPTS["lambda_done"] = lambda_done
        waiting = scripted(await_for_no_time)

        assert drain(durable, session=place) == {"await": 1, "done": 1}
        assert_done(durable, waiting, "second", session=place)

    def test_takes_back_lapsed_leases(self, durable, place, scripted, engine):
        """The row of a worker that died is run again, one attempt and one crash older."""
        attempts = []

        def note(machine, ctx):
            attempts.append(ctx.attempt)
            return gd.Done()

        dead = scripted(note)
        claim = text(
            "UPDATE gendurable.instances SET status = 'executing', locked_by = 'w',"
            " claim_seq = 1, lease_expires_at = statement_timestamp() + interval '30 s'"
        )
        with engine.begin() if place is None else nullcontext(place) as conn:
            conn.execute(claim)

        assert drain(durable, session=place) == {}
        elapse(durable, 32, session=place)
        assert drain(durable, session=place) == {"done": 1}
        assert attempts == [1]
        assert_done(durable, dead, session=place)

    def test_ends_no_session_for_what_is_rolled_back(self, durable, session, connect):
        """The sessions of dead steps are ended only by a drain that commits."""
        durable.insert(Order(number=1), session=session)
        found = session.scalars(select(gd.Instance)).one()
        session.execute(
            text(
                "UPDATE gendurable.instances SET status = 'executing', locked_by = 'w',"
                " claim_seq = 1, lease_expires_at = statement_timestamp() - interval '9 s'"
            )
        )
        other = connect()
        other.execute(
            text("SELECT set_config('application_name', :name, false)"),
            {"name": f"gendurable:{found.id}:1"},
        )

        assert drain(durable, session=session) == {"await": 1}
        assert other.scalar(text("SELECT 1")) == 1


class TestTrouble:
    @pytest.mark.parametrize(
        "use",
        [
            drain,
            fire_timeouts,
            fire_schedules,
            partial(elapse, seconds=1),
            partial(assert_status, target=1, status="done"),
            partial(assert_awaiting, target="order:1"),
            partial(assert_done, target=1),
            partial(assert_failed, target=1),
        ],
    )
    def test_says_that_the_schema_is_missing(self, empty_url, use):
        """An error of ours, which says what to do; so it does in the transaction of the test."""
        engine = create_engine(empty_url)
        durable = gd.bind(engine)
        with pytest.raises(gd.SchemaError, match="gendurable schema upgrade"):
            use(durable)
        with Session(engine) as session, pytest.raises(gd.SchemaError, match="create_schema"):
            use(durable, session=session)
        with engine.connect() as conn, pytest.raises(gd.SchemaError, match="create_schema"):
            use(durable, session=conn)
        engine.dispose()

    def test_wants_a_binding(self, engine, session):
        """An engine is none; the message says where one comes from."""
        for call in (
            lambda: drain(engine),
            lambda: drain(engine, session=session),
            lambda: elapse(engine, 1),
            lambda: fire_timeouts(engine),
            lambda: assert_status(engine, 1, "done"),
        ):
            with pytest.raises(gd.InvalidInput, match=r"is no binding; pass what gd\.bind"):
                call()

    def test_asks_handle_about_errors(self, durable, place, scripted):
        """An error of a step goes its usual way."""
        fallen = scripted(divide)

        assert drain(durable, session=place) == {"done": 1}
        assert_done(durable, fallen, "handled ZeroDivisionError", session=place)

    def test_keeps_no_rows_of_a_step_that_raised(self, durable, place, scripted):
        """The session of a failed step is rolled back, not the transaction of the test."""
        fallen = scripted(insert_and_raise)

        drain(durable, session=place)

        assert_done(durable, fallen, "handled OSError", session=place)
        assert drain(durable, session=place) == {}

    def test_keeps_no_rows_that_the_database_refuses(self, durable, place, scripted):
        """What the flush of the step's session raises is an error of the step."""
        fallen = scripted(violate)

        drain(durable, session=place)

        assert_done(durable, fallen, "handled IntegrityError", session=place)

    def test_ends_in_a_failed_test_when_it_does_not_end(self, durable, place, scripted):
        """A machine that spins is reported with its step, and nothing is left executing."""
        spinning = scripted(spin)

        with pytest.raises(AssertionError, match="10 steps ran .* Scripted.first of instance"):
            drain(durable, max_steps=10, session=place)
        assert_status(durable, spinning, "runnable", session=place)

    def test_passes_on_what_is_no_error(self, durable, place, scripted):
        """An interrupt reaches the test, and the row can be run again."""
        crashed = scripted(interrupt)

        with pytest.raises(KeyboardInterrupt):
            drain(durable, session=place)
        assert_status(durable, crashed, "runnable", session=place)

    def test_counts_what_lost_its_row(self, durable, scripted, place):
        """An outcome that came too late is none."""
        if place is not None:
            pytest.skip("somebody else's transaction does not see that of the test")
        scripted(cancelled_meanwhile)

        assert drain(durable) == {"stale": 1}


class TestSession:
    def test_leaves_nothing_behind(self, durable, engine, session):
        """What happened in the test's transaction goes with it."""
        durable.insert(Order(number=1), session=session)
        drain(durable, session=session)
        session.rollback()

        with Session(engine) as other:
            assert other.scalar(select(func.count()).select_from(gd.Instance)) == 0

    def test_takes_a_connection(self, durable, conn):
        """A Core connection will do as well."""
        order = durable.insert(Order(number=1), session=conn)

        assert drain(durable, session=conn) == {"await": 1}
        assert_awaiting(durable, order, session=conn)

    def test_shows_the_test_what_the_steps_did(self, durable, session):
        """Objects that the test has loaded are read anew after a drain."""
        order = durable.insert(Order(number=1), session=session)
        instance = session.get_one(gd.Instance, int(order))
        assert instance.status == "runnable"

        drain(durable, session=session)

        assert instance.status == "awaiting_signal"

    def test_leaves_the_binding_as_it_was(self, durable, session):
        """After the drain the binding works on its own engine again."""
        before = dict(vars(durable))
        with pytest.raises(AssertionError):
            durable.insert(Order(number=1), session=session)
            drain(durable, max_steps=0, session=session)

        assert vars(durable) == before

    def test_leaves_the_transaction_as_it_was(self, durable, session, scripted):
        """Settings that the engine makes for its own transactions do not stay."""
        shown = [text("SHOW lock_timeout"), text("SHOW application_name")]
        before = [session.scalar(each) for each in shown]
        durable.insert(Order(number=1), session=session)

        drain(durable, session=session)

        assert [session.scalar(each) for each in shown] == before

    def test_works_in_another_schema(self, empty_url):
        """A binding to another schema is drained there."""
        engine = create_engine(empty_url)
        durable = gd.bind(engine, schema="work")
        durable.create_schema()
        order = durable.insert(Order(number=1))

        assert drain(durable) == {"await": 1}
        assert fire_timeouts(durable) == 1
        elapse(durable, 1)
        assert_status(durable, order, "runnable")
        engine.dispose()


def lambda_done(machine, ctx):
    return gd.Done()


def go_on(machine, ctx):
    return gd.Next(machine.second)


def spin(machine, ctx):
    return gd.Next(machine.first)


def fan_out(machine, ctx):
    children = [Scripted(name="lambda_done") for _ in range(3)]
    return gd.ScheduleChildren(children, then=machine.second)


def await_for_no_time(machine, ctx):
    return gd.Await("never", then=machine.second, timeout=0)


def insert_another(machine, ctx):
    ctx.durable.insert(Order(number=2), session=ctx.session)
    return gd.Done()


def divide(machine, ctx):
    raise ZeroDivisionError


def insert_and_raise(machine, ctx):
    ctx.durable.insert(Order(number=2), session=ctx.session)
    raise OSError


def violate(machine, ctx):
    ctx.session.add(gd.StoredSignal(target_id=0, name="x"))
    return gd.Done()


def interrupt(machine, ctx):
    raise KeyboardInterrupt


def cancelled_meanwhile(machine, ctx):
    with ctx.durable.engine.begin() as conn:
        conn.execute(
            text(
                "UPDATE gendurable.instances SET status = 'done', locked_by = NULL,"
                " lease_expires_at = NULL WHERE id = :id"
            ),
            {"id": ctx.id},
        )
    return gd.Done()
