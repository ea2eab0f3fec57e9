"""The calls behind the forms: from what was filled in to what the binding is asked to do."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from gendurable.errors import InvalidInput
from gendurable.settings import ConcurrencyLimit, RateLimit

if TYPE_CHECKING:
    from gendurable.durable import Durable

#: What a form has brought: texts, stripped, None where nothing was filled in.
Filled: TypeAlias = Mapping[str, str | None]
#: Does it: to the target, as filled in, in the name of somebody.
Do: TypeAlias = "Callable[[Durable, Any, Filled, str], object]"


def cancel(durable: Durable, id: Any, filled: Filled, by: str) -> object:
    """End an instance, with its descendants if that was ticked."""
    cascade = filled.get("cascade") is not None
    return durable.cancel(id, filled["reason"] or "", cascade, by=by)


def signal(durable: Durable, id: Any, filled: Filled, by: str) -> object:
    """Put a signal into its inbox."""
    body = filled.get("payload")
    try:
        payload = None if body is None else json.loads(body)
    except ValueError as error:
        raise InvalidInput(f"the payload is no JSON: {error}") from error
    return durable.signal(id, filled["name"] or "", payload, dedup_key=filled.get("dedup_key"))


def reschedule(durable: Durable, id: Any, filled: Filled, by: str) -> object:
    """Change what was filled in."""
    durable.reschedule(
        id,
        delay=_number(filled.get("delay"), "delay", float),
        priority=_number(filled.get("priority"), "priority", int),
        queue=filled.get("queue"),
        by=by,
    )
    return None


def _number(text: str | None, name: str, kind: Callable[[str], Any]) -> Any:
    try:
        return None if text is None else kind(text)
    except ValueError:
        raise InvalidInput(f"{name}={text!r} must be a number") from None


def plain(method: str) -> Do:
    """Call *method* with the target, who and why."""

    def do(durable: Any, id: Any, filled: Filled, by: str) -> object:
        return getattr(durable, method)(id, by=by, reason=filled.get("reason"))

    return do


def rewind(durable: Any, id: Any, filled: Filled, by: str) -> object:
    """Go back to a step, or to an entry of the history."""
    to = filled["to"] or ""
    goal = int(to) if to.isdecimal() else to
    return durable.rewind(id, to=goal, by=by, reason=filled.get("reason"))


def queue(method: str) -> Do:
    """Call *method* with a queue, who and why."""

    def do(durable: Any, name: Any, filled: Filled, by: str) -> object:
        return getattr(durable, method)(queue=name, by=by, reason=filled.get("reason"))

    return do


def schedule(method: str) -> Do:
    """Call *method* with the name of a schedule."""

    def do(durable: Any, name: Any, filled: Filled, by: str) -> object:
        return getattr(durable, method)(name)

    return do


def set_limit(durable: Any, name: Any, filled: Filled, by: str) -> object:
    """Override a limit by the one that was filled in; by none, leave it to the code."""
    at_once = _number(filled.get("at_once"), "at once", int)
    allowance = _number(filled.get("allowance"), "tokens", int)
    if at_once is not None and allowance is not None:
        raise InvalidInput("a limit is either so many at once, or so many in a time")
    limit: ConcurrencyLimit | RateLimit | None = None
    if at_once is not None:
        limit = ConcurrencyLimit(at_once)
    elif allowance is not None:
        per = _number(filled.get("per"), "seconds", float)
        limit = RateLimit(
            allowance, 1 if per is None else per, _number(filled.get("burst"), "burst", int)
        )
    return durable.set_limit(name, limit)
