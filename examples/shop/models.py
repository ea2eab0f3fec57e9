"""The shop's tables: what is sold, who ordered it, who paid, what was sent, and the books."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Enum,
    ForeignKey,
    Identity,
    Index,
    Text,
    UniqueConstraint,
    func,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class OrderStatus(StrEnum):
    """How far an order has come; ``shipped`` and ``cancelled`` are final."""

    PLACED = "placed"
    RESERVED = "reserved"
    PAID = "paid"
    SHIPPED = "shipped"
    CANCELLED = "cancelled"


class Base(DeclarativeBase):
    """The declarative base of the shop; the engine's tables have one of their own."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text,
        datetime: DateTime(timezone=True),
        OrderStatus: Enum(
            OrderStatus,
            native_enum=False,
            length=20,
            create_constraint=True,
            name="orders_status_known",
            values_callable=lambda kind: [member.value for member in kind],
        ),
    }


class Product(Base):
    """One thing on the shelf; ``reserved`` of the units ``on_hand`` are promised to somebody."""

    __tablename__ = "products"

    sku: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    price: Mapped[int]  # in cents, as all money here
    delivered: Mapped[int]  # units that ever came into the warehouse
    on_hand: Mapped[int]
    reserved: Mapped[int] = mapped_column(server_default="0")

    __table_args__ = (
        CheckConstraint("price > 0", name="products_price_positive"),
        CheckConstraint("reserved BETWEEN 0 AND on_hand", name="products_promises_are_covered"),
        CheckConstraint("on_hand <= delivered", name="products_came_in_before_going_out"),
    )


class Order(Base):
    """A customer's wish to buy; ``cart`` makes a second click on "buy" the same order."""

    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    cart: Mapped[str] = mapped_column(unique=True)
    customer: Mapped[str]
    status: Mapped[OrderStatus] = mapped_column(server_default=OrderStatus.PLACED)
    remark: Mapped[str | None]
    placed_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())
    reserved_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]

    lines: Mapped[list[OrderLine]] = relationship(
        back_populates="order", order_by="OrderLine.sku", lazy="selectin"
    )
    payments: Mapped[list[Payment]] = relationship(back_populates="order")

    __table_args__ = (
        CheckConstraint(
            "(ended_at IS NOT NULL) = (status IN ('shipped', 'cancelled'))", name="orders_end_once"
        ),
    )

    @property
    def total(self) -> int:
        """What the customer owes."""
        return sum(line.amount for line in self.lines)

    @property
    def key(self) -> str:
        """The name by which this order's checkout is addressed."""
        return f"order:{self.id}"


class OrderLine(Base):
    """So many units of one product, at the price of the day."""

    __tablename__ = "order_lines"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    sku: Mapped[str] = mapped_column(ForeignKey("products.sku"))
    quantity: Mapped[int]
    price: Mapped[int]

    order: Mapped[Order] = relationship(back_populates="lines")
    parcel: Mapped[Parcel | None] = relationship(back_populates="line")

    __table_args__ = (
        CheckConstraint("quantity > 0", name="order_lines_quantity_positive"),
        UniqueConstraint("order_id", "sku", name="order_lines_one_per_product"),
    )

    @property
    def amount(self) -> int:
        """The price of the whole line."""
        return self.quantity * self.price


class Payment(Base):
    """Money that arrived; ``id`` is the payment provider's, so that it can arrive only once."""

    __tablename__ = "payments"

    id: Mapped[str] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    amount: Mapped[int]
    refunded: Mapped[int] = mapped_column(server_default="0")
    received_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())

    order: Mapped[Order] = relationship(back_populates="payments")

    __table_args__ = (
        CheckConstraint("amount > 0", name="payments_amount_positive"),
        CheckConstraint("refunded BETWEEN 0 AND amount", name="payments_refund_within_amount"),
        Index("payments_order", "order_id"),
    )


class Parcel(Base):
    """A line that was handed to the carrier; its key is what the carrier knows the request by."""

    __tablename__ = "parcels"

    line_id: Mapped[int] = mapped_column(ForeignKey("order_lines.id"), primary_key=True)
    tracking: Mapped[str] = mapped_column(unique=True)
    idempotency_key: Mapped[str] = mapped_column(unique=True)
    sent_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())

    line: Mapped[OrderLine] = relationship(back_populates="parcel")


class LedgerEntry(Base):
    """One side of a booking; the sides of an order's bookings always add up to zero."""

    __tablename__ = "ledger"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    account: Mapped[str]  # cash, deposits (paid but not yet earned) or sales
    amount: Mapped[int]  # debit positive, credit negative
    memo: Mapped[str]
    booked_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())

    __table_args__ = (
        CheckConstraint("amount <> 0", name="ledger_amount_not_zero"),
        CheckConstraint("account IN ('cash', 'deposits', 'sales')", name="ledger_account_known"),
        Index("ledger_order", "order_id", "id"),
    )


class Delivery(Base):
    """One call of the payment provider at our door, wanted or not, and what we answered."""

    __tablename__ = "deliveries"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    event_id: Mapped[str]
    kind: Mapped[str]
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    answer: Mapped[str]
    received_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())

    __table_args__ = (Index("deliveries_order", "order_id", "id"),)
