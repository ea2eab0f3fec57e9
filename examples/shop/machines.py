"""What the shop does between the click and the parcel, as two state machines.

``Checkout`` is one order's way through the shop; it fans out into one ``Ship`` for each line. The
orders, the stock and the books are the shop's own tables: a step changes them through
``ctx.session``, in the very transaction that commits its outcome.
"""

from __future__ import annotations

import os
from datetime import timedelta

import gendurable as gd
from examples.shop import books, shipping
from examples.shop.models import Order, OrderLine, OrderStatus, Parcel

#: How long goods are kept for somebody who has not paid.
PAYMENT_WINDOW = timedelta(seconds=float(os.environ.get("SHOP_PAYMENT_WINDOW", "3600")))


class PaymentConfirmed(gd.Signal):
    """The payment provider has the customer's money."""

    payment: str
    amount: int


class Checkout(gd.FSM, queue="checkout", history="all"):
    """One order: reserve the goods, wait for the money, send the goods, close the books."""

    order_id: int

    @gd.step(initial=True)
    def reserve(self, ctx: gd.Context) -> gd.Outcome:
        """Put the goods aside, then wait for the payment; it may be there already."""
        order = self._order(ctx)
        if not books.reserve(ctx.session, order):
            books.settle(ctx.session, order, earned=0, memo="sold out")
            books.close(order, OrderStatus.CANCELLED, "sold out")
            return gd.Done("sold out")
        return gd.Await(PaymentConfirmed, then=self.pack, timeout=PAYMENT_WINDOW)

    @gd.step
    def pack(self, ctx: gd.Context) -> gd.Outcome:
        """Send what was paid for, or put it back on the shelf.

        The payment woke us, or the deadline did. The books know better than either: the webhook
        books the money in the transaction that sends the signal, and waits in line for this order.
        So a payment that comes in while this step runs is either seen here or refunded there.
        """
        order = self._order(ctx)
        if books.paid(order) < order.total:
            books.release(ctx.session, order.lines)
            books.settle(ctx.session, order, earned=0, memo="not paid in full")
            books.close(order, OrderStatus.CANCELLED, "not paid in full")
            return gd.Done("not paid in full")
        order.status = OrderStatus.PAID
        parcels = [
            Ship(line_id=line.id, sku=line.sku, quantity=line.quantity) for line in order.lines
        ]
        return gd.ScheduleChildren(parcels, then=self.finish)

    @gd.step
    def finish(self, ctx: gd.Context) -> gd.Outcome:
        """Earn the money for what was sent, give back the rest."""
        order = self._order(ctx)
        missing = [line for line in order.lines if line.parcel is None]
        books.release(ctx.session, missing)
        books.settle(
            ctx.session,
            order,
            earned=order.total - sum(line.amount for line in missing),
            memo="could not be sent",
        )
        remark = "without " + ", ".join(line.sku for line in missing) if missing else None
        books.close(order, OrderStatus.SHIPPED, remark)
        return gd.Done({"parcels": len(order.lines) - len(missing)})

    def _order(self, ctx: gd.Context) -> Order:
        order = books.locked(ctx.session, self.order_id)
        assert order is not None, "orders are never deleted"
        return order


class Ship(gd.FSM, queue="ship", history="all"):
    """One line of an order, on its way to the carrier."""

    line_id: int
    sku: str
    quantity: int

    @gd.step(initial=True, retry=gd.Backoff(attempts=50, first=0.25, cap=2, on=(OSError,)))
    def hand_over(self, ctx: gd.Context) -> gd.Outcome:
        """Get a label, then note the parcel and the goods that left.

        The carrier is asked before the session is touched: no connection is held while it thinks.
        However often this step runs, by retries and crashes, the key of this visit is the same, so
        the carrier answers with the same label. What it refuses for good ends in ``Stop``.
        """
        tracking = shipping.book_label(ctx.idempotency_key, self.sku, self.quantity)

        line = ctx.session.get_one(OrderLine, self.line_id)
        line.parcel = Parcel(tracking=tracking, idempotency_key=ctx.idempotency_key)
        books.hand_out(ctx.session, line)
        return gd.Done({"tracking": tracking})
