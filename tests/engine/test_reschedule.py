"""Changing when, and in which queue and order, an instance runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

import gendurable as gd
from gendurable.testing import drain


class Letter(gd.FSM):
    """Waits for an answer, then ends."""

    @gd.step(initial=True)
    def write(self, ctx: gd.Context) -> gd.Outcome:
        return gd.Await("answer", then=self.read)

    @gd.step
    def read(self, ctx: gd.Context) -> gd.Outcome:
        return gd.Done()


class TestReschedule:
    def test_brings_forward(self, durable: gd.Durable) -> None:
        """An instance that is due in an hour runs at once when it is told to."""
        handle = durable.insert(Letter(), delay=3600)

        durable.reschedule(handle, delay=0)

        assert drain(durable, with_scheduled=False)["await"] == 1

    def test_moves_to_another_queue_and_priority(self, durable: gd.Durable) -> None:
        """Queue and priority change; what is not named stays."""
        at = datetime.now(UTC) + timedelta(days=1)
        handle = durable.insert(Letter(), priority=3)

        durable.reschedule(handle, at=at, queue="night")

        row = handle.instance()
        assert row is not None
        assert (row.queue, row.priority, row.eligible_at) == ("night", 3, at)

    def test_refuses_a_time_for_one_that_is_parked(self, durable: gd.Durable) -> None:
        """A parked instance has no turn to wait for; its queue may change."""
        handle = durable.insert(Letter())
        drain(durable)

        with pytest.raises(gd.InvalidInput, match="awaiting_signal"):
            durable.reschedule(handle, delay=1)
        durable.reschedule(handle, queue="night")

        row = handle.instance()
        assert row is not None
        assert (row.queue, row.status) == ("night", "awaiting_signal")

    def test_refuses_one_that_has_ended(self, durable: gd.Durable) -> None:
        """Nothing is left to be scheduled of an instance that has ended."""
        handle = durable.insert(Letter())
        durable.cancel(handle, "not needed")

        with pytest.raises(gd.NoTarget, match="has ended, cancelled: only live.*be rescheduled"):
            durable.reschedule(handle, priority=1)

    def test_refuses_nonsense(self, durable: gd.Durable) -> None:
        """Nothing to change, a naive time and a wild priority are refused where they enter."""
        handle = durable.insert(Letter())

        for wrong in (
            {},
            {"at": datetime(2030, 1, 1)},
            {"at": "noon"},
            {"priority": 40_000},
            {"delay": -1},
        ):
            with pytest.raises(gd.InvalidInput):
                durable.reschedule(handle, **wrong)
