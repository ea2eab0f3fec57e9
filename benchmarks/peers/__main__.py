"""``make bench-peers``: other engines, ours and the floor, interleaved in the same rounds.

Each engine runs as much of a scenario as takes it some seconds, so that nobody's start counts.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import plot, report
from benchmarks.facts import facts
from benchmarks.peers.arena import NAMES, Arena
from benchmarks.peers.table import table
from benchmarks.peers.venvs import PEERS, driver, version_of
from benchmarks.report import Result
from benchmarks.scenario import Figures, Refused, Scenario
from benchmarks.scenarios import SCENARIOS
from benchmarks.stage import ROOT, Stage, stage

OURS = {one.name: one for one in SCENARIOS}
#: The smallest size that still says whether a driver works: a call of many takes a thousand.
QUICK = {"insert-all": 1_000, "fan": 20, "start": 5, "signal": 5}


@dataclass
class Contest:
    """Who takes part, and what was found."""

    stage: Stage
    quick: bool
    versions: dict[str, str] = field(default_factory=dict)
    arenas: dict[str, Arena] = field(default_factory=dict)
    found: dict[str, dict[str, Result]] = field(default_factory=dict)

    def enter(self, peers: Iterable[str], server: str, scenarios: Iterable[str]) -> None:
        """Install the peers; one that cannot be is told in the table."""
        refusals: dict[str, str] = {}
        for name in peers:
            try:
                self.arenas[name] = Arena(name, server)
                self.versions[name] = version_of(name)
            except Refused as why:
                refusals[name] = str(why)
        for scenario in scenarios:
            names = ("floor", "gendurable", *peers)
            self.found[scenario] = {
                name: Result(OURS[scenario], trouble=refusals.get(name)) for name in names
            }

    def round(self) -> None:
        """Run every scenario once on everybody, one after the other."""
        for scenario, results in self.found.items():
            for name, result in results.items():
                if result.trouble is None:
                    print(f"{scenario}: {name}", file=sys.stderr, flush=True)
                    _note(result, self._runner(scenario, name))

    def _runner(self, scenario: str, name: str) -> Callable[[], Figures]:
        if name in self.arenas:
            size = driver(name).sizes.get(scenario, 0)
            few = QUICK.get(scenario, 100)
            return lambda: self.arenas[name].run(scenario, few if self.quick else size)
        ours = OURS[scenario]
        return lambda: self._own(OURS[ours.floor or ""] if name == "floor" else ours)

    def _own(self, scenario: Scenario) -> Figures:
        self.stage.clear()
        return scenario.measure(self.stage, scenario.quick if self.quick else scenario.size)


def main() -> int:
    """Measure everybody; return the exit status."""
    options = _options()
    with stage() as found:
        contest = Contest(found, options.quick)
        server = found.url.replace("/bench?", "/postgres?")
        contest.enter(options.peers or PEERS, server, options.scenarios or NAMES)
        known = facts(found) | {"peers": contest.versions}
        for number in range(options.rounds):
            print(f"round {number + 1}", file=sys.stderr, flush=True)
            contest.round()
    print(table(contest.found, contest.versions))
    if options.results is None:
        print("not kept: --results keeps what is not all", file=sys.stderr)
        return 0
    report.write(options.results / "peers.json", _document(known, contest))
    if not options.quick:
        _draw(contest, options.images)
    return int(not any(one.rounds for all in contest.found.values() for one in all.values()))


def _note(result: Result, run: Callable[[], Figures]) -> None:
    try:
        result.rounds.append(run())
    except Refused as why:
        result.trouble, result.refused = str(why), True
    except Exception as error:
        result.trouble = f"{type(error).__name__}: {error}"


def _document(known: dict[str, Any], contest: Contest) -> dict[str, Any]:
    return {
        "facts": known,
        "settings": {name: driver(name).settings for name in contest.arenas},
        "results": {
            scenario: {
                name: {
                    "figures": one.figures,
                    "rounds": [dict(figures) for figures in one.rounds],
                    "trouble": one.trouble,
                }
                for name, one in results.items()
            }
            for scenario, results in contest.found.items()
        },
    }


def _draw(contest: Contest, images: Path) -> None:
    rates = {
        OURS[scenario].title: {
            name: next(iter(one.figures.values())) for name, one in results.items() if one.rounds
        }
        for scenario, results in contest.found.items()
        if OURS[scenario].unit == "/s"
    }
    try:
        plot.peers(rates, images / "peers.png")
    except ImportError as error:
        print(f"no picture: {error}; pip install 'gendurable[bench]'", file=sys.stderr)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="scenario", help=", ".join(NAMES))
    parser.add_argument("--peers", nargs="+", choices=PEERS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="tiny sizes: does it run at all?")
    parser.add_argument("--results", type=Path, help="where to keep them, if they are not all")
    parser.add_argument("--images", type=Path, default=ROOT / "docs" / "images")
    options = parser.parse_args()
    for name in options.scenarios:
        if name not in NAMES:
            parser.error(f"no scenario {name}; there are: {', '.join(NAMES)}")
    if options.results is None and not (options.scenarios or options.peers or options.quick):
        options.results = ROOT / "benchmarks" / "results"
    return options


if __name__ == "__main__":
    sys.exit(main())
