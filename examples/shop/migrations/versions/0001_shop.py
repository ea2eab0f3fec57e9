"""The shop's own tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001_shop"
down_revision = None
branch_labels = None
depends_on = None


def moment(name: str, *, set_by_hand: bool = False) -> sa.Column[object]:
    """A column for an instant: the database's own unless somebody sets it."""
    default = None if set_by_hand else sa.text("statement_timestamp()")
    return sa.Column(name, sa.DateTime(timezone=True), server_default=default, nullable=set_by_hand)


def number(name: str = "id") -> sa.Column[int]:
    """A primary key that the database counts up."""
    return sa.Column(name, sa.BigInteger, sa.Identity(always=True), primary_key=True)


def upgrade() -> None:
    op.create_table(
        "products",
        sa.Column("sku", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("price", sa.Integer, nullable=False),
        sa.Column("delivered", sa.Integer, nullable=False),
        sa.Column("on_hand", sa.Integer, nullable=False),
        sa.Column("reserved", sa.Integer, server_default="0", nullable=False),
        sa.CheckConstraint("price > 0", name="products_price_positive"),
        sa.CheckConstraint("reserved BETWEEN 0 AND on_hand", name="products_promises_are_covered"),
        sa.CheckConstraint("on_hand <= delivered", name="products_came_in_before_going_out"),
    )
    op.create_table(
        "orders",
        number(),
        sa.Column("cart", sa.Text, unique=True, nullable=False),
        sa.Column("customer", sa.Text, nullable=False),
        sa.Column("status", sa.String(20), server_default="placed", nullable=False),
        sa.Column("remark", sa.Text),
        moment("placed_at"),
        moment("reserved_at", set_by_hand=True),
        moment("ended_at", set_by_hand=True),
        sa.CheckConstraint(
            "status IN ('placed', 'reserved', 'paid', 'shipped', 'cancelled')",
            name="orders_status_known",
        ),
        sa.CheckConstraint(
            "(ended_at IS NOT NULL) = (status IN ('shipped', 'cancelled'))", name="orders_end_once"
        ),
    )
    op.create_table(
        "order_lines",
        number(),
        sa.Column("order_id", sa.BigInteger, sa.ForeignKey("orders.id"), nullable=False),
        sa.Column("sku", sa.Text, sa.ForeignKey("products.sku"), nullable=False),
        sa.Column("quantity", sa.Integer, nullable=False),
        sa.Column("price", sa.Integer, nullable=False),
        sa.CheckConstraint("quantity > 0", name="order_lines_quantity_positive"),
        sa.UniqueConstraint("order_id", "sku", name="order_lines_one_per_product"),
    )
    op.create_table(
        "parcels",
        sa.Column(
            "line_id",
            sa.BigInteger,
            sa.ForeignKey("order_lines.id"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("tracking", sa.Text, unique=True, nullable=False),
        sa.Column("idempotency_key", sa.Text, unique=True, nullable=False),
        moment("sent_at"),
    )
    create_books()


def create_books() -> None:
    """The tables of the money and of those who bring it."""
    op.create_table(
        "payments",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("order_id", sa.BigInteger, sa.ForeignKey("orders.id"), nullable=False),
        sa.Column("amount", sa.Integer, nullable=False),
        sa.Column("refunded", sa.Integer, server_default="0", nullable=False),
        moment("received_at"),
        sa.CheckConstraint("amount > 0", name="payments_amount_positive"),
        sa.CheckConstraint("refunded BETWEEN 0 AND amount", name="payments_refund_within_amount"),
    )
    op.create_index("payments_order", "payments", ["order_id"])
    op.create_table(
        "ledger",
        number(),
        sa.Column("order_id", sa.BigInteger, sa.ForeignKey("orders.id"), nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("amount", sa.Integer, nullable=False),
        sa.Column("memo", sa.Text, nullable=False),
        moment("booked_at"),
        sa.CheckConstraint("amount <> 0", name="ledger_amount_not_zero"),
        sa.CheckConstraint("account IN ('cash', 'deposits', 'sales')", name="ledger_account_known"),
    )
    op.create_index("ledger_order", "ledger", ["order_id", "id"])
    op.create_table(
        "deliveries",
        number(),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("order_id", sa.BigInteger, sa.ForeignKey("orders.id"), nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        moment("received_at"),
    )
    op.create_index("deliveries_order", "deliveries", ["order_id", "id"])


def downgrade() -> None:
    for table in ("deliveries", "ledger", "payments", "parcels", "order_lines", "orders"):
        op.drop_table(table)
    op.drop_table("products")
