"""Nodes that meet at a schedule: an occurrence is fired by one of them, and by one for certain."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from gendurable.engine import schedules
from gendurable.engine.occurrences import first_after
from tests.races.play import Actor

YEARLY = "0 0 1 1 *"


@pytest.fixture
def due(play):
    """A schedule that is due; returns how many instances it has inserted."""

    def due(**options: object):
        play.durable.schedule("yearly", Actor(), cron=YEARLY, **options)
        with play.engine.begin() as conn:
            schedules.store(conn, play.db, play.durable.declarations.values())
        play.change("UPDATE gendurable.schedules SET next_at = statement_timestamp()")

    return due


def inserted(play) -> int:
    return len(play.rows("SELECT 1 FROM gendurable.instances"))


class TestTwoNodes:
    def test_one_is_firing_while_the_other_comes(self, play, due, conn, other):
        """The second waits for nobody and finds nothing to do, before the commit and after it."""
        due()
        conn.begin(), other.begin()
        other.exec_driver_sql("SET LOCAL lock_timeout = '2s'")
        assert schedules.fire(conn, play.db).ids

        assert schedules.fire(other, play.db) is None
        conn.commit()
        assert schedules.fire(other, play.db) is None
        other.commit()

        assert inserted(play) == 1

    def test_the_first_dies_before_its_commit(self, play, due, conn, other):
        """Nothing of it is left, and the other node fires the occurrence."""
        due()
        conn.begin()
        assert schedules.fire(conn, play.db).ids
        conn.rollback()

        assert len(schedules.fire(other, play.db).ids) == 1
        other.commit()

        assert inserted(play) == 1

    def test_the_second_has_looked_before_the_first_committed(
        self, play, due, engine, conn, meanwhile, blocked
    ):
        """A snapshot in which it is still due is not believed: the lock looks again."""
        due()
        with engine.begin() as gate, engine.connect() as late:
            gate.exec_driver_sql("SELECT pg_advisory_xact_lock(4711)")
            sql = schedules.due.TAKE.sql(play.db.schema)
            # Its snapshot is taken now, and its first lock only when the gate has opened
            gated = sql.replace(
                "next_at <= statement_timestamp()",
                "next_at <= (SELECT statement_timestamp() FROM pg_advisory_xact_lock(4711))",
            )
            assert gated != sql
            pid = late.connection.driver_connection.info.backend_pid
            answer = meanwhile(lambda: late.exec_driver_sql(gated).all())
            blocked(pid)
            conn.begin()
            assert schedules.fire(conn, play.db).ids
            conn.commit()
            gate.commit()

            assert answer.result(10) == []

    def test_skip_sees_an_instance_that_is_younger_than_its_snapshot(
        self, play, due, conn, monkeypatch
    ):
        """Of two occurrences that are due, fired by two nodes, the second meets the first."""
        due(overlap="skip")
        take = schedules.due.take

        def late(second, db):
            """Take the schedule by a snapshot; before the lock is had, the other node fires."""
            monkeypatch.setattr(schedules.due, "take", take)
            conn.begin()
            assert schedules.fire(conn, db).ids
            conn.execute(text("UPDATE gendurable.schedules SET next_at = statement_timestamp()"))
            conn.commit()
            return take(second, db)

        monkeypatch.setattr(schedules.due, "take", late)
        with play.engine.begin() as second:
            fired = schedules.fire(second, play.db)

        assert (fired.ids, fired.skipped) == ([], 1)
        assert inserted(play) == 1


class TestHands:
    def test_an_edit_waits_for_who_is_firing(self, play, due, conn, meanwhile, blocked, other):
        """The edit decides on what the firing left behind, and undoes nothing of it."""
        due()
        conn.begin()
        (id,) = schedules.fire(conn, play.db).ids
        pid = other.connection.driver_connection.info.backend_pid

        edit = meanwhile(schedules.edit, other, play.db, "yearly", timezone="Asia/Kolkata")
        blocked(pid)
        conn.commit()
        edit.result(10)
        other.commit()

        (status,) = play.durable.schedules()
        assert (status.last_id, status.fired, status.timezone) == (id, 1, "Asia/Kolkata")
        assert status.next_at == first_after(YEARLY, "Asia/Kolkata", datetime.now(UTC))

    def test_one_that_is_paused_by_an_open_transaction_waits(self, play, due, conn, other):
        """The clock passes over it, and over it again once that is committed."""
        due()
        conn.begin()
        play.durable.pause_schedule("yearly", session=conn)

        other.exec_driver_sql("SET LOCAL lock_timeout = '2s'")
        assert schedules.fire(other, play.db) is None
        other.rollback()
        conn.commit()
        assert schedules.fire(other, play.db) is None

    def test_two_workers_store_the_same_at_once(self, play, conn, meanwhile, blocked, other):
        """The second waits for the first, and finds the schedule there."""
        for name in ("b", "a"):
            play.durable.schedule(name, Actor(), cron=YEARLY)
        declared = list(play.durable.declarations.values())
        conn.begin()
        schedules.store(conn, play.db, declared)
        pid = other.connection.driver_connection.info.backend_pid

        second = meanwhile(schedules.store, other, play.db, declared[::-1])
        blocked(pid)
        conn.commit()
        second.result(10)
        other.commit()

        assert [one.name for one in play.durable.schedules()] == ["a", "b"]
