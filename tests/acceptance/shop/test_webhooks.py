"""The payment provider at the door: twice, late, too early, or somebody else in its name."""

from __future__ import annotations

import pytest


def test_a_second_delivery_changes_nothing(shop):
    """An event that is delivered again while the checkout lives is known by its id."""
    order_id = shop.new_order()

    assert [shop.pay(order_id, 2400) for _ in range(3)] == ["booked", "known", "known"]

    shop.work()
    assert shop.differences(c1="shipped") == {}


def test_a_delivery_after_the_end_changes_nothing(shop):
    """An event that is delivered again after the order was shipped is known by its payment."""
    order_id = shop.new_order()
    shop.pay(order_id, 2400)
    shop.work()

    assert shop.pay(order_id, 2400) == "known"

    assert shop.differences(c1="shipped") == {}


def test_another_event_for_the_same_payment_books_nothing(shop):
    """Two events that speak of one payment are one payment."""
    order_id = shop.new_order()
    shop.pay(order_id, 2400)

    assert shop.pay(order_id, 2400, event="evt_2") == "known"

    shop.work()
    assert shop.differences(c1="shipped") == {}


def test_late_money_goes_back(shop):
    """A payment for an order that was cancelled is booked and refunded, once."""
    order_id = shop.new_order()
    shop.work()
    shop.wait_out()
    shop.work()

    assert [shop.pay(order_id, 2400) for _ in range(2)] == ["refunded", "known"]

    assert shop.differences(c1="cancelled") == {}


def test_an_order_that_is_not_there_yet_is_asked_for_again(shop):
    """An event for an unknown order is answered with 404, which the provider takes as "later"."""
    assert shop.deliver(4711)[0] == 404
    assert shop.count("deliveries") == 0


def test_other_events_are_heard_and_ignored(shop):
    """A payment that is only intended is no payment."""
    order_id = shop.new_order()

    assert shop.deliver(order_id, kind="payment_intent.created") == (200, {"answer": "ignored"})

    shop.work()
    assert shop.status(order_id) == ("reserved", None)


@pytest.mark.parametrize("wrong", [{"secret": "guessed"}, {"at": -3600}, {"at": 3600}])
def test_a_forged_or_old_signature_is_refused(shop, wrong):
    """Only the provider can say that somebody paid, and a recording of it cannot."""
    order_id = shop.new_order()

    assert shop.deliver(order_id, **wrong)[0] == 400

    assert shop.count("payments") == 0
