"""A scene to look at: the shop in the middle of its day, some of it going well and some not."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.web import office

#: What is sold, and for how many cents. The carrier does not take pianos.
PRODUCTS = {
    "mug": 1_200,
    "teapot": 3_500,
    "lamp": 8_900,
    "vase": 4_200,
    "piano": 249_000,
}


class Carrier:
    """A carrier that is slow now and then, down now and then, and never takes a piano."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def book_label(self, key: str, sku: str, quantity: int) -> str:
        from examples.shop import shipping

        if sku == "piano":
            raise shipping.Refused(f"the carrier does not take {quantity} x {sku}")
        if sku == "vase":
            raise TimeoutError("the carrier did not answer within 0.5 s")
        time.sleep(self._random.uniform(0.002, 0.03))
        return f"CR{self._random.randrange(10**8):08}"


class Shop:
    """The shop's front door: customers who order, and a provider who confirms payments."""

    def __init__(self, seed: int) -> None:
        from examples.shop import app, payments

        self._door = app.app.test_client()
        self._sign = payments.signature
        self._random = random.Random(seed)
        self._customers = iter(range(10**6))

    def order(self, **lines: int) -> int:
        """Place an order; return its id."""
        cart = f"cart-{next(self._customers)}"
        wish = {
            "cart": cart,
            "customer": self._random.choice(["Ada", "Grace", "Edsger", "Barbara"]),
        }
        answer = self._door.post("/orders", json={**wish, "lines": lines})
        assert answer.status_code == 201, answer.text
        return int(answer.json["id"])

    def pay(self, order: int, amount: int) -> None:
        """Have the provider say that an order is paid."""
        intent = {"id": f"pi_{order}", "amount": amount, "currency": "eur"}
        content = {"object": {**intent, "metadata": {"order_id": str(order)}}}
        body = json.dumps(
            {"id": f"evt_{order}", "type": "payment_intent.succeeded", "data": content}
        ).encode()
        answer = self._door.post(
            "/webhooks/payments",
            data=body,
            headers={"Payment-Signature": self._sign(body, int(time.time()))},
        )
        assert answer.status_code == 200, answer.text

    def cart(self) -> dict[str, int]:
        """Draw what a customer wants."""
        kinds = self._random.sample(["mug", "teapot", "lamp"], self._random.randint(1, 3))
        return {sku: self._random.randint(1, 3) for sku in kinds}

    def sell(self, paid: bool = True, **lines: int) -> int:
        """Place an order, and pay for it."""
        order = self.order(**lines)
        if paid:
            self.pay(order, sum(PRODUCTS[sku] * number for sku, number in lines.items()))
        return order


@contextmanager
def open_shop(url: str, seed: int = 7) -> Iterator[tuple[Any, Shop]]:
    """Give the binding of a shop with full shelves in the database at *url*, and its front door.

    The shop's modules read the address when they are imported, so a process has one such database.
    """
    os.environ["DATABASE_URL"] = url
    import gendurable as gd
    from examples.shop import shipping
    from examples.shop.db import Session, engine
    from examples.shop.models import Product
    from examples.shop.stage.processes import migrate

    migrate({"DATABASE_URL": url})
    with Session.begin() as session:
        for sku, price in PRODUCTS.items():
            session.add(Product(sku=sku, name=sku, price=price, delivered=9_999, on_hand=9_999))
    original, shipping.book_label = shipping.book_label, Carrier(seed).book_label
    durable = gd.bind(engine, name="shop", **office.LIMITS)
    office.open_office(durable)
    try:
        yield durable, Shop(seed)
    finally:
        shipping.book_label = original
        durable.notifier.close()
        engine.dispose()
