"""The payment provider: tells the shop of every payment, at least once, sometimes at most never."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import threading
import time
from collections import Counter
from typing import Any

from examples.shop.stage.timeline import Timeline
from examples.shop.stage.wire import call

SUCCEEDED = "payment_intent.succeeded"
CREATED = "payment_intent.created"
SECRET = os.environ.get("PAYMENT_WEBHOOK_SECRET", "whsec_demo").encode()


class Provider:
    """Sends signed events until the shop has answered each with a 2xx; then, maybe, once more."""

    def __init__(self, shop: str, timeline: Timeline) -> None:
        self._url = f"{shop}/webhooks/payments"
        self._timeline = timeline
        self._lock = threading.Lock()
        self.confirmed: dict[str, int] = {}
        self.heard: Counter[str] = Counter()

    def herald(self, order_id: int, cart: str, amount: int) -> None:
        """Tell of a payment that has not been made yet; a shop should not care."""
        self._deliver(_event(CREATED, f"evt_{cart}_created", cart, order_id, amount))

    def confirm(
        self, order_id: int, cart: str, amount: int, redelivered_after: tuple[float, ...]
    ) -> None:
        """Take the customer's money and tell the shop; tell it again after these delays."""
        event = _event(SUCCEEDED, f"evt_{cart}", cart, order_id, amount)
        with self._lock:
            self.confirmed[f"pi_{cart}"] = amount
        for delay in redelivered_after:
            self._timeline.after(delay, lambda: self._deliver(event))
        self._deliver(event)

    def _deliver(self, event: dict[str, Any]) -> None:
        body = json.dumps(event).encode()
        try:
            status, answer = call(self._url, body, {"Payment-Signature": _signature(body)})
        except OSError:
            status, answer = 0, None
        with self._lock:
            self.heard[answer["answer"] if status == 200 else "no"] += 1
        if status != 200:
            self._timeline.after(0.5, lambda: self._deliver(event))


def _event(kind: str, id: str, cart: str, order_id: int, amount: int) -> dict[str, Any]:
    intent = {
        "id": f"pi_{cart}",
        "object": "payment_intent",
        "amount": amount,
        "currency": "eur",
        "metadata": {"order_id": str(order_id)},
    }
    return {"id": id, "object": "event", "type": kind, "data": {"object": intent}}


def _signature(body: bytes) -> str:
    now = int(time.time())
    return f"t={now},v1={hmac.new(SECRET, b'%d.' % now + body, hashlib.sha256).hexdigest()}"
