"""Rules for settings: each says which values it takes, all of a group complain in one message."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from difflib import get_close_matches
from typing import Any, TypeAlias, TypeVar

from gendurable.errors import ConfigError, GenDurableError
from gendurable.retry import seconds
from gendurable.spawn import MAX_INT, check_name

T = TypeVar("T")

#: Takes a value and the name of its setting, returns the value as it is used, or raises.
Rule: TypeAlias = Callable[[Any, str], Any]


class Complaints:
    """What is wrong with a group of settings, collected so that all of it is said at once."""

    def __init__(self, where: str) -> None:
        self._prefix = f"{where}: " if where else ""
        self._lines: list[str] = []

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Take down what is refused in this block, and go on behind it."""
        try:
            yield
        except GenDurableError as error:
            for line in str(error).splitlines():
                self.add(line)

    def add(self, line: str) -> None:
        """Take down one thing; where it is said of the same place already, that stands once."""
        self._lines.append(self._prefix + line.removeprefix(self._prefix))

    def end(self) -> None:
        """Complain, if there is anything to complain about.

        Raises:
            ConfigError: with everything that is wrong, a line each.
        """
        if self._lines:
            raise ConfigError("\n".join(self._lines))


def check_all(
    settings: Any,
    where: str,
    rules: Mapping[str, Rule],
    together: Mapping[tuple[str, ...], Callable[[Any], None]] | None = None,
) -> None:
    """Check and convert each setting by its rule.

    What of them must fit to each other is looked at by *together*, if each by itself is in order.

    Raises:
        ConfigError: with everything that is wrong, a line each.
    """
    complaints = Complaints(where)
    sound = set()
    for item in fields(settings):
        rule = rules.get(item.name, anything)
        with complaints.noted():
            value = rule(getattr(settings, item.name), item.name)
            object.__setattr__(settings, item.name, value)
            sound.add(item.name)
    for names, check in (together or {}).items():
        if sound.issuperset(names):
            with complaints.noted():
                check(settings)
    complaints.end()


def build(kind: Callable[..., T], where: str, given: Mapping[str, Any], names: Iterable[str]) -> T:
    """Return settings of *kind*, which has these *names*, from what was given.

    Raises:
        ConfigError: with everything that is wrong, unknown names too.
    """
    names = list(names)
    complaints = Complaints(where)
    for name in given:
        if name not in names:
            complaints.add(_unknown(name, names))
    with complaints.noted():
        settings = kind(**{name: value for name, value in given.items() if name in names})
    complaints.end()
    return settings


def _unknown(name: object, names: list[str]) -> str:
    near = get_close_matches(str(name), names, 1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
    return f"there is no setting {name}; {hint}"


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
