"""The audit: what must be equal, asked of the tables; each answer is a number of differences."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, text


@dataclass(frozen=True)
class Check:
    """One thing that must be so, and the query that counts where it is not."""

    claim: str
    sql: str


@dataclass(frozen=True)
class Outside:
    """What the world knows, to be compared with what the tables say."""

    ends: Mapping[str, str]  # cart: status in which its order must end
    payments: Mapping[str, int]  # payment: amount that the provider took
    labels: Mapping[str, str]  # idempotency key: tracking number that the carrier gave


#: What became of each line, and of each order's money; the checks read these.
VIEWS = """
CREATE TEMPORARY VIEW line_fates AS
SELECT l.*, l.quantity * l.price AS worth, o.status, p.tracking,
       count(i.id) AS shipments, count(i.id) FILTER (WHERE i.status = 'done') AS sent,
       count(i.id) FILTER (WHERE i.status = 'failed' AND i.last_error LIKE 'Refused:%') AS refused
FROM order_lines l
JOIN orders o ON o.id = l.order_id
LEFT JOIN parcels p ON p.line_id = l.id
LEFT JOIN gendurable.instances i ON i.fsm = 'Ship' AND (i.state ->> 'line_id')::bigint = l.id
GROUP BY l.id, o.status, p.tracking;

CREATE TEMPORARY VIEW order_money AS
SELECT o.id, o.status,
       coalesce((SELECT sum(worth) FROM line_fates l WHERE l.order_id = o.id
                 AND l.tracking IS NOT NULL), 0) AS sent,
       coalesce((SELECT sum(amount) FROM payments p WHERE p.order_id = o.id), 0) AS paid,
       coalesce((SELECT sum(refunded) FROM payments p WHERE p.order_id = o.id), 0) AS refunded,
       coalesce(sum(e.amount), 0) AS balance,
       coalesce(sum(e.amount) FILTER (WHERE e.account = 'cash'), 0) AS cash,
       coalesce(sum(e.amount) FILTER (WHERE e.account = 'deposits'), 0) AS deposits,
       coalesce(sum(e.amount) FILTER (WHERE e.account = 'sales'), 0) AS sales
FROM orders o LEFT JOIN ledger e ON e.order_id = o.id
GROUP BY o.id;
"""

CHECKS = [
    Check(
        "every cart became one order and ended as it had to; a refused one left no trace",
        """
        SELECT count(*) FROM orders o
        FULL JOIN json_each_text(:ends) must ON must.key = o.cart
        WHERE o.status IS DISTINCT FROM must.value
        """,
    ),
    Check(
        "every order has one checkout, every checkout its order, and all of them are done",
        """
        SELECT count(*) FROM (
            SELECT o.id, count(i.id) AS checkouts
            FROM orders o
            FULL JOIN gendurable.instances i ON i.correlation_key = 'order:' || o.id
            WHERE i.fsm IS NULL OR i.fsm = 'Checkout'
            GROUP BY o.id
            HAVING o.id IS NULL OR count(i.id) <> 1 OR bool_or(i.status <> 'done')
        ) AS odd
        """,
    ),
    Check(
        "nothing is left alive, and no signal is left over",
        """
        SELECT (SELECT count(*) FROM gendurable.instances
                WHERE status NOT IN ('done', 'failed', 'cancelled'))
             + (SELECT count(*) FROM gendurable.signals)
        """,
    ),
    Check(
        "every payment of the provider is in the books once, to the cent",
        """
        SELECT count(*) FROM payments p
        FULL JOIN json_each_text(:payments) made ON made.key = p.id
        WHERE p.amount::text IS DISTINCT FROM made.value
        """,
    ),
    Check(
        "every line of a paid order was shipped or refused once, and of no other order",
        """
        SELECT count(*) FROM line_fates
        WHERE shipments <> (status = 'shipped')::int OR sent + refused <> shipments
           OR sent <> (tracking IS NOT NULL)::int
        """,
    ),
    Check(
        "every parcel is one label of the carrier's, every label one parcel",
        """
        SELECT count(*) FROM parcels p
        FULL JOIN json_each_text(:labels) made ON made.key = p.idempotency_key
        WHERE p.tracking IS DISTINCT FROM made.value
        """,
    ),
    Check(
        "stock: what came in and is not there was sent, and nothing is still promised",
        """
        SELECT coalesce(sum(abs(p.delivered - p.on_hand - coalesce(s.units, 0)) + p.reserved), 0)
        FROM products p
        LEFT JOIN (SELECT sku, sum(quantity) AS units FROM line_fates
                   WHERE tracking IS NOT NULL GROUP BY sku) s ON s.sku = p.sku
        """,
    ),
    Check(
        "money: each customer has paid for what was sent, and has the rest back",
        "SELECT count(*) FROM order_money WHERE paid - refunded <> sent",
    ),
    Check(
        "ledger: each order's sides add up to zero, and say what payments and parcels say",
        """
        SELECT count(*) FROM order_money
        WHERE balance <> 0 OR cash <> paid - refunded OR deposits <> 0 OR sales <> -sent
        """,
    ),
]


def audit(connection: Connection, outside: Outside) -> list[tuple[Check, int]]:
    """Ask every question; return each with its number of differences."""
    connection.execute(text(VIEWS))
    world = {
        "ends": json.dumps(dict(outside.ends)),
        "payments": json.dumps(dict(outside.payments)),
        "labels": json.dumps(dict(outside.labels)),
    }
    return [(check, _count(connection, check, world)) for check in CHECKS]


def _count(connection: Connection, check: Check, world: dict[str, str]) -> int:
    asked = {name: value for name, value in world.items() if f":{name}" in check.sql}
    return int(connection.scalar(text(check.sql), asked) or 0)
