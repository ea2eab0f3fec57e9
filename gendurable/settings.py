"""The settings of a binding and of a worker, and the limits that a binding declares."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

from gendurable.errors import ConfigError
from gendurable.retry import Duration, seconds
from gendurable.rules import (
    Rule,
    check_all,
    count,
    duration,
    flag,
    name_of,
    port,
    positive_duration,
    text_or_none,
    whole,
)
from gendurable.sessions import refuse_unfit
from gendurable.spawn import check_name
from gendurable.state import MAX_SIZE

DAY: Final = 86_400.0


@dataclass(frozen=True)
class ConcurrencyLimit:
    """At most *limit* instances with one key execute at once."""

    limit: int

    def __post_init__(self) -> None:
        whole(self.limit, "ConcurrencyLimit(limit)", 1)


@dataclass(frozen=True)
class RateLimit:
    """A token bucket: *allowance* tokens flow in *per* so much time, and *burst* fit into it."""

    allowance: int
    per: Duration = 1
    burst: int | None = None

    def __post_init__(self) -> None:
        whole(self.allowance, "RateLimit(allowance)", 0)
        object.__setattr__(self, "per", positive_duration(self.per, "RateLimit(per)"))
        if self.burst is None:
            object.__setattr__(self, "burst", self.allowance)
        whole(self.burst, "RateLimit(burst)", 1)

    @property
    def per_us(self) -> int:
        """The time span in microseconds."""
        return max(1, round(seconds(self.per, "RateLimit(per)") * 1_000_000))


@dataclass(frozen=True)
class Settings:
    """The settings of ``bind``; durations may be given as timedelta, and are kept in seconds."""

    name: str = "default"
    schema: str = "gendurable"
    lease_ttl: float = 30.0
    heartbeat_interval: float = 10.0
    poll_interval: float = 1.0
    poll_max: float = 5.0
    drain_timeout: float = 5.0
    max_size: int = MAX_SIZE
    listen: bool = True
    listen_url: str | None = None
    rate_limits: Mapping[str, RateLimit] = field(default_factory=dict)
    concurrency_limits: Mapping[str, ConcurrencyLimit] = field(default_factory=dict)
    session_factory: Callable[..., Any] | None = None

    def __post_init__(self) -> None:
        check_all(self, "bind", _BIND, _check_binding)


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


@dataclass(frozen=True)
class WorkerSettings:
    """The settings of ``worker``.

    A part may be given as True (its defaults), as a dict of some of its settings, or as False,
    which leaves it out and is kept as None.
    """

    queues: Mapping[str, int] = field(default_factory=lambda: {"default": 10})
    reaper: ReaperSettings | None = field(default_factory=ReaperSettings)
    gc: GcSettings | None = field(default_factory=GcSettings)
    cron: CronSettings | None = field(default_factory=CronSettings)
    health_port: int | None = None
    health_host: str = "127.0.0.1"

    def __post_init__(self) -> None:
        check_all(self, "worker", _WORKER)

    @property
    def slots(self) -> int:
        """How many steps this worker runs at once."""
        return sum(self.queues.values())


def _schema(value: Any, what: str) -> str:
    if len(name_of(value, what).encode()) > 63:
        raise ConfigError(f"{what}={value!r} must have at most 63 bytes, as PostgreSQL's names do")
    return str(value)


def _limits(kind: type[Any]) -> Rule:
    def check(value: Any, what: str) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise ConfigError(f"{what}={value!r} must be a dict of names and {kind.__name__}s")
        for name, limit in value.items():
            if ":" in check_name(name, what, ConfigError):
                raise ConfigError(
                    f"{what}: {name!r} must have no colon; it names what is before one"
                )
            if not isinstance(limit, kind):
                raise ConfigError(f"{what}[{name!r}]={limit!r} must be a {kind.__name__}")
        return dict(value)

    return check


def _queues(value: Any, what: str) -> dict[str, int]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{what}={value!r} must be a dict such as {{'default': 10}}")
    return {name_of(name, what): whole(n, f"{what}[{name!r}]", 1) for name, n in value.items()}


def _retention(value: Any, what: str) -> dict[str, float]:
    defaults = {"done": DAY, "failed": 30 * DAY, "cancelled": 30 * DAY}
    if not isinstance(value, Mapping):
        return dict.fromkeys(defaults, duration(value, what))
    if not value.keys() <= defaults.keys():
        raise ConfigError(f"{what}={value!r} may name {', '.join(defaults)} and nothing else")
    return defaults | {name: duration(v, f"{what}[{name!r}]") for name, v in value.items()}


def _part(kind: type[Any]) -> Rule:
    def check(value: Any, what: str) -> Any:
        if value is False or value is None:
            return None
        if isinstance(value, Mapping):
            names = [item.name for item in fields(kind)]
            if not value.keys() <= set(names):
                raise ConfigError(f"{what}={value!r} may set {', '.join(names)} and nothing else")
            return kind(**value)
        if value is True or isinstance(value, kind):
            return kind() if value is True else value
        raise ConfigError(f"{what}={value!r} must be True, False or a dict of its settings")

    return check


def _check_binding(settings: Settings) -> Iterable[str]:
    if settings.heartbeat_interval > settings.lease_ttl / 2:
        yield (
            f"heartbeat_interval={settings.heartbeat_interval} must be at most half of"
            f" lease_ttl={settings.lease_ttl}, or leases lapse while steps run"
        )
    if settings.poll_max < settings.poll_interval:
        yield (
            f"poll_max={settings.poll_max} must not be below poll_interval={settings.poll_interval}"
        )


_BIND: Final[Mapping[str, Rule]] = {
    "name": name_of,
    "schema": _schema,
    "lease_ttl": positive_duration,
    "heartbeat_interval": positive_duration,
    "poll_interval": positive_duration,
    "poll_max": positive_duration,
    "drain_timeout": duration,
    "max_size": count,
    "listen": flag,
    "listen_url": text_or_none,
    "rate_limits": _limits(RateLimit),
    "concurrency_limits": _limits(ConcurrencyLimit),
    "session_factory": refuse_unfit,
}

_WORKER: Final[Mapping[str, Rule]] = {
    "queues": _queues,
    "reaper": _part(ReaperSettings),
    "gc": _part(GcSettings),
    "cron": _part(CronSettings),
    "health_port": port,
    "health_host": name_of,
}
