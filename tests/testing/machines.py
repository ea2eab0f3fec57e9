"""The machines that the testing helpers are tried on."""

from __future__ import annotations

import gendurable as gd


class Paid(gd.Signal):
    """The customer has paid."""

    amount: int


class Order(gd.FSM):
    """Wait for the payment, ship."""

    number: int
    paid: int | None = None

    @gd.step(initial=True)
    def start(self, ctx: gd.Context) -> gd.Outcome:
        """Wait for the money."""
        return gd.Await(Paid, then=self.ship, timeout=3600)

    @gd.step
    def ship(self, ctx: gd.Context) -> gd.Outcome:
        """Ship what was paid."""
        payment = ctx.awaited.first(Paid)
        if payment is None:
            return gd.Stop("payment never came")
        self.paid = payment.amount
        return gd.Done({"paid": self.paid})
