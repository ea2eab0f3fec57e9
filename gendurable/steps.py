"""From marked methods to a machine: the decorators, and the checks that a class must pass."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from gendurable.context import Context
from gendurable.machine import Step, Upgrade
from gendurable.outcomes import Outcome
from gendurable.retry import Backoff, Duration, seconds
from gendurable.spawn import check_name, positive

F = TypeVar("F", bound=Callable[[Any, Context], Outcome | Awaitable[Outcome]])
U = TypeVar("U", bound=Upgrade)


@dataclass(frozen=True)
class Mark:
    """What ``@step`` leaves on a method."""

    initial: bool = False
    name: str | None = None
    aliases: tuple[str, ...] = ()
    retry: Backoff | None = None
    step_timeout: float | None = None


@dataclass(frozen=True)
class Marked:
    """A step of a class: the function that names it as a target, and the step as it is called."""

    target: Any
    step: Step
    aliases: tuple[str, ...] = ()
    initial: bool = False


@overload
def step(method: F, /) -> F: ...
@overload
def step(
    *,
    initial: bool = False,
    name: str | None = None,
    aliases: Iterable[str] = (),
    retry: Backoff | None = None,
    step_timeout: Duration | None = None,
) -> Callable[[F], F]: ...
def step(
    method: Any = None,
    /,
    *,
    initial: bool = False,
    name: str | None = None,
    aliases: Iterable[str] = (),
    retry: Backoff | None = None,
    step_timeout: Duration | None = None,
) -> Any:
    """Mark a method as a step, under its own name or the one given.

    *aliases* are former names that rows may still hold. *retry* and *step_timeout* go before those
    of the class.

    Raises:
        TypeError: an argument makes no sense, or what is marked is no method.
    """
    former = (aliases,) if isinstance(aliases, str) else tuple(aliases)
    mark = Mark(
        bool(initial),
        name if name is None else check_name(name, "step(name)", TypeError),
        tuple(check_name(alias, "step(aliases)", TypeError) for alias in former),
        check_retry(retry, "step(retry)"),
        check_timeout(step_timeout, "step(step_timeout)"),
    )

    def leave(function: Any) -> Any:
        _refuse_unbound(getattr(function, "__qualname__", ""), function)
        if not inspect.isfunction(function):
            raise TypeError(f"@step marks methods, not {function!r}")
        function.__step__ = mark  # type: ignore[attr-defined]
        return function

    return leave if method is None else leave(method)


def upgrade(*, from_version: int) -> Callable[[U], U]:
    """Mark a static method ``(state, step) -> (state, step)`` that adopts rows of an old version.

    It leads to the next version that has an upgrade, or else to the version of its class.
    """
    positive(from_version, "upgrade(from_version)", TypeError)

    def leave(function: Any) -> Any:
        getattr(function, "__func__", function).__upgrade__ = from_version
        return function

    return leave


def check_retry(value: object, what: str) -> Backoff | None:
    """Return *value* if it is a ``Backoff`` or None."""
    if value is not None and not isinstance(value, Backoff):
        raise TypeError(f"{what}={value!r} must be a Backoff, such as Backoff(attempts=5)")
    return value


def check_timeout(value: Duration | None, what: str) -> float | None:
    """Return *value* in seconds if it is a positive duration or None."""
    if value is None:
        return None
    number = seconds(value, what, TypeError)
    if not number:
        raise TypeError(f"{what}={value!r} must be longer than nothing; None means no limit")
    return number


def members(cls: type[Any]) -> dict[str, Any]:
    """Return what *cls* and its bases define, by name, in order of definition; the nearest wins."""
    return {key: value for base in reversed(cls.__mro__) for key, value in vars(base).items()}


def fits(function: Any, *arguments: str) -> bool:
    """Return whether *function* can be called with so many positional arguments, and no more."""
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError:
        return False
    return True


def marked_steps(cls: type[Any], options: Mapping[str, Any]) -> list[Marked]:
    """Return the steps of *cls*.

    Raises:
        TypeError: a method cannot be a step, or hides one.
    """
    for key, one in cls.model_fields.items():
        if isinstance(getattr(one.default, "__step__", None), Mark):  # pydantic took the method
            raise TypeError(f"{cls.__qualname__}.{key} is both a field and a step; rename one")
    found = []
    for key, value in members(cls).items():
        if hasattr(getattr(value, "__func__", None), "__step__"):
            _refuse_unbound(f"{cls.__qualname__}.{key}", value)
        mark = getattr(value, "__step__", None)
        if not isinstance(mark, Mark):
            if any(isinstance(_mark(base, key), Mark) for base in cls.__mro__):
                raise TypeError(
                    f"{cls.__qualname__}.{key} hides a step of its base class;"
                    " mark it with @step too, or call it otherwise"
                )
            continue
        if key in cls.model_fields:
            raise TypeError(f"{cls.__qualname__}.{key} is both a field and a step; rename one")
        check_method(cls, key, value, "step")
        if inspect.signature(value).return_annotation in (None, "None"):
            raise TypeError(f"{cls.__qualname__}.{key} returns None; a step must return an outcome")
        call = Step(
            mark.name or key,
            value,
            inspect.iscoroutinefunction(value),
            mark.retry or options["retry"],
            mark.step_timeout or options["step_timeout"],
        )
        found.append(Marked(value, call, mark.aliases, mark.initial))
    return found


def _refuse_unbound(where: str, method: object) -> None:
    if isinstance(method, (staticmethod, classmethod)):
        raise TypeError(f"{where}: a step is no {type(method).__name__}; let it take (self, ctx)")


def _mark(base: type[Any], key: str) -> Any:
    return getattr(vars(base).get(key), "__step__", None)


def check_method(cls: type[Any], key: str, function: Any, what: str) -> None:
    """Complain about a step or ``perform`` that cannot be called with ``(self, ctx)``."""
    where = f"{cls.__qualname__}.{key}"
    if not inspect.isfunction(function) or not fits(function, "self", "ctx"):
        raise TypeError(f"{where} must take (self, ctx): write def {key}(self, ctx)")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(f"{where} is a generator; a {what} returns, it does not yield")


def check_steps(cls: type[Any], steps: list[Marked]) -> tuple[dict[str, Step], str]:
    """Return the steps by name and alias, and the name of the initial one.

    Raises:
        TypeError: there are none, two have one name, or the initial one is not clear.
    """
    where = cls.__qualname__
    if not steps:
        raise TypeError(
            f"{where} has no steps; mark a method with @step, or say abstract=True if it is a base"
        )
    by_name: dict[str, Step] = {}
    for item in steps:
        for name in (item.step.name, *item.aliases):
            if by_name.setdefault(name, item.step) is not item.step:
                raise TypeError(f"{where} has two steps that are called {name!r}; rename one")
    marked = [item.step.name for item in steps if item.initial]
    if len(marked) > 1:
        raise TypeError(f"{where} has several initial steps ({', '.join(marked)}); mark one")
    if not marked and len(steps) > 1 and "start" not in by_name:
        names = ", ".join(item.step.name for item in steps)
        raise TypeError(f"{where}: which step is first? Mark one of {names} with initial=True")
    return by_name, by_name[(marked or ["start" if len(steps) > 1 else steps[0].step.name])[0]].name


def find_upgrades(cls: type[Any], version: int) -> dict[int, Upgrade]:
    """Return the upgrades of *cls* by the version that they start from.

    Raises:
        TypeError: two start from one version, or one from a version that is not older.
    """
    found: dict[int, Upgrade] = {}
    for key, value in members(cls).items():
        function = getattr(value, "__func__", value)
        origin = getattr(function, "__upgrade__", None)
        if origin is None:
            continue
        where = f"{cls.__qualname__}.{key}"
        if not fits(function, "state", "step"):
            raise TypeError(f"{where} must take (state, step), without self")
        if origin >= version:
            raise TypeError(f"{where} upgrades from version {origin}, but the class is {version}")
        if origin in found:
            raise TypeError(f"{where} is the second upgrade from version {origin}; keep one")
        found[origin] = function
    return found


def hint_of(annotation: Any, function: Callable[..., Any]) -> Any:
    """Return an annotation, evaluated if it is text; what is not known yet is left to pydantic."""
    if isinstance(annotation, str):
        try:
            return eval(annotation, function.__globals__)
        except NameError:
            return annotation
    return Any if annotation is inspect.Parameter.empty else annotation


def is_ctx(name: str, hints: dict[str, Any]) -> bool:
    """Return whether the parameter *name* is the context."""
    hint = hints[name]
    return name == "ctx" or hint is Context or str(hint).rpartition(".")[2] == "Context"
