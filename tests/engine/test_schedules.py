"""Schedules: stored, fired once per occurrence, skipped, edited, paused, set aside."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text

import gendurable as gd
from gendurable.duties import CronSettings
from gendurable.engine import schedules
from gendurable.engine.occurrences import first_after
from gendurable.models import StoredSchedule
from gendurable.runtime.cron import Cron
from gendurable.runtime.loop import Outage
from gendurable.testing import drain, elapse, fire_schedules

HOUR, DAY = 3600, 86_400
YEARLY = "0 0 1 1 *"


class Report(gd.Job, name="schedules.report"):
    """What is scheduled."""

    lines: int = 1

    def perform(self, ctx: gd.Context) -> int:
        return self.lines


@pytest.fixture
def cron(durable) -> Cron:
    """The clock of a worker, turned by the test."""
    return Cron(durable, CronSettings(), Outage("test"))


@pytest.fixture
def made(durable):
    """Read what the schedules have inserted: (headers, queue, priority, state), in order."""
    table = durable.Instance.__table__.c

    def made():
        query = select(table.headers, table.queue, table.priority, table.state).order_by(table.id)
        with durable.engine.begin() as conn:
            return [tuple(row) for row in conn.execute(query)]

    return made


@pytest.fixture
def become_due(durable):
    """Let the next occurrence of a schedule have come some seconds ago."""

    def become_due(name: str, ago: float = 0) -> None:
        with durable.engine.begin() as conn:
            conn.execute(
                text(
                    "UPDATE gendurable.schedules SET next_at = statement_timestamp()"
                    " - :ago * interval '1 second' WHERE name = :name"
                ),
                {"name": name, "ago": ago},
            )

    return become_due


def only(durable) -> gd.ScheduleStatus:
    (status,) = durable.schedules()
    return status


class TestStore:
    def test_a_worker_stores_what_is_declared(self, durable, cron):
        """After the first turn the schedule is in the database, with its next occurrence."""
        durable.schedule("nightly", Report(), cron="0 3 * * *", timezone="Europe/Berlin")

        cron.tick()

        status = only(durable)
        assert (status.name, status.cron, status.timezone) == (
            "nightly",
            "0 3 * * *",
            "Europe/Berlin",
        )
        assert status.next_at == first_after("0 3 * * *", "Europe/Berlin", datetime.now(UTC))
        assert (status.last_id, status.fired, status.paused, status.edited) == (
            None,
            0,
            False,
            False,
        )

    def test_what_is_declared_later_is_stored_at_the_next_turn(self, durable, cron):
        """A module that is imported after the start is heard, too."""
        cron.tick()
        durable.schedule("late", Report(), cron=YEARLY)
        cron.tick()

        assert only(durable).name == "late"

    def test_storing_again_keeps_the_time(self, durable, become_due):
        """A restart does not lose what is due."""
        durable.schedule("nightly", Report(), cron=YEARLY)
        fire_schedules(durable)
        become_due("nightly")
        before = only(durable).next_at

        again = gd.bind(durable.engine)
        again.schedule("nightly", Report(lines=2), cron=YEARLY)
        with durable.engine.begin() as conn:
            schedules.store(conn, durable.db, again.declarations.values())

        assert only(durable).next_at == before

    def test_another_expression_is_another_time(self, durable):
        """What a deploy changes holds from its next occurrence on."""
        durable.schedule("nightly", Report(), cron=YEARLY)
        fire_schedules(durable)

        again = gd.bind(durable.engine)
        again.schedule("nightly", Report(), cron="* * * * *", missed="all")
        fire_schedules(again)

        status = only(durable)
        assert (status.cron, status.missed) == ("* * * * *", "all")
        assert status.next_at - datetime.now(UTC) <= timedelta(minutes=1)


class TestFire:
    def test_inserts_what_was_declared(self, durable, cron, made, become_due):
        """The instance has the state, the options and the headers, and says what it is for."""
        durable.schedule(
            "nightly",
            Report(lines=7),
            cron="0 3 * * *",
            timezone="Europe/Berlin",
            queue="reports",
            priority=3,
            headers={"a": 1},
        )
        cron.tick()
        become_due("nightly")
        due_at = only(durable).next_at

        cron.tick()

        ((headers, queue, priority, state),) = made()
        assert (queue, priority, state) == ("reports", 3, {"lines": 7})
        assert headers["a"] == 1
        assert headers["schedule"] == "nightly"
        assert datetime.fromisoformat(headers["occurrence"]) == due_at
        assert headers["occurrence"][-6:] in ("+01:00", "+02:00")

    def test_moves_on(self, durable, cron, made, become_due):
        """An occurrence is fired once; the next one is that of the expression."""
        durable.schedule("yearly", Report(), cron=YEARLY)
        cron.tick()
        become_due("yearly")
        cron.tick()
        cron.tick()

        status = only(durable)
        assert len(made()) == 1
        assert status.next_at == first_after(YEARLY, "UTC", datetime.now(UTC))
        assert status.fired == 1
        assert durable.instance(status.last_id).fsm == "schedules.report"

    def test_what_it_inserts_runs(self, durable, become_due):
        """An instance of a schedule is one like any other."""
        durable.schedule("yearly", Report(lines=3), cron=YEARLY)
        fire_schedules(durable)
        become_due("yearly")

        (id,) = fire_schedules(durable)

        assert drain(durable) == {"done": 1}
        assert durable.instance(id).result == 3

    def test_is_undone_with_its_transaction(self, durable, become_due, made):
        """Insert and moving on are one transaction: without its commit it is still due."""
        durable.schedule("yearly", Report(), cron=YEARLY)
        fire_schedules(durable)
        become_due("yearly")
        with durable.engine.connect() as conn:
            assert schedules.fire(conn, durable.db).ids
            conn.rollback()
        assert made() == []

        assert len(fire_schedules(durable)) == 1

    def test_sleeps_until_the_next_occurrence(self, durable, cron):
        """A timer is exact, and an idle turn is one statement, at least once a second."""
        durable.schedule("often", Report(), cron="* * * * * *")
        durable.schedule("yearly", Report(), cron=YEARLY)

        assert 0 < cron.tick() <= 1
        durable.unschedule("often")
        assert cron.tick() == 1

    @pytest.mark.parametrize(("missed", "count"), [("skip", 0), ("latest", 1), ("all", 24)])
    def test_of_what_was_missed(self, durable, missed, count):
        """After a day without workers: nothing, the last one, or all."""
        durable.schedule("hourly", Report(), cron="30 * * * *", missed=missed)
        fire_schedules(durable)
        with durable.engine.begin() as conn:
            # whatever the time of this test is, none of its occurrences is in time
            now = conn.scalar(text("SELECT statement_timestamp()"))
            minute = (now - timedelta(minutes=5)).minute
            cron = f"{minute} * * * *"
            conn.execute(
                text("UPDATE gendurable.schedules SET cron = :cron, next_at = :first"),
                {
                    "cron": cron,
                    "first": first_after(cron, "UTC", now - timedelta(hours=24)),
                },
            )
        durable.declarations.clear()

        assert len(fire_schedules(durable)) == count
        assert only(durable).next_at > datetime.now(UTC)

    def test_takes_turns(self, durable, become_due):
        """One with a thousand occurrences to make up for keeps no other from its time."""
        durable.schedule("often", Report(), cron="* * * * * *", missed="all")
        durable.schedule("yearly", Report(), cron=YEARLY, missed="skip")
        fire_schedules(durable)
        become_due("often", ago=1000)
        become_due("yearly", ago=1)
        names = []
        for _ in range(2):
            with durable.engine.begin() as conn:
                names.append(schedules.fire(conn, durable.db).name)

        assert sorted(names) == ["often", "yearly"]

    def test_all_in_batches(self, durable, monkeypatch, become_due, made):
        """However many were missed, a transaction inserts a batch of them, and none is lost."""
        monkeypatch.setattr(schedules, "BATCH", 10)
        durable.schedule("often", Report(), cron="* * * * *", missed="all")
        fire_schedules(durable)
        become_due("often", ago=34.5 * 60)

        with durable.engine.begin() as conn:
            assert len(schedules.fire(conn, durable.db).ids) == 10
        rest = fire_schedules(durable)

        assert 25 <= len(rest) <= 26
        found = [headers["occurrence"] for headers, *_ in made()]
        assert len(set(found)) == len(found) == 10 + len(rest)


class TestOverlap:
    def test_skip_passes_over_what_would_overlap(self, durable, become_due, made):
        """While the instance of the former occurrence lives, the next one is skipped and noted."""
        durable.schedule("slow", Report(), cron=YEARLY, overlap="skip")
        fire_schedules(durable)
        become_due("slow")
        assert len(fire_schedules(durable)) == 1
        become_due("slow")
        second = only(durable).next_at

        assert fire_schedules(durable) == []

        status = only(durable)
        assert (status.fired, status.skipped, status.skipped_at) == (1, 1, second)
        drain(durable)
        become_due("slow")
        assert len(fire_schedules(durable)) == 1

    def test_skip_remembers_who_lives_when_another_is_triggered(self, durable, become_due):
        """What was triggered meanwhile and has ended does not hide the former occurrence."""
        durable.schedule("slow", Report(), cron=YEARLY, overlap="skip")
        fire_schedules(durable)
        become_due("slow")
        (former,) = fire_schedules(durable)
        durable.cancel(durable.trigger("slow"), "not needed")
        become_due("slow")

        assert fire_schedules(durable) == []

        durable.cancel(former, "not needed")
        triggered = durable.trigger("slow")
        become_due("slow")
        assert fire_schedules(durable) == []
        assert only(durable).last_id == triggered.id

    def test_skip_fires_one_of_many_that_were_missed(self, durable, become_due):
        """Those that are due together would overlap each other."""
        durable.schedule("slow", Report(), cron="* * * * *", missed="all", overlap="skip")
        fire_schedules(durable)
        become_due("slow", ago=5.5 * 60)

        assert len(fire_schedules(durable)) == 1
        assert only(durable).skipped in (5, 6)

    def test_allow_lets_them_overlap(self, durable, become_due):
        """By default an occurrence does not ask for the one before."""
        durable.schedule("slow", Report(), cron=YEARLY)
        for _ in range(2):
            fire_schedules(durable)
            become_due("slow")
        assert len(fire_schedules(durable)) == 1
        assert only(durable).skipped == 0


class TestByHand:
    def test_a_paused_schedule_does_not_fire(self, durable, become_due):
        """What would be due meanwhile is gone; after it is resumed the next one fires."""
        durable.schedule("yearly", Report(), cron=YEARLY)
        durable.pause_schedule("yearly")
        become_due("yearly")
        assert fire_schedules(durable) == []
        assert only(durable).paused

        durable.resume_schedule("yearly")

        assert fire_schedules(durable) == []
        assert only(durable).next_at == first_after(YEARLY, "UTC", datetime.now(UTC))
        become_due("yearly")
        assert len(fire_schedules(durable)) == 1

    def test_an_edit_wins_over_the_declaration_until_it_is_removed(self, durable):
        """A deploy that stores the declaration again does not undo what an operator has edited."""
        durable.schedule("yearly", Report(), cron=YEARLY)
        durable.edit_schedule("yearly", cron="* * * * *", timezone="Asia/Kolkata")
        fire_schedules(durable)

        status = only(durable)
        assert (status.cron, status.timezone, status.edited) == ("* * * * *", "Asia/Kolkata", True)
        assert status.next_at - datetime.now(UTC) <= timedelta(minutes=1)

        durable.edit_schedule("yearly", cron=None)
        assert (only(durable).cron, only(durable).timezone) == (YEARLY, "Asia/Kolkata")
        durable.edit_schedule("yearly", timezone=None)
        assert not only(durable).edited
        assert only(durable).next_at == first_after(YEARLY, "UTC", datetime.now(UTC))

    def test_trigger_inserts_one_now(self, durable, made):
        """It is inserted at once, paused or not, and the next occurrence stays what it was."""
        durable.schedule("yearly", Report(), cron=YEARLY)
        durable.pause_schedule("yearly")
        before = only(durable)

        handle = durable.trigger("yearly")

        ((headers, *_),) = made()
        assert headers["triggered"] is True
        assert (only(durable).next_at, only(durable).last_id) == (before.next_at, handle.id)
        assert drain(durable) == {"done": 1}

    def test_unschedule_removes_it(self, durable, cron):
        """A worker that runs does not store it again."""
        durable.schedule("yearly", Report(), cron=YEARLY)
        cron.tick()

        assert durable.unschedule("yearly")
        cron.tick()

        assert durable.schedules() == []
        assert not durable.unschedule("yearly")

    def test_trigger_refuses_what_an_insert_refuses(self, durable):
        """A rate that nobody configures, or a weight above its burst, is told to who triggers."""
        durable.schedule("dry", Report(), cron=YEARLY, rate_limit="nobody", weight=5)

        with pytest.raises(gd.UnknownLimit):
            durable.trigger("dry")
        durable.set_limit("nobody", gd.RateLimit(2))
        with pytest.raises(gd.InvalidInput, match="weight=5 is above the burst 2"):
            durable.trigger("dry")
        durable.set_limit("nobody", gd.RateLimit(5))
        assert durable.instance(durable.trigger("dry")).weight == 5

    @pytest.mark.parametrize("operation", ["pause_schedule", "resume_schedule", "trigger"])
    def test_of_an_unknown_name(self, durable, operation):
        """The message says what a schedule comes from."""
        with pytest.raises(gd.NoTarget, match="no schedule 'nightly'.*durable.schedule"):
            getattr(durable, operation)("nightly")

    @pytest.mark.parametrize(
        "operate",
        [
            lambda d, s: d.pause_schedule("yearly", session=s),
            lambda d, s: d.edit_schedule("yearly", cron="* * * * *", session=s),
            lambda d, s: d.trigger("yearly", session=s),
            lambda d, s: d.unschedule("yearly", session=s),
        ],
    )
    def test_takes_part_in_the_caller_s_transaction(self, durable, made, operate):
        """What the caller rolls back has not happened."""
        durable.schedule("yearly", Report(), cron=YEARLY)
        fire_schedules(durable)
        before = durable.schedules()
        with durable.engine.connect() as conn:
            operate(durable, conn)
            assert durable.schedules(session=conn) != before
            conn.rollback()

        assert durable.schedules() == before
        assert made() == []


class TestSetAside:
    def test_a_schedule_that_cannot_fire_harms_no_other(
        self, durable, cron, become_due, made, caplog
    ):
        """A zone that is unknown here is noted at its schedule, and the others fire."""
        durable.schedule("good", Report(), cron=YEARLY)
        durable.schedule("bad", Report(), cron=YEARLY)
        cron.tick()
        with durable.engine.begin() as conn:
            conn.execute(
                text("UPDATE gendurable.schedules SET timezone = 'Mars/Base' WHERE name = 'bad'")
            )
        become_due("bad", ago=5)
        become_due("good")

        cron.tick()

        assert [headers["schedule"] for headers, *_ in made()] == ["good"]
        bad = durable.schedules()[0]
        assert "Mars/Base" in bad.error
        assert "set aside" in caplog.text
        durable.edit_schedule("bad", timezone="UTC")
        assert durable.schedules()[0].error is None

    def test_nor_does_one_that_cannot_be_stored(self, durable, cron, become_due, made):
        """An override that is unknown to this machine keeps no other from being stored."""
        durable.schedule("bad", Report(), cron=YEARLY)
        cron.tick()
        with durable.engine.begin() as conn:
            conn.execute(text("UPDATE gendurable.schedules SET timezone_override = 'Mars/Base'"))
        again = gd.bind(durable.engine)
        again.schedule("bad", Report(), cron="* * * * *")
        again.schedule("good", Report(), cron=YEARLY)

        fire_schedules(again)

        bad, good = durable.schedules()
        assert "Mars/Base" in bad.error
        assert good.next_at is not None
        assert good.error is None

    def test_so_does_one_that_the_database_refuses(self, durable, cron, become_due, made, caplog):
        """What cannot be inserted is noted, and nothing of it is left."""
        durable.schedule("bad", Report(), cron=YEARLY)
        cron.tick()
        with durable.engine.begin() as conn:
            spec = json.dumps({"fsm": "x", "queue": ""})
            conn.execute(
                text("UPDATE gendurable.schedules SET spec = CAST(:spec AS jsonb)"), {"spec": spec}
            )
        become_due("bad")

        cron.tick()

        assert made() == []
        assert only(durable).error


class TestTime:
    def test_elapse_makes_schedules_due(self, durable, session):
        """In the test's own transaction: declared, a day later, fired and run."""
        durable.schedule("nightly", Report(), cron="0 3 * * *")

        elapse(durable, DAY, session=session)

        (id,) = fire_schedules(durable, session=session)
        assert drain(durable, session=session) == {"done": 1}
        assert session.get(durable.Instance, id).headers["schedule"] == "nightly"
        elapse(durable, DAY, session=session)
        assert len(fire_schedules(durable, session=session)) == 1

    def test_drain_fires_nothing(self, durable):
        """A drain runs what is there; what is scheduled is another question."""
        durable.schedule("nightly", Report(), cron="0 3 * * *")
        elapse(durable, DAY)

        assert drain(durable) == {}

    def test_another_schema(self, engine):
        """Schedules live in the binding's schema."""
        durable = gd.bind(engine, schema="elsewhere")
        durable.create_schema()
        durable.schedule("nightly", Report(), cron="0 3 * * *")
        elapse(durable, DAY)

        assert len(fire_schedules(durable)) == 1
        with engine.connect() as conn:
            assert conn.scalars(select(StoredSchedule.name)).all() == []
