"""A span for each execution, in the trace of whoever inserted the instance."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextvars import Token
from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry import context, propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, TracerProvider

from gendurable.state import describe

if TYPE_CHECKING:
    from gendurable.durable import Durable
    from gendurable.engine.nouns import Claim, Finished
    from gendurable.engine.scope import Scope

SYSTEM = "gendurable"


class _Begun(NamedTuple):
    """A span that is the current one, and how to leave it."""

    span: Span
    token: Token[Context]


class Tracer:
    """Turns each execution into a span, and sends the current span's context along."""

    def __init__(self, durable: Durable, provider: TracerProvider | None) -> None:
        self._binding = durable.name
        self._tracer = trace.get_tracer("gendurable", tracer_provider=provider)

    def began(self, scope: Scope, senders: Sequence[Mapping[str, Any]]) -> _Begun:
        """Start the span of an execution and make it the current one."""
        claim = scope.claim
        # Not the context of this thread: what it did before has nothing to do with this instance.
        parent = _extract(json.loads(claim.headers) if claim.headers else {})
        span = self._tracer.start_span(
            f"{claim.fsm}.{claim.step}",
            context=parent,
            kind=SpanKind.CONSUMER,
            attributes=self._attributes(claim, scope.worker),
            links=_links(senders),
        )
        return _Begun(span, context.attach(trace.set_span_in_context(span, parent)))

    def ended(self, begun: _Begun, finished: Finished | None) -> None:
        """Say what came of it, and end the span."""
        context.detach(begun.token)
        try:
            if finished is not None:
                _conclude(begun.span, finished)
        finally:
            begun.span.end()

    def headers(self) -> Mapping[str, str]:
        """Return the context of the current span; nothing if there is none."""
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        return carrier

    def _attributes(self, claim: Claim, worker: str) -> dict[str, str | int]:
        found: dict[str, str | int | None] = {
            "messaging.system": SYSTEM,
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.destination.name": claim.queue,
            "messaging.message.id": str(claim.id),
            "messaging.message.conversation_id": claim.correlation_key,
            "messaging.client.id": worker,
            "gendurable.binding": self._binding,
            "gendurable.instance.id": claim.id,
            "gendurable.parent.id": claim.parent_id,
            "gendurable.fsm": claim.fsm,
            "gendurable.fsm.version": claim.fsm_version,
            "gendurable.step": claim.step,
            "gendurable.attempt": claim.attempt,
        }
        return {name: value for name, value in found.items() if value is not None}


def _extract(headers: Mapping[str, Any]) -> Context:
    """Return the context that somebody has sent along; what is no text is not for us."""
    texts = {name: value for name, value in headers.items() if isinstance(value, str)}
    return propagate.extract(texts, context=Context())


def _links(senders: Sequence[Mapping[str, Any]]) -> list[Link]:
    """Return links to the spans in which signals were sent."""
    found = (trace.get_current_span(_extract(one)).get_span_context() for one in senders)
    return [Link(span) for span in found if span.is_valid]


def _conclude(span: Span, finished: Finished) -> None:
    """Set what is known only at the end: the outcome, and the error if there was one."""
    span.set_attribute("gendurable.outcome", finished.kind)
    error = finished.error
    if error is not None:
        span.record_exception(error)
        span.set_attribute("error.type", type_of(error))
        span.set_status(Status(StatusCode.ERROR, describe(error)))
    elif finished.kind == "stop":
        span.set_status(Status(StatusCode.ERROR, finished.fields.get("last_error")))
    elif finished.kind in ("lost", "invalid"):
        span.set_attribute("error.type", finished.kind)
        span.set_status(Status(StatusCode.ERROR, _REASONS[finished.kind]))


_REASONS: Mapping[str, str] = {
    "lost": "the instance was lost to another owner",
    "invalid": "the stored state does not load",
}


def type_of(error: Any) -> str:
    """Return the name of an error's class, as the semantic conventions want it."""
    cls = type(error)
    return cls.__name__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
