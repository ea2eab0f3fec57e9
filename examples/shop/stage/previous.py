"""The release before this one, and what it left in the database when it was stopped.

``gendurable check`` compares the present shop with these rows before it is deployed. Run as a
program, for the old classes bear the names of the present ones:
``python -m examples.shop.stage.previous``.
"""

from __future__ import annotations

import os

from sqlalchemy import create_engine
from sqlalchemy.orm import Session

import gendurable as gd
from examples.shop import books
from examples.shop.models import Order, OrderLine, Product
from gendurable.testing import drain


class PaymentConfirmed(gd.Signal):
    """The payment provider has the customer's money."""

    payment: str
    amount: int


class Checkout(gd.FSM, queue="checkout", history="all"):
    """As it is now, but that its second step was called ``send``."""

    order_id: int

    @gd.step(initial=True)
    def reserve(self, ctx: gd.Context) -> gd.Outcome:
        """Put the goods aside, then wait for the payment."""
        books.reserve(ctx.session, ctx.session.get_one(Order, self.order_id))
        return gd.Await(PaymentConfirmed, then=self.send, timeout=3600)

    @gd.step
    def send(self, ctx: gd.Context) -> gd.Outcome:
        """Send what was paid for: a parcel for each line."""
        order = ctx.session.get_one(Order, self.order_id)
        return gd.ScheduleChildren(
            [Ship(line_id=line.id, sku=line.sku) for line in order.lines], then=self.finish
        )

    @gd.step
    def finish(self, ctx: gd.Context) -> gd.Outcome:
        """Close the books."""
        return gd.Done()


class Ship(gd.FSM, queue="ship", history="all"):
    """One line of an order, when there was no quantity in it yet."""

    line_id: int
    sku: str

    @gd.step(initial=True)
    def hand_over(self, ctx: gd.Context) -> gd.Outcome:
        """Hand it to the carrier."""
        return gd.Done()


class Refund(gd.FSM, queue="checkout"):
    """Money back; the books do that themselves now."""

    order_id: int

    @gd.step(initial=True)
    def transfer(self, ctx: gd.Context) -> gd.Outcome:
        """Send it."""
        return gd.Done()


class Stocktake1(gd.Job, name="Stocktake", version=1, queue="checkout"):
    """The first one."""

    def perform(self, ctx: gd.Context) -> None:
        """Look along the shelf."""


class Stocktake2(gd.Job, name="Stocktake", version=2, queue="checkout"):
    """The second one, with a field that was to be renamed."""

    threshold: int

    def perform(self, ctx: gd.Context) -> None:
        """Look along the shelf."""


DAY = 86_400
SHELF = {"mug": 1200, "piano": 249_000, "pot": 3500}


def main() -> None:
    """Run the old shop for a while, and stop it in the middle."""
    engine = create_engine(os.environ["DATABASE_URL"])
    durable = gd.bind(engine, fsms=[Checkout, Ship, Refund, Stocktake1, Stocktake2])
    with Session(engine) as session, session.begin():
        for sku, price in SHELF.items():
            session.add(Product(sku=sku, name=sku, price=price, delivered=10, on_hand=10))
    on_its_way, at_the_till = (_order(durable, name) for name in ("Ada", "Bela"))
    drain(durable, queue="checkout")
    _pay(durable, on_its_way)
    drain(durable, queue="checkout")  # its parcel is not handed over any more
    _pay(durable, at_the_till)  # nor is this order sent
    durable.insert(Refund(order_id=on_its_way))
    durable.insert(Stocktake1(), delay=DAY)
    durable.insert(Stocktake2(threshold=5), delay=DAY)
    durable.notifier.close()
    engine.dispose()


def _order(durable: gd.Durable, customer: str) -> int:
    with Session(durable.engine) as session, session.begin():
        order = Order(cart=customer.lower(), customer=customer)
        order.lines = [OrderLine(sku="mug", quantity=1, price=SHELF["mug"])]
        session.add(order)
        session.flush()
        durable.insert(Checkout(order_id=order.id), session=session, correlation_key=order.key)
        return order.id


def _pay(durable: gd.Durable, order_id: int) -> None:
    with Session(durable.engine) as session, session.begin():
        order = session.get_one(Order, order_id)
        books.receive(session, order, f"pi_{order_id}", order.total)
        paid = PaymentConfirmed(payment=f"pi_{order_id}", amount=order.total)
        durable.signal(order.key, paid, session=session)


if __name__ == "__main__":
    main()
