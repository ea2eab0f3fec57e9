"""When cron expressions are due, on the days when the clocks of Berlin change, too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

import pytest

from gendurable.engine import occurrences
from gendurable.engine.occurrences import after, due, first_after

BERLIN = ZoneInfo("Europe/Berlin")

#: Clocks go from 02:00 to 03:00 on this day, and from 03:00 back to 02:00 on that one.
SPRING, AUTUMN = datetime(2026, 3, 29, tzinfo=BERLIN), datetime(2026, 10, 25, tzinfo=BERLIN)


def shown(cron: str, day: datetime, count: int) -> list[str]:
    """What the clocks of Berlin show at the occurrences from midnight of *day* on."""
    found = islice(after(cron, "Europe/Berlin", day - timedelta(seconds=1)), count)
    return [one.astimezone(BERLIN).strftime("%d. %H:%M %z") for one in found]


class TestSpring:
    def test_a_time_that_does_not_exist_comes_when_the_clock_has_jumped(self):
        """02:30 is not shown on this day: the job runs once, at 03:00."""
        assert shown("30 2 * * *", SPRING, 2) == ["29. 03:00 +0200", "30. 02:30 +0200"]

    def test_two_such_times_come_together_once(self):
        """02:15 and 02:45 both fall on 03:00, which is one occurrence."""
        assert shown("15,45 2 * * *", SPRING, 2) == ["29. 03:00 +0200", "30. 02:15 +0200"]

    def test_an_interval_goes_on_in_real_time(self):
        """Every half hour is every thirty minutes, whatever the clocks show."""
        assert shown("*/30 * * * *", SPRING, 6)[2:] == [
            "29. 01:00 +0100",
            "29. 01:30 +0100",
            "29. 03:00 +0200",
            "29. 03:30 +0200",
        ]

    def test_other_times_are_as_ever(self):
        """The job at 03:30 runs at 03:30."""
        assert shown("30 3 * * *", SPRING, 1) == ["29. 03:30 +0200"]


class TestAutumn:
    def test_a_time_that_comes_twice_is_the_first_of_both(self):
        """02:30 is shown twice on this day: the job runs once, at the first of them."""
        assert shown("30 2 * * *", AUTUMN, 2) == ["25. 02:30 +0200", "26. 02:30 +0100"]

    def test_an_interval_goes_on_in_real_time(self):
        """Every half hour is every thirty minutes, so that 02:00 and 02:30 come twice."""
        assert shown("*/30 * * * *", AUTUMN, 8)[4:] == [
            "25. 02:00 +0200",
            "25. 02:30 +0200",
            "25. 02:00 +0100",
            "25. 02:30 +0100",
        ]

    def test_the_second_showing_does_not_repeat_the_first(self):
        """A worker that starts at the second 02:15 does not fire the 02:30 that is past."""
        second = datetime(2026, 10, 25, 1, 15, tzinfo=UTC)
        assert first_after("30 2 * * *", "Europe/Berlin", second) == datetime(
            2026, 10, 26, 1, 30, tzinfo=UTC
        )

    def test_the_second_showing_does_not_hide_the_first(self):
        """A worker that starts at the second 02:15 finds the 02:30 that it has missed."""
        second = datetime(2026, 10, 25, 1, 15, tzinfo=UTC)
        first = datetime(2026, 10, 20, 0, 30, tzinfo=UTC)
        found = due("30 2 * * *", "Europe/Berlin", "latest", first, second, 100)
        assert found == [datetime(2026, 10, 25, 0, 30, tzinfo=UTC)]


class TestDue:
    NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)

    def minutely(self, missed: str, since: timedelta, limit: int = 100) -> list[datetime]:
        return due("* * * * *", "UTC", missed, self.NOON - since, self.NOON, limit)

    def test_what_is_in_time_fires_whatever_is_said_of_the_missed(self):
        """An occurrence of this instant was not missed."""
        for missed in ("skip", "latest", "all"):
            assert self.minutely(missed, timedelta(0)) == [self.NOON]

    def test_all_fires_each(self):
        """Of an hour without workers nothing is lost."""
        found = self.minutely("all", timedelta(hours=1))
        assert found == [self.NOON - timedelta(minutes=n) for n in range(60, -1, -1)]

    def test_all_comes_in_batches(self):
        """A long time without workers is caught up with from its beginning, a batch at a time."""
        found = self.minutely("all", timedelta(days=1), limit=10)
        assert found[0] == self.NOON - timedelta(days=1)
        assert len(found) == 10

    def test_latest_fires_what_is_in_time_or_else_the_last_one_missed(self):
        """One occurrence fires, however long no worker ran."""
        assert self.minutely("latest", timedelta(days=300)) == [self.NOON]
        late = self.NOON + timedelta(seconds=30)
        found = due("* * * * *", "UTC", "latest", self.NOON - timedelta(days=300), late, 100)
        assert found == [self.NOON]

    def test_latest_takes_what_was_due_first_if_there_was_nothing_after_it(self):
        """A yearly job that was missed is the latest one."""
        first = datetime(2026, 1, 1, tzinfo=UTC)
        assert due("0 0 1 1 *", "UTC", "latest", first, self.NOON, 100) == [first]

    def test_skip_fires_nothing_of_what_was_missed(self):
        """What was due while no worker ran does not come back."""
        late = self.NOON + timedelta(seconds=30)
        assert due("* * * * *", "UTC", "skip", self.NOON, late, 100) == []

    def test_a_turn_that_was_slow_loses_nothing(self):
        """Of a schedule of seconds, several may be due at once, and none of them was missed."""
        first = self.NOON - timedelta(seconds=3)
        for missed in ("skip", "latest", "all"):
            assert len(due("* * * * * *", "UTC", missed, first, self.NOON, 100)) == 4


class TestConsistency:
    """Where a search begins makes no difference to what it finds."""

    @pytest.mark.parametrize(
        "cron",
        [
            "30 2 * * *",
            "0 30 2 * * *",
            "15,45 2 * * *",
            "10 2,3 * * *",
            "0-59 2 * * *",
            "*/7 1-3 * * *",
            "*/30 * * * *",
        ],
    )
    @pytest.mark.parametrize("day", [SPRING, AUTUMN], ids=["spring", "autumn"])
    def test_forwards_and_backwards(self, cron, day):
        """Each instant of the day has one next occurrence, and one that was the last."""
        start, end = day - timedelta(days=2), day + timedelta(days=2)
        everything = list(
            takewhile(lambda one: one < end, after(cron, "Europe/Berlin", start)),
        )
        first = everything[0]
        for minutes in range(0, 24 * 60, 13):
            now = day.astimezone(UTC) + timedelta(minutes=minutes)
            late = now + occurrences.GRACE * 2
            past = [one for one in everything if one <= late]
            if past[-1] <= now:
                found = due(cron, "Europe/Berlin", "latest", first, late, 100)
                assert found == past[-1:]
            following = [one for one in everything if one > now]
            assert first_after(cron, "Europe/Berlin", now) == following[0]


class TestExtra:
    def test_its_absence_is_told(self, monkeypatch):
        """Without cronsim the error names the extra that brings it."""
        import gendurable as gd

        monkeypatch.setattr(occurrences, "available", lambda: False)
        with pytest.raises(gd.ConfigError, match=r"gendurable\[cron\]"):
            occurrences.check_cron("* * * * *")
