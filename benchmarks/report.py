"""Rounds of runs become medians, ratios, a table and a file."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.scenario import Figures, Scenario


@dataclass
class Result:
    """What the rounds of one scenario found."""

    scenario: Scenario
    rounds: list[Figures] = field(default_factory=list)
    trouble: str | None = None
    #: Whether that is no failure: it is not there yet, or not on this machine.
    refused: bool = False

    @property
    def figures(self) -> dict[str, float]:
        """The median of each figure."""
        names = self.rounds[0] if self.rounds else ()
        return {name: statistics.median(one[name] for one in self.rounds) for name in names}

    @property
    def heads(self) -> list[float]:
        """The figure that is compared, of each round."""
        return [next(iter(one.values())) for one in self.rounds]


def ratio(result: Result, results: Mapping[str, Result]) -> float | None:
    """Return how a result stands to its floor: the median of the ratios of the rounds.

    Rounds are compared one by one, since a noisy machine drifts. One that was run once is compared
    with the median.
    """
    base = results.get(result.scenario.floor or "")
    if base is None or not base.rounds or not result.rounds:
        return None
    ours, theirs = result.heads, base.heads
    if len(ours) != len(theirs):
        return statistics.median(ours) / statistics.median(theirs)
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def table(results: Mapping[str, Result]) -> str:
    """Return all results as text."""
    lines = [f"{'':42}{'median':>12}{'lowest':>12}{'highest':>12}  {'':3}{'of its floor':>13}"]
    for result in results.values():
        lines += _lines(result, ratio(result, results))
    return "\n".join(lines)


def document(facts: Mapping[str, Any], results: Mapping[str, Result]) -> dict[str, Any]:
    """Return all results, with what they were measured on, as JSON can hold them."""
    return {
        "facts": facts,
        "results": {
            name: {
                "title": one.scenario.title,
                "unit": one.scenario.unit,
                "size": one.scenario.size,
                "figures": one.figures,
                "rounds": [dict(figures) for figures in one.rounds],
                "floor": one.scenario.floor,
                "ratio": ratio(one, results),
                "trouble": one.trouble,
            }
            for name, one in results.items()
        },
    }


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write a file of results."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n")


def number(value: float) -> str:
    """Write a figure with three digits that count."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _lines(result: Result, ratio: float | None) -> Iterable[str]:
    scenario = result.scenario
    if result.trouble is not None:
        yield f"{scenario.title:42}  not measured: {result.trouble[:100]}"
        return
    beside = "" if ratio is None else f"{ratio:13.2f}"
    for name, value in result.figures.items():
        first = name == next(iter(result.figures))
        spread: Sequence[float] = [one[name] for one in result.rounds]
        title = scenario.title if first else ""
        label = title if name in ("rate", "ms") else f"{title + ': ' if first else '  '}{name}"
        yield (
            f"{label:42}{number(value):>12}{number(min(spread)):>12}{number(max(spread)):>12}"
            f"  {scenario.unit if first else '':3}{beside if first else ''}"
        ).rstrip()
