"""How a schedule stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

Missed: TypeAlias = Literal["skip", "latest", "all"]
Overlap: TypeAlias = Literal["allow", "skip"]


@dataclass(frozen=True, slots=True)
class ScheduleStatus:
    """How a schedule stands; its expression and zone are those that hold, edited or not.

    ``last_id`` is the instance inserted last, triggered ones included; with ``overlap="skip"`` one
    that still lives stands there until it has ended. ``skipped_at`` is the occurrence skipped last
    because that one lived, and ``error`` why it cannot fire.
    """

    name: str
    cron: str
    timezone: str
    edited: bool
    missed: Missed
    overlap: Overlap
    paused: bool
    next_at: datetime | None
    last_at: datetime | None
    last_id: int | None
    skipped_at: datetime | None
    fired: int
    skipped: int
    error: str | None


def status_of(row: Any) -> ScheduleStatus:
    """Return how the schedule in *row* stands."""
    return ScheduleStatus(
        name=row.name,
        cron=row.cron_override or row.cron,
        timezone=row.timezone_override or row.timezone,
        edited=row.cron_override is not None or row.timezone_override is not None,
        missed=row.missed,
        overlap=row.overlap,
        paused=row.paused_at is not None,
        next_at=row.next_at,
        last_at=row.last_at,
        last_id=row.last_id,
        skipped_at=row.skipped_at,
        fired=row.fired,
        skipped=row.skipped,
        error=row.error,
    )
