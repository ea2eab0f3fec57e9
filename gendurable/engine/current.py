"""Which step runs here: so that an operation on its own instance can be told from any other."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gendurable.engine.scope import Scope

_scope: ContextVar[Scope | None] = ContextVar("gendurable_step", default=None)


#: Say that what is called from now on is the step of a scope, until ``leave`` takes the token back.
enter = _scope.set
leave = _scope.reset


def step() -> Scope | None:
    """Return the scope of the step that runs here, if any does."""
    return _scope.get()
