"""The settings of a binding and of a worker, and the limits that a binding declares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from gendurable.duties import CronSettings, GcSettings, ReaperSettings, part
from gendurable.errors import ConfigError
from gendurable.retry import Duration, seconds
from gendurable.rules import (
    Complaints,
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
        check_all(self, "bind", _BIND, _BIND_TOGETHER)


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


def queues_of(value: Any, what: str) -> dict[str, int]:
    """Take a dict of the names of queues and how many of their steps run at once."""
    if not isinstance(value, Mapping) or not value:
        raise ConfigError(f"{what}={value!r} must be a dict such as {{'default': 10}}")
    complaints = Complaints("")
    for name, slots in value.items():
        with complaints.noted():
            whole(slots, f"{what}[{name_of(name, what)!r}]", 1)
    complaints.end()
    return dict(value)


def slots_in(queues: Any) -> int | None:
    """Return how many steps run at once in *queues*, None if those are no queues."""
    try:
        return sum(queues_of(queues, "queues").values())
    except ConfigError:
        return None


def _schema(value: Any, what: str) -> str:
    if len(name_of(value, what).encode()) > 63:
        raise ConfigError(f"{what}={value!r} must have at most 63 bytes, as PostgreSQL's names do")
    if value.startswith("pg_"):
        raise ConfigError(f"{what}={value!r} must not begin with pg_, which PostgreSQL reserves")
    return str(value)


def _listen_url(value: Any, what: str) -> str | None:
    """Take the URL of a PostgreSQL or None; it is not shown, since it may hold a password."""
    if text_or_none(value, what) is None:
        return None
    wanted = "must be a URL such as 'postgresql+psycopg://host/database'"
    try:
        backend = make_url(value).get_backend_name()
    except (ArgumentError, ValueError):
        raise ConfigError(f"{what} {wanted}; what it is cannot be read as one") from None
    if backend != "postgresql":
        raise ConfigError(f"{what} {wanted}, and not of {backend}")
    return str(value)


def _limits(kind: type[Any]) -> Rule:
    def check(value: Any, what: str) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise ConfigError(f"{what}={value!r} must be a dict of names and {kind.__name__}s")
        complaints = Complaints("")
        for name, limit in value.items():
            with complaints.noted():
                if ":" in check_name(name, what, ConfigError):
                    raise ConfigError(
                        f"{what}: {name!r} must have no colon; it names what is before one"
                    )
            if not isinstance(limit, kind):
                complaints.add(f"{what}[{name!r}]={limit!r} must be a {kind.__name__}")
        complaints.end()
        return dict(value)

    return check


def _check_heartbeat(settings: Settings) -> None:
    if settings.heartbeat_interval > settings.lease_ttl / 2:
        raise ConfigError(
            f"heartbeat_interval={settings.heartbeat_interval} must be at most half of"
            f" lease_ttl={settings.lease_ttl}, or leases lapse while steps run"
        )


def _check_polling(settings: Settings) -> None:
    if settings.poll_max < settings.poll_interval:
        raise ConfigError(
            f"poll_max={settings.poll_max} must not be below poll_interval={settings.poll_interval}"
        )


_BIND_TOGETHER: Final[Mapping[tuple[str, ...], Callable[[Any], None]]] = {
    ("heartbeat_interval", "lease_ttl"): _check_heartbeat,
    ("poll_max", "poll_interval"): _check_polling,
}
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
    "listen_url": _listen_url,
    "rate_limits": _limits(RateLimit),
    "concurrency_limits": _limits(ConcurrencyLimit),
    "session_factory": refuse_unfit,
}

_WORKER: Final[Mapping[str, Rule]] = {
    "queues": queues_of,
    "reaper": part(ReaperSettings),
    "gc": part(GcSettings),
    "cron": part(CronSettings),
    "health_port": port,
    "health_host": name_of,
}
