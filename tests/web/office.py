"""The shop's back office: machines with families, limits and schedules, some of them in trouble."""

from __future__ import annotations

import time
from decimal import Decimal

import gendurable as gd

#: What the office's binding declares; hands change some of it.
LIMITS = {
    "concurrency_limits": {"bank": gd.ConcurrencyLimit(1), "warehouse": gd.ConcurrencyLimit(4)},
    "rate_limits": {"mail": gd.RateLimit(20, 60, 5), "prices": gd.RateLimit(600, 60)},
}
COUNTRIES = {"de": 9, "fr": 4, "it": 12, "pl": 2}
SELLERS = ("hopper-ceramics", "lovelace-lamps", "noether-pianos")


class Newsletter(gd.FSM, queue="mail", history="all"):
    """One issue: an edition for each country, then a report."""

    issue: str

    @gd.step(initial=True)
    def choose(self, ctx: gd.Context) -> gd.Outcome:
        """Start an edition for each country."""
        editions = [Edition(country=name, readers=n) for name, n in COUNTRIES.items()]
        return gd.ScheduleChildren(editions, then=self.report)

    @gd.step
    def report(self, ctx: gd.Context) -> gd.Outcome:
        """Say how it went."""
        return gd.Done({"editions": len(COUNTRIES)})


class Edition(gd.FSM, queue="mail", history="all"):
    """The issue of one country: a letter to each reader."""

    country: str
    readers: int

    @gd.step(initial=True)
    def translate(self, ctx: gd.Context) -> gd.Outcome:
        """Find the words, and the readers."""
        if self.country == "pl":
            raise LookupError(f"no translation of {ctx.fsm} for {self.country!r}")
        letters = [
            gd.Spawn(
                Letter(to=f"reader{n}@example.{self.country}"), rate_limit=f"mail:{self.country}"
            )
            for n in range(self.readers)
        ]
        return gd.ScheduleChildren(letters, then=self.close)

    @gd.step
    def close(self, ctx: gd.Context) -> gd.Outcome:
        """All letters have gone, or come back."""
        return gd.Done({"letters": self.readers})


class Letter(gd.FSM, queue="mail"):
    """One letter to one reader."""

    to: str

    @gd.step(initial=True)
    def send(self, ctx: gd.Context) -> gd.Outcome:
        """Hand it to the mail server."""
        if self.to.startswith("reader3"):
            return gd.Stop(f"550 no such user: {self.to}")
        return gd.Done()


class Payout(gd.FSM, queue="payouts", history="all"):
    """What a seller has earned, on its way to his bank, one transfer of a seller at a time."""

    seller: str
    cents: int

    @gd.step(initial=True)
    def transfer(self, ctx: gd.Context) -> gd.Outcome:
        """Ask the bank to pay."""
        time.sleep(20)
        return gd.Await("receipt", then=self.book, timeout=86_400)

    @gd.step
    def book(self, ctx: gd.Context) -> gd.Outcome:
        """Note that it is paid."""
        return gd.Done()


class Reconcile(gd.FSM, queue="books", history="all"):
    """The books against the bank's statement, every night."""

    statement: str = "2026-11-23.csv"

    @gd.step(initial=True)
    def fetch(self, ctx: gd.Context) -> gd.Outcome:
        """Fetch the statement."""
        return gd.Next(self.compare)

    @gd.step(retry=gd.Backoff(attempts=3, first=0.01, cap=0.02))
    def compare(self, ctx: gd.Context) -> gd.Outcome:
        """Compare line by line."""
        for line in ("4711;12.50", "4712;1.299,00"):
            _amount(line)
        return gd.Done()


def _amount(line: str) -> Decimal:
    order, _, amount = line.partition(";")
    try:
        return Decimal(amount)
    except ArithmeticError as error:
        raise ValueError(f"order {order}: {amount!r} is no amount") from error


class PriceSync(gd.FSM, queue="books"):
    """The prices of our suppliers."""

    @gd.step(initial=True)
    def fetch(self, ctx: gd.Context) -> gd.Outcome:
        """Fetch them."""
        return gd.Done()


class Return(gd.FSM, queue="returns"):
    """Goods that come back."""

    order: int

    @gd.step(initial=True)
    def inspect(self, ctx: gd.Context) -> gd.Outcome:
        """Look at what came back."""
        return gd.Done()


def open_office(durable: gd.Durable) -> None:
    """Declare what the clock starts."""
    durable.schedule("price-sync", PriceSync(), cron="*/6 * * * * *", overlap="skip", queue="books")
    durable.schedule(
        "reconciliation", Reconcile(), cron="0 3 * * *", timezone="Europe/Berlin", queue="books"
    )
    durable.schedule(
        "newsletter", Newsletter(issue="weekly"), cron="0 9 * * 1", timezone="Europe/Berlin"
    )
    durable.schedule("stock-count", PriceSync(), cron="0 22 * * 5", missed="skip", queue="books")


def work(durable: gd.Durable) -> None:
    """Give the office its day's work, and let hands change some of it."""
    for n in range(12):
        durable.insert(
            Payout(seller=SELLERS[n % 3], cents=12_900 + 517 * n),
            concurrency_key=f"bank:{SELLERS[n % 3]}",
            correlation_key=f"payout:{1000 + n}",
        )
    for order in range(8):
        durable.insert(Return(order=4_700 + order), correlation_key=f"return:{4_700 + order}")
    durable.trigger("reconciliation")
    durable.insert(Newsletter(issue="2026-47"), correlation_key="newsletter:2026-47")
    durable.pause(queue="returns", by="grace", reason="the scales are being calibrated")
    durable.pause_schedule("stock-count")
    durable.edit_schedule("newsletter", cron="0 10 * * 1")
    durable.set_limit("mail", gd.RateLimit(5, 60, 5))
    durable.set_limit("fax", gd.ConcurrencyLimit(1))
