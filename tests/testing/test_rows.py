"""Assertions on rows, and rows that grow older: in the test's own transaction or in none."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

import gendurable as gd
from gendurable.models import Instance, StoredSignal
from gendurable.testing import (
    assert_awaiting,
    assert_done,
    assert_failed,
    assert_status,
    elapse,
)
from tests.testing.machines import Paid


@pytest.fixture
def stored(session: Session):
    """Store an instance as some step has left it; return its id."""

    def stored(**columns: object) -> int:
        instance = Instance(**{"fsm": "Order", "step": "ship", "state": {"number": 1}, **columns})
        session.add(instance)
        session.flush()
        return instance.id

    return stored


class TestAssertStatus:
    def test_passes_what_is_so(self, durable, session, stored):
        """Status and step are as expected."""
        assert_status(durable, stored(), gd.Status.RUNNABLE, step="ship", session=session)
        assert_status(durable, stored(), "runnable", session=session)

    def test_says_what_the_row_looks_like_instead(self, durable, session, stored):
        """The message has the status, the step, the machine and what the row waits for."""
        parked = stored(status="awaiting_signal", awaits=["Paid"], step="ship")

        with pytest.raises(
            AssertionError,
            match=rf"expected instance {parked} to be done, but it is awaiting_signal at step "
            r"'ship' of Order: awaits=\['Paid'\], state=\{'number': 1\}",
        ):
            assert_status(durable, parked, "done", session=session)
        with pytest.raises(AssertionError, match="to be at step 'start', but"):
            assert_status(durable, parked, "awaiting_signal", step="start", session=session)

    def test_says_that_a_deadline_has_passed(self, durable, session, stored):
        """Who let time pass, and nothing more, is told what fires it."""
        parked = stored(status="awaiting_signal", awaits=["Paid"], deadline=func.now())
        early = stored(
            status="awaiting_signal", awaits=["Paid"], deadline=func.now() + timedelta(hours=1)
        )

        hint = r"its deadline has passed: drain\(\) or fire_timeouts\(\) fires it"
        with pytest.raises(AssertionError, match=hint):
            assert_status(durable, parked, "done", session=session)
        with pytest.raises(AssertionError, match=r"\}$"):
            assert_status(durable, early, "done", session=session)

    def test_says_that_there_is_no_such_row(self, durable, session):
        """An unknown target is a failed assertion too."""
        with pytest.raises(AssertionError, match="expected an instance 'order:1'"):
            assert_status(durable, "order:1", "done", session=session)

    def test_finds_the_row_that_holds_a_key_or_was_the_last_to(self, durable, session, stored):
        """A key names its holder; once that has ended, the latest that bore it."""
        key = {"correlation_key": "order:1", "correlation_scope": "live"}
        stored(status="done", **key)
        stored(status="failed", ended_from="executing", **key)
        assert_status(durable, "order:1", "failed", session=session)

        stored(**key)
        stored(status="done", **key)
        assert_status(durable, "order:1", "runnable", session=session)

    def test_refuses_a_status_that_does_not_exist(self, durable, session, stored):
        """A misspelt status is an error of the test."""
        with pytest.raises(ValueError, match="finished"):
            assert_status(durable, stored(), "finished", session=session)


class TestAssertAwaiting:
    def test_compares_the_set_of_names(self, durable, session, stored):
        """Types and names may be mixed; without any, every set will do."""
        parked = stored(status="awaiting_signal", awaits=["other", "Paid"])

        assert_awaiting(durable, parked, session=session)
        assert_awaiting(durable, parked, Paid, "other", step="ship", session=session)
        with pytest.raises(AssertionError, match="to await Paid, but"):
            assert_awaiting(durable, parked, Paid, session=session)
        with pytest.raises(AssertionError, match="to go on at step 'start', but"):
            assert_awaiting(durable, parked, step="start", session=session)

    def test_wants_a_parked_row(self, durable, session, stored):
        """A runnable row awaits nothing."""
        with pytest.raises(AssertionError, match="to await Paid, but it is runnable"):
            assert_awaiting(durable, stored(), Paid, session=session)


class TestAssertDone:
    def test_compares_the_result_if_given(self, durable, session, stored):
        """None is a result like any other."""
        done = stored(status="done", result={"paid": 5})

        assert_done(durable, done, session=session)
        assert_done(durable, done, {"paid": 5}, session=session)
        with pytest.raises(AssertionError, match="to be done with None, but .*'paid': 5"):
            assert_done(durable, done, None, session=session)
        with pytest.raises(AssertionError, match="to be done, but it is runnable"):
            assert_done(durable, stored(), session=session)


class TestAssertFailed:
    def test_looks_for_the_pattern_in_the_error(self, durable, session, stored):
        """The pattern is searched in the text of the last error."""
        failed = stored(status="failed", ended_from="executing", last_error="OSError: no route")

        assert_failed(durable, failed, session=session)
        assert_failed(durable, failed, "no r.ute", session=session)
        with pytest.raises(AssertionError, match="failed with 'time', but .*OSError: no route"):
            assert_failed(durable, failed, "time", session=session)
        with pytest.raises(AssertionError, match="to have failed, but it is runnable"):
            assert_failed(durable, stored(), session=session)


class TestElapse:
    def test_makes_every_instant_older(self, durable, session, stored):
        """Delays, deadlines, leases and the ages of rows all move by the same amount."""
        target = stored(status="awaiting_signal", awaits=["x"], deadline=func.now())
        session.add(StoredSignal(target_id=target, name="x"))
        session.flush()
        instance, signal = (
            session.get_one(Instance, target),
            session.scalars(select(StoredSignal)).one(),
        )
        before = [instance.eligible_at, instance.deadline, instance.inserted_at, signal.inserted_at]

        elapse(durable, timedelta(hours=1), session=session)

        after = [instance.eligible_at, instance.deadline, instance.inserted_at, signal.inserted_at]
        assert {b - a for b, a in zip(before, after, strict=True)} == {timedelta(hours=1)}

    def test_without_a_session_commits(self, durable, engine):
        """Called without a session, other connections see the older rows."""
        with Session(engine) as session, session.begin():
            session.add(Instance(fsm="Order", step="start", state={}))
            session.execute(update(Instance).values(eligible_at=func.now() + timedelta(hours=1)))

        elapse(durable, 3601)

        with Session(engine) as session:
            due = select(func.count()).where(Instance.eligible_at <= func.statement_timestamp())
            assert session.scalar(due) == 1

    @pytest.mark.parametrize("wrong", [-1, float("nan"), True])
    def test_refuses_to_turn_time_back(self, durable, wrong):
        """Time passes forwards."""
        with pytest.raises(gd.InvalidInput, match="seconds"):
            elapse(durable, wrong)

    def test_has_to_be_told_how_long(self, durable, session):
        """Without seconds nothing would pass; they may be given by name."""
        with pytest.raises(TypeError, match="seconds"):
            elapse(durable, session=session)
        elapse(durable, seconds=1.5, session=session)
