"""What a worker does beside running steps, each duty with its settings: reaper, gc and cron."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypedDict

from gendurable.errors import ConfigError
from gendurable.retry import Duration
from gendurable.rules import (
    Complaints,
    Rule,
    build,
    check_all,
    count,
    duration,
    positive_duration,
)

DAY: Final = 86_400.0
#: How long what has ended is kept.
KEPT: Final = {"done": DAY, "failed": 30 * DAY, "cancelled": 30 * DAY}


class ReaperOptions(TypedDict, total=False):
    """What ``worker(reaper={...})`` may set."""

    interval: Duration


class CronOptions(TypedDict, total=False):
    """What ``worker(cron={...})`` may set."""

    interval: Duration


class Retention(TypedDict, total=False):
    """How long instances of each end are kept."""

    done: Duration
    failed: Duration
    cancelled: Duration


class GcOptions(TypedDict, total=False):
    """What ``worker(gc={...})`` may set; one retention is that of all ends."""

    interval: Duration
    retention: Duration | Retention
    batch: int


@dataclass(frozen=True)
class ReaperSettings:
    """How often expired leases and passed deadlines are looked for."""

    interval: float = 1.0

    def __post_init__(self) -> None:
        check_all(self, "reaper", {"interval": positive_duration})


@dataclass(frozen=True)
class CronSettings:
    """How often schedules are looked at."""

    interval: float = 1.0

    def __post_init__(self) -> None:
        check_all(self, "cron", {"interval": positive_duration})


@dataclass(frozen=True)
class GcSettings:
    """How often, after how long and how many ended rows are deleted at a time.

    ``retention`` is one duration, or one for each of "done", "failed" and "cancelled".
    """

    interval: float = 60.0
    retention: Mapping[str, float] = field(default_factory=dict)
    batch: int = 10_000

    def __post_init__(self) -> None:
        rules = {"interval": positive_duration, "retention": _retention, "batch": count}
        check_all(self, "gc", rules)


def part(kind: type[Any]) -> Rule:
    """Take True (its defaults), a dict of some of its settings, or False, which becomes None."""

    def check(value: Any, what: str) -> Any:
        if value is False or value is None:
            return None
        if isinstance(value, Mapping):
            return build(kind, what, value, kind.__dataclass_fields__)
        if value is True or isinstance(value, kind):
            return kind() if value is True else value
        raise ConfigError(f"{what}={value!r} must be True, False or a dict of its settings")

    return check


def _retention(value: Any, what: str) -> dict[str, float]:
    if not isinstance(value, Mapping):
        return dict.fromkeys(KEPT, duration(value, what))
    complaints = Complaints("")
    kept = dict(KEPT)
    for name, time in value.items():
        with complaints.noted():
            if name not in KEPT:
                raise ConfigError(f"{what}[{name!r}]={time!r}: it may name {', '.join(KEPT)} only")
            kept[name] = duration(time, f"{what}[{name!r}]")
    complaints.end()
    return kept
