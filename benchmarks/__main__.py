"""``make bench``: measure, print a table of medians and ratios, keep them as JSON and pictures.

The rounds of all scenarios are interleaved, since a noisy machine drifts: compare the ratios.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks import plot, report
from benchmarks.facts import facts
from benchmarks.report import Result
from benchmarks.scenario import Refused, Scenario
from benchmarks.scenarios import SCENARIOS, claim_costs
from benchmarks.stage import ROOT, Stage, stage


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is asked for; return the exit status."""
    options = _options(arguments)
    chosen = _chosen(options)
    if options.list:
        for one in chosen:
            print(f"{one.name:16}{one.title}")
        return 0
    results = {one.name: Result(one) for one in chosen}
    with stage() as found:
        known = facts(found)
        for number in range(options.rounds):
            for result in results.values():
                if not (number and result.scenario.once):
                    _run(found, result, number)
    content = report.document(known, results)
    print(report.table(results))
    if options.results is None:
        print("not kept: --results keeps what is not all", file=sys.stderr)
    else:
        report.write(options.results / "latest.json", content)
        if not options.quick:
            _draw(content, options.images)
    return int(any(one.trouble is not None and not one.refused for one in results.values()))


def _run(found: Stage, result: Result, number: int) -> None:
    """Run one scenario once; what goes wrong is told, and harms no other."""
    scenario = result.scenario
    if result.trouble is not None:
        return
    print(f"round {number + 1}: {scenario.title}", file=sys.stderr, flush=True)
    found.clear()
    try:
        result.rounds.append(scenario.measure(found, scenario.size))
    except Refused as why:
        result.trouble, result.refused = str(why), True
    except Exception as error:
        result.trouble = f"{type(error).__name__}: {error}"


def _chosen(options: argparse.Namespace) -> list[Scenario]:
    """Return the scenarios that were named, or all but the long ones, with their floors."""
    everything = {one.name: one for one in (*SCENARIOS, *claim_costs(options.most))}
    unknown = [name for name in options.names if name not in everything]
    if unknown:
        sys.exit(f"no scenario {', '.join(unknown)}; there are: {', '.join(everything)}")
    names = options.names or [name for name, one in everything.items() if not one.asked]
    if options.soak:
        everything["soak"] = replace(everything["soak"], size=options.soak)
        names = [*names, "soak"]
    wanted = {*names, *(floor for name in names if (floor := everything[name].floor))}
    chosen = [one for name, one in everything.items() if name in wanted]
    if options.quick:
        return [replace(one, size=one.quick) for one in chosen]
    return chosen


def _draw(content: dict[str, dict[str, object]], images: Path) -> None:
    """Draw the pictures, if there is something to draw with."""
    try:
        drawn = [
            plot.overview(content["results"], images / "benchmarks.png"),
            plot.claims(content["results"], images / "claims.png"),
        ]
    except ImportError as error:
        print(f"no pictures: {error}; pip install 'gendurable[bench]'", file=sys.stderr)
        return
    for path in filter(None, drawn):
        print(f"drawn: {path}", file=sys.stderr)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help="scenarios; default: all but the longest")
    parser.add_argument("--list", action="store_true", help="name the scenarios")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="tiny sizes: does it run at all?")
    parser.add_argument("--soak", type=int, metavar="SECONDS", help="a soak as well")
    parser.add_argument(
        "--most", type=int, default=1_000_000, metavar="ROWS", help="the largest table of claims"
    )
    parser.add_argument("--results", type=Path, help="where to keep them, if they are not all")
    parser.add_argument("--images", type=Path, default=ROOT / "docs" / "images")
    options = parser.parse_args(arguments)
    if options.results is None and not options.names and not options.quick:
        options.results = ROOT / "benchmarks" / "results"
    return options


if __name__ == "__main__":
    sys.exit(main())
