"""The binding that a command works on, named as ``module:attribute``."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from gendurable.durable import Durable


class Target(click.ParamType[Any]):
    """A binding, named as ``myapp:durable``; importing it defines the application's machines."""

    name = "module:attribute"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Durable:
        """Import the module and return the binding."""
        from gendurable.durable import Durable

        if isinstance(value, Durable):
            return value
        module, _, path = str(value).partition(":")
        if os.getcwd() not in sys.path:
            sys.path.insert(0, os.getcwd())
        if os.sep in module:
            self.fail(_unknown(module, path))
        try:
            found: Any = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module}.".startswith(f"{error.name}."):
                raise _failed(module, error) from error
            self.fail(_unknown(module, path))
        except Exception as error:
            raise _failed(module, error) from error
        for attribute in (path or "durable").split("."):
            if not hasattr(found, attribute):
                self.fail(f"{module!r} has no {path or 'durable'!r}")
            found = getattr(found, attribute)
        if not isinstance(found, Durable):
            kind = type(found).__name__
            self.fail(f"{value!r} is of type {kind}; a binding is what gendurable.bind() returns")
        return found


def _unknown(module: str, path: str) -> str:
    """Say that there is no such module, and how one is named that was named as a file."""
    plain = os.path.normpath(module).removesuffix(".py").strip(f"{os.sep}.").replace(os.sep, ".")
    return (
        f"no module named {module!r} in {os.getcwd()} or on sys.path; name the binding as"
        f" module:attribute, such as {plain}:{path or 'durable'}"
    )


def _failed(module: str, error: Exception) -> click.ClickException:
    """Show where the application's own import failed, and return the sentence that says so."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename != __file__ and "importlib" not in frame.filename
    ]
    click.echo("".join(traceback.format_list(frames)), err=True, nl=False)
    where = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else module
    if isinstance(error, SyntaxError):
        where = f"{error.filename}:{error.lineno}"
    reason = str(error).strip().partition("\n")[0]
    return click.ClickException(
        f"importing {module!r} failed: {type(error).__name__}: {reason} ({where})"
    )
