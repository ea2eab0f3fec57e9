"""The one loop: wakes, stops, survives whatever a turn raises, and says how it is."""

from __future__ import annotations

import logging
from queue import SimpleQueue

import pytest
from sqlalchemy.exc import OperationalError

from gendurable.runtime.loop import PATIENCE, Daemon, Outage


def gone() -> OperationalError:
    """What SQLAlchemy raises when the server is not there."""
    return OperationalError("SELECT 1", {}, Exception("connection refused"))


class TestTurns:
    def test_a_loop_turns_when_it_is_woken(self):
        """A loop with nothing due sleeps until somebody wakes it."""
        turns: SimpleQueue[int] = SimpleQueue()
        daemon = Daemon("test", lambda: turns.put(1))
        daemon.start()
        turns.get(timeout=5)

        daemon.wake()

        assert turns.get(timeout=5) == 1
        daemon.stop()
        assert daemon.join(5)

    def test_many_calls_before_a_turn_cost_one_turn(self):
        """Waking a loop that was woken already adds nothing."""
        turns = []
        daemon = Daemon("test", lambda: turns.append(1))
        for _ in range(100):
            daemon.wake()

        daemon.turn()

        assert daemon._bell.empty()
        assert len(turns) == 1

    def test_a_loop_turns_when_the_next_turn_is_due(self):
        """The answer of a turn is the seconds until the next one."""
        turns: SimpleQueue[int] = SimpleQueue()

        def tick() -> float:
            turns.put(1)
            return 0.001

        daemon = Daemon("test", tick)
        daemon.start()

        assert [turns.get(timeout=5) for _ in range(3)] == [1, 1, 1]
        daemon.stop()
        assert daemon.join(5)

    def test_stopping_ends_a_sleep(self):
        """A loop that sleeps for an hour ends at once when it is told to stop."""
        turned: SimpleQueue[None] = SimpleQueue()
        closed: SimpleQueue[None] = SimpleQueue()

        def tick() -> float:
            turned.put(None)
            return 3600.0

        daemon = Daemon("test", tick, close=lambda: closed.put(None))
        daemon.start()
        turned.get(timeout=5)

        daemon.stop()

        assert daemon.join(5)
        closed.get(timeout=5)


class TestFailures:
    @pytest.mark.parametrize("error", [ValueError("x"), SystemExit(1), KeyboardInterrupt()])
    def test_no_error_ends_a_loop(self, error, caplog):
        """Whatever a turn raises, the loop turns again."""
        answers: SimpleQueue[BaseException | None] = SimpleQueue()
        turns: SimpleQueue[int] = SimpleQueue()
        answers.put(error)
        answers.put(None)

        def tick() -> None:
            turns.put(1)
            if (answer := answers.get(timeout=5)) is not None:
                raise answer

        daemon = Daemon("test", tick)
        daemon.start()

        assert [turns.get(timeout=5) for _ in range(2)] == [1, 1]
        daemon.stop()
        assert daemon.join(5)

    def test_waits_grow_up_to_a_bound(self):
        """A loop that fails again and again does so ever more slowly, but never gives up."""

        def tick() -> None:
            raise gone()

        daemon = Daemon("test", tick)

        waits = [daemon.turn() for _ in range(2000)]

        assert waits[0] <= 0.05
        assert min(waits[-50:]) >= 1.0
        assert max(waits) <= 2.0

    def test_a_failing_loop_does_not_listen_to_the_bell(self):
        """Work that keeps coming does not turn the wait for the database into a busy loop."""
        began: SimpleQueue[None] = SimpleQueue()

        def tick() -> None:
            began.put(None)
            raise gone()

        daemon = Daemon("test", tick)
        daemon._failures = 8  # so that it waits for a second or more
        daemon.start()
        began.get(timeout=5)

        for _ in range(100):
            daemon.wake()
        daemon.stop()

        assert daemon.join(5)
        assert began.empty()

    def test_an_outage_is_said_once_for_all_loops(self, caplog):
        """Two loops that lose the database say so in one line, and in one that it is back."""
        outage = Outage("worker")
        away = True

        def tick() -> None:
            if away:
                raise gone()

        loops = [Daemon(name, tick, outage=outage) for name in ("claim", "commit")]
        with caplog.at_level(logging.WARNING, "gendurable"):
            for loop in loops * 3:
                loop.turn()
            assert outage.since is not None
            away = False
            for loop in loops:
                loop.turn()

        assert outage.since is None
        first, last = [record.message for record in caplog.records]
        assert "the database is away" in first
        assert "the database is back" in last

    def test_a_defect_is_logged_with_its_traceback_once(self, caplog):
        """An error that is no outage is told once for a series of failures."""

        def tick() -> None:
            raise ValueError("a defect")

        daemon = Daemon("test", tick)
        for _ in range(5):
            daemon.turn()

        (record,) = caplog.records
        assert record.exc_info is not None


class TestPulse:
    def test_a_loop_that_sleeps_until_woken_is_well(self):
        """Nothing to do is no illness."""
        turned: SimpleQueue[None] = SimpleQueue()
        daemon = Daemon("test", lambda: turned.put(None))
        daemon.start()
        turned.get(timeout=5)

        assert daemon.pulse.ok
        daemon.stop()
        daemon.join(5)

    def test_a_turn_without_end_is_an_illness(self):
        """A loop that is late by more than the patience is not well."""
        inside: SimpleQueue[None] = SimpleQueue()
        leave: SimpleQueue[None] = SimpleQueue()

        def tick() -> None:
            inside.put(None)
            leave.get(timeout=10)

        daemon = Daemon("test", tick)
        daemon.start()
        inside.get(timeout=5)
        daemon._due -= PATIENCE + 1

        assert not daemon.pulse.ok
        daemon.stop()
        leave.put(None)
        daemon.join(5)

    def test_a_thread_that_is_gone_is_an_illness(self):
        """A loop that was stopped, or never started, is not well."""
        assert not Daemon("test", lambda: None).pulse.ok

    def test_waiting_for_the_database_is_none(self):
        """A loop that waits out an error turns as it should, and names the error."""

        def tick() -> None:
            raise gone()

        daemon = Daemon("test", tick)
        daemon.start()
        daemon.turn()

        assert daemon.pulse.ok
        assert "connection refused" in str(daemon.pulse.error)
        daemon.stop()
        daemon.join(5)
