"""A dashboard as a browser meets it, and one without a browser."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from werkzeug.serving import make_server
from werkzeug.test import Client

import gendurable as gd
from gendurable.machine import isolated
from gendurable.testing import drain
from gendurable.web import dashboard
from tests.web.browser import Remote, chromium

HERE = {"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "localhost"}


class Paid(gd.Signal):
    """Money has come."""

    amount: int


class Tip(gd.Signal, name="web.tip"):
    """Money that nobody asked for."""

    amount: int


class Ping(gd.Signal, name="web.ping"):
    """Nothing but a name."""


class Order(gd.FSM, name="web.Order", queue="orders", history="all"):
    """An order: it waits for its money."""

    number: int = 1
    note: str = ""

    @gd.step(initial=True)
    def start(self, ctx: gd.Context) -> gd.Outcome:
        return gd.Await("paid", then=self.ship)

    @gd.step
    def ship(self, ctx: gd.Context) -> gd.Outcome:
        if self.note == "bad":
            raise ValueError("cannot be shipped")
        if self.note == "family":
            return gd.ScheduleChildren([Parcel(), Parcel()], then=self.close)
        return gd.Done({"note": self.note})

    @gd.step
    def close(self, ctx: gd.Context) -> gd.Outcome:
        return gd.Done()


class Parcel(gd.FSM, name="web.Parcel", queue="parcels"):
    """A parcel of an order."""

    @gd.step
    def send(self, ctx: gd.Context) -> gd.Outcome:
        return gd.Done()


class Visitor:
    """Somebody at this machine, with a browser that sends what browsers send."""

    def __init__(self, app: Any, **environ: Any) -> None:
        self.client = Client(app)
        self.environ = {**HERE, **environ}

    def get(self, path: str, **headers: str) -> Any:
        return self.client.get(path, environ_overrides=self.environ, headers=headers)

    def post(self, path: str, data: dict[str, Any], **headers: str) -> Any:
        headers = {"Sec-Fetch-Site": "same-origin"} | headers
        return self.client.post(path, data=data, environ_overrides=self.environ, headers=headers)

    def token(self, path: str) -> str:
        """Open a form, and return its token."""
        return self.get(path).text.split('name="csrf" value="')[1].split('"')[0]

    def act(self, action: str, target: Any, /, kind: str = "instances", **filled: Any) -> Any:
        """Fill in the form of an action, and send it."""
        token = self.token(f"/do/{kind}/{action}?target={target}")
        return self.post(f"/do/{kind}/{action}", {"csrf": token, "target": target, **filled})


@pytest.fixture(autouse=True)
def own_machines() -> Iterator[None]:
    """What a test defines is forgotten when it ends."""
    with isolated():
        yield


@pytest.fixture
def visitor(durable: gd.Durable) -> Visitor:
    """Somebody who may look."""
    return Visitor(dashboard(durable))


@pytest.fixture
def operator(durable: gd.Durable) -> Visitor:
    """Somebody who may act, and is called ada."""
    return Visitor(dashboard(durable, authenticate=lambda environ: "ada", actions=True))


@pytest.fixture
def parked(durable: gd.Durable) -> int:
    """The id of an instance that waits for a signal."""
    id = int(durable.insert(Order()))
    drain(durable)
    return id


@pytest.fixture
def fill(engine):
    """Insert rows by SQL: *number* of them, each with these columns."""

    def fill(number: int, **columns: str) -> None:
        values = {"fsm": "'web.Order'", "step": "'start'", "state": "'{}'"} | columns
        with engine.begin() as conn:
            conn.exec_driver_sql(
                f"INSERT INTO gendurable.instances ({', '.join(values)})"
                f" SELECT {', '.join(values.values())} FROM generate_series(1, {number}) n"
            )

    return fill


@pytest.fixture
def served(durable: gd.Durable) -> Iterator[Callable[..., str]]:
    """Serve a dashboard, or another application, and return its address."""
    servers = []

    def serve(app: Any = None, **options: Any) -> str:
        server = make_server("127.0.0.1", 0, app or dashboard(durable, **options), threaded=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Remote]:
    """The system's Chromium, without a window."""
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with chromium() as browser:
        yield browser


@pytest.fixture
def errors() -> list[str]:
    """What the page's console has complained of."""
    return []


@pytest.fixture
def page(browser, errors) -> Iterator[Remote]:
    """A page of a browser that has been nowhere yet."""
    context = browser.new_context()
    context.set_default_timeout(10_000)
    page = context.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
    yield page
    context.close()


@pytest.fixture
def root(served) -> str:
    """Where a dashboard is served to ada, who may act."""
    return served(authenticate=lambda environ: "ada", actions=True, refresh=0.2)
