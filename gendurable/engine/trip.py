"""One execution of one claim, from its object to what came of it.

It is a generator: it yields what has to be called, and is sent what that returned, or thrown what
it raised. A thread calls; an event loop calls and awaits. So it is written once for both.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from gendurable import events
from gendurable.context import Context
from gendurable.engine import current
from gendurable.engine.claim import EMPTY
from gendurable.engine.doubt import Doubt
from gendurable.engine.encode import encode, failed_fields
from gendurable.engine.nouns import Claim, Finished
from gendurable.engine.probes import stamped_children
from gendurable.engine.record import history_entry, say
from gendurable.engine.scope import Scope
from gendurable.errors import LeaseLost
from gendurable.outcomes import Outcome, Retry
from gendurable.signals import Signals
from gendurable.state import describe, load_state, storable

if TYPE_CHECKING:
    from gendurable.fsm import FSM

#: Yields calls to make, is sent their results, returns what came of the claim.
Calls: TypeAlias = Generator[Callable[[], Any], Any, Finished]


class Trip:
    """Runs one claim in one scope."""

    __slots__ = ("_awaited", "_began", "_binding", "_claim", "_doubted", "_scope")

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._claim = scope.claim
        self._binding = scope.durable
        self._awaited = _awaited(scope.claim)
        self._began = time.monotonic()
        self._doubted: Doubt | None = None

    def run(self) -> Calls:
        """Run the step; again, from the state it started with, after the database's own faults."""
        claim = self._claim
        while True:
            try:
                obj = _load(claim)
            except Exception as error:
                return self._invalid(error)
            step = claim.machine.steps[claim.step]
            self._scope.is_async = step.is_async
            ctx = self._context(obj, self._awaited, claim.signals)
            if events.step_start.receivers:
                self._tell(events.step_start)
            try:
                return (yield from self._answer(obj, partial(step.func, obj, ctx)))
            except LeaseLost:
                yield self._scope.rollback
                return self._end("lost")
            except Exception as thrown:
                raised = _raised(thrown)
                steps_own = not self._doubt.covers(raised)
                yield self._scope.rollback
                if steps_own:
                    return (yield from self.recover(raised))
                if (yield from self._doubt.row_is_lost(raised)):
                    return self._end("lost")
            except BaseException as death:
                yield self._scope.rollback
                return self._end("crashed", death)

    def recover(self, error: BaseException) -> Calls:
        """Retry by the step's policy, else ask ``handle``; if that fails the instance does."""
        claim = self._claim
        if claim.recovered:
            return self._last_word(error, None)
        claim.recovered = True
        try:
            obj = _load(claim)
            ctx = self._context(obj, EMPTY, EMPTY)
            retry = _policy(claim, error)

            def handle() -> Outcome:
                return retry or obj.handle(error, ctx)  # type: ignore[arg-type]

            return (yield from self._answer(obj, handle, error))
        except LeaseLost:
            yield self._scope.rollback
            return self._end("lost")
        except Exception as thrown:
            second = _raised(thrown)
            steps_own = not self._doubt.covers(second)
            yield self._scope.rollback
            if steps_own:
                return self._last_word(error, second)
            if (yield from self._doubt.row_is_lost(second)):
                return self._end("lost")
        except BaseException as death:
            yield self._scope.rollback
            return self._end("crashed", death)
        claim.recovered = False
        return (yield from self.run())

    def _answer(
        self, obj: FSM, call: Callable[[], Any], error: BaseException | None = None
    ) -> Calls:
        """Call the step (or ``handle``, for *error*), encode its outcome, commit its session."""
        token = current.enter(self._scope)
        try:
            outcome = yield call
        finally:
            current.leave(token)
        finished = encode(
            self._claim,
            obj,
            stamped_children(outcome, self._binding.probes),
            awaited=self._awaited.ids,
            max_size=self._binding.settings.max_size,
            bursts=self._binding.bursts,
            recovered=error is not None,
            error=error,
        )
        if self._scope.touched:
            self._measure(finished)  # it is written right here
            finished.committed = yield lambda: self._scope.commit(finished)
        return self._note(finished)

    @property
    def _doubt(self) -> Doubt:
        """What the database's faults leave open; most trips never ask."""
        if self._doubted is None:
            self._doubted = Doubt(self._scope)
        return self._doubted

    def _context(self, obj: FSM, awaited: Signals, signals: Signals) -> Context:
        claim = self._claim
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
            scope=self._scope,
        )

    def _end(self, kind: str, error: BaseException | None = None) -> Finished:
        return self._note(Finished(self._claim, kind, error=error))

    def _last_word(self, error: BaseException, second: BaseException | None) -> Finished:
        """Fail the instance by means that cannot fail: its state as it was, and what went wrong."""
        reason = describe(error)
        if second is not None:
            reason = storable(f"{reason}; then handle raised {describe(second)}")
        fields = failed_fields(self._claim, reason)
        state = self._claim.state
        return self._note(Finished(self._claim, "stop", fields, state, error=error, recovered=True))

    def _invalid(self, error: Exception) -> Finished:
        self._tell(events.state_invalid, error=describe(error))
        return Finished(self._claim, "invalid")

    def _note(self, finished: Finished) -> Finished:
        """Note how long user code took and what the history keeps of it; say so."""
        if finished.committed is None:
            self._measure(finished)
        if finished.error is not None:
            say(finished)
        if events.step_stop.receivers:
            self._tell(
                events.step_stop,
                kind=finished.kind,
                duration=finished.duration,
                error=finished.error,
            )
        return finished

    def _measure(self, finished: Finished) -> None:
        finished.duration = time.monotonic() - self._began
        finished.entry = history_entry(finished)

    def _tell(self, event: Any, **fields: Any) -> None:
        claim = self._claim
        fields |= {"id": claim.id, "fsm": claim.fsm, "step": claim.step, "attempt": claim.attempt}
        events.emit(event, self._binding.name, queue=claim.queue, **fields)


class _Carrier(Exception):
    """Takes a ``StopIteration`` through generators, which would make another error of it."""


def throwable(error: BaseException) -> BaseException:
    """Return what can be thrown into a trip for *error*, which a call of it has raised."""
    return _Carrier(error) if isinstance(error, StopIteration) else error


def _raised(thrown: Exception) -> Exception:
    """Return the error that ``throwable`` has made *thrown* of."""
    error: Exception = thrown.args[0] if isinstance(thrown, _Carrier) else thrown
    return error


def _load(claim: Claim) -> FSM:
    """Return the object that the row holds, brought up to this build's version first."""
    machine = claim.machine
    if machine.version != claim.fsm_version:
        state, claim.step = machine.upgrade(claim.fsm_version, json.loads(claim.state), claim.step)
        claim.state = json.dumps(state)
        claim.fsm_version = machine.version
        claim.adopted = True
    obj: FSM = load_state(machine.cls, claim.state)
    return obj


def _awaited(claim: Claim) -> Signals:
    """Return the signals whose names the row was parked on."""
    if not claim.awaits or not claim.signals:
        return EMPTY
    names = set(claim.awaits)
    return Signals(tuple(one for one in claim.signals if one.name in names))


def _policy(claim: Claim, error: BaseException) -> Retry | None:
    """Return the retry that the step declares for this error, if any is left."""
    step = claim.step_spec
    retry = None if step is None else step.retry
    if retry is None or not isinstance(error, Exception) or not retry.covers(error):
        return None
    if claim.attempt + 1 >= retry.attempts:
        return None
    return Retry(retry.delay(claim.attempt))
