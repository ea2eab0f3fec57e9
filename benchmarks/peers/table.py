"""A table of several engines: their medians, and how ours stands to each."""

from __future__ import annotations

import statistics
from collections.abc import Mapping

from benchmarks.report import Result, number

WIDTH = 15


def table(found: Mapping[str, Mapping[str, Result]], versions: Mapping[str, str]) -> str:
    """Return all results as text; below each median stands how many times as good ours is."""
    names = list(next(iter(found.values())))
    heads = "".join(f"{name:>{WIDTH}}" for name in names)
    below = "".join(f"{versions.get(name, ''):>{WIDTH}}" for name in names)
    lines = [f"{'':34}{heads}", f"{'':34}{below}"]
    notes: dict[str, list[str]] = {}
    for results in found.values():
        scenario = results["gendurable"].scenario
        medians = "".join(f"{_median(results[name]):>{WIDTH}}" for name in names)
        ratios = "".join(f"{_ratio(results, name):>{WIDTH}}" for name in names)
        lines += [f"{scenario.title[:30]:30}{scenario.unit:4}{medians}", f"{'':34}{ratios}"]
        for name, one in results.items():
            if one.trouble is not None:
                notes.setdefault(f"{name}: {one.trouble[:140]}", []).append(scenario.name)
    lines += ["", "(x 2.0: gendurable does twice as many a second, or takes half as long)"]
    lines += [f"- {note} ({', '.join(scenarios)})" for note, scenarios in notes.items()]
    return "\n".join(lines)


def better(ours: Result, theirs: Result) -> float | None:
    """Return how many times as good ours is: the median of the ratios of the rounds."""
    if not ours.rounds or not theirs.rounds:
        return None
    pairs = zip(ours.heads, theirs.heads, strict=False)
    if ours.scenario.unit == "/s":
        return statistics.median(mine / other for mine, other in pairs)
    return statistics.median(other / mine for mine, other in pairs)


def _median(result: Result) -> str:
    return number(next(iter(result.figures.values()))) if result.rounds else "-"


def _ratio(results: Mapping[str, Result], name: str) -> str:
    found = None if name == "gendurable" else better(results["gendurable"], results[name])
    return "" if found is None else f"(x {found:.2f})"
