"""The answer to "why is this not running?", and the words that it is put into."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from gendurable.queries.statement import Database
    from gendurable.registry import Catalogue
    from gendurable.settings import Settings


class Reason(StrEnum):
    """What keeps an instance from running."""

    ENDED = "ended"
    EXECUTING = "executing"
    AWAITING_SIGNAL = "awaiting_signal"
    AWAITING_CHILDREN = "awaiting_children"
    PAUSED = "paused"
    QUEUE_PAUSED = "queue_paused"
    UNKNOWN_STEP = "unknown_step"
    INVALID_STATE = "invalid_state"
    NOT_DUE = "not_due"
    UNKNOWN_LIMIT = "unknown_limit"
    NO_TOKENS = "no_tokens"
    KEY_HELD = "key_held"
    NO_WORKER = "no_worker"
    LOCKED = "locked"
    DUE = "due"


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why an instance is not running: a reason for programs, a sentence for people.

    ``details`` holds what the sentence tells: instants, names of workers, ids.
    """

    reason: Reason
    text: str
    details: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class View:
    """What an answer is made from."""

    conn: Connection
    db: Database
    row: Any
    settings: Settings
    catalogue: Catalogue


def at(instant: datetime) -> str:
    """Write an instant for people, with its offset."""
    return instant.isoformat(" ", "seconds")


def span(seconds: float) -> str:
    """Write a duration for people: two of a unit, or more, and of the largest such."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


def until(row: Any) -> str:
    """Write the deadline of a parked row, if it has one."""
    return "" if row.deadline is None else f" until {at(row.deadline)} at the latest"


def by_whom(by: str | None, reason: str | None) -> str:
    """Write who did something, and why, as far as that is known."""
    return (f" by {by}" if by else "") + (f": {reason}" if reason else "")


def paused_too(row: Any) -> str:
    """Write that a row which does not run anyway is paused, or its queue is."""
    held = row.paused_at is not None or row.queue_paused_at is not None
    return "; it is paused besides, so nothing starts after that" if held else ""
