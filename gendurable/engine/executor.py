"""Run one claim: its object, its step, its outcome; written once, driven by a thread or a loop.

An execution is a generator: it yields what has to be called, and is sent what that returned, or
thrown what it raised. A thread calls; an event loop calls and awaits.
"""

from __future__ import annotations

import asyncio
import json
import time
import traceback
from collections.abc import Callable, Generator
from dataclasses import dataclass
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy.exc import DBAPIError

from gendurable import events
from gendurable.context import Context
from gendurable.engine import current, faults
from gendurable.engine.claim import EMPTY
from gendurable.engine.encode import encode, failed_fields
from gendurable.engine.nouns import Claim, Finished
from gendurable.engine.scope import Scope
from gendurable.errors import LeaseLost
from gendurable.outcomes import Retry
from gendurable.queries import outcomes
from gendurable.signals import Signals
from gendurable.state import describe, load_state, storable

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.ext.asyncio import AsyncSession
    from sqlalchemy.orm import Session

    from gendurable.fsm import FSM
    from gendurable.queries.statement import Database
    from gendurable.settings import Settings

#: How often a step runs again after a deadlock before that is an error of the step.
DEADLOCKS = 5

Trip = Generator[Callable[[], Any], Any, Finished]


class Binding(Protocol):
    """What executing needs of a binding."""

    engine: Engine
    db: Database
    settings: Settings
    name: str

    def open_session(self) -> Session:
        """Open the session of a sync step."""
        raise NotImplementedError

    def open_async_session(self) -> AsyncSession:
        """Open the session of an async step."""
        raise NotImplementedError

    def identity(self) -> str:
        """Return what tells this database from all others."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Hooks:
    """What the worker offers to the steps that it runs."""

    stopping: Callable[[Claim], bool]
    heartbeat: Callable[[Claim], None]


class Executor:
    """Turns claims into finished ones, for one worker."""

    def __init__(self, binding: Binding, worker: str, hooks: Hooks) -> None:
        self._binding = binding
        self._worker = worker
        self._hooks = hooks

    def run(self, claim: Claim) -> Finished:
        """Run the step that *claim* stands at, in this thread."""
        return _drive(self._execute(claim))

    async def run_async(self, claim: Claim) -> Finished:
        """Run an async step on this event loop."""
        return await _drive_async(self._execute(claim))

    def recover(self, claim: Claim, error: BaseException) -> Finished:
        """Let ``handle`` answer for an error from outside the step: a timeout, a refused outcome."""
        return _drive(self._recover(claim, error, self._scope(claim, False), time.monotonic()))

    def _scope(self, claim: Claim, is_async: bool) -> Scope:
        return Scope(self._binding, claim, self._worker, self._hooks, is_async)

    def _execute(self, claim: Claim) -> Trip:
        began = time.monotonic()
        try:
            obj = _load(claim)
        except Exception as error:
            return self._invalid(claim, error)
        step = claim.machine.steps[claim.step]
        scope = self._scope(claim, step.is_async)
        awaited = _awaited(claim)
        deadlocks = 0
        while True:
            ctx = self._context(claim, obj, scope, awaited, claim.signals)
            if events.step_start.receivers:
                self._tell(events.step_start, claim)
            try:
                with current.running(scope):
                    outcome = yield lambda obj=obj, ctx=ctx: step.func(obj, ctx)
                finished = encode(
                    claim,
                    obj,
                    outcome,
                    awaited=[one.id for one in awaited],
                    max_size=self._binding.settings.max_size,
                )
                if scope.touched:
                    finished.committed = yield lambda one=finished: scope.commit(one)
                return self._stop(finished, began)
            except LeaseLost:
                yield scope.rollback
                return self._stop(Finished(claim, "lost"), began)
            except Exception as error:
                again = scope.touched and _again(error, deadlocks)
                yield scope.rollback
                if not again:
                    return (yield from self._recover(claim, error, scope, began))
                if faults.is_lost(error):
                    gone = yield from self._wait_for_database(claim, scope)
                    if gone:
                        return self._stop(Finished(claim, "lost"), began)
                else:
                    deadlocks += 1
                obj = _load(claim)
            except BaseException as error:
                yield scope.rollback
                return self._stop(Finished(claim, "crashed", error=error), began)

    def _recover(self, claim: Claim, error: BaseException, scope: Scope, began: float) -> Trip:
        """Retry by the step's policy, else ask ``handle``; if that fails the instance does."""
        if claim.recovered:
            return self._stop(_last_word(claim, error, None), began)
        claim.recovered = True
        awaited = [one.id for one in _awaited(claim)]
        try:
            obj = _load(claim)
            outcome = _policy(claim, error)
            if outcome is None:
                ctx = self._context(claim, obj, scope, EMPTY, EMPTY, answering=True)
                with current.running(scope):
                    outcome = yield lambda: obj.handle(error, ctx)
            finished = encode(
                claim,
                obj,
                outcome,
                awaited=awaited,
                max_size=self._binding.settings.max_size,
                recovered=True,
                error=error if isinstance(error, Exception) else None,
            )
            if scope.touched:
                finished.committed = yield lambda: scope.commit(finished)
        except LeaseLost:
            yield scope.rollback
            return self._stop(Finished(claim, "lost"), began)
        except Exception as second:
            yield scope.rollback
            return self._stop(_last_word(claim, error, second), began)
        except BaseException as death:
            yield scope.rollback
            return self._stop(Finished(claim, "crashed", error=death), began)
        return self._stop(finished, began)

    def _wait_for_database(self, claim: Claim, scope: Scope) -> Generator[Any, Any, bool]:
        """Wait until the database is back; say whether the claim is gone (it may be committed)."""
        delay = 0.05
        while not self._hooks.stopping(claim):
            try:
                with self._binding.engine.begin() as conn:
                    found = outcomes.lock(conn, self._binding.db, [claim.id], wait=True)
                return found.get(claim.id) != (self._worker, claim.claim_seq)
            except Exception as error:
                if not (faults.is_lost(error) or faults.is_transient(error)):
                    raise
                yield lambda wait=delay: _pause(wait, scope.is_async)
                delay = min(delay * 2, 2.0)
        return True

    def _context(
        self,
        claim: Claim,
        obj: FSM,
        scope: Scope,
        awaited: Signals,
        signals: Signals,
        answering: bool = False,
    ) -> Context:
        return Context(
            id=claim.id,
            fsm=claim.fsm,
            fsm_version=claim.machine.version,
            step=claim.step,
            attempt=claim.attempt,
            state=obj,
            correlation_key=claim.correlation_key,
            parent_id=claim.parent_id,
            headers=json.loads(claim.headers) if claim.headers else {},
            awaited=awaited,
            signals=signals,
            timed_out=claim.timed_out,
            idempotency_key=f"{self._binding.identity()}:{claim.id}:{claim.visit}",
            scope=scope,
        )

    def _invalid(self, claim: Claim, error: Exception) -> Finished:
        events.emit(
            events.state_invalid,
            self._binding.name,
            id=claim.id,
            fsm=claim.fsm,
            step=claim.step,
            error=describe(error),
        )
        return Finished(claim, "invalid", error=error)

    def _stop(self, finished: Finished, began: float) -> Finished:
        """Note how long user code took and what the history keeps of it."""
        finished.duration = time.monotonic() - began
        history = finished.claim.machine.history
        if finished.error is not None or history == "all":
            if history != "off":
                finished.entry = _entry(finished, history == "all")
        if events.step_stop.receivers:
            self._tell(
                events.step_stop, finished.claim, kind=finished.kind, duration=finished.duration
            )
        return finished

    def _tell(self, event: Any, claim: Claim, **fields: Any) -> None:
        events.emit(
            event,
            self._binding.name,
            id=claim.id,
            fsm=claim.fsm,
            step=claim.step,
            attempt=claim.attempt,
            **fields,
        )


def _drive(trip: Trip) -> Finished:
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
            value, send = call(), trip.send
        except BaseException as error:
            value, send = error, trip.throw


async def _drive_async(trip: Trip) -> Finished:
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
            value, send = error, trip.throw


def _pause(seconds: float, is_async: bool) -> Any:
    if is_async:
        return asyncio.sleep(seconds)
    return time.sleep(seconds)


def _load(claim: Claim) -> FSM:
    """Return the object that the row holds, brought up to this build's version first."""
    machine = claim.machine
    if machine.version != claim.fsm_version:
        state, claim.step = machine.upgrade(claim.fsm_version, json.loads(claim.state), claim.step)
        claim.state = json.dumps(state)
        claim.fsm_version = machine.version
    obj: FSM = load_state(machine.cls, claim.state)
    return obj


def _awaited(claim: Claim) -> Signals:
    """Return the signals whose names the row was parked on."""
    if not claim.awaits or not claim.signals:
        return EMPTY
    names = set(claim.awaits)
    return Signals(tuple(one for one in claim.signals if one.name in names))


def _again(error: Exception, deadlocks: int) -> bool:
    """Whether an error of the step's session is none of the step: run it again."""
    if not isinstance(error, DBAPIError):
        return False
    if faults.is_transient(error):
        return deadlocks < DEADLOCKS
    return faults.is_lost(error)


def _policy(claim: Claim, error: BaseException) -> Retry | None:
    """Return the retry that the step declares for this error, if any is left."""
    step = claim.step_spec
    retry = None if step is None else step.retry
    if retry is None or not isinstance(error, Exception) or not retry.covers(error):
        return None
    if claim.attempt + 1 >= retry.attempts:
        return None
    return Retry(retry.delay(claim.attempt))


def _last_word(claim: Claim, error: BaseException, second: BaseException | None) -> Finished:
    """Fail an instance by means that cannot fail: the state as it was, and what went wrong."""
    reason = describe(error)
    if second is not None:
        reason = storable(f"{reason}; then handle raised {describe(second)}")
    return Finished(
        claim,
        "stop",
        fields=failed_fields(claim, reason),
        state=claim.state,
        error=error,
        recovered=True,
    )


def _entry(finished: Finished, everything: bool) -> dict[str, Any]:
    entry: dict[str, Any] = {}
    error = finished.error
    if error is not None:
        entry["error"] = describe(error)
        entry["traceback"] = storable("".join(traceback.format_exception(error)))
    if everything:
        entry["state"] = json.loads(finished.claim.state)
    return entry
