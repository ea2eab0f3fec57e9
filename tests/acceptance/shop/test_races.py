"""A payment and the deadline meet at one order; whoever is second sees what the first has done."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from sqlalchemy import text

WAITING = text(
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


class Gate:
    """Holds up the first who comes through, until it is opened."""

    def __init__(self) -> None:
        self.reached, self.opened = Event(), Event()

    def before(self, function):
        """Return *function* with this gate in front of it."""

        def gated(*args, **kwargs):
            if not self.reached.is_set():
                self.reached.set()
                assert self.opened.wait(10)
            return function(*args, **kwargs)

        return gated


@pytest.fixture
def unpaid(shop):
    """An order whose payment window is over; the step that will cancel it has not run yet."""
    order_id = shop.new_order()
    shop.work()
    shop.wait_out()
    return order_id


@pytest.fixture
def pool():
    """Threads for those who meet."""
    with ThreadPoolExecutor() as pool:
        yield pool


def test_money_before_the_step_has_looked_keeps_the_order(shop, unpaid, pool, monkeypatch):
    """The step was claimed without a signal, but finds the payment in the books."""
    from examples.shop.machines import Checkout

    gate = Gate()
    monkeypatch.setattr(Checkout, "_order", gate.before(Checkout._order))
    working = pool.submit(shop.work)
    assert gate.reached.wait(10)

    assert shop.pay(unpaid, 2400) == "booked"

    gate.opened.set()
    working.result()
    assert shop.differences(c1="shipped") == {}


def test_money_after_the_step_has_looked_goes_back(shop, unpaid, pool, monkeypatch, eventually):
    """The webhook waits for the step that cancels, finds nobody to signal, and refunds."""
    from examples.shop import books

    gate = Gate()
    monkeypatch.setattr(books, "release", gate.before(books.release))
    working = pool.submit(shop.work)
    assert gate.reached.wait(10)

    paying = pool.submit(shop.pay, unpaid, 2400)
    with shop.db.engine.connect() as watcher:
        watcher = watcher.execution_options(isolation_level="AUTOCOMMIT")
        eventually(lambda: watcher.scalar(WAITING))
    gate.opened.set()

    assert paying.result() == "refunded"
    working.result()
    assert shop.differences(c1="cancelled") == {}
