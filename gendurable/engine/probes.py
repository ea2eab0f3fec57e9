"""Who watches executions from within: surrounds a step, and sends word along with what it inserts.

An event tells that something has happened; a trace needs more. It must be there while a step runs,
so that what the step does belongs to it, and it must reach the instances that are inserted.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from gendurable.outcomes import ScheduleChildren
from gendurable.queries import signals

if TYPE_CHECKING:
    from gendurable.engine.nouns import Finished
    from gendurable.engine.scope import Scope
    from gendurable.engine.trip import Calls
    from gendurable.spawn import Spawn

T = TypeVar("T")

_log = logging.getLogger("gendurable.events")

#: Of so many signals a tracer is told who sent them; the mail of one step may be endless.
LINKS = 100


class Probe(Protocol):
    """Watches the executions of a binding. What it raises is logged, and harms nobody."""

    def began(self, scope: Scope, senders: Sequence[Mapping[str, Any]]) -> Any:
        """Note that an execution begins here, in this thread or task; return what tells it apart.

        *senders* are the headers of the signals that it was parked on, as far as they have some.
        A context variable that is set here holds for the step, its handler and their calls.
        """

    def ended(self, begun: Any, finished: Finished | None) -> None:
        """Note, at the same place, what came of it; None if it was thrown away."""

    def headers(self) -> Mapping[str, str]:
        """Return what goes along with an instance that is inserted, or a signal sent, here."""
        ...


def surrounded(calls: Calls, scope: Scope, probes: Sequence[Probe]) -> Calls:
    """Make *calls* while the probes watch."""
    senders: Sequence[Mapping[str, Any]] = ()
    mail = _awaited(scope)
    if mail:
        try:
            senders = yield lambda: _read(scope, mail)
        except Exception:
            _log.exception("the senders of signals could not be read")
    begun = [(probe, _safely(probe.began, scope, senders)) for probe in probes]
    finished: Finished | None = None
    try:
        finished = yield from calls
        return finished
    finally:
        for probe, one in reversed(begun):
            if one is not None:
                _safely(probe.ended, one, finished)


def stamped(spawn: Spawn, probes: Sequence[Probe]) -> Spawn:
    """Return *spawn* with what the probes send along; what its inserter has given stays."""
    word = word_of(probes)
    return replace(spawn, headers={**word, **(spawn.headers or {})}) if word else spawn


def stamped_children(outcome: Any, probes: Sequence[Probe]) -> Any:
    """Return *outcome*; if it has children, with what the probes send along with them."""
    if not probes or not isinstance(outcome, ScheduleChildren):
        return outcome
    return replace(outcome, children=[stamped(one, probes) for one in outcome.children])


def word_json(probes: Sequence[Probe]) -> str | None:
    """Return what the probes send along with a signal, as JSON text."""
    word = word_of(probes)
    return json.dumps(word) if word else None


def word_of(probes: Sequence[Probe]) -> dict[str, str]:
    """Return what the probes send along with whatever is inserted or sent here."""
    word: dict[str, str] = {}
    for probe in probes:
        word.update(_safely(probe.headers) or {})
    return word


def _awaited(scope: Scope) -> list[int]:
    """Return the ids of the signals that the row was parked on."""
    claim = scope.claim
    names = claim.awaits or ()
    return [one.id for one in claim.signals if one.name in names][:LINKS]


def _read(scope: Scope, ids: Sequence[int]) -> Any:
    """Read what went along with signals, from a thread of its own if this is a loop."""

    def read() -> list[Mapping[str, Any]]:
        with scope.durable.engine.begin() as conn:
            return [json.loads(word) for word in signals.senders(conn, scope.durable.db, ids)]

    return asyncio.to_thread(read) if scope.is_async else read()


def _safely(call: Callable[..., T], *arguments: Any) -> T | None:
    try:
        return call(*arguments)
    except Exception:
        _log.exception("a probe failed: %s", call.__qualname__)
        return None
