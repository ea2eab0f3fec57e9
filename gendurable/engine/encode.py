"""From an outcome to the columns that it sets: what can be wrong with user data shows here."""

from __future__ import annotations

from datetime import timedelta
from time import monotonic
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from pydantic_core import to_json

from gendurable.engine.limits import Bursts, check_weight
from gendurable.engine.nouns import Claim, Finished
from gendurable.engine.spawning import encode_child, in_key_order
from gendurable.errors import InvalidOutcome
from gendurable.outcomes import (
    KEEP,
    Await,
    Done,
    Next,
    Outcome,
    Retry,
    ScheduleChildren,
    Snoozed,
    Stop,
)
from gendurable.state import describe, dump_json, dump_state, storable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gendurable.fsm import FSM
    from gendurable.spawn import Spawn

#: How many steps of an instance a worker runs ahead, where its class does not say.
AHEAD = 10
#: The outcomes that may say what the next execution costs.
_RATED = (Next, Await, ScheduleChildren)


def encode(
    claim: Claim,
    obj: FSM,
    outcome: Outcome,
    *,
    awaited: Sequence[int],
    max_size: int,
    bursts: Mapping[str, int] = MappingProxyType({}),
    recovered: bool = False,
    error: BaseException | None = None,
) -> Finished:
    """Encode what a step (or ``handle``, then *recovered*) answered.

    Raises:
        InvalidOutcome: it is no outcome, names a step that the machine does not have, or has a
            weight above one of the *bursts*, by name of the rate.
        ValueError: state, result or a child cannot be stored.
    """
    encoder = _ENCODERS.get(type(outcome))
    if encoder is None:
        raise InvalidOutcome(f"{claim.fsm}.{claim.step} returned {claim.machine.mend(outcome)}")
    finished = Finished(
        claim,
        outcome.kind,
        state=dump_state(obj, max_size=max_size),
        error=error,
        recovered=recovered,
    )
    encoder(finished, outcome, max_size)
    if isinstance(outcome, _RATED):
        _check_weights(outcome, bursts)
    if recovered:
        finished.presented = awaited if finished.kind == "await" else ()
    elif finished.kind in ("next", "children") or (isinstance(outcome, Await) and outcome.consume):
        finished.consumed = awaited
    elif finished.kind == "await":
        finished.presented = awaited
    if finished.kind == "snooze":
        finished.error = None  # what said so was raised, but nothing has failed
    elif error is not None:
        finished.fields.setdefault("last_error", describe(error))
    return finished


def _check_weights(outcome: Next | Await | ScheduleChildren, bursts: Mapping[str, int]) -> None:
    """Refuse what could never have its tokens; a rate that nobody knows may yet come."""
    rated: list[Any] = []
    if outcome.rate_limit is not None:
        rated.append(outcome)
    if isinstance(outcome, ScheduleChildren):
        rated += [spawn for spawn in outcome.children if spawn.rate_limit is not None]
    rated = [one for one in rated if one.weight > 1]  # one token fits into any bucket
    if rated and isinstance(bursts, Bursts):
        bursts = bursts.renewed()
    for one in rated:
        check_weight(one.rate_limit, one.weight, bursts, InvalidOutcome)


def _advance(finished: Finished, step: Any, outcome: Any) -> dict[str, Any]:
    """Return the columns of an outcome that goes on to another visit."""
    claim = finished.claim
    fields = finished.fields = {
        "status": "runnable",
        "step": claim.machine.resolve(step),
        "attempt": 0,
        "visit": claim.visit + 1,
    }
    if claim.concurrency_key is not None:
        fields["concurrency_key"] = claim.concurrency_key
    if outcome.rate_limit is not None:
        fields["rate_limit"] = outcome.rate_limit
        fields["weight"] = outcome.weight
    return fields


def _next(finished: Finished, outcome: Next, max_size: int) -> None:
    fields = _advance(finished, outcome.step, outcome)
    if outcome.delay:
        fields["delay"] = outcome.delay
    if outcome.concurrency_key is not KEEP:
        fields["concurrency_key"] = outcome.concurrency_key
    if outcome.priority is not KEEP:
        fields["priority"] = outcome.priority
    if outcome.queue is not KEEP:
        fields["queue"] = outcome.queue
    finished.ahead = _goes_on(finished.claim, outcome)


def _goes_on(claim: Claim, outcome: Next) -> bool:
    """Whether this worker may run the next step at once: it could claim it, and has not yet long.

    What a limit concerns takes its turn: whether anybody waits for it is for the claim to judge.
    """
    if outcome.run_ahead is False or outcome.delay or outcome.rate_limit is not None:
        return False
    if claim.concurrency_key is not None or outcome.concurrency_key not in (KEEP, None):
        return False
    if outcome.queue not in (KEEP, claim.queue) or outcome.priority not in (KEEP, claim.priority):
        return False
    bound = claim.machine.run_ahead
    if outcome.run_ahead is True:
        return True
    if isinstance(bound, timedelta):
        return monotonic() - claim.since < bound.total_seconds()
    return claim.ahead < (AHEAD if bound is None else bound)


def _again(finished: Finished, outcome: Retry | Snoozed, max_size: int) -> None:
    claim = finished.claim
    finished.fields = {
        "status": "runnable",
        "step": claim.step,
        "attempt": claim.attempt + (outcome.kind == "retry"),
        "visit": claim.visit,
        "delay": outcome.delay,
        "awaits": claim.awaits,
        "timed_out": claim.timed_out,
        "concurrency_key": claim.concurrency_key,
        "rate_limit": claim.rate_limit,
        "weight": claim.weight,
    }


def _await(finished: Finished, outcome: Await, max_size: int) -> None:
    fields = _advance(finished, outcome.then, outcome)
    fields["status"] = "awaiting_signal"
    fields["awaits"] = list(cast("tuple[str, ...]", outcome.names))  # it was made one at birth
    fields["timeout"] = outcome.timeout


def _children(finished: Finished, outcome: ScheduleChildren, max_size: int) -> None:
    fields = _advance(finished, outcome.then, outcome)
    fields["status"] = "awaiting_children"
    fields["timeout"] = outcome.timeout
    fields["quorum"] = outcome.quorum
    fields["round"] = finished.claim.round + 1
    children = cast("tuple[Spawn, ...]", outcome.children)  # it was made one at birth
    keys = [cast("str | None", spawn.correlation_key) for spawn in children]
    finished.children = [encode_child(children[n], max_size) for n in in_key_order(keys)]
    finished.keyed = any(key is not None for key in keys)
    finished.child_queues = frozenset(
        spawn.queue or type(spawn.obj).__machine__.queue for spawn in children
    )


def _done(finished: Finished, outcome: Done, max_size: int) -> None:
    finished.fields = {"status": "done"}
    if finished.claim.concurrency_key is not None:
        finished.fields["concurrency_key"] = finished.claim.concurrency_key
    if outcome.result is not None:
        finished.result = dump_json(outcome.result, "result", max_size=max_size)


def _stop(finished: Finished, outcome: Stop, max_size: int) -> None:
    finished.fields = failed_fields(finished.claim, storable(outcome.reason))


def failed_fields(claim: Claim, reason: str) -> dict[str, Any]:
    """Return the columns of a failed instance; it keeps what ``retry`` needs to put it back."""
    return {
        "status": "failed",
        "step": claim.step,
        "attempt": claim.attempt,
        "visit": claim.visit,
        "last_error": reason,
        "awaits": claim.awaits,
        "timed_out": claim.timed_out,
        "concurrency_key": claim.concurrency_key,
        "rate_limit": claim.rate_limit,
        "weight": claim.weight,
        "ended_from": "executing",
    }


_ENCODERS: dict[type, Any] = {
    Next: _next,
    Retry: _again,
    Snoozed: _again,
    Await: _await,
    ScheduleChildren: _children,
    Done: _done,
    Stop: _stop,
}


def columns(finished: Finished, **late: Any) -> dict[str, Any]:
    """Return what the commit of one outcome takes; *late* columns are known only there."""
    claim = finished.claim
    fields = {"id": claim.id, "claim_seq": claim.claim_seq, **_fields(finished, late)}
    return {**fields, "state": finished.state, "result": finished.result}


def document(finished: Finished, **late: Any) -> str:
    """Return the same as the JSON object that the commit of a batch takes."""
    claim = finished.claim
    fields = to_json(_fields(finished, late)).decode()[1:-1]
    result = f',"result":{finished.result}' if finished.result is not None else ""
    guard = f'"id":{claim.id},"claim_seq":{claim.claim_seq}'
    return f'{{{guard},{fields},"state":{finished.state}{result}}}'


def _fields(finished: Finished, late: dict[str, Any]) -> dict[str, Any]:
    fields = {**finished.fields, **late} if late else finished.fields
    if finished.claim.adopted:
        return {**fields, "fsm_version": finished.claim.fsm_version}
    return fields
