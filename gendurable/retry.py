"""How long to wait: durations, refused when they make no sense, and the backoff of a step."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any, TypeAlias

from gendurable.errors import InvalidInput, InvalidOutcome

#: A time span: a timedelta, or a number of seconds.
Duration: TypeAlias = timedelta | int | float

#: The longest duration that is accepted, in seconds: a hundred years.
CENTURY = 100 * 365.25 * 86_400


def seconds(value: object, what: str, error: type[Exception] = InvalidOutcome) -> float:
    """Return *value* in seconds; *what* names it in the complaint.

    Raises:
        Exception: *error*, when the value is no duration between 0 and 100 years.
    """
    number: float
    if isinstance(value, timedelta):
        number = value.total_seconds()
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        number = value
    else:
        raise error(f"{what}={value!r} is no duration; give a timedelta or a number of seconds")
    if not 0 <= number <= CENTURY:
        raise error(f"{what}={value!r} is out of range; give a duration from 0 to 100 years")
    return float(number)


@dataclass(frozen=True)
class Backoff:
    """Which errors of a step are tried again, how often, and after how long.

    ``attempts`` counts all executions of a visit, the first one included. The delay starts with
    ``first``, grows by ``factor`` with each attempt and never exceeds ``cap``. ``jitter`` is the
    part of it, 0 to 1, that is left to chance: with 0.5 it is between a half and the whole of it,
    so that what failed together does not come back together.
    """

    attempts: int
    first: Duration = 1
    factor: float = 2
    cap: Duration = 300
    on: type[Exception] | tuple[type[Exception], ...] = (Exception,)
    jitter: float = 0

    def __post_init__(self) -> None:
        if type(self.attempts) is not int or self.attempts < 1:
            raise InvalidInput(f"Backoff(attempts={self.attempts!r}) must be a positive integer")
        if type(self.factor) not in (int, float) or not 1 <= self.factor <= 1_000_000:
            raise InvalidInput(f"Backoff(factor={self.factor!r}) must lie between 1 and 1,000,000")
        kinds: tuple[Any, ...] = self.on if isinstance(self.on, tuple) else (self.on,)
        if not kinds or not all(isinstance(k, type) and issubclass(k, Exception) for k in kinds):
            raise InvalidInput(f"Backoff(on={self.on!r}) must name the exceptions to try again on")
        if type(self.jitter) not in (int, float) or not 0 <= self.jitter <= 1:
            raise InvalidInput(f"Backoff(jitter={self.jitter!r}) must lie between 0 and 1")
        seconds(self.first, "Backoff(first)", InvalidInput)
        seconds(self.cap, "Backoff(cap)", InvalidInput)

    def covers(self, error: BaseException) -> bool:
        """Return whether *error* is one that this backoff tries again on."""
        return isinstance(error, self.on)

    def delay(self, attempt: int) -> float:
        """Return the seconds to wait after *attempt*, counted from 0, has failed."""
        first = seconds(self.first, "first", InvalidInput)
        cap = seconds(self.cap, "cap", InvalidInput)
        try:
            longest = min(first * self.factor ** min(attempt, 1_024), cap)
        except OverflowError:
            longest = cap if first else 0.0
        return jitter(longest, longest * (1 - self.jitter)) if self.jitter else longest


_random = Random()


def jitter(longest: float, least: float = 0.0) -> float:
    """Return a random number of seconds from *least* to *longest*.

    It draws from a generator of its own: an application that has seeded ``random`` gets its
    numbers undisturbed.
    """
    return _random.uniform(least, longest)
