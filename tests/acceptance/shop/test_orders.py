"""An order's way through the shop, and every way it may end."""

from __future__ import annotations


class TestPlacing:
    def test_an_order_and_its_checkout_are_one(self, shop):
        """A request that is answered with 201 has left an order and its checkout."""
        order_id = shop.new_order(mug=2, pot=1)

        assert shop.status(order_id) == ("placed", None)
        assert (shop.count("orders"), shop.count("gendurable.instances")) == (1, 1)

    def test_a_refused_order_leaves_no_trace(self, shop):
        """What is not on the price list takes back the order and the checkout."""
        status, _ = shop.order(mug=2, unicorn=1)

        assert status == 422
        assert (shop.count("orders"), shop.count("gendurable.instances")) == (0, 0)

    def test_a_second_click_finds_the_first(self, shop):
        """A cart that is sent twice is one order."""
        first = shop.order("c1")
        again = shop.order("c1")

        assert (first[0], again[0]) == (201, 200)
        assert first[1] == again[1]
        assert shop.count("gendurable.instances") == 1

    def test_a_malformed_order_is_told_why(self, shop):
        """A wish that makes no sense is answered with 422 and the field at fault."""
        status, answer = shop.order(mug=0)

        assert status == 422
        assert answer["errors"][0]["loc"] == ["lines", "mug"]


class TestCheckout:
    def test_ships_what_was_paid(self, shop):
        """Reserved, paid, sent: one parcel a line, and the books agree."""
        order_id = shop.new_order(mug=2, pot=1)
        shop.work()
        assert shop.stock("mug") == (10, 2)

        assert shop.pay(order_id, 5900) == "booked"
        shop.work()

        assert shop.status(order_id) == ("shipped", None)
        assert shop.stock("mug") == (8, 0)
        assert shop.count("parcels") == 2
        assert shop.differences(c1="shipped") == {}

    def test_finds_a_payment_that_came_early(self, shop):
        """Money that arrives before the checkout waits for it is not waited for."""
        order_id = shop.new_order()
        shop.pay(order_id, 2400)

        shop.work()

        assert shop.differences(c1="shipped") == {}

    def test_puts_the_goods_back_if_nobody_pays(self, shop):
        """When the payment window has passed, the promise is taken back."""
        order_id = shop.new_order()
        shop.work()

        shop.wait_out()
        shop.work()

        assert shop.status(order_id) == ("cancelled", "not paid in full")
        assert shop.stock("mug") == (10, 0)
        assert shop.differences(c1="cancelled") == {}

    def test_keeps_a_payment_that_meets_the_deadline(self, shop):
        """Money that comes in between the deadline and the step it woke keeps the order alive."""
        order_id = shop.new_order()
        shop.work()
        shop.wait_out()

        assert shop.pay(order_id, 2400) == "booked"
        shop.work()

        assert shop.differences(c1="shipped") == {}

    def test_gives_back_what_is_not_enough(self, shop):
        """An order that is not paid to the cent is cancelled, and its money goes back."""
        order_id = shop.new_order()
        shop.work()
        shop.pay(order_id, 2399)

        shop.work()

        assert shop.status(order_id) == ("cancelled", "not paid in full")
        assert shop.differences(c1="cancelled") == {}

    def test_gives_back_what_is_too_much(self, shop):
        """A second payment, by another event, comes back when the order is settled."""
        order_id = shop.new_order()
        shop.pay(order_id, 2400)
        shop.pay(order_id, 2400, event="evt_2", intent="pi_2")

        shop.work()

        assert shop.differences(c1="shipped") == {}

    def test_cannot_promise_what_is_not_there(self, shop):
        """A short shelf cancels the order, keeps every other line, and refunds an early payment."""
        order_id = shop.new_order(mug=11, pot=1)
        shop.pay(order_id, 16_700)

        shop.work()

        assert shop.status(order_id) == ("cancelled", "sold out")
        assert shop.stock("pot") == (10, 0)
        assert shop.differences(c1="cancelled") == {}


class TestShipping:
    def test_an_answer_that_got_lost_costs_no_label(self, shop, carrier):
        """The carrier hears the same key until its answer arrives, and makes one label."""
        carrier.failures = 3
        shop.pay(shop.new_order(), 2400)

        shop.work()

        assert list(carrier.asked.values()) == [4]
        assert shop.differences(c1="shipped") == {}

    def test_a_refused_line_is_refunded(self, shop):
        """What the carrier will not take goes back on the shelf, its price to the customer."""
        order_id = shop.new_order(mug=1, piano=1)
        shop.pay(order_id, 250_200)

        shop.work()

        assert shop.status(order_id) == ("shipped", "without piano")
        assert shop.stock("piano") == (10, 0)
        assert shop.differences(c1="shipped") == {}
