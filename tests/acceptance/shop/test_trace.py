"""One order's way through the shop, as its trace tells it."""

from __future__ import annotations

from examples.shop.trace import trace_order, tree


def test_an_order_is_one_trace(shop):
    """From the request that places it through every step to its parcels; the payment is linked."""
    spans = trace_order(shop.door, shop.db.durable, shop.work, {"mug": 2, "pot": 1})

    assert tree(spans).splitlines() == [
        "POST /orders",
        "    Checkout.reserve -> await",
        "    Checkout.pack -> children (woken by POST /webhooks/payments)",
        "        Ship.hand_over -> done",
        "        Ship.hand_over -> done",
        "    Checkout.finish -> done",
        "POST /webhooks/payments",
    ]
