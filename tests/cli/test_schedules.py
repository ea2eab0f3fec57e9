"""Schedules by hand: listed, held, edited, fired now, and given back to the code."""

from __future__ import annotations

import pytest
from sqlalchemy import text


@pytest.fixture
def nightly(app) -> None:
    app.durable.schedule("nightly", app.Item(), cron="0 3 * * *", timezone="Europe/Berlin")


class TestSchedules:
    def test_holds_edits_and_gives_back(self, cli, data, nightly):
        """Each shows what came of it."""
        (one,) = data("schedules", "nightly", "--pause")
        assert (one["name"], one["cron"], one["paused"]) == ("nightly", "0 3 * * *", True)
        assert "paused" in cli("schedules").stdout
        assert data("schedules", "nightly", "--resume")[0]["paused"] is False

        (edited,) = data("schedules", "nightly", "--cron", "0 4 * * *")
        assert (edited["cron"], edited["edited"]) == ("0 4 * * *", True)
        assert data("schedules", "nightly", "--reset")[0]["cron"] == "0 3 * * *"

    def test_says_which_are_late(self, cli, app, nightly, engine):
        """What no worker has fired was due a while ago, and what is to come is due in a while."""
        cli("schedules", "nightly", "--pause")
        for due, said in (("-", "5 min ago"), ("+", "in 5 min")):
            with engine.begin() as conn:
                conn.execute(
                    text(
                        "UPDATE gendurable.schedules"
                        f" SET next_at = statement_timestamp() {due} interval '5 min'"
                    )
                )
            assert said in cli("schedules").stdout

    def test_fires_now(self, cli, app, nightly):
        """It says which instance it inserted."""
        id = int(cli("schedules", "nightly", "--trigger").stderr.split()[-1])
        assert app.durable.instance(id).fsm == "cli.Item"

    def test_says_that_there_is_none(self, cli):
        """Status 1 for a name, 0 for an empty list."""
        assert "no schedules" in cli("schedules").stdout
        cli("schedules", "nothing", status=1)
        cli("schedules", "nothing", "--pause", status=1)

    @pytest.mark.parametrize(
        "arguments",
        [["--pause"], ["x", "--pause", "--cron", "* * * * *"], ["nightly", "--cron", "x"]],
    )
    def test_refuses_what_makes_no_sense(self, cli, nightly, arguments):
        """A mistake of usage."""
        cli("schedules", *arguments, status=2)
