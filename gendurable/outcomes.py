"""What a step can answer: frozen values, each refused at birth when it makes no sense."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from inspect import iscoroutine
from typing import Any, ClassVar, Final, Literal, TypeAlias

from gendurable.errors import InvalidInput, InvalidOutcome
from gendurable.retry import Duration, seconds
from gendurable.signals import Signal, signal_name
from gendurable.spawn import (
    Key,
    Spawn,
    check_name,
    check_priority,
    check_several,
    join_key,
    positive,
)
from gendurable.state import brief, describe

#: A step to go to: a bound method (``self.ship``) or a name (``"ship"``).
StepRef: TypeAlias = str | Callable[..., Any]
#: A signal to wait for: its name or its class.
SignalRef: TypeAlias = str | type[Signal]


class Keep(Enum):
    """The type of ``KEEP``."""

    KEEP = "keep"

    def __repr__(self) -> str:
        return "KEEP"


#: "Leave this as it is": the instance keeps its key, its priority, its queue.
KEEP: Final = Keep.KEEP

_set = object.__setattr__


@dataclass(frozen=True, slots=True)
class Next:
    """Go to another step; the signals that this step had awaited are consumed.

    ``run_ahead`` forces (True) or forbids (False) that this worker goes on at once.
    """

    kind: ClassVar[Literal["next"]] = "next"

    step: StepRef
    delay: Duration = 0
    rate_limit: Key | None = None
    weight: int = 1
    concurrency_key: Key | Keep | None = KEEP
    priority: int | Keep = KEEP
    queue: str | Keep = KEEP
    run_ahead: bool | None = None

    def __post_init__(self) -> None:
        _check_step(self.step, "Next(step)")
        if self.delay != 0 or type(self.delay) is not int:
            _set(self, "delay", seconds(self.delay, "Next(delay)"))
        _check_rate(self)
        if self.concurrency_key is not KEEP:
            key = join_key(self.concurrency_key, "Next(concurrency_key)", InvalidOutcome)
            _set(self, "concurrency_key", key)
        if self.priority is not KEEP:
            check_priority(self.priority, "Next(priority)", InvalidOutcome)
        if self.queue is not KEEP:
            check_name(self.queue, "Next(queue)", InvalidOutcome)
        if self.run_ahead is not None and not isinstance(self.run_ahead, bool):
            raise InvalidOutcome(f"Next(run_ahead={self.run_ahead!r}) must be True, False or None")


@dataclass(frozen=True, slots=True)
class Retry:
    """Run the same step again; the attempt counter goes up by one, nothing is consumed."""

    kind: ClassVar[Literal["retry"]] = "retry"

    delay: Duration = 0

    def __post_init__(self) -> None:
        _set(self, "delay", seconds(self.delay, "Retry(delay)"))


@dataclass(frozen=True, slots=True)
class Snoozed:
    """Run the same step again, attempt unchanged: what becomes of a job's ``Snooze``."""

    kind: ClassVar[Literal["snooze"]] = "snooze"

    delay: Duration

    def __post_init__(self) -> None:
        _set(self, "delay", seconds(self.delay, "Snooze(delay)"))


@dataclass(frozen=True, slots=True)
class Await:
    """Park until one of the named signals arrives, or the timeout passes; then go to a step.

    With ``consume`` the signals that this step had awaited are consumed, as by ``Next``.
    """

    kind: ClassVar[Literal["await"]] = "await"

    names: SignalRef | Iterable[SignalRef]
    then: StepRef
    timeout: Duration | None = None
    consume: bool = False
    rate_limit: Key | None = None
    weight: int = 1

    def __post_init__(self) -> None:
        _set(self, "names", _names(self.names))
        _check_step(self.then, "Await(then)")
        if self.timeout is not None:
            _set(self, "timeout", seconds(self.timeout, "Await(timeout)"))
        _check_rate(self)


@dataclass(frozen=True, slots=True)
class ScheduleChildren:
    """Insert children and park until they have ended; then go to a step.

    A child is an FSM or Job object, or ``Spawn(obj, ...)``. With a ``quorum`` it is enough that so
    many end well; the ``timeout`` releases the parent whatever its children do.
    """

    kind: ClassVar[Literal["children"]] = "children"

    children: Iterable[Any]
    then: StepRef
    quorum: int | None = None
    timeout: Duration | None = None
    rate_limit: Key | None = None
    weight: int = 1

    def __post_init__(self) -> None:
        _set(self, "children", _spawns(self.children))
        _check_step(self.then, "ScheduleChildren(then)")
        if self.quorum is not None:
            positive(self.quorum, "ScheduleChildren(quorum)", InvalidOutcome)
        if self.timeout is not None:
            _set(self, "timeout", seconds(self.timeout, "ScheduleChildren(timeout)"))
        _check_rate(self)


@dataclass(frozen=True, slots=True)
class Done:
    """End well, with a result: any JSON value."""

    kind: ClassVar[Literal["done"]] = "done"

    result: Any = None


@dataclass(frozen=True, slots=True, init=False)
class Stop:
    """End as failed, with a reason: a text, or the exception that is to blame."""

    kind: ClassVar[Literal["stop"]] = "stop"

    reason: str

    def __init__(self, reason: str | BaseException) -> None:
        if isinstance(reason, BaseException):
            reason = describe(reason)
        elif not isinstance(reason, str):
            raise InvalidOutcome(f"Stop(reason={reason!r}) must be a text or an exception")
        _set(self, "reason", reason)


#: Whatever a step may answer.
Outcome: TypeAlias = Next | Retry | Await | ScheduleChildren | Done | Stop | Snoozed

OUTCOMES: Final = (Next, Retry, Await, ScheduleChildren, Done, Stop, Snoozed)


#: How a step is named in each place.
_NAMED: Final = {
    "Next(step)": "Next(self.second)",
    "Await(then)": "Await(..., then=self.second)",
    "ScheduleChildren(then)": "ScheduleChildren(..., then=self.second)",
}


def _check_step(target: object, what: str) -> None:
    if callable(target):
        return
    if isinstance(target, OUTCOMES) or iscoroutine(target):
        if iscoroutine(target):
            target.close()  # nobody will await it, and that is no second complaint
        raise InvalidOutcome(
            f"{what} was given what a step returned ({brief(target)}): name the step and do not"
            f" call it, as in {_NAMED[what]}"
        )
    check_name(target, what, InvalidOutcome)


def _check_rate(outcome: Next | Await | ScheduleChildren) -> None:
    if outcome.rate_limit is not None:
        what = f"{type(outcome).__name__}(rate_limit)"
        _set(outcome, "rate_limit", join_key(outcome.rate_limit, what, InvalidOutcome))
    if type(outcome.weight) is not int or outcome.weight != 1:
        positive(outcome.weight, f"{type(outcome).__name__}(weight)", InvalidOutcome)


def _names(names: Any) -> tuple[str, ...]:
    """Return the distinct names in *names*, which may be one, or several."""
    try:
        if isinstance(names, (str, type)):
            return (signal_name(names),)
        if isinstance(names, Signal):
            raise InvalidOutcome(
                f"Await(names={names!r}) is an object, to be sent; name its class,"
                f" {type(names).__name__}"
            )
        if not isinstance(names, Iterable):
            raise InvalidOutcome(f"Await(names={names!r}) must be names or Signal classes")
        found = tuple(dict.fromkeys(map(signal_name, names)))
    except InvalidInput as error:
        raise InvalidOutcome(f"Await(names): {error}") from None
    if not found:
        raise InvalidOutcome("Await(names) is empty; name a signal, or return Next(..., delay=...)")
    return found


def _spawns(children: Any) -> tuple[Spawn, ...]:
    """Return the children as ``Spawn`` objects."""
    check_several(children, "ScheduleChildren(children)", InvalidOutcome)
    try:
        return tuple(c if type(c) is Spawn else Spawn(c) for c in children)
    except InvalidInput as error:
        raise InvalidOutcome(f"ScheduleChildren(children): {error}") from None
