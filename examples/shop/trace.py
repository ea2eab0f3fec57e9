"""One order's way through the shop as a trace: `python -m examples.shop.trace` prints it.

The spans are collected in memory; an application sends them to its tracing system instead.
"""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from gendurable.ext.opentelemetry import instrument, uninstrument

if TYPE_CHECKING:
    from flask.testing import FlaskClient

    from gendurable import Durable


def trace_order(
    door: FlaskClient, durable: Durable, work: Callable[[], object], lines: dict[str, int]
) -> list[ReadableSpan]:
    """Order, pay and ship some goods; return the spans of all that took part.

    The two requests are spans as a framework's instrumentation would make them.
    """
    from examples.shop import payments

    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("shop")
    instrument(durable, tracer_provider=provider)
    try:
        with tracer.start_as_current_span("POST /orders", kind=SpanKind.SERVER):
            wish = {"cart": "traced", "customer": "Ada", "lines": lines}
            order = door.post("/orders", json=wish).get_json()
        work()
        content = {
            "id": "pi_traced",
            "amount": order["total"],
            "currency": "eur",
            "metadata": {"order_id": str(order["id"])},
        }
        event = {"id": "evt_traced", "type": "payment_intent.succeeded", "data": {}}
        body = json.dumps(event | {"data": {"object": content}}).encode()
        stamp = {"Payment-Signature": payments.signature(body, int(time.time()))}
        with tracer.start_as_current_span("POST /webhooks/payments", kind=SpanKind.SERVER):
            door.post("/webhooks/payments", data=body, headers=stamp)
        work()
    finally:
        uninstrument(durable)
    return list(exporter.get_finished_spans())


def tree(spans: Iterable[ReadableSpan]) -> str:
    """Draw spans as a tree: each under its parent, with its outcome, and whom it links to."""
    known = {span.context.span_id: span for span in spans if span.context is not None}
    below: dict[int | None, list[ReadableSpan]] = defaultdict(list)
    for span in sorted(known.values(), key=lambda span: span.start_time or 0):
        parent = span.parent.span_id if span.parent is not None else None
        below[parent if parent in known else None].append(span)

    def draw(span: ReadableSpan, depth: int) -> Iterable[str]:
        outcome = (span.attributes or {}).get("gendurable.outcome")
        links = [known[link.context.span_id].name for link in span.links]
        yield "".join(
            (
                "    " * depth,
                span.name,
                f" -> {outcome}" if outcome else "",
                f" (woken by {', '.join(links)})" if links else "",
            )
        )
        for child in below[span.context.span_id if span.context is not None else 0]:
            yield from draw(child, depth + 1)

    return "\n".join(line for root in below[None] for line in draw(root, 0))


def main() -> None:
    """Bring up a database and print the trace of one order."""
    from examples.shop.stage.processes import migrate
    from gendurable.testing import drain
    from gendurable.testing.server import Server

    with Server() as server:
        os.environ["DATABASE_URL"] = server.url()
        migrate({"DATABASE_URL": server.url()})
        from examples.shop import app, db, shipping
        from examples.shop.models import Product

        with db.Session.begin() as session:
            for sku, price in {"mug": 1200, "pot": 3500}.items():
                session.add(Product(sku=sku, name=sku, price=price, delivered=10, on_hand=10))
        shipping.book_label = lambda key, sku, quantity: f"CR-{sku}"
        lines = {"mug": 2, "pot": 1}
        door = app.app.test_client()
        print(tree(trace_order(door, db.durable, lambda: drain(db.durable), lines)))
        db.engine.dispose()


if __name__ == "__main__":
    main()
