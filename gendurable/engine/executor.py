"""Run claims: each is one trip, driven by a thread or by an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Protocol

from gendurable.engine.nouns import Claim, Finished
from gendurable.engine.probes import Probe, surrounded
from gendurable.engine.scope import Scope
from gendurable.engine.trip import Calls, Trip, throwable

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.ext.asyncio import AsyncSession
    from sqlalchemy.orm import Session

    from gendurable.queries.statement import Database
    from gendurable.settings import Settings


class Binding(Protocol):
    """What executing needs of a binding."""

    engine: Engine
    db: Database
    settings: Settings
    name: str
    #: What fits into the bucket of each rate, by name, as far as this process knows.
    bursts: dict[str, int]
    #: Who watches executions from within.
    probes: tuple[Probe, ...]

    def open_session(self) -> Session:
        """Open the session of a sync step."""
        ...

    def open_async_session(self) -> AsyncSession:
        """Open the session of an async step."""
        ...

    def identity(self) -> str:
        """Return what tells this database from all others."""
        ...


@dataclass(frozen=True, slots=True)
class Hooks:
    """What the worker offers to the steps that it runs."""

    stopping: Callable[[Claim], bool]
    heartbeat: Callable[[Claim], None]
    #: The lease of a claim that a commit makes anew; None: no step runs ahead here.
    ttl: float | None = None


class Executor:
    """Turns claims into finished ones, for one worker."""

    def __init__(self, binding: Binding, worker: str, hooks: Hooks) -> None:
        self._binding = binding
        self._worker = worker
        self._hooks = hooks

    def run(self, claim: Claim) -> Finished:
        """Run the step that *claim* stands at, in this thread."""
        return _drive(self._calls(claim, False))

    async def run_async(self, claim: Claim) -> Finished:
        """Run an async step on this event loop."""
        return await _drive_async(self._calls(claim, True))

    def recover(self, claim: Claim, error: BaseException) -> Finished:
        """Let ``handle`` answer for an error from outside the step: a timeout, a refusal."""
        return _drive(self._calls(claim, False, error))

    def _calls(self, claim: Claim, is_async: bool, error: BaseException | None = None) -> Calls:
        scope = Scope(self._binding, claim, self._worker, self._hooks, is_async)
        trip = Trip(scope)
        calls = trip.run() if error is None else trip.recover(error)
        probes = self._binding.probes
        return surrounded(calls, scope, probes) if probes else calls


def _drive(trip: Calls) -> Finished:
    """Run a trip in this thread."""
    send: Callable[[Any], Any] = trip.send
    value: Any = None
    while True:
        try:
            call = send(value)
        except StopIteration as end:
            finished: Finished = end.value
            return finished
        try:
            value = call()
            if hasattr(type(value), "__await__"):  # by an upgrade the step has become an async one
                value = asyncio.run(_wait_for(value))
            send = trip.send
        except BaseException as error:
            value, send = throwable(error), trip.throw


async def _drive_async(trip: Calls) -> Finished:
    """Run a trip on this event loop."""
    send: Callable[[Any], Any] = trip.send
    value: Any = None
    while True:
        try:
            call = send(value)
        except StopIteration as end:
            finished: Finished = end.value
            return finished
        try:
            value = call()
            if isawaitable(value):
                value = await value
            send = trip.send
        except BaseException as error:
            value, send = throwable(error), trip.throw


async def _wait_for(value: Awaitable[Any]) -> Any:
    return await value
