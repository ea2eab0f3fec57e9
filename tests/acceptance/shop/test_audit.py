"""The audit is worth something only if it sees what is wrong."""

from __future__ import annotations

import pytest
from sqlalchemy import text

TAMPERING = {
    "an order that was never placed": "UPDATE orders SET cart = 'other'",
    "an order that ended otherwise": "UPDATE orders SET status = 'cancelled'",
    "a checkout that is gone": "DELETE FROM gendurable.instances WHERE fsm = 'Checkout'",
    "a checkout too many": """
        INSERT INTO gendurable.instances (fsm, step, status, state, correlation_key)
        VALUES ('Checkout', 'finish', 'done', '{}', 'order:1')""",
    "a checkout of no order": """
        INSERT INTO gendurable.instances (fsm, step, status, state, correlation_key)
        VALUES ('Checkout', 'finish', 'done', '{}', 'order:2')""",
    "a machine that still runs": """
        INSERT INTO gendurable.instances (fsm, step, state) VALUES ('Other', 'go', '{}')""",
    "a signal that nobody read": """
        INSERT INTO gendurable.signals (target_id, name) SELECT min(id), 'x'
        FROM gendurable.instances""",
    "a payment that was lost": "DELETE FROM payments",
    "a payment of another amount": "UPDATE payments SET amount = amount + 1",
    "a parcel that was lost": "DELETE FROM parcels WHERE line_id = 1",
    "a line that was shipped twice": """
        INSERT INTO gendurable.instances (fsm, step, status, state)
        VALUES ('Ship', 'hand_over', 'done', jsonb_build_object('line_id', 1))""",
    "a parcel with a label of somebody else": "UPDATE parcels SET tracking = 'x' WHERE line_id = 1",
    "a parcel with another key": "UPDATE parcels SET idempotency_key = 'x' WHERE line_id = 1",
    "stock that vanished": "UPDATE products SET on_hand = on_hand - 1 WHERE sku = 'mug'",
    "stock that is promised to nobody": "UPDATE products SET reserved = 1 WHERE sku = 'mug'",
    "money that was given back": "UPDATE payments SET refunded = 1",
    "half a booking": """
        INSERT INTO ledger (order_id, account, amount, memo) VALUES (1, 'cash', 1, '')""",
    "a booking too many": """
        INSERT INTO ledger (order_id, account, amount, memo)
        VALUES (1, 'cash', 1, ''), (1, 'deposits', -1, '')""",
}


@pytest.mark.parametrize("tampering", TAMPERING.values(), ids=TAMPERING.keys())
def test_sees(shop, tampering):
    """Each thing that must not be is counted as a difference."""
    shop.pay(shop.new_order(mug=2, pot=1), 5900)
    shop.work()
    assert shop.differences(c1="shipped") == {}

    with shop.db.engine.begin() as connection:
        connection.execute(text(tampering))

    assert shop.differences(c1="shipped") != {}


def test_sees_a_label_without_a_parcel(shop, carrier):
    """A label that the carrier made for nothing is counted, though no table knows of it."""
    carrier.labels["stray"] = "CR999"

    assert len(shop.differences()) == 1
