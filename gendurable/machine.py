"""A machine as the engine sees it: steps by name, settings, and the table of all machines."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, TypeAlias

from gendurable.errors import InvalidOutcome
from gendurable.retry import Backoff
from gendurable.state import brief

History: TypeAlias = Literal["all", "errors", "off"]
#: From the state and step of an older version to those of the next one.
Upgrade: TypeAlias = Callable[[dict[str, Any], str], tuple[dict[str, Any], str]]


@dataclass(frozen=True, slots=True)
class Step:
    """A step: call ``func(obj, ctx)``; its class's ``retry`` and ``step_timeout`` are merged in."""

    name: str
    func: Callable[[Any, Any], Any]
    is_async: bool = False
    retry: Backoff | None = None
    step_timeout: float | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Machine:
    """What was declared with a class of state machines."""

    cls: type[Any]
    name: str
    version: int
    queue: str
    retry: Backoff | None
    run_ahead: int | timedelta | None
    history: History
    step_timeout: float | None
    max_crashes: int | None
    steps: Mapping[str, Step]  # by name and by alias
    targets: Mapping[Any, str]  # the functions that are steps, with the name of each
    initial: str
    upgrades: Mapping[int, Upgrade]

    def __repr__(self) -> str:
        return f"<Machine {self.name} version {self.version}>"

    def resolve(self, target: str | Callable[..., Any]) -> str:
        """Return the name of the step that *target* means: a bound method, a name or an alias.

        Raises:
            InvalidOutcome: this machine has no such step.
        """
        if isinstance(target, str):
            step = self.steps.get(target)
            name = None if step is None else step.name
        else:
            name = self.targets.get(getattr(target, "__func__", target))
        if name is None:
            shown = getattr(target, "__qualname__", None) or repr(target)
            known = ", ".join(dict.fromkeys(step.name for step in self.steps.values()))
            mend = "; to make it one, mark it with @gd.step" if self._has(target) else ""
            raise InvalidOutcome(f"{shown} is no step of {self.name}; its steps are {known}{mend}")
        return name

    def mend(self, answer: object) -> str:
        """Say what *answer* is, which is no outcome, and what to return instead of it."""
        method: Any = getattr(answer, "__func__", answer)
        if inspect.isfunction(method) and method in self.targets:
            return f"{method.__qualname__}, a step; return Next(self.{method.__name__}) to go there"
        outcomes = "Next, Retry, Await, ScheduleChildren, Done, Stop"
        return f"{brief(method)}; return one of {outcomes}"

    def _has(self, target: str | Callable[..., Any]) -> bool:
        """Return whether *target* is a method of the class, or one bound to its object."""
        method = getattr(target, "__func__", target)
        found = inspect.getattr_static(self.cls, getattr(method, "__name__", ""), None)
        return found is not None and found is method

    def upgradable(self, from_version: int) -> bool:
        """Return whether rows of that older version can be adopted."""
        return from_version in self.upgrades

    def upgrade(
        self, from_version: int, state: dict[str, Any], step: str
    ) -> tuple[dict[str, Any], str]:
        """Return state and step as this version has them: one upgrade after the other is applied.

        Raises:
            Exception: whatever an upgrade raises, or that it did not return a dict and a name.
        """
        for version in sorted(v for v in self.upgrades if v >= from_version):
            answer: Any = self.upgrades[version](state, step)
            if not (isinstance(answer, tuple) and len(answer) == 2):
                raise TypeError(
                    f"the upgrade of {self.name} from version {version} returned {answer!r};"
                    " return a tuple (state, step)"
                )
            state, step = answer
        return state, self.resolve(step)


_defined: dict[tuple[str, int], Machine] = {}
_changes = 0


def defined() -> Mapping[tuple[str, int], Machine]:
    """Return all machines defined so far by (name, version): a live view."""
    return _defined


def changes() -> int:
    """Return a number that changes whenever ``defined()`` does."""
    return _changes


def define(machine: Machine) -> None:
    """Enter *machine* into the table; the same class, defined again, replaces the former.

    Raises:
        TypeError: another class has its name and version.
    """
    global _changes
    key = machine.name, machine.version
    former = _defined.get(key)
    if former is not None and _origin(former.cls) != _origin(machine.cls):
        raise TypeError(
            f"{machine.cls.__qualname__}: {former.cls.__module__}.{former.cls.__qualname__} is"
            f" already {machine.name!r} version {machine.version}; give one of them another name="
            " or version="
        )
    _defined[key] = machine
    _changes += 1


@contextmanager
def isolated() -> Iterator[None]:
    """Forget, at the end of the block, every machine that was defined within: for tests."""
    global _changes
    before = dict(_defined)
    try:
        yield
    finally:
        _defined.clear()
        _defined.update(before)
        _changes += 1


def _origin(cls: type[Any]) -> tuple[str, str]:
    """Return what tells classes apart; a file is one place, run as a script or imported."""
    module = sys.modules.get(cls.__module__)
    return getattr(module, "__file__", None) or cls.__module__, cls.__qualname__
