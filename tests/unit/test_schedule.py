"""Declaring schedules: nonsense is refused where it enters, without a database."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine

import gendurable as gd
from gendurable.engine import occurrences


class Report(gd.Job, name="schedule.report"):
    """What is scheduled."""

    lines: int = 1

    def perform(self, ctx: gd.Context) -> None:
        """Report."""


@pytest.fixture
def durable():
    """A binding to a database that is not there."""
    return gd.bind(create_engine("postgresql+psycopg://nowhere.invalid/none"))


class TestSchedule:
    def test_touches_no_database(self, durable):
        """A declaration is kept until a worker stores it."""
        durable.schedule("nightly", Report(), cron="0 3 * * *", timezone="Europe/Berlin")

        assert durable.declarations["nightly"].timezone == "Europe/Berlin"

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"cron": "0 3 * *"}, "cron='0 3 \\* \\*' is no cron expression"),
            ({"cron": "0 25 * * *"}, "Bad hour"),
            ({"cron": "0 0 31 2 *"}, "Bad day-of-month"),
            ({"cron": 5}, "cron=5 must be an expression"),
            ({"timezone": "Europe/Atlantis"}, "timezone='Europe/Atlantis' is not known here"),
            ({"timezone": "Europe"}, "timezone='Europe' is not known here"),
            ({"timezone": "../../etc/passwd"}, "is not known here"),
            ({"timezone": None}, "timezone=None must be the name of a zone"),
            ({"missed": "some"}, "missed='some' must be one of skip, latest, all"),
            ({"overlap": ["skip"]}, "overlap=\\['skip'\\] must be one of allow, skip"),
            ({"queue": ""}, "queue="),
            ({"priority": 40_000}, "priority=40000"),
            ({"headers": ["a"]}, "headers=\\['a'\\] must be a dict"),
            ({"headers": {"occurrence": 1}}, "sets occurrence"),
            ({"headers": {"a": object()}}, "headers"),
        ],
    )
    def test_refuses_nonsense(self, durable, changed, message):
        """The message names the argument and its value."""
        with pytest.raises(gd.InvalidInput, match=message):
            durable.schedule("nightly", Report(), **{"cron": "0 3 * * *", **changed})

        assert durable.declarations == {}

    @pytest.mark.parametrize("name", ["", "x" * 513, None, "a\0"])
    def test_refuses_a_name_that_cannot_be_stored(self, durable, name):
        """A name is text of 1 to 512 bytes."""
        with pytest.raises(gd.InvalidInput, match="name="):
            durable.schedule(name, Report(), cron="0 3 * * *")

    @pytest.mark.parametrize("obj", [Report, object(), None])
    def test_refuses_what_is_no_machine(self, durable, obj):
        """The class instead of an object is a common slip."""
        with pytest.raises(gd.InvalidInput, match="no FSM or Job object"):
            durable.schedule("nightly", obj, cron="0 3 * * *")

    def test_refuses_a_name_that_is_taken(self, durable):
        """Two schedules of one name are a mistake; the same one twice is none."""
        durable.schedule("nightly", Report(), cron="0 3 * * *")
        durable.schedule("nightly", Report(), cron="0 3 * * *")

        with pytest.raises(gd.InvalidInput, match="name='nightly' is declared already"):
            durable.schedule("nightly", Report(lines=2), cron="0 3 * * *")

    def test_names_the_extra_that_is_missing(self, durable, monkeypatch):
        """Without cronsim nothing is declared, and the error says what to install."""
        monkeypatch.setattr(occurrences, "available", lambda: False)

        with pytest.raises(gd.ConfigError, match=r"pip install 'gendurable\[cron\]'"):
            durable.schedule("nightly", Report(), cron="0 3 * * *")


class TestEditing:
    def test_refuses_nonsense(self, durable):
        """An edit is checked before any database is asked."""
        with pytest.raises(gd.InvalidInput, match="give cron= or timezone="):
            durable.edit_schedule("nightly")
        with pytest.raises(gd.InvalidInput, match="cron='x' is no cron expression"):
            durable.edit_schedule("nightly", cron="x")
        with pytest.raises(gd.InvalidInput, match="timezone='x'"):
            durable.edit_schedule("nightly", timezone="x")


def test_importing_gendurable_does_not_need_the_library(pytester):
    """The extra is looked for when something is scheduled."""
    pytester.makepyfile(
        test_it="""
        import sys

        def test_it():
            sys.modules["cronsim"] = None
            for name in [name for name in sys.modules if name.startswith("gendurable")]:
                del sys.modules[name]
            import gendurable
        """
    )
    assert pytester.runpytest_subprocess("-p", "no:gendurable").ret == 0
