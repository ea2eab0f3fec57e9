"""The present release of the shop, its worker and its customers, for a tour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from examples.shop import books
from examples.shop.models import Order

if TYPE_CHECKING:
    from examples.shop.stage.commands import Commands, Running, Shown
    from gendurable import Durable

#: Whatever must happen happens within so many seconds.
PATIENCE = 30


class Shop:
    """The shop: things happen to it one after the other, so that each tour sees the same."""

    def __init__(self) -> None:
        # The binding is made on import, from the environment.
        from examples.shop import app, db, payments

        self.durable: Durable = db.durable
        self._sessions = db.Session
        self._payments = payments
        self._door = app.app.test_client()
        self._worker: Running | None = None

    def start(self, do: Commands) -> None:
        """Start a worker."""
        line = "worker @ -q checkout=4 -q ship=8"
        self._worker = do.start(line, lambda: self.durable.stats().workers)

    def stop(self) -> Shown | None:
        """Stop the worker, if one runs."""
        worker, self._worker = self._worker, None
        return worker and worker.stop()

    def order(self, customer: str, paid: bool = True, **lines: int) -> int:
        """Let a customer order, and pay if he does; return the checkout when all is done."""
        wish = {"cart": customer.lower(), "customer": customer, "lines": lines}
        order = self._door.post("/orders", json=wish).get_json()
        key = f"order:{order['id']}"
        self.durable.wait(key, timeout=PATIENCE)
        checkout = self.id(key)
        if paid:
            self._pay(order["id"], order["total"])
            self.settle(checkout)
        return checkout

    def take_cash(self, order_id: int) -> None:
        """Book money that was paid at the counter: nobody has told the checkout yet."""
        with self._sessions.begin() as session:
            order = session.get_one(Order, order_id)
            books.receive(session, order, f"cash_{order_id}", order.total)

    def settle(self, id: int) -> None:
        """Return when an instance has ended."""
        self.durable.wait(id, timeout=PATIENCE, until="terminal")

    def only(self, status: str) -> int:
        """Return the only instance with that status."""
        rows = self.durable.Instance
        with self._sessions() as session:
            return session.scalars(select(rows.id).where(rows.status == status)).one()

    def triggered(self) -> int:
        """Return the instance that the schedule has inserted."""
        (schedule,) = self.durable.schedules()
        assert schedule.last_id is not None
        return schedule.last_id

    def blocked(self) -> bool:
        """Tell whether an instance waits for a limit."""
        rows = self.durable.Instance
        with self._sessions() as session:
            return (
                session.scalars(select(rows.id).where(rows.blocked == "rate")).first() is not None
            )

    def id(self, key: str) -> int:
        """Return the instance with that correlation key."""
        rows = self.durable.Instance
        with self._sessions() as session:
            return session.scalars(select(rows.id).where(rows.correlation_key == key)).one()

    def _pay(self, order_id: int, amount: int) -> None:
        """Let the provider tell of a payment."""
        intent = {
            "id": f"pi_{order_id}",
            "amount": amount,
            "currency": "eur",
            "metadata": {"order_id": order_id},
        }
        event = {
            "id": f"evt_{order_id}",
            "type": "payment_intent.succeeded",
            "data": {"object": intent},
        }
        with self._sessions.begin() as session:
            self._payments.take(session, self._payments.Event.model_validate(event))
