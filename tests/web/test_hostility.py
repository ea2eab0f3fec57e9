"""What hostile texts and hostile sites do to the dashboard in a real browser: nothing."""

from __future__ import annotations

import pytest

import gendurable as gd
from gendurable.models import Base
from gendurable.web.forms import ACTIONS
from tests.web import hostile
from tests.web.browser import IN_A_BROWSER
from tests.web.conftest import Order

pytestmark = IN_A_BROWSER

EVIL = "\"'><script>window.hit = 1</script><img src=x onerror='window.hit = 2'>{{ 7 * 7 }}"
#: Whether a script has run, or anything that a text brought along has become a part of the page.
HIT = """() => window.hit ?? document.querySelectorAll(
    'img[src="x"], script:not([src^="/static/"]), [onerror]').length"""

#: What each action is filled in with.
FILLED = {
    "reason": "x",
    "name": "paid",
    "delay": "3600",
    "to": "ship",
    "cascade": "1",
    "cron": "1 1 1 1 *",
    "at_once": "9",
    "allowance": "9",
    "per": "9",
}
TARGETS = {"instances": "1", "queues": "orders", "schedules": "nightly", "limits": "stripe"}


def evil_site(root: str, kind: str, action: str, token: str):
    """Return a site whose button posts to the dashboard, with a token that somebody has leaked."""
    fields = {"target": TARGETS[kind], "csrf": token, **FILLED}
    inputs = "".join(f"<input name='{name}' value='{fields[name]}'>" for name in fields)

    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/html")])
        form = f"<form method=post action='{root}/do/{kind}/{action}'>{inputs}"
        return [f"{form}<button>Win a prize</button></form>".encode()]

    return app


def everything(engine):
    """Return all that is stored."""
    with engine.connect() as conn:
        return {
            table.name: sorted(map(repr, conn.execute(table.select())))
            for table in Base.metadata.sorted_tables
        }


class TestScripts:
    def test_stored_ones_do_nothing(self, page, errors, root, durable, engine):
        """Whatever text is stored, wherever, runs nowhere and becomes no part of a page."""
        hostile.populate(durable, engine, EVIL)
        for path in hostile.pages(EVIL):
            page.goto(root + path)
            assert page.evaluate(HIT) == 0, path
        page.goto(f"{root}/instances/3")
        page.wait_for_timeout(500)  # time for an update, too
        assert page.evaluate(HIT) == 0
        # Some of these pages are errors, which a browser notes; no policy was violated.
        assert [one for one in errors if "status of 4" not in one] == []

    def test_a_script_that_gets_in_is_blocked(self, page, root):
        """Even markup that were not escaped would not run: the policy forbids it."""
        page.goto(root)
        page.evaluate(
            "document.querySelector('main').innerHTML = '<img src=x onerror=\"window.hit = 1\">'"
        )
        page.wait_for_timeout(200)

        assert page.evaluate("window.hit") is None


class TestOtherSites:
    @pytest.mark.parametrize(("kind", "action"), sorted(ACTIONS))
    def test_cannot_act(self, page, root, served, durable, engine, parked, kind, action):
        """A form on another site, sent by a user who is signed in, does nothing."""
        durable.schedule("nightly", Order(), cron="0 3 * * *")
        durable.trigger("nightly")
        durable.set_limit("stripe", gd.ConcurrencyLimit(2))
        page.goto(f"{root}/do/instances/cancel?target={parked}")
        token = page.get_attribute("input[name=csrf]", "value")
        before = everything(engine)

        site = served(evil_site(root, kind, action, token))
        page.goto(site.replace("127.0.0.1", "localhost"))
        with page.expect_navigation():
            page.click("button")

        assert page.inner_text("h1") == "Forbidden"
        assert everything(engine) == before

    def test_another_site_cannot_frame(self, page, root, served):
        """No page is shown in a frame, where a click could be stolen."""

        def evil(environ, start_response):
            start_response("200 OK", [("Content-Type", "text/html")])
            return [f'<iframe src="{root}/" name="in"></iframe>'.encode()]

        page.goto(served(evil))

        assert "Queues" not in page.frame("in").content()
