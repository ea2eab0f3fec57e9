"""One thing that is measured, under a name, beside the floor that it is held against."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.stage import Stage

#: What one run of a scenario found: figures by name, the one that is compared first.
Figures = Mapping[str, float]
Unit = Literal["/s", "ms", "s", "kB"]


class Refused(Exception):
    """What is to be measured is not there yet, or not on this machine."""


@dataclass(frozen=True)
class Scenario:
    """A measurement: *measure* is given a stage with empty tables and how much to do."""

    name: str
    title: str
    measure: Callable[[Stage, int], Figures]
    size: int
    quick: int
    unit: Unit = "/s"
    #: The name of the scenario that shows what the server itself can do.
    floor: str | None = None
    #: Whether one run is enough: it takes long, or counts what does not vary.
    once: bool = False
    #: Whether it runs only when it is asked for.
    asked: bool = False


def percentiles(name: str, seconds: Sequence[float]) -> dict[str, float]:
    """Return the median and the 99th percentile of durations, in ms."""
    ordered = sorted(seconds)
    last = len(ordered) - 1
    return {
        f"{name} p50": 1e3 * ordered[last // 2],
        f"{name} p99": 1e3 * ordered[round(0.99 * last)],
    }
