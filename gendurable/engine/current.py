"""Which step runs here: so that an operation on its own instance can be told from any other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gendurable.engine.scope import Scope

_scope: ContextVar[Scope | None] = ContextVar("gendurable_step", default=None)


@contextmanager
def running(scope: Scope) -> Iterator[None]:
    """Say that what is called within is the step of *scope*."""
    token = _scope.set(scope)
    try:
        yield
    finally:
        _scope.reset(token)


def step() -> Scope | None:
    """Return the scope of the step that runs here, if any does."""
    return _scope.get()
