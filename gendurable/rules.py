"""Rules for settings: each says which values it takes, all of a group complain in one message."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import Any, TypeAlias, TypeVar

from gendurable.errors import ConfigError, GenDurableError
from gendurable.retry import seconds
from gendurable.spawn import MAX_INT, check_name

T = TypeVar("T")

#: Takes a value and the name of its setting, returns the value as it is used, or raises.
Rule: TypeAlias = Callable[[Any, str], Any]


def check_all(
    settings: Any,
    where: str,
    rules: Mapping[str, Rule],
    together: Callable[[Any], Iterable[str]] | None = None,
) -> None:
    """Check and convert each setting by its rule; *together* looks at what must fit to each other.

    Raises:
        ConfigError: with everything that is wrong, a line each.
    """
    problems = []
    for item in fields(settings):
        rule = rules.get(item.name, anything)
        try:
            object.__setattr__(settings, item.name, rule(getattr(settings, item.name), item.name))
        except GenDurableError as error:
            problems.append(str(error))
    if not problems and together is not None:
        problems += together(settings)
    if problems:
        raise ConfigError("\n".join(f"{where}: {problem}" for problem in problems))


def build(kind: Callable[..., T], where: str, given: Mapping[str, Any], names: Iterable[str]) -> T:
    """Return settings of *kind*, which has these *names*, from what was given.

    Raises:
        ConfigError: with everything that is wrong, unknown names too.
    """
    known = {name: value for name, value in given.items() if name in names}
    problems = [f"{where}: there is no setting {name}" for name in given if name not in known]
    try:
        settings = kind(**known)
    except ConfigError as error:
        raise ConfigError("\n".join([*problems, str(error)])) from None
    if problems:
        raise ConfigError("\n".join(problems))
    return settings


def anything(value: Any, what: str) -> Any:
    """Take any value."""
    return value


def whole(value: Any, what: str, least: int) -> int:
    """Take an integer that is not below *least*."""
    if type(value) is not int or not least <= value <= MAX_INT:
        raise ConfigError(f"{what}={value!r} must be an integer from {least} to {MAX_INT}")
    return value


def count(value: Any, what: str) -> int:
    """Take a positive integer."""
    return whole(value, what, 1)


def positive_duration(value: Any, what: str) -> float:
    """Take a duration longer than nothing; return it in seconds."""
    number = seconds(value, what, ConfigError)
    if not number:
        raise ConfigError(f"{what}={value!r} must be longer than nothing")
    return number


def duration(value: Any, what: str) -> float:
    """Take a duration; return it in seconds."""
    return seconds(value, what, ConfigError)


def name_of(value: Any, what: str) -> str:
    """Take a name of 1 to 512 bytes."""
    return check_name(value, what, ConfigError)


def flag(value: Any, what: str) -> bool:
    """Take True or False."""
    if not isinstance(value, bool):
        raise ConfigError(f"{what}={value!r} must be True or False")
    return value


def text_or_none(value: Any, what: str) -> str | None:
    """Take text or None; the value is not shown, since it may hold a password."""
    if value is not None and not isinstance(value, str):
        raise ConfigError(f"{what} must be text or None, not {type(value).__name__}")
    return value


def port(value: Any, what: str) -> int | None:
    """Take a port or None."""
    if value is not None and (type(value) is not int or not 0 <= value <= 65_535):
        raise ConfigError(f"{what}={value!r} must be a port from 0 to 65535, or None")
    return value
