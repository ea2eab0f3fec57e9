"""The shop's front door: a Flask application, one transaction a request."""

from __future__ import annotations

from typing import Annotated

from flask import Flask, Response, abort, jsonify, request
from pydantic import BaseModel, Field, ValidationError
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session as DatabaseSession

from examples.shop import payments
from examples.shop.db import Session, durable
from examples.shop.machines import Checkout
from examples.shop.models import Order, OrderLine, Product

app = Flask("shop")


class Wish(BaseModel):
    """What a customer sends; ``cart`` is made up by the browser when the cart is opened."""

    cart: Annotated[str, Field(min_length=1, max_length=100)]
    customer: str
    lines: Annotated[dict[str, Annotated[int, Field(gt=0, le=10_000)]], Field(min_length=1)]


@app.post("/orders")
def place_order() -> tuple[Response, int]:
    """Take an order and start its checkout: both in one transaction, so both or neither."""
    wish = Wish.model_validate_json(request.get_data())
    with Session.begin() as session:
        order, new = find_or_add(session, wish)
        if new:
            durable.insert(Checkout(order_id=order.id), session=session, correlation_key=order.key)
            order.lines = priced(session, wish)
        return jsonify(id=order.id, total=order.total), 201 if new else 200


@app.get("/orders/<int:order_id>")
def show_order(order_id: int) -> Response:
    """Say how far an order has come."""
    with Session() as session:
        order = session.get(Order, order_id) or abort(404)
        return jsonify(id=order.id, status=order.status, remark=order.remark, total=order.total)


@app.post("/webhooks/payments")
def payment_webhook() -> tuple[Response, int]:
    """Hear the payment provider; anything but a 2xx makes it try again later."""
    body = request.get_data()
    if not payments.is_genuine(request.headers.get("Payment-Signature", ""), body):
        abort(400, "this is not the provider's signature")
    event = payments.Event.model_validate_json(body)
    with Session.begin() as session:
        answer = payments.take(session, event)
    if answer is None:
        abort(404, "no such order")
    return jsonify(answer=answer), 200


@app.errorhandler(ValidationError)
def refuse(error: ValidationError) -> tuple[Response, int]:
    """Tell the sender of a malformed body what is wrong with it."""
    return jsonify(errors=error.errors(include_url=False, include_context=False)), 422


def find_or_add(session: DatabaseSession, wish: Wish) -> tuple[Order, bool]:
    """Return the order of this cart, and whether it is new: the second click finds the first's."""
    added = session.scalar(
        insert(Order)
        .values(cart=wish.cart, customer=wish.customer)
        .on_conflict_do_nothing(index_elements=[Order.cart])
        .returning(Order)
    )
    if added is not None:
        return added, True
    return session.scalars(select(Order).where(Order.cart == wish.cart)).one(), False


def priced(session: DatabaseSession, wish: Wish) -> list[OrderLine]:
    """Look up today's prices; what is not on the list ends the request, and undoes all of it."""
    products = session.scalars(select(Product).where(Product.sku.in_(wish.lines)))
    price = {product.sku: product.price for product in products}
    if unknown := sorted(wish.lines.keys() - price.keys()):
        abort(422, f"not in this shop: {', '.join(unknown)}")
    return [
        OrderLine(sku=sku, quantity=quantity, price=price[sku])
        for sku, quantity in sorted(wish.lines.items())
    ]
