"""The binding that a command works on, named as ``module:attribute``."""

from __future__ import annotations

import importlib
import os
import sys
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
        try:
            found: Any = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module}.".startswith(f"{error.name}."):
                raise
            self.fail(f"no module named {module!r}; name the binding as module:attribute")
        for attribute in (path or "durable").split("."):
            if not hasattr(found, attribute):
                self.fail(f"{module!r} has no {path or 'durable'!r}")
            found = getattr(found, attribute)
        if not isinstance(found, Durable):
            kind = type(found).__name__
            self.fail(f"{value!r} is of type {kind}; a binding is what gendurable.bind() returns")
        return found
