"""When a cron expression is due: instants, counted in a time zone, without a database."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from gendurable.errors import ConfigError, InvalidInput

#: What is due for longer than this was missed: no worker with cron was there in time.
GRACE = timedelta(seconds=10)

#: How often a search takes an instant that the clock shows twice before it gives up.
_ECHOES = 10_000


@cache
def available() -> bool:
    """Whether the library that reads cron expressions is installed."""
    return importlib.util.find_spec("cronsim") is not None


def need_library(what: str) -> None:
    """Refuse *what* where the extra is not installed.

    Raises:
        ConfigError: there is no cronsim.
    """
    if not available():
        raise ConfigError(
            f"{what} needs the package cronsim: install the extra, pip install 'gendurable[cron]'"
        )


def check_zone(timezone: object) -> str:
    """Return *timezone* if it is the name of a time zone that is known here.

    Raises:
        InvalidInput: it is not.
    """
    if not isinstance(timezone, str):
        raise InvalidInput(f"timezone={timezone!r} must be the name of a zone: 'Europe/Berlin'")
    try:
        ZoneInfo(timezone)
    except (KeyError, ValueError, OSError):
        raise InvalidInput(
            f"timezone={timezone!r} is not known here; give a name such as 'Europe/Berlin' or"
            " 'UTC' (where the system has no time zones: pip install tzdata)"
        ) from None
    return timezone


def check_cron(cron: object) -> str:
    """Return *cron* if it is an expression of five fields, or of six with seconds first.

    Raises:
        InvalidInput: it is not, or it never comes true.
        ConfigError: the extra is not installed.
    """
    need_library("cron=")
    from cronsim import CronSim, CronSimError

    if not isinstance(cron, str) or len(cron) > 512 or "\0" in cron:
        raise InvalidInput(f"cron={cron!r} must be an expression such as '0 3 * * *'")
    try:
        next(CronSim(cron, datetime(2000, 1, 1, tzinfo=UTC)))
    except (CronSimError, ValueError) as error:
        raise InvalidInput(
            f"cron={cron!r} is no cron expression: {error}; the fields are minute, hour, day of"
            " month, month and day of week, with one for seconds before them if there are six"
        ) from None
    except StopIteration:
        raise InvalidInput(f"cron={cron!r} never comes true") from None
    return cron


def after(cron: str, timezone: str, instant: datetime) -> Iterator[datetime]:
    """Yield the occurrences later than *instant*, in order, in UTC.

    A clock that is put forward makes times imaginary, and one that is put back shows times twice;
    what an expression means there is up to cronsim, which follows Debian's cron. What it would
    name a second time is passed over.
    """
    from cronsim import CronSim

    last, echoes = instant.astimezone(UTC), 0
    for found in CronSim(cron, instant.astimezone(ZoneInfo(timezone))):
        one = found.astimezone(UTC)  # in one zone, Python compares what clocks show
        if one > last:
            last, echoes = one, 0
            yield one
        elif (echoes := echoes + 1) > _ECHOES:
            return


def first_after(cron: str, timezone: str, instant: datetime) -> datetime | None:
    """Return the next occurrence, None if there is none within half a century."""
    return next(after(cron, timezone, instant), None)


def due(
    cron: str, timezone: str, missed: str, first: datetime, now: datetime, limit: int
) -> list[datetime]:
    """Return which occurrences from *first* on, due by *now*, are to fire: at most *limit*.

    What is due for longer than ``GRACE`` was missed: of those "all" fires each, "latest" the last
    one unless a later one is in time, and "skip" none.
    """
    first, now = first.astimezone(UTC), now.astimezone(UTC)
    in_time = missed == "all" or first > now - GRACE
    found = [first] if in_time else []
    for one in after(cron, timezone, first if in_time else now - GRACE):
        if one > now or len(found) == limit:
            break
        found.append(one)
    if not found and missed == "latest":
        found.append(_last(cron, timezone, first, now))
    return found


def _last(cron: str, timezone: str, first: datetime, now: datetime) -> datetime:
    """Return the last occurrence by *now*, however many there were since *first*."""
    from cronsim import CronSim

    back = next(CronSim(cron, now.astimezone(ZoneInfo(timezone)), reverse=True), None)
    last = first if back is None else max(first, back.astimezone(UTC))
    # Backwards, a clock that was put back hides what it showed before: go on forwards from there.
    for one in after(cron, timezone, last):
        if one > now:
            break
        last = one
    return last
