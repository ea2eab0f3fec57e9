"""Deploys: the check, the doctor, upgrades of states and of the schema, and pictures."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from sqlalchemy import create_engine, text

import gendurable as gd
from gendurable import migrations


@pytest.fixture
def run(app):
    def run(sql: str) -> None:
        with app.durable.engine.begin() as conn:
            conn.execute(text(sql))

    return run


class TestCheck:
    def test_passes(self, cli, data, app):
        """Status 0, and how many rows there are."""
        app.durable.insert(app.Order(order=1))
        assert "all 1 live rows" in cli("check").stdout
        assert data("check") == {"ok": True, "rows": 1, "findings": []}

    def test_fails_on_what_the_build_lacks(self, cli, data, app, run):
        """Status 1, for the deploy to stop."""
        handle = app.durable.insert(app.Order(order=1))
        run("UPDATE gendurable.instances SET step = 'walk'")

        (finding,) = data("check", status=1)["findings"]

        assert finding == {
            "kind": "unknown",
            "fsm": "cli.Order",
            "version": 1,
            "step": "walk",
            "reason": "this build has no such step; it has start, pack, end",
            "count": 1,
            "example": handle.id,
            "advice": "give the step that replaces it this alias: @gd.step(aliases=['walk']);"
            " or set each row to another step: gendurable rewind",
        }
        assert cli("check", status=1).stdout.splitlines() == [
            "this build cannot run 1 of 1 live rows:",
            "",
            f"cli.Order version 1, step 'walk': 1 row, such as {handle.id}",
            "  unknown  this build has no such step; it has start, pack, end",
            "  mend     give the step that replaces it this alias: @gd.step(aliases=['walk']);"
            " or set each row to another step: gendurable rewind",
        ]

    def test_fails_on_a_step_that_the_code_goes_to_and_lacks(self, cli, app):
        """No row is concerned yet, and it is said so."""

        class Lost(gd.FSM, name="cli.Lost"):
            @gd.step
            def start(self, ctx: gd.Context) -> gd.Outcome:
                return gd.Next("strat")

        app.lost = gd.bind(app.durable.engine, fsms=[Lost])

        said = cli("check", app="lost", status=1).stdout.splitlines()

        assert said[0] == "all 0 live rows can go on, but the code does not hold together:"
        assert said[2] == "cli.Lost version 1, step 'start'"
        assert said[3].startswith("  target  ")
        assert "'strat'" in said[3]
        assert said[4] == "  mend    name a step that exists"


class TestUpgradeState:
    def test_puts_back_and_tells(self, cli, data, app, run):
        """Status 0 when nothing is left over, 1 when something could not be brought up."""
        app.durable.insert(app.Order(order=1))
        run("UPDATE gendurable.instances SET blocked = 'invalid'")
        assert "put back that were set aside: 1" in cli("upgrade-state").stdout

        run("UPDATE gendurable.instances SET blocked = 'invalid', state = '{}'")
        answer = data("upgrade-state", status=1)
        assert (answer["ok"], answer["cleared"]) == (False, 0)
        assert answer["findings"][0]["reason"] == "order: Field required"


class TestDoctor:
    def test_is_content(self, cli, data):
        """Status 0 while nothing is violated."""
        assert {one["level"] for one in data("doctor")} == {"ok"}
        assert "claim plan" in cli("doctor").stdout

    def test_a_warning_is_no_failure_and_a_violation_is(self, cli, app, run):
        """Scripts go by the status."""
        app.durable.insert(app.Order(order=1))
        run("UPDATE gendurable.instances SET blocked = 'invalid'")
        assert "warning" in cli("doctor").stdout

        run(
            "UPDATE gendurable.instances SET blocked = NULL, status = 'executing',"
            " locked_by = 'w', lease_expires_at = statement_timestamp() - interval '1 hour'"
        )
        assert "violated" in cli("doctor", status=1).stdout


class TestGraph:
    def test_prints_mermaid(self, cli):
        """One machine or all of them; what is odd goes to standard error."""
        result = cli("graph", "cli.Order")
        assert "start --> pack: go, or after 1 h" in result.stdout
        assert "awaits 'go', which no machine sends" in result.stderr
        assert "%% cli.Item" in cli("graph").stdout

    def test_writes_a_picture(self, cli, tmp_path: Path):
        """To a file, with a step marked."""
        file = tmp_path / "order.svg"
        cli("graph", "cli.Order", "--to", "svg", "-o", file, "--highlight", "pack")
        ElementTree.fromstring(file.read_text())
        assert "gd-here" in file.read_text()

    def test_prints_json(self, cli):
        """The edges, for programs."""
        (graph,) = json.loads(cli("graph", "cli.Item", "--to", "json").stdout)
        assert graph["edges"][0]["signals"] == ["never"]

    def test_fails_on_a_step_that_does_not_exist(self, cli, app):
        """Status 1: the code cannot work."""

        class Typo(gd.FSM):
            @gd.step
            def start(self, ctx: gd.Context) -> gd.Outcome:
                return gd.Next("strat")

        app.typo = gd.bind(app.durable.engine, fsms=[Typo])
        assert "wrong: " in cli("graph", app="typo", status=1).stderr

    def test_refuses_a_machine_that_is_not_there(self, cli):
        """It says which there are."""
        assert "cli.Item, cli.Order" in cli("graph", "Nobody", status=2).stderr
        assert "name one" in cli("graph", "--to", "svg", status=2).stderr


class TestSchema:
    @pytest.fixture
    def fresh(self, app, empty_url):
        app.fresh = gd.bind(create_engine(empty_url), fsms=[])
        yield
        app.fresh.engine.dispose()

    def test_goes_up_and_down(self, cli, fresh):
        """Missing, created, checked, removed."""
        assert "has no gendurable schema" in cli("schema check", app="fresh", status=1).stderr
        assert f"is at {migrations.head()}" in cli("schema upgrade", app="fresh").stdout
        assert "as this release needs" in cli("schema check", app="fresh").stdout
        assert "is removed" in cli("schema downgrade", "--yes", app="fresh").stdout

    def test_asks_before_it_removes(self, cli):
        """Without an answer nothing happens."""
        cli("schema downgrade", status=1)
        cli("schema check")

    def test_prints_sql(self, cli):
        """All of it, for somebody else to run."""
        assert "CREATE TABLE gendurable.instances" in cli("schema sql").stdout

    def test_check_in_json(self, data):
        """Which revision, and which one is needed."""
        found = data("schema check")
        assert found["revision"] == found["head"] == migrations.head()
