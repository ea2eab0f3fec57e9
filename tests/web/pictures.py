"""``python -m tests.web.pictures``: take the pictures of the dashboard that the guide shows."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import text
from werkzeug.serving import make_server

from gendurable.testing.databases import database, running_server
from gendurable.web import dashboard
from tests.web import office
from tests.web.browser import Remote, chromium
from tests.web.scene import Shop, open_shop

FOLDER = Path(
    os.environ.get("GENDURABLE_PICTURES")
    or Path(__file__).parents[2] / "docs" / "images" / "dashboard"
)
WIDE = {"width": 1280, "height": 860}
PHONE = {"width": 400, "height": 860}
WORKERS = ({"checkout": 4, "ship": 4}, {"ship": 2, "mail": 4}, {"books": 1, "payouts": 9})
#: How long, in seconds, workers and customers are at it before the first picture.
WARM_UP = 8.0

#: A busy five minutes in one second: what has ended is spread over the time before.
AGE = """
    UPDATE gendurable.instances SET
        updated_at = statement_timestamp() - interval '290 s' * power(random(), 0.7),
        inserted_at = inserted_at - interval '6 min'
    WHERE status IN ('done', 'failed') AND fsm IN ('Checkout', 'Ship', 'PriceSync')
"""


def main() -> None:
    """Play the scene, and photograph it."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    with (
        running_server() as server,
        database(server, "pictures") as url,
        open_shop(url) as (durable, shop),
    ):
        marked = play(durable, shop)
        closing = threading.Event()
        customers = threading.Thread(target=trickle, args=(shop, closing))
        app = dashboard(durable, authenticate=lambda environ: "ada", actions=True)
        web = make_server("127.0.0.1", 0, app, threaded=True)
        threading.Thread(target=web.serve_forever, daemon=True).start()
        with workers(durable), chromium() as browser:
            customers.start()
            time.sleep(WARM_UP)
            try:
                shoot(browser, f"http://127.0.0.1:{web.server_port}", marked)
            finally:
                closing.set()
                customers.join()
        web.shutdown()


def play(durable: Any, shop: Shop) -> dict[str, int]:
    """Fill the shop with orders in every state; return the ids of instances worth a picture."""
    with workers(durable):
        office.work(durable)
        for n in range(400):
            shop.sell(paid=n % 9 != 0, **shop.cart())
        failing = shop.sell(mug=1, piano=1)
        held = shop.sell(mug=2, teapot=1, lamp=3, vase=2)
        waiting = shop.sell(paid=False, teapot=2)
        for _ in range(4):
            shop.sell(piano=1)
        time.sleep(3)
    with durable.engine.begin() as conn:
        conn.execute(text(AGE))
        ids = {
            name: conn.scalar(OF_ORDER, {"order": str(order)})
            for name, order in {"held": held, "waiting": waiting, "failing": failing}.items()
        }
        ids["failed"] = conn.scalar(OF_MACHINE, {"machine": "Reconcile"})
        ids["family"] = conn.scalar(OF_MACHINE, {"machine": "Newsletter"})
    durable.cancel(ids["failing"], "the customer called", by="grace")
    durable.pause(ids["waiting"], by="ada", reason="the customer moves house")
    return ids


OF_ORDER = text(
    "SELECT id FROM gendurable.instances WHERE fsm = 'Checkout' AND state ->> 'order_id' = :order"
)
OF_MACHINE = text("SELECT min(id) FROM gendurable.instances WHERE fsm = :machine")


@contextmanager
def workers(durable: Any) -> Iterator[None]:
    """Run the workers of the shop."""
    with ExitStack() as stack:
        for queues in WORKERS:
            stack.enter_context(durable.worker(queues=queues))
        yield


def trickle(shop: Shop, closing: threading.Event) -> None:
    """Let customers come while pictures are taken."""
    for n in count():
        shop.sell(paid=n % 5 != 0, **shop.cart())
        if closing.wait(0.6):
            return


def shoot(browser: Remote, root: str, ids: dict[str, int]) -> None:
    """Take all pictures, light and dark, wide and narrow."""
    pages = {
        "overview": "/",
        "instances": "/instances",
        "instance": f"/instances/{ids['held']}",
        "failed": f"/instances/{ids['failed']}",
        "family": f"/instances/{ids['family']}",
        "machine": "/machines?name=Checkout",
        "limits": "/limits",
        "schedules": "/schedules",
        "cancel": f"/do/instances/cancel?target={ids['waiting']}",
    }
    shots = [
        *((name, path, WIDE, "light") for name, path in pages.items()),
        ("overview-dark", "/", WIDE, "dark"),
        ("instance-dark", pages["instance"], WIDE, "dark"),
        ("overview-narrow", "/", PHONE, "light"),
        ("instances-narrow", "/instances", PHONE, "dark"),
        ("instance-narrow", pages["instance"], PHONE, "light"),
        ("schedules-narrow", "/schedules", PHONE, "dark"),
    ]
    for name, path, size, scheme in shots:
        context = browser.new_context(viewport=size, color_scheme=scheme)
        page = context.new_page()
        page.goto(root + path)
        page.wait_for_load_state("networkidle")
        page.screenshot(
            path=str(FOLDER / f"{name}.png"), full_page=size is PHONE and name != "instances-narrow"
        )
        context.close()


if __name__ == "__main__":
    main()
