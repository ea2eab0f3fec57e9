"""What commands are given: an instance, a duration, a JSON value, a condition on the state."""

from __future__ import annotations

import getpass
import json
import re
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)")


class InstanceName(click.ParamType[Any]):
    """An instance: its id, or its correlation key."""

    name = "instance"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | str:
        """Return digits as an id; a key that is all digits is written ``key:123``."""
        text = str(value)
        if text.isdecimal():
            return int(text)
        return text[4:] if re.fullmatch(r"key:\d+", text) else text


class Duration(click.ParamType[Any]):
    """A duration: ``90``, ``10m``, ``2h``, ``1d``."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the seconds."""
        found = _DURATION.fullmatch(str(value))
        if found is None or (found[2] or "s") not in _UNITS:
            self.fail(f"{value!r} should look like 90, 10m, 2h or 1d", param, ctx)
        return float(found[1]) * _UNITS[found[2] or "s"]


class Json(click.ParamType[Any]):
    """A JSON value; ``-`` reads it from standard input."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the value."""
        text = sys.stdin.read() if value == "-" else str(value)
        try:
            return json.loads(text)
        except ValueError as error:
            self.fail(f"{text!r} is no JSON: {error}", param, ctx)


class Where(click.ParamType[Any]):
    """A condition on the state: ``order=42``, ``customer.city=Bonn``."""

    name = "field=value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[tuple[str, ...], str]:
        """Return the path and the value as text."""
        path, equals, text = str(value).partition("=")
        if not equals or not all(path.split(".")):
            self.fail(f"{value!r} should look like order=42 or customer.city=Bonn", param, ctx)
        return tuple(path.split(".")), text


def by_option(command: F) -> F:
    """Give a command ``--by`` and ``--reason``, for the history."""
    for option in (
        click.option("--by", default=_user, help="Who does it.  [default: you]"),
        click.option("--reason", help="Why; it is kept in the history."),
    ):
        command = option(command)
    return command


def _user() -> str | None:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no name for this uid, as in some containers
        return None
