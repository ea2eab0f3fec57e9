"""Stock and money: every change of the shop's books, each to be committed by the caller.

A step calls these with ``ctx.session``, so that a booking and the outcome of the step are one
transaction; a request calls them with its own. Whoever reads an order to decide something locks it
first (``locked``), which puts webhooks and steps that meet at one order in a line.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from examples.shop.models import LedgerEntry, Order, OrderLine, OrderStatus, Payment, Product

NOW = func.statement_timestamp()


def locked(session: Session, order_id: int) -> Order | None:
    """Return the order as it is now, and keep everybody else from changing it until the commit."""
    return session.get(Order, order_id, with_for_update={"key_share": True}, populate_existing=True)


def reserve(session: Session, order: Order) -> bool:
    """Promise all goods of an order to its customer, or none if one of them is short."""
    shelf = _products(session, order.lines)
    if any(shelf[ln.sku].on_hand - shelf[ln.sku].reserved < ln.quantity for ln in order.lines):
        return False
    for line in order.lines:
        shelf[line.sku].reserved += line.quantity
    order.status = OrderStatus.RESERVED
    order.reserved_at = NOW
    return True


def release(session: Session, lines: Iterable[OrderLine]) -> None:
    """Take back the promise of these lines."""
    lines = list(lines)
    shelf = _products(session, lines)
    for line in lines:
        shelf[line.sku].reserved -= line.quantity


def hand_out(session: Session, line: OrderLine) -> None:
    """Let the goods of one line leave the warehouse."""
    product = _products(session, [line])[line.sku]
    product.reserved -= line.quantity
    product.on_hand -= line.quantity


def receive(session: Session, order: Order, payment_id: str, amount: int) -> bool:
    """Book money that came in; False if this payment is in the books already."""
    if session.get(Payment, payment_id) is not None:
        return False
    order.payments.append(Payment(id=payment_id, amount=amount, refunded=0))
    _enter(session, order, "cash", "deposits", amount, f"payment {payment_id}")
    return True


def refund(session: Session, order: Order, amount: int, memo: str) -> None:
    """Give money back, from the latest payment first."""
    for payment in sorted(order.payments, key=lambda paid: paid.id, reverse=True):
        share = min(amount, payment.amount - payment.refunded)
        if share > 0:
            payment.refunded += share
            amount -= share
            _enter(session, order, "deposits", "cash", share, f"refund {payment.id}: {memo}")


def paid(order: Order) -> int:
    """Return what the customer has paid and not got back."""
    return sum(payment.amount - payment.refunded for payment in order.payments)


def settle(session: Session, order: Order, earned: int, memo: str) -> None:
    """Keep what was earned of the customer's money, and give the rest back."""
    if earned:
        _enter(session, order, "deposits", "sales", earned, "goods sent")
    if paid(order) > earned:
        refund(session, order, paid(order) - earned, memo)


def close(order: Order, status: OrderStatus, remark: str | None = None) -> None:
    """Put the last word on an order."""
    order.status = status
    order.remark = remark
    order.ended_at = NOW


def _products(session: Session, lines: Iterable[OrderLine]) -> dict[str, Product]:
    """Lock the products of these lines, always in the same order, so that nobody deadlocks."""
    statement = (
        select(Product)
        .where(Product.sku.in_([line.sku for line in lines]))
        .order_by(Product.sku)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    return {product.sku: product for product in session.scalars(statement)}


def _enter(session: Session, order: Order, debit: str, credit: str, amount: int, memo: str) -> None:
    for account, side in ((debit, amount), (credit, -amount)):
        session.add(LedgerEntry(order_id=order.id, account=account, amount=side, memo=memo))
