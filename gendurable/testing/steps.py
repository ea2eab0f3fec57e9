"""Running one step of a machine without a database."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from gendurable.context import Child, Children, Context
from gendurable.engine.encode import encode
from gendurable.engine.nouns import Claim
from gendurable.errors import InvalidInput
from gendurable.fsm import FSM
from gendurable.machine import Machine, Step
from gendurable.outcomes import Outcome
from gendurable.signals import ReceivedSignal, Signal, Signals, payload_json, signal_name
from gendurable.spawn import Key, join_key
from gendurable.state import MAX_SIZE
from gendurable.testing.loops import finish

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession
    from sqlalchemy.orm import Session

#: A signal of a test: an object, a name, a name with its payload, or what a step would see.
Given: TypeAlias = Signal | str | tuple[str, Any] | ReceivedSignal


def run_step(
    step: Callable[..., Any] | str,
    state: FSM | None = None,
    *,
    awaited: Iterable[Given] = (),
    signals: Iterable[Given] = (),
    children: Iterable[Child] = (),
    attempt: int = 0,
    timed_out: bool = False,
    correlation_key: Key | None = None,
    parent_id: int | None = None,
    headers: Mapping[str, Any] | None = None,
    session: Session | AsyncSession | None = None,
    durable: Any = None,
) -> Outcome:
    """Run one step on *state* and return its outcome, checked as the engine would check it.

    What the step changes, it changes in *state*; what it raises is raised here, and ``handle`` is
    not called. An async step runs on an event loop of its own.

    Args:
        step: ``Checkout.ship``, ``checkout.ship`` (then *state* is that object) or ``"ship"``.
        state: the object that the step runs on.
        awaited: what ``ctx.awaited`` holds; ``ctx.signals`` holds it too.
        signals: what else ``ctx.signals`` holds.
        children: what ``ctx.children`` holds.
        attempt: how often the step ran before.
        timed_out: whether a deadline caused this visit.
        correlation_key: the key of the instance.
        parent_id: the id of the instance's parent.
        headers: what the inserter attached.
        session: what ``ctx.session`` or ``ctx.async_session`` is; without it they raise.
        durable: what ``ctx.durable`` is.

    Raises:
        InvalidOutcome: the step returned what cannot be carried out.
        StateError: it left a state, or returned a result, that cannot be stored.
    """
    obj = _state(step, state)
    machine: Machine = obj.__machine__
    found = machine.steps[machine.resolve(step)]
    presented = _received(awaited)
    context = Context(
        id=1,
        fsm=machine.name,
        fsm_version=machine.version,
        step=found.name,
        attempt=attempt,
        state=obj,
        correlation_key=join_key(correlation_key, "correlation_key"),
        parent_id=parent_id,
        headers=dict(headers or {}),
        awaited=Signals(presented),
        signals=Signals(presented + _received(signals, len(presented))),
        timed_out=timed_out,
        scope=_Scope(session, durable, _children(children), f"test:{found.name}"),
    )
    outcome: Outcome = _run(found, obj, context)
    encode(_claim(machine, found, attempt), obj, outcome, awaited=(), max_size=MAX_SIZE)
    return outcome


class _Scope:
    """What a step may reach for: what the test has given, and nothing else."""

    stopping = False

    def __init__(self, session: Any, durable: Any, children: list[Child], key: str) -> None:
        self.idempotency_key = key
        self._session = session
        self._children = children
        self.durable = durable

    def session(self) -> Session:
        found: Session = self._given("session")
        return found

    def async_session(self) -> AsyncSession:
        found: AsyncSession = self._given("async_session")
        return found

    def children(self) -> Children:
        return Children(lambda after, limit: [c for c in self._children if c.id > after][:limit])

    def heartbeat(self) -> None:
        """Nobody else can own what is not in a table."""

    def _given(self, name: str) -> Any:
        if self._session is None:
            raise RuntimeError(f"ctx.{name}: run_step has no database; pass one as session=")
        return self._session


def _state(step: Callable[..., Any] | str, state: FSM | None) -> FSM:
    """Return the object to run on: the one given, or the one that the method is bound to."""
    obj = getattr(step, "__self__", None) if state is None else state
    if not isinstance(obj, FSM):
        raise InvalidInput(f"state={state!r} is no FSM or Job object: pass one, like Checkout(...)")
    return obj


def _run(step: Step, obj: FSM, context: Context) -> Any:
    answer = step.func(obj, context)
    if not step.is_async:
        return answer
    return finish(answer)


def _children(given: Iterable[Child]) -> list[Child]:
    """Return the children, which are what became of them, and not what was scheduled."""
    children = list(given)
    for child in children:
        if not isinstance(child, Child):
            raise InvalidInput(
                f"children: {child!r} is no gd.Child; a step sees what became of its children,"
                " such as gd.Child(id=7, fsm='Mail', step='perform', status=gd.Status.DONE,"
                " state={}, result=None, last_error=None, round=1)"
            )
    return children


def _received(given: Iterable[Given], before: int = 0) -> tuple[ReceivedSignal, ...]:
    """Return the signals as they would be in the inbox, numbered from *before*."""
    return tuple(_receive(each, before + n) for n, each in enumerate(given, start=1))


def _receive(given: Given, number: int) -> ReceivedSignal:
    if isinstance(given, ReceivedSignal):
        return given
    signal, payload = given if isinstance(given, tuple) else (given, None)
    stored = json.loads(payload_json(signal, payload))
    return ReceivedSignal(number, signal_name(signal), stored, None, datetime.now(UTC))


def _claim(machine: Machine, step: Step, attempt: int) -> Claim:
    """Return as much of a claim as encoding an outcome reads."""
    claim = Claim.__new__(Claim)
    for name in Claim.__slots__:
        setattr(claim, name, None)
    claim.machine, claim.fsm, claim.fsm_version = machine, machine.name, machine.version
    claim.step, claim.attempt = step.name, attempt
    claim.adopted = claim.recovered = False
    claim.ahead, claim.since = 0, 0.0
    claim.id, claim.visit, claim.round, claim.claim_seq, claim.weight = 1, 0, 0, 1, 1
    return claim
