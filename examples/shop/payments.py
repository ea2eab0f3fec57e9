"""The payment provider's webhooks: who may send them, what they say, what we do about them."""

from __future__ import annotations

import hashlib
import hmac
import os
import time

from pydantic import BaseModel
from sqlalchemy.orm import Session

import gendurable as gd
from examples.shop import books
from examples.shop.db import durable
from examples.shop.machines import PaymentConfirmed
from examples.shop.models import Delivery, Order

SECRET = os.environ.get("PAYMENT_WEBHOOK_SECRET", "whsec_demo")

#: A signature older than this is a recording that somebody plays to us.
TOLERANCE = 300


class Metadata(BaseModel):
    """What we gave the provider to remember for us."""

    order_id: int


class PaymentIntent(BaseModel):
    """One attempt of a customer to pay."""

    id: str
    amount: int
    currency: str
    metadata: Metadata


class EventData(BaseModel):
    """The envelope's content."""

    object: PaymentIntent


class Event(BaseModel):
    """One thing that happened at the provider; sent until we say that we have it."""

    id: str
    type: str
    data: EventData


def signature(body: bytes, at: int, secret: str = SECRET) -> str:
    """Return the header that proves that the provider sent this body at that time."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def is_genuine(header: str, body: bytes) -> bool:
    """Tell whether the header is the provider's, and fresh."""
    stamp = header.partition(",")[0].removeprefix("t=")
    if not stamp.isdecimal() or abs(time.time() - int(stamp)) > TOLERANCE:
        return False
    return hmac.compare_digest(header, signature(body, int(stamp)))


def take(session: Session, event: Event) -> str | None:
    """Do what an event asks for, in the caller's transaction; return what came of it.

    None means that the order is not there (yet): the provider will ask again. The order is locked
    before anything is decided, so deliveries of one event, and the steps of its checkout, take
    turns.
    """
    order = books.locked(session, event.data.object.metadata.order_id)
    if order is None:
        return None
    answer = "ignored"
    if event.type == "payment_intent.succeeded":
        answer = _confirm(session, order, event)
    session.add(Delivery(event_id=event.id, kind=event.type, order_id=order.id, answer=answer))
    return answer


def _confirm(session: Session, order: Order, event: Event) -> str:
    intent = event.data.object
    confirmed = PaymentConfirmed(payment=intent.id, amount=intent.amount)
    try:
        new = durable.signal(order.key, confirmed, dedup_key=event.id, session=session)
    except gd.NoTarget:  # the checkout has ended: nobody waits for this money
        if not books.receive(session, order, intent.id, intent.amount):
            return "known"
        books.refund(session, order, intent.amount, "came too late")
        return "refunded"
    return "booked" if new and books.receive(session, order, intent.id, intent.amount) else "known"
