"""The benchmarks run: tiny sizes, whose figures mean nothing."""

from __future__ import annotations

import json

import pytest

from benchmarks import scenarios
from benchmarks.__main__ import main
from benchmarks.report import Result, ratio
from benchmarks.scenario import Scenario


def run(tmp_path, *arguments):
    """Run scenarios quickly; return the exit status and what was written."""
    where = ["--results", str(tmp_path), "--images", str(tmp_path)]
    status = main(["--quick", "--rounds", "1", *where, *arguments])
    return status, json.loads((tmp_path / "latest.json").read_text())


@pytest.mark.slow
def test_a_scenario_is_measured_beside_its_floor(tmp_path, capsys):
    """Jobs are done by a worker process, and compared with what bare statements do."""
    status, written = run(tmp_path, "jobs", "claim-10000")

    assert status == 0
    assert list(written["results"]) == ["floor", "jobs", "claim-10000"]
    assert written["results"]["jobs"]["ratio"] > 0
    assert written["results"]["claim-10000"]["figures"]["buffers"] > 100
    assert written["facts"]["settings"]["synchronous_commit"] == "on"
    assert "jobs" in capsys.readouterr().out


def test_rounds_are_compared_one_by_one():
    """A machine that was slow in one round was so for both: the ratio is that of the rounds."""
    floor = Scenario("floor", "the floor", lambda stage, size: {}, 1, 1)
    ours = Scenario("ours", "ours", lambda stage, size: {}, 1, 1, floor="floor")
    results = {
        "floor": Result(floor, [{"rate": 100.0}, {"rate": 10.0}, {"rate": 200.0}]),
        "ours": Result(ours, [{"rate": 50.0}, {"rate": 5.0}, {"rate": 50.0}]),
    }

    assert ratio(results["ours"], results) == 0.5


def test_every_scenario_has_a_name_and_a_floor_of_its_own():
    """A floor that is named is there to be measured, in the same unit."""
    everything = [*scenarios.SCENARIOS, *scenarios.claim_costs(1_000_000)]
    named = {one.name: one for one in everything}

    assert len(named) == len(everything)
    assert [one.name for one in everything if one.floor and one.floor not in named] == []
    assert [one.name for one in everything if one.floor and named[one.floor].unit != one.unit] == []


def test_an_unknown_scenario_is_told(tmp_path):
    """A name that does not exist ends it before a server is started."""
    with pytest.raises(SystemExit, match="no scenario jbos; there are: floor, jobs"):
        run(tmp_path, "jbos")
