"""The dashboard inside other applications, below a prefix of theirs."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from flask import Flask
from pyramid.config import Configurator
from pyramid.wsgi import wsgiapp2
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client

import gendurable as gd
from gendurable.web import dashboard
from tests.web.conftest import Order, Visitor


def flask_app(app):
    host = Flask("host")

    @host.get("/")
    def home() -> str:
        return "home"

    host.wsgi_app = DispatcherMiddleware(host.wsgi_app, {"/ops/gd": app})
    return host


def pyramid_app(app):
    with Configurator() as config:
        config.add_route("ops", "/ops/gd*subpath")
        config.add_view(wsgiapp2(app), route_name="ops")
        return config.make_wsgi_app()


def crawl(visitor: Visitor) -> set[str]:
    """Follow every link from the mount, and return where they led."""
    seen: set[str] = set()
    todo = ["/ops/gd/"]
    while todo:
        path = todo.pop()
        if path in seen or len(seen) > 120:
            continue
        seen.add(path)
        answer = visitor.get(path)
        assert answer.status_code in (200, 303), (path, answer.status_code)
        if answer.mimetype == "text/html":
            found = re.findall(r'(?:href|src)="([^"#]+)"', answer.text)
            addresses = [one.replace("&amp;", "&") for one in found]
            todo += [one for one in addresses if not one.startswith("data:")]
    return seen


class TestMounts:
    def check(self, host, durable):
        id = int(durable.insert(Order(), correlation_key="order:1"))
        visitor = Visitor(host)
        seen = crawl(visitor)
        assert len(seen) > 15
        assert all(path.startswith("/ops/gd/") for path in seen)
        assert f"/ops/gd/instances/{id}" in seen

        token = visitor.token(f"/ops/gd/do/instances/cancel?target={id}")
        data = {"csrf": token, "target": id, "reason": "x"}
        answer = visitor.post("/ops/gd/do/instances/cancel", data)
        there = f"/ops/gd/instances/{id}?said=instances-cancel"
        assert answer.location.endswith(there)
        assert "It is cancelled" in visitor.get(there).text
        assert durable.instance(id).status == "cancelled"

    def test_in_flask(self, durable):
        """Below a prefix of a Flask application every link, form and redirect stays there."""
        host = flask_app(dashboard(durable, actions=True))

        self.check(host, durable)
        assert Client(host).get("/").text == "home"

    def test_in_pyramid(self, durable):
        """Below a route of a Pyramid application, too."""
        self.check(pyramid_app(dashboard(durable, actions=True)), durable)

    def test_the_cookie_belongs_to_the_mount(self, durable):
        """The host's own pages are not sent the dashboard's cookie."""
        id = int(durable.insert(Order()))
        visitor = Visitor(flask_app(dashboard(durable, actions=True)))

        cookie = visitor.get(f"/ops/gd/do/instances/cancel?target={id}").headers["Set-Cookie"]

        assert "Path=/ops/gd;" in cookie

    def test_two_in_one_process(self, engine):
        """Two bindings have a dashboard each, and neither shows what is in the other."""
        one, two = gd.bind(engine), gd.bind(engine, schema="second")
        two.create_schema()
        two.insert(Order(), correlation_key="second:1")
        apps = {"/one": dashboard(one), "/two": dashboard(two)}
        visitor = Visitor(DispatcherMiddleware(dashboard(one), apps))

        assert "second:1" not in visitor.get("/one/instances").text
        assert "second:1" in visitor.get("/two/instances").text
        two.notifier.close()


def test_it_takes_a_binding(engine):
    """What is none is refused where it enters, and not by the first request."""
    with pytest.raises(gd.ConfigError, match=r"takes a binding.*gendurable\.bind"):
        dashboard(engine)


def test_without_the_extra_it_says_what_is_missing():
    """Whoever imports it learns what to install."""
    code = "import sys; sys.modules['jinja2'] = None; from gendurable.web import dashboard"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert "ModuleNotFoundError: the dashboard needs jinja2: pip install 'gendurable[web]'" in (
        ended.stderr
    )
