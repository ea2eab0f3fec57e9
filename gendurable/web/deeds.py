"""The calls behind the forms: from what was filled in to what the binding is asked to do."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from gendurable.errors import InvalidInput
from gendurable.posting import refuse_unfit
from gendurable.settings import ConcurrencyLimit, RateLimit

if TYPE_CHECKING:
    from gendurable.durable import Durable

#: What a form has brought: texts, stripped, None where nothing was filled in.
Filled: TypeAlias = Mapping[str, str | None]
#: Does it: to the target, as filled in, in the name of somebody. It may return an instance to see.
Do: TypeAlias = "Callable[[Durable, Any, Filled, str], object]"


def cancel(durable: Durable, id: int, filled: Filled, by: str) -> None:
    """End an instance, with its descendants if that was ticked."""
    durable.cancel(id, filled["reason"] or "", filled["cascade"] is not None, by=by)


def retry(durable: Durable, id: int, filled: Filled, by: str) -> None:
    """Put an instance back where it ended."""
    durable.retry(id, by=by, reason=filled["reason"])


def signal(durable: Durable, id: int, filled: Filled, by: str) -> None:
    """Put a signal into an inbox."""
    body = filled["payload"]
    try:
        payload = None if body is None else json.loads(body)
    except ValueError as error:
        raise InvalidInput(f"the payload is no JSON: {error}") from error
    name = filled["name"] or ""
    refuse_unfit(name, payload)
    durable.signal(id, name, payload, dedup_key=filled["dedup_key"])


def pause(durable: Durable, id: int, filled: Filled, by: str) -> None:
    """Hold an instance."""
    durable.pause(id, by=by, reason=filled["reason"])


def resume(durable: Durable, id: int, filled: Filled, by: str) -> None:
    """Let an instance go on."""
    durable.resume(id, by=by, reason=filled["reason"])


def reschedule(durable: Durable, id: int, filled: Filled, by: str) -> None:
    """Change what was filled in."""
    durable.reschedule(
        id,
        delay=_number(filled["delay"], "delay", float),
        priority=_number(filled["priority"], "priority", int),
        queue=filled["queue"],
        by=by,
    )


def rewind(durable: Durable, id: int, filled: Filled, by: str) -> None:
    """Go back to a step, or to an entry of the history."""
    to = filled["to"] or ""
    durable.rewind(id, to=int(to) if to.isdecimal() else to, by=by, reason=filled["reason"])


def pause_queue(durable: Durable, queue: str, filled: Filled, by: str) -> None:
    """Hold a queue."""
    durable.pause(queue=queue, by=by, reason=filled["reason"])


def resume_queue(durable: Durable, queue: str, filled: Filled, by: str) -> None:
    """Let a queue go on."""
    durable.resume(queue=queue, by=by, reason=filled["reason"])


def trigger(durable: Durable, name: str, filled: Filled, by: str) -> int:
    """Insert an instance of a schedule."""
    return int(durable.trigger(name))


def pause_schedule(durable: Durable, name: str, filled: Filled, by: str) -> None:
    """Keep a schedule from firing."""
    durable.pause_schedule(name)


def resume_schedule(durable: Durable, name: str, filled: Filled, by: str) -> None:
    """Let a schedule fire again."""
    durable.resume_schedule(name)


def edit_schedule(durable: Durable, name: str, filled: Filled, by: str) -> None:
    """Override when a schedule fires; what is empty is as the code declares it."""
    durable.edit_schedule(name, cron=filled["cron"], timezone=filled["timezone"])


def limit_key(durable: Durable, name: str, filled: Filled, by: str) -> None:
    """Override how many may run at once."""
    at_once = _number(filled["at_once"], "at once", int)
    durable.set_limit(name, ConcurrencyLimit(at_once))


def limit_rate(durable: Durable, name: str, filled: Filled, by: str) -> None:
    """Override how many tokens flow."""
    tokens = _number(filled["allowance"], "tokens", int)
    per = _number(filled["per"], "seconds", float)
    burst = _number(filled["burst"], "burst", int)
    durable.set_limit(name, RateLimit(tokens, per, burst))


def reset_limit(durable: Durable, name: str, filled: Filled, by: str) -> None:
    """Leave a limit to what the code declares."""
    durable.set_limit(name, None)


def _number(text: str | None, name: str, kind: Callable[[str], Any]) -> Any:
    try:
        return None if text is None else kind(text)
    except ValueError:
        raise InvalidInput(f"{name}={text!r} must be a number") from None
