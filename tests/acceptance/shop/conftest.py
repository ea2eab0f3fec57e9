"""What the tests of the shop share: its front door, its tables, and a carrier in this process."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from examples.shop import shipping
from examples.shop.models import Order, Product
from examples.shop.stage.audit import Outside, audit
from examples.shop.stage.processes import migrate
from gendurable.testing.databases import database

TABLES = (
    "deliveries, ledger, payments, parcels, order_lines, orders, products,"
    " gendurable.instances, gendurable.signals, gendurable.transitions"
)


class Carrier:
    """Makes one label for a key, and loses its answer as often as it is told to."""

    def __init__(self) -> None:
        self.labels: dict[str, str] = {}
        self.asked: Counter[str] = Counter()
        self.failures = 0

    def book_label(self, key: str, sku: str, quantity: int) -> str:
        self.asked[key] += 1
        if sku == "piano":
            raise shipping.Refused("the carrier does not take a piano")
        label = self.labels.setdefault(key, f"CR{len(self.labels)}")
        if self.failures:
            self.failures -= 1
            raise TimeoutError("the label is made, but nobody heard of it")
        return label


class Shop:
    """The shop as a test meets it: through its front door, and through its tables."""

    def __init__(self, carrier: Carrier) -> None:
        # The binding is made on import, from the environment that the fixture has set up.
        from examples.shop import app, db, payments

        self.carrier = carrier
        self.db = db
        self.payments = payments
        self.door = app.app.test_client()
        self.taken: dict[str, int] = {}
        with db.Session.begin() as session:
            session.execute(text(f"TRUNCATE {TABLES} RESTART IDENTITY CASCADE"))
            for sku, price in {"mug": 1200, "pot": 3500, "piano": 249_000}.items():
                session.add(Product(sku=sku, name=sku, price=price, delivered=10, on_hand=10))

    def order(self, cart: str = "c1", **lines: int) -> tuple[int, Any]:
        """Send a cart; return the status and the answer."""
        wish = {"cart": cart, "customer": "Ada", "lines": lines or {"mug": 2}}
        answer = self.door.post("/orders", json=wish)
        return answer.status_code, answer.get_json(silent=True)

    def new_order(self, cart: str = "c1", **lines: int) -> int:
        """Place an order that must be accepted; return its id."""
        status, answer = self.order(cart, **lines)
        assert status == 201
        return int(answer["id"])

    def pay(self, order_id: int, amount: int, *, event: str = "evt_1", intent: str = "pi_1") -> str:
        """Deliver a webhook that must be heard; return what came of it."""
        status, answer = self.deliver(order_id, amount, event=event, intent=intent)
        assert status == 200
        self.taken[intent] = amount
        return str(answer["answer"])

    def deliver(
        self,
        order_id: int,
        amount: int = 2400,
        *,
        event: str = "evt_1",
        intent: str = "pi_1",
        kind: str = "payment_intent.succeeded",
        secret: str = "whsec_demo",
        at: int = 0,
    ) -> tuple[int, Any]:
        """Deliver an event of any kind, signed with any secret, *at* seconds from now."""
        content = {
            "id": intent,
            "amount": amount,
            "currency": "eur",
            "metadata": {"order_id": str(order_id)},
        }
        body = json.dumps({"id": event, "type": kind, "data": {"object": content}}).encode()
        stamp = self.payments.signature(body, int(time.time()) + at, secret)
        answer = self.door.post(
            "/webhooks/payments", data=body, headers={"Payment-Signature": stamp}
        )
        return answer.status_code, answer.get_json(silent=True)

    def work(self) -> None:
        """Let a worker do all that can be done now."""
        from gendurable.testing import drain

        drain(self.db.durable)

    def wait_out(self) -> None:
        """Let the payment window of all orders pass."""
        from examples.shop.machines import PAYMENT_WINDOW
        from gendurable.testing import elapse, fire_timeouts

        elapse(self.db.durable, PAYMENT_WINDOW.total_seconds() + 1)
        fire_timeouts(self.db.durable)

    def status(self, order_id: int) -> tuple[str, str | None]:
        """Return an order's status and remark."""
        with self.db.Session() as session:
            order = session.get_one(Order, order_id)
            return order.status.value, order.remark

    def stock(self, sku: str) -> tuple[int, int]:
        """Return how many units there are, and how many of them are promised."""
        with self.db.Session() as session:
            product = session.get_one(Product, sku)
            return product.on_hand, product.reserved

    def count(self, table: str) -> int:
        """Return the number of rows of a table."""
        with self.db.engine.connect() as connection:
            return connection.scalar(text(f"SELECT count(*) FROM {table}")) or 0

    def differences(self, **ends: str) -> dict[str, int]:
        """Audit the shop, whose carts must have ended like this; return what is not as it must."""
        outside = Outside(ends, self.taken, self.carrier.labels)
        with self.db.engine.connect() as connection:
            return {check.claim: number for check, number in audit(connection, outside) if number}


@pytest.fixture(scope="session")
def shop_database(gendurable_server: str) -> Iterator[None]:
    """A database that the shop's own migrations have built."""
    with database(gendurable_server, f"shop_{os.getpid()}") as url:
        os.environ["DATABASE_URL"] = url
        migrate({"DATABASE_URL": url})
        yield
        from examples.shop.db import engine

        engine.dispose()
        del os.environ["DATABASE_URL"]


@pytest.fixture
def carrier(monkeypatch: pytest.MonkeyPatch) -> Carrier:
    """The carrier, in this process."""
    carrier = Carrier()
    monkeypatch.setattr(shipping, "book_label", carrier.book_label)
    return carrier


@pytest.fixture
def shop(shop_database: None, carrier: Carrier) -> Shop:
    """A shop with three products on its shelves and no orders."""
    return Shop(carrier)
