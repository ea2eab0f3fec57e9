"""The story of an order, told from the tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, RowMapping, text

#: Everything that is dated and belongs to one order, in the order of the dates.
EVENTS = text("""
WITH family AS (
    SELECT id FROM gendurable.instances WHERE correlation_key = 'order:' || :id
    UNION ALL
    SELECT child.id FROM gendurable.instances child JOIN gendurable.instances parent
        ON child.parent_id = parent.id AND parent.correlation_key = 'order:' || :id
)
SELECT * FROM (
    SELECT placed_at AS at, 0 AS rank, 'order' AS what, customer AS word, NULL AS more
    FROM orders WHERE id = :id
    UNION ALL
    SELECT reserved_at, 1, 'reserved', NULL, NULL FROM orders
    WHERE id = :id AND reserved_at IS NOT NULL
    UNION ALL
    SELECT received_at, 2, 'delivery', event_id, answer FROM deliveries
    WHERE order_id = :id AND kind = 'payment_intent.succeeded'
    UNION ALL
    SELECT t.inserted_at, 3, 'crash', i.fsm || '.' || t.step, i.state ->> 'sku'
    FROM gendurable.transitions t JOIN gendurable.instances i ON i.id = t.instance_id
    WHERE t.instance_id IN (SELECT id FROM family) AND t.kind = 'crashed'
    UNION ALL
    SELECT t.inserted_at, 3, 'error', i.state ->> 'sku', t.error
    FROM gendurable.transitions t JOIN gendurable.instances i ON i.id = t.instance_id
    WHERE t.instance_id IN (SELECT id FROM family) AND t.kind <> 'crashed' AND t.error IS NOT NULL
    UNION ALL
    SELECT p.sent_at, 4, 'parcel', l.sku, p.tracking
    FROM parcels p JOIN order_lines l ON l.id = p.line_id WHERE l.order_id = :id
    UNION ALL
    SELECT booked_at, 5, 'refund', memo, (-amount)::text FROM ledger
    WHERE order_id = :id AND account = 'cash' AND amount < 0
    UNION ALL
    SELECT ended_at, 6, status, remark, NULL FROM orders WHERE id = :id AND ended_at IS NOT NULL
) AS events ORDER BY at, rank
""")

HEAD = text("""
SELECT o.placed_at, o.customer, sum(l.quantity * l.price) AS total,
       string_agg(l.quantity || ' × ' || p.name, ', ' ORDER BY p.name) AS goods
FROM orders o JOIN order_lines l ON l.order_id = o.id JOIN products p ON p.sku = l.sku
WHERE o.id = :id GROUP BY o.id
""")

#: One order each: the one that was hit hardest, one paid late, one partly refused, one paid early.
CAST = text("""
WITH hits AS (
    SELECT coalesce(parent.correlation_key, i.correlation_key) AS key, count(*) AS crashes
    FROM gendurable.transitions t
    JOIN gendurable.instances i ON i.id = t.instance_id
    LEFT JOIN gendurable.instances parent ON parent.id = i.parent_id
    WHERE t.kind = 'crashed' GROUP BY 1
)
SELECT id FROM (
    (SELECT 1 AS scene, o.id FROM orders o JOIN hits ON hits.key = 'order:' || o.id
     WHERE o.status = 'shipped' ORDER BY crashes DESC, o.id LIMIT 1)
    UNION ALL
    (SELECT 2, o.id FROM orders o JOIN payments p ON p.order_id = o.id
     WHERE p.received_at > o.ended_at ORDER BY o.id LIMIT 1)
    UNION ALL
    (SELECT 3, id FROM orders WHERE remark LIKE 'without%' ORDER BY id LIMIT 1)
    UNION ALL
    (SELECT 4, o.id FROM orders o
     JOIN deliveries d ON d.order_id = o.id AND d.answer = 'known'
     JOIN payments p ON p.order_id = o.id AND p.received_at < o.reserved_at
     WHERE o.status = 'shipped' GROUP BY o.id ORDER BY count(*) DESC, o.id LIMIT 1)
) AS scenes ORDER BY scene
""")


@dataclass(frozen=True)
class Story:
    """A headline, and what happened when (in seconds since the order)."""

    title: str
    events: list[tuple[float, str]]


def stories(connection: Connection) -> Iterator[Story]:
    """Tell the stories of a few orders, no order twice."""
    for order_id in dict.fromkeys(connection.scalars(CAST)):
        yield story(connection, order_id)


def story(connection: Connection, order_id: int) -> Story:
    """Tell the story of one order."""
    head = connection.execute(HEAD, {"id": order_id}).one()
    title = f"Order {order_id}: {head.customer} wants {head.goods} for {money(head.total)}"
    rows = connection.execute(EVENTS, {"id": order_id}).mappings()
    return Story(title, [(_since(head.placed_at, row["at"]), _sentence(row)) for row in rows])


def money(cents: int) -> str:
    """Return an amount as people read it."""
    return f"€{cents / 100:,.2f}"


def _since(start: datetime, at: datetime) -> float:
    return (at - start).total_seconds()


def _sentence(row: RowMapping) -> str:
    word, more = row["word"], row["more"]
    match row["what"]:
        case "order":
            return "the order is placed and its checkout starts, in one transaction"
        case "reserved":
            return "the goods are put aside"
        case "delivery":
            said = {"known": "again; it is known", "refunded": "too late: refunded at once"}
            return f"the webhook {word} arrives {said.get(more, 'and is booked')}"
        case "crash":
            where = f"{word} ({more})" if more else word
            return f"its worker was killed in {where} and the lease is over: it runs again"
        case "error":
            return f"the carrier on {word}: {more}"
        case "parcel":
            return f"{word} leaves as parcel {more}"
        case "refund":
            return f"{money(int(more))} go back ({word.partition(': ')[2]})"
        case status:
            return f"{status}{f', {word}' if word else ''}"
