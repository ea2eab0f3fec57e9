"""The customers: they order over HTTP, click twice, pay at once, too late, or not at all."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from functools import partial

from examples.shop.models import OrderStatus
from examples.shop.stage.plan import Fate, Journey
from examples.shop.stage.provider import Provider
from examples.shop.stage.timeline import Timeline
from examples.shop.stage.wire import call, post


class Customers:
    """Walks each journey of a plan, on the threads of a timeline."""

    def __init__(self, shop: str, provider: Provider, timeline: Timeline) -> None:
        self._shop = shop
        self._provider = provider
        self._timeline = timeline
        self._lock = threading.Lock()
        self.answers: Counter[int] = Counter()
        self._paying: set[str] = set()

    def set_out(self, journeys: list[Journey], may_come: Callable[[Journey], bool]) -> None:
        """Let everybody come when it is their time and *may_come* has nothing against it."""
        for one in journeys:
            self._timeline.after(one.at, partial(self._come, one, may_come))

    def _come(self, one: Journey, may_come: Callable[[Journey], bool]) -> None:
        if not may_come(one):
            self._timeline.after(0.2, partial(self._come, one, may_come))
            return
        for _ in range(one.clicks):
            self._timeline.after(0, partial(self._order, one))

    def _order(self, one: Journey) -> None:
        wish = {"cart": one.cart, "customer": one.customer, "lines": one.lines}
        status, answer = post(f"{self._shop}/orders", wish)
        with self._lock:
            self.answers[status] += 1
        if status not in (200, 201):
            if status != 422 or one.fate is not Fate.LOST:
                raise RuntimeError(f"the shop answered {one.cart} with {status}: {answer}")
            return
        with self._lock:
            if one.cart in self._paying:  # the other click is already at the till
                return
            self._paying.add(one.cart)
        self._pay(one, answer["id"], answer["total"])

    def _pay(self, one: Journey, order_id: int, total: int) -> None:
        if one.heralded:
            self._provider.herald(order_id, one.cart, total)
        if one.fate is Fate.NEVER:
            return
        amount = total - 1 if one.fate is Fate.SHORT else total

        def confirm() -> None:
            self._provider.confirm(order_id, one.cart, amount, one.redelivered_after)

        if one.fate is Fate.LATE:
            self._once_cancelled(order_id, confirm)
        else:
            self._timeline.after(one.pays_after, confirm)

    def _once_cancelled(self, order_id: int, deed: Callable[[], None]) -> None:
        """Look at the order every half second, and do *deed* as soon as it is too late."""
        _, order = call(f"{self._shop}/orders/{order_id}")
        if order["status"] == OrderStatus.CANCELLED:
            deed()
        else:
            self._timeline.after(0.5, lambda: self._once_cancelled(order_id, deed))
