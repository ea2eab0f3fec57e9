"""Every command of `gendurable` on the shop's database: `python -m examples.shop.tour`.

It brings up the shop on a PostgreSQL of its own, where the release before has left rows behind,
deploys the present one, lets customers order, and prints each command with what it answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from examples.shop.stage.commands import Commands, Running, Shown

if TYPE_CHECKING:
    from gendurable import Durable

#: A scene runs commands, one after the other, and lets things happen in between.
Scene = Callable[["Shop", Commands], Iterator[Shown]]

NOWHERE = {"DATABASE_URL": "postgresql+psycopg://localhost:1/shop"}


class Shop:
    """The present release, and its customers."""

    def __init__(self, url: str) -> None:
        # The binding is made on import, from the environment.
        from examples.shop import app, db, payments

        self.url = url
        self.durable: Durable = db.durable
        self._sessions = db.Session
        self._payments = payments
        self._door = app.app.test_client()
        self.worker: Running | None = None

    def order(self, customer: str, paid: bool = True, **lines: int) -> int:
        """Let a customer order, and pay if he does; return when all is done that can be."""
        wish = {"cart": customer.lower(), "customer": customer, "lines": lines}
        order = self._door.post("/orders", json=wish).get_json()
        key = f"order:{order['id']}"
        handle = self.durable.wait(key, timeout=30)
        if paid:
            self.pay(order["id"], order["total"])
            self.durable.wait(handle.id, timeout=30, until="terminal")
        return int(handle.id)

    def pay(self, order: int, amount: int) -> None:
        """Let the provider tell of a payment."""
        intent = {
            "id": f"pi_{order}",
            "amount": amount,
            "currency": "eur",
            "metadata": {"order_id": order},
        }
        event = self._payments.Event.model_validate(
            {"id": f"evt_{order}", "type": "payment_intent.succeeded", "data": {"object": intent}}
        )
        with self._sessions.begin() as session:
            self._payments.take(session, event)

    def settle(self, id: int) -> None:
        """Wait until an instance has ended."""
        self.durable.wait(id, timeout=30, until="terminal")


def deploy(shop: Shop, do: Commands) -> Iterator[Shown]:
    """The new release meets what the old one left."""
    yield do.run("schema check @")
    yield do.run("schema check @ --json")
    yield do.run("schema upgrade @")
    yield do.run("check @", status=1)
    yield do.run("check @ --json", status=1)
